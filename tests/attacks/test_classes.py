"""Each class of ways around, as Docker starts a container, with NET_ADMIN, and as process 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lab import Lab, Scene, tcp
from stage import MEMBER_PROXY, Row, Stage
from ways import OPEN, WAYS

FROM_ROUTES = (11,)  # classes without a frame of the attacker's own making


@pytest.mark.parametrize("mode", Stage.MODES)
@pytest.mark.parametrize("number", sorted(WAYS))
def test_nothing_arrives(
    stage: Stage, enter: Callable[[Row], None], number: int, mode: str
) -> None:
    enter(stage.attack(number, mode))


@pytest.mark.parametrize("mode", Stage.MODES)
@pytest.mark.parametrize("number", [5, 7, 9])
def test_nothing_arrives_on_a_network_with_ipv6(
    stage: Stage, enter: Callable[[Row], None], number: int, mode: str
) -> None:
    enter(stage.attack(number, mode, stage.dual))


@pytest.mark.parametrize("number", sorted(WAYS))
def test_nothing_arrives_from_one_that_may_answer(
    stage: Stage, enter: Callable[[Row], None], number: int
) -> None:
    """With inbound and every limit: connection tracking sees refused packets there."""
    enter(stage.attack(number, "NET_ADMIN", stage.answering))


@pytest.mark.parametrize("mode", Stage.MODES)
@pytest.mark.parametrize("number", sorted(WAYS))
def test_nothing_arrives_beside_a_proxy_in_a_container(
    stage: Stage, enter: Callable[[Row], None], number: int, mode: str
) -> None:
    """That container is the neighbour, and has another network: only its one port is reached."""
    enter(stage.attack(number, mode, stage.proxied))


@pytest.mark.parametrize("number", [number for number in sorted(WAYS) if number not in FROM_ROUTES])
def test_nothing_arrives_from_a_proxy_in_a_container(
    stage: Stage, enter: Callable[[Row], None], number: int
) -> None:
    enter(stage.attack_from_proxy(number))


def test_the_proxy_in_a_container_works(stage: Stage) -> None:
    """After all that."""
    side = stage.proxied
    for container in (side.plain, side.admin):
        attempt = tcp(side.who(side.same).address, MEMBER_PROXY)
        assert [outcome.reached for outcome in container.probe(attempt)] == [True]


@pytest.fixture(params=[0, 1], ids=["nf-call off", "nf-call on"])
def bridge_switch(lab: Lab, request: pytest.FixtureRequest) -> Iterator[None]:
    """Frames between two ports of a bridge pass iptables by, or don't."""
    paths = [f"/proc/sys/net/bridge/bridge-nf-call-{kind}tables" for kind in ("ip", "ip6", "arp")]
    was = [lab.host.run("cat", path).out.strip() for path in paths]
    for path in paths:
        lab.host.run("sh", "-c", f"echo {request.param} > {path}")
    yield
    for path, value in zip(paths, was, strict=True):
        lab.host.run("sh", "-c", f"echo {value} > {path}")


@pytest.mark.usefixtures("bridge_switch")
@pytest.mark.parametrize("mode", ["default", "NET_ADMIN"])
def test_neighbours_whatever_the_bridge_asks(
    stage: Stage, enter: Callable[[Row], None], mode: str
) -> None:
    for side in (stage.near, stage.dual):
        enter(stage.attack(7, mode, side))


def test_the_proxy_still_works(stage: Stage) -> None:
    """After all that, for the attackers themselves and for their neighbours."""
    for side in (stage.near, stage.dual):
        for container in (side.plain, side.admin):
            Scene(stage.lab, side.network, container).assert_proxy_works()


@pytest.mark.parametrize(
    "client",
    [
        f"curl -m 1 http://HOST:{OPEN}/",
        f"busybox nc -w 1 HOST {OPEN}",
        "busybox ping -c 1 -W 1 HOST",
        "dig +time=1 +tries=1 @HOST a.example",
    ],
)
def test_seen_on_another_driver(stage: Stage, client: str) -> None:
    """What the clients send does arrive from a container on Docker's own bridge."""
    command = client.replace("HOST", stage.around(stage.near).gateway)
    with stage.watch(stage.near) as verdict:
        stage.lab.engine("run", "--rm", "attacker", *command.split(), check=False)
    assert verdict.packets


def test_a_second_interface_is_seen(stage: Stage) -> None:
    """Row 1 looks at what it should: it would see one."""
    engine, attacker = stage.lab.engine, stage.near.plain
    engine("network", "connect", "bridge", attacker.id)
    inside = attacker.exec("ls", "/sys/class/net").out.split()
    engine("network", "disconnect", "bridge", attacker.id)
    assert inside == ["eth0", "eth1", "lo"]
