"""The ways around the proxy, class by class, as lines for attacker.c.

Each function is given who attacks and what is around, and yields attempts. The numbers are those of
docs/threat-model.md.
"""

from __future__ import annotations

import ipaddress
import itertools
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lab.frames import (
    BROADCAST,
    arp_frame,
    checksum,
    ether,
    ip,
    packed,
    ping6_frame,
    syn_frame,
    tcp_syn,
    udp,
    udp_frame,
)
from lab.outside import FAR, HOST_V4, HOST_V6, OTHER, OTHER_V6, WEB, WEB_V6
from lab.packet import ICMP, ICMPV6, IPV4, IPV6, TCP, UDP

DOCKER0 = "172.17.0.1"
PROXY, OPEN, PUBLISHED = 8080, 9000, 9090
FALSE_MAC = "02:42:de:ad:be:ef"
METADATA = ("169.254.169.254", "100.100.100.200", "169.254.170.2")
METADATA_V6 = "fd00:ec2::254"


@dataclass(frozen=True)
class Who:
    """Who attacks."""

    mac: str
    address: str
    address_v6: str = ""


@dataclass(frozen=True)
class Around:
    """What an attacker finds around it."""

    gateway: str
    bridge_mac: str
    same: Who  # a neighbour on the same bridge
    other: Who  # one on another network of ours
    docker0: Who  # one on Docker's own bridge, with a published port
    other_gateway: str
    gateway_v6: str = ""
    unused: list[str] = field(default_factory=list)

    @property
    def hosts(self) -> list[str]:
        """Every IPv4 address of the host."""
        return [self.gateway, self.other_gateway, DOCKER0, HOST_V4, "127.0.0.1", "127.0.0.53"]

    @property
    def outside(self) -> list[str]:
        """Addresses beyond the host."""
        return [WEB, OTHER, FAR]

    @property
    def neighbours(self) -> list[Who]:
        """All containers around."""
        return [self.same, self.other, self.docker0]

    def targets(self) -> list[str]:
        """One address of each kind."""
        return [self.gateway, HOST_V4, DOCKER0, WEB, FAR, *(n.address for n in self.neighbours)]


Way = Callable[[Who, Around], Iterator[str]]
WAYS: dict[int, tuple[str, Way]] = {}


def way(number: int, name: str) -> Callable[[Way], Way]:
    """Enter a class into the table."""

    def enter(function: Way) -> Way:
        WAYS[number] = (name, function)
        return function

    return enter


def tcp_line(address: str, port: int) -> str:
    """Open a connection."""
    return f"T {address} {port}"


def udp_line(address: str, port: int) -> str:
    """Send a datagram."""
    return f"U {address} {port} netenforce"


def frame_line(frame: bytes) -> str:
    """Write a frame."""
    return f"F {frame.hex()}"


def packet_line(to: str, packet: bytes) -> str:
    """Send a packet by way of the routes."""
    return f"P {to} {packet.hex()}"


def run_line(command: str) -> str:
    """Run a client of the image's."""
    return f"X {command} >/dev/null 2>&1"


def ipv4(src: str, dst: str, proto: int, body: bytes, options: bytes = b"", offset: int = 0,
         more: bool = False) -> bytes:  # fmt: skip
    """An IPv4 packet with options, or as a fragment (offset in bytes)."""
    words = 5 + len(options) // 4
    flags = (0x2000 if more else 0) | offset // 8
    fixed = struct.pack(
        "!BBHHHBBH", 0x40 | words, 0, words * 4 + len(body), 7, flags, 64, proto, 0
    )
    header = fixed + packed(src) + packed(dst) + options
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + body


def from_me(who: Who, around: Around, packet: bytes) -> str:
    """The packet in a frame of the attacker's own to the bridge."""
    return frame_line(ether(who.mac, around.bridge_mac, packet))


@way(2, "other ports and addresses of the host")
def other_ports(who: Who, around: Around) -> Iterator[str]:
    for address in around.hosts:
        if address.startswith("127."):  # the container's own, unless a frame says otherwise
            for build, port in itertools.product((udp_frame, syn_frame), (53, PROXY, OPEN)):
                yield frame_line(build(who.mac, around.bridge_mac, who.address, address, port))
            continue
        for port in (22, 53, 2375, PROXY, PROXY + 1, OPEN, PUBLISHED):
            if (address, port) != (around.gateway, PROXY):
                yield tcp_line(address, port)
            yield udp_line(address, port)
            yield frame_line(udp_frame(who.mac, around.bridge_mac, who.address, address, port))
        yield run_line(f"curl -m 1 http://{address}:{OPEN}/")
        yield run_line(f"busybox nc -w 1 {address} {OPEN} </dev/null")
        yield run_line(f"busybox ping -c 1 -W 1 {address}")


