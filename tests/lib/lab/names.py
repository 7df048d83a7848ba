"""A name server that notes what it is asked, and a client that asks."""

from __future__ import annotations

import socket
import struct
import threading

from .netns import Netns

TYPES = {"A": 1, "TXT": 16, "AAAA": 28, "HTTPS": 65, "ANY": 255}
RCODES = {0: "answered", 2: "servfail", 3: "nxdomain", 4: "notimp", 5: "refused"}
MISSING = "missing"  # names that end with this label are not there
SILENT = "silent"  # questions for names that end with this one are not answered
ADDRESS, ADDRESS6 = "203.0.113.7", "2001:db8::7"


def _encode(name: str) -> bytes:
    """A name on the wire; a label is written as it is, whatever its bytes."""
    labels = [label.encode("latin-1") for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _question(data: bytes) -> tuple[str, int, int]:
    """Name, type and end of the first question."""
    labels, at = [], 12
    while data[at]:
        labels.append(data[at + 1 : at + 1 + data[at]].decode("latin-1"))
        at += 1 + data[at]
    [kind] = struct.unpack_from("!H", data, at + 1)
    return ".".join(labels), kind, at + 5


def _answer(data: bytes, name: str, kind: int, end: int) -> bytes:
    """A's and AAAA's have an address, nothing else has anything."""
    there = not name.endswith(MISSING)
    value = b""
    if there and kind == TYPES["A"]:
        value = socket.inet_pton(socket.AF_INET, ADDRESS)
    elif there and kind == TYPES["AAAA"]:
        value = socket.inet_pton(socket.AF_INET6, ADDRESS6)
    record = struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(value)) + value if value else b""
    header = data[:2] + struct.pack("!HHHHH", 0x8180 | (0 if there else 3), 1, bool(value), 0, 0)
    return header + data[12:end] + record


class NameServer:
    """Answers by UDP and TCP on port 53 of an address, or of all; `names` is what was asked for."""

    def __init__(self, netns: Netns, address: str = "", tcp: bool = True) -> None:
        self.names: list[str] = []
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._udp = netns.socket(family, socket.SOCK_DGRAM)
        self._tcp = netns.socket(family, socket.SOCK_STREAM)
        for sock in (self._udp, self._tcp) if tcp else (self._udp,):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address, 53))
        threading.Thread(target=self._serve_udp, daemon=True).start()
        if tcp:
            self._tcp.listen(16)
            threading.Thread(target=self._serve_tcp, daemon=True).start()

    def _take(self, data: bytes) -> bytes | None:
        name, kind, end = _question(data)
        self.names.append(name.lower())
        return None if name.endswith(SILENT) else _answer(data, name, kind, end)

    def _serve_udp(self) -> None:
        while True:
            try:
                data, peer = self._udp.recvfrom(4096)
            except OSError:
                return
            answer = self._take(data) if len(data) > 12 else None
            if answer is not None:
                self._udp.sendto(answer, peer)

    def _serve_tcp(self) -> None:
        while True:
            try:
                stream, _ = self._tcp.accept()
            except OSError:
                return
            with stream:
                stream.settimeout(5)
                data = stream.recv(4096)
                answer = self._take(data[2:]) if len(data) > 14 else None
                if answer is not None:
                    stream.sendall(struct.pack("!H", len(answer)) + answer)

    def close(self) -> None:
        """Stop listening."""
        for sock in (self._udp, self._tcp):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()


def ask(
    netns: Netns, server: str, name: str, kind: str = "A", tcp: bool = False, timeout: float = 2
) -> str:
    """Ask once. "answered", "nxdomain" ... if there was an answer, "closed" if the port is,
    "silent" if there was none in time."""
    query = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + _encode(name)
    query += struct.pack("!HH", TYPES[kind], 1)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    sock = netns.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
    sock.settimeout(timeout)
    try:
        sock.connect((server, 53))
        sock.send(struct.pack("!H", len(query)) + query if tcp else query)
        answer = sock.recv(4096)[2 if tcp else 0 :]
        return RCODES[answer[3] & 15] if len(answer) > 3 else "cut"
    except TimeoutError:
        return "silent"
    except OSError:
        return "closed"
    finally:
        sock.close()
