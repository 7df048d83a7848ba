"""The classes that are about time, faults and the daemon, rather than about one packet."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab import Container, Lab, Scene
from lab.backend import NFTABLES, NO_BACKSTOP, changes, fence_lines
from lab.plugin import CONTROL, NAME
from lab.process import wait_until
from stage import Count, Row, Stage
from ways import OPEN, PROXY, Around, Who, from_me, ipv4, tcp_line, udp_line

from lab.frames import syn_frame, udp, udp_frame
from lab.outside import OTHER, WEB

STARTS, STARTERS = 200, 4
Enter = Callable[[Row], None]


def status(lab: Lab) -> dict[str, object]:
    """What the daemon says of itself."""
    answer: dict[str, object] = json.loads(lab.plugin.get("/v1/status")[1])
    return answer


def in_place(lab: Lab) -> bool:
    """Whether it finds all as it should be."""
    enforcement = status(lab)["enforcement"]
    assert isinstance(enforcement, dict)
    return bool(enforcement["in_place"])


def short_plan(who: Who, around: Around) -> list[str]:
    """A few attempts of each kind, made within a millisecond or two."""
    lines = []
    targets = ((around.gateway, OPEN), (WEB, PROXY), (OTHER, 53), (around.same.address, OPEN))
    for to, port in targets:
        for build in (udp_frame, syn_frame):
            frame = build(who.mac, around.bridge_mac, who.address, to, port)
            lines.append(f"F {frame.hex()}")
        lines += [udp_line(to, port), tcp_line(to, port)]
        forged = ipv4(around.unused[0], to, 17, udp(around.unused[0], to, 1, port, b"x"))
        lines.append(from_me(who, around, forged))
    return lines


@pytest.mark.parametrize("options", [(), ("-p", "8088:80"), ("-P", "--expose", "80")], ids=str)
def test_1_no_second_interface(stage: Stage, enter: Enter, options: tuple[str, ...]) -> None:
    listing = stage.lab.engine(
        *("run", "--rm", "--network", "near", *options, "attacker", "ls", "/sys/class/net")
    ).out.split()
    more = [name for name in listing if name not in ("lo", "eth0")]
    enter(Row(1, "a second interface", " ".join(options) or "default", Count(1, 0, more)))


def test_14_no_packet_before_the_rules(stage: Stage, enter: Enter) -> None:
    """Many starts, a few at once; each container's first process sends with its first breath."""
    around = stage.around(stage.near)

    def start(number: int) -> int:
        who = Who(f"02:42:67:00:00:{number:02x}", f"10.66.7.{number + 1}")
        out = stage.as_first(stage.near.network, who, short_plan(who, around))
        return int(out.split()[0])

    with stage.watch(stage.near) as verdict, ThreadPoolExecutor(STARTERS) as pool:
        attempts = sum(pool.map(start, range(STARTS)))
    enter(Row(14, f"the start: {STARTS} of them", "process 1", Count(attempts, 0, verdict.seen)))


def test_15_an_address_inherits_nothing(stage: Stage, enter: Enter) -> None:
    """Who had it might reach a port more; who gets it may not."""
    engine, gateway = stage.lab.engine, stage.near.network.gateway
    address = ("--ip", "10.66.8.8", "--mac-address", "02:42:68:00:00:08")
    who = Who(address[3], address[1])
    knock = [tcp_line(gateway, OPEN)] * 5
    engine("create", "--name", "free", "--cap-add", "NET_ADMIN", "attacker", "sleep", "infinity")
    free = Container(engine, engine.out("inspect", "-f", "{{.Id}}", "free"))
    engine("network", "disconnect", "bridge", "free")
    option = ("--driver-opt", f"proxy={OPEN}")
    engine("network", "connect", "--ip", address[1], *option, "near", "free")
    engine("start", "free")
    allowed = free.exec("attacker", "-", stdin="\n".join(knock) + "\n").out.split()
    assert allowed == ["5", "5"], "the other policy lets it through, else this proves nothing"
    free.remove()
    with stage.watch(stage.near) as verdict:
        plan = [*knock, *short_plan(who, stage.around(stage.near))]
        out = stage.as_first(stage.near.network, who, plan)
    enter(Row(15, "the end: an address is used again", "process 1",
              Count(int(out.split()[0]), 0, verdict.seen)))  # fmt: skip