@way(3, "the proxy's port elsewhere")
def proxy_elsewhere(who: Who, around: Around) -> Iterator[str]:
    for address in (*around.outside, HOST_V4, DOCKER0, around.other_gateway):
        yield tcp_line(address, PROXY)
        yield frame_line(syn_frame(who.mac, around.bridge_mac, who.address, address, PROXY))
        yield run_line(f"curl -m 1 -x http://{address}:{PROXY} http://{WEB}/")


@way(4, "a route of one's own through the host")
def own_route(who: Who, around: Around) -> Iterator[str]:
    # Works with NET_ADMIN only; the frames below need no route.
    yield run_line(f"ip route replace default via {around.gateway}")
    yield run_line(f"ip route replace {WEB} via {around.gateway}")
    for address in around.outside:
        for port in (22, 25, 80, 443, 8443):
            yield tcp_line(address, port)
            yield frame_line(syn_frame(who.mac, around.bridge_mac, who.address, address, port))
        yield udp_line(address, 443)
        yield run_line(f"curl -m 1 http://{address}/")
        yield run_line(f"busybox ping -c 1 -W 1 {address}")


OPTIONS = {
    "loose source route": lambda a: bytes([131, 7, 4]) + packed(a) + b"\0",
    "strict source route": lambda a: bytes([137, 7, 4]) + packed(a) + b"\0",
    "record route": lambda a: bytes([7, 7, 4, 0, 0, 0, 0, 0]),
    "timestamp": lambda a: bytes([68, 8, 5, 0, 0, 0, 0, 0]),
    "router alert": lambda a: bytes([148, 4, 0, 0]),
    "security": lambda a: bytes([130, 11, *bytes(9), 0]),
    "unknown": lambda a: bytes([222, 4, 1, 2]),
}


def false_sources(who: Who, around: Around) -> list[tuple[str, str]]:
    """MAC and IP address of everybody that one may pose as."""
    others = [*around.unused, around.gateway, HOST_V4, DOCKER0, OTHER, "203.0.113.99", "127.0.0.1"]
    others += ["0.0.0.0", "255.255.255.255", "224.0.0.1", "169.254.1.1"]
    others += [neighbour.address for neighbour in around.neighbours]
    return [
        *((who.mac, address) for address in others),
        (FALSE_MAC, who.address),
        (FALSE_MAC, around.unused[0]),
        (around.same.mac, around.same.address),
        (around.bridge_mac, around.gateway),
        (around.bridge_mac, who.address),
        ("ff:ff:ff:ff:ff:ff", who.address),
        ("00:00:00:00:00:00", who.address),
    ]


@way(5, "a false source; 256 protocols, fragments, options")
def false_source(who: Who, around: Around) -> Iterator[str]:
    targets = [around.gateway, HOST_V4, WEB, around.same.address]
    for (mac, address), to in itertools.product(false_sources(who, around), targets):
        for port in (53, PROXY, OPEN):
            yield frame_line(udp_frame(mac, around.bridge_mac, address, to, port))
            yield frame_line(syn_frame(mac, around.bridge_mac, address, to, port))
    # From oneself and from others, each protocol.
    for mac, address in ((who.mac, who.address), (who.mac, around.unused[0]),
                         (who.mac, around.same.address), (FALSE_MAC, who.address)):  # fmt: skip
        for proto, to in itertools.product(range(256), targets):
            body = udp(address, to, 1, OPEN, b"") if proto == UDP else bytes(24)
            yield frame_line(ether(mac, around.bridge_mac, ipv4(address, to, proto, body)))
    for to in targets:
        segment = tcp_syn(who.address, to, 40000, OPEN) + bytes(24)
        for source in (who.address, around.same.address):
            for cut in (8, 16, 24):
                first = ipv4(source, to, TCP, segment[:cut], more=True)
                rest = ipv4(source, to, TCP, segment[cut:], offset=cut)
                for part in (first, rest), (rest, first), (rest, rest), (first, first):
                    yield from (from_me(who, around, packet) for packet in part)
            # What comes later overlaps what came first: another port in its place.
            proxy = tcp_syn(source, to, 40000, PROXY)
            yield from_me(who, around, ipv4(source, to, TCP, proxy[:16] + bytes(8), more=True))
            yield from_me(who, around, ipv4(source, to, TCP, segment, offset=0, more=True))
            yield from_me(who, around, ipv4(source, to, TCP, segment[8:], offset=8))
            for name, option in OPTIONS.items():
                options = option(WEB)
                options += bytes(-len(options) % 4)
                for proto, port in itertools.product((TCP, UDP), (PROXY, OPEN)):
                    if name in ("record route", "timestamp", "router alert", "security"):
                        if (to, proto, port) == (around.gateway, TCP, PROXY):
                            continue  # to the proxy, in one's own name: that is allowed
                    body = (
                        tcp_syn(source, to, 40000, port)
                        if proto == TCP
                        else udp(source, to, 40000, port, b"netenforce")
                    )
                    if (to, proto, port, name) == (around.gateway, TCP, PROXY, "unknown"):
                        continue
                    yield from_me(who, around, ipv4(source, to, proto, body, options))
    # By the routes, so that the container's own kernel makes the frame.
    for address, to in itertools.product([*around.unused, around.same.address, OTHER], targets):
        yield packet_line(to, ip(address, to, UDP, udp(address, to, 40000, OPEN, b"netenforce")))


