"""Endpoints come and go: what they leave behind, and what the daemon keeps."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterator

import pytest

from lab import Lab, Network, Plugin, Scene, tcp
from lab.daemon import SANITIZED
from lab.firewall import members, our_links, rules
from lab.outside import OTHER
from lab.process import wait_until

CYCLES, AT_ONCE = 100, 20
IDLE_LIMIT = 5 * 1024  # KiB
GROWTH = 256  # KiB: some pages of the heap move about


def ports(lab: Lab) -> list[str]:
    """The host's ends of pairs, and ends that stayed behind."""
    return [name for name in our_links(lab.host) if not name.startswith("ne-")]


def endpoint_files(plugin: Plugin) -> list[str]:
    """The endpoints' records in the state folder."""
    return [name for name in plugin.state() if name.startswith("endpoints/")]


def test_rules_name_the_address_while_joined(clean: Lab, scene: Scene) -> None:
    address, name = scene.container.address, scene.network.port_of(
        scene.container.endpoint()["EndpointID"]
    )
    assert members(clean.host, address)
    assert name in our_links(clean.host)
    clean.engine("stop", scene.container.id)
    assert not members(clean.host, address)
    assert name not in our_links(clean.host)
    clean.engine("start", scene.container.id)
    assert members(clean.host, scene.container.address)
    scene.assert_proxy_works()


def test_a_network_leaves_nothing(clean: Lab, plugin: Plugin) -> None:
    before = (our_links(clean.host), rules(clean.host), plugin.state())
    scene = Scene(clean, clean.engine.network("brief"))
    assert scene.network.bridge in our_links(clean.host)
    scene.remove()
    assert (our_links(clean.host), rules(clean.host), plugin.state()) == before


@pytest.fixture(scope="module")
def busy(lab: Lab, plugin: Plugin) -> Iterator[Network]:
    """A network in which some containers have been already: the daemon is warm."""
    network = lab.engine.network("busy")
    for _ in range(5):
        one_run(lab, network)
    yield network
    network.remove()


def one_run(lab: Lab, network: Network) -> None:
    """A container that looks at its interface, and goes."""
    result = lab.engine("run", "--rm", "--network", network.name, "busybox", "ip", "addr")
    assert "eth0" in result.out


def assert_nothing_left(lab: Lab, plugin: Plugin, network: Network) -> None:
    """No pair, no rule with an address of the network's, no record."""
    prefix = network.gateway.rpartition(".")[0] + "."
    wait_until(lambda: not ports(lab), "all pairs to be gone", timeout=10)
    assert not members(lab.host, prefix)
    assert not endpoint_files(plugin)


def test_one_after_the_other(lab: Lab, plugin: Plugin, busy: Network) -> None:
    assert_nothing_left(lab, plugin, busy)
    before = plugin.memory()
    for _ in range(CYCLES):
        one_run(lab, busy)
    assert_nothing_left(lab, plugin, busy)
    assert_no_growth(plugin, before)


def assert_no_growth(plugin: Plugin, before: int) -> None:
    """At rest: what calls took is given back when there are none for a second."""
    if not SANITIZED:
        bound = before + GROWTH
        wait_until(lambda: plugin.memory() <= bound, f"at most {bound} KiB at rest", timeout=10)


def many_at_once(lab: Lab, plugin: Plugin, busy: Network) -> None:
    """So many containers come and go, side by side."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda _: one_run(lab, busy), range(AT_ONCE)))
    assert_nothing_left(lab, plugin, busy)


def test_many_at_once(lab: Lab, plugin: Plugin, busy: Network) -> None:
    """What so many need at once is the allocator's from then on: it is seen beforehand."""
    many_at_once(lab, plugin, busy)
    before = plugin.memory()
    many_at_once(lab, plugin, busy)
    assert_no_growth(plugin, before)


def test_resident_memory(plugin: Plugin, busy: Network) -> None:
    assert SANITIZED or plugin.resident() < IDLE_LIMIT


def test_a_failed_start_leaves_nothing(lab: Lab, plugin: Plugin, busy: Network) -> None:
    lab.engine.fails("run", "--rm", "--network", busy.name, "busybox", "/no/such/program")
    assert_nothing_left(lab, plugin, busy)


def test_connect_and_disconnect(
    clean: Lab, plugin: Plugin, scene: Scene, create: Callable[..., Network]
) -> None:
    """A second network comes and goes while the first serves on."""
    second = create()
    for _ in range(10):
        clean.engine("network", "connect", second.name, scene.container.id)
        [outcome] = scene.container.probe(tcp(second.gateway, clean.proxy.port))
        assert outcome.reached, str(outcome)
        clean.engine("network", "disconnect", second.name, scene.container.id)
    assert scene.container.exec("ls", "/sys/class/net").out.split() == ["eth0", "lo"]
    assert len(ports(clean)) == 1 and len(endpoint_files(plugin)) == 1
    scene.attempt(tcp(second.gateway, clean.proxy.port), tcp(OTHER, 80)).assert_refused()
    scene.assert_proxy_works()


def test_disconnected_with_force(clean: Lab, plugin: Plugin, scene: Scene) -> None:
    clean.engine("network", "disconnect", "-f", scene.network.name, scene.container.id)
    assert scene.container.exec("ls", "/sys/class/net").out.split() == ["lo"]
    assert not ports(clean) and not endpoint_files(plugin)
    clean.engine("network", "connect", scene.network.name, scene.container.id)
    scene.assert_proxy_works()


def test_an_address_passes_to_the_next_container(
    clean: Lab, create: Callable[..., Network]
) -> None:
    """A stricter container gets a stopped one's address, and none of its freedom."""
    scene = Scene(clean, create("--subnet", "10.65.0.0/24"))
    address = scene.container.address
    scene.container.remove()
    options = f"name={scene.network.name},ip={address},driver-opt=proxy=8081"
    heir = Scene(clean, scene.network, clean.engine.start("--network", options))
    assert heir.container.address == address
    heir.attempt(tcp(scene.network.gateway, 8080)).assert_refused()
