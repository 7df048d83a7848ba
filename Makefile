# netenforce - see README.md. `make V=1` shows the commands, `make SAN=1 TARGET`
# builds and tests with AddressSanitizer and UndefinedBehaviorSanitizer.

PREFIX  ?= /usr/local
DESTDIR ?=
UNIT_DIR ?= $(PREFIX)/lib/systemd/system
CC      ?= cc
B       := build$(if $(SAN),/san)
VERSION := $(shell sed -n 's/^\#define NE_VERSION "\(.*\)"/\1/p' include/netenforce/version.h)

define newline


endef

ifneq ($(V),1)
Q := @
say = @printf "  %-7s %s\n" $(1) $(2)
endif

WARN := -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 \
	-Wcast-qual -Wpointer-arith -Wundef -Wvla -Werror
BRANCHES := $(if $(filter x86_64%,$(shell $(CC) -dumpmachine 2>/dev/null)),-fcf-protection,-mbranch-protection=standard)
HARDEN := -fstack-protector-strong -fstack-clash-protection $(BRANCHES) -fPIE \
	-ffunction-sections -fdata-sections
HARDEN_LD := -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed -Wl,--gc-sections
CPPFLAGS := -Iinclude -D_GNU_SOURCE
CFLAGS   := -std=gnu17 -O2 -g $(WARN) $(HARDEN) $(EXTRA_CFLAGS)
LDFLAGS  := $(HARDEN_LD)
ifdef SAN
CFLAGS  += -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS += -fsanitize=address,undefined
else
CPPFLAGS += -D_FORTIFY_SOURCE=2
endif

# libmicrohttpd is linked statically and without TLS: src/http/no_tls.c says why.
DAEMON_LIBS := -Wl,-Bstatic -lmicrohttpd -Wl,-Bdynamic -ljansson -lmnl -lnftnl -lnetfilter_log -lip4tc -lip6tc -lcap-ng \
	-lseccomp
CLI_LIBS    := -lcurl -ljansson -lmnl

src     = $(wildcard src/$(1)/*.c)
BASE    := $(call src,base)
EVENT   := $(call src,event)
AUDIT   := $(call src,audit)
METRICS := $(call src,metrics)
NFLOG   := $(call src,nflog)
CORE    := $(call src,core)
LINK    := $(call src,link)
FIRE    := $(call src,firewall) $(call src,firewall/iptables) $(call src,firewall/nftables)
STATE   := $(call src,state)
RESOLVER := $(call src,resolver)
DECLARED := $(call src,declared)
DRIVER  := $(call src,driver)
FORWARDER := $(call src,forwarder)
HTTP    := $(call src,http)
REMOTE  := $(call src,remote)
CONTROL := $(call src,control)
DAEMON  := $(BASE) $(EVENT) $(AUDIT) $(NFLOG) $(METRICS) $(CORE) $(LINK) $(FIRE) $(STATE) $(RESOLVER) $(DECLARED) $(DRIVER) $(HTTP) $(REMOTE) $(CONTROL) \
	$(FORWARDER) $(call src,daemon)
CLI     := $(BASE) $(CORE) $(DECLARED) $(RESOLVER) $(call src,cli) $(call src,cli/verify) \
	$(call src,cli/doctor) $(call src,cli/log)
obj     = $(patsubst %.c,$(B)/obj/%.o,$(1))

.PHONY: all
all: $(B)/netenforced $(B)/netenforce

$(B)/netenforced: $(call obj,$(DAEMON))
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

$(B)/netenforce: $(call obj,$(CLI))
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CLI_LIBS)

$(B)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

include tests/tests.mk
include plugin/plugin.mk
include debian/packages.mk

# What the build, the plugin and the tests need, from Debian's packages.
.PHONY: deps
deps:
	$(Q)tests/install-packages

# What is installed beside the programs: FILE:PLACE below PREFIX.
SHARED := docs/man/netenforce.8:share/man/man8/netenforce.8 \
	docs/man/netenforced.8:share/man/man8/netenforced.8 \
	docs/man/netenforce-policy.5:share/man/man5/netenforce-policy.5 \
	docs/policy.schema.json:share/netenforce/policy.schema.json \
	docs/events.schema.json:share/netenforce/events.schema.json \
	docs/monitoring/grafana.json:share/netenforce/grafana.json \
	docs/monitoring/alerts.yaml:share/netenforce/alerts.yaml \
	completion/netenforce.bash:share/bash-completion/completions/netenforce \
	completion/_netenforce:share/zsh/site-functions/_netenforce \
	completion/netenforce.fish:share/fish/vendor_completions.d/netenforce.fish

.PHONY: install uninstall
install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(UNIT_DIR)
	install -m 0755 $(B)/netenforced $(B)/netenforce $(DESTDIR)$(PREFIX)/sbin/
	$(foreach pair,$(SHARED),install -D -m 0644 $(subst :, $(DESTDIR)$(PREFIX)/,$(pair))$(newline))
	sed 's|@PREFIX@|$(PREFIX)|' plugin/netenforced.service.in \
		>$(DESTDIR)$(UNIT_DIR)/netenforced.service

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/netenforced $(DESTDIR)$(PREFIX)/sbin/netenforce \
		$(foreach pair,$(SHARED),$(DESTDIR)$(PREFIX)/$(lastword $(subst :, ,$(pair)))) \
		$(DESTDIR)$(UNIT_DIR)/netenforced.service

.PHONY: clean
clean:
	rm -rf build
