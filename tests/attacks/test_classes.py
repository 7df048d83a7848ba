"""Each class of ways around, as Docker starts a container, with NET_ADMIN, and as process 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lab import Lab, Scene
from stage import Row, Stage
from ways import WAYS


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


def test_red_on_another_driver(stage: Stage) -> None:
    """Rows 1 and 14 are judged by what they would see of a container on Docker's own bridge."""
    engine, around = stage.lab.engine, stage.around(stage.near)
    with stage.watch(stage.near) as verdict:
        engine("run", "--rm", "attacker", "busybox", "wget", "-T", "1", "-O", "-",
               f"http://{around.gateway}:9000/", check=False)  # fmt: skip
    assert verdict.packets
    engine("network", "connect", "bridge", stage.near.plain.id)
    inside = stage.near.plain.exec("ls", "/sys/class/net").out.split()
    engine("network", "disconnect", "bridge", stage.near.plain.id)
    assert inside == ["eth0", "eth1", "lo"]
