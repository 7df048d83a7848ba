"""inbound: replies to connections that the host opened pass, and nothing else that no rule names.

    container 2, 3            host                         outside
    eth0 10.88.0.2 ==== nv-...  ne-... 10.88.0.1   out 192.0.2.1 ======== eth0 192.0.2.2
         fd00:88::2                    fd00:88::1

Judged at the receivers: sockets on both sides, and what the host's stack took in.
"""

from __future__ import annotations

import re
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.backend import FENCE, NFTABLES, emptied  # noqa: E402
from lab.daemon import NETWORK, ROOT, Member, endpoint_id, network_body  # noqa: E402
from lab.echo import echoes  # noqa: E402
from lab.frames import ether, ip, syn_frame, tcp_syn, udp, udp_frame  # noqa: E402
from lab.listener import Listener  # noqa: E402
from lab.netns import Netns  # noqa: E402
from lab.packet import ICMP, TCP, UDP, Packet  # noqa: E402
from lab.process import wait_until  # noqa: E402
from lab.receiver import Capture, Delivered  # noqa: E402
from lab.site import Site  # noqa: E402

GATEWAY, GATEWAY6, OUTSIDE = "10.88.0.1", "fd00:88::1", "192.0.2.2"
PATIENCE = 1.2  # seconds until a connection counts as not answered: a SYN is repeated after 1


class World(Site):
    """A host with a daemon, a machine outside, a network of both families with two containers."""

    open_port = 80

    def __init__(self, folder: Path, **options: str) -> None:
        super().__init__(folder)
        self.outside = self.plug_outside()
        self.outside.ip("route add 10.88.0.0/24 via 192.0.2.1")
        self.daemon.call("CreateNetwork", network_body(ipv6=True, **options))
        self.listen(self.host, 8080, 9000)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The network has inbound."""
    made = World(tmp_path, inbound="true")
    yield made
    made.close()


def opens(netns: Netns, address: str, port: int) -> str:
    """Connect from there: "open", "refused" or "silent"."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with netns.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(PATIENCE)
        try:
            sock.connect((address, port))
        except TimeoutError:
            return "silent"
        except ConnectionRefusedError:
            return "refused"
    return "open"


def asks(netns: Netns, server: Netns, address: str) -> bool:
    """Send a datagram from there to a server in the other one; whether its answer comes back."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with netns.socket(family, socket.SOCK_DGRAM) as asker, server.socket(family, socket.SOCK_DGRAM) as there:
        there.bind((address, 5000))
        there.settimeout(2)
        asker.settimeout(PATIENCE)
        asker.connect((address, 5000))
        try:
            asker.send(b"question")
            _, peer = there.recvfrom(100)
            there.sendto(b"answer", peer)
            return asker.recv(100) == b"answer"
        except OSError:
            return False


def reach(world: World, member: Member) -> set[str]:
    """What of the host's asking is answered by the container: tcp, udp, icmp, for each family."""
    found = set()
    for name, address in (("4", member.address), ("6", member.address6)):
        if opens(world.host, address, 80) == "open":
            found.add(f"tcp{name}")
        if asks(world.host, member.netns, address):
            found.add(f"udp{name}")
        if echoes(world.host, address, PATIENCE):
            found.add(f"icmp{name}")
    return found


EVERYTHING = {f"{proto}{family}" for proto in ("tcp", "udp", "icmp") for family in "46"}


def test_the_host_reaches_the_container(world: World) -> None:
    member = world.member()
    assert reach(world, member) == EVERYTHING
    assert opens(world.host, member.address, 81) == "refused"  # by the container itself
    # Nobody else does, and the container opens nothing.
    neighbour = world.member(3)
    assert opens(world.outside, member.address, 80) == "silent"
    for address in (member.address, member.address6):
        assert neighbour.connect(address, 80, timeout=PATIENCE) != "open"
    for address in (GATEWAY, GATEWAY6):
        assert member.connect(address, 8080) == "open"
        assert member.connect(address, 9000) == "refused" == member.connect(address, 22)
    assert not asks(member.netns, world.host, GATEWAY) and not echoes(member.netns, GATEWAY, PATIENCE)
    assert set(world.listeners[1].came) == set()


