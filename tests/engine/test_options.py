"""Options of networks and endpoints, Docker's own and netenforce's."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lab import Lab, Network, Scene, tcp, udp
from lab.firewall import link
from lab.outside import HOST_V4, OTHER
from lab.servers import Responder

Create = Callable[..., Network]
SECOND = 8081  # another port that can be allowed


@pytest.fixture(scope="module")
def second(lab: Lab) -> Iterator[Responder]:
    """A second proxy's stand-in, on all addresses of the host."""
    responder = Responder(lab.host.netns, tcp=[SECOND])
    yield responder
    responder.close()


def test_ip_and_mac_address(clean: Lab, create: Create) -> None:
    network = create("--subnet", "10.66.0.0/24")
    address, mac = "10.66.0.40", "02:66:00:00:00:40"
    container = clean.engine.start("--network", network.name, "--ip", address, "--mac-address", mac)
    shown = container.exec("ip", "-o", "addr", "show", "eth0").out
    assert f"inet {address}/24" in shown
    assert mac in container.exec("ip", "link", "show", "eth0").out
    assert (container.address, container.mac) == (address, mac)
    Scene(clean, network, container).assert_proxy_works()


def test_subnet_and_gateway(clean: Lab, create: Create) -> None:
    network = create("--subnet", "10.67.0.0/16", "--gateway", "10.67.9.9")
    addresses = link(clean.host, network.bridge)["addr_info"]
    found = {(entry["local"], entry["prefixlen"]) for entry in addresses}
    assert ("10.67.9.9", 16) in found
    container = clean.engine.start("--network", network.name)
    scene = Scene(clean, network, container)
    scene.assert_proxy_works()
    scene.attempt(tcp("10.67.9.9", 22)).assert_refused()


def test_ip_range(clean: Lab, create: Create) -> None:
    network = create("--subnet", "10.68.0.0/16", "--ip-range", "10.68.200.0/24")
    container = clean.engine.start("--network", network.name)
    assert container.address.startswith("10.68.200.")
    Scene(clean, network, container).assert_proxy_works()


def test_internal(clean: Lab, create: Create) -> None:
    network = create("--internal")
    scene = Scene(clean, network)
    scene.assert_proxy_works()
    scene.attempt(tcp(OTHER, 80), tcp(network.gateway, 22)).assert_refused()


def test_internal_with_a_proxy_elsewhere_is_refused(clean: Lab) -> None:
    complaint = clean.engine.fails(
        *("network", "create", "-d", "netenforce", "--internal", "-o", f"proxy={OTHER}:3128", "far")
    )
    assert "proxy" in complaint and OTHER in complaint


def test_bridge_name(clean: Lab, create: Create) -> None:
    network = create("-o", "com.docker.network.bridge.name=fence0")
    assert network.bridge == "fence0"
    scene = Scene(clean, network)
    scene.assert_proxy_works()
    scene.attempt(tcp(network.gateway, 22)).assert_refused()


def test_mtu(clean: Lab, create: Create) -> None:
    network = create("-o", "com.docker.network.driver.mtu=1380")
    container = clean.engine.start("--network", network.name)
    assert container.exec("cat", "/sys/class/net/eth0/mtu").out.strip() == "1380"
    assert link(clean.host, network.bridge)["mtu"] == 1380


def test_several_proxies(clean: Lab, create: Create, second: Responder) -> None:
    network = create("-o", f"proxy=8080,{HOST_V4}:{SECOND}")
    scene = Scene(clean, network)
    scene.assert_proxy_works()
    [outcome] = scene.container.probe(tcp(HOST_V4, SECOND))
    assert outcome.reached, str(outcome)
    scene.attempt(tcp(network.gateway, SECOND), tcp(HOST_V4, 8080)).assert_refused()


def test_proxy_on_another_machine(clean: Lab, create: Create) -> None:
    """An allowance names its destination: the same port next door stays shut."""
    network = create("-o", f"proxy={OTHER}:3128")
    scene = Scene(clean, network)
    [outcome] = scene.container.probe(tcp(OTHER, 3128))
    assert outcome.reached, str(outcome)
    scene.attempt(
        tcp(OTHER, 8080), tcp(OTHER, 80), udp(OTHER, 53), tcp(network.gateway, 8080)
    ).assert_refused()


