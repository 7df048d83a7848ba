# Packages and the source's archive, of what is committed: build/dist/ and build/deb/. Whoever makes them
# of the same commit, with the same Debian packages, gets the same bytes.

DIST := build/dist/netenforce-$(VERSION).tar.gz

.PHONY: dist deb check-deb
dist:
	$(Q)git diff --quiet HEAD -- || echo "dist: what is not committed is left out" >&2
	@mkdir -p $(dir $(DIST))
	$(call say,DIST,$(DIST))
	$(Q)git -c tar.umask=0022 archive --format=tar --prefix=netenforce-$(VERSION)/ HEAD | gzip -9n >$(DIST).new
	$(Q)mv $(DIST).new $(DIST)

deb: dist
	$(Q)debian/build-packages $(DIST) build/deb

# The two packages, made twice in different folders, and what lintian says of them.
check-deb: deps
	$(Q)$(PYTEST) tests/packages/test_packages.py
