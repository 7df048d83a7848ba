"""mode=transparent: what goes to 80 and 443 is handed to a port of the bridge, names to the forwarder.

    container 2, 3, 4         host                         outside
    eth0 10.88.0.2 ==== nv-...  ne-... 10.88.0.1   out 192.0.2.1 ======== eth0 192.0.2.2
         fd00:88::2                    fd00:88::1

Judged at the receivers: the proxy's stand-in, which asks for whom each connection was, what the
host's stack took in, and what came outside.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.backend import FENCE, NFTABLES, emptied, open_table  # noqa: E402
from lab.daemon import (  # noqa: E402
    BUILD,
    NETWORK,
    Daemon,
    Member,
    endpoint_body,
    endpoint_id,
    network_body,
)
from lab.frames import syn_frame, udp_frame  # noqa: E402
from lab.handed import Handed, Taken  # noqa: E402
from lab.listener import Listener  # noqa: E402
from lab.names import NameServer, ask  # noqa: E402
from lab.packet import TCP, UDP, Packet  # noqa: E402
from lab.process import wait_until  # noqa: E402
from lab.receiver import Capture, Delivered  # noqa: E402
from lab.site import Site  # noqa: E402

GATEWAY, GATEWAY6 = "10.88.0.1", "fd00:88::1"
HOST, OUTSIDE = "192.0.2.1", "192.0.2.2"
FAR, FAR6 = "203.0.113.7", "2001:db8:9::7"  # outside, too
MEMBER, MEMBER6 = "10.88.0.2", "fd00:88::2"


class World(Site):
    """A host with a daemon, a machine outside that serves names, a network of both families."""

    def __init__(self, folder: Path, env: dict[str, str] | None = None, **options: str) -> None:
        super().__init__(folder, env, names=OUTSIDE)
        self.outside = self.plug_outside()
        self.host.ip("addr add 2001:db8:9::1/64 dev out nodad", f"route add default via {OUTSIDE}")
        self.host.sysctl(ipv6__conf__all__forwarding=1)
        self.outside.ip(
            "route add 10.88.0.0/24 via 192.0.2.1",
            f"addr add {FAR}/32 dev eth0",
            f"addr add {FAR6}/64 dev eth0 nodad",
            "route add fd00:88::/64 via 2001:db8:9::1",
        )
        self.names = NameServer(self.outside)
        self.web = self.listen(self.outside, 443)[443]
        self.daemon.call("CreateNetwork", network_body(ipv6=True, log="100000/s", **options))
        self.proxy = Handed(self.host, 8080)
        self.other = Handed(self.host, 8081)

    def explain(self, to: str, endpoint: int = 2) -> dict[str, Any]:
        """What the model says."""
        found: dict[str, Any] = self.daemon.get(f"/v1/endpoints/{endpoint_id(endpoint)}/explain/{to}")
        return found

    def events(self, kind: str = "blocked") -> list[dict[str, Any]]:
        """Events of a type so far."""
        lines = [line for line in self.daemon.log().splitlines() if line.startswith("{")]
        return [event for event in map(json.loads, lines) if event["type"] == kind]

    def use(self, number: int = 2) -> dict[str, int]:
        """What an endpoint has used."""
        endpoints = self.daemon.get("/v1/endpoints")["endpoints"]
        [use] = [each["use"] for each in endpoints if each["id"] == endpoint_id(number)]
        return dict(use)

    def translations(self) -> list[str]:
        """Lines about what is led elsewhere, whoever's they are."""
        legacy = []
        for program in ("iptables-legacy-save", "ip6tables-legacy-save"):
            legacy += self.host.run(program, "-t", "nat").out.splitlines()
        tables = self.host.run("nft", "list", "ruleset").out.splitlines()
        return [line for line in legacy + tables if "DNAT" in line or "dnat" in line]

    def in_place(self) -> bool:
        return bool(self.daemon.get("/v1/status")["enforcement"]["in_place"])

    @contextlib.contextmanager
    def nothing_leaves(
        self, handed: bool = True, of: tuple[str, ...] = ("10.88.0.", "fd00:88::")
    ) -> Iterator[None]:
        """Nothing of a container may come outside, nor to the host but what is @handed there."""
        with Capture(self.outside) as outside, Delivered(self.host) as host:
            yield

            def of_members(packet: Packet) -> bool:
                ours = packet.src.startswith(of)
                return ours and packet.src not in (GATEWAY, GATEWAY6) and packet.proto in (TCP, UDP)

            assert not outside.packets(of_members)
            wanted = ((TCP, 8080), (TCP, 8081), (TCP, 53), (UDP, 53)) if handed else ()
            assert not host.packets(
                lambda packet: of_members(packet) and (packet.proto, packet.dport) not in wanted
            )

    def close(self) -> None:
        """And who was handed to, and who was asked."""
        for served in (self.proxy, self.other, self.names):
            served.close()
        super().close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The network hands."""
    made = World(tmp_path, mode="transparent")
    yield made
    made.close()


class Stream:
    """A connection of a container's that goes on."""

    def __init__(self, member: Member, address: str, port: int) -> None:
        self._sock = member.netns.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._sock.settimeout(3)
        self._sock.connect((address, port))

    def lives(self) -> bool:
        """Whether what is sent comes back."""
        try:
            self._sock.sendall(b"still there?")
            return self._sock.recv(100) != b""
        except OSError:
            return False

    def end(self) -> str:
        """How it ended."""
        try:
            self._sock.sendall(b"still there?")
            return "open" if self._sock.recv(100) else "closed"
        except ConnectionResetError:
            return "reset"
        except TimeoutError:
            return "silent"
        finally:
            self._sock.close()

    def close(self) -> None:
        self._sock.close()


