"""Options mode, conn_rate and quota on an engine, of a network and of a container, both families.

What they are to the packet, and rate, is tried in tests/net/test_limits.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import Container, Lab, Network, tcp
from lab.outside import HOST_V4, HOST_V6
from lab.process import wait_until
from lab.servers import Responder

Create = Callable[..., Network]
COMMAND = Path(__file__).resolve().parents[2] / "build/netenforce"
SERVICE, OTHER = 5432, 6379
HOSTS = {4: HOST_V4, 6: HOST_V6}
ALLOW = f"{HOST_V4}:{SERVICE}/tcp,[{HOST_V6}]:{SERVICE}/tcp"
GIVEN = ("network", "container")


@pytest.fixture(scope="module")
def services(lab: Lab) -> Iterator[Responder]:
    """Two services on all addresses of the host."""
    responder = Responder(lab.host.netns, tcp=[SERVICE, OTHER])
    yield responder
    responder.close()


@pytest.fixture
def start(
    clean: Lab, create: Create, services: Responder
) -> Callable[..., tuple[Container, Container]]:
    """Start a container with an option, its own or its network's, and another of the network."""

    def make(given: str, option: str) -> tuple[Container, Container]:
        both = ["--ipv6", "--subnet", "fd00:67::/64", "-o", f"allow={ALLOW}"]
        network = create(*both, *(("-o", option) if given == "network" else ()))
        own = f",driver-opt={option}" if given == "container" else ""
        first = clean.engine.start("--network", f"name={network.name}{own}")
        return first, clean.engine.start("--network", network.name)

    return make


def reached(container: Container, family: int, *ports: int) -> list[bool]:
    """Which ports of the host answer by TCP."""
    attempts = [tcp(HOSTS[family], port) for port in ports]
    return [outcome.reached for outcome in container.probe(*attempts)]


@pytest.mark.parametrize("family", HOSTS)
@pytest.mark.parametrize("given", GIVEN)
def test_audit(start: Callable[..., tuple[Container, Container]], given: str, family: int) -> None:
    """What is refused otherwise passes, and only there."""
    first, second = start(given, "mode=audit")
    assert reached(first, family, SERVICE, OTHER) == [True, True]
    assert reached(second, family, SERVICE, OTHER) == [True, given == "network"]


@pytest.mark.parametrize("family", HOSTS)
@pytest.mark.parametrize("given", GIVEN)
def test_conn_rate(
    start: Callable[..., tuple[Container, Container]], given: str, family: int
) -> None:
    """Three at once, of each container; another one comes after twenty minutes."""
    first, second = start(given, "conn_rate=3/h")
    assert reached(first, family, *[SERVICE] * 5) == [True] * 3 + [False] * 2
    assert reached(first, 10 - family, SERVICE) == [False]  # of both families together
    of_second = [True] * 5 if given == "container" else [True] * 3 + [False] * 2
    assert reached(second, family, *[SERVICE] * 5) == of_second


@pytest.mark.parametrize("family", HOSTS)
@pytest.mark.parametrize("given", GIVEN)
def test_quota(
    clean: Lab, start: Callable[..., tuple[Container, Container]], given: str, family: int
) -> None:
    """Once it is used up nothing passes, and the log says so; a neighbour has its own."""
    first, second = start(given, "quota=4kB")
    for _ in range(40):
        if not reached(first, family, SERVICE)[0]:
            break
    assert reached(first, family, SERVICE) == [False] == reached(first, 10 - family, SERVICE)
    assert reached(second, family, SERVICE) == [True]

    def told() -> bool:
        log = clean.host.run(
            *(str(COMMAND), "log", "--json", "--type", "blocked"), env=clean.engine.env
        ).out
        endpoint = str(first.endpoint()["EndpointID"])
        return any('"quota"' in line and endpoint in line for line in log.splitlines())

    wait_until(told, "an event about the quota", timeout=10)
