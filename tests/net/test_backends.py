"""The two backends of the main fence: they agree with each other and with the model, and one takes
over from the other with no open moment.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.backend import FENCE, fence_lines, legacy_rules  # noqa: E402
from lab.daemon import (  # noqa: E402
    BUILD,
    NETWORK,
    Daemon,
    Member,
    endpoint_id,
    network_body,
    plug_outside,
)
from lab.frames import ether, ip, tcp_syn, udp, udp_frame  # noqa: E402
from lab.listener import Listener  # noqa: E402
from lab.packet import TCP, UDP, Packet  # noqa: E402
from lab.process import wait_until  # noqa: E402
from lab.receiver import Capture, Delivered  # noqa: E402

BRIDGE, GATEWAY, GATEWAY6, OUTSIDE = "ne-a1a1a1a1a1a1", "10.88.0.1", "fd00:88::1", "192.0.2.2"
BACKENDS = ("iptables", "nftables")
PACKETS = int(os.environ.get("PACKETS", "250"))  # of each seed
TARGETS = (
    *(GATEWAY, "10.88.0.2", "10.88.0.3", "10.88.0.4", "10.88.0.9", "192.0.2.1", OUTSIDE),
    *(GATEWAY6, "fd00:88::2", "fd00:88::3", "fd00:88::4", "fd00:88::9"),
)
PORTS = (1, 9, 10, 15, 20, 21, 53, 80, 443, 8080, 8081)
SPORT = 20000


class Side:
    """A host with a daemon of one backend, three members, an outside."""

    def __init__(self, folder: Path, backend: str, network: dict[str, str]) -> None:
        folder.mkdir()
        self.daemon = Daemon(folder, options=("--firewall", backend)).start()
        self.host = self.daemon.netns
        self.outside = plug_outside(self.host)
        self.host.sysctl(ipv6__conf__all__forwarding=1)
        self.daemon.call("CreateNetwork", network_body(ipv6=True, **network))
        self.members: dict[int, Member] = {}
        # While names are not answered yet, none are handed: wait for one who may ask anybody.
        open_one = {"mode": "transparent", "proxy": "8080", "dns": "log", "deny": "", "allow": ""}
        self.asker = Member(self.daemon, 5, ipv6=True, **open_one)
        path = f"/v1/endpoints/{endpoint_id(5)}/explain/{OUTSIDE}:53/udp"
        wait_until(lambda: self.daemon.get(path)["handed_to"], "names to be answered", timeout=15)

    def add(self, number: int, options: dict[str, str]) -> None:
        """A member with options of its own."""
        self.members[number] = Member(self.daemon, number, ipv6=True, **options)

    def close(self) -> None:
        """Remove it all."""
        for member in (self.asker, *self.members.values()):
            member.netns.close()
        self.daemon.close()
        self.outside.close()


# What an allow may name, and a deny besides.
ALLOWED = (GATEWAY, "192.0.2.1", OUTSIDE, GATEWAY6, "192.0.2.0/24", "10.0.0.0/8", "[fd00::]/8")
DENIED = (*ALLOWED, *TARGETS, "10.88.0.2/31", "0.0.0.0/0", "[fd00:88::2]/127")


# Of the bridge, of a member, of nobody, of somebody beyond the host.
PROXIES = (
    "8080",
    "10.88.0.2:80",
    "10.88.0.3:8080,[fd00:88::3]:8080",
    "9,10.88.0.4:80,[fd00:88::2]:53",
    "10.88.0.9:8080,[fd00:88::9]:8080",
    f"{OUTSIDE}:80",
)


def random_list(rng: random.Random, targets: tuple[str, ...]) -> str:
    """Destinations of an allow or a deny."""

    def one() -> str:
        ports = rng.choice(("9", "10-20", "1-65535", "53"))
        proto = rng.choice(("tcp", "udp"))
        to = rng.choice(targets)
        if ":" not in to:
            return f"{to}:{ports}/{proto}"
        address, _, length = to.replace("[", "").replace("]", "").partition("/")
        return f"[{address}]{'/' + length if length else ''}:{ports}/{proto}"

    return ",".join({one() for _ in range(rng.randrange(1, 5))})


def random_options(rng: random.Random) -> dict[str, str]:
    """A policy with some of everything."""
    options: dict[str, str] = {}
    if rng.random() < 0.4:
        options["proxy"] = rng.choice(PROXIES)
    if rng.random() < 0.5:
        options["allow"] = random_list(rng, ALLOWED)
    if rng.random() < 0.5:
        options["deny"] = random_list(rng, DENIED)
    for key, words in (
        ("refuse", ("drop", "reject")),
        ("icc", ("true", "false")),
        ("inbound", ("true", "false")),
        ("mode", ("audit", "enforce", "transparent")),
        ("dns", ("off", "log")),
    ):
        if rng.random() < 0.4:
            options[key] = rng.choice(words)
    # What is handed is led to the bridge alone: other proxies are refused there.
    if options.get("mode") == "transparent":
        options["proxy"] = rng.choice(("8080", "8081"))
    elif options.get("proxy", "8080") != "8080":
        options.setdefault("mode", "enforce")
    return options


class Shot:
    """One packet: who sends it, in whose name, where to."""

    def __init__(self, rng: random.Random, number: int) -> None:
        self.sport = SPORT + number
        self.sender = rng.choice((2, 3, 4))
        self.target = rng.choice(TARGETS)
        self.port, self.proto = rng.choice(PORTS), rng.choice((TCP, UDP))
        self.forged = rng.choice(("address", "mac")) if rng.random() < 0.1 else ""
        pool = "fd00:88::" if ":" in self.target else "10.88.0."
        self.source = f"{pool}{9 if self.forged == 'address' else self.sender}"

    def frame(self, member: Member, to: str) -> bytes:
        """The frame that says so."""
        mac = "02:00:00:00:00:99" if self.forged == "mac" else member.mac
        if self.proto == TCP:
            segment = tcp_syn(self.source, self.target, self.sport, self.port)
        else:
            segment = udp(self.source, self.target, self.sport, self.port, b"x")
        ethertype = 0x86DD if ":" in self.target else 0x0800
        return ether(mac, to, ip(self.source, self.target, self.proto, segment), ethertype)

    def path(self) -> str:
        """Where `explain` is asked about it."""
        shown = f"[{self.target}]" if ":" in self.target else self.target
        proto = "tcp" if self.proto == TCP else "udp"
        return f"/v1/endpoints/{endpoint_id(self.sender)}/explain/{shown}:{self.port}/{proto}"


Place = tuple[str, int]  # an address and a port


def fire(side: Side, shots: list[Shot]) -> tuple[dict[int, set[Place]], set[int]]:
    """Send them. Which arrived, and where, and which got a reset, by their numbers."""
    [shown] = json.loads(side.host.run("ip", "-j", "link", "show", BRIDGE).out)
    here = {shot.sport for shot in shots}
    with contextlib.ExitStack() as stack:
        # The daemon would mend the ports while packets are on their way.
        side.daemon.signal(signal.SIGSTOP)
        stack.callback(side.daemon.signal, signal.SIGCONT)
        for number in side.members:  # the guard drops what is forged; here the rules are asked
            port = f"nv-{number:012x}"
            side.host.run("tc", "qdisc", "del", "dev", port, "clsact", check=False)
        inner = [stack.enter_context(Capture(m.netns)) for m in side.members.values()]
        outer = [stack.enter_context(Capture(side.outside)), stack.enter_context(Delivered(side.host))]
        senders = {}
        for number, member in side.members.items():
            senders[number] = stack.enter_context(
                member.netns.socket(socket.AF_PACKET, socket.SOCK_RAW)
            )
            senders[number].bind(("eth0", 0))
        for shot in shots:
            senders[shot.sender].send(shot.frame(side.members[shot.sender], shown["address"]))

        def came(packet: Packet) -> bool:
            return packet.sport in here and packet.dport in PORTS

        def reset(packet: Packet) -> bool:
            return packet.proto == TCP and packet.dport in here

        arrived: dict[int, set[Place]] = {}
        answered: set[int] = set()
        for receiver in inner:
            answered |= {int(p.dport or 0) for p in receiver.packets(reset)}
        for receiver in (*inner, *outer):
            for packet in receiver.packets(came):
                place = (packet.dst, int(packet.dport or 0))
                arrived.setdefault(int(packet.sport or 0), set()).add(place)
    return arrived, answered


def landing(shot: Shot, says: dict[str, Any]) -> Place:
    """Where it is to arrive: a packet that is handed arrives at the proxy's or the forwarder's."""
    if says["handed_to"] is None:
        return (shot.target, shot.port)
    address, _, port = says["handed_to"].rpartition(":")
    return (address.strip("[]"), int(port))


@pytest.mark.parametrize("seed", range(8))
def test_both_do_what_the_model_says(tmp_path: Path, seed: int) -> None:
    """Random policies and packets of both families: explain, iptables and nftables agree."""
    rng = random.Random(seed)
    network = {"log": "1000000/s", **random_options(rng)}
    members = {number: random_options(rng) for number in (2, 3, 4)}
    shots = [Shot(rng, number) for number in range(PACKETS)]
    results = {}
    for backend in BACKENDS:
        side = Side(tmp_path / backend, backend, network)
        try:
            for number, options in members.items():
                side.add(number, options)
            assert side.daemon.get("/v1/status")["firewall"].startswith(backend)
            results[backend] = fire(side, shots)
            says = {shot.sport: side.daemon.get(shot.path()) for shot in shots}
        finally:
            side.close()
    honest = [(shot, says[shot.sport]) for shot in shots if not shot.forged]
    passes = {s.sport: {landing(s, said)} for s, said in honest if said["verdict"] == "pass"}
    told = {s.sport for s, said in honest if s.proto == TCP and said["verdict"] == "reject"}
    for backend, (arrived, answered) in results.items():
        wrong = [
            (vars(shot), arrived.get(shot.sport), passes.get(shot.sport))
            for shot in shots
            if arrived.get(shot.sport) != passes.get(shot.sport)
        ]
        assert not wrong, (backend, network, members, wrong[:3])
        wrong = [vars(shot) for shot in shots
                 if shot.sport not in passes and (shot.sport in answered) != (shot.sport in told)]  # fmt: skip
        assert not wrong, (backend, network, members, wrong[:3])
    assert passes and len(passes) < len(shots)


class Knocker(threading.Thread):
    """Sends to a port that is refused, without pause, until it is told to stop."""

    def __init__(self, member: Member, to: str) -> None:
        super().__init__(daemon=True)
        self.rounds = 0
        self.done = threading.Event()
        self._frame = udp_frame(member.mac, to, member.address, GATEWAY, 9000)
        self._sock = member.netns.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._sock.bind(("eth0", 0))

    def run(self) -> None:
        """Knock."""
        while not self.done.wait(0.0005):
            self._sock.send(self._frame)
            self.rounds += 1
        self._sock.close()


@pytest.mark.parametrize("seq", [BACKENDS, BACKENDS[::-1]], ids=lambda seq: "-to-".join(seq))
def test_one_takes_over_from_the_other(tmp_path: Path, seq: tuple[str, str]) -> None:
    """With containers running: nothing of the old one is left, and nothing passes on the way."""
    daemons = [Daemon(tmp_path, options=("--firewall", backend)) for backend in seq]
    daemons[1].netns.close()
    daemons[1].netns = daemons[0].netns
    first, second = daemons
    first.start().call("CreateNetwork", network_body(ipv6=True))
    member = Member(first, 2, ipv6=True)
    proxy = Listener(first.netns, 8080)
    [shown] = json.loads(first.netns.run("ip", "-j", "link", "show", BRIDGE).out)
    knocker = Knocker(member, shown["address"])
    with Delivered(first.netns) as delivered:
        knocker.start()
        for daemon in (first, second, first, second):
            goal = knocker.rounds + 5
            wait_until(lambda goal=goal: knocker.rounds > goal, "knocks")  # type: ignore[misc]
            for other in daemons:
                if other.running():
                    other.kill()
            daemon.start()
            status = daemon.get("/v1/status")
            assert status["firewall"].startswith(seq[0 if daemon is first else 1])
            assert status["enforcement"]["in_place"]
            legacy = bool(legacy_rules(daemon.netns, "NETENFORCE"))
            table = bool(fence_lines(daemon.netns))
            assert (legacy, table) == (status["firewall"].startswith("iptables"), not legacy)
            assert member.connect(GATEWAY, 8080) == "open"
        knocker.done.set()
        knocker.join()
        assert not delivered.packets(lambda packet: packet.dport == 9000)
    proxy.close()
    member.netns.close()
    second.close()


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_the_other_wrote_comes_back(tmp_path: Path, backend: str) -> None:
    """Somebody restores a file of the time before, with a judge that knows the policy of then. The
    legacy tables can be restored; of the other's table, which nft(8) cannot read back, its name.
    """
    other = BACKENDS[backend == "iptables"]
    before = Daemon(tmp_path, options=("--firewall", other)).start()
    before.call("CreateNetwork", network_body(allow=f"{GATEWAY}:9000/tcp"))
    member = Member(before, 2)
    closed = Listener(before.netns, 9000)
    assert member.connect(GATEWAY, 9000) == "open"
    rules = before.netns.run("iptables-legacy-save").out
    before.kill()
    daemon = Daemon(tmp_path, before.netns, options=("--firewall", backend)).start()
    body = json.dumps({"allow": None}).encode()
    assert daemon.ask("PATCH", f"/v1/networks/{NETWORK}/policy", body, control=True)[0] == 200
    assert member.connect(GATEWAY, 9000) == "refused" and "repair" not in daemon.log()
    if other == "iptables":
        (tmp_path / "rules").write_text(rules)
        daemon.netns.run("iptables-legacy-restore", str(tmp_path / "rules"))
    else:
        daemon.netns.run("nft", f"add table {FENCE}")
    wait_until(lambda: '"type":"repair"' in daemon.log(), "a repair", timeout=15)
    assert bool(legacy_rules(daemon.netns, "NETENFORCE")) == (backend == "iptables")
    assert bool(fence_lines(daemon.netns)) == (backend == "nftables")
    assert daemon.get("/v1/status")["enforcement"]["in_place"]
    assert member.connect(GATEWAY, 9000) == "refused"
    closed.close()
    member.netns.close()
    daemon.close()


def test_auto_takes_the_legacy_tables(tmp_path: Path) -> None:
    """Where the kernel has them; and nothing of the other's is left from before."""
    before = Daemon(tmp_path, options=("--firewall", "nftables")).start()
    before.call("CreateNetwork", network_body())
    before.kill()
    daemon = Daemon(tmp_path, before.netns, options=("--firewall", "auto")).start()
    assert daemon.get("/v1/status")["firewall"].startswith("iptables")
    assert legacy_rules(daemon.netns, "NETENFORCE") and not fence_lines(daemon.netns)
    daemon.call("DeleteNetwork", {"NetworkID": NETWORK})
    assert daemon.left() == ([], [], [])
    daemon.close()


