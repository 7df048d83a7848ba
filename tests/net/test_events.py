"""Events by the control API: history, followers, and what a slow one costs; the file."""

from __future__ import annotations

import json
import os
import re
import select
import sys
from pathlib import Path
from urllib.parse import urlencode

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import NETWORK, SANITIZED, Daemon, Member, endpoint_id  # noqa: E402
from lab.events import Event, Follower, history, metrics  # noqa: E402
from lab.process import wait_until  # noqa: E402


def change(daemon: Daemon, number: int) -> None:
    """One event of type policy, whose rule bears the number."""
    body = json.dumps({"allow": f"10.88.0.1:{1000 + number}/tcp"}).encode()
    status, answer = daemon.ask("PATCH", f"/v1/networks/{NETWORK}/policy", body, control=True)
    assert status == 200, answer


def revisions(events: list[Event]) -> list[int]:
    return [event["revision"] for event in events if event["type"] == "policy"]


def test_a_follower_gets_what_comes(daemon: Daemon) -> None:
    change(daemon, 1)
    one = Follower(daemon.control)
    change(daemon, 2)
    other = Follower(daemon.control, type="policy")
    assert one.until(lambda events: revisions(events) == [3])
    for number in range(3, 20):
        change(daemon, number)
    for follower, first in ((one, 3), (other, 4)):
        wanted = list(range(first, 21))
        follower.until(lambda events, wanted=wanted: revisions(events) == wanted)
        follower.close()
    assert revisions(history(daemon.control)) == list(range(2, 21))
    assert not history(daemon.control, type="dns")
    assert not history(daemon.control, network="b1")
    assert revisions(history(daemon.control, network=NETWORK[:5])) == list(range(2, 21))


def test_since(daemon: Daemon) -> None:
    for number in range(1, 6):
        change(daemon, number)
    events = history(daemon.control, type="policy")
    from_third = [event for event in events if event["time"] >= events[2]["time"]]
    assert history(daemon.control, type="policy", since=events[2]["time"]) == from_third
    follower = Follower(daemon.control, type="policy", since=events[2]["time"])
    change(daemon, 9)
    follower.until(lambda found: revisions(found) == [*revisions(from_third), 7])
    follower.close()


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"since": "yesterday"}, "2026-11-25T01:02:03Z"),
        ({"since": "2026-11-25T01:02:03+01:00"}, "UTC"),
        ({"type": "x"}, "blocked"),
        ({"network": "../x"}, "id"),
        ({"endpoint": ""}, "id"),
        ({"follow": "maybe"}, "1 or 0"),
    ],
)
def test_a_bad_query_is_refused(daemon: Daemon, query: dict[str, str], text: str) -> None:
    status, answer = daemon.ask("GET", "/v1/events?" + urlencode(query), control=True)
    assert status == 400 and text in answer["error"]["message"], answer
    assert next(iter(query)) in answer["error"]["message"]


