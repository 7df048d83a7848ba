"""Every way around the proxy from one container: refused within a second, and nothing arrives."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest

from lab import Attempt, Container, Delivered, Lab, Scene, lookup, ping, raw, tcp, udp
from lab.container import PROBE, probe_arguments, read_outcomes
from lab.frames import BROADCAST, arp_frame, ether, ip, syn_frame, udp_frame
from lab.outside import FAR, HOST_V4, OTHER, WEB
from lab.servers import Responder

DOCKER0 = "172.17.0.1"
LISTENING, PUBLISHED = 9000, 9090
FALSE_MAC = "02:42:de:ad:be:ef"
LINK_LOCAL_GROUP = "01:80:c2:00:00:0e"
BUILDERS: list[Callable[[str, str, str, str, int], bytes]] = [udp_frame, syn_frame]

# BRIDGE stands for the bridge's address.
WAYS = [
    *(tcp(host, LISTENING) for host in ("BRIDGE", DOCKER0, HOST_V4, "127.0.0.1")),
    *(udp(host, LISTENING) for host in ("BRIDGE", DOCKER0, HOST_V4)),
    *(tcp(host, 8080) for host in (DOCKER0, HOST_V4, WEB, OTHER)),
    *(tcp(host, PUBLISHED) for host in ("BRIDGE", DOCKER0, HOST_V4)),
    *(tcp(OTHER, port) for port in (22, 53, 80, 443, 853)),
    *(tcp(FAR, port) for port in (80, 8080)),
    *(udp(host, port) for host in (WEB, FAR) for port in (53, 123, 443)),
    *(ping(host) for host in ("BRIDGE", HOST_V4, WEB)),
    *(tcp(host, 80) for host in ("169.254.169.254", "100.100.100.200")),
    udp("BRIDGE", 8080),
    udp("BRIDGE", 53),
]


@pytest.fixture(scope="module", params=["plain", "net_admin"])
def held(lab: Lab, plugin: object, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A container as Docker makes it; and one that may, and does, add a default route."""
    network = lab.engine.network(f"held-{request.param}")
    options = ["--network", network.name]
    if request.param == "net_admin":
        options += ["--cap-add", "NET_ADMIN"]
    container = lab.engine.start(*options)
    if request.param == "net_admin":
        container.exec("ip", "route", "add", "default", "via", network.gateway)
    made = Scene(lab, network, container)
    yield made
    made.remove()


@pytest.fixture(scope="module")
def listeners(lab: Lab) -> Iterator[Responder]:
    """Open ports on the host, on all of its addresses."""
    responder = Responder(lab.host.netns, tcp=[LISTENING], udp=[LISTENING, 8080, 53])
    yield responder
    responder.close()


@pytest.fixture(scope="module")
def published(lab: Lab) -> Iterator[Container]:
    """A web server on Docker's own bridge with a published port."""
    options = ("-p", f"{PUBLISHED}:{PUBLISHED}")
    container = lab.engine.start(*options, command=f"busybox httpd -f -p {PUBLISHED}")
    yield container
    container.remove()


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_refused(held: Scene, listeners: Responder, published: Container, way: Attempt) -> None:
    if way.address == "127.0.0.1":  # the container's own, where nobody listens
        assert held.container.probe(way)[0].end == "refused"
        return
    address = way.address.replace("BRIDGE", held.network.gateway)
    attempt = dataclasses.replace(way, address=address)
    held.attempt(attempt, neighbours=[published]).assert_refused()


def test_refused_as_process_1(shared: Scene, listeners: Responder) -> None:
    """The container's first process tries it, in its first moments."""
    gateway = shared.network.gateway
    attempts = [tcp(gateway, LISTENING), udp(gateway, LISTENING), tcp(WEB, 8080), udp(WEB, 53)]
    with shared.watch() as verdict:
        result = shared.lab.engine(
            *("run", "--rm", "-i", "--network", shared.network.name, "tools"),
            *probe_arguments(attempts),
            stdin=PROBE.read_text(),
        )
        verdict.outcomes = read_outcomes(attempts, result.out)
    verdict.assert_refused()


def test_names_are_not_looked_up(held: Scene) -> None:
    """127.0.0.11 forwards from the container's namespace, so the fence holds its questions."""
    held.attempt(lookup("leak.example.com")).assert_nothing_arrived()


def sources(scene: Scene) -> dict[str, tuple[str, str]]:
    """Who a frame may claim to come from: MAC address and IP address."""
    own_mac, own = scene.container.mac, scene.container.address
    net = scene.network.gateway.rpartition(".")[0]
    return {
        "own": (own_mac, own),
        "false MAC": (FALSE_MAC, own),
        "unused address": (own_mac, f"{net}.77"),
        "both false": (FALSE_MAC, f"{net}.77"),
        "public address": (own_mac, "203.0.113.99"),
        "outside's address": (own_mac, OTHER),
        "the bridge's": (own_mac, scene.network.gateway),
        "the host's": (own_mac, HOST_V4),
        "docker0's": (own_mac, DOCKER0),
        "localhost": (own_mac, "127.0.0.1"),
        "nobody": (own_mac, "0.0.0.0"),
    }


