"""The fence as packets meet it, without an engine: proxy, refusals, forgeries, emptied tables.

      container                 host                              outside
    eth0 10.88.0.2 ==== nv-...  ne-... 10.88.0.1   out 192.0.2.1 ======== eth0 192.0.2.2

Judged at the receivers: listeners in the host and outside, and what the host's stack took in.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.backend import NFTABLES, emptied, legacy_rules  # noqa: E402
from lab.daemon import NETWORK, Daemon, Member, network_body, plug_outside  # noqa: E402
from lab.frames import arp_frame, udp_frame  # noqa: E402
from lab.listener import Listener  # noqa: E402
from lab.process import wait_until  # noqa: E402
from lab.receiver import Capture, Delivered  # noqa: E402

GATEWAY, OUTSIDE = "10.88.0.1", "192.0.2.2"
LLDP = "01:80:c2:00:00:0e"


class World:
    """The drawing above, with a daemon in the host."""

    def __init__(self, folder: Path) -> None:
        self.daemon = Daemon(folder).start()
        self.host = self.daemon.netns
        self.outside = plug_outside(self.host)
        self.outside.ip("route add 10.88.0.0/24 via 192.0.2.1")
        self.listeners = {
            port: Listener(self.host, port) for port in (8080, 8081, 9000)
        }
        self.outside_listeners = {port: Listener(self.outside, port) for port in (80, 8080)}

    def create(self, **options: str) -> None:
        """A network of these options."""
        self.daemon.call("CreateNetwork", network_body(**options))

    def came(self) -> int:
        """Connections that anybody but the proxy's listener saw."""
        others = [self.listeners[9000], *self.outside_listeners.values()]
        return sum(len(listener.came) for listener in others)

    def close(self) -> None:
        """Remove it all."""
        for listener in [*self.listeners.values(), *self.outside_listeners.values()]:
            listener.close()
        self.daemon.close()
        self.outside.close()


def in_place(world: World) -> Callable[[], bool]:
    """Whether the daemon finds its rules as they should be."""
    return lambda: bool(world.daemon.get("/v1/status")["enforcement"]["in_place"])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A daemon, a host, an outside."""
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def member(world: World) -> Member:
    """A container on a network with the default policy."""
    world.create()
    return Member(world.daemon, 2)


def test_the_proxy_alone(world: World, member: Member) -> None:
    member.netns.ip(f"route add default via {GATEWAY}")
    assert member.connect(GATEWAY, 8080) == "open"
    for address, port in ((GATEWAY, 9000), (GATEWAY, 8081), ("192.0.2.1", 8080), (OUTSIDE, 80),
                          (OUTSIDE, 8080), (GATEWAY, 22)):  # fmt: skip
        assert member.connect(address, port) == "refused", (address, port)
    assert world.came() == 0 and not world.listeners[8081].came


def test_drop_is_silent(world: World) -> None:
    world.create(refuse="drop")
    member = Member(world.daemon, 2)
    assert member.connect(GATEWAY, 8080) == "open"
    assert member.connect(GATEWAY, 9000, timeout=0.3) == "silent"


def test_an_endpoint_has_its_own_proxy(world: World) -> None:
    world.create()
    plain = Member(world.daemon, 2)
    other = Member(world.daemon, 3, proxy="8081", refuse="drop")
    assert plain.connect(GATEWAY, 8080) == "open" and plain.connect(GATEWAY, 8081) == "refused"
    assert other.connect(GATEWAY, 8081) == "open"
    assert other.connect(GATEWAY, 8080, timeout=0.3) == "silent"


def test_a_proxy_beyond_the_host(world: World) -> None:
    """It gets a route, sees the host's address, and its replies come back; nothing else passes."""
    world.create(proxy=f"{OUTSIDE}:80")
    member = Member(world.daemon, 2)
    assert member.connect(OUTSIDE, 80) == "open"
    wait_until(lambda: world.outside_listeners[80].came == ["192.0.2.1"], "the outside to see it")
    assert member.connect(OUTSIDE, 8080) == "refused"
    assert member.connect(GATEWAY, 8080) == "refused"
    # Into the network nothing comes unasked.
    with Capture(member.netns) as capture:
        sock = world.outside.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.sendto(b"unasked", (member.address, 9))
        sock.close()
        assert not capture.packets(lambda packet: packet.dport == 9)


