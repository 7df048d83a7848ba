"""What an operator does while containers run: a rule taken back, a second network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from lab.process import wait_until
from stage import Count, Row, Stage
from test_events import STREAM, Sink

COMMAND = Path(__file__).resolve().parents[2] / "build/netenforce"
Enter = Callable[[Row], None]


def test_16_a_rule_taken_back(stage: Stage, enter: Enter) -> None:
    """An allowed stream whose rule goes while its container runs: not a byte comes after that."""
    lab, sink = stage.lab, Sink(stage.lab, 9100)
    lab.engine.network("stream")
    shown = lab.engine.inspect("stream", "network")
    gateway = shown["IPAM"]["Config"][0]["Gateway"].split("/")[0]
    rule = f"{gateway}:9100/tcp"

    def policy(*words: str) -> None:
        lab.host.run(str(COMMAND), "policy", *words, env=lab.engine.env)

    policy("allow", "stream", rule)
    command = ["python3", "-S", "-c", STREAM, gateway, "9100"]
    sender = lab.engine.start("--network", "stream", image="attacker", command=command)
    sink.accept()
    policy("rm", "stream", rule)
    sink.drain()
    with stage.watch(stage.near) as verdict:
        wait_until(lambda: not sender.running() or sender.exec("true"), "it to run")
    late = sink.drain()
    seen = verdict.packets + ([f"{late} bytes of the stream"] if late else [])
    sink.close()
    sender.remove()
    lab.engine("network", "rm", "stream")
    enter(Row(16, "a flow that was allowed, revoked", "policy rm", Count(1, 0, seen)))


def test_22_a_second_network_is_named(stage: Stage, enter: Enter) -> None:
    """A driver cannot forbid it: so it is said, by status and in the log."""
    engine, plugin = stage.lab.engine, stage.lab.plugin
    container = engine.start("--network", "near")
    endpoint = container.endpoint("near")["EndpointID"]
    engine("network", "connect", "bridge", container.id)

    def named() -> list[str]:
        """Those that are warned of: the stage has a proxy in a container, which is shown as such."""
        status = json.loads(plugin.get("/v1/status")[1])
        return [e["endpoint"] for e in status["multi_homed"] if e["role"] != "proxy"]

    wait_until(lambda: named() == [endpoint], "the status to name it", timeout=10)
    container.remove()
    wait_until(lambda: named() == [], "the status to forget it", timeout=10)
    enter(Row(22, "a second network: named, not closed", "default", Count(1, 0, [])))
