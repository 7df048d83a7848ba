"""A proxy that is a member of the network itself: its address and port, and nothing else of it.

    client 3, 4                proxy 2                       outside
    eth0 10.88.0.3 ...    eth0 10.88.0.2, eth1 --- ...    192.0.2.2
         fd00:88::3            fd00:88::2                     |
             \\                 |                              |
              nv-... ------- ne-... (10.88.0.1, fd00:88::1) host -- out 192.0.2.1

Judged at the receivers: listeners, and every frame that arrives in a container.
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

from lab.backend import NFTABLES, emptied  # noqa: E402
from lab.daemon import (  # noqa: E402
    NETWORK,
    Daemon,
    Member,
    endpoint_body,
    endpoint_id,
    ids_body,
    join_body,
    network_body,
)
from lab.frames import ether, ip, tcp_segment, udp_frame  # noqa: E402
from lab.listener import Listener  # noqa: E402
from lab.packet import IPV6, TCP, Packet  # noqa: E402
from lab.process import wait_until  # noqa: E402
from lab.receiver import Capture, Delivered  # noqa: E402
from lab.site import Site  # noqa: E402

GATEWAY, GATEWAY6 = "10.88.0.1", "fd00:88::1"
OUTSIDE = "192.0.2.2"
PORT, OTHER = 8080, 80
PROXIES = f"10.88.0.2:{PORT},[fd00:88::2]:{PORT}"


class Sandbox(Site):
    """A host that forwards, a daemon, a network of both families, its containers."""

    def __init__(self, folder: Path, proxy: str = PROXIES, **options: str) -> None:
        super().__init__(folder)
        self.outside = self.plug_outside()
        self.host.sysctl(ipv6__conf__all__forwarding=1)
        self.daemon.call("CreateNetwork", network_body(ipv6=True, proxy=proxy, **options))
        self.at = {0: self.listen(self.host, 22, PORT)}  # who listens, by the container's number

    def member(self, number: int = 2, **options: str) -> Member:
        """A container that listens on both ports."""
        made = super().member(number, **options)
        self.at[number] = self.listen(made.netns, PORT, OTHER)
        return made

    def leave(self, number: int) -> None:
        """Its end."""
        for listener in self.at.pop(number).values():
            self.listeners.remove(listener)
            listener.close()
        self.members.pop(number).leave()
        self.daemon.links()  # waits for the port to be gone: the next one has its name


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """The proxy and two clients."""
    made = Sandbox(tmp_path)
    for number in (2, 3, 4):
        made.member(number)
    yield made
    made.close()


def address_of(member: Member, six: bool) -> str:
    return member.address6 if six else member.address


def tries(one: Member, other: Member, port: int) -> set[str]:
    """By both families."""
    return {one.connect(address_of(other, six), port) for six in (False, True)}


def assert_closed_but_for_the_proxy(sandbox: Sandbox, proxy: Member, clients: list[Member]) -> None:
    """What clients reach, what the proxy reaches."""
    for client in clients:
        assert tries(client, proxy, PORT) == {"open"}
        assert tries(client, proxy, OTHER) == {"refused"}
        for other in clients:
            if other is not client:
                assert tries(client, other, PORT) | tries(client, other, OTHER) == {"refused"}
        assert tries(proxy, client, PORT) | tries(proxy, client, OTHER) == {"refused"}
    for member in (proxy, *clients):
        for to in (GATEWAY, GATEWAY6):
            assert {member.connect(to, port) for port in (22, PORT)} == {"refused"}
    wanted = sandbox.at[proxy.number][PORT]
    assert not any(listener.came for listener in sandbox.listeners if listener is not wanted)


@pytest.mark.parametrize("bridge_nf", ["0", "1"])
def test_the_proxy_and_nothing_else(sandbox: Sandbox, bridge_nf: str) -> None:
    """Whether the bridge asks iptables or not; each client is seen by its own address."""
    for name in ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables"):
        sandbox.host.run("sh", "-c", f"echo {bridge_nf} >/proc/sys/net/bridge/{name}")
    proxy, *clients = sandbox.members.values()
    assert_closed_but_for_the_proxy(sandbox, proxy, clients)
    wanted = {address_of(client, six) for client in clients for six in (False, True)}
    wait_until(lambda: set(sandbox.at[2][PORT].came) == wanted, "all to be seen")
    status = sandbox.daemon.get("/v1/status")
    assert status["enforcement"]["in_place"], status
    # The daemon's next life finds all as it is to be.
    sandbox.daemon.restart()
    assert_closed_but_for_the_proxy(sandbox, proxy, clients)


@pytest.mark.parametrize("refuse", ["reject", "drop"])
@pytest.mark.parametrize("more", [{}, {"inbound": "true"}, {"allow": "10.0.0.0/8:1-65535/tcp"},
                                  {"mode": "audit"}, {"conn_rate": "1000/s", "rate": "1gbit"}],
                         ids=lambda more: "".join(more) or "alone")  # fmt: skip
def test_beside_other_options(tmp_path: Path, more: dict[str, str], refuse: str) -> None:
    """None of them opens a neighbour, or anything of a client to the proxy."""
    sandbox = Sandbox(tmp_path, refuse=refuse, **more)
    for number in (2, 3, 4):
        sandbox.member(number)
    proxy, one, other = sandbox.members.values()
    closed = {"refused"} if refuse == "reject" else {"silent"}
    assert tries(one, proxy, PORT) == {"open"} == tries(other, proxy, PORT)
    assert tries(one, proxy, OTHER) == tries(one, other, PORT) == closed
    assert tries(proxy, one, PORT) == tries(proxy, other, OTHER) == closed
    if "inbound" in more:  # and the host still reaches them
        with sandbox.host.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.settimeout(2)
            sock.connect((one.address, OTHER))
    sandbox.close()


def test_only_while_a_member_has_the_address(tmp_path: Path) -> None:
    """Before it joins and after it has left nothing passes. By IPv4 that is told at once; by IPv6
    nobody is there who answers for the address."""
    sandbox = Sandbox(tmp_path)
    client = sandbox.member(3)

    def assert_closed() -> None:
        assert client.connect("10.88.0.2", PORT) == "refused"
        assert client.connect("fd00:88::2", PORT) != "open"

    assert_closed()
    for _ in range(2):
        assert tries(client, sandbox.member(2), PORT) == {"open"}
        sandbox.leave(2)
        assert_closed()
    assert tries(client, sandbox.member(5), PORT) == {"refused"}
    assert_closed()
    sandbox.close()


def test_a_network_that_is_internal(tmp_path: Path) -> None:
    """The proxy is on this host, as --internal wants it."""
    daemon = Daemon(tmp_path).start()
    body = network_body(proxy=f"10.88.0.2:{PORT}")
    body["Options"]["com.docker.network.internal"] = True
    daemon.call("CreateNetwork", body)
    proxy, client = Member(daemon, 2), Member(daemon, 3)
    listener = Listener(proxy.netns, PORT)
    assert client.connect(proxy.address, PORT) == "open"
    listener.close()
    for member in (proxy, client):
        member.netns.close()
    daemon.close()


@contextlib.contextmanager
def serving(proxy: Member, six: bool = False) -> Iterator[socket.socket]:
    """The proxy's end of streams."""
    family = socket.AF_INET6 if six else socket.AF_INET
    with proxy.netns.socket(family, socket.SOCK_STREAM) as server:
        server.bind((address_of(proxy, six), PORT + 1))
        server.listen()
        yield server