def test_published_ports_are_no_way_round(world: World, member: Member) -> None:
    """A refused destination stays refused, wherever the host's DNAT would send it."""
    world.host.run(
        *("iptables-legacy", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "7000"),
        *("-j", "DNAT", "--to-destination", f"{GATEWAY}:9000"),
    )
    assert member.connect(GATEWAY, 7000) == "refused"
    assert world.came() == 0


def forgeries(world: World, member: Member) -> dict[str, bytes]:
    """Frames that must not arrive, by what is false in them. All are to the proxy's port."""
    bridge = json.loads(world.host.run("ip", "-j", "link", "show", "ne-a1a1a1a1a1a1").out)
    to = bridge[0]["address"]
    other = "02:00:00:00:00:99"
    return {
        "another address": udp_frame(member.mac, to, "10.88.0.9", GATEWAY, 8080),
        "the bridge's address": udp_frame(member.mac, to, GATEWAY, GATEWAY, 8080),
        "a public address": udp_frame(member.mac, to, "198.51.100.9", GATEWAY, 8080),
        "another MAC": udp_frame(other, to, member.address, GATEWAY, 8080),
        "to a link-local group": udp_frame(member.mac, LLDP, member.address, GATEWAY, 8080),
    }


@pytest.mark.parametrize("layer", ["all", "no guard", "no rules"])
def test_forged_sources(world: World, member: Member, layer: str) -> None:
    """Nothing arrives, nobody is answered; the guard and the rules each suffice alone."""
    frames = forgeries(world, member)
    port = f"nv-{member.number:012x}"
    world.daemon.kill()  # it would mend what is taken away here
    if layer == "no guard":
        world.host.run("tc", "qdisc", "del", "dev", port, "clsact")
    if layer == "no rules":
        world.daemon.empty_rules()
    sender = member.netns.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind(("eth0", 0))
    with Delivered(world.host) as delivered, Capture(member.netns) as answers:
        for frame in frames.values():
            sender.send(frame)
        assert not delivered.packets(lambda packet: packet.dport == 8080)
        assert not answers.packets()
    sender.close()


def test_a_true_frame_arrives(world: World, member: Member) -> None:
    """The receivers of the test above do see: with rules and guard gone the same frame comes in."""
    bridge = json.loads(world.host.run("ip", "-j", "link", "show", "ne-a1a1a1a1a1a1").out)
    frame = udp_frame(member.mac, bridge[0]["address"], member.address, GATEWAY, 8080)
    world.daemon.kill()
    world.daemon.empty_rules()
    sender = member.netns.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind(("eth0", 0))
    with Delivered(world.host) as delivered:
        sender.send(frame)
        assert delivered.packets(lambda packet: packet.dport == 8080)
    sender.close()


def test_arp_in_a_false_name_makes_no_neighbour(world: World, member: Member) -> None:
    bridge = json.loads(world.host.run("ip", "-j", "link", "show", "ne-a1a1a1a1a1a1").out)
    sender = member.netns.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind(("eth0", 0))
    with Capture(member.netns, housekeeping=True) as capture:
        for to in ("ff:ff:ff:ff:ff:ff", bridge[0]["address"]):
            sender.send(arp_frame(member.mac, to, "10.88.0.77", GATEWAY, False))
        assert not capture.packets(lambda packet: packet.dst == "10.88.0.77")
    sender.close()
    assert "10.88.0.77" not in world.host.run("ip", "neigh").out


@pytest.mark.parametrize("table", ["raw", "filter", "security"])
def test_each_table_alone_may_be_emptied(world: World, member: Member, table: str) -> None:
    """With the daemon dead, whichever table is flushed: nothing more passes than before."""
    member.netns.ip(f"route add default via {GATEWAY}")
    world.daemon.kill()
    world.host.run("sh", "-ec", emptied(table))
    for address, port in ((GATEWAY, 9000), (OUTSIDE, 80), (OUTSIDE, 8080)):
        assert member.connect(address, port, timeout=0.3) != "open"
    assert world.came() == 0
    world.daemon.start()
    assert member.connect(GATEWAY, 8080) == "open"
    assert member.connect(GATEWAY, 9000) == "refused"


