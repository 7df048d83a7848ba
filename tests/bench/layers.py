"""What each layer of the fence costs a packet, by elimination.

Round trips from a container to the proxy's port: all layers there, then one after the other taken
away.

Each step is a host of its own with its own daemon, which is stopped (SIGSTOP), so that it mends
nothing; rounds go over all hosts in turn. All on one processor, so that a round trip is nothing but
processor time. The last steps are floors: a bridge and pairs, with the legacy tables loaded and
empty, with connection tracking (which any host with Docker's own NAT has), and with nothing.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from figures import Axes, Report, quantile, ratio, rounds, spread  # noqa: E402
from peers import Daemon, Fenced, Floor, Netns, Side, Walk, track  # noqa: E402

ENDPOINTS, ROUNDS, TRIPS = 100, 30, 4000


def flush(table: str) -> Callable[[Netns, str], None]:
    """Empty a legacy table."""

    def take(host: Netns, _: str) -> None:
        host.run("iptables-legacy", "-t", table, "-F")

    return take


def delete_table(table: str) -> Callable[[Netns, str], None]:
    """Delete a table of nf_tables."""

    def take(host: Netns, _: str) -> None:
        host.run("nft", "delete", "table", "inet", table)

    return take


def unguard(host: Netns, port: str) -> None:
    """Take the guard's classifiers away."""
    host.run("tc", "qdisc", "del", "dev", port, "clsact")


def unflag(host: Netns, port: str) -> None:
    """Make the port as a bridge makes one."""
    flags = "isolated off locked off learning on flood on mcast_flood on bcast_flood on guard off"
    host.run("bridge", "link", "set", "dev", port, *flags.split())


LAYERS: dict[str, Callable[[Netns, str], None]] = {
    "the meter (nf_tables)": delete_table("netenforce_meter"),
    "the backstop (nf_tables)": delete_table("netenforce"),
    "the gates in table security": flush("security"),
    "the gates in table filter": flush("filter"),
    "the judge in table raw": flush("raw"),
    "the guard on the port": unguard,
    "the port flags": unflag,
}


class Stage:
    """All hosts, from the whole fence down."""

    def __init__(self, folder: Path) -> None:
        self.sides: dict[str, Side] = {}
        self.daemons: list[Daemon] = []
        for step, name in enumerate(["everything", *(f"less {layer}" for layer in LAYERS)]):
            self.sides[name] = self._fenced(folder / str(step), step)
        self.sides["floor, empty legacy tables"] = self._floor(folder, self._load_tables)
        self.sides["floor, connection tracking"] = self._floor(folder, track)
        self.sides["floor"] = self._floor(folder, lambda _: None)

    def _fenced(self, folder: Path, without: int) -> Side:
        fenced = Fenced(folder, ENDPOINTS)
        number, _ = Walk(fenced.host).worst(fenced.numbers)
        self.daemons.append(fenced.daemon)
        side = Side(fenced.host, fenced.member(number), folder)
        os.kill(fenced.daemon.pid, signal.SIGSTOP)
        for take in list(LAYERS.values())[:without]:
            take(fenced.host, f"nv-{number:012x}")
        return side

    @staticmethod
    def _floor(folder: Path, prepare: Callable[[Netns], None]) -> Side:
        floor = Floor(ENDPOINTS)
        prepare(floor.host)
        return Side(floor.host, floor.member(2), folder)

    @staticmethod
    def _load_tables(host: Netns) -> None:
        for table in ("raw", "filter", "security"):
            host.run("iptables-legacy", "-t", table, "-S")


def main() -> None:
    """Measure and write."""
    report = Report("layers")
    with tempfile.TemporaryDirectory() as name:
        stage = Stage(Path(name))
        samples: dict[str, list[float]] = {name: [] for name in stage.sides}
        for _ in range(rounds(ROUNDS)):
            for step, side in stage.sides.items():
                trips = side.echoes(TRIPS)
                samples[step].append(quantile(trips, 0.5))
        for side in stage.sides.values():
            side.close()
        for daemon in stage.daemons:
            daemon.close()
    floor = samples["floor"]
    rows: list[list[object]] = []
    before = samples["everything"]
    for step, values in samples.items():
        less = [one - other for one, other in zip(before, values, strict=True)]
        share = spread(less) if step.startswith("less") else ""
        rows.append([step, spread(values), ratio(values, floor), share])
        before = values
    report.table(["", "round trip p50, µs", "to the floor", "µs less than the step before"], rows)
    report.bars(
        "round_trip",
        Axes("What each layer costs", "", "round trip p50, µs"),
        list(samples),
        {"on one processor": [spread(values) for values in samples.values()]},
    )
    report.write({"round_trip_p50_us": {step: spread(v) for step, v in samples.items()}})


if __name__ == "__main__":
    main()
