"""What the fault tests tried is told at the end of a run."""

from __future__ import annotations

import pytest

FAULTS = "fault points"  # a property that a test records: at how many calls it made one fail


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
