"""What is counted, limited and only audited for each endpoint, without an engine.

      container                   host                              outside
    10.88.0.2, fd00:88::2 ====  10.88.0.1, 192.0.2.1 =========  192.0.2.2, 2001:db8::2

Judged at the receivers, as in test_fence: listeners in the host and outside.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import NETWORK, Member, endpoint_id, network_body  # noqa: E402
from lab.nflog import LogReader  # noqa: E402
from lab.process import wait_until  # noqa: E402
from lab.receiver import Capture  # noqa: E402
from lab.site import Site  # noqa: E402

GATEWAYS = {4: "10.88.0.1", 6: "fd00:88::1"}
OUTSIDE = {4: "192.0.2.2", 6: "2001:db8::2"}


class World(Site):
    """A host with a daemon, a machine outside, listeners on both."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        outside = self.plug_outside()
        self.host.ip("addr add 2001:db8::1/64 dev out nodad")
        self.host.sysctl(ipv6__conf__all__forwarding=1, ipv6__icmp__ratelimit=0)
        outside.ip("addr add 2001:db8::2/64 dev eth0 nodad")
        self.listen(self.host, 8080, 9000)
        self.listen(outside, 80)

    def create(self, **options: str) -> None:
        """The network, of both families, with these options."""
        self.daemon.call("CreateNetwork", network_body(ipv6=True, **options))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """No network yet."""
    made = World(tmp_path)
    yield made
    made.close()


BOTH = pytest.mark.parametrize("family", [4, 6], ids=["v4", "v6"])
GIVEN = pytest.mark.parametrize("given", ["network", "endpoint"])


def member_with(world: World, given: str, **options: str) -> Member:
    """A container under these options, of the network or its own."""
    world.create(**(options if given == "network" else {}))
    return world.member(**(options if given == "endpoint" else {}))


@GIVEN
@BOTH
def test_audit_lets_pass(world: World, given: str, family: int) -> None:
    """To the host, and beyond it by the routes that Join gives; enforced again, it is refused."""
    member = member_with(world, given, mode="audit", deny=f"{GATEWAYS[4]}:8080/tcp")
    targets = [(GATEWAYS[family], 8080), (GATEWAYS[family], 9000), (OUTSIDE[family], 80)]
    for target in targets:
        assert member.connect(*target) == "open", target
    world.change({"mode": "enforce"}, endpoint=0 if given == "network" else 2)
    for target in targets[1:]:
        assert member.connect(*target) == "refused", target
    assert member.connect(*targets[0]) == ("refused" if family == 4 else "open")


@BOTH
def test_audit_leads_into_no_network(world: World, family: int) -> None:
    """A neighbour is not reached by way of the host, and a false source not at all."""
    world.create(mode="audit")
    member, target = world.member(2), world.member(3)
    address = target.address if family == 4 else target.address6
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    member.netns.ip(f"route add {address} via {GATEWAYS[family]} dev eth0")
    with Capture(target.netns) as capture:
        assert member.connect(address, 80) == "refused"
        sock = member.netns.socket(kind, socket.SOCK_DGRAM)
        sock.sendto(b"x", (address, 9))
        sock.close()
        assert not capture.packets(lambda packet: packet.dport in (9, 80))


def test_audit_says_what_would_be_refused(world: World) -> None:
    world.create(mode="audit", deny=f"{GATEWAYS[4]}:9000/tcp")
    world.member()

    def explained(target: str) -> tuple[object, ...]:
        answer = world.daemon.get(f"/v1/endpoints/{endpoint_id(2)}/explain/{target}")
        keys = ("verdict", "audited", "reason", "rule")
        return tuple(answer[key] for key in keys)

    denied = f"{GATEWAYS[4]}:9000/tcp"
    assert explained(f"{GATEWAYS[4]}:8080/tcp")[:3] == ("pass", False, "allowed")
    assert explained(denied) == ("pass", True, "policy", denied)
    assert explained(f"{OUTSIDE[4]}:80/tcp") == ("pass", True, "policy", None)
    assert explained("10.88.0.9:80/tcp") == ("reject", False, "into-network", None)
    shown = world.daemon.command("explain", endpoint_id(2)[:12], denied)
    assert "mode=audit" in shown.out and "by deny" in shown.out