def answered(member: Member, server: str, name: str = "up.example", tcp: bool = False) -> None:
    """Wait until a name is answered there: port 53 is closed until dnsmasq listens."""
    wait_until(
        lambda: ask(member.netns, server, name, tcp=tcp, timeout=0.5) == "answered",
        "names to be answered",
        timeout=15,
    )


def test_80_and_443_of_any_address(world: World) -> None:
    member = world.member()
    with world.nothing_leaves():
        for port in (80, 443):
            for address in (OUTSIDE, FAR, HOST, "169.254.169.254"):
                assert member.connect(address, port) == "open", address
                assert world.proxy.took() == [Taken(MEMBER, address, port)]
            assert member.connect(FAR6, port) == "open"
            assert world.proxy.took() == [Taken(MEMBER6, FAR6, port)]
    assert not world.web.came


def test_all_else_is_refused(world: World) -> None:
    member = world.member()
    neighbour = world.member(3)
    listeners = [Listener(neighbour.netns, 80), *(Listener(world.host, port) for port in (80, 9000))]
    with world.nothing_leaves(handed=False):
        for address, port in (
            *((OUTSIDE, port) for port in (22, 79, 81, 444, 8080, 8443)),
            *((GATEWAY, port) for port in (80, 443, 8080, 9000)),
            *((GATEWAY6, port) for port in (80, 443, 8080)),
            (HOST, 9000),
            (FAR6, 8443),
        ):
            assert member.connect(address, port) == "refused", (address, port)
        mac = world.bridge_mac()
        raw = member.netns.socket(socket.AF_PACKET, socket.SOCK_RAW)
        raw.bind(("eth0", 0))
        for address in (OUTSIDE, FAR, HOST):
            for port in (80, 443, 8080):  # QUIC, and what looks like it
                raw.send(udp_frame(member.mac, mac, MEMBER, address, port))
        # In another's name, to a neighbour, past the proxy's own address.
        raw.send(syn_frame(member.mac, mac, "10.88.0.3", FAR, 443))
        raw.send(syn_frame(member.mac, mac, MEMBER, "10.88.0.3", 80))
        # What means the host itself, or many: the proxy would ask its own loopback.
        for nowhere in ("127.0.0.1", "127.8.8.8", "0.0.0.0", "224.0.0.1", "255.255.255.255"):
            raw.send(syn_frame(member.mac, mac, MEMBER, nowhere, 80))
        for nowhere in ("::1", "::", "::ffff:127.0.0.1", "fe80::1", "ff02::1"):
            raw.send(syn_frame(member.mac, mac, MEMBER6, nowhere, 80))
        raw.close()
    assert not world.proxy.taken
    for listener in listeners:
        assert not listener.came
        listener.close()
    told = world.explain(f"{OUTSIDE}:443/udp")
    assert (told["verdict"], told["reason"]) == ("reject", "policy")
    assert world.explain("10.88.0.3:80/tcp")["reason"] == "into-network"
    told = world.explain(f"{GATEWAY}:8080/tcp")
    assert (told["verdict"], told["option"]) == ("reject", "mode")
    told = world.explain(f"{FAR}:443/tcp")
    assert (told["verdict"], told["reason"], told["handed_to"]) == (
        "pass", "handed", f"{GATEWAY}:8080",
    )  # fmt: skip


