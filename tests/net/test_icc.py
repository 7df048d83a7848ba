"""icc: neighbours reach each other by way of the bridge, and no one else does.

          container 2      container 3      container 4 ...             outside
    eth0 10.88.0.2    eth0 10.88.0.3    eth0 10.88.0.4             192.0.2.2
         fd00:88::2        fd00:88::3        fd00:88::4                |
             \\                 |                /                      |
              nv-... ------- ne-... (10.88.0.1, fd00:88::1)  host ---- out 192.0.2.1

Judged at the receivers: listeners in the containers, and every frame that arrives there.
"""

from __future__ import annotations

import json
import random
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.backend import NFTABLES, emptied  # noqa: E402
from lab.daemon import (  # noqa: E402
    NETWORK,
    Member,
    endpoint_body,
    endpoint_id,
    ids_body,
    join_body,
    network_body,
)
from lab.echo import echoes  # noqa: E402
from lab.frames import BROADCAST, arp_frame, ether, ping6_frame, udp_frame  # noqa: E402
from lab.listener import Listener  # noqa: E402
from lab.netns import Netns  # noqa: E402
from lab.packet import UDP, Packet  # noqa: E402
from lab.process import wait_until  # noqa: E402
from lab.receiver import Capture  # noqa: E402
from lab.site import BRIDGE, Site  # noqa: E402

GATEWAY, GATEWAY6 = "10.88.0.1", "fd00:88::1"
PORT = 80
ALL = "1-65535/tcp,10.0.0.0/8:1-65535/udp,10.0.0.0/8/icmp"
WIDE = f"10.0.0.0/8:{ALL}"
WIDE6 = "[fd00::/8]:1-65535/udp,[fd00::/8]/icmp".replace("[fd00::/8]", "[fd00::]/8")


