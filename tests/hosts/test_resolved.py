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
SETTINGS = f"[Resolve]\nDNS={HOST_V4}\nFallbackDNS=\nDNSSEC=no\nLLMNR=no\nMulticastDNS=no\nCache=no\n"
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
        lab.host.path("/run/systemd").mkdir()
        choose(lab, STUB)
        lab.host.write_etc("systemd/resolved.conf", SETTINGS)
        lab.host.spawn("/lib/systemd/systemd-resolved", name="resolved")
        wait_until(
            lambda: lab.host.run("getent", "hosts", "first.example", check=False).status == 0,
            "the host to resolve names",
        )
        assert "nameserver 127.0.0.53" in lab.host.path(STUB).read_text()
        assert f"nameserver {HOST_V4}" in lab.host.path(UPLINK).read_text()
        lab.engine.restart()


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


def choose(lab: Lab, file: str) -> None:
    """Which of its two files the host's programs read, and dockerd."""
    resolv = lab.host.path("/etc/resolv.conf")
    resolv.unlink(missing_ok=True)
    resolv.symlink_to(f"..{file}")


def leaks(lab: Lab) -> bool:
    """Whether this engine asks a loopback server of the host's for containers."""
    return lab.engine.version() < (25, 0, 5)


def test_the_stub_is_refused(resolved: Resolved) -> None:
    """Old engines ask it from the host: seen here, where it is allowed on purpose."""
    lab, names = resolved.lab, resolved.server.names
    said = lab.engine("network", "create", "-d", "netenforce", "off", check=False)
    assert (said.status != 0) == (lab.engine.version() < (28,))
    if leaks(lab):
        assert "/etc/resolv.conf on the host names 127.0.0.53" in said.err
        assert "/etc/resolv.conf names 127.0.0.53" in complaints(lab)["resolver"].found
    lab.engine("plugin", "disable", "-f", "netenforce/driver")
    lab.engine("plugin", "set", "netenforce/driver", "RESOLVER_LEAK=allow")
    lab.engine("plugin", "enable", "netenforce/driver")
    lab.plugin.wait()
    network = lab.engine.network("warned")
    container = lab.engine.start("--network", network.name)
    assert resolves(container, "leak.example") == leaks(lab) == ("leak.example" in names)


def test_names_go_no_other_way(resolved: Resolved) -> None:
    """With the other file: the host resolves, a container with dns=off does not, dns=log does."""
    lab, names = resolved.lab, resolved.server.names
    choose(lab, UPLINK)
    assert lab.host.run("getent", "hosts", "host.example").status == 0
    assert "host.example" in names
    silent = lab.engine.start("--network", lab.engine.network("off").name)
    assert not resolves(silent, "leak.example")
    logged = lab.engine.network("logged", "-o", "dns=log")
    pointed = lab.engine.start("--network", logged.name, "--dns", logged.gateway)
    wait_until(lambda: resolves(pointed, "asked.example"), "names to be answered")
    assert "asked.example" in names and "leak.example" not in names
    assert not {"resolver", "names"} & set(complaints(lab))
    assert "the host's name servers are no loopback ones" in [item.found for item in findings(lab)]