def test_names_of_any_server(world: World) -> None:
    """Whichever server a container asks, the forwarder answers, and tells of it."""
    member = world.member()
    with world.nothing_leaves():
        answered(member, FAR)
        for server in (FAR, OUTSIDE, HOST, GATEWAY, FAR6, GATEWAY6):
            for tcp in (False, True):
                assert ask(member.netns, server, "a.example", tcp=tcp) == "answered", server
    assert set(world.names.names) == {"up.example", "a.example"}
    wait_until(lambda: world.events("dns"), "events")
    event = world.events("dns")[0]
    assert (event["src"], event["network"]) == (MEMBER, NETWORK)
    assert world.explain(f"{FAR}:53/udp")["handed_to"] == f"{GATEWAY}:53"


def test_without_names(world: World) -> None:
    """dns=off is as good as anywhere, for one endpoint as well; and so are servers that are named."""
    one, other = world.member(dns="off"), world.member(3)
    answered(other, FAR)
    assert ask(one.netns, FAR, "off.example") == "closed"
    assert one.connect(FAR, 443) == "open"
    world.change({"dns": "off"})
    assert ask(other.netns, FAR, "off.example") == "closed"
    assert "off.example" not in world.names.names


def test_deny_and_allow_win(world: World) -> None:
    member = world.member()
    world.change({"deny": f"{FAR}:443/tcp", "allow": f"{OUTSIDE}:443/tcp,{OUTSIDE}:53/udp"})
    assert member.connect(FAR, 443) == "refused" and member.connect(FAR, 80) == "open"
    assert world.proxy.took() == [Taken(MEMBER, FAR, 80)]
    assert member.connect(OUTSIDE, 443) == "open"
    wait_until(lambda: world.web.came == [HOST], "the connection outside")  # masqueraded
    answered(member, OUTSIDE, "direct.example")
    assert not world.proxy.taken
    assert world.explain(f"{OUTSIDE}:443/tcp")["handed_to"] is None


def test_each_has_its_own_port(world: World) -> None:
    """An endpoint's proxy is its own, and a change of it ends what goes to the other."""
    one, other = world.member(), world.member(3, proxy="8081")
    assert one.connect(FAR, 443) == "open" and other.connect(FAR, 443) == "open"
    assert world.proxy.took() == [Taken(MEMBER, FAR, 443)]
    assert world.other.took() == [Taken("10.88.0.3", FAR, 443)]
    stream = Stream(other, FAR, 80)
    mine = Stream(one, FAR, 80)
    assert stream.lives() and mine.lives()
    world.change({"proxy": "8080"}, endpoint=3)
    assert stream.end() != "open" and mine.lives()
    world.proxy.took()
    assert other.connect(FAR, 443) == "open"
    assert world.proxy.took() == [Taken("10.88.0.3", FAR, 443)]
    mine.close()


