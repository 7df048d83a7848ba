"""Policies that change under load: ten thousand datagrams a second, a stream of a gigabit.

Each datagram bears the time at which it was sent, so the receiver tells which policy it is to be
judged by: before the request the old one, after the answer the new one, in between either.
"""

from __future__ import annotations

import json
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import (  # noqa: E402
    BUILD,
    NETWORK,
    Daemon,
    endpoint_body,
    endpoint_id,
    join_body,
    network_body,
)
from lab.netns import Netns  # noqa: E402
from lab.process import Service, wait_until  # noqa: E402

LIVE = str(BUILD / "tests/live")
RATE, CHANGES = 10000, 20
FIRST, SECOND, NEVER = 7001, 7002, 7003
BRIDGES = {4: "10.88.0.1", 6: "fd88::1"}
MEMBERS = {4: "10.88.0.2/24", 6: "fd88::2/64"}
GIGABIT = 1000  # Mbit/s
ENOUGH = 50_000_000  # bytes


@dataclass(frozen=True)
class Change:
    """From `asked` to `answered` either policy may hold; from then on `port` is the one allowed."""

    asked: int
    answered: int
    port: int


class Sink:
    """Takes datagrams in, and notes when each was sent."""

    def __init__(self, netns: Netns, address: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.sent: list[int] = []
        self._sock = netns.socket(family, socket.SOCK_DGRAM)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self._sock.bind((address, port))
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        while (data := self._sock.recv(64)) != b"end":
            self.sent.append(struct.unpack("=q", data)[0])

    def close(self) -> None:
        """Take in what has come, and no more."""
        name = self._sock.getsockname()
        self._sock.sendto(b"end", name)
        self._thread.join()
        self._sock.close()


class World:
    """A network of both families and a container on it."""

    def __init__(self, folder: Path) -> None:
        self.daemon = Daemon(folder).start()
        self.log = folder / "live.log"
        self.running: list[Service] = []
        network = network_body()
        network["Options"]["com.docker.network.enable_ipv6"] = True
        network["IPv6Data"] = [
            {"AddressSpace": "LocalDefault", "Gateway": "fd88::1/64", "Pool": "fd88::/64"}
        ]
        self.daemon.call("CreateNetwork", network)
        endpoint = endpoint_body(2)
        endpoint["Interface"]["AddressIPv6"] = MEMBERS[6]
        made = self.daemon.call("CreateEndpoint", endpoint)
        assert made["Interface"]["MacAddress"]
        joined = self.daemon.call("Join", join_body(2))
        self.member = Netns.new()
        self.daemon.netns.run(
            *("ip", "link", "set", joined["InterfaceName"]["SrcName"]),
            *("netns", self.member.path, "name", "eth0"),
        )
        self.member.ip(
            f"addr add {MEMBERS[4]} dev eth0",
            "link set eth0 up",
            f"addr add {MEMBERS[6]} dev eth0 nodad",
        )

    def patch(self, owner: str, body: object) -> Any:
        """A change of the policy."""
        status, answer = self.daemon.ask(
            "PATCH", f"/v1/{owner}/policy", json.dumps(body).encode(), control=True
        )
        assert status == 200, answer
        return answer

    def start(self, netns: Netns, *argv: str) -> Service:
        """The program of this test, in a namespace."""
        made = Service(["nsenter", f"--net={netns.path}", "--", LIVE, *argv], self.log)
        self.running.append(made)
        return made

    def close(self) -> None:
        """Remove it all, what a test that failed has left running, too."""
        for service in self.running:
            if service.running():
                service.kill()
        self.daemon.close()
        self.member.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


OWNERS = {"network": f"networks/{NETWORK}", "endpoint": f"endpoints/{endpoint_id(2)}"}


def target(address: str, port: int, proto: str) -> str:
    """As an allowance names it."""
    return f"[{address}]:{port}/{proto}" if ":" in address else f"{address}:{port}/{proto}"


def allowed_at(changes: list[Change], sent: int) -> set[int]:
    """What a datagram may be for that was sent then."""
    last = max(i for i, change in enumerate(changes) if change.asked <= sent)
    change = changes[last]
    before = {changes[last - 1].port} if last > 0 and sent < change.answered else set()
    return before | {change.port}


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("family", BRIDGES)
def test_ten_thousand_a_second(world: World, owner: str, family: int) -> None:
    """No datagram passes that neither policy allows, and from the answer on the new one holds."""
    bridge = BRIDGES[family]
    sinks = {port: Sink(world.daemon.netns, bridge, port) for port in (FIRST, SECOND, NEVER)}

    def allow(port: int) -> Change:
        asked = time.monotonic_ns()
        world.patch(OWNERS[owner], {"allow": target(bridge, port, "udp")})
        return Change(asked, time.monotonic_ns(), port)

    changes = [allow(FIRST)]
    prober = world.start(world.member, "probe", bridge, str(RATE), *map(str, sinks))
    wait_until(lambda: len(sinks[FIRST].sent) > 100, "datagrams to arrive", timeout=20)
    for number in range(CHANGES):
        changes.append(allow((SECOND, FIRST)[number % 2]))
        now, port = time.monotonic_ns(), changes[-1].port
        wait_until(lambda at=now, to=port: sinks[to].sent and sinks[to].sent[-1] > at,
                   "what is allowed now to arrive", timeout=20)  # fmt: skip
    prober.signal(signal.SIGTERM)
    assert prober.wait(20) == 0
    for sink in sinks.values():
        sink.close()

    assert not sinks[NEVER].sent
    wrong = [
        (port, sent)
        for port in (FIRST, SECOND)
        for sent in sinks[port].sent
        if port not in allowed_at(changes, sent)
    ]
    assert not wrong, f"{len(wrong)} passed that the policy of their time refuses"
    # In force within 100 ms: of what was sent later than that, the first that may pass does.
    for change in changes[1:]:
        first = next(sent for sent in sinks[change.port].sent if sent > change.asked)
        assert first < change.answered + 100_000_000


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("family", BRIDGES)
def test_a_gigabit_is_revoked(world: World, owner: str, family: int) -> None:
    """Not a byte that comes after the answer to the revocation gets to the server."""
    bridge = BRIDGES[family]
    rule = target(bridge, FIRST, "tcp")
    world.patch(OWNERS[owner], {"allow": rule})
    server = world.start(world.daemon.netns, "echo", bridge, str(FIRST))
    listening = ("ss", "-Hltn", f"sport = {FIRST}")
    wait_until(lambda: world.daemon.netns.run(*listening).out, "the server to listen")
    client = world.start(world.member, "stream", bridge, str(FIRST), str(GIGABIT))
    flowing = ("ss", "-Htin", f"sport = {FIRST}")

    def received() -> int:
        shown = world.daemon.netns.run(*flowing).out
        counts = [word for word in shown.split() if word.startswith("bytes_received:")]
        return max((int(word.partition(":")[2]) for word in counts), default=0)

    wait_until(lambda: received() > ENOUGH, "the stream to flow", timeout=30)
    world.patch(OWNERS[owner], {"allow": {"remove": [rule]}})
    revoked = time.time_ns()
    # Refused with a reset, the client ends by itself.
    assert client.wait(20) == 0
    before = received()
    server.signal(signal.SIGTERM)
    assert server.wait(20) == 0
    answered, arrived, last = map(int, world.log.read_text().split()[-3:])
    assert ENOUGH < arrived == before and 0 < answered <= arrived
    assert 0 < last < revoked
