"""Packets as a receiver sees them."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

IPV4, ARP, IPV6 = 0x0800, 0x0806, 0x86DD
ICMP, IGMP, TCP, UDP, GRE, ICMPV6, SCTP = 1, 2, 6, 17, 47, 58, 132
NAMES = {ICMP: "icmp", IGMP: "igmp", TCP: "tcp", UDP: "udp", GRE: "gre", ICMPV6: "icmpv6"}


@dataclass(frozen=True)
class Packet:
    """One packet. Fields that it doesn't have are empty or None."""

    interface: str = ""
    src_mac: str = ""
    dst_mac: str = ""
    ethertype: int = 0
    src: str = ""
    dst: str = ""
    proto: int | None = None
    sport: int | None = None
    dport: int | None = None
    data: bytes = b""

    def __str__(self) -> str:
        if not self.src:
            return f"{self.interface} {self.src_mac} > {self.dst_mac} type {self.ethertype:04x}"
        proto = NAMES.get(self.proto or 0, str(self.proto))
        ports = "" if self.dport is None else f" {self.sport} > {self.dport}"
        return f"{self.interface} {self.src} > {self.dst} {proto}{ports} ({self.src_mac})"


def mac(raw: bytes) -> str:
    """Six bytes as people write them."""
    return ":".join(f"{byte:02x}" for byte in raw)


def ports_of(proto: int, payload: bytes) -> tuple[int | None, int | None]:
    """Source and destination port, where the protocol has them and they are there."""
    if proto in (TCP, UDP, SCTP) and len(payload) >= 4:
        sport, dport = struct.unpack("!HH", payload[:4])
        return sport, dport
    return None, None


def _ipv4(data: bytes) -> dict[str, object]:
    if len(data) < 20:
        return {}
    proto = data[9]
    later = struct.unpack("!H", data[6:8])[0] & 0x1FFF  # a fragment but the first has no ports
    header = (data[0] & 15) * 4
    sport, dport = (None, None) if later else ports_of(proto, data[header:])
    return {
        "src": str(ipaddress.IPv4Address(data[12:16])),
        "dst": str(ipaddress.IPv4Address(data[16:20])),
        "proto": proto,
        "sport": sport,
        "dport": dport,
    }


def _ipv6(data: bytes) -> dict[str, object]:
    if len(data) < 40:
        return {}
    sport, dport = ports_of(data[6], data[40:])
    return {
        "src": str(ipaddress.IPv6Address(data[8:24])),
        "dst": str(ipaddress.IPv6Address(data[24:40])),
        "proto": data[6],
        "sport": sport,
        "dport": dport,
    }


def _arp(data: bytes) -> dict[str, object]:
    if len(data) < 28:
        return {}
    return {
        "src": str(ipaddress.IPv4Address(data[14:18])),
        "dst": str(ipaddress.IPv4Address(data[24:28])),
    }


def decode_ip(data: bytes) -> Packet:
    """An IPv4 packet without its frame."""
    return Packet(ethertype=IPV4, data=data, **_ipv4(data))  # type: ignore[arg-type]


def decode_frame(frame: bytes, interface: str) -> Packet:
    """An Ethernet frame."""
    ethertype = struct.unpack("!H", frame[12:14])[0] if len(frame) >= 14 else 0
    decoders = {IPV4: _ipv4, IPV6: _ipv6, ARP: _arp}
    fields = decoders.get(ethertype, lambda _: {})(frame[14:])
    return Packet(
        interface=interface,
        dst_mac=mac(frame[:6]),
        src_mac=mac(frame[6:12]),
        ethertype=ethertype,
        data=frame,
        **fields,  # type: ignore[arg-type]
    )