def test_internal_networks_are_not_audited(world: World) -> None:
    """Audit would let leave what --internal keeps on the host."""
    body = network_body(ipv6=True, mode="audit")
    body["Options"]["com.docker.network.internal"] = True
    status, answer = world.daemon.try_call("CreateNetwork", body)
    assert status != 200 and "--internal" in answer["Err"]
    del body["Options"]["com.docker.network.generic"]["mode"]
    world.daemon.call("CreateNetwork", body)
    member = world.member()
    for endpoint in (0, 2):
        status, answer = world.patch({"mode": "audit"}, endpoint)
        assert status == 400 and "--internal" in answer["error"]["message"]
    assert member.connect(GATEWAYS[4], 9000) == "refused"


class Count(NamedTuple):
    """What an object of the meter has counted."""

    packets: int
    bytes: int


def counted(world: World, kind: str, number: int = 2) -> Count:
    """A counter of an endpoint: "passed", "refused" or "limited"."""
    name = f"{kind}-{endpoint_id(number)}"
    shown = world.host.run("nft", "list", "counter", "inet", "netenforce_meter", name).out
    found = re.search(r"packets (\d+) bytes (\d+)", shown)
    assert found, shown
    return Count(int(found[1]), int(found[2]))


def quota_used(world: World, number: int = 2) -> int:
    """What the kernel says that an endpoint has used of its quota."""
    name = f"quota-{endpoint_id(number)}"
    shown = world.host.run("nft", "list", "quota", "inet", "netenforce_meter", name).out
    found = re.search(r"used (\d+) (\w+)", shown)
    return int(found[1]) * {"bytes": 1, "kbytes": 1 << 10, "mbytes": 1 << 20}[found[2]] if found else 0


def sender(member: Member, family: int, target: tuple[str, int]) -> socket.socket:
    """A UDP socket of the container to one target."""
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    sock = member.netns.socket(kind, socket.SOCK_DGRAM)
    sock.connect(target)
    return sock


def send_all(sock: socket.socket, count: int, size: int = 10) -> None:
    """So many packets, also past the errors that refusals bring."""
    sent = 0
    while sent < count:
        try:
            sock.send(b"x" * size)
            sent += 1
        except (ConnectionRefusedError, BlockingIOError):
            pass  # of an earlier one: nothing was sent


@BOTH
@pytest.mark.parametrize("refuse", ["reject", "drop"])
def test_refused_packets_are_counted(world: World, refuse: str, family: int) -> None:
    """To the packet, however fast they come and whatever the log leaves out; by endpoint."""
    world.create(refuse=refuse)
    member, neighbour = world.member(2), world.member(3)
    before, beside = counted(world, "refused"), counted(world, "refused", 3)
    sock = sender(member, family, (GATEWAYS[family], 9))
    send_all(sock, 100_000)
    sock.close()
    other = sender(neighbour, family, (GATEWAYS[family], 9))
    send_all(other, 10)
    other.close()
    size = 10 + 8 + (20 if family == 4 else 40)
    after = counted(world, "refused")
    assert after.packets - before.packets == 100_000
    assert after.bytes - before.bytes == 100_000 * size
    assert counted(world, "refused", 3).packets - beside.packets == 10
    assert counted(world, "passed").packets <= 4  # neighbour discovery


def came(member: Member) -> int:
    """How many packets have come into a container, by its own interface."""
    [shown] = json.loads(member.netns.run("ip", "-j", "-s", "link", "show", "eth0").out)
    return int(shown["stats64"]["rx"]["packets"])