class Street(Site):
    """A host that forwards, a daemon, a network of both families, its containers."""

    open_port = PORT

    def __init__(self, folder: Path, forward: int = 1, **options: str) -> None:
        super().__init__(folder)
        self.host.sysctl(ipv4__ip_forward=forward, ipv6__conf__all__forwarding=forward,
                         ipv4__icmp_ratelimit=0)  # fmt: skip
        self.daemon.call("CreateNetwork", network_body(ipv6=True, **options))

    def repairs(self) -> list[str]:
        """What was found and put right."""
        lines = [line for line in self.daemon.log().splitlines() if line.startswith("{")]
        return [event["reason"] for event in map(json.loads, lines) if event["type"] == "repair"]

    def in_place(self) -> bool:
        """Whether the daemon finds all as it should be."""
        return bool(self.daemon.get("/v1/status")["enforcement"]["in_place"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    """Two containers of a network with icc."""
    made = Street(tmp_path, icc="true")
    made.member(2)
    made.member(3)
    yield made
    made.close()


def address_of(member: Member, six: bool) -> str:
    return member.address6 if six else member.address


def reaches(one: Member, other: Member, six: bool = False) -> bool:
    """By TCP. What is refused is told at once, or is not even found (IPv6)."""
    answer = one.connect(address_of(other, six), PORT, timeout=0.4)
    assert answer in ("open", "refused", "silent"), answer
    return answer == "open"


def who_reaches_whom(street: Street) -> dict[str, bool]:
    """Of all pairs, by both families, "2>3"."""
    found = {}
    for one in street.members.values():
        for other in street.members.values():
            if one is not other:
                answers = {reaches(one, other, six) for six in (False, True)}
                assert len(answers) == 1, (one.number, other.number)
                found[f"{one.number}>{other.number}"] = answers.pop()
    return found


def open_pairs(street: Street) -> set[str]:
    return {pair for pair, is_open in who_reaches_whom(street).items() if is_open}


@pytest.mark.parametrize("bridge_nf", ["0", "1"])
def test_neighbours_reach_each_other(street: Street, bridge_nf: str) -> None:
    """By TCP, UDP and ICMP, by their own addresses, whether the bridge asks iptables or not."""
    for name in ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables"):
        street.host.run("sh", "-c", f"echo {bridge_nf} >/proc/sys/net/bridge/{name}")
    assert open_pairs(street) == {"2>3", "3>2"}
    everybody = {"10.88.0.2", "10.88.0.3", "fd00:88::2", "fd00:88::3"}
    wait_until(lambda: {peer for each in street.listeners for peer in each.came} == everybody,
               "all to be seen by their own address")  # fmt: skip
    one, other = street.members[2], street.members[3]
    for six in (False, True):
        assert echoes(one.netns, address_of(other, six), patience=3)
        with Capture(other.netns) as capture:
            family = socket.AF_INET6 if six else socket.AF_INET
            with one.netns.socket(family, socket.SOCK_DGRAM) as sock:
                sock.sendto(b"x", (address_of(other, six), 9))
            assert capture.packets(lambda packet: packet.dport == 9)
    # Their way leads to the host's other addresses no more than before.
    assert one.connect(GATEWAY, 22) == "refused" and one.connect(GATEWAY6, 22) == "refused"


def test_without_icc_nobody_does(folder: Path) -> None:
    street = Street(folder)
    street.member(2), street.member(3)
    assert open_pairs(street) == set()
    street.close()


MIXED = {
    "one of the network stays away": ("true", {4: "false"}, {"2>3", "3>2"}),
    "two of a network without it": ("false", {2: "true", 3: "true"}, {"2>3", "3>2"}),
    "one alone reaches nobody": ("false", {2: "true"}, set()),
    "all but one stay away": ("true", {2: "false", 3: "false"}, set()),
    "it says what its network says": (
        "true", {2: "true"}, {f"{a}>{b}" for a in (2, 3, 4) for b in (2, 3, 4) if a != b}),
}  # fmt: skip


@pytest.mark.parametrize(("network", "own", "pairs"), MIXED.values(), ids=MIXED.keys())
def test_both_ends_must_have_it(
    folder: Path, network: str, own: dict[int, str], pairs: set[str]
) -> None:
    street = Street(folder, icc=network)
    for number in (2, 3, 4):
        street.member(number, **({"icc": own[number]} if number in own else {}))
    assert open_pairs(street) == pairs
    assert street.in_place() and not street.repairs()
    street.close()


def test_an_allowance_is_no_icc(folder: Path) -> None:
    """However wide it is, it leads to no neighbour, with icc or without."""
    street = Street(folder, icc="true")
    street.member(2, icc="false", allow=f"{WIDE},{WIDE6},{GATEWAY}:22/tcp")
    street.member(3), street.member(4, icc="false")
    assert open_pairs(street) == set()
    # What it says of the bridge's own address holds.
    listener = Listener(street.host, 7000)
    assert street.members[2].connect(GATEWAY, 7000) == "open"
    assert street.members[3].connect(GATEWAY, 7000) == "refused"
    listener.close()
    street.close()


def test_deny_wins(street: Street) -> None:
    """Also over icc: by address, by port, for what comes and for what goes."""
    third = street.member(4)
    two, three = street.members[2], street.members[3]
    street.change({"deny": "10.88.0.3/32:80/tcp,[fd00:88::3]:80/tcp"}, endpoint=2)
    assert not reaches(two, three) and not reaches(two, three, True)
    assert reaches(three, two) and reaches(two, third) and reaches(two, third, True)
    street.change({"deny": "10.88.0.3:1-65535/tcp,[fd00:88::3]:1-65535/tcp"}, endpoint=2)
    assert not reaches(three, two) and not reaches(three, two, True)  # no answer passes


def test_a_pool_takes_no_allowance(street: Street) -> None:
    status, answer = street.daemon.ask(
        "PATCH", f"/v1/networks/{NETWORK}/policy", b'{"allow": "10.88.0.3:80/tcp"}', control=True)  # fmt: skip
    assert status == 400 and "icc" in answer["error"]["message"], answer


def raw_socket(member: Member) -> socket.socket:
    sender = member.netns.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind(("eth0", 0))
    return sender


def test_explain_names_it(street: Street) -> None:
    street.member(4, icc="false")
    path = f"/v1/endpoints/{endpoint_id(2)}/explain/"
    answer = street.daemon.get(f"{path}10.88.0.3:80/tcp")
    assert (answer["verdict"], answer["option"], answer["rule"]) == ("pass", "icc", None)
    answer = street.daemon.get(f"{path}10.88.0.4:80/tcp")
    assert (answer["verdict"], answer["reason"]) == ("reject", "into-network")
    shown = street.daemon.command("explain", endpoint_id(2)[:12], "10.88.0.3:80/tcp").out
    assert "by icc, of the network and of the neighbour" in shown


def test_ports_stay_isolated(street: Street) -> None:
    """No frame goes from port to port: what arrives, the bridge has sent."""
    one, other = street.members[2], street.members[3]
    frames = [
        udp_frame(one.mac, other.mac, one.address, other.address, 9),
        udp_frame(one.mac, other.mac, one.address6, other.address6, 9),
        udp_frame(one.mac, BROADCAST, one.address, "10.88.0.255", 9),
        udp_frame(one.mac, BROADCAST, one.address, other.address, 9),
        udp_frame(one.mac, "01:00:5e:00:00:fb", one.address, "224.0.0.251", 9),
        arp_frame(one.mac, BROADCAST, one.address, other.address),
        arp_frame(one.mac, other.mac, one.address, other.address, reply=True),
        arp_frame(one.mac, other.mac, GATEWAY, other.address, reply=True),
        ether(one.mac, other.mac, bytes(46), 0x1234),
        ping6_frame(one.mac, "33:33:00:00:00:01", one.address6, "ff02::1"),
        ping6_frame(one.mac, other.mac, one.address6, other.address6),
    ]
    with Capture(other.netns, housekeeping=True) as capture, raw_socket(one) as sender:
        for frame in frames:
            sender.send(frame)
        assert not capture.packets(lambda packet: packet.src_mac != street.bridge_mac())
        assert not capture.packets(lambda packet: packet.dport == 9)
        # The way is there: the same datagram by way of the bridge arrives.
        sender.send(udp_frame(one.mac, street.bridge_mac(), one.address, other.address, 9))
        assert capture.packets(lambda packet: packet.dport == 9)


@pytest.mark.parametrize("layer", ["all", "no guard"])
def test_nobody_is_a_neighbour_by_a_false_name(street: Street, layer: str) -> None:
    """From one without icc: a neighbour's address, the bridge's, an unused one, its own."""
    stranger, other = street.member(4, icc="false"), street.members[3]
    street.daemon.kill()
    if layer == "no guard":
        street.host.run("tc", "qdisc", "del", "dev", "nv-000000000004", "clsact")
    to = street.bridge_mac()
    with Capture(other.netns) as capture, raw_socket(stranger) as sender:
        for mac in (stranger.mac, street.members[2].mac):
            for source in ("10.88.0.2", "10.88.0.3", "10.88.0.77", GATEWAY, stranger.address):
                sender.send(udp_frame(mac, to, source, other.address, 9))
            for source in ("fd00:88::2", "fd00:88::77", GATEWAY6, stranger.address6):
                sender.send(udp_frame(mac, to, source, other.address6, 9))
        assert not capture.packets(lambda packet: packet.dport == 9)


# Where the fence is in nf_tables and the daemon is dead, nothing outlives `nft flush ruleset`: the
# kernel keeps a table from that only for a living owner.
EMPTIED = ("raw", "filter", "security") + (() if NFTABLES else ("nf_tables", "all but raw"))


@pytest.mark.parametrize("table", EMPTIED)
def test_each_table_alone_may_be_emptied(street: Street, table: str) -> None:
    """With the daemon dead: nobody without icc reaches or is reached."""
    stranger = street.member(4, icc="false", allow=f"{WIDE},{WIDE6}")
    street.daemon.kill()
    if table == "nf_tables":
        street.host.run("nft", "flush", "ruleset")
    for name in ("filter", "security") if table == "all but raw" else (table,):
        if name != "nf_tables":
            street.host.run("sh", "-ec", emptied(name))
    for neighbour in (street.members[2], street.members[3]):
        for six in (False, True):
            assert not reaches(stranger, neighbour, six) and not reaches(neighbour, stranger, six)


def test_networks_stay_apart(street: Street) -> None:
    """icc on both sides makes no way from one network to another."""
    second = NETWORK.replace("a", "b")
    street.daemon.call("CreateNetwork", network_body(second, pool="10.99.0", icc="true"))
    street.daemon.call("CreateEndpoint", endpoint_body(9, second, pool="10.99.0"))
    name = street.daemon.call("Join", join_body(9, second))["InterfaceName"]["SrcName"]
    there = Netns.new()
    street.host.run("ip", "link", "set", name, "netns", there.path, "name", "eth0")
    there.ip("addr add 10.99.0.9/24 dev eth0", "link set eth0 up",
             "route add default via 10.99.0.1")  # fmt: skip
    one = street.members[2]
    one.netns.ip(f"route add 10.99.0.0/24 via {GATEWAY}")
    listener = Listener(there, PORT)
    assert one.connect("10.99.0.9", PORT) == "refused"
    street.change({"allow": WIDE})
    assert one.connect("10.99.0.9", PORT) == "refused"
    assert not listener.came
    listener.close()
    there.close()


def test_nothing_comes_in_from_outside(street: Street) -> None:
    outside = street.plug_outside()
    outside.ip("route add 10.88.0.0/24 via 192.0.2.1")
    with Capture(street.members[2].netns) as capture:
        with outside.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"unasked", ("10.88.0.2", 9))
        assert not capture.packets(lambda packet: packet.dport == 9)
    # Beside an allowance beyond the host neighbours still see each other's own address.
    street.change({"allow": "192.0.2.2:80/tcp"})
    before = len(street.listeners[1].came)
    assert reaches(street.members[2], street.members[3])
    wait_until(lambda: street.listeners[1].came[before:] == ["10.88.0.2"], "the neighbour to see it")


def test_unused_addresses_fill_no_table(street: Street) -> None:
    """A sweep over the pool leaves the host's neighbours as they were, and is refused."""
    one = street.members[2]

    def neighbours() -> list[str]:
        return sorted(street.host.run("ip", "neigh", "show", "dev", BRIDGE).out.splitlines())

    before, to = neighbours(), street.bridge_mac()
    with Capture(one.netns) as capture, raw_socket(one) as sender:
        for number in range(10, 250):
            sender.send(udp_frame(one.mac, to, one.address, f"10.88.0.{number}", 9))
            sender.send(udp_frame(one.mac, to, one.address6, f"fd00:88::{number:x}", 9))
        assert capture.packets()
    assert neighbours() == before
    assert one.connect("10.88.0.99", PORT) == "refused"


WIDER = {"alone": {}, "audit": {"mode": "audit"}, "allow": {"allow": WIDE}}


@pytest.mark.parametrize("wider", WIDER.values(), ids=WIDER.keys())
def test_a_change_holds_at_once(street: Street, wider: dict[str, str]) -> None:
    """Both ways, of the network and of one: also for a stream that is under way, and where much
    beyond the host may be reached, whose replies come into the bridge."""
    street.change(wider)
    two, three = street.members[2], street.members[3]
    for body, endpoint in (({"icc": "false"}, 0), ({"icc": "false"}, 3), ({"icc": "false"}, 2)):
        server = three.netns.socket(socket.AF_INET, socket.SOCK_STREAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((three.address, 7000))
        server.listen(1)
        client = two.netns.socket(socket.AF_INET, socket.SOCK_STREAM)
        client.settimeout(5)
        client.connect((three.address, 7000))
        stream, _ = server.accept()
        ended = threading.Event()

        def send(sock: socket.socket = client, over: threading.Event = ended) -> None:
            try:
                while True:
                    sock.send(b"x" * 1000)
            except OSError:
                over.set()

        threading.Thread(target=send, daemon=True).start()
        assert stream.recv(100000)
        street.change(body, endpoint)
        assert open_pairs(street) == set()
        stream.setblocking(False)
        with pytest.raises((BlockingIOError, ConnectionResetError)):  # it may be told, too
            while stream.recv(1 << 20):  # what had come before
                pass
        assert ended.wait(10), "the sender was not told"
        with pytest.raises((BlockingIOError, ConnectionResetError)):
            assert not stream.recv(1)
            raise ConnectionResetError  # an end is none of a byte either
        for sock in (client, stream, server):
            sock.close()
        street.change({"icc": None} if endpoint else {"icc": "true"}, endpoint)
        assert reaches(two, three) and reaches(three, two)
        # By IPv6 it may be asking for the MAC address just now: it asks again after a second.
        wait_until(lambda: reaches(two, three, True) and reaches(three, two, True), "IPv6")
    assert not street.repairs()


def conf(street: Street, *keys: str) -> list[str]:
    return [street.host.run("cat", f"/proc/sys/net/{key.format(BRIDGE)}").out.strip() for key in keys]


SETTINGS = ("ipv4/conf/{}/proxy_arp_pvlan", "ipv4/conf/{}/forwarding", "ipv6/conf/{}/proxy_ndp",
            "ipv4/conf/{}/send_redirects", "ipv4/conf/{}/proxy_arp")  # fmt: skip


def test_settings_come_and_go_with_the_last_of_them(folder: Path) -> None:
    """The bridge of a network of its own icc is told at Join and at Leave, without a repair."""
    street = Street(folder, forward=0)
    before = conf(street, *SETTINGS)
    street.member(2, icc="true")
    assert conf(street, *SETTINGS) == ["1", "1", "1", "0", "0"]
    assert "fd00:88::2" in street.host.run("ip", "-6", "neigh", "show", "proxy").out
    street.daemon.call("Leave", ids_body(2))
    assert conf(street, *SETTINGS) == before == ["0", "0", "0", "0", "0"]
    assert street.host.run("ip", "-6", "neigh", "show", "proxy").out == ""
    assert street.in_place() and not street.repairs()
    street.close()


@pytest.mark.parametrize("spoil", [
    *(f"echo 0 >/proc/sys/net/{key.format(BRIDGE)}" for key in SETTINGS[:3]),
    "echo 0 >/proc/sys/net/ipv4/ip_forward",
    *(emptied(table) for table in ("raw", "filter", "security") if not NFTABLES or table == "security"),
    "nft flush ruleset",
    f"ip link set {BRIDGE} down",
])  # fmt: skip
def test_what_is_spoiled_comes_back(street: Street, spoil: str) -> None:
    street.host.run("sh", "-ec", spoil)
    wait_until(street.repairs, "a repair", timeout=10)
    wait_until(lambda: open_pairs(street) == {"2>3", "3>2"}, "all to be as before", timeout=10)


def test_it_outlives_the_daemon(street: Street) -> None:
    street.daemon.kill()
    assert open_pairs(street) == {"2>3", "3>2"}
    street.daemon.start()
    assert open_pairs(street) == {"2>3", "3>2"} and street.in_place()
    street.host.run("ip", "-6", "neigh", "del", "proxy", "fd00:88::3", "dev", BRIDGE)
    street.daemon.restart()
    assert open_pairs(street) == {"2>3", "3>2"} and not street.repairs()


def test_a_host_that_does_not_forward(folder: Path) -> None:
    """IPv4 needs no more than the bridge's own switch; IPv6's is the operator's, which is said."""
    street = Street(folder, forward=0, icc="true")
    two, three = street.member(2), street.member(3)
    assert reaches(two, three) and not reaches(two, three, True)
    assert "does not forward IPv6" in street.daemon.log()
    assert street.host.run("cat", "/proc/sys/net/ipv6/conf/all/forwarding").out == "0\n"
    street.host.sysctl(ipv6__conf__all__forwarding=1)
    wait_until(lambda: reaches(two, three, True), "IPv6 to be forwarded", timeout=10)
    street.close()


def random_options(rng: random.Random, network: bool) -> dict[str, str]:
    """Options of every kind that icc has to do with."""
    options: dict[str, str] = {}
    if rng.random() < (0.9 if network else 0.6):
        options["icc"] = rng.choice(["true", "true", "false"])
    target = f"10.88.0.{rng.randrange(1, 7)}", f"[fd00:88::{rng.randrange(1, 7)}]"
    wide = f"10.0.0.0/8:{rng.choice(['9', '1-65535'])}/udp,[fd00:88::]/32:9-10/udp"
    if rng.random() < 0.4:
        options["deny"] = ",".join(f"{each}:{rng.choice(['9', '10-20', '1-65535'])}/udp"
                                   for each in (*target, "10.88.0.4/30"))  # fmt: skip
    if rng.random() < 0.4:
        options["allow"] = f"{wide},{GATEWAY}:11/udp"
    if rng.random() < 0.4:
        options["refuse"] = rng.choice(["drop", "reject"])
    if rng.random() < 0.2:
        options["mode"] = "audit"
    return options


def probes(street: Street) -> Iterator[tuple[Member, str, int]]:
    """From whom to where, by which port."""
    for member in street.members.values():
        for number in range(1, 8):
            for port in (9, 11, 15):
                yield member, f"10.88.0.{number}", port
                yield member, f"fd00:88::{number:x}", port


def arrivals(captures: dict[int, Capture]) -> set[tuple[str, str, int]]:
    """What arrived anywhere: source, destination, port. The host's own captures what is for it."""

    def wanted(packet: Packet) -> bool:
        mine = packet.interface in ("eth0", BRIDGE)
        return mine and packet.proto == UDP and packet.dport in (9, 11, 15)

    return {(packet.src, packet.dst, int(packet.dport or 0))
            for number, capture in captures.items() for packet in capture.packets(wanted)
            if packet.dst in (f"10.88.0.{number}", f"fd00:88::{number:x}")}  # fmt: skip


@pytest.mark.parametrize("seed", range(10))
def test_the_model_says_what_happens(folder: Path, seed: int) -> None:
    """Random mixed policies: explain's verdict of a packet is what the receivers see."""
    rng = random.Random(seed)
    street = Street(folder, **random_options(rng, network=True))
    for number in range(2, 7):
        street.member(number, **random_options(rng, network=False))
    # Who is not there any more.
    street.daemon.call("Leave", ids_body(6))
    del street.members[6]
    to = street.bridge_mac()
    captures = {number: Capture(member.netns) for number, member in street.members.items()}
    for member, target, port in probes(street):
        source = member.address6 if ":" in target else member.address
        with raw_socket(member) as sender:
            sender.send(udp_frame(member.mac, to, source, target, port))
    came = arrivals(captures)
    for member, target, port in probes(street):
        if target in (GATEWAY, GATEWAY6):
            continue  # test_policy's matter
        shown = f"[{target}]" if ":" in target else target
        path = f"/v1/endpoints/{endpoint_id(member.number)}/explain/{shown}:{port}/udp"
        answer: dict[str, Any] = street.daemon.get(path)
        source = member.address6 if ":" in target else member.address
        passed = (source, target, port) in came
        assert (answer["verdict"] == "pass") == passed, (member.number, target, port, answer)
    assert street.in_place() and not street.repairs()
    for capture in captures.values():
        capture.close()
    street.close()


