"""A transparent proxy's stand-in: it takes connections and asks for whom they were."""

from __future__ import annotations

import socket
import struct
import threading
from dataclasses import dataclass

from .netns import Netns
from .process import wait_until

ORIGINAL_DST = 80  # SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST


@dataclass(frozen=True)
class Taken:
    """A connection that was taken, and where its sender thinks that it is."""

    client: str
    address: str
    port: int


def _original(sock: socket.socket) -> tuple[str, int]:
    if sock.family == socket.AF_INET6:
        raw = sock.getsockopt(socket.IPPROTO_IPV6, ORIGINAL_DST, 28)
        return socket.inet_ntop(socket.AF_INET6, raw[8:24]), struct.unpack("!H", raw[2:4])[0]
    raw = sock.getsockopt(socket.IPPROTO_IP, ORIGINAL_DST, 16)
    return socket.inet_ntop(socket.AF_INET, raw[4:8]), struct.unpack("!H", raw[2:4])[0]


class Handed:
    """Listens on a port of all addresses; answers each byte, until the other end closes."""

    def __init__(self, netns: Netns, port: int) -> None:
        self.taken: list[Taken] = []
        self.received = 0
        self._socks = []
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            sock = netns.socket(family, socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address, port))
            sock.listen(128)
            self._socks.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, listening: socket.socket) -> None:
        while True:
            try:
                sock, peer = listening.accept()
            except OSError:
                return
            try:
                address, port = _original(sock)
            except OSError:  # it was never for anybody else
                address, port = sock.getsockname()[:2]
            self.taken.append(Taken(peer[0], address, port))
            threading.Thread(target=self._answer, args=(sock,), daemon=True).start()

    def _answer(self, sock: socket.socket) -> None:
        with sock:
            try:
                while data := sock.recv(4096):
                    self.received += len(data)
                    sock.sendall(data)
            except OSError:
                pass

    def took(self, count: int = 1) -> list[Taken]:
        """Wait for so many connections in all, and forget them."""
        wait_until(lambda: len(self.taken) >= count, f"{count} connections", timeout=5, pause=0.002)
        taken, self.taken = self.taken, []
        return taken

    def close(self) -> None:
        """Stop listening."""
        for sock in self._socks:
            sock.shutdown(socket.SHUT_RDWR)
            sock.close()