ETHERTYPES = (0x88CC, 0x8100, 0x88A8, 0x8809, 0x888E, 0x8863, 0x8864, 0x8847, 0x0842, 0x9000,
              0x1234, 0x0060, 0x0026, 0x8035, 0x22F0, 0x88E5, 0xFFFF)  # fmt: skip
GROUPS = [f"01:80:c2:00:00:{last:02x}" for last in range(16)] + ["01:00:0c:cc:cc:cc"]


@way(6, "false MAC addresses, ARP, VLAN, STP, LLDP")
def false_frames(who: Who, around: Around) -> Iterator[str]:
    claims = [around.gateway, WEB, HOST_V4, DOCKER0, *around.unused]
    claims += [neighbour.address for neighbour in around.neighbours]
    for claim, to_mac, reply in itertools.product(
        claims, (BROADCAST, around.bridge_mac, around.same.mac), (False, True)
    ):
        for asked in (claim, around.gateway, around.same.address):
            yield frame_line(arp_frame(who.mac, to_mac, claim, asked, reply))
            yield frame_line(arp_frame(FALSE_MAC, to_mac, claim, asked, reply))
    for number in range(1000):  # a flood of senders
        mac = f"02:00:{number >> 8:02x}:{number & 255:02x}:00:01"
        yield frame_line(arp_frame(mac, BROADCAST, around.unused[0], around.gateway))
        yield frame_line(udp_frame(mac, around.bridge_mac, who.address, around.gateway, OPEN))
    inner = ip(who.address, around.gateway, UDP, udp(who.address, around.gateway, 1, OPEN, b"x"))
    for to_mac in (BROADCAST, around.bridge_mac, around.same.mac, *GROUPS):
        for kind in ETHERTYPES:
            tag = struct.pack("!HH", 1, IPV4) if kind in (0x8100, 0x88A8) else b""
            yield frame_line(ether(who.mac, to_mac, tag + inner, kind))
        for build, to in itertools.product(
            (udp_frame, syn_frame), (around.gateway, HOST_V4, WEB, around.same.address)
        ):
            if to_mac != around.bridge_mac:
                yield frame_line(build(who.mac, to_mac, who.address, to, OPEN))
    # The spanning tree: "I am the root".
    root = bytes.fromhex("424203000000000000") + bytes(27)
    yield frame_line(ether(who.mac, GROUPS[0], root, len(root)))


@way(7, "a neighbour on the same bridge")
def same_bridge(who: Who, around: Around) -> Iterator[str]:
    yield from to_neighbour(who, around, around.same)


@way(8, "other networks, Docker's bridges, published ports")
def other_networks(who: Who, around: Around) -> Iterator[str]:
    for neighbour in (around.other, around.docker0):
        yield from to_neighbour(who, around, neighbour)
    for address in around.hosts:
        if not address.startswith("127."):
            yield tcp_line(address, PUBLISHED)
        yield frame_line(syn_frame(who.mac, around.bridge_mac, who.address, address, PUBLISHED))


