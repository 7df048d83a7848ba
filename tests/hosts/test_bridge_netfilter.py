"""Bridged frames that pass iptables as well, or don't, or a kernel that has no such switch."""

from __future__ import annotations

import pytest

from doctor import complaints, findings
from knocking import knocking
from lab import Lab, Scene, raw, tcp, udp
from lab.frames import BROADCAST, syn_frame, udp_frame
from lab.outside import OTHER

FOLDER = "/proc/sys/net/bridge"


def loaded(lab: Lab, value: int) -> None:
    lab.host.netns.sysctl(**{f"bridge__bridge-nf-call-{name}": value for name in ("iptables", "ip6tables")})


def absent(lab: Lab) -> None:
    """As without the module: no frame passes iptables, and the folder is not there."""
    loaded(lab, 0)
    lab.host.run("mount", "-t", "tmpfs", "tmpfs", FOLDER)


@pytest.mark.parametrize("kind", ["absent", "off", "on"])
def test_neighbours_stay_apart(bare: Lab, kind: str) -> None:
    if kind == "absent":
        absent(bare)
    else:
        loaded(bare, int(kind == "on"))
    bare.plugin.install()
    scene = Scene(bare, bare.engine.network("sandbox"))
    neighbour = bare.engine.start("--network", "sandbox")
    with knocking(scene):
        scene.assert_proxy_works()
    own, own_mac = scene.container.address, scene.container.mac
    to = neighbour.address
    frames = [
        make(own_mac, mac, own, to, 7000)
        for mac in (neighbour.mac, BROADCAST, scene.network.bridge_mac)
        for make in (syn_frame, udp_frame)
    ]
    attempts = tcp(to, 7000), udp(to, 7000), tcp(scene.network.gateway, 9000), udp(OTHER, 53)
    verdict = scene.attempt(raw(*frames), *attempts, neighbours=[neighbour])
    verdict.assert_nothing_arrived()
    assert all(outcome.refused for outcome in verdict.outcomes[3:]), verdict.outcomes
    assert complaints(bare) == {}
    told = next(item.found for item in findings(bare) if item.check == "br_netfilter")
    assert told.startswith("not loaded" if kind == "absent" else "loaded")
