"""What a packet pays: round trip and throughput from a container to the proxy's port.

At 1, 100 and 1,000 endpoints of one network; the container that is measured is the one whose
packets meet most rules. In the same rounds:

    floor    a bridge with as many veth ports (one queue each, no port flags), no rule, no daemon
    seed     the floor's bridge with the founding document's four iptables rules for each container,
             in a list that INPUT and FORWARD lead to; the container whose rules come last

Round trips are of one byte on an open connection: both ends on one processor, where each
nanosecond of the path counts in full, and on two, where they wait for each other's wake-up as
well. Throughput is of one processor. BENCH_IPV6=1 measures by IPv6 (the seed has none).
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from figures import Axes, Report, Spread, quantile, ratio, rounds, spread  # noqa: E402
from peers import FIRST, Fenced, Floor, Side, Walk, seed_fill  # noqa: E402

SIZES = (1, 100, 1000)
ROUNDS, TRIPS, STREAM_MS = 20, 4000, 200
CONNECTIONS = (1, 64)
IPV6 = os.environ.get("BENCH_IPV6") == "1"
FAR = 1 if (os.cpu_count() or 1) > 1 else 0  # another processor than the server's

Samples = dict[str, list[float]]  # by what is measured: a figure for each round
TRIP, STREAM = "round trip p50, one processor", "throughput, 1 connection"
UNITS = {
    TRIP: "µs",
    "round trip p99, one processor": "µs",
    "round trip p50, two processors": "µs",
    "round trip p99, two processors": "µs",
    **{f"throughput, {n} connection{'s' * (n > 1)}": "MB/s" for n in CONNECTIONS},
}


def measure(side: Side) -> dict[str, float]:
    """One round."""
    found = []
    for processor in (0, FAR):
        trips = side.echoes(TRIPS, processor)
        found += [quantile(trips, 0.5), quantile(trips, 0.99)]
    found += [side.stream(count, STREAM_MS) for count in CONNECTIONS]
    return dict(zip(UNITS, found, strict=True))


class Hosts:
    """All that is compared, with so many containers each."""

    def __init__(self, folder: Path, count: int) -> None:
        self.fenced = Fenced(folder, count, IPV6)
        worst, self.met = Walk(self.fenced.host, IPV6).worst(self.fenced.numbers)
        floor = Floor(count, IPV6)
        self.sides = {
            "netenforce": Side(self.fenced.host, self.fenced.member(worst), folder, IPV6),
            "floor": Side(floor.host, floor.member(worst), folder, IPV6),
        }
        if not IPV6:
            seed = Floor(count)
            seed_fill(seed.host, self.fenced.numbers)
            self.sides["seed"] = Side(seed.host, seed.member(FIRST), folder)

    def close(self) -> None:
        """Give all of it back."""
        for side in self.sides.values():
            side.close()
        self.fenced.daemon.close()


def measure_size(folder: Path, count: int) -> tuple[int, dict[str, Samples]]:
    """How many rules the worst place meets in table raw, and all sides' samples."""
    hosts = Hosts(folder, count)
    samples: dict[str, Samples] = {name: {what: [] for what in UNITS} for name in hosts.sides}
    for _ in range(rounds(ROUNDS)):
        for name, side in hosts.sides.items():
            for what, value in measure(side).items():
                samples[name][what].append(value)
    hosts.close()
    return hosts.met, samples


def write(report: Report, results: dict[int, tuple[int, dict[str, Samples]]]) -> None:
    """Tables and plots."""
    rows: list[Sequence[object]] = []
    ratios: dict[str, dict[str, list[tuple[float, Spread]]]] = {what: {} for what in UNITS}
    for count, (met, samples) in results.items():
        floor = samples["floor"]
        for what, unit in UNITS.items():
            rows.append([count, met, f"{what}, {unit}", spread(floor[what])])
            for name, own in samples.items():
                if name != "floor":
                    times = ratio(own[what], floor[what])
                    rows[-1] = [*rows[-1], spread(own[what]), times]
                    ratios[what].setdefault(name, []).append((count, times))
    heads = [f"{name}{end}" for name in samples if name != "floor" for end in ("", " to the floor")]
    report.table(["endpoints", "rules met in raw", "", "floor", *heads], rows)
    for name, what in (("round_trip", TRIP), ("throughput", STREAM)):
        report.lines(
            name,
            Axes(f"Packets: {what}", "endpoints of the network", "ratio to no rules at all", "x"),
            ratios[what],
        )
    report.write(
        {
            "units": UNITS,
            "endpoints": {
                count: {
                    "rules_met_in_raw": met,
                    **{
                        name: {what: spread(values) for what, values in own.items()}
                        for name, own in samples.items()
                    },
                    "to_the_floor": {
                        name: {what: ratio(own[what], samples["floor"][what]) for what in UNITS}
                        for name, own in samples.items()
                        if name != "floor"
                    },
                }
                for count, (met, samples) in results.items()
            },
        }
    )


def main() -> None:
    """Measure and write."""
    with tempfile.TemporaryDirectory() as folder:
        results = {count: measure_size(Path(folder, str(count)), count) for count in SIZES}
    write(Report("packets6" if IPV6 else "packets"), results)


if __name__ == "__main__":
    main()
