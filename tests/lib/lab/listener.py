"""A TCP server that counts who got through to it."""

from __future__ import annotations

import socket
import threading

from .netns import Netns


class Listener:
    """A TCP server on one port of all addresses, both families; it counts who came through."""

    def __init__(self, netns: Netns, port: int) -> None:
        self.came: list[str] = []
        self._sock = netns.socket(socket.AF_INET6, socket.SOCK_STREAM)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self._sock.bind(("::", port))
        self._sock.listen(4096)  # more than come while this process does something else
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                accepted, peer = self._sock.accept()
            except OSError:
                return
            self.came.append(peer[0].removeprefix("::ffff:"))
            accepted.close()

    def close(self) -> None:
        """Stop listening."""
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
