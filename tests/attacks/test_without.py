"""What each protection is worth: without it the row turns red, so the table can fail.

The daemon is stopped (SIGSTOP) meanwhile, since it would mend what is taken away here. Where the
main fence lies in nf_tables the plugin is disabled instead: also while it is stopped the table is
its daemon's, and nobody else can change it (test_events.py has a row for that). Where two
layers stand behind each other, one taken away leaves the rows green, both make them red. The
green ones come first: what is let in leaves half-open connections, which the host answers for a
while.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest

from lab import Lab
from lab.backend import NFTABLES, NO_BACKSTOP, NO_FENCE, emptied
from lab.firewall import our_links
from lab.plugin import NAME
from lab.process import wait_until
from lab.receiver import ReceiverError
from stage import Side, Stage
from test_events import in_place

# The engine's own rules and its policy keep bridges apart, too: with them row 8 would stay green.
NO_ENGINES = "iptables-nft -F; iptables-nft -P FORWARD ACCEPT"
NO_FILTER = f"{NO_FENCE}; {NO_BACKSTOP}; {NO_ENGINES}"
NO_GATES = f"{emptied('filter')}; {emptied('security')}; {NO_BACKSTOP}; {NO_ENGINES}"
NO_GUARD = "for port in PORTS; do tc qdisc del dev $port clsact; done"
NO_ISOLATION = "for port in PORTS; do bridge link set dev $port isolated off; done"
NO_LOCK = "for port in PORTS; do bridge link set dev $port locked off learning on; done"
WITH_IPV6 = (
    "sysctl -qw net.ipv6.conf.BRIDGE.disable_ipv6=0; ip link set BRIDGE addrgenmode eui64;"
    " ip link set BRIDGE down; ip link set BRIDGE up;"
    " ip -6 addr add fe80::1/64 dev BRIDGE nodad"
)

# What is taken away; the rows that are red then.
RED = {
    "packet filter": (NO_FILTER, [2, 3, 4, 8, 10, 11, 12, 13]),
    "every gate": (NO_GATES, [4, 13]),  # whoever judges, nobody acts on it
    "packet filter and guard": (f"{NO_FILTER}; {NO_GUARD}", [5]),
    # ARP in the name of an address that nobody has: against that stands the guard alone.
    "guard": (NO_GUARD, [6]),
    "guard, locked ports": (f"{NO_GUARD}; {NO_LOCK}", [6]),
    "guard, isolated ports": (f"{NO_GUARD}; {NO_ISOLATION}", [7]),
    "guard, packet filter, IPv6 off": (f"{NO_FILTER}; {NO_GUARD}; {NO_LOCK}; {WITH_IPV6}", [9]),
}
# One of two layers: all of these stay green.
GREEN = {
    "judge": (emptied("raw"), [2, 4, 8]),
    "gates": (emptied("filter"), [2, 4, 8]),
    "main fence": (NO_FENCE, [2, 3, 4, 5, 8, 10, 11, 12, 13]),
    "backstop": (NO_BACKSTOP, [2, 4, 8]),
    "guard": (NO_GUARD, [5, 9]),  # row 6 turns red, and so does the ARP among row 7's attempts
    "isolated ports": (NO_ISOLATION, [7]),
    "locked ports": (NO_LOCK, [5, 6, 7]),
}


def layers(lab: Lab, ports: list[str]) -> list[object]:
    """What stands at the ports besides the packet filter: their flags and guards."""
    run = lab.host.run
    flags = [json.loads(run("bridge", "-j", "-d", "link", "show", "dev", port).out) for port in ports]
    guards = [
        run("tc", "filter", "show", "dev", port, place).out.count("direct-action")
        for port in ports
        for place in ("ingress", "egress")
    ]
    return [flags, guards]


@contextlib.contextmanager
def nobody_mends(lab: Lab) -> Iterator[None]:
    """Nor has anybody a table that others cannot change."""
    if NFTABLES:
        lab.engine("plugin", "disable", "-f", NAME)
    else:
        pid = str(lab.plugin.pid)
        lab.host.run("kill", "-STOP", pid)
    try:
        yield
    finally:
        if NFTABLES:
            lab.engine("plugin", "enable", NAME)
            lab.plugin.wait()
        else:
            lab.host.run("kill", "-CONT", pid)


@contextlib.contextmanager
def without(lab: Lab, side: Side, script: str) -> Iterator[None]:
    """Take something away, and have the daemon put it back afterwards."""
    run = lab.host.run
    our_links(lab.host)  # of ports that wait to be deleted nothing can be taken away
    shown = json.loads(run("ip", "-json", "link", "show", "master", side.network.bridge).out)
    ports = [link["ifname"] for link in shown]
    script = script.replace("PORTS", " ".join(ports)).replace("BRIDGE", side.network.bridge)
    engine, stood = run("iptables-nft-save").out, layers(lab, ports)
    try:
        with nobody_mends(lab):
            run("sh", "-ec", script)
            yield
    finally:
        run("iptables-nft-restore", stdin=engine)
        wait_until(
            lambda: in_place(lab) and layers(lab, ports) == stood, "it to be mended", timeout=20
        )


@pytest.mark.parametrize("layer", GREEN)
def test_green_without_one_layer(stage: Stage, layer: str) -> None:
    script, numbers = GREEN[layer]
    with without(stage.lab, stage.near, script):
        for number in numbers:
            row = stage.attack(number, "NET_ADMIN")
            assert not row.count.seen, (number, row.count.seen[:5])


@pytest.mark.parametrize(
    ("protection", "number"), [(name, row) for name, (_, rows) in RED.items() for row in rows]
)
def test_red_without(stage: Stage, protection: str, number: int) -> None:
    with without(stage.lab, stage.near, RED[protection][0]):
        try:
            row = stage.attack(number, "NET_ADMIN")
        except ReceiverError:
            return  # packets that came, but found no room in a receiver or had a false checksum
    assert row.count.seen, f"row {number} is green without {protection}: it cannot fail"
