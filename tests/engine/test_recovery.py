"""The daemon dies, the engine restarts, the power fails: what runs stays enforced all the while.

A steady container knocks everywhere without pause while it happens. The receivers are open from
before until after.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from lab import Container, Lab, Plugin, Scene, tcp, udp
from lab.outside import OTHER, WEB
from lab.process import wait_until

AT_ONCE = 5.0  # seconds for the first container after a disturbance


def check(scene: Scene) -> None:
    """The container reaches the proxy and nothing else."""
    scene.assert_proxy_works()
    gateway = scene.network.gateway
    scene.attempt(tcp(gateway, 9000), tcp(WEB, 8080), udp(OTHER, 53)).assert_refused()


def check_new_container(scene: Scene) -> None:
    """One that is started now works at once."""
    started = time.monotonic()
    fresh = Scene(scene.lab, scene.network)
    assert time.monotonic() - started < AT_ONCE
    check(fresh)
    fresh.container.remove()


def wait_running(container: Container) -> None:
    """Wait until the engine has it running (again)."""
    wait_until(container.running, "the container to run again", timeout=30)


@pytest.fixture
def quiet(scene: Scene) -> Scene:
    """The only container is a steady one: attempts would mix with its packets otherwise."""
    scene.container.remove()
    return scene


def test_daemon_killed(scene: Scene, plugin: Plugin) -> None:
    steady = scene.start_steady()
    with scene.watch([scene.container], proxy_in_use=True) as verdict:
        steady.wait_for_line()
        for _ in range(3):
            plugin.kill_and_wait()
            scene.assert_proxy_works()
        steady.wait_for_line()
    verdict.assert_nothing_arrived()
    steady.remove()
    check(scene)
    check_new_container(scene)


def test_new_container_while_the_daemon_is_gone(scene: Scene, plugin: Plugin) -> None:
    plugin.kill()
    check_new_container(scene)
    check(scene)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["term", "kill"])
def test_engine_restarted(quiet: Scene, number: int) -> None:
    """Containers with --restart=always come back, enforced from their first packet."""
    engine = quiet.lab.engine
    steady = quiet.start_steady("--restart", "always")
    kept = Scene(
        quiet.lab, quiet.network, engine.start("--network", quiet.network.name, "--restart=always")
    )
    with quiet.watch(proxy_in_use=True) as verdict:
        steady.wait_for_line()
        engine.restart(number)
        check_new = time.monotonic()
        fresh = engine.start("--network", quiet.network.name)
        assert time.monotonic() - check_new < AT_ONCE
        wait_running(steady)
        wait_running(kept.container)
        kept.assert_proxy_works()
        steady.wait_for_line()
    verdict.assert_nothing_arrived()
    fresh.remove()
    steady.remove()
    check(kept)


@pytest.fixture
def live_restore(clean: Lab) -> Iterator[Lab]:
    """The engine keeps its containers while it is down."""
    engine = clean.engine
    usual = engine.options
    engine.restart(signal.SIGTERM, *usual, "--live-restore")
    yield clean
    engine.options = usual
    engine.restart()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["term", "kill"])
def test_engine_restarted_with_live_restore(live_restore: Lab, number: int) -> None:
    engine = live_restore.engine
    network = engine.network("live")
    scene = Scene(live_restore, network)
    steady = scene.start_steady()
    pid = scene.container.inspect()["State"]["Pid"]
    with scene.watch(proxy_in_use=True) as verdict:
        steady.wait_for_line()
        engine.service.signal(number)
        engine.service.wait()
        through = ("curl", "-sS", "--max-time", "5", "-x", scene.proxy, f"http://{WEB}/down")
        inside = ("nsenter", f"--target={pid}", "--net")
        assert live_restore.host.run(*inside, *through).out == "hello from outside\n"
        engine.start_engine()
        assert scene.container.inspect()["State"]["Pid"] == pid
        steady.wait_for_line()
    verdict.assert_nothing_arrived()
    steady.remove()
    check(scene)
    check_new_container(scene)


def test_reboot(quiet: Scene, plugin: Plugin) -> None:
    """No bridge, no pair, no rule is left, and nobody creates the network again."""
    lab = quiet.lab
    always = lab.engine.start("--network", quiet.network.name, "--restart=always")
    lab.reboot()
    plugin.wait()
    wait_running(always)
    check(Scene(lab, quiet.network, always))
    check_new_container(quiet)
