"""netenforce policy suggest: from events of mode=audit to the rules that let the same pass."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import NETWORK, Daemon, Member, endpoint_id, network_body  # noqa: E402
from lab.listener import Listener  # noqa: E402
from lab.process import wait_until  # noqa: E402

GATEWAY = "10.88.0.1"


def event(dst: str, dport: int = 0, proto: str = "tcp", **more: Any) -> str:
    """A line of the event file: a packet that audit let pass."""
    port = {"dport": dport} if dport else {}
    return json.dumps({
        "time": "2026-11-25T01:02:03.004Z", "type": "blocked", "network": NETWORK,
        "endpoint": endpoint_id(2), "verdict": "pass", "reason": "policy", "dst": dst,
        "proto": proto, **port, **more,
    }) + "\n"  # fmt: skip


def test_suggest(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path).start()
    listeners = [Listener(daemon.netns, port) for port in (9000, 9001, 9100)]
    daemon.call("CreateNetwork", network_body())
    member = Member(daemon, 2)
    short, file = NETWORK[:12], tmp_path / "events.jsonl"
    # What is no audited packet of the network's, or cannot be allowed, is no rule.
    file.write_text(
        event(GATEWAY, 9001) + event(GATEWAY, 9000) + 3 * event(GATEWAY, 9100, suppressed=7)
        + event("192.0.2.9", proto="icmp") + event("192.0.2.9", 53, "udp", endpoint=endpoint_id(3))
        + event("10.88.0.7", 80) + event("224.0.0.251", 5353, "udp") + event("192.0.2.9", proto="47")
        + event(GATEWAY, 1, network="b2" * 32) + event(GATEWAY, 2, verdict="reject")
        + event(GATEWAY, 3, endpoint="probe" + "a" * 27) + event(GATEWAY, 40000, tcp_flags="ACK") + event(GATEWAY, 40001, tcp_flags="SYN,ACK")
        + "no event\n"
    )  # fmt: skip

    def suggest(*words: str) -> Any:
        done = daemon.command("policy", "suggest", *words, "--json")
        assert done.status == 0, done
        return json.loads(done.out)

    found = suggest(short, str(file))
    assert [(item["rule"], item["count"]) for item in found["rules"]] == [
        (f"{GATEWAY}:9100/tcp", 3), (f"{GATEWAY}:9000-9001/tcp", 2), ("192.0.2.9/icmp", 1),
        ("192.0.2.9:53/udp", 1),
    ]  # fmt: skip
    assert (found["suppressed"], found["left_out"]) == (21, 0)
    of_one = suggest(f"{short}/{endpoint_id(2)}", str(file))["rules"]
    assert "192.0.2.9:53/udp" not in [item["rule"] for item in of_one]

    assert member.connect(GATEWAY, 9100) == "refused"
    line = daemon.command("policy", "suggest", short, str(file)).out.splitlines()[-1]
    assert line.startswith(f"netenforce policy allow {short} ")
    assert daemon.command(*line.split()[1:]).status == 0
    assert all(member.connect(GATEWAY, port) == "open" for port in (9000, 9001, 9100))
    assert member.connect(GATEWAY, 9002) == "refused"

    # No more than a list takes, the most frequent first.
    file.write_text("".join(event("192.0.2.9", port) for port in range(1000, 1200, 2)))
    found = suggest(short, str(file))
    assert (len(found["rules"]), found["left_out"]) == (28, 72)
    # Without a file, the daemon's own events: it saw nothing that was audited.
    assert "nothing that could be allowed" in daemon.command("policy", "suggest", short).out
    assert daemon.command("policy", "suggest", short, str(tmp_path / "none")).status == 1
    for listener in listeners:
        listener.close()
    daemon.close()


def test_from_what_the_daemon_saw(tmp_path: Path) -> None:
    """Audit, suggest, allow, enforce."""
    daemon = Daemon(tmp_path).start()
    listeners = [Listener(daemon.netns, port) for port in (9000, 9001, 9100)]
    daemon.call("CreateNetwork", network_body(mode="audit", log="1000/s"))
    member = Member(daemon, 2)
    wanted = {f"{GATEWAY}:9100/tcp": 3, f"{GATEWAY}:9000-9001/tcp": 2}
    for port in (9000, 9001, 9100, 9100, 9100):
        assert member.connect(GATEWAY, port) == "open"

    def suggested() -> dict[str, int]:
        done = daemon.command("policy", "suggest", NETWORK[:12], "--json")
        assert done.status == 0, done
        return {item["rule"]: item["count"] for item in json.loads(done.out)["rules"]}

    wait_until(lambda: suggested() == wanted, "the events", timeout=10)
    line = daemon.command("policy", "suggest", NETWORK[:12]).out.splitlines()[-1]
    assert daemon.command(*line.split()[1:]).status == 0
    assert daemon.command("policy", "set", NETWORK[:12], "mode=enforce").status == 0
    assert all(member.connect(GATEWAY, port) == "open" for port in (9000, 9001, 9100))
    assert member.connect(GATEWAY, 9002) == "refused"
    for listener in listeners:
        listener.close()
    daemon.close()
