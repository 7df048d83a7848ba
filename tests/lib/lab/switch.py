"""A link with more than two ends: a bridge in a namespace of its own.

It knows who is where from the start, and floods nothing that has one receiver: what a capture at
one end sees was sent there.
"""

from __future__ import annotations

from .netns import Netns


class Switch:
    """A switch, with a port for each cable."""

    def __init__(self) -> None:
        self.netns = Netns.new()
        self.netns.sysctl(ipv6__conf__all__disable_ipv6=1, ipv6__conf__default__disable_ipv6=1)
        self.netns.ip("link add switch type bridge mcast_snooping 0", "link set switch up")

    def attach(self, port: str, netns: Netns, mac: str, interface: str = "eth0") -> None:
        """Lay a cable from a port to a namespace, where its end is `interface` with that MAC."""
        self.netns.run("ip", "link", "delete", port, check=False)  # of a host that went down
        self.netns.ip(
            f"link add {port} type veth peer name {interface} address {mac} netns {netns.path}",
            f"link set {port} master switch",
            f"link set {port} up",
        )
        self.netns.batch(
            "bridge",
            f"link set dev {port} flood off learning off",
            f"fdb replace {mac} dev {port} master static",
        )

    def cut(self, port: str) -> None:
        """Pull a cable out."""
        self.netns.ip(f"link set {port} down")

    def mend(self, port: str) -> None:
        """Put it back; where its end is, is still known."""
        self.netns.ip(f"link set {port} up")

    def close(self) -> None:
        """Let the namespace go."""
        self.netns.close()