def test_one_endpoint_alone(tmp_path: Path) -> None:
    """On a network that does not hand: its neighbour has nothing of it."""
    world = World(tmp_path)
    assert not world.translations()
    plain = world.member()
    assert plain.connect(FAR, 443) != "open"
    one = world.member(3, mode="transparent")
    assert one.connect(FAR, 443) == "open" and plain.connect(GATEWAY, 8080) == "open"
    answered(one, FAR)
    mac, frame = world.bridge_mac(), syn_frame
    raw = plain.netns.socket(socket.AF_PACKET, socket.SOCK_RAW)
    raw.bind(("eth0", 0))
    world.proxy.took(2)
    with world.nothing_leaves(handed=False, of=(MEMBER,)):  # the other's streams may be ending
        raw.send(frame(plain.mac, mac, MEMBER, FAR, 443))
        raw.send(udp_frame(plain.mac, mac, MEMBER, FAR, 53))
        assert ask(plain.netns, GATEWAY, "no.example") == "closed"
    raw.close()
    assert not world.proxy.taken and "no.example" not in world.names.names
    one.leave()
    del world.members[one.number]
    assert not world.translations()
    world.close()


def test_a_change_holds_for_streams(world: World) -> None:
    member = world.member()
    stream = Stream(member, FAR, 443)
    assert stream.lives()
    world.change({"mode": "enforce"})
    received = world.proxy.received
    assert stream.end() == "reset" and member.connect(FAR, 443) == "refused"
    assert world.proxy.received == received
    assert not world.translations()
    wait_until(lambda: world.events(), "an event")
    world.change({"mode": "transparent"})
    stream = Stream(member, FAR, 443)
    assert stream.lives()
    world.change({"proxy": "8081"})
    received = world.proxy.received
    assert stream.end() != "open" and world.proxy.received == received
    stream = Stream(member, FAR, 443)
    assert stream.lives() and world.other.took() == [Taken(MEMBER, FAR, 443)]
    world.change({"deny": f"{FAR}:443/tcp"})
    assert stream.end() == "reset"


def test_what_an_audit_let_out_comes_back_in(tmp_path: Path) -> None:
    """A connection that was let out is not taken for one that was handed; its end is told."""
    world = World(tmp_path, mode="audit")
    member = world.member()
    echo = Handed(world.outside, 80)
    stream = Stream(member, OUTSIDE, 80)
    assert stream.lives() and world.proxy.received == 0
    world.change({"mode": "transparent"})
    received = echo.received
    assert stream.end() == "reset" and echo.received == received
    wait_until(
        lambda: any(event["reason"] == "unhanded" for event in world.events()), "an event", timeout=10
    )
    event = next(event for event in world.events() if event["reason"] == "unhanded")
    assert (event["verdict"], event["option"], event["dport"]) == ("reject", "mode", 80)
    assert member.connect(OUTSIDE, 80) == "open"
    assert world.proxy.took() == [Taken(MEMBER, OUTSIDE, 80)]
    assert world.use()["refused_packets"] >= 1
    echo.close()
    world.close()


@pytest.mark.parametrize("refuse", ["reject", "drop"])
def test_without_the_translation(tmp_path: Path, refuse: str) -> None:
    """It is taken away while no daemon is there: nothing gets out, and what is tried is refused."""
    world = World(tmp_path, mode="transparent", refuse=refuse)
    member = world.member()
    web = Listener(world.host, 443)
    assert member.connect(FAR, 443) == "open"
    stream = Stream(member, FAR, 80)
    assert stream.lives()
    world.daemon.kill()
    if NFTABLES:
        world.host.run("nft", "flush", "chain", *FENCE.split(), "leading")
    else:
        for program in ("iptables-legacy", "ip6tables-legacy"):
            world.host.run(program, "-t", "nat", "-F")
    world.proxy.took(2)
    wanted = "refused" if refuse == "reject" else "silent"
    with world.nothing_leaves():
        for address in (OUTSIDE, FAR, HOST, FAR6):
            assert member.connect(address, 443, 0.5) == wanted, address
        assert ask(member.netns, FAR, "out.example", timeout=0.5) == (
            "closed" if refuse == "reject" else "silent"
        )
    assert stream.lives()  # its connection is known, and led to the proxy
    stream.close()
    assert not world.proxy.taken and not world.web.came and not web.came
    world.daemon.start()
    assert world.in_place() and member.connect(FAR, 443) == "open"
    web.close()
    world.close()


FOREIGN = {
    "another port of the bridge's address": f"{GATEWAY}:9000",
    "another address of the host": f"{HOST}:8080",
    "a machine outside": f"{OUTSIDE}:443",
}


