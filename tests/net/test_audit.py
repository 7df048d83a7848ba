"""Refused packets as events: real packets, the kernel's log, and what `explain` says of them."""

from __future__ import annotations

import json
import random
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import (  # noqa: E402
    BUILD,
    NETWORK,
    Daemon,
    Member,
    endpoint_id,
    network_body,
    plug_outside,
)
from lab.events import Event, Follower, history, metrics, packets  # noqa: E402
from lab.frames import ether, ip, tcp_syn, udp, udp_frame  # noqa: E402
from lab.packet import TCP, UDP  # noqa: E402
from lab.process import Service, wait_until  # noqa: E402
from lab.receiver import Capture, Delivered  # noqa: E402

GATEWAY = "10.88.0.1"


def make_network(daemon: Daemon, **options: str) -> None:
    """A network whose refusals are all logged."""
    daemon.call("CreateNetwork", network_body(log="1000000/s", **options))


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A network with a denial."""
    made = Daemon(tmp_path).start()
    make_network(made, deny="10.88.0.1:9000-9010/tcp")
    yield made
    made.close()


def send(member: Member, port: int, count: int = 1) -> None:
    """Datagrams to a port of the bridge."""
    sock = member.netns.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(count):
        sock.sendto(b"x", (GATEWAY, port))
    sock.close()


def test_what_an_event_says(daemon: Daemon) -> None:
    member = Member(daemon, 2)
    follower = Follower(daemon.control, type="blocked")
    assert member.connect(GATEWAY, 9001) == "refused"
    [event] = packets(follower.until(packets))
    sport = event.pop("sport")
    del event["time"]
    assert event == {
        "type": "blocked", "network": NETWORK, "endpoint": endpoint_id(2),
        "interface": "ne-a1a1a1a1a1a1", "src": "10.88.0.2", "dst": GATEWAY, "dport": 9001,
        "proto": "tcp", "tcp_flags": "SYN", "verdict": "reject", "reason": "policy",
        "option": "deny", "rule": "10.88.0.1:9000-9010/tcp",
    } and 0 < sport < 65536  # fmt: skip
    send(member, 53)
    event = packets(follower.until(lambda events: len(packets(events)) == 2))[1]
    assert (event["proto"], event["dport"], event["option"]) == ("udp", 53, "refuse")
    assert "rule" not in event and "tcp_flags" not in event
    raw = member.netns.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    raw.sendto(bytes([8, 0, 0xF7, 0xF8, 0, 7, 0, 0]), (GATEWAY, 0))
    raw.close()
    event = packets(follower.until(lambda events: len(packets(events)) == 3))[2]
    assert (event["proto"], event["icmp_type"]) == ("icmp", 8) and "dport" not in event
    follower.close()


def test_two_followers_see_the_same(daemon: Daemon) -> None:
    member = Member(daemon, 2)
    one, other = (Follower(daemon.control, type="blocked") for _ in range(2))
    for port in range(2000, 2100):
        send(member, port)
    for follower in (one, other):
        follower.until(lambda events: len(packets(events)) == 100)
        assert dports(follower.events) == list(range(2000, 2100))
        follower.close()
    kept = packets(history(daemon.control, type="blocked"))
    assert kept == packets(one.events) == packets(other.events)


def test_a_restart_goes_on(daemon: Daemon) -> None:
    """What is refused while nobody listens is lost to the log, and to nothing else."""
    member = Member(daemon, 2)
    daemon.kill()
    assert member.connect(GATEWAY, 9001) == "refused"
    daemon.start()
    follower = Follower(daemon.control, type="blocked")
    assert member.connect(GATEWAY, 9002) == "refused"
    [event] = packets(follower.until(packets))
    assert event["dport"] == 9002 and event["endpoint"] == endpoint_id(2)
    follower.close()


def dports(events: list[Event]) -> list[int]:
    return [event["dport"] for event in packets(events)]


def test_a_full_disk_hurts_no_follower(tmp_path: Path) -> None:
    """The event file's disk is full: packets are refused, followers told, the loss counted."""
    daemon = Daemon(tmp_path, options=["--event-file", "/dev/full"]).start()
    make_network(daemon)
    member = Member(daemon, 2)
    follower = Follower(daemon.control, type="blocked")
    assert member.connect(GATEWAY, 9001) == "refused"
    follower.until(lambda events: dports(events) == [9001])
    assert daemon.log().count("warn  events: cannot") == 1
    assert dports(history(daemon.control, type="blocked")) == [9001]
    follower.close()
    daemon.close()


