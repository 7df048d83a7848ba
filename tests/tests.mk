# Tests: unit (cmocka), net (namespaces, no engine), engine, hosts and attack (a real dockerd), fuzz,
# bench, lint.

PYTEST := /usr/bin/python3 -m pytest -q -p no:cacheprovider
UNIT   := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
FORWARDER_PURE := $(addprefix src/forwarder/,arguments.c order.c queries.c querylog.c wanted.c)
PURE   := $(BASE) $(CORE) $(STATE) $(RESOLVER) $(DECLARED) $(EVENT) $(AUDIT) src/nflog/parse.c \
	$(DRIVER) src/remote/decode.c \
	$(FORWARDER_PURE) \
	src/firewall/iptables/plan.c src/firewall/iptables/tree.c \
	src/firewall/iptables/back.c src/firewall/iptables/compile.c src/firewall/iptables/encode.c \
	src/firewall/nftables/fence_compile.c

.SECONDARY:
.PHONY: check unit net engine upgrade hosts attack demo
check: deps
	$(Q)$(MAKE) --no-print-directory unit
	$(Q)$(MAKE) --no-print-directory net
	$(Q)$(MAKE) --no-print-directory engine
	$(Q)$(MAKE) --no-print-directory attack

# Each program prints its own count; one that fails ends the run. RUN=qemu-aarch64-static runs those of
# another architecture.
unit: $(UNIT:%=$(B)/tests/%)
	$(Q)for t in $^; do $(RUN) $$t || exit 1; done

# Each test has namespaces of its own, so two run at once.
NET_PYTEST := $(PYTEST) -n 2

FOR_NET := $(addprefix $(B)/tests/,link_probe live libfault.so libintruder.so)
net: all $(FOR_NET)
	$(Q)BUILD=$(CURDIR)/$(B) $(NET_PYTEST) tests/net

# Two labs, an engine in each; a file's tests share what they don't change, so they stay together.
ENGINE_PYTEST := $(PYTEST) -n 2 --dist loadfile

ENGINE_TESTS ?= tests/engine
engine: plugin all
	$(Q)BUILD=$(CURDIR)/$(B) $(ENGINE_PYTEST) $(ENGINE_TESTS)

# The engine of one Debian release after the other, on one data folder: needs debootstrap(8) and minutes.
upgrade: plugin all
	$(Q)BUILD=$(CURDIR)/$(B) $(PYTEST) tests/upgrade

# Hosts' habits: a firewall of their own, and more. Ten minutes. ufw, firewalld and systemd-resolved are
# unpacked for the lab's host, not installed (tests/lib/lab/borrowed.py).
HOSTS_TESTS ?= tests/hosts
hosts: plugin all $(B)/tests/libfault.so
	$(Q)BUILD=$(CURDIR)/$(B) $(PYTEST) $(HOSTS_TESTS)

# Three engines that are one swarm: seven minutes.
.PHONY: swarm
swarm: plugin all
	$(Q)BUILD=$(CURDIR)/$(B) $(PYTEST) tests/swarm

# Every way around that is known, from real containers: prints the table of docs/threat-model.md.
attack: plugin all build/tests/attacker
	$(Q)BUILD=$(CURDIR)/$(B) $(PYTEST) tests/attacks

# From bare roots of Debian 12 and 13 to an enforced container: needs debootstrap(8), and a quarter of an hour.
.PHONY: newcomer
newcomer: deps
	$(Q)$(PYTEST) tests/newcomer

# Both programs built for arm64 in such a root, and the unit tests run under qemu-user.
.PHONY: arm64
arm64: deps
	$(Q)$(PYTEST) tests/arm64

# Every suite on each backend, those over an engine on each engine, and the matrix at the end: three hours. See tests/matrix.py for
# MATRIX_ENGINES, MATRIX_BACKENDS and MATRIX_SUITES, which choose less, and MATRIX_JOBS.
.PHONY: check-engines
check-engines: plugin all build/tests/attacker $(FOR_NET)
	$(Q)BUILD=$(CURDIR)/$(B) /usr/bin/python3 tests/matrix.py $(B)/engines-matrix

# What depends on the backend most, with nftables: as much as a run for each change has time for.
# FIREWALL=nftables with net, engine and attack runs all of it.
SECOND_NET    := $(patsubst %,tests/net/test_%.py,fence icc member_proxy repair)
SECOND_ENGINE := $(patsubst %,tests/engine/test_%.py,icc inbound ipv6 limits plugin policy recovery refused)
SECOND_ATTACK := "17 or (every and gate)"
.PHONY: second-backend
second-backend: all plugin $(B)/tests/live $(B)/tests/libfault.so build/tests/attacker
	$(Q)export BUILD=$(CURDIR)/$(B) FIREWALL=nftables; \
		$(NET_PYTEST) $(SECOND_NET) && $(ENGINE_PYTEST) $(SECOND_ENGINE) && $(PYTEST) tests/attacks -k $(SECOND_ATTACK)