def to_neighbour(who: Who, around: Around, neighbour: Who) -> Iterator[str]:
    """All that may reach one container."""
    for port in (OPEN, PUBLISHED, PROXY):
        yield tcp_line(neighbour.address, port)
        yield udp_line(neighbour.address, port)
    for to_mac in (neighbour.mac, BROADCAST, around.bridge_mac, "33:33:00:00:00:01", GROUPS[14]):
        for source in (who.address, around.gateway, around.unused[0]):
            for build in (udp_frame, syn_frame):
                yield frame_line(build(who.mac, to_mac, source, neighbour.address, OPEN))
            yield frame_line(arp_frame(who.mac, to_mac, source, neighbour.address))
            yield frame_line(arp_frame(who.mac, to_mac, source, neighbour.address, reply=True))
        for kind in ETHERTYPES:
            yield frame_line(ether(who.mac, to_mac, bytes(60), kind))
        yield frame_line(udp_frame(FALSE_MAC, to_mac, who.address, neighbour.address, OPEN))
        yield frame_line(udp_frame(around.bridge_mac, to_mac, around.gateway, neighbour.address, 1))


def eui64(mac: str) -> str:
    """The link-local address that goes with a MAC address."""
    raw = bytes.fromhex(mac.replace(":", ""))
    host = bytes([raw[0] ^ 2]) + raw[1:3] + b"\xff\xfe" + raw[3:]
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + host))


def icmpv6(src: str, dst: str, message: bytes) -> bytes:
    """An ICMPv6 packet with hop limit 255, as neighbour discovery demands."""
    pseudo = packed(src) + packed(dst) + struct.pack("!II", len(message), ICMPV6)
    total = checksum(pseudo + message)
    whole = bytearray(ip(src, dst, ICMPV6, message[:2] + struct.pack("!H", total) + message[4:]))
    whole[7] = 255
    return bytes(whole)


@way(9, "IPv6: link-local, RA, NDP, extension headers, tunnels")
def over_ipv6(who: Who, around: Around) -> Iterator[str]:
    mac = bytes.fromhex(who.mac.replace(":", ""))
    prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 9999, 9999, 0) + packed("2001:db8:bad::")
    advertisement = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 9000, 0, 0) + prefix
    advertisement += b"\x01\x01" + mac
    sources = [eui64(who.mac), eui64(around.bridge_mac), "::", "2001:db8:bad::1", WEB_V6]
    sources += [around.gateway_v6] if around.gateway_v6 else []
    sources += [around.same.address_v6] if around.same.address_v6 else []
    own = [who.address_v6] if who.address_v6 else []
    to = [eui64(around.bridge_mac), "ff02::1", "ff02::2", "ff02::fb", "ff05::2", HOST_V6, WEB_V6]
    to += [OTHER_V6, METADATA_V6, "2002:c633:6402::1", "::ffff:198.51.100.2"]
    to += [around.gateway_v6] if around.gateway_v6 else []
    to += [around.same.address_v6] if around.same.address_v6 else []
    for source, target in itertools.product(own + sources, to):
        for to_mac in (around.bridge_mac, around.same.mac, "33:33:00:00:00:01"):
            yield frame_line(udp_frame(who.mac, to_mac, source, target, OPEN))
            yield frame_line(syn_frame(who.mac, to_mac, source, target, OPEN))
            yield frame_line(ping6_frame(who.mac, to_mac, source, target))
            # Hop-by-hop, routing, fragment, destination, mobility:
            for first in (0, 43, 44, 60, 135):
                inner = udp(source, target, 40000, OPEN, b"netenforce")
                extension = bytes([UDP, 0, 0, 0, 0, 0, 0, 0])
                yield frame_line(
                    ether(who.mac, to_mac, ip(source, target, first, extension + inner), IPV6)
                )
    for source in sources:
        for target in ("ff02::1", *to[:1], *own):
            yield frame_line(
                ether(who.mac, "33:33:00:00:00:01", icmpv6(source, target, advertisement), IPV6)
            )
            claimed = packed(around.gateway_v6 or "fe80::1")
            told = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + claimed + b"\x02\x01" + mac
            yield frame_line(
                ether(who.mac, "33:33:00:00:00:01", icmpv6(source, target, told), IPV6)
            )
    for target in (f"{eui64(around.bridge_mac)}", "ff02::1", HOST_V6, WEB_V6):
        yield tcp_line(target, OPEN)
        yield udp_line(target, OPEN)
    six_to_four = ip("2002:a58:2::1", WEB_V6, UDP, udp("2002:a58:2::1", WEB_V6, 1, 53, b"x"))
    for target in (around.gateway, WEB):
        yield from_me(who, around, ipv4(who.address, target, 41, six_to_four))


