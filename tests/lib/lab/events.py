"""Events as the control API hands them out: what there was, and a follower that reads on."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

Event = dict[str, Any]


class Follower:
    """A reader of GET /v1/events?follow=1 that takes what it is given when it is asked to."""

    def __init__(self, control: Path, buffer: int = 0, **query: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        if buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.sock.settimeout(20)
        self.sock.connect(str(control))
        path = "/v1/events?" + urlencode({"follow": "1", **query})
        self.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        self._raw = b""
        while b"\r\n\r\n" not in self._raw:
            self._raw += self._receive()
        head, _, self._raw = self._raw.partition(b"\r\n\r\n")
        self.status = int(head.split()[1])
        self._text = b""
        self.events: list[Event] = []
        self.ended = False

    def _receive(self) -> bytes:
        piece = self.sock.recv(1 << 16)
        if not piece:
            raise ConnectionError("the stream was cut")
        return piece

    def _decode(self) -> None:
        """Chunks into lines, lines into events."""
        while True:
            size, newline, rest = self._raw.partition(b"\r\n")
            if not newline:
                break
            length = int(size, 16)
            if len(rest) < length + 2:
                break
            self._text += rest[:length]
            self._raw = rest[length + 2 :]
            if length == 0:
                self.ended = True
                break
        *lines, self._text = self._text.split(b"\n")
        self.events += [json.loads(line) for line in lines]

    def until(self, enough: Callable[[list[Event]], object], timeout: float = 20) -> list[Event]:
        """Read until that is true of all events so far."""
        deadline = time.monotonic() + timeout
        self._decode()
        while not enough(self.events):
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"waited in vain; so far: {self.events[-20:]}")
            if select.select([self.sock], [], [], left)[0]:
                self._raw += self._receive()
                self._decode()
        return self.events

    def now(self) -> list[Event]:
        """What is there, without waiting."""
        while select.select([self.sock], [], [], 0)[0]:
            self._raw += self._receive()
        self._decode()
        return self.events

    def close(self) -> None:
        """Go away."""
        self.sock.close()


def packets(events: list[Event]) -> list[Event]:
    """Those that are about one packet. The others tell of several that were not logged one by one,
    such as a container's own kernel sends unasked, at a time of its own (MLD, router solicitations).
    """
    return [event for event in events if "dst" in event]


def history(control: Path, **query: str) -> list[Event]:
    """GET /v1/events, whole."""
    reader = Follower(control, **{"follow": "0", **query})
    try:
        reader.until(lambda _: reader.ended)
        return reader.events
    finally:
        reader.close()


def metrics(control: Path) -> dict[str, float]:
    """GET /metrics: each sample by its name and labels, as they are written."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(control))
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        raw = b""
        while piece := sock.recv(1 << 16):
            raw += piece
    head, _, body = raw.decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200") and "text/plain; version=0.0.4" in head, head
    lines = [line for line in body.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}
