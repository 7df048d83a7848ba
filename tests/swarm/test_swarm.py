"""A service's containers on every node are enforced as any other: while they start, move and are replaced,
while a node is cut off, and after it was lost.

A second service knocks everywhere without pause, on every node, while it happens.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import tcp, udp
from lab.backend import fence_lines, legacy_rules
from lab.container import Container
from lab.outside import OTHER, WEB
from lab.process import wait_until
from lab.scene import STEADY, STEADY_TARGETS
from lab.swarm import Swarm, SwarmNode

COMMAND = Path(__file__).resolve().parents[2] / "build/netenforce"
STEADY_COMMAND = (
    "b=$(ip -4 route | sed -n 's/^\\(10\\.99\\.[0-9]*\\)\\.0.*/\\1.1/p'); ip route add default via $b; "
    'exec python3 -S -c "$0" "$b:9000" "$@"'
)


def assert_enforced(swarm: Swarm, node: SwarmNode, network: str, container: Container) -> None:
    """It reaches its node's proxy, and nothing else: not the node, not outside, no other node."""
    node.scene(network, container).assert_proxy_works()
    nodes = [tcp(each.address, 22) for each in swarm.nodes]
    gateway = node.scene(network, container).network.gateway
    container.exec("ip", "route", "replace", "default", "via", gateway)
    beyond = [tcp(OTHER, 80), tcp(WEB, 8080)]
    swarm.attempt(container, tcp(node.gateway, 9000), *beyond, *nodes).assert_refused()
    # What is refused by ICMP is told at most once a second, and another container knocks, too.
    swarm.attempt(container, udp(OTHER, 53)).assert_nothing_arrived()


def assert_nothing_left(swarm: Swarm) -> None:
    """No bridge, no port, no rule and no record of a network on any node."""
    for node in swarm.nodes:
        links = node.host.run("ip", "-br", "link", "show").out
        assert "ne-" not in links and "nv-" not in links, node.name
        netns = node.host.netns
        assert not legacy_rules(netns, "NETENFORCE") and not fence_lines(netns), node.name
        assert set(node.plugin.state()) <= {"events.jsonl", "lock"}, node.name


@pytest.fixture
def steady(swarm: Swarm, network: str) -> Iterator[str]:
    """The service that knocks, one container on each node."""
    swarm.create_service(
        "steady", network, "--mode", "global",
        command=["sh", "-c", STEADY_COMMAND, STEADY.read_text(), *STEADY_TARGETS],
    )  # fmt: skip
    swarm.wait_for_tasks("steady", node1=1, node2=1, node3=1)
    yield "steady"


def knock(swarm: Swarm, *numbers: int) -> None:
    """Wait until the steady containers of these nodes have knocked some more."""
    for node in swarm.nodes:
        if node.number in numbers:
            for container in node.tasks("steady"):
                container.wait_for_line()


def test_the_receivers_see(swarm: Swarm) -> None:
    """From a container on the engine's own bridge of each node, so silence below means something."""
    for node in swarm.nodes:
        container = node.engine.start("--network", "bridge")
        verdict = swarm.attempt(container, tcp(OTHER, 80), udp(OTHER, 53))
        assert {packet.dport for packet in verdict.outside if packet.dst == OTHER} == {80, 53}
        container.remove()


def test_every_node_enforces(swarm: Swarm, network: str) -> None:
    """Six containers, two on each node; then the service goes, and nothing is left."""
    swarm.create_service("six", network, "--replicas", "6")
    swarm.wait_for_tasks("six", node1=2, node2=2, node3=2)
    for node in swarm.nodes:
        first, second = node.tasks("six")
        for container in (first, second):
            assert_enforced(swarm, node, network, container)
        with second.capture() as capture:
            swarm.attempt(first, tcp(second.address, 8080)).assert_nothing_arrived()
            assert not capture.packets(lambda packet: packet.src == first.address), node.name
    swarm.remove_all()
    assert_nothing_left(swarm)