def test_15_a_killed_daemon(stage: Stage, enter: Enter) -> None:
    """It is killed, and killed again as it comes up, while everything is tried."""
    attempts, seen = 0, []
    for number in (2, 5, 7):
        stage.lab.plugin.kill()
        row = stage.attack(number, "NET_ADMIN")
        attempts, seen = attempts + row.count.attempts, seen + row.count.seen
    stage.lab.plugin.wait()
    enter(Row(15, "the end: the daemon is killed", "NET_ADMIN", Count(attempts, 0, seen)))


STREAM = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as sock:
    while True:
        sock.sendall(bytes(1000))
"""


class Sink:
    """Takes one connection and counts its bytes."""

    def __init__(self, lab: Lab, port: int) -> None:
        self._listener = lab.host.netns.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("", port))
        self._listener.listen()
        self._listener.settimeout(20)

    def accept(self) -> None:
        """Wait for the stream's first bytes."""
        self._stream, _ = self._listener.accept()
        self._stream.settimeout(20)
        assert self._stream.recv(1)

    def drain(self) -> int:
        """How many bytes lie there now."""
        self._stream.setblocking(False)
        total = 0
        try:
            while data := self._stream.recv(1 << 20):
                total += len(data)
        except BlockingIOError:
            pass
        return total

    def close(self) -> None:
        """Hang up."""
        self._stream.close()
        self._listener.close()


@pytest.mark.parametrize("end", ["disconnect", "stop"])
def test_16_a_flow_ends_at_once(stage: Stage, enter: Enter, end: str) -> None:
    """An allowed stream whose container is taken from the network: not a byte comes after that."""
    engine, sink = stage.lab.engine, Sink(stage.lab, 9100)
    engine.network("stream", "-o", "proxy=9100")
    shown = engine.inspect("stream", "network")
    gateway = shown["IPAM"]["Config"][0]["Gateway"].split("/")[0]
    command = ["python3", "-S", "-c", STREAM, gateway, "9100"]
    sender = engine.start("--network", "stream", image="attacker", command=command)
    sink.accept()
    if end == "disconnect":
        engine("network", "disconnect", "-f", "stream", sender.id)
    else:
        engine("stop", "-t", "0", sender.id)
    sink.drain()
    with stage.watch(stage.near) as verdict:
        if end == "disconnect":
            # Its sender still runs, and sends again what was not acknowledged, if it can.
            wait_until(lambda: not sender.running() or sender.exec("true"), "it to run")
    late = sink.drain()
    # Of the host's tables, the stream's own network changes as it should.
    seen = verdict.packets + ([f"{late} bytes of the stream"] if late else [])
    sink.close()
    sender.remove()
    engine("network", "rm", "stream")
    enter(Row(16, "a flow that was allowed, revoked", end, Count(1, 0, seen)))


def test_19_a_flood(stage: Stage, enter: Enter) -> None:
    """A flood fills no table, takes no neighbour's way to the proxy, and moves no daemon."""
    side, around = stage.near, stage.around(stage.near)
    who = side.who(side.plain)
    pid = stage.lab.plugin.pid
    flood = []
    for port in range(1, 5001):  # the proxy's is not among them
        for to in (around.gateway, WEB):
            flood.append(f"F {syn_frame(who.mac, around.bridge_mac, who.address, to, port).hex()}")
            flood.append(f"F {udp_frame(who.mac, around.bridge_mac, who.address, to, port).hex()}")
    neighbour = Scene(stage.lab, side.network, side.same)
    with stage.watch(side, proxy_in_use=True) as verdict, ThreadPoolExecutor(1) as pool:
        made = pool.submit(
            lambda: side.plain.exec("attacker", "-", stdin="\n".join(flood) + "\n").out.split()
        )
        while not made.done():
            neighbour.assert_proxy_works()
        attempts = int(made.result()[0])
    tracked = stage.lab.host.run("cat", "/proc/net/nf_conntrack", check=False).out
    held = [line for line in tracked.splitlines() if f"src={who.address} " in line
            and f"dport={PROXY} " not in line]  # fmt: skip
    assert stage.lab.plugin.pid == pid and in_place(stage.lab)
    enter(Row(19, "a flood", "default", Count(attempts, 0, verdict.seen + held)))


