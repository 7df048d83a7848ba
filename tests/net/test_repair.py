"""Whatever is removed or put in front from outside comes back, and nothing passes meanwhile.

Two members of a network. One sends without pause: datagrams to the host, to the outside through
the host, to its neighbour by the bridge and by raw frames. The receivers stand behind every filter:
what the host's stack took in, what reached the outside, what reached the neighbour.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.backend import FENCE, NFTABLES, changes, open_table  # noqa: E402
from lab.daemon import BUILD, Daemon, Member, network_body, plug_outside  # noqa: E402
from lab.frames import syn_frame, udp_frame  # noqa: E402
from lab.packet import Packet  # noqa: E402
from lab.process import wait_until  # noqa: E402
from lab.receiver import Capture, Delivered  # noqa: E402

BRIDGE, GATEWAY = "ne-a1a1a1a1a1a1", "10.88.0.1"
HOST, OUTSIDE = "192.0.2.1", "192.0.2.2"
PORT = "nv-000000000002"
NO_RULES = "".join(f"*{table}\nCOMMIT\n" for table in ("raw", "mangle", "nat", "filter", "security"))
RESTORE = f"printf '{NO_RULES}' | iptables-legacy-restore"

LEGACY = {
    "filter emptied": "iptables-legacy -F",
    "raw emptied": "iptables-legacy -t raw -F",
    "security emptied": "iptables-legacy -t security -F",
    # The daemon may have its chains back in between.
    "chains removed": "for table in filter raw; do until"
    " iptables-legacy -t $table -F && iptables-legacy -t $table -X; do :; done; done",
    "an old file restored": RESTORE,
    "an old file restored, IPv6": RESTORE.replace("iptables", "ip6tables"),
    "ACCEPT on top of INPUT": "iptables-legacy -I INPUT -j ACCEPT",
    "ACCEPT on top of FORWARD": "iptables-legacy -I FORWARD -j ACCEPT",
    "ACCEPT on top of raw": "iptables-legacy -t raw -I PREROUTING -j ACCEPT",
    "ACCEPT in DOCKER-USER": "iptables-legacy -N DOCKER-USER; iptables-legacy -A DOCKER-USER"
    " -j ACCEPT; iptables-legacy -I FORWARD -j DOCKER-USER",
    "a rule of ours removed": "iptables-legacy -t raw -D PREROUTING 1",
}

# Of the main fence's table, where anybody can change it. It must not be opened: there an instant
# without any table is one without a fence.
OPEN_TABLE = changes(BRIDGE)

SPOILS = {
    **({} if NFTABLES else LEGACY),
    "nft flush ruleset": "nft flush ruleset",
    "nft table changed": "nft flush chain inet netenforce input",
    "nft table asleep": "nft add table inet netenforce '{ flags dormant; }'",
    "the bridge set down": f"ip link set {BRIDGE} down",
    "the bridge's address removed": f"ip addr flush dev {BRIDGE}",
    "the bridge's MAC address changed": f"ip link set {BRIDGE} address 02:00:00:00:00:77",
    **{
        f"the bridge's {name}": f"sysctl -qw net.ipv4.conf.{BRIDGE}.{name}={value}"
        for name, value in (
            ("accept_source_route", 1),
            ("accept_local", 1),
            ("arp_ignore", 0),
            ("arp_accept", 1),
            ("drop_gratuitous_arp", 0),
            ("rp_filter", 0),
            ("proxy_arp", 1),
            ("route_localnet", 1),
            ("accept_redirects", 1),
            ("send_redirects", 1),
            ("drop_unicast_in_l2_multicast", 0),
        )
    },
    "the port set down": f"ip link set {PORT} down",
    "the port taken away": f"ip link set {PORT} nomaster",
    "the port no longer isolated": f"bridge link set dev {PORT} isolated off",
    "the port no longer locked": f"bridge link set dev {PORT} locked off",
    "the port learns": f"bridge link set dev {PORT} learning on",
    "the port floods": f"bridge link set dev {PORT} flood on mcast_flood on",
    "the guard's program removed": f"tc filter del dev {PORT} egress",
    "the guard removed": f"tc qdisc del dev {PORT} clsact",
}


class Knocker:
    """Sends without pause what must not arrive."""

    def __init__(self, member: Member, neighbour: Member, bridge_mac: str) -> None:
        self.rounds = 0
        self._stop = threading.Event()
        self._member = member
        everybody = "ff:ff:ff:ff:ff:ff"
        own = (member.mac, member.address)
        self._frames = [
            udp_frame(own[0], to_mac, own[1], to, 9000)
            for to_mac, to in (
                (bridge_mac, GATEWAY),
                (bridge_mac, HOST),
                (bridge_mac, OUTSIDE),
                (neighbour.mac, neighbour.address),
                (everybody, neighbour.address),
                (bridge_mac, neighbour.address),
            )
        ]
        self._frames.append(syn_frame(own[0], bridge_mac, own[1], GATEWAY, 9000))
        self._frames.append(udp_frame(own[0], bridge_mac, "10.88.0.77", GATEWAY, 8080))
        self._thread = threading.Thread(target=self._knock, daemon=True)

    def _knock(self) -> None:
        sender = self._member.netns.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sender.bind(("eth0", 0))
        with sender:
            while not self._stop.wait(0.001):
                for frame in self._frames:
                    with contextlib.suppress(OSError):  # the other end is down: ENETDOWN
                        sender.send(frame)
                self.rounds += 1

    def __enter__(self) -> Knocker:
        self._thread.start()
        self.more()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def more(self) -> None:
        """Wait until it has been round some times more."""
        goal = self.rounds + 10
        wait_until(lambda: self.rounds >= goal, "more knocks", pause=0.002)


class Street:
    """The daemon, an outside, two members."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.daemon = Daemon(folder, **env).start()
        self.host = self.daemon.netns
        self.outside = plug_outside(self.host)
        self.daemon.call("CreateNetwork", network_body())
        self.member, self.neighbour = Member(self.daemon, 2), Member(self.daemon, 3)
        [shown] = json.loads(self.host.run("ip", "-j", "link", "show", BRIDGE).out)
        self.bridge_mac = shown["address"]

    def events(self) -> list[dict[str, object]]:
        """The repair events so far."""
        lines = [line for line in self.daemon.log().splitlines() if line.startswith("{")]
        return [event for event in map(json.loads, lines) if event["type"] == "repair"]

    def in_place(self) -> bool:
        """Whether the daemon finds all as it should be."""
        return bool(self.daemon.get("/v1/status")["enforcement"]["in_place"])

    def stands(self) -> list[object]:
        """Rules, links and guards as they are now."""
        run = self.host.run
        [port] = json.loads(run("bridge", "-j", "-d", "link", "show", "dev", PORT).out)
        bridge = run("ip", "-j", "addr", "show", BRIDGE).out
        bridge += run("sh", "-c", f"cat /proc/sys/net/ipv4/conf/{BRIDGE}/*").out
        filters = [
            run("tc", "filter", "show", "dev", PORT, place).out.count("direct-action")
            for place in ("ingress", "egress")
        ]
        return [self.daemon.rules(), self.daemon.backstop(), port, bridge, filters]

    def close(self) -> None:
        """Remove it all."""
        self.daemon.close()
        self.outside.close()
        self.member.netns.close()
        self.neighbour.netns.close()


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """One for all: each test leaves it as it was, which is what it is about."""
    made = Street(tmp_path_factory.mktemp("repair"))
    yield made
    made.close()