def test_what_is_removed_comes_back(world: World, member: Member) -> None:
    """By itself, or it cannot be removed: emptied tables, an ACCEPT on top, a bridge set down, a
    lost address."""
    before = world.daemon.rules()
    legacy = (
        "iptables-legacy -F",
        "iptables-legacy -t raw -F",
        "iptables-legacy -I INPUT -j ACCEPT",
        "iptables-legacy -t raw -D PREROUTING 1",
        "ip6tables-legacy -t raw -F",
    )
    nftables = (
        "nft flush ruleset",
        "nft flush table inet netenforce_fence",
        "nft delete table inet netenforce_fence",
        "nft flush map inet netenforce_fence members4",
        "nft insert rule inet netenforce_fence input accept",
    )
    links = ("ip link set ne-a1a1a1a1a1a1 down", "ip addr flush dev ne-a1a1a1a1a1a1")
    for spoil in (*(nftables if NFTABLES else legacy), *links):
        done = world.host.run(*spoil.split(), check=False)
        assert done.status == 0 or "not permitted" in done.err
        wait_until(
            lambda: world.daemon.rules() == before
            and member.connect(GATEWAY, 8080) == "open"
            and member.connect(GATEWAY, 9000) == "refused",
            f"repair after {spoil}",
            timeout=10,
        )
    assert world.came() == 0


def test_others_rules_stay(world: World, member: Member) -> None:
    """Theirs keep their order, behind ours; a save and restore of all changes nothing of ours."""
    run = world.host.run
    if NFTABLES:
        run("nft", "add table inet theirs; add chain inet theirs c; add rule inet theirs c drop")
        theirs = run("nft", "list", "table", "inet", "theirs").out
        restore = f"printf 'flush ruleset\n%s' '{theirs}' | nft -f -"
        run("sh", "-ec", restore)  # as a host's own nftables.conf
        wait_until(in_place(world), "the backstop and the meter to be back", timeout=10)
        member.leave()
        world.daemon.call("DeleteNetwork", {"NetworkID": NETWORK})
        assert world.daemon.rules() == []
        assert run("nft", "list", "tables").out == "table inet theirs\n"
        assert run("nft", "list", "table", "inet", "theirs").out == theirs
        return
    run("iptables-legacy", "-N", "THEIRS")
    run("iptables-legacy", "-A", "THEIRS", "-p", "udp", "--dport", "53", "-j", "DROP")
    run("iptables-legacy", "-I", "INPUT", "-j", "THEIRS")
    run("iptables-legacy", "-A", "INPUT", "-i", "lo", "-j", "ACCEPT")
    assert not world.daemon.get("/v1/status")["enforcement"]["in_place"]
    wait_until(in_place(world), "ours to be on top again", timeout=10)
    saved = run("iptables-legacy-save").out
    restore = world.host.run("sh", "-c", f"printf %s '{saved}' | iptables-legacy-restore")
    assert restore.status == 0
    assert in_place(world)()
    member.leave()
    world.daemon.call("DeleteNetwork", {"NetworkID": NETWORK})
    assert world.daemon.rules() == []
    kept = legacy_rules(world.host, "THEIRS")
    assert [line for line in kept if line.startswith("-A")] == [
        "-A INPUT -j THEIRS",
        "-A THEIRS -p udp -m udp --dport 53 -j DROP",
    ]


def test_two_writers_lose_nothing(world: World, member: Member) -> None:
    """iptables and the daemon change the same table at once; the lock keeps them apart. Who writes
    nf_tables at the same time has a table of his own."""
    failures: list[str] = []

    # The daemon's lock is a file of the test's: iptables takes the same by environment.
    command = (
        f"env XTABLES_LOCKFILE={world.daemon.lock} iptables-legacy -w 10 -t raw"
        " -A OUTPUT -p udp --dport "
    )
    if NFTABLES:
        world.host.run("nft", "add table inet theirs; add chain inet theirs output")
        command = "nft add rule inet theirs output udp dport "

    def write() -> None:
        for number in range(50):
            done = world.host.run(*command.split(), str(1000 + number), check=False)
            if done.status != 0:
                failures.append(str(done))

    writer = threading.Thread(target=write)
    writer.start()
    members = [Member(world.daemon, number) for number in range(10, 50)]
    writer.join()
    assert not failures
    if NFTABLES:
        written = world.host.run("nft", "list", "table", "inet", "theirs").out.count("udp dport")
    else:
        written = len(legacy_rules(world.host, "-A OUTPUT -p udp"))
    assert written == 50
    assert all(world.daemon.rules(each.address) for each in members)
    for each in members:
        each.netns.close()
