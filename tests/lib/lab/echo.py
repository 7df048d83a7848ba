"""An echo request, and whether it is answered."""

from __future__ import annotations

import socket

from .netns import Netns


def echoes(netns: Netns, address: str, patience: float) -> bool:
    """Whether an echo request from there is answered: by type 0 (RFC 792), or 129 (RFC 4443)."""
    six = ":" in address
    family, proto = (socket.AF_INET6, 58) if six else (socket.AF_INET, 1)
    request = bytes([128, 0, 0, 0, 0, 7, 0, 0]) if six else bytes([8, 0, 0xF7, 0xF8, 0, 7, 0, 0])
    with netns.socket(family, socket.SOCK_RAW, proto) as sock:
        sock.settimeout(patience)
        sock.sendto(request, (address, 0))
        try:
            while True:
                answer, peer = sock.recvfrom(1000)
                if peer[0] == address and answer[0 if six else 20] == (129 if six else 0):
                    return True
        except TimeoutError:
            return False