@pytest.mark.parametrize("option", ["", "conn_rate", "rate", "quota", "inbound"])
def test_what_passes_is_counted(world: World, option: str) -> None:
    """Wherever the options have it counted: what passes once, what is refused not at all."""
    given = {"": "", "conn_rate": "1/h", "rate": "1gbit", "quota": "1GiB", "inbound": "true"}[option]
    world.create(allow=f"{GATEWAYS[4]}:7000/udp", **({option: given} if option else {}))
    member = world.member()
    receiver = world.host.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind((GATEWAYS[4], 7000))
    sock = sender(member, 4, (GATEWAYS[4], 7000))
    send_all(sock, 50, size=100)
    for _ in range(50):
        _, peer = receiver.recvfrom(200)
        receiver.sendto(b"y" * 200, peer)
    assert counted(world, "passed") == (50, 50 * 128)
    assert counted(world, "refused") == (0, 0)
    before = came(member)
    [use] = [each["use"] for each in world.daemon.get("/v1/endpoints")["endpoints"]]
    assert (use["passed_packets"], use["passed_bytes"]) == (50, 50 * 128)
    assert 50 <= before <= use["received_packets"] <= came(member)  # ARP, too
    assert use["received_bytes"] >= 50 * 228
    other = sender(member, 4, (GATEWAYS[4], 7001))
    send_all(other, 10)
    other.close()
    assert counted(world, "refused").packets == 10
    if option == "conn_rate":
        other = sender(member, 4, (GATEWAYS[4], 7000))
        send_all(other, 10)
        other.close()
        assert counted(world, "refused").packets == 20
    assert counted(world, "passed") == (50, 50 * 128)
    receiver.close()
    sock.close()


def logged(reader: LogReader) -> dict[str, int]:
    """How many packets came with each prefix."""
    prefixes = [prefix for prefix, _ in reader.read()]
    return {prefix: prefixes.count(prefix) for prefix in prefixes}


@GIVEN
@BOTH
def test_log(world: World, given: str, family: int) -> None:
    """At most so many for each endpoint, none with off; one does not blind the others."""
    member = member_with(world, given, log="3/h")
    neighbour = world.member(3)
    world.daemon.kill()  # it reads the log itself
    reader = LogReader(world.host)
    for each, count in ((member, 50), (neighbour, 2)):
        sock = sender(each, family, (GATEWAYS[family], 9))
        send_all(sock, count)
        sock.close()
    found = reader.read()
    assert {prefix for prefix, _ in found} == {"ne:refused"}
    offset = 12 if family == 4 else 8
    source = [packet[offset : offset + (4 if family == 4 else 16)] for _, packet in found]
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    own = member.address if family == 4 else member.address6
    other = neighbour.address if family == 4 else neighbour.address6
    assert source.count(socket.inet_pton(kind, own)) == 3
    assert source.count(socket.inet_pton(kind, other)) == 2
    reader.close()
    world.daemon.start()
    world.change({"log": "off"}, endpoint=0 if given == "network" else 2)
    world.daemon.kill()
    reader = LogReader(world.host)
    sock = sender(member, family, (GATEWAYS[family], 9))
    send_all(sock, 50)
    sock.close()
    assert not logged(reader)
    reader.close()


def test_log_tells_audits_and_ways_into_networks(world: World) -> None:
    world.create(mode="audit")
    member, target = world.member(2), world.member(3)
    member.netns.ip(f"route add {target.address} via {GATEWAYS[4]} dev eth0")
    world.daemon.kill()
    reader = LogReader(world.host)
    assert member.connect(GATEWAYS[4], 9000) == "open"
    assert logged(reader)["ne:audit"] > 0
    assert member.connect(target.address, 80) == "refused"
    assert logged(reader)["ne:into"] > 0
    reader.close()


@BOTH
@pytest.mark.parametrize("refuse", ["reject", "drop"])
def test_no_replies_are_counted_and_logged(world: World, refuse: str, family: int) -> None:
    """With inbound, too, where connection tracking decides."""
    world.create(inbound="true", refuse=refuse, log="100/s")
    member = world.member()
    world.daemon.kill()
    reader = LogReader(world.host)
    sock = sender(member, family, (GATEWAYS[family], 9))
    send_all(sock, 50)
    sock.close()
    assert logged(reader) == {"ne:reply": 50}
    assert counted(world, "refused").packets == 50
    reader.close()


