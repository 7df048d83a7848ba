"""The link edge (src/link): what a container's frames can do, judged at the receiver.

Each layer is taken away in turn, so that the others are seen to hold alone. See link_probe.py.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

import pytest
from link_probe import (  # first: it finds lab; fixtures among them
    BRIDGE, BRIDGE_MAC, GATEWAY4, GATEWAY6, NETWORK, Endpoint, Events, Host, bridged, endpoint, host, pair,
)  # fmt: skip

from lab.frames import arp_frame, checksum, ether, ip, packed, ping6_frame, udp_frame
from lab.packet import ARP, ICMPV6, IPV6, UDP, Packet
from lab.receiver import Capture, Delivered

__all__ = ["bridged", "endpoint", "host", "pair"]

BROADCAST = "ff:ff:ff:ff:ff:ff"
LLDP = "01:80:c2:00:00:0e"  # a link-local group: a bridge hands it to the port itself


def on(interface: str) -> Callable[[Packet], bool]:
    return lambda packet: packet.interface == interface


def reachable(endpoint: Endpoint, address: str) -> bool:
    """Whether a datagram from the container gets to that address of the host, and its answer back."""
    assert endpoint.netns is not None
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with (
        endpoint.host.ns.socket(family, socket.SOCK_DGRAM) as server,
        endpoint.netns.socket(family, socket.SOCK_DGRAM) as client,
    ):
        server.settimeout(2)
        client.settimeout(2)
        server.bind((address, 0))
        try:
            client.connect((address, server.getsockname()[1]))
            client.send(b"question")
            _, sender = server.recvfrom(64)
            server.sendto(b"answer", sender)
            return client.recv(64) == b"answer"
        except OSError:
            return False


def test_the_gateway_is_reached(pair: tuple[Endpoint, Endpoint]) -> None:
    for endpoint in pair:
        assert reachable(endpoint, GATEWAY4) and reachable(endpoint, GATEWAY6)


def test_strict_filtering_lets_the_host_publish_other_addresses(endpoint: Endpoint) -> None:
    """A proxy on another address of the host, by a route over the gateway."""
    endpoint.host.ns.ip("link add out0 type bridge", "link set out0 up", "addr add 192.0.2.1/24 dev out0")
    endpoint.enter()
    assert endpoint.netns is not None
    endpoint.netns.ip(f"route add 192.0.2.1 via {GATEWAY4}")
    assert reachable(endpoint, "192.0.2.1")


LAYERS = pytest.mark.parametrize("layer", ["all layers", "no guard", "no lock"])


def frames_to(a: Endpoint, b: Endpoint) -> dict[str, bytes]:
    """Whatever one container may send to reach another."""
    tagged = b"\x00\x05" + b"\x08\x00" + ip(a.addr4, b.addr4, UDP, b"\0" * 8)
    return {
        "unicast": udp_frame(a.mac, b.mac, a.addr4, b.addr4, 9),
        "unicast IPv6": udp_frame(a.mac, b.mac, a.addr6, b.addr6, 9),
        "unknown": udp_frame(a.mac, "02:aa:aa:aa:aa:aa", a.addr4, b.addr4, 9),
        "broadcast": udp_frame(a.mac, BROADCAST, a.addr4, "255.255.255.255", 9),
        "multicast": udp_frame(a.mac, "01:00:5e:00:00:fb", a.addr4, "224.0.0.251", 5353),
        "ARP question": arp_frame(a.mac, BROADCAST, a.addr4, b.addr4),
        "ARP answer": arp_frame(a.mac, b.mac, a.addr4, b.addr4, reply=True),
        "VLAN": ether(a.mac, b.mac, tagged, 0x8100),
        "STP": ether(a.mac, "01:80:c2:00:00:00", b"\x42\x42\x03" + bytes(35), 0x0026),
        "LLDP": ether(a.mac, LLDP, bytes(46), 0x88CC),
        "link-local group": ether(a.mac, "01:80:c2:00:00:21", bytes(46), 0x88F5),
        "odd type": ether(a.mac, b.mac, bytes(46), 0x1234),
        "odd type to all": ether(a.mac, BROADCAST, bytes(46), 0x1234),
        "ping6": ping6_frame(a.mac, "33:33:00:00:00:01", a.addr6, "ff02::1"),
    }


@LAYERS
def test_neighbours_hear_nothing(pair: tuple[Endpoint, Endpoint], layer: str) -> None:
    first, second = pair
    first.without(layer)
    assert second.netns is not None
    with Capture(second.netns, housekeeping=True) as heard:
        heard.forget()
        # The way is there: the same frames from the host's bridge arrive.
        assert reachable(second, GATEWAY4) and heard.packets()
        heard.forget()
        first.send(*frames_to(first, second).values())
        assert [p for p in heard.packets() if p.src_mac == first.mac] == []
        # The guard at the way out holds alone, once the one flag is off.
        first.host.ns.run("bridge", "link", "set", "dev", second.port, "isolated", "off")
        first.send(*frames_to(first, second).values())
        assert [p for p in heard.packets() if p.src_mac == first.mac] == []
        # A control, without either.
        second.without("no guard")
        first.send(frames_to(first, second)["unicast"])
        assert [p for p in heard.packets() if p.src_mac == first.mac]


@LAYERS
def test_another_source_mac_stays_outside(pair: tuple[Endpoint, Endpoint], layer: str) -> None:
    first, second = pair
    first.without(layer)
    host = first.host
    forged = ["02:66:66:66:66:66", "00:00:00:00:00:00", "01:00:5e:00:00:01", BROADCAST]
    forged += [second.mac, BRIDGE_MAC, *(host.link(e.port)["address"] for e in pair)]
    before = host.forwarding()
    with Capture(host.ns, housekeeping=True) as heard:
        heard.forget()
        for mac in forged:
            first.send(
                udp_frame(mac, BRIDGE_MAC, first.addr4, GATEWAY4, 9),
                udp_frame(mac, BROADCAST, first.addr4, GATEWAY4, 9),
                arp_frame(mac, BROADCAST, first.addr4, GATEWAY4),
                arp_frame(mac, BROADCAST, second.addr4, GATEWAY4),
            )
        assert heard.packets(lambda p: p.interface == BRIDGE and p.src_mac in forged) == []
        first.send(udp_frame(first.mac, BRIDGE_MAC, first.addr4, GATEWAY4, 9))
        own = heard.packets(lambda p: p.interface == BRIDGE and p.src_mac == first.mac)
        assert [packet.dport for packet in own if packet.src == first.addr4] == [9]
    assert host.forwarding() == before


def to_all_nodes(mac: str, source: str, message: bytes) -> bytes:
    """A frame with an ICMPv6 message of neighbour discovery, which must come with hop limit 255."""
    padded = message[:2] + b"\0\0" + message[4:]
    pseudo = packed(source) + packed("ff02::1") + struct.pack("!II", len(message), ICMPV6)
    message = message[:2] + struct.pack("!H", checksum(pseudo + padded)) + message[4:]
    packet = bytearray(ip(source, "ff02::1", ICMPV6, message))
    packet[7] = 255
    return ether(mac, "33:33:00:00:00:01", bytes(packet), IPV6)


def neighbour_advertisement(mac: str, claimed: str) -> bytes:
    """An unasked claim to an IPv6 address, with the flag that overrides."""
    body = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + packed(claimed) + b"\x02\x01"
    return to_all_nodes(mac, claimed, body + bytes.fromhex(mac.replace(":", "")))


@LAYERS
def test_arp_changes_no_fixed_neighbour(pair: tuple[Endpoint, Endpoint], layer: str) -> None:
    first, second = pair
    first.without(layer)
    host = first.host
    before = host.neighbours()
    with Capture(host.ns) as settled:
        first.send(
            arp_frame(first.mac, BROADCAST, second.addr4, GATEWAY4),
            arp_frame(first.mac, BRIDGE_MAC, second.addr4, GATEWAY4, reply=True),
            arp_frame(first.mac, BROADCAST, second.addr4, second.addr4),
            arp_frame(first.mac, BROADCAST, second.addr4, second.addr4, reply=True),
            arp_frame(first.mac, BROADCAST, GATEWAY4, GATEWAY4),
            neighbour_advertisement(first.mac, second.addr6),
            neighbour_advertisement(first.mac, GATEWAY6),
        )
        settled.settle()
    assert host.neighbours() == before


@LAYERS
def test_arp_of_strangers_makes_no_entry(endpoint: Endpoint, layer: str) -> None:
    """Sources outside the subnet; other addresses of the host are not to be found out."""
    host = endpoint.host
    host.ns.ip("link add out0 type bridge", "link set out0 up", "addr add 192.0.2.1/24 dev out0")
    endpoint.enter().without(layer)
    before = host.neighbours()
    assert endpoint.netns is not None
    with Capture(endpoint.netns, housekeeping=True) as heard:
        heard.forget()
        endpoint.send(
            arp_frame(endpoint.mac, BROADCAST, "203.0.113.7", GATEWAY4),
            arp_frame(endpoint.mac, BROADCAST, "192.0.2.7", GATEWAY4),
            arp_frame(endpoint.mac, BROADCAST, "192.0.2.1", GATEWAY4),
            arp_frame(endpoint.mac, BROADCAST, "127.0.0.1", GATEWAY4),
            arp_frame(endpoint.mac, BROADCAST, endpoint.addr4, "192.0.2.1"),
            arp_frame(endpoint.mac, BROADCAST, "10.88.0.99", "10.88.0.99"),
        )
        if layer != "no guard":  # an unused address of the subnet: only the guard knows better
            endpoint.send(arp_frame(endpoint.mac, BROADCAST, "10.88.0.99", GATEWAY4))
        assert heard.packets(lambda p: p.ethertype == ARP and p.src_mac == BRIDGE_MAC) == []
        endpoint.send(arp_frame(endpoint.mac, BROADCAST, endpoint.addr4, GATEWAY4))
        assert len(heard.packets(lambda p: p.ethertype == ARP and p.src_mac == BRIDGE_MAC)) == 1
    assert host.neighbours() == before


@LAYERS
def test_nothing_gets_in_by_the_port_itself(endpoint: Endpoint, layer: str) -> None:
    """Frames to link-local groups, which the bridge leaves to the port, carry IP and ARP in vain."""
    host = endpoint.host
    host.ns.ip("link add out0 type bridge", "link set out0 up", "addr add 192.0.2.1/24 dev out0")
    host.ns.sysctl(ipv4__ip_forward=1)
    endpoint.enter()
    endpoint.ensure()  # ip_forward has switched it on for the port as well
    endpoint.without(layer)
    assert endpoint.netns is not None
    with Delivered(host.ns) as delivered, Capture(endpoint.netns, housekeeping=True) as heard:
        delivered.forget()
        heard.forget()
        for group in range(16):
            mac = f"01:80:c2:00:00:{group:02x}"
            endpoint.send(
                arp_frame(endpoint.mac, mac, endpoint.addr4, GATEWAY4),
                arp_frame(endpoint.mac, mac, "192.0.2.9", "192.0.2.1"),
                udp_frame(endpoint.mac, mac, endpoint.addr4, GATEWAY4, 9),
                udp_frame(endpoint.mac, mac, endpoint.addr4, "192.0.2.1", 9),
                udp_frame(endpoint.mac, mac, "192.0.2.9", "192.0.2.1", 9),
            )
        # Group 0 is forwarded like any other while the spanning tree is off: it reaches the bridge.
        bridged = [p for p in delivered.packets() if p.dport == 9]
        assert bridged == []
        replies = heard.packets(lambda p: p.ethertype == ARP and p.src_mac != endpoint.mac)
        assert {p.src_mac for p in replies} <= {BRIDGE_MAC} and len(replies) <= 1
    assert host.neighbours(endpoint.port) == set()


def test_no_ipv6_by_itself(host: Host) -> None:
    """Without a gateway6 the host speaks no IPv6 to the container, though that has its own."""
    host.probe("bridge", name=BRIDGE, mac=BRIDGE_MAC, owner=NETWORK, mtu=1400, gateway4=f"{GATEWAY4}/24")
    endpoint = Endpoint(host, 2)
    endpoint.ensure()
    endpoint.enter()
    endpoint.without("no guard")
    assert not any(":" in a for name in (BRIDGE, endpoint.port) for a in host.addresses(name))
    assert endpoint.netns is not None
    endpoint.netns.ip("addr add fe80::1234/64 dev eth0 nodad")
    with Capture(endpoint.netns, housekeeping=True) as heard:
        heard.forget()
        endpoint.send(ping6_frame(endpoint.mac, "33:33:00:00:00:01", "fe80::1234", "ff02::1"))
        endpoint.send(ping6_frame(endpoint.mac, BRIDGE_MAC, "fe80::1234", "fe80::4e:45ff:fe00:1"))
        assert [p for p in heard.packets() if p.ethertype == 0x86DD and p.src_mac == BRIDGE_MAC] == []


def test_no_router_is_believed(endpoint: Endpoint) -> None:
    host = endpoint.host
    endpoint.enter().without("no guard")
    prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 86400, 86400, 0) + packed("2001:db8:bad::")
    body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + prefix
    events = Events(host.ns)
    with Capture(host.ns) as settled:
        endpoint.send(to_all_nodes(endpoint.mac, "fe80::1234", body))
        settled.settle()
    assert "NEWADDR" not in events.taken()
    assert "2001:db8:bad" not in host.ns.run("ip", "-6", "route").out


def test_quenched_is_silent(pair: tuple[Endpoint, Endpoint]) -> None:
    first, second = pair
    with Capture(first.host.ns, housekeeping=True) as heard:
        first.host.probe("quench", **first.args)
        heard.forget()
        try:
            first.send(*frames_to(first, second).values())
        except OSError:
            pass  # its link has no carrier any more
        assert heard.packets(lambda p: p.src_mac == first.mac) == []
    assert reachable(second, GATEWAY4)
