"""A host's own TCP connections."""

from __future__ import annotations

from dataclasses import dataclass

from . import firewall
from .host import Machine


@dataclass(frozen=True)
class Connection:
    """A line of ss(8); `local` and `peer` are as it takes them in a filter."""

    state: str
    local: str
    peer: str

    @property
    def address(self) -> str:
        """The host's own."""
        inner = self.local.rpartition(":")[0].strip("[]")
        return inner.removeprefix("::ffff:").partition("%")[0]


def connections(host: Machine, *where: str) -> list[Connection]:
    """Those that a filter of ss(8) takes, or all."""
    lines = host.netns.run("ss", "-Htan", "exclude", "listening", *where).out.splitlines()
    parts = [line.split() for line in lines]
    return [Connection(part[0], part[3], part[4]) for part in parts]


def end_stale(host: Machine) -> None:
    """End those whose address has gone from the host, with the network that it was of.

    Their peers have gone, too. What a program of the host sends them again and again leaves by the
    default route, where a receiver takes it for somebody's way around.
    """
    own = firewall.addresses(host)
    for one in connections(host):
        if one.address not in own:
            host.netns.run("ss", "-HtanK", "src", one.local, "dst", one.peer, check=False)
