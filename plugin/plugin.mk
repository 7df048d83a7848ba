# The managed plugin: build/plugin/ holds config.json and rootfs/, ready for
# `docker plugin create NAME build/plugin`.

PLUGIN := netenforce/driver:latest

.PHONY: plugin plugin-install plugin-remove
plugin: $(B)/netenforced
	$(call say,PACK,$(B)/plugin)
	$(Q)plugin/pack $(B)/netenforced config.json $(B)/plugin

plugin-install: plugin
	$(Q)plugin/install-on-engine $(B)/plugin $(PLUGIN)

plugin-remove:
	$(Q)docker plugin rm -f $(PLUGIN)
