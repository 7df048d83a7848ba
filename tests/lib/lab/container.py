"""A container, and the attempts that are made from inside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .netns import Netns
from .process import Result, wait_until
from .receiver import Capture

if TYPE_CHECKING:
    from .engine import Docker

PROBE = Path(__file__).with_name("inside") / "probe.py"
COULD_NOT_CONNECT = 7  # curl's status, refused or without a route; 28 is a time that ran out
PATIENCE = 1.5  # seconds that an attempt waits before it says 'silent'


@dataclass(frozen=True)
class Attempt:
    """Something to try from inside a container (inside/probe.py says what kinds there are)."""

    kind: str
    address: str = ""
    port: int = 0
    frames: Sequence[bytes] = ()
    interface: str = "eth0"
    patience: float = PATIENCE
    note: str = field(default="", compare=False)

    def as_json(self) -> dict[str, Any]:
        """As probe.py reads it."""
        return {
            "kind": self.kind,
            "to": [self.address, self.port],
            "frames": [frame.hex() for frame in self.frames],
            "interface": self.interface,
            "patience": self.patience,
        }

    def __str__(self) -> str:
        return self.note or f"{self.kind} {self.address} {self.port or ''}".strip()


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended, as the container sees it."""

    attempt: Attempt
    end: str
    seconds: float
    detail: str

    @property
    def refused(self) -> bool:
        """Whether it failed at once."""
        return self.end in ("refused", "unreachable") and self.seconds < 1

    @property
    def reached(self) -> bool:
        """Whether somebody answered."""
        return self.end in ("connected", "answered")

    def __str__(self) -> str:
        return f"{self.attempt}: {self.end} after {self.seconds:.3f} s {self.detail}".strip()


def tcp(address: str, port: int, patience: float = PATIENCE) -> Attempt:
    """Connect."""
    return Attempt("tcp", address, port, patience=patience)


def udp(address: str, port: int, patience: float = PATIENCE) -> Attempt:
    """Send a datagram and wait for an answer."""
    return Attempt("udp", address, port, patience=patience)


def ping(address: str, patience: float = PATIENCE) -> Attempt:
    """Send an ICMP echo request and wait for the answer."""
    return Attempt("ping", address, patience=patience)


def raw(*frames: bytes, note: str = "raw frames") -> Attempt:
    """Write frames to eth0. Nobody tells the sender what becomes of them."""
    return Attempt("frames", frames=frames, note=note)


def lookup(name: str) -> Attempt:
    """Resolve a name."""
    return Attempt("lookup", name)


def probe_arguments(attempts: Sequence[Attempt]) -> list[str]:
    """The command that makes the attempts; probe.py comes on its standard input."""
    return ["python3", "-S", "-", json.dumps([attempt.as_json() for attempt in attempts])]


def read_outcomes(attempts: Sequence[Attempt], output: str) -> list[Outcome]:
    """What probe.py printed."""
    return [
        Outcome(attempt, end["end"], end["seconds"], end["detail"])
        for attempt, end in zip(attempts, json.loads(output), strict=True)
    ]


class Container:
    """A container that was started."""

    def __init__(self, docker: Docker, ident: str) -> None:
        self.docker = docker
        self.id = ident

    def inspect(self) -> dict[str, Any]:
        """`docker inspect`."""
        return self.docker.inspect(self.id)

    def endpoint(self, network: str = "") -> dict[str, Any]:
        """What `docker inspect` says of its endpoint in a network (by default, its only one)."""
        networks: dict[str, Any] = self.inspect()["NetworkSettings"]["Networks"]
        found: dict[str, Any] = networks[network] if network else next(iter(networks.values()))
        return found

    @property
    def address(self) -> str:
        """Its IPv4 address."""
        return str(self.endpoint()["IPAddress"])

    @property
    def mac(self) -> str:
        """Its MAC address."""
        return str(self.endpoint()["MacAddress"])

    def netns(self) -> Netns:
        """Its network namespace."""
        pid = self.inspect()["State"]["Pid"]
        return Netns.at(self.docker.host.path(f"/proc/{pid}/ns/net"))

    def capture(self) -> Capture:
        """A receiver at its interfaces."""
        netns = self.netns()
        try:
            return Capture(netns, housekeeping=True)
        finally:
            netns.close()

    def exec(self, *argv: str, check: bool = True, stdin: str = "") -> Result:
        """`docker exec`."""
        interactive = ("-i",) if stdin else ()
        return self.docker("exec", *interactive, self.id, *argv, check=check, stdin=stdin)

    def sh(self, script: str, check: bool = True) -> Result:
        """`docker exec ... sh -c`."""
        return self.exec("sh", "-c", script, check=check)

    def probe(self, *attempts: Attempt) -> list[Outcome]:
        """Make attempts from inside, one after the other."""
        result = self.exec(*probe_arguments(attempts), stdin=PROBE.read_text())
        return read_outcomes(attempts, result.out)

    def curl(self, url: str, *options: str) -> Result:
        """Fetch with curl, as its environment says; failures are the caller's to judge."""
        return self.exec("curl", "-sS", "--max-time", "10", *options, url, check=False)

    def wait_for_line(self) -> None:
        """Wait until its program has printed one more line."""

        def lines() -> int:
            return len(self.docker.out("logs", self.id).splitlines())

        before = lines()
        wait_until(lambda: lines() > before, f"container {self.id[:12]} to print a line")

    def running(self) -> bool:
        """Whether it runs."""
        return bool(self.inspect()["State"]["Running"])

    def remove(self) -> None:
        """`docker rm -f`."""
        self.docker("rm", "-f", self.id)