@way(10, "multicast, broadcast, DHCP, mDNS, LLMNR, IGMP")
def to_groups(who: Who, around: Around) -> Iterator[str]:
    everybody = around.gateway.rpartition(".")[0] + ".255"
    groups = ["224.0.0.1", "224.0.0.2", "224.0.0.251", "224.0.0.252", "239.255.255.250",
              "255.255.255.255", everybody]  # fmt: skip
    for group, source in itertools.product(groups, (who.address, "0.0.0.0", around.unused[0])):
        low = packed(group)
        group_mac = f"01:00:5e:{low[1] & 127:02x}:{low[2]:02x}:{low[3]:02x}"
        for to_mac in {BROADCAST, group_mac, around.bridge_mac}:
            for port in (53, 67, 68, 137, 1900, 5353, 5355, OPEN):
                yield frame_line(udp_frame(who.mac, to_mac, source, group, port))
            report = struct.pack("!BBH", 0x16, 0, 0) + low
            yield frame_line(ether(who.mac, to_mac, ipv4(source, group, 2, report)))
            echo = struct.pack("!BBHHH", 8, 0, 0xF7FD, 1, 1)
            yield frame_line(ether(who.mac, to_mac, ipv4(source, group, ICMP, echo)))
    for group in groups:
        for port in (67, 5353, OPEN):
            yield udp_line(group, port)
    yield run_line("busybox udhcpc -i eth0 -n -q -t 1 -T 1")


@way(11, "DNS: 53, DoT, DoH, 127.0.0.11")
def names(who: Who, around: Around) -> Iterator[str]:
    for address in (around.gateway, HOST_V4, DOCKER0, *around.outside):
        yield run_line(f"dig +time=1 +tries=1 @{address} a.leak.example.com")
        yield run_line(f"dig +tcp +time=1 +tries=1 @{address} b.leak.example.com")
        yield udp_line(address, 53)
        for port in (53, 853, 443):
            if (address, port) != (around.gateway, PROXY):
                yield tcp_line(address, port)
        yield run_line(f"curl -m 1 -k https://{address}/dns-query")
    for kind in ("A", "AAAA", "TXT", "NULL"):
        yield run_line(f"dig +time=1 +tries=1 {kind} {kind}.leak.example.com")
    yield run_line("busybox nslookup c.leak.example.com")
    yield run_line("curl -m 2 http://d.leak.example.com/")


@way(12, "QUIC, ICMP, SCTP, GRE, IP in IP")
def other_protocols(who: Who, around: Around) -> Iterator[str]:
    for address in (around.gateway, HOST_V4, *around.outside, around.same.address):
        yield run_line(f"busybox ping -c 1 -W 1 {address}")
        for kind in range(0, 20):
            message = struct.pack("!BBHHH", kind, 0, 0, 1, 1) + b"tunnel"
            message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
            yield from_me(who, around, ipv4(who.address, address, ICMP, message))
        for port in (443, 80, 8443):
            quic = b"\xc3\0\0\0\1" + bytes(1195)
            datagram = udp(who.address, address, 1, port, quic)
            yield from_me(who, around, ipv4(who.address, address, UDP, datagram))
        inner = ipv4(who.address, WEB, UDP, udp(who.address, WEB, 1, 53, b"x"))
        for proto, body in ((4, inner), (47, struct.pack("!HH", 0, IPV4) + inner), (132, bytes(32)),
                            (33, bytes(32)), (136, bytes(32)), (50, bytes(32)), (51, bytes(32)),
                            (115, bytes(32)), (94, inner), (137, inner),
                            (108, bytes(32))):  # fmt: skip
            yield from_me(who, around, ipv4(who.address, address, proto, body))


@way(13, "cloud metadata")
def metadata(who: Who, around: Around) -> Iterator[str]:
    for address in METADATA:
        yield tcp_line(address, 80)
        yield frame_line(syn_frame(who.mac, around.bridge_mac, who.address, address, 80))
        yield frame_line(udp_frame(who.mac, around.bridge_mac, who.address, address, 80))
        yield frame_line(arp_frame(who.mac, BROADCAST, who.address, address))
        yield run_line(f"curl -m 1 http://{address}/latest/meta-data/")
    yield tcp_line(METADATA_V6, 80)