def test_a_flood_without_a_limit(daemon: Daemon) -> None:
    """20,000 packets, each logged: every one is an event, or is counted as lost."""
    member = Member(daemon, 2)
    follower = Follower(daemon.control, type="blocked")
    send(member, 7000, 20000)
    send(member, 7001)

    # What the container's own kernel says without being asked may come after it.
    follower.until(lambda events: 7001 in [event.get("dport") for event in events], timeout=60)
    seen = sum(event.get("dport") == 7000 for event in follower.events)
    lost = sum(event["count"] for event in follower.events if event["type"] == "warning")
    assert seen + lost == 20000
    assert daemon.get("/healthz") == {"status": "ok"}
    follower.close()


def test_the_command(daemon: Daemon) -> None:
    """netenforce log, with ids: no engine is here to ask for names."""
    member = Member(daemon, 2)
    assert member.connect(GATEWAY, 9001) == "refused"
    wait_until(lambda: packets(history(daemon.control, type="blocked")), "the event")
    shown = daemon.command("log", "--type", "blocked")
    line = f" > {GATEWAY}:9001/tcp SYN  reject: deny {GATEWAY}:9000-9010/tcp\n"
    assert shown.status == 0 and line in shown.out and endpoint_id(2)[:12] in shown.out
    before = history(daemon.control, network=NETWORK)
    everything = daemon.command("log", "--json", "--since", "1h", "--network", NETWORK[:12])
    events = [json.loads(text) for text in everything.out.splitlines()]
    # An event may come between any two of these looks.
    assert events[: len(before)] == before
    assert history(daemon.control, network=NETWORK)[: len(events)] == events
    for words in (("log", "--since", "x"), ("ls", "--follow"), ("log", "x")):
        assert daemon.command(*words).status == 2
    assert daemon.command("log", "--type", "x").status == 1
    assert "netenforce_build_info" in daemon.command("metrics").out


def test_the_command_follows(daemon: Daemon, tmp_path: Path) -> None:
    """It waits for a daemon that is away, repeats nothing, and ends well."""
    member = Member(daemon, 2)
    argv = [str(BUILD / "netenforce"), "--socket", str(daemon.control), "log", "--follow", "--json",
            "--type", "blocked"]  # fmt: skip
    service = Service(argv, tmp_path / "follow.log")
    log = tmp_path / "follow.log"

    def ports() -> list[int]:
        lines = log.read_text().split("\n")[:-1]  # the last may be on its way into the file
        return dports([json.loads(line) for line in lines if line[0] == "{"])

    def is_followed() -> bool:
        return member.connect(GATEWAY, 9000) == "refused" and bool(ports())

    wait_until(is_followed, "the first event")
    assert member.connect(GATEWAY, 9001) == "refused"
    wait_until(lambda: ports()[-1] == 9001, "an event")
    daemon.kill()
    wait_until(lambda: "gone" in log.read_text(), "its word")
    daemon.start()
    wait_until(lambda: "back" in log.read_text(), "its word")
    assert member.connect(GATEWAY, 9002) == "refused"
    wait_until(lambda: ports()[-1] == 9002, "an event")
    assert set(ports()[:-2]) == {9000} and ports()[-2:] == [9001, 9002]
    service.signal(signal.SIGINT)
    assert service.wait(10) == 0


