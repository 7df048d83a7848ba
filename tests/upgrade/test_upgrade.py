"""The engine is replaced by the next version, and the next, on the same data folder.

Debian 12's, then 13's, then the one after (engine_root.py). A network, its policy and its
containers are made with the first and used with each.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab import Lab, Scene, tcp, udp  # noqa: E402  (found by the line above)
from lab.backend import fence_lines, legacy_rules  # noqa: E402
from lab.engine_root import SUITES, EngineRoot  # noqa: E402
from lab.lab import ENGINES, end_on_signals  # noqa: E402
from lab.outside import HOST_V4, OTHER, WEB  # noqa: E402
from lab.process import wait_until  # noqa: E402


@pytest.fixture
def lab() -> Iterator[Lab]:
    """With the machine's own engine, and the plugin on it."""
    end_on_signals()
    with Lab() as made:
        made.plugin.install()
        yield made


def check(lab: Lab, scene: Scene) -> None:
    """The proxy is reached, what the network allows, and nothing else."""
    scene.assert_proxy_works()
    scene.attempt(
        tcp(scene.network.gateway, 9000), tcp(HOST_V4, 22), tcp(OTHER, 80), udp(OTHER, 53)
    ).assert_refused()
    assert scene.container.probe(tcp(WEB, 80))[0].reached


def test_upgrade(lab: Lab) -> None:
    engine = lab.engine
    network = engine.network("kept", "-o", f"allow={WEB}:80/tcp")
    steady = Scene(lab, network)
    steady.container.remove()
    knocking = steady.start_steady("--restart=always")
    kept = engine.start("--network", network.name, "--restart=always")
    versions = [engine.version()]
    for release in SUITES:
        with steady.watch() as verdict:
            knocking.wait_for_line()
            engine.stop_engine()
            engine.move_to(EngineRoot(lab.host, release, ENGINES))
            lab.plugin.wait()
            wait_until(knocking.running, "the container to run again", timeout=60)
            wait_until(kept.running, "the container to run again", timeout=60)
            knocking.wait_for_line()
        verdict.assert_nothing_arrived()
        versions.append(engine.version())
        knocking.remove()
        check(lab, Scene(lab, network, kept))
        fresh = Scene(lab, network)
        check(lab, fresh)
        fresh.container.remove()
        knocking = steady.start_steady("--restart=always")
    assert versions == sorted(set(versions)) and len(versions) == 1 + len(SUITES)
    knocking.remove()
    kept.remove()
    engine.remove_networks(network.name)
    bridges = lab.host.run("ip", "-br", "link", "show", "type", "bridge").out
    assert "ne-" not in bridges
    assert not legacy_rules(lab.host.netns, "NETENFORCE") and not fence_lines(lab.host.netns)
    assert set(lab.plugin.state()) <= {"events.jsonl", "lock"}