def test_policy_from_one_place(swarm: Swarm) -> None:
    """The network's options stand in each node's configuration; its subnet may be one for all."""
    swarm.create_network("allowing", "-o", f"allow={WEB}:80/tcp", prefix="10.98.0")
    swarm.create_service("asking", "allowing", "--mode", "global")
    swarm.wait_for_tasks("asking", node1=1, node2=1, node3=1)
    for node in swarm.nodes:
        (container,) = node.tasks("asking")
        assert container.probe(tcp(WEB, 80))[0].reached, node.name
        assert container.address.startswith("10.98.0."), node.name
        assert_enforced(swarm, node, "allowing", container)
    swarm.remove_all()
    assert_nothing_left(swarm)


def test_a_node_is_cut_off(swarm: Swarm, network: str, steady: str) -> None:
    """What runs on it goes on, enforced, while the others take over; then it is back."""
    lost = swarm.nodes[1]
    swarm.create_service("moving", network, "--replicas", "3")
    swarm.wait_for_tasks("moving", node1=1, node2=1, node3=1)
    (kept,) = lost.tasks("moving")
    with swarm.watch(proxy_in_use=True) as verdict:
        knock(swarm, 1, 2, 3)
        lost.cut()
        swarm.wait_for(lost, "down")
        wait_until(
            lambda: sum(len(node.tasks("moving")) for node in (swarm.nodes[0], swarm.nodes[2])) == 3,
            "the others to take over", timeout=60,
        )  # fmt: skip
        assert kept.running()
        knock(swarm, 1, 2, 3)
        lost.mend()
        swarm.wait_for(lost, "ready")
        wait_until(lambda: not lost.tasks("moving"), "what moved to end", timeout=60)
        knock(swarm, 1, 2, 3)
    verdict.assert_nothing_arrived()
    for node in swarm.nodes:
        for container in node.tasks("moving"):
            assert_enforced(swarm, node, network, container)
    swarm.remove_all()
    assert_nothing_left(swarm)


def test_an_engine_is_killed(swarm: Swarm, network: str, steady: str) -> None:
    """Its containers outlive it, enforced; the next start ends them, and begins new ones. What an
    operator has changed of its node's policy stands, and on no other node."""
    lost = swarm.nodes[2]
    lost.host.run(str(COMMAND), "policy", "set", network, f"allow={WEB}:80/tcp", env=lost.engine.env)
    with swarm.watch(proxy_in_use=True) as verdict:
        knock(swarm, 1, 2, 3)
        lost.kill_engine()
        swarm.wait_for(lost, "down")
        knock(swarm, 1, 2)
        lost.engine.start_engine()
        lost.plugin.wait()
        swarm.wait_for(lost, "ready")
        swarm.wait_for_tasks(steady, node1=1, node2=1, node3=1)
        knock(swarm, 1, 2, 3)
    verdict.assert_nothing_arrived()
    swarm.create_service("after", network, "--mode", "global")
    swarm.wait_for_tasks("after", node1=1, node2=1, node3=1)
    for node in swarm.nodes:
        container = node.tasks("after")[0]
        assert_enforced(swarm, node, network, container)
        assert container.probe(tcp(WEB, 80))[0].reached == (node is lost), node.name
    swarm.remove_all()
    assert_nothing_left(swarm)


def test_a_rolling_update(swarm: Swarm, network: str, steady: str) -> None:
    """One container after the other is replaced; each knocks from its first moment."""
    with swarm.watch(proxy_in_use=True) as verdict:
        knock(swarm, 1, 2, 3)
        before = {node.name: [task.id for task in node.tasks(steady)] for node in swarm.nodes}
        swarm.manager.engine("service", "update", "-q", "--force", steady)

        def replaced() -> bool:
            now = {node.name: [task.id for task in node.tasks(steady)] for node in swarm.nodes}
            return all(len(now[name]) == 1 and now[name] != before[name] for name in now)

        wait_until(replaced, "every container to be another", timeout=60)
        knock(swarm, 1, 2, 3)
    verdict.assert_nothing_arrived()
    swarm.remove_all()
    assert_nothing_left(swarm)
