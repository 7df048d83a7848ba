"""What each protection is worth: without it the row turns red, so the table can fail.

The daemon is stopped (SIGSTOP) meanwhile, since it would mend what is taken away here. Where two
layers stand behind each other, one taken away leaves the rows green, both make them red. The green
ones come first: what is let in leaves half-open connections, and the host answers those for a while.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest

from lab import Lab
from lab.daemon import TABLES
from lab.process import wait_until
from lab.receiver import ReceiverError
from stage import Side, Stage
from test_events import in_place

NO_TABLES = "; ".join(
    f"{family}-legacy -t {table} -F" for family in ("iptables", "ip6tables") for table in TABLES
)
NO_BACKSTOP = "nft delete table inet netenforce"
NO_FILTER = f"{NO_TABLES}; {NO_BACKSTOP}"
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
    "packet filter and guard": (f"{NO_FILTER}; {NO_GUARD}", [5]),
    # ARP in the name of an address that nobody has: against that stands the guard alone.
    "guard": (NO_GUARD, [6]),
    "guard, locked ports": (f"{NO_GUARD}; {NO_LOCK}", [6]),
    "guard, isolated ports": (f"{NO_GUARD}; {NO_ISOLATION}", [7]),
    "guard, packet filter, IPv6 off": (f"{NO_FILTER}; {NO_GUARD}; {NO_LOCK}; {WITH_IPV6}", [9]),
}
# One of two layers: all of these stay green.
GREEN = {
    "legacy tables": (NO_TABLES, [2, 3, 4, 5, 8, 10, 11, 12, 13]),
    "backstop": (NO_BACKSTOP, [2, 4, 8]),
    "guard": (NO_GUARD, [5, 9]),  # row 6 turns red, and so does the ARP among row 7's attempts
    "isolated ports": (NO_ISOLATION, [7]),
    "locked ports": (NO_LOCK, [5, 6, 7]),
}


@contextlib.contextmanager
def without(lab: Lab, side: Side, script: str) -> Iterator[None]:
    """Take something away, and have the daemon put it back afterwards."""
    run, pid = lab.host.run, str(lab.plugin.pid)
    shown = json.loads(run("ip", "-json", "link", "show", "master", side.network.bridge).out)
    ports = [link["ifname"] for link in shown]
    script = script.replace("PORTS", " ".join(ports)).replace("BRIDGE", side.network.bridge)
    run("kill", "-STOP", pid)
    try:
        run("sh", "-ec", script)
        yield
    finally:
        for port in ports:
            run("bridge", "link", "set", "dev", port, "isolated", "on", check=False)
        run("kill", "-CONT", pid)
        wait_until(lambda: in_place(lab), "the daemon to mend it", timeout=20)


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
