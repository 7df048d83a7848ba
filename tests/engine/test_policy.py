"""Rules by address and port, given as Docker's options and changed on running containers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import Lab, Network, tcp, udp
from lab.container import Container
from lab.outside import HOST_V4, OTHER, WEB
from lab.process import Result
from lab.servers import Responder

Create = Callable[..., Network]
COMMAND = Path(__file__).resolve().parents[2] / "build/netenforce"
DATABASE, CACHE = 5432, 6379


@pytest.fixture(scope="module")
def services(lab: Lab) -> Iterator[Responder]:
    """Two services on all addresses of the host."""
    responder = Responder(lab.host.netns, tcp=[DATABASE, CACHE])
    yield responder
    responder.close()


def command(lab: Lab, *words: str, check: bool = True) -> Result:
    """The operator's command, beside the engine, so that it can ask for names."""
    return lab.host.run(str(COMMAND), *words, env=lab.engine.env, check=check)


def reached(container: Container, *targets: tuple[str, int]) -> list[bool]:
    """Which of them answer by TCP."""
    return [outcome.reached for outcome in container.probe(*(tcp(*target) for target in targets))]


def test_options_of_a_network(clean: Lab, create: Create, services: Responder) -> None:
    network = create("-o", f"allow={HOST_V4}:{DATABASE}/tcp,{WEB}:80/tcp", "-o",
                     f"deny={HOST_V4}:{CACHE}/tcp")  # fmt: skip
    container = clean.engine.start("--network", network.name)
    targets = [(HOST_V4, DATABASE), (HOST_V4, CACHE), (network.gateway, DATABASE), (OTHER, 8080)]
    assert reached(container, *targets) == [True, False, False, False]
    assert not container.probe(udp(HOST_V4, DATABASE))[0].reached
    routes = container.exec("ip", "route").out.splitlines()
    assert not any(line.startswith("default") for line in routes)
    assert any(line.startswith(f"{WEB} via {network.gateway}") for line in routes)


def test_options_of_a_container(clean: Lab, create: Create, services: Responder) -> None:
    """The engine's --network form makes values lower-case, and takes blanks for commas."""
    network = create()
    options = f"name={network.name},driver-opt=allow={HOST_V4}:{DATABASE}/TCP {HOST_V4}:80/tcp"
    container = clean.engine.start("--network", options)
    plain = clean.engine.start("--network", network.name)
    targets = [(HOST_V4, DATABASE), (HOST_V4, CACHE)]
    assert reached(container, *targets) == [True, False]
    assert reached(plain, *targets) == [False, False]


def test_changed_while_it_runs(clean: Lab, create: Create, services: Responder) -> None:
    """By the names that Docker's users know."""
    network = create()
    container = clean.engine.start("--network", network.name, "--name", "worker")
    neighbour = clean.engine.start("--network", network.name)
    to = (network.gateway, DATABASE)
    rule = f"{network.gateway}:{DATABASE}/tcp"
    subject = f"{network.name}/worker"
    assert "no rule allows it" in command(clean, "explain", "worker", rule).out
    assert "revision 2" in command(clean, "policy", "allow", subject, rule).out
    assert reached(container, to) == [True] and reached(neighbour, to) == [False]
    assert "pass: by allow" in command(clean, "explain", "worker", rule).out
    command(clean, "policy", "deny", network.name, rule)
    assert reached(container, to) == [False]
    assert "reject: by deny" in command(clean, "explain", subject, rule).out
    command(clean, "policy", "rm", network.name, rule)
    assert reached(container, to) == [True]

    # A policy belongs to the endpoint: the container's next start brings a new one.
    clean.plugin.kill_and_wait()
    assert reached(container, to) == [True]
    clean.engine("restart", "-t", "0", container.id)
    assert reached(container, to) == [False]
    shown = command(clean, "policy", "show", subject).out
    assert "revision 1" in shown and "(as its network)" in shown


def test_names_that_mean_nothing(clean: Lab, create: Create) -> None:
    network = create()
    for words, text in (
        (("policy", "show", "bridge"), "none of netenforce's"),
        (("policy", "show", "nowhere"), "no network"),
        (("policy", "show", f"{network.name}/nobody"), "no endpoint"),
        (("explain", "nobody", "10.0.0.1:1/tcp"), "no endpoint"),
    ):
        result = command(clean, *words, check=False)
        assert result.status == 1 and text in result.err, result
