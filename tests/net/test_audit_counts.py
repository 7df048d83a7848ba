"""The meter and the log: limits and audits as events, and what got no event, to the packet."""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import Daemon, Member, endpoint_id, network_body  # noqa: E402
from lab.events import Event, Follower, metrics, packets  # noqa: E402
from lab.listener import Listener  # noqa: E402
from lab.process import wait_until  # noqa: E402
from lab.receiver import Delivered  # noqa: E402

GATEWAY = "10.88.0.1"


def send(member: Member, port: int, count: int = 1) -> None:
    """Datagrams to a port of the bridge."""
    sock = member.netns.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(count):
        sock.sendto(b"x", (GATEWAY, port))
    sock.close()


def told_of(events: list[Event], number: int) -> tuple[int, int]:
    """Events with a packet of that endpoint, and what they and others say was left out.

    Not what its guard dropped: its kernel's own IPv6, which it has no address for.
    """
    own = [
        event
        for event in events
        if event["endpoint"] == endpoint_id(number) and event["reason"] != "source"
    ]
    return sum("dst" in event for event in own), sum(event.get("suppressed", 0) for event in own)


def test_one_container_does_not_blind_the_log(tmp_path: Path) -> None:
    """100,000 refused packets of one and 10 of another: all 10 are told, all 100,000 counted.

    With what a network is given that says nothing of its log.
    """
    daemon = Daemon(tmp_path).start()
    daemon.call("CreateNetwork", network_body())
    loud = Member(daemon, 2)
    quiet = Member(daemon, 3)
    follower = Follower(daemon.control, type="blocked")
    flood = threading.Thread(target=send, args=(loud, 7000, 100000))
    flood.start()
    send(quiet, 7001, 10)
    flood.join()

    def is_whole(events: list[Event]) -> bool:
        return sum(told_of(events, 2)) >= 100000 and sum(told_of(events, 3)) >= 10

    follower.until(is_whole, timeout=30)
    assert told_of(follower.events, 3) == (10, 0)
    shown, left_out = told_of(follower.events, 2)
    assert shown + left_out == 100000 and 1 <= shown < 1000
    uses = {one["id"]: one["use"] for one in daemon.get("/v1/endpoints")["endpoints"]}
    assert uses[endpoint_id(2)]["refused_packets"] == 100000
    found = metrics(daemon.control)
    blocked = [
        value
        for name, value in found.items()
        if "blocked_packets_total" in name and 'reason="source"' not in name
    ]
    assert sum(blocked) == 100010
    follower.close()
    loud.leave()
    daemon.close()


def test_what_was_left_out_is_told_of_one_who_leaves(tmp_path: Path) -> None:
    """The counter goes with the endpoint: it is read before."""
    daemon = Daemon(tmp_path).start()
    daemon.call("CreateNetwork", network_body())
    member = Member(daemon, 2)
    follower = Follower(daemon.control, type="blocked")
    send(member, 7000, 5000)
    with Delivered(daemon.netns) as delivered:  # whatever is under way has come
        delivered.settle()
    member.leave()
    follower.until(lambda events: sum(told_of(events, 2)) >= 5000, timeout=10)
    assert sum(told_of(follower.events, 2)) == 5000
    follower.close()
    daemon.close()



def test_audit_says_that_it_passed(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path).start()
    daemon.call("CreateNetwork", network_body(mode="audit", deny="10.88.0.1:9000-9010/tcp"))
    member, listener = Member(daemon, 2), Listener(daemon.netns, 9001)
    follower = Follower(daemon.control, type="blocked")
    assert member.connect(GATEWAY, 9001) == "open"
    [event, *_] = packets(follower.until(packets))
    assert (event["verdict"], event["reason"]) == ("pass", "policy")
    assert (event["option"], event["rule"]) == ("deny", "10.88.0.1:9000-9010/tcp")
    listener.close()
    follower.close()
    daemon.close()


def test_limits_are_reasons(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path).start()
    daemon.call("CreateNetwork", network_body(log="1000/s"))
    fast = Member(daemon, 2, conn_rate="1/h")
    greedy = Member(daemon, 3, quota="1kB")
    listener = Listener(daemon.netns, 8080)
    follower = Follower(daemon.control, type="blocked")
    for member in (fast, greedy):
        wait_until(lambda member=member: member.connect(GATEWAY, 8080) == "refused", "the limit")

    follower.until(lambda events: len({event["endpoint"] for event in packets(events)}) == 2)
    found = {
        event["endpoint"]: (event["reason"], event["option"], event["rule"], event["verdict"])
        for event in packets(follower.events)
    }
    assert found == {
        endpoint_id(2): ("conn_rate", "conn_rate", "1/h", "reject"),
        endpoint_id(3): ("quota", "quota", "1kB", "reject"),
    }
    listener.close()
    follower.close()
    daemon.close()