def test_without_it_the_host_does_not(tmp_path: Path) -> None:
    world = World(tmp_path)
    one, other = world.member(2), world.member(3, inbound="true")
    assert reach(world, one) == set() and reach(world, other) == EVERYTHING
    world.change({"inbound": "true"})
    world.change({"inbound": "false"}, endpoint=3)
    assert reach(world, one) == EVERYTHING and reach(world, other) == set()
    world.close()


@pytest.mark.parametrize("options", [
    {"icc": "true"}, {"icc": "true", "mode": "audit"}, {"mode": "transparent"},
], ids=["icc", "audit", "transparent"])  # fmt: skip
def test_a_container_is_silenced(tmp_path: Path, options: dict[str, str]) -> None:
    """By the command that docs/operating.md has for it, whatever the network permits."""
    page = (ROOT / "docs/operating.md").read_text()
    [words] = re.findall(r"`netenforce policy set NET/CONTAINER ([^`]*)`: nothing passes", page)
    world = World(tmp_path, inbound="true", allow=f"{GATEWAY}:9000/tcp", **options)
    one, other = world.member(2), world.member(3)
    assert one.connect(GATEWAY, 9000) == "open" and reach(world, one) == EVERYTHING
    assert (one.connect(other.address, 80) == "open") == ("icc" in options)
    done = world.daemon.command("policy", "set", f"{NETWORK[:12]}/{endpoint_id(2)[:12]}", *words.split())
    assert done.status == 0, done
    for address in (GATEWAY, GATEWAY6, other.address, other.address6, OUTSIDE):
        for port in (80, 8080, 9000):
            assert one.connect(address, port) != "open", (address, port)
    assert other.connect(one.address, 80) != "open" and reach(world, one) == set()
    world.close()


def test_errors_come_back(world: World) -> None:
    """A datagram to a closed port is answered by an error that is about it."""
    member = world.member()
    for address in (member.address, member.address6):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with world.host.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(2)
            sock.connect((address, 5001))
            sock.send(b"x")
            with pytest.raises(ConnectionRefusedError):
                sock.recv(1)
    world.change({"inbound": "false"})
    with world.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        sock.connect((member.address, 5001))
        sock.send(b"x")
        with pytest.raises(TimeoutError):
            sock.recv(1)


def test_refusals_are_as_the_policy_says(world: World) -> None:
    world.change({"refuse": "drop"})
    member = world.member()
    assert reach(world, member) == EVERYTHING
    assert member.connect(GATEWAY, 9000, timeout=PATIENCE) == "silent"
    assert member.connect(GATEWAY, 8080) == "open"


def test_deny_wins(world: World) -> None:
    member = world.member()
    world.change({"deny": f"{GATEWAY}:1-65535/tcp,[{GATEWAY6}]/icmp"})
    assert reach(world, member) == EVERYTHING - {"tcp4", "icmp6"}


def test_beside_icc(world: World) -> None:
    """Neighbours with both, and the bridge's own address, which then has rules of its own."""
    world.change({"icc": "true"})
    member, neighbour = world.member(2), world.member(3)
    assert reach(world, member) == EVERYTHING
    assert neighbour.connect(member.address, 80) == "open"
    assert member.connect(GATEWAY, 9000) == "refused"


def segment(src: str, dst: str, sport: int, dport: int, flags: int) -> bytes:
    """A TCP segment with other flags than a SYN's."""
    made = bytearray(tcp_syn(src, dst, sport, dport))
    before = made[13]
    made[13] = flags
    old = struct.unpack("!H", made[16:18])[0]
    total = (~old & 0xFFFF) - before + flags  # RFC 1624, the flags are a low byte
    made[16:18] = struct.pack("!H", ~(total % 0xFFFF) & 0xFFFF)
    return bytes(made)


def from_members(packet: Packet) -> bool:
    return packet.src.startswith("10.88.0.") and packet.src != GATEWAY


