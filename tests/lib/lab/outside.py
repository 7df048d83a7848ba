"""The Internet's stand-in: a namespace with servers that answer, and a way back to everybody.

              host namespace                         outside namespace
    containers ── bridge ── eth0 198.51.100.1 ══════ eth0 198.51.100.2, .3, 203.0.113.7, 192.88.99.7
                            2001:db8:ffff::1              2001:db8:ffff::2, ::3

Both ends know each other's MAC address from the start, so that the link is silent and no packet
waits for an answer to an ARP question.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .host import Machine
from .netns import Netns
from .receiver import Capture
from .servers import Authority, Responder, WebServer
from .switch import Switch

HOST_V4, HOST_V6 = "198.51.100.1", "2001:db8:ffff::1"
WEB, WEB_NAME = "198.51.100.2", "web.example"
OTHER = "198.51.100.3"
FAR = "203.0.113.7"  # reached by the host's default route only
PUBLIC = "192.88.99.7"  # behind the default route too; as a number public, and nobody's (RFC 7526)
PUBLIC_NAMES = ("example.com", "packages.example.net")  # example.org has no address
WEB_V6, OTHER_V6 = "2001:db8:ffff::2", "2001:db8:ffff::3"
V4 = (WEB, OTHER, FAR)
V6 = (WEB_V6, OTHER_V6)

TCP_PORTS = (22, 25, 53, 853, 3128, 8080, 8443)
UDP_PORTS = (53, 123, 443, 8080)

HOST_MAC, OUTSIDE_MAC = "02:00:00:00:ff:01", "02:00:00:00:ff:02"


def _neighbours(addresses: Iterable[str], mac: str, device: str) -> list[str]:
    return [f"neigh replace {ip} lladdr {mac} dev {device} nud permanent" for ip in addresses]


def host_lines(address: str, interface: str) -> list[str]:
    """What gives a host's end of the cable its address, and makes outside known to it."""
    return [
        f"link set {interface} addrgenmode none",
        f"addr add {address}/24 dev {interface}",
        f"link set {interface} up",
        *_neighbours((WEB, OTHER), OUTSIDE_MAC, interface),
    ]


class Outside:
    """A network namespace with the addresses above, its servers and its capture."""

    def __init__(self, folder: Path) -> None:
        self.netns = Netns.new()
        self.netns.sysctl(
            ipv4__conf__all__rp_filter=0,
            ipv4__conf__default__rp_filter=0,
            ipv6__conf__default__accept_dad=0,
            ipv4__icmp_ratelimit=0,
            # What a test lets through on purpose may be a SYN that nobody finishes: its answer would
            # be repeated for a minute, and once the network is gone the host sends it back here.
            ipv4__tcp_synack_retries=0,
        )
        self.authority = Authority(folder / "authority")
        names = (WEB, OTHER, FAR, WEB_V6, WEB_NAME, *PUBLIC_NAMES)
        self.web = WebServer(self.netns, self.authority, names)
        self.responder = Responder(self.netns, TCP_PORTS, UDP_PORTS)
        self.capture = Capture(self.netns)

    def plug(self, host: Machine, interface: str = "eth0") -> None:
        """Lay the cable to a lab host; everything unknown to the host lies behind it."""
        self._lay(host, interface)
        host.netns.ip(
            f"addr add {HOST_V6}/64 dev {interface} nodad",
            *_neighbours((WEB_V6, OTHER_V6), OUTSIDE_MAC, interface),
            f"route add default via {WEB}",
            f"route add default via {WEB_V6}",
        )
        self.netns.ip(
            *(f"addr add {ip}/64 dev eth0 nodad" for ip in V6),
            *_neighbours((HOST_V6,), HOST_MAC, "eth0"),
            f"route add default via {HOST_V6}",
        )

    def plug_beside(self, host: Machine, interface: str) -> None:
        """Lay a cable to a machine that has an Internet of its own: IPv4, and no default route."""
        self._lay(host, interface)

    def join(self, switch: Switch) -> None:
        """Lay the cable to a switch, where several hosts are to be found: IPv4 only."""
        switch.attach("outside", self.netns, OUTSIDE_MAC)
        self.netns.ip(*self._own_lines())

    def know(self, address: str, mac: str, pool: str) -> None:
        """A host on the switch, and the pool of its containers, so that a leak is answered."""
        self.netns.ip(
            *_neighbours((address,), mac, "eth0"), f"route replace {pool} via {address}"
        )

    def _lay(self, host: Machine, interface: str) -> None:
        self.netns.run("ip", "link", "delete", "eth0", check=False)  # of a host that went down
        host.netns.ip(
            f"link add {interface} address {HOST_MAC} type veth"
            f" peer name eth0 address {OUTSIDE_MAC} netns {self.netns.path}",
            *host_lines(HOST_V4, interface),
        )
        self.netns.ip(
            *self._own_lines(),
            *_neighbours((HOST_V4,), HOST_MAC, "eth0"),
            f"route add default via {HOST_V4}",
        )

    @staticmethod
    def _own_lines() -> list[str]:
        """What gives outside's end of the cable its addresses."""
        return [
            "link set eth0 addrgenmode none",
            *(f"addr add {ip}/24 dev eth0" for ip in (WEB, OTHER)),
            *(f"addr add {ip}/32 dev eth0" for ip in (FAR, PUBLIC)),
            "link set eth0 up",
        ]

    def close(self) -> None:
        """Stop the servers and let the namespace go."""
        self.capture.close()
        self.responder.close()
        self.web.close()
        self.netns.close()