SOURCES = ["own", "false MAC", "unused address", "both false", "public address"]
SOURCES += ["outside's address", "the bridge's", "the host's", "docker0's", "localhost", "nobody"]


@pytest.mark.parametrize("source", SOURCES)
def test_raw_frames(held: Scene, listeners: Responder, published: Container, source: str) -> None:
    """To the outside, to ports of the host, to Docker's own bridge; UDP, TCP and odd protocols."""
    mac, address = sources(held)[source]
    bridge_mac = held.network.bridge_mac
    targets = [WEB, FAR, HOST_V4, DOCKER0, held.network.gateway, published.address]
    frames = []
    for target in targets:
        for to_mac in (bridge_mac, BROADCAST):
            frames += [udp_frame(mac, to_mac, address, target, port) for port in (53, LISTENING)]
            frames.append(syn_frame(mac, to_mac, address, target, LISTENING))
            for proto in (1, 2, 4, 41, 47, 50, 132, 253):
                frames.append(ether(mac, to_mac, ip(address, target, proto, bytes(24))))
    if source != "own":  # what the true sender may do, others may not
        frames.append(syn_frame(mac, bridge_mac, address, held.network.gateway, 8080))
    verdict = held.attempt(raw(*frames), neighbours=[published])
    assert [outcome.end for outcome in verdict.outcomes] == ["sent"]
    verdict.assert_nothing_arrived()


def test_frames_to_the_bridge_group(held: Scene, listeners: Responder) -> None:
    """A bridge hands 01:80:c2:00:00:0X to its port, past its own rules."""
    mac, address = held.container.mac, held.container.address
    frames = [
        build(mac, LINK_LOCAL_GROUP, address, target, port)
        for build in BUILDERS
        for target in (held.network.gateway, HOST_V4, DOCKER0, WEB)
        for port in (LISTENING, 8080)
    ]
    held.attempt(raw(*frames)).assert_nothing_arrived()
    assert not listeners.contacts


def test_multicast_and_broadcast(held: Scene, listeners: Responder) -> None:
    mac, address = held.container.mac, held.container.address
    everybody = held.network.gateway.rpartition(".")[0] + ".255"
    groups = {"224.0.0.251": "01:00:5e:00:00:fb", "224.0.0.1": "01:00:5e:00:00:01"}
    groups |= {"255.255.255.255": BROADCAST, everybody: BROADCAST}
    frames = [
        udp_frame(mac, to_mac, source, group, port)
        for group, to_mac in groups.items()
        for source in (address, "0.0.0.0")
        for port in (53, 67, 5353, LISTENING)
    ]
    held.attempt(raw(*frames)).assert_nothing_arrived()


def claim_by_arp(scene: Scene, claims: list[str]) -> list[str]:
    """Say by ARP to be each of these; return whom the host then believes to be the container."""
    mac, host = scene.container.mac, scene.lab.host
    frames = [
        arp_frame(mac, to_mac, claim, asked, reply)
        for claim in claims
        for to_mac in (BROADCAST, scene.network.bridge_mac)
        for asked in (claim, scene.network.gateway)
        for reply in (False, True)
    ]
    with Delivered(host.netns) as delivered:
        scene.container.probe(raw(*frames))
        delivered.settle()
    told = host.run("ip", "neigh", "show").out.splitlines()
    return [line.split()[0] for line in told if mac in line]


def test_arp_takes_nobodys_address(held: Scene, published: Container) -> None:
    """Not the bridge's, nor another host's, nor another network's container's."""
    claims = [held.network.gateway, WEB, HOST_V4, DOCKER0, published.address]
    assert claim_by_arp(held, claims) == [held.container.address]
    held.assert_proxy_works()


def test_arp_makes_no_neighbour(held: Scene) -> None:
    """An address of the subnet that nobody has: else one container fills the host's table."""
    unused = held.network.gateway.rpartition(".")[0] + ".77"
    assert claim_by_arp(held, [unused]) == [held.container.address]


@pytest.mark.parametrize("options", [(), ("-p", "8088:80"), ("-P", "--expose", "80")], ids=str)
def test_only_lo_and_eth0_inside(shared: Scene, options: tuple[str, ...]) -> None:
    listing = shared.lab.engine(
        *("run", "--rm", "--network", shared.network.name, *options),
        *("tools", "ls", "/sys/class/net"),
    )
    assert listing.out.split() == ["eth0", "lo"]


def test_no_default_route_inside(shared: Scene) -> None:
    routes = shared.container.exec("ip", "route").out.splitlines()
    assert len(routes) == 1 and routes[0].startswith(shared.network.subnet), routes