def opens(member: Member, target: tuple[str, int], count: int) -> list[str]:
    """So many connections, one after the other."""
    return [member.connect(*target, timeout=0.5) for _ in range(count)]


@GIVEN
@BOTH
def test_conn_rate(world: World, given: str, family: int) -> None:
    """What goes beyond is refused at once; what is open goes on; one budget for both families."""
    member = member_with(world, given, conn_rate="5/h")
    neighbour = world.member(3, conn_rate="none")
    target = (GATEWAYS[family], 8080)
    assert opens(member, target, 8) == ["open"] * 5 + ["refused"] * 3
    assert opens(member, (GATEWAYS[10 - family], 8080), 2) == ["refused"] * 2
    assert opens(neighbour, target, 8) == ["open"] * 8
    assert counted(world, "limited").packets == counted(world, "refused").packets == 5
    where = 0 if given == "network" else 2
    world.change({"conn_rate": "10/h"}, endpoint=where)
    assert opens(member, target, 12) == ["open"] * 10 + ["refused"] * 2
    world.change({"refuse": "drop"}, endpoint=where)
    assert opens(member, target, 1) == ["silent"]
    world.change({"conn_rate": None}, endpoint=where)
    assert opens(member, target, 12) == ["open"] * 12


def test_conn_rate_leaves_open_connections_alone(world: World) -> None:
    """Packets of a connection are no new connections, and a refused one says why in the log."""
    world.create(conn_rate="1/h", log="100/s", allow=f"{GATEWAYS[4]}:7000/udp")
    member = world.member()
    receiver = world.host.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind((GATEWAYS[4], 7000))
    receiver.settimeout(1)
    world.daemon.kill()
    reader = LogReader(world.host)
    sock = sender(member, 4, (GATEWAYS[4], 7000))
    send_all(sock, 50)
    assert len([receiver.recv(100) for _ in range(50)]) == 50
    assert not logged(reader)
    assert member.connect(GATEWAYS[4], 8080) == "refused"
    assert logged(reader) == {"ne:conn_rate": 1}
    for each in (sock, receiver):
        each.close()
    reader.close()


class Stream:
    """TCP between the container and a server on the host, as fast as it goes, one way."""

    def __init__(self, world: World, member: Member, family: int, upward: bool) -> None:
        kind = socket.AF_INET if family == 4 else socket.AF_INET6
        listener = world.host.socket(kind, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((GATEWAYS[family], 7000))
        listener.listen(1)
        inside = member.netns.socket(kind, socket.SOCK_STREAM)
        inside.settimeout(10)
        inside.connect((GATEWAYS[family], 7000))
        here, _ = listener.accept()
        listener.close()
        self.source, self.sink = (inside, here) if upward else (here, inside)
        self.received = 0
        self.ended = threading.Event()
        threading.Thread(target=self._send, daemon=True).start()
        threading.Thread(target=self._receive, daemon=True).start()

    def _send(self) -> None:
        try:
            while True:
                self.source.sendall(b"x" * 65536)
        except OSError:
            self.ended.set()

    def _receive(self) -> None:
        try:
            while data := self.sink.recv(1 << 20):
                self.received += len(data)
        except OSError:
            pass

    def close(self) -> None:
        """End it, without waiting for what is under way."""
        for sock in (self.source, self.sink):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)  # a call that waits in it keeps it open else
            sock.close()


def rate_of(stream: Stream, seconds: float) -> float:
    """Bits a second at the receiver, over so many seconds from now on."""
    start, before = time.monotonic(), stream.received
    time.sleep(seconds)
    return (stream.received - before) * 8 / (time.monotonic() - start)


UPWARD = pytest.mark.parametrize("upward", [True, False], ids=["up", "down"])