def test_20_the_daemons_sockets(stage: Stage, enter: Enter) -> None:
    """From a container, and from a user of the host who is not root."""
    found = []
    for container in (stage.near.plain, stage.near.admin):
        listing = container.sh("find / -xdev -type s 2>/dev/null; cat /proc/net/unix", check=False)
        found += [line for line in listing.out.splitlines() if "netenforce" in line]
    for path in (CONTROL, "/run/docker/plugins/netenforce.sock"):
        answer = stage.lab.host.run(
            *("setpriv", "--reuid=65534", "--clear-groups", "curl", "-sS", "--max-time", "5"),
            *("--unix-socket", path, "http://localhost/healthz"),
            check=False,
        )
        found += [path] if answer.status == 0 else []
        reached = stage.lab.host.run(
            *("curl", "-sS", "--unix-socket", path, "http://localhost/healthz"), check=False
        )
        assert reached.status == 0, f"for root there is a way, else this proves nothing: {reached}"
    enter(Row(20, "the daemon's own sockets", "any user", Count(4, 0, found)))


GARBAGE = [b"", b"\0" * 100, b"{", b"[" * 5000, b"null", b'"x"', b"{}", b'{"NetworkID": 5}',
           b'{"NetworkID": "' + b"a" * 100000 + b'"}',
           b'{"NetworkID": "../../etc", "EndpointID": "%n%s"}',
           b'{"NetworkID": "a", "NetworkID": "b"}']  # fmt: skip


def test_21_malformed_requests(stage: Stage, enter: Enter) -> None:
    """An error each, and the daemon stays: tests/net/test_remote.py has many more."""
    pid = stage.lab.plugin.pid
    path = str(stage.lab.host.path("/run/docker/plugins/netenforce.sock"))
    attempts, wrong = 0, []
    for call in ("CreateNetwork", "CreateEndpoint", "Join", "DeleteNetwork"):
        for body in GARBAGE:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(20)
                sock.connect(path)
                head = f"POST /NetworkDriver.{call} HTTP/1.1\r\nHost:\r\nConnection: close\r\n"
                sock.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                answer = sock.recv(65536)
            attempts += 1
            if b'"Err"' not in answer and b" 200 " in answer:
                wrong.append(f"{call} took {body[:40]!r}")
    assert stage.lab.plugin.pid == pid and in_place(stage.lab)
    enter(Row(21, "malformed requests", "the engine", Count(attempts, 0, wrong)))


@pytest.fixture
def steady(stage: Stage) -> Iterator[Container]:
    """A container that knocks everywhere all the while."""
    made = Scene(stage.lab, stage.near.network, stage.near.plain).start_steady()
    made.wait_for_line()
    yield made
    made.remove()


@pytest.fixture
def engine_rules(lab: Lab) -> Iterator[None]:
    """What the engine itself has in nf_tables: it makes no network without, and puts none back."""
    saved = lab.host.run("iptables-nft-save").out
    yield
    lab.host.run("iptables-nft-restore", stdin=saved)


