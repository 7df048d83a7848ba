"""Packets that netfilter's log hands over, read without a library (linux/netfilter/nfnetlink_log.h)."""

from __future__ import annotations

import socket
import struct

from .netns import Netns

GROUP = 20037  # NE_LOG_GROUP, include/netenforce/firewall.h

_NETLINK_NETFILTER = 12
_RCVBUFFORCE = 33  # SO_RCVBUFFORCE
_ULOG_PACKET, _ULOG_CONFIG = 4 << 8, (4 << 8) | 1  # NFNL_SUBSYS_ULOG, NFULNL_MSG_*
_BIND, _COPY_PACKET = 1, 2
_CFG_CMD, _CFG_MODE, _CFG_TIMEOUT, _CFG_QTHRESH = 1, 2, 4, 5
_PAYLOAD, _PREFIX = 9, 10
_REQUEST_ACK = 0x5


def _attr(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", len(data) + 4, kind) + data + b"\0" * (-len(data) % 4)


def _attrs(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3FFF] = data[4:size]
        data = data[(size + 3) & ~3 :]
    return found


class LogReader:
    """All that is logged to the group in a namespace; only one may read it at a time."""

    def __init__(self, netns: Netns) -> None:
        self._sock = netns.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
        self._sock.bind((0, 0))
        self._sock.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, 1 << 22)
        self._configure(_attr(_CFG_CMD, bytes([_BIND])))
        self._configure(_attr(_CFG_MODE, struct.pack("!IBB", 0xFFFF, _COPY_PACKET, 0)))
        self._configure(_attr(_CFG_TIMEOUT, struct.pack("!I", 1)))
        self._configure(_attr(_CFG_QTHRESH, struct.pack("!I", 1)))
        self._sock.settimeout(0.3)

    def _configure(self, attr: bytes) -> None:
        body = struct.pack("!BBH", 0, 0, GROUP) + attr
        self._sock.send(struct.pack("=IHHII", 16 + len(body), _ULOG_CONFIG, _REQUEST_ACK, 1, 0) + body)
        answer = self._sock.recv(4096)
        [error] = struct.unpack_from("=i", answer, 16)
        assert error == 0, f"NFLOG group {GROUP}: error {-error}"

    def read(self) -> list[tuple[str, bytes]]:
        """Prefix and packet of what has come, until nothing more does."""
        found = []
        while True:
            try:
                data = self._sock.recv(1 << 17)
            except TimeoutError:
                return found
            while len(data) >= 16:
                size, kind = struct.unpack_from("=IH", data)
                if kind == _ULOG_PACKET:
                    attrs = _attrs(data[20:size])
                    prefix = attrs[_PREFIX].rstrip(b"\0").decode()
                    found.append((prefix, attrs.get(_PAYLOAD, b"")))
                data = data[(size + 3) & ~3 :]

    def close(self) -> None:
        """Let another read."""
        self._sock.close()