@UPWARD
@BOTH
def test_rate(world: World, family: int, upward: bool) -> None:
    """One connection gets about the rate, at network and endpoint level; changed while it runs.

    Within a factor of two: what is measured is time. The bucket holds a second of its own."""
    world.create(rate="10mbit", allow=f"{GATEWAYS[4]}:7000/tcp,[{GATEWAYS[6]}]:7000/tcp")
    member = world.member()
    stream = Stream(world, member, family, upward)
    wait_until(lambda: stream.received > 1_300_000, "the bucket to be used", timeout=20)
    assert 5e6 < rate_of(stream, 2) < 20e6
    world.change({"rate": "40mbit"}, endpoint=2)
    wait_until(lambda: stream.received > 9_000_000, "the larger bucket to be used", timeout=20)
    assert 20e6 < rate_of(stream, 2) < 80e6
    assert counted(world, "limited").packets > 0
    before = stream.received
    world.change({"rate": "none"}, endpoint=2)
    wait_until(lambda: stream.received > before + 100_000_000, "no limit any more", timeout=20)
    stream.close()


@GIVEN
@BOTH
@UPWARD
def test_quota(world: World, given: str, family: int, upward: bool) -> None:
    """Nothing passes any more, in either direction and by either family; told once, at once."""
    allow = f"{GATEWAYS[4]}:7000/tcp,[{GATEWAYS[6]}]:7000/tcp"
    world.create(allow=allow, **({"quota": "1MB"} if given == "network" else {}))
    member = world.member(**({"quota": "1MB"} if given == "endpoint" else {}))
    neighbour = world.member(3)
    stream = Stream(world, member, family, upward)
    wait_until(lambda: quota_events(world) == 1, "the event", timeout=20)
    if upward:  # who sends is told by a reset from the gate
        assert stream.ended.wait(10)
    # Headers and acknowledgements count, too. What has passed may still be on its way to its reader.
    wait_until(lambda: stream.received > 500_000, "most of it to arrive")
    assert stream.received < 1_000_000
    for each in (4, 6):
        assert member.connect(GATEWAYS[each], 8080) == "refused"
        assert neighbour.connect(GATEWAYS[each], 8080) == "open"
    stream.close()  # what it sends again would use up what is given next
    where = 0 if given == "network" else 2
    world.change({"quota": "1001kB"}, endpoint=where)  # use stays: a little more is little
    assert member.connect(GATEWAYS[family], 8080) == "open"
    world.change({"quota": "500kB"}, endpoint=where)
    assert member.connect(GATEWAYS[family], 8080) == "refused"
    world.change({"quota": None}, endpoint=where)
    assert member.connect(GATEWAYS[family], 8080) == "open"


def quota_events(world: World) -> int:
    """How often it was told that a quota is reached."""
    lines = world.daemon.log().splitlines()
    return len([line for line in lines if '"reason":"quota"' in line and '"src"' not in line])


def test_quota_outlives_daemon_and_table(world: World) -> None:
    """The kernel keeps count, and what it has lost with its table is put back."""
    world.create(quota="1MB", allow=f"{GATEWAYS[4]}:7000/udp")
    member = world.member()
    receiver = world.host.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind((GATEWAYS[4], 7000))
    sock = sender(member, 4, (GATEWAYS[4], 7000))

    def send(count: int) -> int:
        """How many arrive of so many packets of 1,000 bytes."""
        receiver.settimeout(0.3)
        came = 0
        for _ in range(count):
            send_all(sock, 1, size=972)
            try:
                came += bool(receiver.recv(2000))
            except TimeoutError:
                pass
        return came

    assert send(400) == 400
    used = quota_used(world)
    assert used == 400_000
    world.daemon.kill()
    assert send(100) == 100
    world.daemon.start()
    assert quota_used(world) == 500_000
    wait_until(lambda: bool(world.daemon.get("/v1/status")), "a look at the use")
    for spoil in (("delete", "table", "inet", "netenforce_meter"), ("flush", "ruleset")):
        world.host.run("nft", *spoil)
        wait_until(lambda: "quota" in meter(world), "the repair", timeout=10)
        assert quota_used(world) == 500_000
    assert send(499) == 499
    assert send(3) <= 1  # the one that makes it full may pass: kernels differ
    assert send(3) == 0
    wait_until(lambda: quota_events(world) == 1, "the event", timeout=10)
    world.daemon.kill()
    world.host.run("nft", "flush", "ruleset")
    world.daemon.start()
    assert send(3) == 0 and quota_events(world) == 1
    for each in (sock, receiver):
        each.close()


