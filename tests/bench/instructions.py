"""Instructions of the driver's calls, which don't depend on the machine: callgrind's count.

Counted is what the daemon itself executes, libraries and all, from the request that is read to the
answer that is written; not the kernel. The figures are kept beside this script; `make bench-check`
compares with them, `make bench-keep` writes them anew.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from peers import FIRST, Fenced  # noqa: E402

from lab.daemon import BUILD  # noqa: E402
from lab.process import wait_until  # noqa: E402

KEPT = Path(__file__).with_name("instructions.json")
SIZES = (1, 100)
ROUNDS = 5
MARGIN = 0.05  # the libraries' own versions, the lengths of names
COUNTED = ("ne_remote_handle", "ne_remote_settle")


class Counter:
    """A network under callgrind."""

    def __init__(self, folder: Path) -> None:
        self._files = folder / "callgrind"
        self._dumps = 0
        self.fenced = Fenced(
            folder,
            0,
            program=[
                *("valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={self._files}"),
                *(f"--toggle-collect={function}" for function in COUNTED),
                str(BUILD / "tests/unconfined"),
            ],
        )

    def _control(self, what: str) -> None:
        subprocess.run(
            ["callgrind_control", what, str(self.fenced.daemon.pid)],
            check=True,
            capture_output=True,
        )

    def count(self, number: int) -> dict[str, int]:
        """Instructions of both pairs of calls, as the mean of some rounds."""
        totals = {"join": 0, "leave": 0}
        for _ in range(ROUNDS):
            for name, call in (("join", self.fenced.join), ("leave", self.fenced.leave)):
                self._control("--zero")
                call(number)
                self._control("--dump")
                totals[name] += self._total()
        return {name: total // ROUNDS for name, total in totals.items()}

    def _total(self) -> int:
        self._dumps += 1
        dump = self._files.with_name(f"{self._files.name}.{self._dumps}")
        found: list[str] = []

        def is_whole() -> bool:
            found[:] = re.findall(r"^totals: (\d+)", dump.read_text(), re.M)
            return bool(found)

        wait_until(lambda: dump.exists() and is_whole(), "callgrind to count", timeout=30)
        return int(found[0])


def measure() -> dict[str, dict[str, int]]:
    """Each number of endpoints, the measured one the last."""
    with tempfile.TemporaryDirectory() as name:
        counter = Counter(Path(name))
        found = {}
        for size in SIZES:
            counter.fenced.grow(size - 1)
            found[str(size)] = counter.count(FIRST + size - 1)
        counter.fenced.daemon.close()
        return found


def main() -> int:
    """Compare, or write anew."""
    found = measure()
    if sys.argv[1:] == ["--keep"]:
        KEPT.write_text(json.dumps(found, indent=2) + "\n")
        print(json.dumps(found))
        return 0
    kept = json.loads(KEPT.read_text())
    worse = False
    for size, calls in found.items():
        for name, count in calls.items():
            ratio = count / kept[size][name]
            worse |= ratio > 1 + MARGIN
            print(f"{size:>5} endpoints, {name:5}: {count:>9} instructions, {ratio:.3f} of kept")
            if ratio < 1 - MARGIN:
                print("      fewer by more than the margin: make bench-keep")
    if worse:
        print(f"more by over {MARGIN:.0%}: what was added, and is it worth it? then make bench-keep")
    return int(worse)


if __name__ == "__main__":
    sys.exit(main())