@pytest.mark.parametrize("to", FOREIGN.values(), ids=FOREIGN)
def test_somebody_elses_translation(tmp_path: Path, to: str) -> None:
    """It is not taken for ours, wherever it leads, while ours is behind it or gone."""
    world = World(tmp_path, mode="transparent")
    member = world.member()
    listener = Listener(world.host, 9000)
    world.daemon.kill()
    if NFTABLES:
        world.host.run("nft", "flush", "chain", *FENCE.split(), "leading")
        world.host.run("nft", "add table ip theirs")
        chain = "type nat hook prerouting priority dstnat; policy accept;"
        world.host.run("nft", f"add chain ip theirs prerouting {{ {chain} }}")
        world.host.run("nft", f"add rule ip theirs prerouting tcp dport 443 dnat to {to}")
    else:
        rule = ("-p", "tcp", "--dport", "443", "-j", "DNAT", "--to-destination", to)
        world.host.run("iptables-legacy", "-t", "nat", "-I", "PREROUTING", *rule)
    with world.nothing_leaves():
        assert member.connect(FAR, 443, 0.3) != "open"
    assert not listener.came and not world.proxy.taken and not world.web.came
    world.daemon.start()
    assert member.connect(FAR, 443) == "open"
    assert world.proxy.took() == [Taken(MEMBER, FAR, 443)]
    listener.close()
    world.close()


SPOILS = (
    {
        "leading emptied": f"nft flush chain {FENCE} leading",
        "leading removed": f"nft delete chain {FENCE} leading",
        "backstop emptied": "nft flush chain inet netenforce input",
    }
    if NFTABLES
    else {
        "nat emptied": "iptables-legacy -t nat -F",
        "a rule of it removed": "iptables-legacy -t nat -D NETENFORCE-HAND 1",
        "ACCEPT on top of nat": "iptables-legacy -t nat -I PREROUTING -j ACCEPT",
        "security emptied": emptied("security"),
        "filter emptied": emptied("filter"),
        "the judge emptied": emptied("raw"),
        "nft flush ruleset": "nft flush ruleset",
    }
)


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS)
def test_it_comes_back(tmp_path: Path, spoil: str) -> None:
    """Within a second, with an event; and meanwhile nothing gets out."""
    world = World(tmp_path, open_table(BUILD), mode="transparent")
    member = world.member()
    assert member.connect(FAR, 443) == "open"
    with world.nothing_leaves():
        before = len(world.events("repair"))
        world.host.run("sh", "-ec", spoil)
        for _ in range(20):
            member.connect(OUTSIDE, 443, 0.05)
        wait_until(lambda: len(world.events("repair")) > before, "a repair to be told", timeout=10)
        wait_until(world.in_place, "all to be in place", timeout=10)
        assert member.connect(FAR, 443) == "open"
    assert not world.web.came
    world.close()


def test_what_is_counted_and_limited(world: World) -> None:
    member = world.member(conn_rate="2/m")
    for _ in range(2):
        assert member.connect(FAR, 443) == "open"
    before = world.use()
    assert before["passed_packets"] >= 6 and before["refused_packets"] == 0
    assert member.connect(FAR, 443) == "refused"
    assert world.use()["refused_packets"] == 1 and len(world.proxy.took(2)) == 2
    world.change({"conn_rate": "none", "quota": "100KiB"}, endpoint=2)
    sock = member.netns.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(2)
    sock.connect((FAR, 443))
    with pytest.raises(OSError):
        for _ in range(100):
            sock.sendall(bytes(10000))
            sock.recv(10000)
    sock.close()
    assert world.proxy.received < 110 << 10
    wait_until(
        lambda: any(event["reason"] == "quota" for event in world.events()), "an event", timeout=10
    )


