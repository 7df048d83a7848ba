# Tests: unit (cmocka), net (namespaces, no engine), engine (a real dockerd), fuzz, bench, lint.

PYTEST := /usr/bin/python3 -m pytest -q -p no:cacheprovider
UNIT   := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
PURE   := $(BASE) $(CORE) $(STATE) $(DRIVER) src/remote/decode.c \
	src/firewall/iptables/plan.c src/firewall/iptables/tree.c \
	src/firewall/iptables/compile.c src/firewall/iptables/encode.c

.SECONDARY:
.PHONY: check unit net engine attack demo
check: deps
	$(Q)$(MAKE) --no-print-directory unit
	$(Q)$(MAKE) --no-print-directory net
	$(Q)$(MAKE) --no-print-directory engine

# Each program prints its own count; one that fails ends the run.
unit: $(UNIT:%=$(B)/tests/%)
	$(Q)for t in $^; do $$t || exit 1; done

net: all $(B)/tests/link_probe $(B)/tests/libfault.so
	$(Q)BUILD=$(CURDIR)/$(B) $(PYTEST) tests/net

ENGINE_TESTS ?= tests/engine
engine: plugin all
	$(Q)BUILD=$(CURDIR)/$(B) $(PYTEST) $(ENGINE_TESTS)

# Every way around that is known, from real containers: prints the table of docs/threat-model.md.
attack: plugin all build/tests/attacker
	$(Q)BUILD=$(CURDIR)/$(B) $(PYTEST) tests/attacks

# It goes into an image: static, and without sanitizers, whose runtime is not there.
build/tests/attacker: tests/attacks/attacker.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -std=gnu17 -O2 $(WARN) -static -o $@ $<

demo: deps
	$(Q)$(MAKE) --no-print-directory all plugin
	$(Q)BUILD=$(CURDIR)/$(B) tests/demo/demo

$(B)/tests/test_%: $(B)/obj/tests/unit/test_%.o $(call obj,$(PURE))
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -ljansson -lcmocka

$(B)/tests/link_probe: $(B)/obj/tests/net/link_probe.o $(call obj,$(BASE) $(LINK) src/core/addr.c src/core/names.c)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lmnl

# A library that makes one system call of the daemon fail: see tests/net/fault.c.
$(B)/tests/libfault.so: tests/net/fault.c
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
	$(Q)clang-tidy --quiet --warnings-as-errors='*' \
		$(filter src/%.c,$(SOURCES)) -- $(CPPFLAGS) -std=gnu17 2>/dev/null
	$(call say,LINT,shellcheck)
	$(Q)shellcheck $(SCRIPTS)

FUZZ_SECONDS ?= 20
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
.PHONY: fuzz
fuzz: $(FUZZERS:%=$(B)/fuzz/%)
	$(Q)for f in $(FUZZERS); do \
		mkdir -p $(B)/fuzz/corpus/$$f; \
		$(B)/fuzz/$$f -max_total_time=$(FUZZ_SECONDS) -verbosity=0 -print_final_stats=1 \
			$(B)/fuzz/corpus/$$f tests/fuzz/seeds/$$f || exit 1; done

$(B)/fuzz/%: tests/fuzz/%.c $(PURE) $(LINK)
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)
	$(Q)clang $(CPPFLAGS) -std=gnu17 -g -O1 -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all -o $@ $(filter %.c,$^) -ljansson -lmnl

.PHONY: bench
bench: all
	$(Q)mkdir -p $(B)/bench
	$(Q)BUILD=$(CURDIR)/$(B) /usr/bin/python3 tests/bench/driver_calls.py $(B)/bench
