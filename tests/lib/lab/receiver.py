"""Receivers: what really arrived, whatever the sender thinks of it.

Each keeps its packets in a socket's buffer until `settle()`, which needs no pause. It sends
markers to itself over `lo` and reads until they come. On its way between namespaces a packet waits
in one queue for each CPU, first in, first out, once for each hop. A marker takes the same
queues; as many markers as a path has hops, on each CPU, push out whatever was sent before.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable

from .netns import Netns
from .packet import ICMP, ICMPV6, TCP, UDP, Packet, decode_frame, decode_ip, ports_of

HOPS = 8  # more queues than any path here has
PATIENCE = 10.0  # seconds until a marker counts as lost
BUFFER = 16 << 20  # bytes
ETH_P_ALL = 3
PACKET_OUTGOING = 4
SO_RCVBUFFORCE, SO_MEMINFO, MEMINFO_DROPS = 33, 55, 8
IPV6_RECVPKTINFO, IPV6_PKTINFO = 49, 50

# Neighbour and group discovery, which IPv6 keeps up by itself (RFC 4861, 3810).
HOUSEKEEPING = {130, 131, 132, 133, 134, 135, 136, 143}


class ReceiverError(Exception):
    """A receiver that can't be believed."""


class Receiver:
    """Common part: markers, buffers, questions."""

    def __init__(self, netns: Netns, sockets: Iterable[socket.socket]) -> None:
        self._sockets = list(sockets)
        self._packets: list[Packet] = []
        for sock in self._sockets:
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
            sock.settimeout(PATIENCE)
        self._marker = netns.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._marker.bind(("127.0.0.1", 0))
        self._marker.connect(self._marker.getsockname())

    def _receive(self, sock: socket.socket) -> Packet | None:
        """One packet; None for one that doesn't count."""
        raise NotImplementedError

    def _marks(self) -> list[socket.socket]:
        """Sockets that see the marker."""
        return self._sockets

    def settle(self) -> None:
        """Return when all that was sent before has arrived, if it was ever to arrive."""
        cpus = os.sched_getaffinity(0)
        try:
            for cpu in sorted(cpus):
                os.sched_setaffinity(0, {cpu})
                for _ in range(HOPS):
                    self._mark()
        finally:
            os.sched_setaffinity(0, cpus)
        for sock in set(self._sockets) - set(self._marks()):
            self._drain(sock)
        self._complain_of_losses()

    def _mark(self) -> None:
        token = os.urandom(16)
        self._marker.send(token)
        self._marker.recv(64)
        for sock in self._marks():
            while True:
                packet = self._receive(sock)
                if packet is not None and token in packet.data:
                    break
                if packet is not None:
                    self._packets.append(packet)

    def _drain(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        try:
            while True:
                packet = self._receive(sock)
                if packet is not None:
                    self._packets.append(packet)
        except BlockingIOError:
            pass
        finally:
            sock.settimeout(PATIENCE)

    def _complain_of_losses(self) -> None:
        for sock in self._sockets:
            info = sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36)
            dropped = struct.unpack("9I", info)[MEMINFO_DROPS]
            if dropped:
                raise ReceiverError(f"the buffer was too small: {dropped} packets lost")

    def packets(self, wanted: Callable[[Packet], bool] = lambda _: True) -> list[Packet]:
        """All that arrived so far and is wanted."""
        self.settle()
        return [packet for packet in self._packets if wanted(packet)]

    def forget(self) -> None:
        """Start counting anew."""
        self.settle()
        self._packets.clear()

    def wait_for_quiet(self, seconds: float) -> None:
        """Return once nothing has arrived for so long, and forget it all."""
        self.forget()
        since = time.monotonic()
        while (left := since + seconds - time.monotonic()) > 0:
            for sock in select.select(self._sockets, [], [], left)[0]:
                self._drain(sock)
            if any(packet.interface != "lo" for packet in self._packets):
                since = time.monotonic()
            self._packets.clear()

    def close(self) -> None:
        """Stop receiving."""
        for sock in [*self._sockets, self._marker]:
            sock.close()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Capture(Receiver):
    """Every frame that arrives on the interfaces of a namespace (`lo` aside), before any filter."""

    def __init__(self, netns: Netns, housekeeping: bool = False) -> None:
        self._housekeeping = housekeeping
        sock = netns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        super().__init__(netns, [sock])

    def _receive(self, sock: socket.socket) -> Packet | None:
        frame, (interface, _, kind, *_) = sock.recvfrom(65536)
        if kind == PACKET_OUTGOING:
            return None
        return decode_frame(frame, interface)

    def packets(self, wanted: Callable[[Packet], bool] = lambda _: True) -> list[Packet]:
        return super().packets(
            lambda packet: packet.interface != "lo"
            and (self._housekeeping or not is_housekeeping(packet))
            and wanted(packet)
        )


class Delivered(Receiver):
    """Every IP packet that the host's own stack took in: after all filters, open port or not.

    Of every IP protocol that a raw socket can be had for, which are all but number 0.
    """

    def __init__(self, netns: Netns) -> None:
        families = (socket.AF_INET, socket.AF_INET6)
        self._v4, self._v6 = netns.call(
            lambda: [[socket.socket(f, socket.SOCK_RAW, p) for p in range(1, 256)] for f in families]
        )
        for sock in self._v6:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
        super().__init__(netns, [*self._v4, *self._v6])

    def _marks(self) -> list[socket.socket]:
        return [sock for sock in self._v4 if sock.proto == UDP]

    def _receive(self, sock: socket.socket) -> Packet | None:
        if sock.family == socket.AF_INET:
            return decode_ip(sock.recv(65536))
        data, ancillary, _, sender = sock.recvmsg(65536, 64)
        to = next((item for _, kind, item in ancillary if kind == IPV6_PKTINFO), bytes(20))
        sport, dport = ports_of(sock.proto, data)
        return Packet(
            ethertype=0x86DD,
            src=sender[0].split("%")[0],
            dst=socket.inet_ntop(socket.AF_INET6, to[:16]),
            proto=sock.proto,
            sport=sport,
            dport=dport,
            data=data,
        )

    def packets(self, wanted: Callable[[Packet], bool] = lambda _: True) -> list[Packet]:
        return super().packets(
            lambda packet: not packet.src.startswith("127.")
            and packet.src != "::1"
            and wanted(packet)
        )


def is_housekeeping(packet: Packet) -> bool:
    """Whether it is ARP, or IPv6's neighbour and group discovery: noise of the link itself."""
    if packet.ethertype == 0x0806:
        return True
    if packet.ethertype != 0x86DD:
        return False
    header = packet.data[14:]
    if len(header) > 48 and header[6] == 0 and header[40] == ICMPV6:  # behind hop-by-hop options
        return header[48] in HOUSEKEEPING
    return packet.proto == ICMPV6 and len(header) > 40 and header[40] in HOUSEKEEPING
