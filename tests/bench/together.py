"""Calls that come at once: 64 on as many connections, and the same 64 one after the other.

Each answer comes after that endpoint's own rules are in force, or gone; Joins and Leaves that wait
share one commit. Without an engine, at a thousand endpoints of one network (and at 64). Figures are
milliseconds for each call; the ratio is how many times the rate of one by one.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from figures import Report, ratio, rounds, spread  # noqa: E402
from peers import FIRST, LENGTH, Fenced, endpoint_body, ids_body, join_body  # noqa: E402

AT_ONCE = 64
SIZES = (AT_ONCE, 1000)
ROUNDS = 10
CALLS = ("CreateEndpoint", "Join", "Leave", "DeleteEndpoint")
WAYS = ("one by one", "together")

Samples = dict[str, dict[str, list[float]]]  # of each call, of each way


def request_of(call: str, number: int) -> bytes:
    """What the engine sends: made beforehand, since the client is to cost as little as can be."""
    if call == "CreateEndpoint":
        body = endpoint_body(number, length=LENGTH)
    else:
        body = join_body(number) if call == "Join" else ids_body(number)
    text = json.dumps(body) + "\n"
    head = f"POST /NetworkDriver.{call} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(text)}\r\n\r\n"
    return (head + text).encode()


def receive(connection: socket.socket) -> None:
    """One answer, whole; it has to be a success. They are small: a piece holds the head."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, body = answer.split(b"\r\n\r\n", 1)
    [length] = re.findall(rb"(?i)content-length: (\d+)", head)
    while len(body) < int(length):
        body += connection.recv(65536)
    if b" 200 " not in head[:16]:
        raise RuntimeError(body.decode(errors="replace"))


class Engine:
    """As many kept connections as an engine with so many calls at once has."""

    def __init__(self, path: Path) -> None:
        self._connections = [socket.socket(socket.AF_UNIX) for _ in range(AT_ONCE)]
        for connection in self._connections:
            connection.connect(str(path))

    def run(self, way: str, call: str, numbers: range) -> float:
        """Milliseconds for each of @numbers."""
        requests = [request_of(call, number) for number in numbers]
        began = time.perf_counter()
        if way == "together":
            for connection, request in zip(self._connections, requests, strict=True):
                connection.sendall(request)
            for connection in self._connections:
                receive(connection)
        else:
            for connection, request in zip(self._connections, requests, strict=True):
                connection.sendall(request)
                receive(connection)
        return (time.perf_counter() - began) * 1000 / len(requests)


def measure(fenced: Fenced, engine: Engine, size: int) -> Samples:
    """Both ways in turn; the last of the endpoints come and go."""
    numbers = range(FIRST + size - AT_ONCE, FIRST + size)
    samples: Samples = {call: {way: [] for way in WAYS} for call in CALLS}
    for _ in range(rounds(ROUNDS)):
        for way in WAYS:
            for call in CALLS:
                samples[call][way].append(engine.run(way, call, numbers))
            fenced.settle()
    return samples


def main() -> None:
    """Measure and write."""
    report = Report("together")
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        fenced = Fenced(Path(folder), 0)
        engine = Engine(fenced.daemon.plugin)
        for size in SIZES:
            fenced.grow(size - AT_ONCE)
            results[size] = measure(fenced, engine, size)
        fenced.daemon.close()
    rows = []
    for size, samples in results.items():
        for call, ways in samples.items():
            one, all_ = ways["one by one"], ways["together"]
            rows.append([size, call, spread(one), spread(all_), ratio(one, all_)])
    report.table(["endpoints", "call", "one by one, ms", f"{AT_ONCE} at once, ms", "times"], rows)
    report.write(
        {
            "unit": "ms for each call",
            "endpoints": {
                size: {
                    call: {
                        **{way: spread(values) for way, values in ways.items()},
                        "times": ratio(ways["one by one"], ways["together"]),
                    }
                    for call, ways in samples.items()
                }
                for size, samples in results.items()
            },
        }
    )


if __name__ == "__main__":
    main()
