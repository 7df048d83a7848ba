"""The frame of the benches: samples to medians with their spread, ratios, JSON, tables, plots.

A bench is a script that gets the folder for its results. It measures in rounds, its own subject and
its peers in turn, so that whatever else the machine does hits all of them. BENCH_ROUNDS says how
many rounds, instead of the bench's usual number.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


def rounds(usual: int) -> int:
    """How many rounds to measure."""
    return int(os.environ.get("BENCH_ROUNDS", usual))


@dataclass(frozen=True)
class Spread:
    """A median between its quartiles."""

    median: float
    low: float
    high: float
    samples: int

    def __str__(self) -> str:
        return f"{figure(self.median)} ({figure(self.low)} to {figure(self.high)})"


def figure(value: float) -> str:
    """Three digits that count, not more than two behind the point."""
    digits = 2 if value == 0 else max(0, min(2, 2 - math.floor(math.log10(abs(value)))))
    return f"{value:.{digits}f}"


def spread(samples: Sequence[float]) -> Spread:
    """What a row of samples comes to."""
    return Spread(
        statistics.median(samples), quantile(samples, 0.25), quantile(samples, 0.75), len(samples)
    )


def quantile(samples: Sequence[float], part: float) -> float:
    """The sample below which `part` of them lies."""
    return sorted(samples)[min(len(samples) - 1, int(len(samples) * part))]


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Each round's own ratio, so that what slowed down a round slowed down both."""
    return spread([one / other for one, other in zip(ours, theirs, strict=True)])


def quoted(text: str) -> str:
    """A string of gnuplot's."""
    return "'" + text.replace("'", "''") + "'"


Points = Sequence[tuple[float, Spread]]


@dataclass(frozen=True)
class Axes:
    """What a plot shows."""

    title: str
    x: str
    y: str
    log: str = ""  # "x", "y", "xy"


class Report:
    """The results of one bench, in files called after it."""

    def __init__(self, name: str) -> None:
        self._folder, self._name = Path(sys.argv[1]), name
        self._folder.mkdir(parents=True, exist_ok=True)
        self._text: list[str] = []

    def say(self, line: str) -> None:
        """A sentence between the tables."""
        self._text += [line, ""]

    def table(self, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A table for people."""
        lines = [head, ["---"] * len(head), *rows]
        self._text += [f"| {' | '.join(map(str, line))} |" for line in lines]
        self._text.append("")

    def lines(self, name: str, axes: Axes, series: Mapping[str, Points]) -> None:
        """A plot of something that grows; on an axis of powers there is no place for nothing."""
        if "y" in axes.log:
            series = {k: points for k, points in series.items() if any(s.median > 0 for _, s in points)}
        if not series:
            return
        ticks = sorted({x for points in series.values() for x, _ in points})
        blocks = {label: [(x, s, "") for x, s in points] for label, points in series.items()}
        log = f"set logscale {axes.log}" if axes.log else ""
        xtics = ", ".join(f'"{x:g}" {x}' for x in ticks)
        plots = [
            f"$d{i} using 1:2:3:4 with yerrorlines title {quoted(label)}"
            for i, label in enumerate(series)
        ]
        self._plot(name, axes, [log, f"set xtics ({xtics})"], blocks, plots)

    def bars(
        self, name: str, axes: Axes, groups: Sequence[str], series: Mapping[str, Sequence[Spread]]
    ) -> None:
        """A plot of things beside each other: a group of bars for each of `groups`."""
        blocks = {
            label: [(i, s, group) for i, (group, s) in enumerate(zip(groups, row, strict=True))]
            for label, row in series.items()
        }
        style = [
            "set style data histograms",
            "set style histogram errorbars gap 1 lw 1",
            "set style fill solid 0.6",
            "set xtics rotate by -20",
            "set rmargin 12",
        ]
        plots = [
            f"$d{i} using 2:3:4:xtic(5) title {quoted(label)}" for i, label in enumerate(series)
        ]
        self._plot(name, axes, style, blocks, plots)

    def _plot(
        self,
        name: str,
        axes: Axes,
        settings: Sequence[str],
        blocks: Mapping[str, Sequence[tuple[float, Spread, str]]],
        plots: Sequence[str],
    ) -> None:
        path = self._folder / f"{self._name}_{name}.png"
        script = [
            "set encoding utf8",
            "set terminal pngcairo noenhanced size 900,560 font 'sans,11' linewidth 1.5",
            f"set output {quoted(str(path))}",
            f"set title {quoted(axes.title)}",
            f"set xlabel {quoted(axes.x)}",
            f"set ylabel {quoted(axes.y)}",
            "set grid ytics",
            "set key outside below",
            "set xrange [:] noextend" if "x" in axes.log else "set offsets 0.05, 0.05, 0, 0",
            "set yrange [*:*]" if "y" in axes.log else "set yrange [0:*]",
            *settings,
        ]
        for i, block in enumerate(blocks.values()):
            script.append(f"$d{i} << END")
            script += [f'{x} {s.median} {s.low} {s.high} "{label}"' for x, s, label in block]
            script.append("END")
        script.append("plot " + ", ".join(plots))
        subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, check=True)

    def write(self, data: Mapping[str, Any]) -> None:
        """The files, and the text to standard output."""
        machine = {"kernel": os.uname().release, "processors": os.cpu_count()}
        (self._folder / f"{self._name}.json").write_text(
            json.dumps({"machine": machine, **data}, indent=2, default=asdict) + "\n"
        )
        text = "\n".join(self._text)
        (self._folder / f"{self._name}.md").write_text(text)
        print(text, end="", flush=True)
