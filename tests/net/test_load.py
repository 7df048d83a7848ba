"""Many at once, without an engine: networks, endpoints, connections, calls side by side."""

from __future__ import annotations

import random
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import (  # noqa: E402
    NETWORK,
    SANITIZED,
    Daemon,
    Member,
    endpoint_body,
    endpoint_id,
    ids_body,
    join_body,
    network_body,
)
from lab.listener import Listener  # noqa: E402
from lab.process import wait_until  # noqa: E402

GATEWAY = "10.88.0.1"
PROXY, FORBIDDEN = 8080, 9000
NETWORKS, WARM = 1000, 50
GROWTH = 256  # KiB: some pages of the heap move about
PORTS = 1023  # of one bridge: BR_MAX_PORTS, net/bridge/br_private.h
CONNECTIONS = 1000
ACCEPTED = 256  # of them the daemon takes so many: NE_HTTP_CONNECTIONS
WHOLE = b"POST /Plugin.Activate HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
HALF_HEADER = b"POST /NetworkDriver.Jo"
HALF_BODY = b"POST /NetworkDriver.Join HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"
THREADS, ROUNDS = 8, 50
CALLS = ("CreateEndpoint", "Join", "Leave", "DeleteEndpoint", "EndpointOperInfo")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that knows of nothing yet."""
    made = Daemon(tmp_path).start()
    yield made
    assert made.running(), made.log()
    made.close()


@pytest.fixture
def listeners(daemon: Daemon) -> Iterator[dict[int, Listener]]:
    """The proxy's port and one that nobody may reach, in the host."""
    made = {port: Listener(daemon.netns, port) for port in (PROXY, FORBIDDEN)}
    yield made
    for listener in made.values():
        listener.close()


def network_id(number: int) -> str:
    """An id whose first 12 characters differ, since they make the bridge's name."""
    return f"{number:012x}" + "a" * 52


def networks_come_and_go(daemon: Daemon, count: int) -> None:
    """So many networks, an endpoint on each hundredth; then all of it goes again."""
    before = daemon.left()
    for number in range(count):
        pool = f"10.{number >> 8}.{number & 255}"
        daemon.call("CreateNetwork", network_body(network_id(number), pool))
        if number % 100 == 0:
            endpoint = 2 + number // 100
            daemon.call("CreateEndpoint", endpoint_body(endpoint, network_id(number), pool))
            daemon.call("Join", join_body(endpoint, network_id(number)))
    listed = daemon.get("/v1/networks")["networks"]
    assert sorted(network["id"] for network in listed) == list(map(network_id, range(count)))
    endpoints = daemon.get("/v1/endpoints")["endpoints"]
    assert [endpoint["joined"] for endpoint in endpoints] == [True] * len(range(0, count, 100))
    assert daemon.get("/v1/status")["enforcement"]["in_place"]
    for number in range(count):
        daemon.call("DeleteNetwork", {"NetworkID": network_id(number)})
    assert daemon.left() == before


def test_a_thousand_networks(daemon: Daemon) -> None:
    """The daemon keeps nothing of networks that are gone: the second round needs no more memory
    than the first. What a thousand need at once is the allocator's, so it is seen beforehand.
    """
    networks_come_and_go(daemon, WARM)
    first = daemon.resident()
    networks_come_and_go(daemon, WARM)
    assert SANITIZED or daemon.resident() <= first + GROWTH
    networks_come_and_go(daemon, NETWORKS)


def connect_all(daemon: Daemon, numbers: range) -> None:
    """Endpoints of these numbers are created and joined, as far as the daemon is concerned."""
    for number in numbers:
        daemon.call("CreateEndpoint", endpoint_body(number, length=20))
        daemon.call("Join", join_body(number))