def meter(world: World) -> str:
    """The table as it stands; empty without it."""
    return world.host.run("nft", "list", "table", "inet", "netenforce_meter", check=False).out


SPOILT = {
    "the table": ("delete", "table", "inet", "netenforce_meter"),
    "all tables": ("flush", "ruleset"),
    "the rules": ("flush", "table", "inet", "netenforce_meter"),
    "one chain": ("flush", "chain", "inet", "netenforce_meter", "from4"),
    "one map": ("flush", "map", "inet", "netenforce_meter", "connections4"),
    "a rule too many": ("insert", "rule", "inet", "netenforce_meter", "from4", "accept"),
    "an element too many": ("add", "element", "inet", "netenforce_meter", "silent4",
                            "{ 10.88.0.2 }"),
    "asleep": ("add", "table", "inet", "netenforce_meter", "{ flags dormant; }"),
}  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
def test_what_is_spoilt_is_mended(world: World, spoil: tuple[str, ...]) -> None:
    """By itself, as an event of type repair; what was counted stays where its object does."""
    world.create(conn_rate="5/h")
    member = world.member()
    assert opens(member, (GATEWAYS[4], 8080), 3) == ["open"] * 3

    def shape() -> list[str]:
        return [line for line in meter(world).splitlines() if "packets" not in line]

    before, passed = shape(), counted(world, "passed").packets
    world.host.run("nft", *spoil)
    wait_until(lambda: shape() == before, "the repair", timeout=10)
    wait_until(lambda: '"type":"repair"' in world.daemon.log(), "the event", timeout=10)
    if "table" not in spoil[1] and spoil[1] != "ruleset":
        # No less: the ends of the three connections may still have been on their way.
        assert counted(world, "passed").packets >= passed
    assert opens(member, (GATEWAYS[4], 8080), 8)[-1] == "refused"


def test_endpoints_come_and_go(world: World) -> None:
    """One's counters and limits stay as they are while others come, go and change."""
    world.create(conn_rate="5/h")
    member = world.member()
    assert opens(member, (GATEWAYS[4], 8080), 5) == ["open"] * 5
    others = [world.member(number, quota="1GiB", rate="1gbit") for number in range(10, 20)]
    for other in others[:5]:
        other.leave()
    world.change({"quota": "1MB"}, endpoint=16)
    world.change({"allow": f"{OUTSIDE[4]}:80/tcp"})
    assert opens(member, (GATEWAYS[4], 8080), 1) == ["refused"]
    assert "00000000000a" not in meter(world) and "000000000010" in meter(world)
    world.daemon.restart()
    assert opens(member, (GATEWAYS[4], 8080), 1) == ["refused"]
    assert counted(world, "limited").packets == 2
    for other in [member, *others[5:]]:
        other.leave()
    world.daemon.call("DeleteNetwork", {"NetworkID": NETWORK})
    assert not meter(world)


def test_an_older_releases_table(world: World) -> None:
    """Objects and maps of kinds that are no more go; what was counted stays."""
    world.create(allow=f"{GATEWAYS[4]}:7000/udp")
    member = world.member()
    sock = sender(member, 4, (GATEWAYS[4], 7000))
    send_all(sock, 20)
    sock.close()
    world.daemon.kill()
    table, name = "inet netenforce_meter", f"received-{endpoint_id(2)}"
    for line in (
        f"add counter {table} {name}",
        f"add map {table} received4 {{ type ipv4_addr : counter; }}",
        f'add element {table} received4 {{ {member.address} : "{name}" }}',
        f"add chain {table} leaving {{ type filter hook postrouting priority 300; }}",
        f"add rule {table} leaving counter name ip daddr map @received4",
    ):
        world.host.run("nft", line)
    world.daemon.start()
    assert "received" not in meter(world) and "leaving" not in meter(world)
    assert counted(world, "passed").packets == 20
