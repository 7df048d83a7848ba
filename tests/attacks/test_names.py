"""Row 11, the way past every driver: the engine asks the host's loopback resolver for containers.

Nothing on the bridge or on the host tells such a question from the engine's own, so networks and
containers are refused while the host's resolv.conf names such a server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lab import Lab
from lab.outside import OTHER, WEB
from lab.names import NameServer
from stage import Count, Row, Stage

LOOPBACK = "127.0.0.1"
Enter = Callable[[Row], None]


@pytest.fixture
def loopback(lab: Lab) -> Iterator[NameServer]:
    """A resolver at the host's loopback address, which the host's resolv.conf names."""
    server = NameServer(lab.host.netns, LOOPBACK, tcp=False)
    lab.host.write_etc("resolv.conf", f"nameserver {LOOPBACK}\n")
    yield server
    lab.host.write_etc("resolv.conf", f"nameserver {WEB}\n")
    server.close()


def dig(name: str) -> list[str]:
    """Ask the container's own resolver, which is the engine's."""
    return ["attacker", "dig", "+time=1", "+tries=1", name]


def test_seen_on_another_driver(stage: Stage, loopback: NameServer) -> None:
    """From a container of Docker's own driver the question arrives: so the rows below can fail."""
    engine = stage.lab.engine
    engine.network("asking", driver="bridge")
    engine("run", "--rm", "--network", "asking", *dig("seen.leak.example.com"), check=False)
    engine("network", "rm", "asking")
    assert loopback.names == ["seen.leak.example.com"]


def test_11_a_loopback_resolver(stage: Stage, enter: Enter, loopback: NameServer) -> None:
    """No network is made, no container is started; what runs already asks whom it asked before.

    From 28 on, which the driver can tell, the engine asks from the container's namespace: both are
    made, and nobody hears what they ask.
    """
    engine, side = stage.lab.engine, stage.near
    leaks = engine.version() < (28,)
    start = ("run", "--rm", "--network", "near")
    tried = [
        ("network", "create", "-d", "netenforce", "late"),
        (*start, *dig("a.leak.example.com")),
        (*start, "--dns", LOOPBACK, *dig("b.leak.example.com")),
    ]
    with stage.watch(side) as verdict:
        told = [engine(*words, check=False) for words in tried]
        for container in (side.plain, side.admin):
            container.exec(*dig("c.leak.example.com")[1:], check=False)
        assert ("late" in engine.out("network", "ls")) != leaks
        engine("network", "rm", "late", check=not leaks)
    for each in told if leaks else []:
        assert each.status != 0
        assert f"names {LOOPBACK}" in each.err and "RESOLVER_LEAK=allow" in each.err
    seen = verdict.seen + loopback.names
    enter(Row(11, "DNS: a loopback resolver on the host", "refused", Count(5, 0, seen)))


def test_11_another_resolver(stage: Stage, enter: Enter, loopback: NameServer) -> None:
    """With a server elsewhere the engine asks from the container's namespace: nobody hears it."""
    stage.lab.host.write_etc("resolv.conf", f"nameserver {OTHER}\n")
    names = [f"{number}.leak.example.com" for number in range(5)]
    with stage.watch(stage.near) as verdict:
        for name in names:
            stage.lab.engine("run", "--rm", "--network", "near", *dig(name), check=False)
    seen = verdict.seen + loopback.names
    enter(Row(11, "DNS: another resolver", "process 1", Count(len(names), 0, seen)))
