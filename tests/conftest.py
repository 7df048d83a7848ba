"""Which tests get a second look where one is asked for (SECOND_LOOK=1, as in CI).

A test of what is told (events, counts, names, commands) may meet a machine that was slow for a
moment, or a container's kernel that said something unasked: it is tried once more, and its first
failure is printed all the same. The files that try the fence itself are not among these: a packet
that got around once is one too many.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

WHAT_IS_TOLD = {
    "net": "audit audit_counts completion disk doctor dns events limits load monitoring others "
    "policy_file resolver retire seccomp state suggest together verify",
    "engine": "approve bookkeeping churn compose dns examples lab limits log multihomed names "
    "options plugin policy proxy sight",
    "packages": "packages",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them, for pytest-rerunfailures."""
    if not os.environ.get("SECOND_LOOK"):
        return
    files = {
        (suite, f"test_{name}.py") for suite, names in WHAT_IS_TOLD.items() for name in names.split()
    }
    for item in items:
        place = Path(item.path)
        if (place.parent.name, place.name) in files:
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how each of them failed at first."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"tried again: {report.nodeid}")
        terminalreporter.write_line(report.longreprtext)
