"""The driver's own time: CreateEndpoint + Join and Leave + DeleteEndpoint over the socket.

Measured at 1, 100 and 1,000 endpoints of one network, without an engine, in a namespace of its own.
The peer is what the founding document does by hand: four iptables processes to put a container's
rules in, four to take them out, timed in the same run with as many containers' rules in the table.
A Leave is measured once more while a neighbour's packets are refused: the daemon then reads the
counter of who leaves.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from figures import Axes, Report, Spread, ratio, rounds, spread  # noqa: E402
from peers import CLOSED, FIRST, GATEWAY, Fenced, Netns, seed_fill, seed_rules  # noqa: E402

SIZES = (1, 100, 1000)
ROUNDS = 20
PAIRS = {  # what the driver does, and what stands for it by hand
    "CreateEndpoint + Join": "four iptables in",
    "Leave + DeleteEndpoint": "four iptables out",
}
QUIET, REFUSED = "Leave + DeleteEndpoint", "Leave + DeleteEndpoint, a neighbour refused"

Samples = dict[str, list[float]]


def by_hand(host: Netns, number: int, how: str) -> None:
    """The four rules, one iptables process each."""
    for rule in seed_rules(number):
        host.run("iptables-legacy", how, "DOCKER-USER", *rule)


def timed(function: Callable[[], None]) -> float:
    """Milliseconds of one call."""
    started = time.perf_counter()
    function()
    return (time.perf_counter() - started) * 1000


def measure(fenced: Fenced, seed: Netns, size: int) -> Samples:
    """Both, turn by turn, with `size` - 1 others there."""
    number = FIRST + size - 1
    steps = {
        "CreateEndpoint + Join": lambda: fenced.join(number),
        "Leave + DeleteEndpoint": lambda: fenced.leave(number),
        "four iptables in": lambda: by_hand(seed, number, "-I"),
        "four iptables out": lambda: by_hand(seed, number, "-D"),
    }
    samples: Samples = {name: [] for name in steps}
    for _ in range(rounds(ROUNDS)):
        for name, step in steps.items():
            samples[name].append(timed(step))
    return samples


def measure_beside(fenced: Fenced, neighbour: Netns, size: int) -> list[float]:
    """Leaves, each just behind a refused packet of a neighbour's."""
    number = FIRST + size
    samples = []
    for _ in range(rounds(ROUNDS)):
        fenced.join(number)
        neighbour.run("bash", "-c", f"echo >/dev/udp/{GATEWAY}/{CLOSED}")
        samples.append(timed(lambda: fenced.leave(number)))
    return samples


def write(report: Report, results: dict[int, Samples]) -> None:
    """A table, a plot."""
    rows = []
    series: dict[str, list[tuple[float, Spread]]] = {}
    for size, samples in results.items():
        row: list[object] = [size]
        for ours, theirs in PAIRS.items():
            times = ratio(samples[ours], samples[theirs])
            row += [spread(samples[ours]), spread(samples[theirs]), times]
            for name in (ours, theirs):
                series.setdefault(name, []).append((size, spread(samples[name])))
        row += [spread(samples[REFUSED]), ratio(samples[REFUSED], samples[QUIET])]
        series.setdefault(REFUSED, []).append((size, spread(samples[REFUSED])))
        rows.append(row)
    heads = []
    for ours, theirs in PAIRS.items():
        heads += [f"{ours}, ms", f"{theirs}, ms", "ratio"]
    heads += [f"{REFUSED}, ms", "to quiet"]
    report.table(["endpoints", *heads], rows)
    report.lines(
        "times",
        Axes("The driver's own time", "endpoints of the network", "ms", "xy"),
        series,
    )
    report.write(
        {
            "unit": "ms",
            "endpoints": {
                size: {
                    **{name: spread(values) for name, values in samples.items()},
                    "ratio": {one: ratio(samples[one], samples[by]) for one, by in PAIRS.items()},
                }
                for size, samples in results.items()
            },
        }
    )


def main() -> None:
    """Measure and write."""
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        fenced, seed, neighbour = Fenced(Path(folder), 0), Netns.new(), None
        for size in SIZES:
            fenced.grow(size - 1)
            seed_fill(seed, range(FIRST, FIRST + size - 1))
            results[size] = measure(fenced, seed, size)
            fenced.grow(size)
            neighbour = neighbour or fenced.member(FIRST)
            results[size][REFUSED] = measure_beside(fenced, neighbour, size)
        neighbour.close()
        fenced.daemon.close()
        seed.close()
    write(Report("driver_calls"), results)


if __name__ == "__main__":
    main()