def assert_fenced_in(member: Member, other: Member, listeners: dict[int, Listener]) -> None:
    """It reaches the proxy's port, and neither another port nor its neighbour."""
    assert member.connect(GATEWAY, PROXY) == "open"
    wait_until(lambda: member.address in listeners[PROXY].came, "the proxy to have seen it")
    assert member.connect(GATEWAY, FORBIDDEN) == "refused"
    neighbour = Listener(other.netns, PROXY)
    try:
        assert member.connect(other.address, PROXY, timeout=0.3) != "open"
        assert not neighbour.came and not listeners[FORBIDDEN].came
    finally:
        neighbour.close()


def test_a_full_bridge(daemon: Daemon, listeners: dict[int, Listener]) -> None:
    daemon.call("CreateNetwork", network_body(length=20))
    first = Member(daemon, 2, length=20)
    connect_all(daemon, range(3, PORTS + 1))
    last = Member(daemon, PORTS + 1, length=20)
    assert sum(name.startswith("nv-") for name in daemon.links()) == PORTS
    assert_fenced_in(first, last, listeners)
    assert_fenced_in(last, first, listeners)

    before = daemon.left()
    status, answer = daemon.try_call("CreateEndpoint", endpoint_body(PORTS + 2, length=20))
    assert status != 200 and "is full" in answer["Err"] and "second network" in answer["Err"]
    assert daemon.left() == before

    daemon.call("Leave", ids_body(3))
    daemon.call("DeleteEndpoint", ids_body(3))
    connect_all(daemon, range(PORTS + 2, PORTS + 3))
    assert f"nv-{PORTS + 2:012x}" in daemon.links()


def test_a_bridge_that_somebody_filled(daemon: Daemon) -> None:
    """Ports that are not ours take room, too: only the kernel knows of them, at Join."""
    daemon.call("CreateNetwork", network_body(length=20))
    bridge = f"ne-{NETWORK[:12]}"
    pairs = [(f"left{number}", f"right{number}") for number in range((PORTS + 1) // 2)]
    daemon.netns.ip(*(f"link add {left} type veth peer name {right}" for left, right in pairs))
    names = [name for pair in pairs for name in pair][:PORTS]
    daemon.netns.ip(*(f"link set {name} master {bridge}" for name in names))
    daemon.call("CreateEndpoint", endpoint_body(2, length=20))
    before = daemon.left()
    status, answer = daemon.try_call("Join", join_body(2))
    assert status != 200 and "is full" in answer["Err"] and "second network" in answer["Err"]
    assert daemon.left() == before
    daemon.netns.ip(f"link set {names[0]} nomaster")
    daemon.call("Join", join_body(2))


def answers(sock: socket.socket) -> bool:
    """Whether it gets an answer to a whole request."""
    sock.sendall(WHOLE)
    return sock.recv(65536).startswith(b"HTTP/1.1 200")


def stuck_connections(daemon: Daemon) -> list[socket.socket]:
    """As many of a thousand as the daemon and the queue before it take."""
    held: list[socket.socket] = []
    for number in range(CONNECTIONS):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(30)
        for _ in range(2):
            try:
                sock.connect(str(daemon.plugin))
                sock.sendall((b"", HALF_HEADER, HALF_BODY)[number % 3])
                held.append(sock)
                break
            except BlockingIOError:
                daemon.get("/healthz")  # one thread does it all: meanwhile it took some in
    return held


def wait_for_room(daemon: Daemon) -> None:
    """Wait until the engine is answered."""
    wait_until(
        lambda: daemon.ask("POST", "/Plugin.Activate")[0] == 200, "the engine to be answered"
    )


def assert_as_before(daemon: Daemon, descriptors: int) -> None:
    """No connection is left, and all calls work."""
    folder = Path(f"/proc/{daemon.pid}/fd")
    # The count before may hold the connection that asked whether the daemon serves.
    wait_until(lambda: len(list(folder.iterdir())) <= descriptors, "connections to be gone")
    daemon.call("CreateNetwork", network_body())
    connect_all(daemon, range(2, 3))
    assert daemon.get("/v1/status")["endpoints"] == 1


def test_stuck_connections_are_ended(daemon: Daemon) -> None:
    """Silent from the start, within the first header, within the first body."""
    descriptors = len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))
    held = stuck_connections(daemon)
    assert len(held) >= ACCEPTED
    assert daemon.get("/healthz") == {"status": "ok"}
    wait_for_room(daemon)
    for sock in held[:ACCEPTED]:
        assert sock.recv(1) == b""
    for sock in held:
        sock.close()
    assert_as_before(daemon, descriptors)