def test_no_proxy_at_all(clean: Lab, create: Create) -> None:
    network = create("-o", "proxy=")
    scene = Scene(clean, network)
    scene.attempt(tcp(network.gateway, 8080)).assert_refused()


def test_refuse_drop(clean: Lab, create: Create) -> None:
    network = create("-o", "refuse=drop")
    scene = Scene(clean, network)
    scene.assert_proxy_works()
    verdict = scene.attempt(tcp(network.gateway, 22), udp(network.gateway, 53))
    verdict.assert_nothing_arrived()
    assert [outcome.end for outcome in verdict.outcomes] == ["silent", "silent"]


def test_endpoint_options_by_connect(clean: Lab, create: Create, second: Responder) -> None:
    """Narrower or wider for one container alone."""
    first, other = create(), create()
    chosen = clean.engine.start("--network", first.name)
    plain = clean.engine.start("--network", other.name)
    clean.engine(
        *("network", "connect", "--driver-opt", f"proxy={SECOND}", "--driver-opt", "refuse=drop"),
        *(other.name, chosen.id),
    )
    gateway = other.gateway
    ends = [outcome.end for outcome in chosen.probe(tcp(gateway, SECOND), tcp(gateway, 8080))]
    assert ends == ["connected", "silent"]
    ends = [outcome.end for outcome in plain.probe(tcp(gateway, SECOND), tcp(gateway, 8080))]
    assert ends == ["refused", "connected"]


def test_endpoint_options_by_run(clean: Lab, create: Create, second: Responder) -> None:
    network = create()
    container = clean.engine.start("--network", f"name={network.name},driver-opt=proxy={SECOND}")
    gateway = network.gateway
    ends = [outcome.end for outcome in container.probe(tcp(gateway, SECOND), tcp(gateway, 8080))]
    assert ends == ["connected", "refused"]


def test_bad_endpoint_option(clean: Lab, create: Create) -> None:
    network, other = create(), create()
    container = clean.engine.start("--network", network.name)
    connect = ("network", "connect", "--driver-opt")
    complaint = clean.engine.fails(*connect, "prxy=8080", other.name, container.id)
    assert "prxy" in complaint
    complaint = clean.engine.fails(*connect, "proxy=70000", other.name, container.id)
    assert "proxy" in complaint and "70000" in complaint


@pytest.mark.parametrize(
    "option, named",
    [
        ("colour=red", ["colour", "red", "proxy"]),
        ("proxy=http", ["proxy", "http", "PORT"]),
        ("proxy=0", ["proxy", "0"]),
        ("refuse=maybe", ["refuse", "maybe", "reject", "drop"]),
        ("com.docker.network.driver.mtu=big", ["com.docker.network.driver.mtu", "big"]),
        ("com.docker.network.bridge.name=a/b", ["com.docker.network.bridge.name", "a/b"]),
    ],
)
def test_bad_network_option(clean: Lab, option: str, named: list[str]) -> None:
    """The complaint names the key, what was given and what is accepted."""
    complaint = clean.engine.fails("network", "create", "-d", "netenforce", "-o", option, "bad")
    assert all(word in complaint for word in named), complaint


def test_pool_over_a_host_route(clean: Lab) -> None:
    clean.host.netns.ip(f"route add 10.77.0.0/16 via {OTHER}")
    try:
        create_it = ("network", "create", "-d", "netenforce", "--subnet", "10.77.5.0/24", "over")
        complaint = clean.engine.fails(*create_it)
        assert "10.77.5.0/24" in complaint and "10.77.0.0/16" in complaint
    finally:
        clean.host.netns.ip("route delete 10.77.0.0/16")
    assert "over" not in clean.engine.out("network", "ls", "--format", "{{.Name}}").split()


def test_pool_over_the_hosts_own_subnet(clean: Lab) -> None:
    create_it = ("network", "create", "-d", "netenforce", "--subnet", "198.51.100.128/25", "over")
    assert "198.51.100.0/24" in clean.engine.fails(*create_it)


def test_several_networks_at_once(clean: Lab, create: Create) -> None:
    networks = [create() for _ in range(4)]
    assert len({network.subnet for network in networks}) == 4
    scenes = [Scene(clean, network) for network in networks]
    for scene, other in zip(scenes, [*scenes[1:], scenes[0]], strict=True):
        scene.assert_proxy_works()
        scene.attempt(
            tcp(other.network.gateway, 8080),
            tcp(other.container.address, 8080),
            neighbours=[other.container],
        ).assert_refused()
