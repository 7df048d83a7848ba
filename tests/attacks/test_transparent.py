"""The classes once more, from a network with mode=transparent.

What goes to 80 and 443, and names, arrive at the host's own proxy and forwarder: that is meant. The
proxy here is a stand-in that goes nowhere itself, and the name server is the host's, so that
outside nothing at all may be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from lab import Lab, lookup
from lab.handed import Handed
from lab.names import NameServer
from lab.outside import WEB
from lab.process import wait_until
from lab.servers import Responder
from stage import HANDED, HOST_TCP, HOST_UDP, UPSTREAM, HandedScene, Row, Side, Stage
from ways import WAYS


@dataclass
class Handing:
    """A side that hands, and those to whom."""

    side: Side
    proxy: Handed
    names: NameServer


def without_names(ports: tuple[int, ...]) -> list[int]:
    """Where a server listens on port 53 of every address, there is no forwarder."""
    return [port for port in ports if port != 53]


@pytest.fixture(scope="module")
def handing(lab: Lab, stage: Stage) -> Iterator[Handing]:
    """Its forwarder answers by now."""
    stage.listeners.close()
    stage.listeners = Responder(
        lab.host.netns, tcp=without_names(HOST_TCP), udp=without_names(HOST_UDP)
    )
    lab.host.netns.ip(f"addr add {UPSTREAM}/32 dev lo")
    proxy, names = Handed(lab.host.netns, HANDED), NameServer(lab.host.netns, UPSTREAM)
    lab.host.write_etc("resolv.conf", f"nameserver {UPSTREAM}\n")
    pools = ("--ipv6", "--subnet", "10.81.0.0/24", "--subnet", "fd81::/64")
    options = ("-o", "mode=transparent", "-o", f"proxy={HANDED}")
    given = lab.engine.asking(UPSTREAM)
    side = Side(lab, "handing", *pools, *options, scene=HandedScene, given=given)
    wait_until(
        lambda: side.plain.probe(lookup("ready.example"))[0].end == "answered",
        "names to be answered",
        timeout=20,
    )
    yield Handing(side, proxy, names)
    side.remove()
    lab.host.write_etc("resolv.conf", f"nameserver {WEB}\n")
    proxy.close()
    names.close()
    lab.host.netns.ip(f"addr del {UPSTREAM}/32 dev lo")
    stage.listeners.close()
    stage.listeners = Responder(lab.host.netns, tcp=HOST_TCP, udp=HOST_UDP)


@pytest.mark.parametrize("mode", Stage.MODES)
@pytest.mark.parametrize("number", sorted(WAYS))
def test_nothing_arrives_but_what_is_handed(
    stage: Stage, handing: Handing, enter: Callable[[Row], None], number: int, mode: str
) -> None:
    handing.proxy.taken.clear()
    row = stage.attack(number, mode, handing.side)
    outside = stage.lab.outside.capture.packets(lambda packet: True)
    row.count.seen += [str(packet) for packet in outside]
    # The stand-in answers, and a container that was the first process has gone by then.
    unknown = (" FAILED", " INCOMPLETE")
    row.count.seen = [line for line in row.count.seen if not line.endswith(unknown)]
    row = Row(row.number, f"{row.name} (transparent)", row.mode, row.count)
    enter(row)
    network = handing.side.network
    for taken in list(handing.proxy.taken):
        assert taken.port in (80, 443), taken
        assert taken.address not in (network.gateway, network.gateway_v6), taken


def test_what_is_handed_arrives(handing: Handing) -> None:
    """After all that: else the cases above would prove less."""
    for container in (handing.side.plain, handing.side.admin):
        handing.proxy.taken.clear()
        container.curl(f"http://{WEB}/", "--max-time", "1", "--http0.9")
        [taken] = handing.proxy.took()
        assert (taken.client, taken.address, taken.port) == (container.address, WEB, 80)
        assert container.probe(lookup("after.example"))[0].end == "answered"
    assert "after.example" in handing.names.names
