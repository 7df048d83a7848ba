"""Suites on engines and backends: runs each cell, and prints the matrix. `make check-engines`.

MATRIX_ENGINES (own 26 28), MATRIX_BACKENDS (iptables nftables) and MATRIX_SUITES (engine attacks net
hosts swarm upgrade) choose less than all; the last four are run with the machine's own engine alone.
Cells run one after another, or MATRIX_JOBS at once, each with a lab of its own; what it printed lies
in FOLDER/ENGINE-BACKEND-SUITE.log beside the .xml that is counted here, and the matrix in
FOLDER/matrix.txt. The status is 1 if a cell is red.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS / "lib"))

from lab.engine import DOCKERD  # noqa: E402  (found by the line above)
from lab.engine_root import SUITES as ROOTS  # noqa: E402
from lab.engine_root import root_folder  # noqa: E402
from lab.lab import ENGINES  # noqa: E402
from lab.process import run  # noqa: E402

OWN = "own"  # the machine's engine
ALL = {
    "MATRIX_ENGINES": (OWN, *ROOTS),
    "MATRIX_BACKENDS": ("iptables", "nftables"),
    "MATRIX_SUITES": ("engine", "attacks", "net", "hosts", "swarm", "upgrade"),
}
EACH_ENGINE = ("engine", "attacks")  # the others are of the machine's engine, or of none


def chosen(variable: str) -> list[str]:
    """What it asks for; all that there is, if it is not set."""
    known = ALL[variable]
    words = os.environ.get(variable, "").split() or list(known)
    for word in words:
        if word not in known:
            sys.exit(f"{variable}: {word} is none of {', '.join(known)}")
    return words


def release(engine: str) -> str:
    """The engine's: "28.5.2". Its root is made if it isn't there."""
    place = [] if engine == OWN else ["chroot", str(root_folder(engine, ENGINES))]
    return run(*place, DOCKERD, "--version").out.split()[2].partition("+")[0]


@dataclass(frozen=True)
class Cell:
    """A suite on an engine and a backend, and how it ended."""

    status: int
    counts: Counter[str]
    skipped: Counter[str]  # reasons
    seconds: float

    @property
    def red(self) -> bool:
        """Whether it failed, or nothing of it was run."""
        return self.status != 0 or self.counts["passed"] == 0

    def __str__(self) -> str:
        parts = [
            f"{self.counts[word]} {word}"
            for word in ("passed", "failed", "skipped")
            if self.counts[word] or word == "passed"
        ]
        return f"{'RED: ' if self.red else ''}{', '.join(parts)} ({self.seconds / 60:.0f} min)"


def count(report: Path) -> tuple[Counter[str], Counter[str]]:
    """Of a JUnit report: how the cases ended, and why some were skipped."""
    counts: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    if not report.exists():  # pytest did not come so far
        return counts, skipped
    for case in ET.parse(report).iter("testcase"):
        why = case.find("skipped")
        if why is not None:
            counts["skipped"] += 1
            skipped[f"{case.get('name', '').partition('[')[0]}: {why.get('message', '')}"] += 1
        elif case.find("failure") is not None or case.find("error") is not None:
            counts["failed"] += 1
        else:
            counts["passed"] += 1
    return counts, skipped


def run_cell(folder: Path, engine: str, backend: str, suite: str) -> Cell:
    """Run it; its output goes to its log."""
    name = folder / f"{engine}-{backend}-{suite}"
    log, report = name.with_suffix(".log"), name.with_suffix(".xml")
    report.unlink(missing_ok=True)
    env = {**os.environ, "FIREWALL": backend, "ENGINE": "" if engine == OWN else engine}
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    began = time.monotonic()
    with log.open("w") as output:
        done = subprocess.run([*argv, TESTS / suite], env=env, stdout=output, stderr=output)
    return Cell(done.returncode, *count(report), time.monotonic() - began)


def table(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """Lines with the columns one below the other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()


def main(folder: Path) -> int:
    """Run the chosen cells, tell each as it ends, and all at the end."""
    engines, backends, suites = (chosen(variable) for variable in ALL)
    folder.mkdir(parents=True, exist_ok=True)
    releases = {engine: release(engine) for engine in engines}
    cells: dict[tuple[str, str, str], Cell] = {}
    keys = [
        (engine, backend, suite)
        for suite, engine, backend in itertools.product(suites, engines, backends)
        if suite in EACH_ENGINE or engine == OWN
    ]

    def fill(key: tuple[str, str, str]) -> None:
        engine, backend, suite = key
        cells[key] = run_cell(folder, *key)
        print(f"{releases[engine]}, {backend}, {suite}: {cells[key]}", flush=True)

    with ThreadPoolExecutor(int(os.environ.get("MATRIX_JOBS", "1"))) as pool:
        list(pool.map(fill, keys))
    rows = [["engine", "backend", *suites]]
    for engine, backend in itertools.product(engines, backends):
        ends = [str(cells.get((engine, backend, suite), "-")) for suite in suites]
        rows.append([releases[engine], backend, *ends])
    lines = ["", *table(rows)]
    reasons = sorted({(key[1], why) for key, cell in cells.items() for why in cell.skipped})
    lines += ["", *(f"skipped with {backend}: {why}" for backend, why in reasons)] if reasons else []
    print("\n".join(lines))
    (folder / "matrix.txt").write_text("\n".join(lines[1:]) + "\n")
    return int(any(cell.red for cell in cells.values()))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