def test_false_sources_are_told(daemon: Daemon) -> None:
    """The guard drops them before any rule: their number is an event, and a metric."""
    member = Member(daemon, 2)
    follower = Follower(daemon.control, type="blocked")
    wire = member.netns.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind(("eth0", 0))
    bridge = daemon.get(f"/v1/networks/{NETWORK}")["mac"]
    for number in range(30):
        wire.send(udp_frame(member.mac, bridge, f"10.88.0.{100 + number}", GATEWAY, 53))
    wire.close()

    def told(events: list[Event]) -> int:
        return sum(event["suppressed"] for event in events if event["reason"] == "source")

    follower.until(lambda events: told(events) >= 30)
    assert {event["endpoint"] for event in follower.events} == {endpoint_id(2)}
    name = f'netenforce_blocked_packets_total{{network="{NETWORK}",reason="source",proto="any"}}'
    # What its own kernel sends of IPv6, which it has no address for, counts as well.
    counted = metrics(daemon.control)[name]
    assert 30 <= counted < 40
    follower.until(lambda events: told(events) >= counted)
    follower.close()


def random_packets(count: int) -> list[tuple[str, str, int]]:
    """Protocol, address and port of each; addresses that rules are about, and others."""
    source = random.Random(4)
    addresses = (GATEWAY, "192.0.2.1", "192.0.2.2", "10.88.0.9", "198.51.100.7")
    ports = (1, 53, 79, 80, 81, 8079, 8080, 8081, 8999, 9000, 9005, 9010, 9011, 65535)
    return [
        (source.choice(("tcp", "udp")), source.choice(addresses), source.choice(ports))
        for _ in range(count)
    ]


def test_events_agree_with_explain_and_the_receiver(tmp_path: Path) -> None:
    """Of 1,000 random packets each is an event as `explain` says, or arrives; never both."""
    daemon = Daemon(tmp_path).start()
    outside = plug_outside(daemon.netns)
    make_network(
        daemon,
        allow=f"192.0.2.0/24:80-8999/tcp,{GATEWAY}:53/udp,192.0.2.2:9000-9010/udp",
        deny=f"192.0.2.2:8080/tcp,{GATEWAY}:9005/tcp,192.0.2.0/24:9005/udp",
    )
    member = Member(daemon, 2)
    bridge = daemon.get(f"/v1/networks/{NETWORK}")["mac"]
    wire = member.netns.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind(("eth0", 0))
    sent = random_packets(1000)
    expected = {}
    for target in set(sent):
        proto, address, port = target
        path = f"/v1/endpoints/{endpoint_id(2)}/explain/{address}:{port}/{proto}"
        expected[target] = daemon.get(path)
    follower = Follower(daemon.control, type="blocked")
    with Delivered(daemon.netns) as here, Capture(outside) as there:
        for number, (proto, address, port) in enumerate(sent):
            make = {"tcp": tcp_syn, "udp": udp}[proto]
            data = () if proto == "tcp" else (b"x",)
            segment = make(member.address, address, 10000 + number, port, *data)
            kind = {"tcp": TCP, "udp": UDP}[proto]
            wire.send(ether(member.mac, bridge, ip(member.address, address, kind, segment)))
        came = [*here.packets(), *there.packets()]
    arrived = {packet.sport for packet in came if packet.src in (member.address, "192.0.2.1")}
    refused = {
        10000 + number
        for number, target in enumerate(sent)
        if expected[target]["verdict"] != "pass"
    }
    follower.until(lambda events: len({e["sport"] for e in packets(events)} & refused) == len(refused))
    told = packets(follower.events)
    assert {event["sport"] for event in told} == refused
    assert arrived & set(range(10000, 11000)) == set(range(10000, 11000)) - refused
    assert 200 < len(refused) < 900
    for event in told:
        says = expected[sent[event["sport"] - 10000]]
        for key in ("verdict", "reason", "option", "rule"):
            assert event.get(key) == says[key], (event, says)
    follower.close()
    daemon.close()
    outside.close()
