"""A daemon with one network. What the fault tests tried is told at the end of a run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import Daemon, network_body  # noqa: E402

FAULTS = "fault points"  # a property that a test records: at how many calls it made one fail


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon with one network; some files have another."""
    made = Daemon(tmp_path).start()
    made.call("CreateNetwork", network_body())
    yield made
    made.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many calls were made to fail, or to kill, of each operation."""
    rows = [
        (report.nodeid.rpartition("::")[2], int(value))
        for report in terminalreporter.stats.get("passed", [])
        for name, value in report.user_properties
        if name == FAULTS and report.when == "call"
    ]
    if not rows:
        return
    terminalreporter.section(FAULTS)
    for test, count in rows:
        terminalreporter.write_line(f"{count:6}  {test}")
    terminalreporter.write_line(f"{sum(count for _, count in rows):6}  in all, none left a trace")