# As saved on a host before netenforce came.
OLD_RULES = "".join(f"*{table}\nCOMMIT\n" for table in ("raw", "mangle", "filter", "security"))
LEGACY = {
    "iptables -F": "iptables-legacy -F",
    "ACCEPT on top of INPUT": "iptables-legacy -I INPUT -j ACCEPT; iptables-nft -I INPUT -j ACCEPT",
    "ACCEPT on top of FORWARD": "iptables-legacy -I FORWARD -j ACCEPT",
    "ACCEPT in DOCKER-USER": "iptables-legacy -N DOCKER-USER;"
    " iptables-legacy -I DOCKER-USER -j ACCEPT;"
    " iptables-legacy -I FORWARD -j DOCKER-USER; iptables-nft -I DOCKER-USER -j ACCEPT",
    "an old file restored": "iptables-legacy-restore",
}
# In tables of others: what they let through, the fence's gates still refuse.
OTHERS = {
    "iptables -F, -X of nf_tables": "iptables-nft -F; iptables-nft -t raw -F",
    "ACCEPT in nf_tables": "iptables-nft -I INPUT -j ACCEPT; iptables-nft -I DOCKER-USER -j ACCEPT",
    "nf_tables chains that accept": "".join(
        f"nft add table inet first; nft add chain inet first {hook}"
        f" '{{ type filter hook {hook} priority {priority}; }}'; nft add rule inet first {hook} accept;"
        for hook, priority in (("prerouting", -400), ("input", -200), ("forward", -200))
    ),
}
SPOILS = {
    **({} if NFTABLES else LEGACY),
    **OTHERS,
    "the backstop deleted": NO_BACKSTOP,
    "nft flush ruleset": "nft flush ruleset",
}


@pytest.mark.usefixtures("steady", "engine_rules")
@pytest.mark.parametrize("spoil", SPOILS)
def test_17_rules_lost(stage: Stage, enter: Enter, spoil: str) -> None:
    """They are back, the daemon counts it, and the steady container got nothing through."""
    lab, side = stage.lab, stage.near
    expects_repair = spoil not in OTHERS
    before = status(lab)["repairs"]
    with stage.watch(side) as verdict:
        lab.host.run("sh", "-ec", SPOILS[spoil], stdin=OLD_RULES)
        if expects_repair:
            wait_until(lambda: status(lab)["repairs"] != before, "the repair", timeout=10)
        wait_until(lambda: in_place(lab), "all to be in place", timeout=10)
        row = stage.attack(2, "NET_ADMIN")
    assert not expects_repair or '"type\\":\\"repair\\"' in lab.engine.log().replace('\\\\"', '\\"')
    lab.host.run("iptables-legacy", "-F", "DOCKER-USER", check=False)
    lab.host.run("nft", "delete", "table", "inet", "first", check=False)
    count = Count(row.count.attempts, row.count.answered, verdict.seen + row.count.seen)
    enter(Row(17, f"rules lost: {spoil}", "steady", count))


@pytest.mark.skipif(not NFTABLES, reason="the legacy tables have no owner")
@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize("spoil", changes(""))
def test_17_rules_that_nobody_else_can_change(stage: Stage, enter: Enter, spoil: str) -> None:
    """The fence's table is its daemon's: the kernel refuses what others do to it."""
    lab, side = stage.lab, stage.near
    before = fence_lines(lab.host.netns)
    with stage.watch(side) as verdict:
        done = lab.host.run("sh", "-ec", changes(side.network.bridge)[spoil], check=False)
        row = stage.attack(2, "NET_ADMIN")
    assert done.status != 0 and "not permitted" in done.err
    assert fence_lines(lab.host.netns) == before
    count = Count(row.count.attempts, row.count.answered, verdict.seen + row.count.seen)
    enter(Row(17, f"rules lost, refused: {spoil}", "steady", count))


@pytest.mark.usefixtures("steady")
def test_18_plugin_disabled(stage: Stage, enter: Enter) -> None:
    """With the plugin off and on again: what runs stays enforced all the while."""
    lab = stage.lab
    attempts, seen = 0, []
    lab.engine("plugin", "disable", "-f", NAME)
    for number in (2, 5, 7, 9):
        row = stage.attack(number, "NET_ADMIN")
        attempts, seen = attempts + row.count.attempts, seen + row.count.seen
    with stage.watch(stage.near) as verdict:
        lab.engine("plugin", "enable", NAME)
        lab.plugin.wait()
        wait_until(lambda: in_place(lab), "all to be in place", timeout=10)
    Scene(lab, stage.near.network, stage.near.plain).assert_proxy_works()
    count = Count(attempts, 0, seen + verdict.seen)
    enter(Row(18, "the plugin disabled and enabled", "steady", count))