@pytest.mark.parametrize("lacking", ["iptables", "raw", "filter6"])
def test_auto_does_without_them(tmp_path: Path, lacking: str) -> None:
    """On a kernel without one: the fence is in nf_tables, the status says why, and it holds."""
    fault = {"LD_PRELOAD": str(BUILD / "tests/libfault.so"), "FAULT_ALWAYS": lacking}
    daemon = Daemon(tmp_path, options=("--firewall", "auto"), **fault).start()
    daemon.call("CreateNetwork", network_body())
    firewall = daemon.get("/v1/status")["firewall"]
    assert firewall.startswith("nftables") and "no legacy tables" in firewall
    assert firewall in daemon.command("status").out
    assert not legacy_rules(daemon.netns, "NETENFORCE") and fence_lines(daemon.netns)
    member = Member(daemon, 2)
    listeners = [Listener(daemon.netns, port) for port in (8080, 9000)]
    assert member.connect(GATEWAY, 8080) == "open" and member.connect(GATEWAY, 9000) == "refused"
    daemon.restart()
    assert member.connect(GATEWAY, 8080) == "open" and member.connect(GATEWAY, 9000) == "refused"
    for listener in listeners:
        listener.close()
    member.leave()
    daemon.call("DeleteNetwork", {"NetworkID": NETWORK})
    assert daemon.left() == ([], [], [])
    daemon.close()
