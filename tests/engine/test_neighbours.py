"""Containers don't reach each other: on the same network, on another, on Docker's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lab import Container, Lab, Scene, ping, raw, tcp, udp
from lab.frames import BROADCAST, arp_frame, ether, syn_frame, udp_frame
from lab.outside import HOST_V4

PORT = 7000


@dataclass(frozen=True)
class Street:
    """An attacker and three neighbours, each with an open port."""

    scene: Scene
    same: Container
    other: Container
    docker0: Container

    @property
    def all(self) -> list[Container]:
        """The neighbours."""
        return [self.same, self.other, self.docker0]


@pytest.fixture(scope="module")
def street(lab: Lab, plugin: object) -> Iterator[Street]:
    """Networks `near` (attacker and `same`) and `far` (`other`), and Docker's default bridge."""
    near, far = lab.engine.network("near"), lab.engine.network("far")
    serve = f"busybox httpd -f -p {PORT}"
    start = lab.engine.start
    attacker = start("--network", near.name, "--cap-add", "NET_ADMIN")
    attacker.exec("ip", "route", "add", "default", "via", near.gateway)
    same = start("--network", near.name, command=serve)
    other = start("--network", far.name, command=serve)
    docker0 = start("-p", f"{PORT}:{PORT}", command=serve)
    yield Street(Scene(lab, near, attacker), same, other, docker0)
    for container in (attacker, same, other, docker0):
        container.remove()
    for network in (near, far):
        network.remove()


@pytest.fixture(params=[0, 1], ids=["nf-call off", "nf-call on"])
def bridge_switch(lab: Lab, request: pytest.FixtureRequest) -> Iterator[None]:
    """Frames between two ports of a bridge pass iptables by, or don't."""
    path = "/proc/sys/net/bridge/bridge-nf-call-iptables"
    was = lab.host.run("cat", path).out.strip()
    lab.host.run("sh", "-c", f"echo {request.param} > {path}")
    yield
    lab.host.run("sh", "-c", f"echo {was} > {path}")


@pytest.mark.usefixtures("bridge_switch")
def test_by_address(street: Street) -> None:
    for neighbour in street.all:
        address = neighbour.address
        attempts = [tcp(address, PORT), udp(address, PORT), ping(address)]
        verdict = street.scene.attempt(*attempts, neighbours=street.all)
        verdict.assert_nothing_arrived()
        assert not [str(outcome) for outcome in verdict.outcomes if outcome.reached]


@pytest.mark.usefixtures("bridge_switch")
def test_by_raw_frames(street: Street) -> None:
    """To the neighbour's MAC address, to everybody, by way of the bridge; IP, ARP and oddities."""
    mac, address = street.scene.container.mac, street.scene.container.address
    frames = []
    for neighbour in street.all:
        to_mac, to = neighbour.mac, neighbour.address
        for dst_mac in (to_mac, BROADCAST, street.scene.network.bridge_mac, "33:33:00:00:00:01"):
            frames.append(udp_frame(mac, dst_mac, address, to, PORT))
            frames.append(syn_frame(mac, dst_mac, address, to, PORT))
            frames.append(arp_frame(mac, dst_mac, address, to))
            frames.append(arp_frame(mac, dst_mac, street.scene.network.gateway, to, reply=True))
            frames += [
                ether(mac, dst_mac, bytes(60), kind) for kind in (0x88CC, 0x8100, 0x1234, 60)
            ]
            frames.append(udp_frame("02:42:de:ad:be:ef", dst_mac, address, to, PORT))
    verdict = street.scene.attempt(raw(*frames), neighbours=street.all)
    verdict.assert_nothing_arrived()


def test_published_port_by_every_host_address(street: Street) -> None:
    addresses = [HOST_V4, "172.17.0.1", street.scene.network.gateway]
    attempts = [tcp(address, PORT) for address in addresses]
    street.scene.attempt(*attempts, neighbours=street.all).assert_refused()


def test_neighbours_cannot_take_each_others_address(street: Street) -> None:
    """The attacker takes a neighbour's addresses; the proxy must not answer it as the neighbour."""
    scene, victim = street.scene, street.same
    gateway, bridge_mac = scene.network.gateway, scene.network.bridge_mac
    frames = [
        syn_frame(mac, bridge_mac, victim.address, gateway, scene.lab.proxy.port)
        for mac in (scene.container.mac, victim.mac)
    ]
    scene.attempt(raw(*frames), neighbours=street.all).assert_nothing_arrived()
    Scene(scene.lab, scene.network, victim).assert_proxy_works()


def test_both_still_reach_the_proxy(street: Street) -> None:
    for container in (street.scene.container, street.same):
        Scene(street.scene.lab, street.scene.network, container).assert_proxy_works()
