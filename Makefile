# netenforce - see README.md. `make V=1` shows the commands, `make SAN=1 TARGET`
# builds and tests with AddressSanitizer and UndefinedBehaviorSanitizer.

PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= cc
B       := build$(if $(SAN),/san)
VERSION := $(shell sed -n 's/^\#define NE_VERSION "\(.*\)"/\1/p' include/netenforce/version.h)

ifneq ($(V),1)
Q := @
say = @printf "  %-7s %s\n" $(1) $(2)
endif

WARN := -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 \
	-Wcast-qual -Wpointer-arith -Wundef -Wvla -Werror
HARDEN := -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE \
	-ffunction-sections -fdata-sections
HARDEN_LD := -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed -Wl,--gc-sections
CPPFLAGS := -Iinclude -D_GNU_SOURCE
CFLAGS   := -std=gnu17 -O2 -g $(WARN) $(HARDEN)
LDFLAGS  := $(HARDEN_LD)
ifdef SAN
CFLAGS  += -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS += -fsanitize=address,undefined
else
CPPFLAGS += -D_FORTIFY_SOURCE=2
endif

# libmicrohttpd is linked statically and without TLS: src/http/no_tls.c says why.
DAEMON_LIBS := -Wl,-Bstatic -lmicrohttpd -Wl,-Bdynamic -ljansson -lmnl -lnftnl -lip4tc -lip6tc -lcap-ng
CLI_LIBS    := -lcurl -ljansson

src     = $(wildcard src/$(1)/*.c)
BASE    := $(call src,base)
EVENT   := $(call src,event)
CORE    := $(call src,core)
LINK    := $(call src,link)
FIRE    := $(call src,firewall) $(call src,firewall/iptables) $(call src,firewall/nftables)
STATE   := $(call src,state)
DRIVER  := $(call src,driver)
HTTP    := $(call src,http)
REMOTE  := $(call src,remote)
CONTROL := $(call src,control)
DAEMON  := $(BASE) $(EVENT) $(CORE) $(LINK) $(FIRE) $(STATE) $(DRIVER) $(HTTP) $(REMOTE) $(CONTROL) \
	$(call src,daemon)
CLI     := $(BASE) $(call src,cli)
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

# What the build, the plugin and the tests need, from Debian's packages.
.PHONY: deps
deps:
	$(Q)tests/install-packages

.PHONY: install uninstall
install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/share/man/man8 \
		$(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 0755 $(B)/netenforced $(B)/netenforce $(DESTDIR)$(PREFIX)/sbin/
	install -m 0644 docs/man/netenforce.8 docs/man/netenforced.8 $(DESTDIR)$(PREFIX)/share/man/man8/
	sed 's|@PREFIX@|$(PREFIX)|' plugin/netenforced.service.in \
		>$(DESTDIR)$(PREFIX)/lib/systemd/system/netenforced.service

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/netenforced $(DESTDIR)$(PREFIX)/sbin/netenforce \
		$(DESTDIR)$(PREFIX)/share/man/man8/netenforce.8 \
		$(DESTDIR)$(PREFIX)/share/man/man8/netenforced.8 \
		$(DESTDIR)$(PREFIX)/lib/systemd/system/netenforced.service

.PHONY: clean
clean:
	rm -rf build