class Stream:
    """A connection of a client's to the proxy, by which the proxy sends without pause."""

    def __init__(self, client: Member, server: socket.socket) -> None:
        self.client = client.netns.socket(server.family, socket.SOCK_STREAM)
        self.client.settimeout(5)
        self.client.connect(server.getsockname()[:2])
        self._there, _ = server.accept()
        self.port = self.client.getsockname()[1]
        self.done = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def _send(self) -> None:
        self._there.settimeout(0.1)
        while not self.done.is_set():
            try:
                self._there.send(bytes(100))
            except TimeoutError:
                continue
            except OSError:
                return
            self.done.wait(0.001)

    def flows(self) -> bool:
        """Whether more has come than there was."""
        self.client.recv(1 << 20)
        return bool(self.client.recv(100))

    def close(self) -> None:
        self.done.set()
        self._thread.join()
        self._there.close()
        self.client.close()


def of_stream(packet: Packet) -> bool:
    """Whether the proxy sent it. What the bridge answers in its name, a refusal, is a reset."""
    if packet.proto != TCP or packet.sport != PORT + 1:
        return False
    frame = packet.data
    header = 40 if packet.ethertype == IPV6 else (frame[ETHERNET] & 15) * 4
    return not frame[ETHERNET + header + FLAGS] & RST