def test_kept_connections_leave_room(daemon: Daemon) -> None:
    """An engine keeps connections after a request. Those that did so first still have theirs when
    the last ones, which got stuck within a second request, have been ended.
    """
    descriptors = len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))
    held = []
    for _ in range(ACCEPTED):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(30)
        sock.connect(str(daemon.plugin))
        assert answers(sock)
        held.append(sock)
    for sock in held[1:]:
        sock.sendall(HALF_HEADER)
    assert daemon.get("/healthz") == {"status": "ok"}
    wait_for_room(daemon)
    assert held[-1].recv(1) == b""
    assert answers(held[0])
    for sock in held:
        sock.close()
    assert_as_before(daemon, descriptors)


class Prober:
    """A container that knocks at both ports until it is told to stop."""

    def __init__(self, member: Member) -> None:
        self.ends: dict[int, list[str]] = {PROXY: [], FORBIDDEN: []}
        self._member = member
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._knock)
        self._thread.start()

    def _knock(self) -> None:
        while not self._over.is_set():
            for port, ends in self.ends.items():
                ends.append(self._member.connect(GATEWAY, port))

    def stop(self) -> None:
        """Finish the last knock."""
        self._over.set()
        self._thread.join()


def body_for(call: str, number: int) -> dict[str, Any]:
    """What an engine sends with it."""
    if call == "CreateEndpoint":
        return endpoint_body(number)
    return join_body(number) if call == "Join" else ids_body(number)


def one_after_the_other(daemon: Daemon, number: int, dice: random.Random) -> None:
    """An endpoint's life, a step or two of it made twice."""
    for call in CALLS[:4]:
        for _ in range(dice.choice((1, 1, 2))):
            daemon.call(call, body_for(call, number))


def in_any_order(daemon: Daemon, number: int, dice: random.Random) -> None:
    """Calls in an order that no engine has. Only "no such endpoint" may be the matter."""
    for call in dice.choices(CALLS, k=6):
        status, answer = daemon.try_call(call, body_for(call, number))
        assert status == 200 or "is not known" in answer["Err"], (call, status, answer)
    daemon.call("DeleteEndpoint", ids_body(number))


def test_churn(daemon: Daemon, listeners: dict[int, Listener]) -> None:
    daemon.call("CreateNetwork", network_body())
    member = Member(daemon, 2)
    before = daemon.left()
    failures: list[object] = []

    def churn(number: int) -> None:
        dice = random.Random(number)
        try:
            for _ in range(ROUNDS):
                dice.choice((one_after_the_other, in_any_order))(daemon, number, dice)
        except Exception as caught:  # any is a failure of the test
            failures.append(caught)

    threads = [threading.Thread(target=churn, args=(10 + n,)) for n in range(THREADS)]
    prober = Prober(member)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    prober.stop()
    assert not failures
    assert daemon.left() == before
    assert set(prober.ends[PROXY]) == {"open"} and set(prober.ends[FORBIDDEN]) == {"refused"}
    wait_until(
        lambda: len(listeners[PROXY].came) >= len(prober.ends[PROXY]) - 1,
        "the proxy to have seen them",
    )
    assert not listeners[FORBIDDEN].came
    assert daemon.get("/v1/status")["enforcement"]["in_place"]
    assert not any(endpoint_id(10 + n)[:12] in str(daemon.left()) for n in range(THREADS))