def test_the_file_outlives_the_daemon(daemon: Daemon) -> None:
    change(daemon, 1)
    before = history(daemon.control)
    daemon.restart()
    assert history(daemon.control)[: len(before)] == before
    change(daemon, 2)
    assert revisions(history(daemon.control)) == [2, 3]
    lines = (daemon.state / "events.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == history(daemon.control)
    assert (daemon.state / "events.jsonl").stat().st_mode & 0o777 == 0o600


def test_slow_and_dead_followers_hold_up_nobody(daemon: Daemon) -> None:
    """One that never reads, ones that went away: others get everything, memory stays bounded."""
    slow = Follower(daemon.control, buffer=4096)
    for _ in range(300):  # more than the server has connections
        Follower(daemon.control).close()
    quick = Follower(daemon.control)
    for number in range(100):
        change(daemon, number)
    before = daemon.resident()
    for number in range(100, 8000):
        change(daemon, number)
        quick.now()
    quick.until(lambda events: revisions(events)[-1:] == [8001])
    assert revisions(quick.events) == list(range(2, 8002))
    assert SANITIZED or daemon.resident() - before < 4096  # KiB
    slow.until(lambda events: revisions(events)[-1:] == [8001])
    lost = [event for event in slow.events if "too slow" in event.get("reason", "")]
    assert lost, "it was not told what it lost"
    assert len(revisions(slow.events)) + sum(event["count"] for event in lost) == 8000
    slow.close()
    quick.close()


def test_a_follower_at_the_daemons_end(daemon: Daemon) -> None:
    """SIGTERM while somebody follows: the daemon ends well."""
    follower = Follower(daemon.control)
    change(daemon, 1)
    follower.until(lambda events: revisions(events) == [2])
    assert daemon.stop() == 0
    follower.close()


def test_too_many_followers(daemon: Daemon) -> None:
    all_of_them = [Follower(daemon.control) for _ in range(64)]
    assert Follower(daemon.control).status == 409
    assert daemon.get("/healthz") == {"status": "ok"}
    for follower in all_of_them:
        follower.close()
    wait_until(lambda: Follower(daemon.control).status == 200, "room", timeout=5)


def test_endpoints_that_come_and_go(daemon: Daemon) -> None:
    member = Member(daemon, 2)
    member.leave()
    daemon.call("DeleteNetwork", {"NetworkID": NETWORK})
    # What the container's own kernel said unasked may be told of among them.
    events = [event for event in history(daemon.control) if event["type"] != "blocked"]
    told = [(event["type"], event["reason"]) for event in events]
    assert told == [("network", "created"), ("endpoint", "created"), ("endpoint", "joined"),
                    ("endpoint", "left"), ("endpoint", "deleted"), ("network", "deleted")]  # fmt: skip
    last = history(daemon.control, type="endpoint", endpoint=endpoint_id(2))[-1]
    assert last["network"] == NETWORK and last["endpoint"] == endpoint_id(2)


def test_metrics(daemon: Daemon) -> None:
    member = Member(daemon, 2, allow="10.88.0.1:9000/tcp")
    change(daemon, 1)
    found = metrics(daemon.control)
    network, endpoint = f'network="{NETWORK}"', f'endpoint="{endpoint_id(2)}"'
    assert found["netenforce_networks"] == found["netenforce_endpoints"] == 1
    assert found[f'netenforce_policy_revision{{{network},endpoint=""}}'] == 2
    assert found[f"netenforce_policy_revision{{{network},{endpoint}}}"] == 1
    join = 'method="NetworkDriver.Join"'
    assert found[f"netenforce_request_duration_seconds_count{{{join}}}"] == 1
    assert found[f'netenforce_request_duration_seconds_bucket{{{join},le="+Inf"}}'] == 1
    assert found['netenforce_request_duration_seconds_count{method="control PATCH"}'] == 1
    for place in ("kernel", "stderr", "file", "followers", "memory"):
        assert found[f'netenforce_events_dropped_total{{place="{place}"}}'] == 0
    assert any(name.startswith("netenforce_build_info{version=") for name in found)
    daemon.empty_rules()
    wait_until(lambda: metrics(daemon.control)["netenforce_rule_repairs_total"] > 0, "a repair")
    member.leave()
    assert metrics(daemon.control)["netenforce_endpoints"] == 0


def test_requests_make_no_labels_of_their_own(daemon: Daemon) -> None:
    daemon.ask("POST", '/NetworkDriver.x"y', b"{}")
    daemon.ask("DELETE", "/v1/networks", control=True)
    found = metrics(daemon.control)
    assert found['netenforce_request_duration_seconds_count{method="other"}'] == 2


def test_nobody_reads_standard_error(tmp_path: Path) -> None:
    """What is said is lost, not the daemon; and how much was lost is said once it is read again."""
    fifo = tmp_path / "daemon.log"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDWR)
    daemon = Daemon(tmp_path).start()
    try:
        for _ in range(2000):  # 64 KiB and more: each is complained of
            status, _answer = daemon.try_call("CreateNetwork", {})
            assert status == 400
        said = b"".join(iter(lambda: os.read(reader, 1 << 16) if waiting(reader) else b"", b""))
        assert said.endswith(b"\n")
        daemon.try_call("CreateNetwork", {})
        assert re.search(rb"(?m)^warn +[0-9]+ lines before this one are lost", os.read(reader, 4096))
    finally:
        daemon.close()
        os.close(reader)


def waiting(reader: int) -> bool:
    """Whether there is something to be read."""
    return bool(select.select([reader], [], [], 0)[0])