def test_icc_and_inbound_go_on(tmp_path: Path) -> None:
    """Neighbours with icc reach each other and not the proxy; the host reaches who has inbound."""
    world = World(tmp_path, mode="transparent", icc="true", inbound="true")
    one, other = world.member(), world.member(3)
    server = Listener(other.netns, 80)
    assert one.connect("10.88.0.3", 80) == "open" and not world.proxy.taken
    assert one.connect("10.88.0.4", 80, 0.3) != "open" and not world.proxy.taken
    with world.host.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.settimeout(2)
        sock.connect(("10.88.0.3", 80))
    wait_until(lambda: server.came == [MEMBER, GATEWAY], "both")
    assert one.connect(FAR, 80) == "open" and world.proxy.took() == [Taken(MEMBER, FAR, 80)]
    assert one.connect(GATEWAY, 8080) == "refused"
    server.close()
    world.close()


def test_a_bridge_of_another_name(tmp_path: Path) -> None:
    world = World(tmp_path, mode="transparent", **{"com.docker.network.bridge.name": "sandbox0"})
    member = world.member()
    with world.nothing_leaves():
        assert member.connect(FAR, 443) == "open" and member.connect(FAR, 444) == "refused"
        answered(member, FAR)
    assert world.proxy.took() == [Taken(MEMBER, FAR, 443)]
    world.close()


def test_a_restart_changes_nothing(world: World) -> None:
    member = world.member()
    stream = Stream(member, FAR, 443)
    assert stream.lives()
    world.daemon.restart()
    assert world.in_place() and stream.lives()
    assert not world.events("repair")
    stream.close()
    answered(member, FAR)


def test_routes_are_given_at_the_join(tmp_path: Path) -> None:
    world = World(tmp_path)
    member = world.member()
    status, answer = world.patch({"mode": "transparent"})
    assert status == 200 and answer["endpoints_without_route"] == 1
    assert world.explain(f"{FAR}:443/tcp")["lacks_route"]
    member.netns.ip(f"route add {FAR} via {GATEWAY}")
    assert member.connect(FAR, 443) == "open"
    world.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"proxy": "192.0.2.9:3128"}, "192.0.2.9:3128 is not on the bridge's address"),
        ({"proxy": "8080,8081"}, "8080 and 8081 are given; accepted is one"),
        ({"proxy": "53"}, "port 53 is for names"),
    ],
    ids=str,
)
def test_what_cannot_be_handed_to(tmp_path: Path, options: dict[str, str], words: str) -> None:
    """At once, later, and where the two halves of it are a network's and an endpoint's."""
    daemon = Daemon(tmp_path).start()
    status, answer = daemon.try_call("CreateNetwork", network_body(mode="transparent", **options))
    assert status != 200 and words in answer["Err"]
    daemon.call("CreateNetwork", network_body(**options))
    status, answer = daemon.try_call("CreateEndpoint", endpoint_body(2, mode="transparent"))
    assert status != 200 and words in answer["Err"]
    daemon.call("CreateEndpoint", endpoint_body(2, mode="transparent", proxy="8080"))
    text = json.dumps({"mode": "transparent"}).encode()
    path = f"/v1/networks/{NETWORK}/policy"
    status, answer = daemon.ask("PATCH", path, text, control=True)
    assert status == 400 and words in answer["error"]["message"]
    text = json.dumps({"proxy": None}).encode()
    path = f"/v1/endpoints/{endpoint_id(2)}/policy"
    status, answer = daemon.ask("PATCH", path, text, control=True)
    assert status == 400 and words in answer["error"]["message"]
    daemon.close()


def test_internal_networks_have_none(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path).start()
    body = network_body(mode="transparent")
    body["Options"]["com.docker.network.internal"] = True
    status, answer = daemon.try_call("CreateNetwork", body)
    assert status != 200 and "option mode: transparent" in answer["Err"]
    daemon.close()


def test_commands_say_so(world: World) -> None:
    world.member()
    shown = world.daemon.command("ls").out
    assert f"80,443 by {GATEWAY}:8080/tcp" in shown and "mode transparent, dns log" in shown
    told = world.daemon.command("explain", endpoint_id(2), f"{FAR}:443/tcp").out
    assert told == (
        f"{FAR}:443/tcp  pass: handed to {GATEWAY}:8080, since mode=transparent (of the network)\n"
    )
    told = world.daemon.command("explain", endpoint_id(2), f"{GATEWAY}:8080/tcp").out
    assert "is the proxy's, to which mode=transparent hands" in told