def test_forged_replies(world: World) -> None:
    """What looks like a reply is none: of a stranger, of a neighbour, of a connection of its own."""
    member, neighbour = world.member(2), world.member(3)
    server = neighbour.netns.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.bind((neighbour.address, 7000))
    server.listen(1)
    client = world.host.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.connect((neighbour.address, 7000))
    accepted, (_, port) = server.accept()
    to = world.bridge_mac()
    sender = member.netns.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind(("eth0", 0))
    with Delivered(world.host) as delivered:
        delivered.forget()
        for source in (member.address, neighbour.address, "10.88.0.99"):
            for flags in (0x02, 0x10, 0x12, 0x18, 0x11, 0x04):  # SYN, ACK, both, PSH, FIN, RST
                for dport in (port, 9000, 22):
                    data = segment(source, GATEWAY, 7000, dport, flags)
                    sender.send(ether(member.mac, to, ip(source, GATEWAY, TCP, data)))
            sender.send(udp_frame(member.mac, to, source, GATEWAY, port))
            sender.send(ether(member.mac, to, ip(source, GATEWAY, UDP, udp(source, GATEWAY, 53, 53, b"x"))))
            for kind in (0, 3, 5, 11):  # an echo reply, errors about nothing
                inner = ip(GATEWAY, neighbour.address, TCP, tcp_syn(GATEWAY, neighbour.address, port, 7000))
                message = struct.pack("!BBHI", kind, 0, 0, 0) + inner[:28]
                sender.send(ether(member.mac, to, ip(source, GATEWAY, ICMP, message)))
        assert not delivered.packets(from_members)
        accepted.send(b"true")
        assert client.recv(10) == b"true"
    for sock in (sender, accepted, client, server):
        sock.close()


def tracked(world: World) -> int:
    """How many connections the host's tracking knows."""
    return int(world.host.run("cat", "/proc/sys/net/netfilter/nf_conntrack_count").out)


def test_refused_packets_fill_no_table(world: World) -> None:
    member, to = world.member(), world.bridge_mac()
    assert reach(world, member) == EVERYTHING
    before = tracked(world)
    sender = member.netns.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind(("eth0", 0))
    with Capture(member.netns) as capture:
        for port in range(1000, 2000):
            sender.send(syn_frame(member.mac, to, member.address, GATEWAY, port))
            sender.send(udp_frame(member.mac, to, member.address, GATEWAY, port))
            sender.send(udp_frame(member.mac, to, member.address6, GATEWAY6, port))
        assert capture.packets()
    sender.close()
    assert tracked(world) <= before


