"""systemd-resolved on the host: /etc/resolv.conf leads to its stub at 127.0.0.53.

Debian's own daemon runs in the lab host's namespaces, and asks a name server of the test's that notes
what it is asked.

    container ── 127.0.0.11 (dockerd) ── ?        host ── 127.0.0.53 (resolved) ── 198.51.100.1
              ── bridge:53 (dns=log: dnsmasq) ──────────┘
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conftest import CACHE
from doctor import complaints, findings
from lab import Container, Lab, borrowed, lookup
from lab.names import NameServer
from lab.outside import HOST_V4
from lab.process import wait_until

STUB, UPLINK = "/run/systemd/resolve/stub-resolv.conf", "/run/systemd/resolve/resolv.conf"
SETTINGS = "[Resolve]\nDNS={}\nFallbackDNS=\nDNSSEC=no\nLLMNR=no\nMulticastDNS=no\nCache=no\n"
ID = "991"


class Resolved:
    """The host's resolver, and the server behind it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.server = NameServer(lab.host.netns, HOST_V4)
        borrowed.lay_over(lab.host, borrowed.fetch(CACHE, "systemd-resolved"))
        # What its postinst does:
        for name, line in (("passwd", f"x:{ID}:{ID}::/:/usr/sbin/nologin"), ("group", f"x:{ID}:")):
            path = lab.host.path(f"/etc/{name}")
            if "systemd-resolve:" not in path.read_text():
                path.write_text(f"{path.read_text()}systemd-resolve:{line}\n")
        resolv = lab.host.path("/etc/resolv.conf")
        resolv.unlink()
        resolv.symlink_to(f"..{STUB}")
        self.service = None
        self.ask(HOST_V4)

    def ask(self, server: str) -> None:
        """Have it ask this server, and dockerd read anew what it asks."""
        if self.service is not None:
            self.service.stop()
        self.lab.host.write_etc("systemd/resolved.conf", SETTINGS.format(server))
        self.service = self.lab.host.spawn("/lib/systemd/systemd-resolved", name="resolved")
        uplink = self.lab.host.path(UPLINK)
        wait_until(lambda: f"nameserver {server}" in uplink.read_text(), "resolved to be there")
        assert "nameserver 127.0.0.53" in self.lab.host.path(STUB).read_text()
        self.lab.engine.restart()


@pytest.fixture
def resolved(bare: Lab) -> Iterator[Resolved]:
    """It runs, the plugin too."""
    made = Resolved(bare)
    bare.plugin.install()
    yield made
    made.server.close()


def resolves(container: Container, name: str) -> bool:
    [outcome] = container.probe(lookup(name))
    return outcome.reached


def test_names_go_no_other_way(resolved: Resolved) -> None:
    lab, names = resolved.lab, resolved.server.names
    wait_until(
        lambda: lab.host.run("getent", "hosts", "host.example", check=False).status == 0,
        "the host to resolve names",
    )
    assert "host.example" in names
    off = lab.engine.network("off")
    silent = lab.engine.start("--network", off.name)
    assert not resolves(silent, "leak.example")
    logged = lab.engine.network("logged", "-o", "dns=log")
    pointed = lab.engine.start("--network", logged.name, "--dns", logged.gateway)
    wait_until(lambda: resolves(pointed, "asked.example"), "names to be answered")
    assert "asked.example" in names and "leak.example" not in names
    assert not {"resolver", "names"} & set(complaints(lab))
    assert "the host's name servers are no loopback ones" in [item.found for item in findings(lab)]


def test_what_it_asks_counts(resolved: Resolved) -> None:
    """An engine that leaks reads the file beside the stub's, and so does netenforce."""
    lab = resolved.lab
    resolved.ask("127.0.0.1")
    if lab.engine.version() >= (25, 0, 5):
        pytest.skip("this engine asks no loopback server of the host's for containers")
    said = lab.engine.fails("network", "create", "-d", "netenforce", "refused")
    assert f"{UPLINK} on the host names 127.0.0.1" in said
    assert f"{UPLINK} names 127.0.0.1" in complaints(lab)["resolver"].found