# It goes into an image: static, and without sanitizers, whose runtime is not there.
build/tests/attacker: tests/attacks/attacker.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -std=gnu17 -O2 $(WARN) -static -o $@ $<

demo: deps
	$(Q)$(MAKE) --no-print-directory all plugin
	$(Q)BUILD=$(CURDIR)/$(B) tests/demo/demo

# The library's clock is the test's.
$(B)/tests/test_http: $(B)/obj/tests/unit/test_http.o $(call obj,$(BASE) $(HTTP))
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--wrap=clock_gettime -o $@ $^ -Wl,-Bstatic -lmicrohttpd -Wl,-Bdynamic \
		-ljansson -lcmocka

$(B)/tests/test_%: $(B)/obj/tests/unit/test_%.o $(call obj,$(PURE))
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -ljansson -lnetfilter_log -lmnl -lcmocka

$(B)/tests/link_probe: $(B)/obj/tests/net/link_probe.o $(call obj,$(BASE) $(LINK) src/core/addr.c src/core/names.c)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lmnl

$(B)/tests/live: tests/net/live.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CPPFLAGS) -std=gnu17 -O2 $(WARN) -o $@ $<

# Libraries that make calls of the daemon fail, or make calls in its name: see there.
$(B)/tests/lib%.so: tests/net/%.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CPPFLAGS) -std=gnu17 -O2 $(WARN) -shared -fPIC -o $@ $< -ldl

.PHONY: valgrind
valgrind: unit
	$(Q)for t in $(UNIT:%=$(B)/tests/%); do \
		valgrind -q --leak-check=full --errors-for-leak-kinds=definite,possible \
			--error-exitcode=9 $$t || exit 1; done

SOURCES = $(shell git ls-files '*.c' '*.h')
SCRIPTS = $(shell git grep -lE '^\#!/bin/(ba)?sh|^\#!/usr/bin/env bash' -- . )

.PHONY: lint
lint: deps
	$(call say,LINT,clang-format)
	$(Q)clang-format --dry-run -Werror $(SOURCES)
	$(call say,LINT,cppcheck)
	$(Q)cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr -Iinclude \
		--enable=warning,performance,portability --suppressions-list=.cppcheck src
	$(call say,LINT,clang-tidy)
	$(Q)printf '%s\n' $(filter src/%.c,$(SOURCES)) | xargs -n 10 -P 2 sh -c \
		'clang-tidy --quiet --warnings-as-errors="*" "$$@" -- $(CPPFLAGS) -std=gnu17 2>/dev/null' lint
	$(call say,LINT,shellcheck)
	$(Q)shellcheck $(SCRIPTS)

FUZZ_SECONDS ?= 20
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
.PHONY: fuzz
fuzz: $(FUZZERS:%=$(B)/fuzz/%)
	$(Q)for f in $(FUZZERS); do \
		mkdir -p $(B)/fuzz/corpus/$$f; \
		$(B)/fuzz/$$f -max_total_time=$(FUZZ_SECONDS) -verbosity=0 -print_final_stats=1 \
			-close_fd_mask=2 \
			$(B)/fuzz/corpus/$$f tests/fuzz/seeds/$$f || exit 1; done

$(B)/fuzz/%: tests/fuzz/%.c $(PURE) $(LINK)
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)
	$(Q)clang $(CPPFLAGS) -std=gnu17 -g -O1 -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all -o $@ $(filter %.c,$^) -ljansson -lnetfilter_log -lmnl

# Figures, tables and plots in build/bench: `make bench BENCH=packets` makes one of them, with
# BENCH_ROUNDS=N fewer rounds (or more). See tests/bench/figures.py.
BENCH ?= driver_calls together start_stop packets layers refusals growth
.PHONY: bench
bench: all plugin $(B)/tests/traffic $(B)/tests/floor
	$(Q)for b in $(BENCH); do \
		BUILD=$(CURDIR)/$(B) /usr/bin/python3 tests/bench/$$b.py $(B)/bench || exit 1; done

$(B)/tests/traffic: tests/bench/traffic.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CPPFLAGS) -std=gnu17 -O2 $(WARN) -o $@ $<

# The least that a driver can do, made of the daemon's own parts.
FLOOR := $(BASE) $(CORE) $(LINK) $(HTTP) src/remote/decode.c src/daemon/loop.c src/daemon/socket.c
$(B)/tests/floor: $(B)/obj/tests/bench/floor.o $(call obj,$(FLOOR))
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -Wl,-Bstatic -lmicrohttpd -Wl,-Bdynamic -ljansson -lmnl

# Instructions, which do not depend on the machine: compare with those that are kept, or keep them.
.PHONY: bench-check bench-keep
bench-check bench-keep: $(B)/tests/unconfined
	$(Q)BUILD=$(CURDIR)/$(B) /usr/bin/python3 tests/bench/instructions.py $(if $(filter %keep,$@),--keep)

$(B)/tests/unconfined: $(filter-out %/seccomp.o,$(call obj,$(DAEMON))) $(B)/obj/tests/bench/unconfined.o
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)