def from_members(packet: Packet) -> bool:
    """Whether one of the members sent it: the host itself may speak."""
    return packet.dport in (9000, 8080) and packet.src.startswith("10.88.")


@contextlib.contextmanager
def nothing_arrives(street: Street) -> Iterator[Knocker]:
    """Knock all the while; at the end ask the receivers."""
    with (
        Delivered(street.host) as host,
        Capture(street.outside) as outside,
        Capture(street.neighbour.netns) as neighbour,
    ):
        with Knocker(street.member, street.neighbour, street.bridge_mac) as knocker:
            yield knocker
            knocker.more()
        came = [packet for each in (host, outside, neighbour) for packet in each.packets(from_members)]
        assert not came, f"{len(came)} packets arrived, the first: {came[0]}"


def spoil_and_wait(street: Street, spoil: str) -> None:
    """Do it; nothing may arrive; wait until all is as before, and told."""
    before, told = street.stands(), len(street.events())
    with nothing_arrives(street) as knocker:
        street.host.run("sh", "-ec", spoil)
        try:
            wait_until(lambda: len(street.events()) > told, "an event that says so", timeout=10)
        except TimeoutError as error:
            rules = street.host.run("iptables-legacy-save").out
            raise AssertionError(f"{error}\n{street.daemon.log()}\n{rules}") from error
        wait_until(lambda: street.in_place() and street.stands() == before, "all to be as before")
        knocker.more()
    wait_until(lambda: street.member.connect(GATEWAY, 22) == "refused", "refusals to be answered")
    street.host.run("iptables-legacy", "-F", "DOCKER-USER", check=False)


