# The managed plugin: build/plugin/ holds config.json and rootfs/, ready for
# `docker plugin create NAME build/plugin`.

PLUGIN := netenforce/driver:latest

.PHONY: plugin plugin-install plugin-remove sbom
plugin: $(B)/netenforced $(B)/instead/libsystemd.so.0
	$(call say,PACK,$(B)/plugin)
	$(Q)plugin/pack $(B)/netenforced config.json $(B)/plugin $(CURDIR)/$(B)/instead

$(B)/instead/libsystemd.so.0: plugin/no_systemd.c plugin/no_systemd.map
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -std=gnu17 -O2 $(WARN) -shared -fPIC -nostdlib -Wl,-soname,$(@F) \
		-Wl,--version-script=plugin/no_systemd.map -s -o $@ $<

# What is in it, by dpkg: build/plugin.spdx.json.
sbom: plugin
	$(call say,SBOM,$(B)/plugin.spdx.json)
	$(Q)plugin/sbom $(B)/plugin $(VERSION) "$$($(CC) -print-file-name=libmicrohttpd.a)" \
		>$(B)/plugin.spdx.json.new
	$(Q)mv $(B)/plugin.spdx.json.new $(B)/plugin.spdx.json

# `make plugin-install PLUGIN_SETTINGS=FIREWALL=nftables` gives it settings.
plugin-install: plugin
	$(Q)plugin/install-on-engine $(B)/plugin $(PLUGIN) $(PLUGIN_SETTINGS)

plugin-remove:
	$(Q)docker plugin rm -f $(PLUGIN)