ETHERNET, FLAGS = 14, 13  # a header's length; where a TCP header has its flags


STREAMS = f"10.88.0.2:{PORT + 1},[fd00:88::2]:{PORT + 1}"


@pytest.mark.parametrize("six", [False, True], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("how", ["another proxy", "another port", "denied", "denied to the proxy"])
def test_a_change_ends_what_is_under_way(tmp_path: Path, how: str, six: bool) -> None:
    """In both directions at once, of the client that it is about, and of no other."""
    sandbox = Sandbox(tmp_path, proxy=STREAMS)
    for number in (2, 3, 4):
        sandbox.member(number)
    proxy, one, other = sandbox.members.values()
    stack = contextlib.ExitStack()
    server = stack.enter_context(serving(proxy, six))
    streams = [stack.enter_context(contextlib.closing(Stream(member, server)))
               for member in (one, other)]  # fmt: skip
    assert all(stream.flows() for stream in streams)
    if how == "another proxy":
        sandbox.change({"proxy": f"10.88.0.5:{PORT + 1}"}, endpoint=3)
    elif how == "another port":
        sandbox.change({"proxy": f"10.88.0.2:{PORT},[fd00:88::2]:{PORT}"}, endpoint=3)
    elif how == "denied":
        sandbox.change({"deny": "10.88.0.2:1-65535/tcp,[fd00:88::2]:1-65535/tcp"}, endpoint=3)
    else:
        sandbox.change({"deny": "10.88.0.3:1-65535/tcp,[fd00:88::3]:1-65535/tcp"}, endpoint=2)

    with Capture(one.netns) as capture:
        assert streams[1].flows()  # so some time has passed
        arrived = capture.packets(lambda p: of_stream(p) and p.dport == streams[0].port)
    assert not arrived, arrived[:3]
    assert streams[1].flows()
    stack.close()
    sandbox.close()


SYN, SYN_ACK, ACK, RST, FIN = 0x02, 0x12, 0x10, 0x04, 0x11


def unasked(proxy: Member, client: Member, to: str, sport: int) -> list[bytes]:
    """Frames of the proxy's that no client has asked for."""
    frames = []
    for six in (False, True):
        source, target = address_of(proxy, six), address_of(client, six)
        for flags in (SYN, SYN_ACK, ACK, RST, FIN):
            segment = tcp_segment(source, target, sport, OTHER, flags)
            frames.append(
                ether(proxy.mac, to, ip(source, target, TCP, segment), 0x86DD if six else 0x0800)
            )
        frames.append(udp_frame(proxy.mac, to, source, target, 9))
    return frames


@pytest.mark.parametrize("sport", [PORT, OTHER])
def test_the_proxy_opens_nothing(sandbox: Sandbox, sport: int) -> None:
    """Whatever TCP flags it begins with, twice, so that connection tracking could have learnt it."""
    proxy, client, _ = sandbox.members.values()
    sandbox.host.run("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=1")
    with (
        Capture(client.netns) as capture,
        Delivered(sandbox.host) as delivered,
        proxy.netns.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender,
    ):
        sender.bind(("eth0", 0))
        for _ in range(2):
            for frame in unasked(proxy, client, sandbox.bridge_mac(), sport):
                sender.send(frame)
        assert not capture.packets(lambda packet: packet.dport in (OTHER, 9))
        assert not delivered.packets(lambda packet: packet.dport in (OTHER, 9))


@pytest.mark.parametrize("six", [False, True], ids=["IPv4", "IPv6"])
def test_what_tracking_has_forgotten(tmp_path: Path, six: bool) -> None:
    """Nothing comes back by a connection that is on no record, whoever of the two goes on with it:
    the kernel would take its next packet for the first of a new one."""
    sandbox = Sandbox(tmp_path, proxy=STREAMS)
    proxy, client = sandbox.member(2), sandbox.member(3)
    sandbox.host.run("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=1")
    with serving(proxy, six) as server, contextlib.closing(Stream(client, server)) as stream:
        assert stream.flows()
        sandbox.host.forget_connections()
        with Capture(client.netns) as capture:
            capture.forget()  # what was on its way
            with contextlib.suppress(OSError):
                stream.client.send(b"go on")
            new = Stream(client, server)
            assert new.flows()
            assert not capture.packets(lambda p: of_stream(p) and p.dport == stream.port)
            new.close()
    sandbox.close()


def test_each_client_has_its_own(tmp_path: Path) -> None:
    """Two proxies, each for one client: neither is reached by the other's, nor answers it."""
    sandbox = Sandbox(tmp_path)
    first, one = sandbox.member(2), sandbox.member(3)
    second = sandbox.member(5)
    other = sandbox.member(6, proxy=f"10.88.0.5:{PORT},[fd00:88::5]:{PORT}")
    assert tries(one, first, PORT) == tries(other, second, PORT) == {"open"}
    assert tries(one, second, PORT) == tries(other, first, PORT) == {"refused"}
    roles = {e["addr4"]: e["role"] for e in sandbox.daemon.get("/v1/endpoints")["endpoints"]}
    assert roles == {"10.88.0.2": "proxy", "10.88.0.3": "client", "10.88.0.5": "proxy",
                     "10.88.0.6": "client"}  # fmt: skip
    sandbox.close()


def test_an_endpoint_alone_may_name_it(tmp_path: Path) -> None:
    """Then the bridge answers for neighbours as long as that one is there."""
    sandbox = Sandbox(tmp_path, proxy=f"{PORT}")
    proxy, stranger = sandbox.member(2), sandbox.member(4)
    client = sandbox.member(3, proxy=PROXIES)
    assert tries(client, proxy, PORT) == {"open"}
    assert "open" not in tries(stranger, proxy, PORT) | tries(proxy, client, PORT)
    assert stranger.connect(GATEWAY, PORT) == "open" and client.connect(GATEWAY, PORT) == "refused"
    sandbox.leave(3)

    def answers_for() -> str:
        return sandbox.host.run("ip", "-6", "neigh", "show", "proxy").out

    assert "fd00:88" not in answers_for()
    sandbox.member(3, proxy=PROXIES)
    assert "fd00:88" in answers_for()
    sandbox.daemon.restart()
    sandbox.change({"proxy": None}, endpoint=3)
    assert "fd00:88" not in answers_for()
    assert sandbox.daemon.get("/v1/status")["enforcement"]["in_place"]
    sandbox.close()


def test_by_role(tmp_path: Path) -> None:
    """Whoever joins with role=proxy, by whichever address; what it leaves is closed at once, also to
    the next one who has the address."""
    sandbox = Sandbox(tmp_path, proxy=f"container:{PORT}")
    one, other = sandbox.member(3), sandbox.member(4)
    shown = sandbox.daemon.get(f"/v1/networks/{NETWORK}")
    assert shown["options"] == {"proxy": f"container:{PORT}"} and shown["policy"]["proxy"] == []
    assert "open" not in tries(one, other, PORT) and one.connect(GATEWAY, PORT) == "refused"
    first = sandbox.member(5, role="proxy")
    assert_closed_but_for_the_proxy(sandbox, first, [one, other])
    shown = sandbox.daemon.get(f"/v1/networks/{NETWORK}")["policy"]["proxy"]
    assert shown == [f"10.88.0.5:{PORT}", f"[fd00:88::5]:{PORT}"]

    sandbox.daemon.kill()  # the record has the role
    sandbox.daemon.start()
    assert_closed_but_for_the_proxy(sandbox, first, [one, other])
    second = sandbox.member(6, role="PROXY")
    assert tries(one, first, PORT) == tries(one, second, PORT) == {"open"}
    sandbox.leave(5)
    stranger = sandbox.member(5)
    assert tries(one, stranger, PORT) == {"refused"} and tries(one, second, PORT) == {"open"}
    assert tries(stranger, second, PORT) == {"open"}
    assert tries(second, stranger, PORT) | tries(second, one, PORT) == {"refused"}
    roles = {e["addr4"]: e["role"] for e in sandbox.daemon.get("/v1/endpoints")["endpoints"]}
    assert roles.pop("10.88.0.6") == "proxy" and set(roles.values()) == {"client"}

    shown = sandbox.daemon.command("policy", "show", NETWORK[:12]).out
    assert f"(container:{PORT})" in shown and f"10.88.0.6:{PORT}" in shown, shown
    assert "role" in sandbox.daemon.command("policy", "show", f"{NETWORK[:12]}/{endpoint_id(6)[:12]}").out

    # An operator can give and take the role while it runs.
    sandbox.change({"role": None}, endpoint=6)
    sandbox.change({"role": "proxy"}, endpoint=5)
    assert tries(one, stranger, PORT) == {"open"} and tries(one, second, PORT) == {"refused"}
    # Without such a proxy in the policy the role opens nothing.
    sandbox.change({"proxy": f"{PORT}"})
    assert tries(one, stranger, PORT) == {"refused"} and one.connect(GATEWAY, PORT) == "open"
    sandbox.close()


@pytest.mark.parametrize("six", [False, True], ids=["IPv4", "IPv6"])
def test_what_a_proxy_by_role_leaves(tmp_path: Path, six: bool) -> None:
    """Who has its address next, and its MAC address if it can, has nothing of its streams: neither
    what clients still send there, nor a way back to them, whatever tracking remembers."""
    port = PORT + 1  # of a stream that is open as the proxy goes
    sandbox = Sandbox(tmp_path, proxy=f"container:{port}")
    proxy, client = sandbox.member(5, role="proxy"), sandbox.member(3)
    sandbox.host.run("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=1")
    with serving(proxy, six) as server, contextlib.closing(Stream(client, server)) as stream:
        assert stream.flows()
        sport = stream.port
    mac = proxy.mac
    sandbox.leave(5)
    heir = sandbox.member(5)
    here, there = address_of(heir, six), address_of(client, six)
    kind = IPV6 if six else 0x0800
    with Capture(client.netns) as at_client, Capture(heir.netns) as at_heir:
        with (
            heir.netns.socket(socket.AF_PACKET, socket.SOCK_RAW) as back,
            client.netns.socket(socket.AF_PACKET, socket.SOCK_RAW) as forth,
        ):
            back.bind(("eth0", 0))
            forth.bind(("eth0", 0))
            bridge = sandbox.bridge_mac()
            for flags in (SYN, SYN_ACK, ACK, RST, FIN):
                reply = ip(here, there, TCP, tcp_segment(here, there, port, sport, flags))
                for source in (heir.mac, mac):
                    for to in (bridge, client.mac):
                        back.send(ether(source, to, reply, kind))
                request = ip(there, here, TCP, tcp_segment(there, here, sport, port, flags))
                for to in (bridge, heir.mac):
                    forth.send(ether(client.mac, to, request, kind))
        # What the host answers is a reset in the other's name, without data, or ICMP in its own.
        for capture, sender in ((at_client, here), (at_heir, there)):
            arrived = capture.packets(lambda p, sender=sender: p.src == sender and b"data" in p.data)
            assert not arrived, arrived[:3]
    sandbox.close()


def test_a_role_is_one_containers(tmp_path: Path) -> None:
    """What makes no sense is refused, with what would."""
    daemon = Daemon(tmp_path).start()
    for options, words in (
        ({"role": "proxy"}, "driver-opt=role=proxy"),
        ({"proxy": f"container:{PORT}", "mode": "transparent"}, "accepted is a port"),
    ):
        assert words in str(daemon.try_call("CreateNetwork", network_body(**options)))
    daemon.call("CreateNetwork", network_body(proxy=f"container:{PORT}"))
    assert "accepted is proxy" in str(daemon.try_call("CreateEndpoint", endpoint_body(2, role="web")))
    daemon.close()


def test_so_many_have_a_role(tmp_path: Path) -> None:
    """Each is a rule of every policy of the network: there are sixteen at most."""
    daemon = Daemon(tmp_path).start()
    daemon.call("CreateNetwork", network_body(proxy=f"container:{PORT}"))
    for number in range(2, 20):
        role = {} if number == 19 else {"role": "proxy"}
        daemon.call("CreateEndpoint", endpoint_body(number, **role))
    for number in range(2, 18):
        daemon.call("Join", join_body(number))
    assert "accepted are 16" in str(daemon.try_call("Join", join_body(18)))
    daemon.call("Join", join_body(19))
    path = f"/v1/endpoints/{endpoint_id(19)}/policy"
    status, answer = daemon.ask("PATCH", path, b'{"role": "proxy"}', control=True)
    assert status == 409 and "accepted are 16" in str(answer)
    daemon.call("Leave", ids_body(2))
    assert daemon.ask("PATCH", path, b'{"role": "proxy"}', control=True)[0] == 200
    assert len(daemon.get(f"/v1/networks/{NETWORK}")["policy"]["proxy"]) == 16
    daemon.close()


# Where the fence is in nf_tables and the daemon is dead, nothing outlives `nft flush ruleset`.
EMPTIED = ("raw", "filter", "security") + (() if NFTABLES else ("nf_tables", "all but raw"))


@pytest.mark.parametrize("table", EMPTIED)
def test_each_table_alone_may_be_emptied(sandbox: Sandbox, table: str) -> None:
    """With the daemon dead: no neighbour is reached, and the proxy opens nothing."""
    proxy, one, other = sandbox.members.values()
    assert tries(one, proxy, PORT) == {"open"}
    sandbox.daemon.kill()
    if table == "nf_tables":
        sandbox.host.run("nft", "flush", "ruleset")
    for name in ("filter", "security") if table == "all but raw" else (table,):
        if name != "nf_tables":
            sandbox.host.run("sh", "-ec", emptied(name))
    for pair in ((one, other), (proxy, one), (other, one)):
        for port in (PORT, OTHER):
            assert "open" not in tries(*pair, port)
    assert "open" not in tries(one, proxy, OTHER)
    with (
        Capture(one.netns) as capture,
        proxy.netns.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender,
    ):
        sender.bind(("eth0", 0))
        for frame in unasked(proxy, one, sandbox.bridge_mac(), PORT):
            sender.send(frame)
        assert not capture.packets(lambda packet: packet.dport in (OTHER, 9))


def test_it_is_told(sandbox: Sandbox) -> None:
    """What the proxy is refused is counted and logged; explain, ls and status say what it is."""
    proxy, client, _ = sandbox.members.values()
    assert proxy.connect(client.address, OTHER) == "refused"
    path = f"/v1/endpoints/{endpoint_id(3)}/explain/"
    answer = sandbox.daemon.get(f"{path}10.88.0.2:{PORT}/tcp")
    assert (answer["verdict"], answer["option"], answer["rule"]) == (
        "pass", "proxy", f"10.88.0.2:{PORT}/tcp")  # fmt: skip
    answer = sandbox.daemon.get(f"{path}10.88.0.2:{OTHER}/tcp")
    assert (answer["verdict"], answer["reason"]) == ("reject", "into-network")
    told = sandbox.daemon.command("explain", endpoint_id(2)[:12], f"10.88.0.3:{OTHER}/tcp").out
    assert "replies to connections that it opened to this one, its proxy, pass" in told
    assert "proxy of its network" in sandbox.daemon.command("ls").out

    with proxy.netns.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind((proxy.address, PORT + 100))
        sock.settimeout(1)
        with pytest.raises(ConnectionRefusedError):
            sock.connect((client.address, OTHER))
    # From the proxy's own port: refused behind connection tracking, and told as such.
    with proxy.netns.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind(("eth0", 0))
        segment = tcp_segment(proxy.address, client.address, PORT, OTHER, SYN)
        sender.send(ether(proxy.mac, sandbox.bridge_mac(),
                          ip(proxy.address, client.address, TCP, segment)))  # fmt: skip

    def reasons() -> list[tuple[str, int]]:
        lines = [line for line in sandbox.daemon.log().splitlines() if line.startswith("{")]
        events = [event for event in map(json.loads, lines) if event["type"] == "blocked"]
        return [(e["reason"], e["sport"]) for e in events
                if e["endpoint"] == endpoint_id(2) and "sport" in e]  # fmt: skip

    wait_until(lambda: ("into-network", PORT) in reasons(), "the refusal to be told", timeout=10)
    assert {reason for reason, _ in reasons()} == {"into-network"}
