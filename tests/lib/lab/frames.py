"""Builds the frames that a hostile container writes."""

from __future__ import annotations

import ipaddress
import struct

from .packet import ARP, ICMP, ICMPV6, IPV4, IPV6, TCP, UDP

BROADCAST = "ff:ff:ff:ff:ff:ff"


def checksum(data: bytes) -> int:
    """The Internet's (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packed(address: str) -> bytes:
    """An address of either family in network order."""
    return ipaddress.ip_address(address).packed


def ether(src_mac: str, dst_mac: str, payload: bytes, ethertype: int = IPV4) -> bytes:
    """An Ethernet frame, at least 60 bytes long."""
    raw_src, raw_dst = (bytes.fromhex(text.replace(":", "")) for text in (src_mac, dst_mac))
    return (raw_dst + raw_src + struct.pack("!H", ethertype) + payload).ljust(60, b"\0")


def _with_checksum(segment: bytes, at: int, src: str, dst: str, proto: int) -> bytes:
    length = struct.pack("!I", len(segment))
    pseudo = packed(src) + packed(dst) + length + struct.pack("!I", proto)
    return segment[:at] + struct.pack("!H", checksum(pseudo + segment)) + segment[at + 2 :]


def udp(src: str, dst: str, sport: int, dport: int, data: bytes) -> bytes:
    """A UDP datagram."""
    header = struct.pack("!HHHH", sport, dport, 8 + len(data), 0)
    return _with_checksum(header + data, 6, src, dst, UDP)


def tcp_syn(src: str, dst: str, sport: int, dport: int) -> bytes:
    """A TCP segment that opens a connection."""
    header = struct.pack("!HHIIBBHHH", sport, dport, 1, 0, 5 << 4, 2, 64240, 0, 0)
    return _with_checksum(header, 16, src, dst, TCP)


def tcp_segment(src: str, dst: str, sport: int, dport: int, flags: int) -> bytes:
    """A TCP segment of those flags, with some data."""
    header = struct.pack("!HHIIBBHHH", sport, dport, 1000, 1000, 5 << 4, flags, 1024, 0, 0)
    return _with_checksum(header + b"data", 16, src, dst, TCP)


def ip(src: str, dst: str, proto: int, payload: bytes) -> bytes:
    """An IP packet of the family of its addresses."""
    if ":" in dst:
        fixed = struct.pack("!IHBB", 6 << 28, len(payload), proto, 64)
        return fixed + packed(src) + packed(dst) + payload
    fixed = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, proto, 0)
    header = fixed + packed(src) + packed(dst)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def udp_frame(
    src_mac: str, dst_mac: str, src: str, dst: str, dport: int, data: bytes = b"netenforce"
) -> bytes:
    """A whole frame with a UDP datagram."""
    family = IPV6 if ":" in dst else IPV4
    return ether(src_mac, dst_mac, ip(src, dst, UDP, udp(src, dst, 40000, dport, data)), family)


def syn_frame(src_mac: str, dst_mac: str, src: str, dst: str, dport: int) -> bytes:
    """A whole frame with a TCP SYN."""
    family = IPV6 if ":" in dst else IPV4
    return ether(src_mac, dst_mac, ip(src, dst, TCP, tcp_syn(src, dst, 40000, dport)), family)


def arp_frame(src_mac: str, dst_mac: str, src: str, dst: str, reply: bool = False) -> bytes:
    """An ARP question, or an answer that nobody asked for."""
    target = dst_mac if reply else "00:00:00:00:00:00"
    macs = [bytes.fromhex(text.replace(":", "")) for text in (src_mac, target)]
    body = struct.pack("!HHBBH", 1, IPV4, 6, 4, 2 if reply else 1)
    body += macs[0] + packed(src) + macs[1] + packed(dst)
    return ether(src_mac, dst_mac, body, ARP)


def echo_reply_frame(src_mac: str, dst_mac: str, src: str, dst: str) -> bytes:
    """A whole frame with an ICMP echo reply that nobody asked for (and nobody will answer)."""
    message = struct.pack("!BBHHH", 0, 0, 0, 1, 1)
    message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
    return ether(src_mac, dst_mac, ip(src, dst, ICMP, message))


def ping6_frame(src_mac: str, dst_mac: str, src: str, dst: str) -> bytes:
    """A whole frame with an ICMPv6 echo request."""
    segment = _with_checksum(struct.pack("!BBHHH", 128, 0, 0, 1, 1), 2, src, dst, ICMPV6)
    return ether(src_mac, dst_mac, ip(src, dst, ICMPV6, segment), IPV6)