@pytest.mark.parametrize("spoil", SPOILS)
def test_it_comes_back_and_nothing_passes(street: Street, spoil: str) -> None:
    spoil_and_wait(street, SPOILS[spoil])


@pytest.mark.skipif(not NFTABLES, reason="the legacy tables are others' as well: see LEGACY")
def test_a_table_that_anybody_can_change(tmp_path: Path) -> None:
    """The same of the main fence's table, on a kernel before 6.9."""
    with contextlib.closing(Street(tmp_path, **open_table(BUILD))) as street:
        assert "open to changes" in street.daemon.get("/v1/status")["firewall"]
        for spoil in OPEN_TABLE.values():
            spoil_and_wait(street, spoil)


@pytest.mark.skipif(not NFTABLES, reason="the legacy tables have no owner")
def test_a_table_that_nobody_can_change(street: Street) -> None:
    """Each is refused, or passes the table by, while the daemon lives; the next one takes it over."""
    before = street.stands()
    for spoil in OPEN_TABLE.values():
        done = street.host.run("sh", "-ec", spoil, check=False)
        assert "not permitted" in done.err, spoil
    assert street.stands() == before
    street.daemon.restart()
    done = street.host.run("nft", "delete", "table", *FENCE.split(), check=False)
    assert "not permitted" in done.err


def test_with_the_daemon_dead(street: Street) -> None:
    """Whatever of these is done then, and nobody puts it right: nothing passes either."""
    street.daemon.kill()
    try:
        # Nothing outlives `nft flush ruleset` if all is in nf_tables: see test_icc.py.
        for spoil in (RESTORE, "nft delete table inet netenforce" if NFTABLES else "nft flush ruleset"):
            with nothing_arrives(street) as knocker:
                street.host.run("sh", "-ec", spoil)
                knocker.more()
            street.daemon.start()
            assert street.in_place()
            street.daemon.kill()
    finally:
        street.daemon.start()


def test_the_receivers_see(street: Street) -> None:
    """Without any fence the same knocks arrive everywhere: so the tests above can fail."""
    street.daemon.kill()
    street.daemon.empty_rules()
    for port in (PORT, "nv-000000000003"):
        street.host.run("bridge", "link", "set", "dev", port, "isolated", "off")
        street.host.run("tc", "qdisc", "del", "dev", port, "clsact")
    with (
        Delivered(street.host) as host,
        Capture(street.outside) as outside,
        Capture(street.neighbour.netns) as neighbour,
    ):
        with Knocker(street.member, street.neighbour, street.bridge_mac) as knocker:
            knocker.more()
        for receiver in (host, outside, neighbour):
            assert receiver.packets(from_members)
    street.daemon.start()
    wait_until(street.in_place, "all to be as before")
