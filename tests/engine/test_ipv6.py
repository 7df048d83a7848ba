"""IPv6: fenced where a network has it, absent where it doesn't."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Attempt, Container, Lab, Scene, ping, raw, tcp, udp
from lab.firewall import link
from lab.frames import ping6_frame, syn_frame, udp_frame
from lab.outside import HOST_V6, OTHER_V6, WEB, WEB_V6
from lab.servers import Responder

SUBNET, GATEWAY = "fd00:66::/64", "fd00:66::1"
LISTENING = 9000


@pytest.fixture(scope="module")
def six(lab: Lab, plugin: object) -> Iterator[Scene]:
    """A network with both families; its container may, and does, add a default route."""
    network = lab.engine.network("six", "--ipv6", "--subnet", SUBNET, "--gateway", GATEWAY)
    container = lab.engine.start("--network", network.name, "--cap-add", "NET_ADMIN")
    container.exec("ip", "-6", "route", "add", "default", "via", GATEWAY)
    scene = Scene(lab, network, container)
    yield scene
    scene.remove()


@pytest.fixture(scope="module")
def neighbour(lab: Lab, six: Scene) -> Iterator[Container]:
    """Another container of the same network."""
    container = lab.engine.start("--network", six.network.name)
    yield container
    container.remove()


@pytest.fixture(scope="module")
def listeners(lab: Lab) -> Iterator[Responder]:
    """Open ports on the host."""
    responder = Responder(lab.host.netns, tcp=[LISTENING], udp=[LISTENING])
    yield responder
    responder.close()


def address_v6(container: Container) -> str:
    """Its global IPv6 address."""
    return str(container.endpoint()["GlobalIPv6Address"])


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxy_over_ipv6(six: Scene, scheme: str) -> None:
    before = len(six.lab.proxy.flows())
    url = f"{scheme}://{WEB}/six"
    result = six.container.curl(url, "-k", "-x", f"http://[{GATEWAY}]:{six.lab.proxy.port}")
    assert result.out == "hello from outside\n", str(result)
    [flow] = six.lab.proxy.flows()[before:]
    assert flow.url == url and flow.client == address_v6(six.container)


def test_proxy_over_ipv4(six: Scene) -> None:
    six.assert_proxy_works()


@pytest.mark.parametrize(
    "way",
    [
        *(tcp(host, LISTENING) for host in (GATEWAY, HOST_V6)),
        *(udp(host, LISTENING) for host in (GATEWAY, HOST_V6)),
        *(tcp(host, 8080) for host in (HOST_V6, WEB_V6, OTHER_V6)),
        *(tcp(OTHER_V6, port) for port in (53, 80, 443)),
        *(udp(host, 53) for host in (GATEWAY, WEB_V6)),
        *(ping(host) for host in (GATEWAY, HOST_V6, WEB_V6)),
        tcp("fd00:ec2::254", 80),
    ],
    ids=str,
)
def test_refused(six: Scene, listeners: Responder, neighbour: Container, way: Attempt) -> None:
    six.attempt(way, neighbours=[neighbour]).assert_refused()


def test_neighbour(six: Scene, neighbour: Container) -> None:
    address = address_v6(neighbour)
    verdict = six.attempt(tcp(address, 80), udp(address, 80), neighbours=[neighbour])
    verdict.assert_nothing_arrived()


def test_raw_frames(six: Scene, listeners: Responder, neighbour: Container) -> None:
    mac, own = six.container.mac, address_v6(six.container)
    bridge_mac = six.network.bridge_mac
    link_local = "fe80::42:acff:fe11:2"
    macs = [bridge_mac, neighbour.mac, "33:33:00:00:00:01", "01:80:c2:00:00:0e"]
    targets = [GATEWAY, HOST_V6, WEB_V6, address_v6(neighbour), "ff02::1", "ff02::fb"]
    frames = []
    for source in (own, "fd00:66::77", "2001:db8::bad", link_local, "::1", WEB_V6):
        for to_mac in macs:
            for target in targets:
                frames.append(udp_frame(mac, to_mac, source, target, LISTENING))
                frames.append(syn_frame(mac, to_mac, source, target, LISTENING))
                frames.append(ping6_frame(mac, to_mac, source, target))
    six.attempt(raw(*frames), neighbours=[neighbour]).assert_nothing_arrived()


def test_a_network_without_ipv6_has_none(shared: Scene) -> None:
    """Neither on the bridge nor on the host's end of the pair."""
    host = shared.lab.host
    endpoint = shared.container.endpoint()["EndpointID"]
    for name in (shared.network.bridge, shared.network.port_of(endpoint)):
        addresses = link(host, name)["addr_info"]
        families = {entry["family"] for entry in addresses}
        assert "inet6" not in families, addresses


def test_ipv6_frames_on_a_network_without_it(shared: Scene, listeners: Responder) -> None:
    mac, bridge_mac = shared.container.mac, shared.network.bridge_mac
    frames = [
        udp_frame(mac, to_mac, source, target, LISTENING)
        for to_mac in (bridge_mac, "33:33:00:00:00:01")
        for source in ("fe80::1234", "2001:db8:ffff::77", "fd00:1::2")
        for target in (HOST_V6, WEB_V6, "ff02::1")
    ]
    shared.attempt(raw(*frames)).assert_nothing_arrived()