def test_published_ports_are_no_way_round(world: World) -> None:
    """What DNAT makes of a packet that may be a reply: refused all the same, here and beyond."""
    member = world.member()
    there = Listener(world.outside, 80)
    for port, to in ((7000, f"{GATEWAY}:9000"), (7001, f"{OUTSIDE}:80")):
        world.host.run(
            *("iptables-legacy", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", str(port)),
            *("-j", "DNAT", "--to-destination", to),
        )
        assert member.connect(GATEWAY, port) != "open"
    world.host.run("iptables-legacy", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport",
                   "7002", "-j", "REDIRECT", "--to-ports", "9000")  # fmt: skip
    assert member.connect(GATEWAY, 7002) != "open"
    assert not there.came and not world.listeners[1].came
    there.close()


def test_a_revoked_stream_does_not_come_back(world: World) -> None:
    """Even if tracking has forgotten it and the host's own next packet looks like a first one."""
    world.change({"allow": f"{GATEWAY}:7000/tcp", "refuse": "drop"})
    member = world.member()
    server = world.host.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.bind((GATEWAY, 7000))
    server.listen(1)
    client = member.netns.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.connect((GATEWAY, 7000))
    stream, _ = server.accept()
    client.send(b"before")
    assert stream.recv(100) == b"before"
    world.change({"allow": ""})
    world.host.forget_connections()
    stream.send(b"wake up")  # its way was never closed
    client.settimeout(5)
    assert client.recv(100) == b"wake up"
    stream.setblocking(False)
    with Delivered(world.host) as delivered:
        delivered.forget()
        client.send(b"after")
        assert not delivered.packets(from_members)
        with pytest.raises(BlockingIOError):
            stream.recv(100)
    # A control: were it marked by any first packet, it would.
    world.daemon.kill()
    if NFTABLES:
        rule = f"{FENCE} filter4-OUT ct state new ct mark set ct mark or 0x80000000"
        world.host.run("nft", f"flush chain {FENCE} filter4-OUT; add rule {rule}")
    else:
        world.host.run("iptables-legacy", "-D", "NETENFORCE-OUT", "2")
    world.host.forget_connections()
    stream.send(b"again")
    assert client.recv(100) == b"again"
    stream.setblocking(True)
    stream.settimeout(10)
    assert stream.recv(100) == b"after"
    for sock in (client, stream, server):
        sock.close()


def test_a_change_holds_at_once(world: World) -> None:
    """Also for a connection that is there: not a byte more, and on again."""
    member = world.member()
    world.change({"refuse": "drop"})
    server = member.netns.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.bind((member.address, 7000))
    server.listen(1)
    client = world.host.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.connect((member.address, 7000))
    stream, _ = server.accept()
    client.settimeout(10)
    for owner in (0, 2):
        stream.send(b"one")
        assert client.recv(100) == b"one"
        world.change({"inbound": "false"}, owner)
        with Delivered(world.host) as delivered:
            delivered.forget()
            stream.send(b"two")
            assert not delivered.packets(from_members)
        world.change({"inbound": "true" if owner == 0 else None}, owner)
        assert client.recv(100) == b"two"  # the container sends it again
    for sock in (client, stream, server):
        sock.close()


# Of all of nf_tables see test_icc.py.
EMPTIED = ("raw", "filter", "security") + (() if NFTABLES else ("nf_tables", "all legacy"))


@pytest.mark.parametrize("table", EMPTIED)
def test_each_table_alone_may_be_emptied(world: World, table: str) -> None:
    """With the daemon dead: the container opens nothing."""
    member = world.member()
    world.daemon.kill()
    if table == "nf_tables":
        world.host.run("nft", "flush", "ruleset")
    for name in ("raw", "filter", "security") if table == "all legacy" else (table,):
        if name != "nf_tables":
            world.host.run("sh", "-ec", emptied(name))
    with Delivered(world.host) as delivered:
        for address in (GATEWAY, GATEWAY6):
            assert member.connect(address, 9000, timeout=PATIENCE) != "open"
        assert not delivered.packets(lambda packet: packet.dport == 9000)
    assert not world.listeners[1].came


SPOILS = ["nft flush ruleset"] + ([
    *(f"nft flush chain {FENCE} {chain} || :" for chain in ("filter4-OUT", "output", "judge4-REPLY")),
    "nft flush chain inet netenforce input",
] if NFTABLES else [
    "iptables-legacy -F NETENFORCE-OUT", "iptables-legacy -F OUTPUT", "iptables-legacy -F INPUT",
    "iptables-legacy -t security -F", "iptables-legacy -t raw -F NETENFORCE-REPLY",
    "iptables-legacy-save | iptables-legacy-restore",
])  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILS)
def test_it_comes_back(world: World, spoil: str) -> None:
    member = world.member()
    before = world.daemon.rules()
    world.host.run("sh", "-ec", spoil)
    wait_until(lambda: world.daemon.rules() == before and reach(world, member) == EVERYTHING,
               "all to be as before", timeout=10)  # fmt: skip
    world.daemon.restart()
    assert reach(world, member) == EVERYTHING
    member.leave()
    world.members.clear()
    world.daemon.call("DeleteNetwork", {"NetworkID": NETWORK})
    assert world.daemon.left()[0] == ["out"] and world.daemon.rules() == []


def test_explain(world: World) -> None:
    world.member()
    path = f"/v1/endpoints/{endpoint_id(2)}/explain/{GATEWAY}:9000/tcp"
    answer = world.daemon.get(path)
    assert (answer["verdict"], answer["replies"]) == ("reject", True)
    shown = world.daemon.command("explain", endpoint_id(2)[:12], f"{GATEWAY}:9000/tcp").out
    assert "replies" in shown
    world.change({"deny": f"{GATEWAY}:9000/tcp"})
    assert not world.daemon.get(path)["replies"]
