"""Compose with a network of this driver: 1.29 with the engine of Debian 12, 2.26 and 2.40 with ENGINE."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import Container, Lab, Network, Scene, tcp
from lab.outside import OTHER, WEB
from lab.process import CommandError

ROUNDS = 3
COMPOSE = """\
services:
  app:
    image: tools
    command: sleep infinity
    stop_signal: KILL
    networks:
      fenced: ENDPOINT
networks:
  fenced:
    driver: netenforce
    driver_opts:
      proxy: "8080"
      allow: "198.51.100.2:80/tcp"
"""
STRICTER = '{driver_opts: {deny: "198.51.100.2:80/tcp"}}'
Compose = Callable[..., str]


@pytest.fixture
def compose(clean: Lab, tmp_path: Path) -> Iterator[Callable[[str], Compose]]:
    """Write a file, with something about the service's endpoint, and use it."""
    folder = clean.folder / tmp_path.name
    folder.mkdir()
    file = folder / "docker-compose.yml"

    def run(*arguments: str) -> str:
        return clean.engine.compose("-p", "demo", "-f", str(file), *arguments).out.strip()

    def use(endpoint: str) -> Compose:
        file.write_text(COMPOSE.replace("ENDPOINT", endpoint))
        return run

    yield use
    run("down")


def run_version(lab: Lab) -> tuple[int, ...]:
    """Of the compose in use: (2, 26, 1)."""
    shown = lab.engine.compose("version", "--short").out.strip().lstrip("v")
    return tuple(int(part) for part in shown.partition("-")[0].split("."))


def check(lab: Lab, run: Compose, allowed: bool = True) -> None:
    """The proxy is reached, what the network allows, and nothing else."""
    container = Container(lab.engine, run("ps", "-q", "app"))
    scene = Scene(lab, Network(lab.engine, "demo_fenced"), container)
    scene.assert_proxy_works()
    scene.attempt(tcp(OTHER, 80), tcp(scene.network.gateway, 9000)).assert_refused()
    assert container.probe(tcp(WEB, 80))[0].reached == allowed


def left(lab: Lab) -> list[str]:
    """Networks and endpoints of ours that are still there."""
    bridges = lab.host.run("ip", "-br", "link", "show", "type", "bridge").out.split()
    return [name for name in bridges if name.startswith("ne-")]


def test_up_restart_down(clean: Lab, compose: Callable[[str], Compose]) -> None:
    before = left(clean)
    run = compose("{}")
    for _ in range(ROUNDS):
        run("up", "-d")
        check(clean, run)
        run("restart")
        check(clean, run)
        run("down")
        assert "demo_fenced" not in clean.engine.out("network", "ls", "--format", "{{.Name}}")
        assert left(clean) == before


def test_options_of_an_endpoint(clean: Lab, compose: Callable[[str], Compose]) -> None:
    """`driver_opts` of a service's network: 1.29 refuses them, 2.26 leaves them out without a word."""
    run = compose(STRICTER)
    version = run_version(clean)
    if version < (2,):
        with pytest.raises(CommandError, match="unsupported option: 'driver_opts'"):
            run("up", "-d")
        compose("{}")
        return
    run("up", "-d")
    check(clean, run, allowed=version < (2, 27))
