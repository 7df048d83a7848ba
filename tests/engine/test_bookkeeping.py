"""What the engine keeps in its own books of a container's interface: counters, names, restarts."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab import Lab, Network, Plugin, Scene
from lab.engine import SOCKET, get
from lab.process import wait_until


@pytest.fixture
def live_restore(clean: Lab) -> Iterator[Lab]:
    """The engine keeps its containers while it is down."""
    engine = clean.engine
    usual = engine.options
    engine.restart(signal.SIGTERM, *usual, "--live-restore")
    clean.plugin.wait()
    yield clean
    engine.mend()
    engine.restart(signal.SIGTERM, *usual)
    clean.plugin.wait()


def interfaces(scene: Scene) -> list[str]:
    """The container's, by name."""
    return scene.container.exec("ls", "/sys/class/net").out.split()


def counters(scene: Scene) -> dict[str, Any]:
    """What `docker stats` shows of each interface."""
    target = f"/containers/{scene.container.id}/stats?stream=0&one-shot=1"
    status, body = get(scene.lab.host.path(SOCKET), target)
    assert status == 200, body
    found: dict[str, Any] = json.loads(body).get("networks") or {}
    return found


def test_docker_stats_counts(scene: Scene) -> None:
    before = counters(scene)["eth0"]
    scene.assert_proxy_works()
    after = counters(scene)["eth0"]
    assert after["tx_packets"] > before["tx_packets"] and after["rx_bytes"] > before["rx_bytes"]


def test_beside_a_network_of_another_driver(clean: Lab, scene: Scene) -> None:
    """Connected while it runs, and there again at the next start."""
    clean.engine("network", "connect", "bridge", scene.container.id)
    assert interfaces(scene) == ["eth0", "eth1", "lo"]
    clean.engine("restart", "-t", "0", scene.container.id)
    assert interfaces(scene) == ["eth0", "eth1", "lo"]
    clean.engine("network", "disconnect", "bridge", scene.container.id)
    scene.assert_proxy_works()


def test_connected_anew_after_a_live_restore(
    live_restore: Lab, plugin: Plugin, scene: Scene, create: Callable[..., Network]
) -> None:
    """The engine knows the interfaces that it finds, takes them out, and lives on.

    20.10 and 26.1 know those of their own drivers only: there it is the driver that takes them out.
    """
    engine, container, second = live_restore.engine, scene.container, create()
    engine("network", "connect", second.name, container.id)
    engine.restart(signal.SIGKILL)
    plugin.wait()
    if engine.version() >= (28,):
        assert set(counters(scene)) == {"eth0", "eth1"}
    for name in (scene.network.name, second.name):
        engine("network", "disconnect", name, container.id)
    wait_until(lambda: interfaces(scene) == ["lo"], "both interfaces to be gone", timeout=10)
    engine("network", "connect", scene.network.name, container.id)
    assert interfaces(scene) == ["eth0", "lo"]
    scene.assert_proxy_works()
    engine("restart", "-t", "0", container.id)
    scene.assert_proxy_works()
    assert engine.service.running()
