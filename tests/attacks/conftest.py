"""One stage for the run, and the table at its end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab import Lab  # noqa: E402  (found by the line above)
from lab.lab import end_on_signals  # noqa: E402
from stage import Row, Stage  # noqa: E402

_table: list[Row] = []


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Outside, host, engine, proxy, and the managed plugin."""
    end_on_signals()
    with Lab() as made:
        made.plugin.install()
        yield made


@pytest.fixture(scope="session")
def stage(lab: Lab) -> Iterator[Stage]:
    """Everybody whom the attacks are about."""
    made = Stage(lab)
    yield made
    made.remove()


@pytest.fixture
def enter() -> Callable[[Row], None]:
    """Put a row into the table, and fail if anything was seen."""

    def put(row: Row) -> None:
        _table.append(row)
        shown = "\n  ".join(row.count.seen[:20])
        assert not row.count.seen, f"{len(row.count.seen)} were seen, the first:\n  {shown}"
        assert row.count.attempts > 0

    return put


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    if not _table:
        return
    write = terminalreporter.write_line
    terminalreporter.section("attacks")
    write(f"{'':3} {'class':54} {'as':10} {'attempts':>8} {'answered':>8} {'seen':>6}")
    for row in sorted(_table, key=lambda each: each.number):
        count = row.count
        write(
            f"{row.number:3} {row.name:54} {row.mode:10} {count.attempts:8}"
            f" {count.answered:8} {len(count.seen):6}"
        )
    attempts = sum(row.count.attempts for row in _table)
    write(f"{attempts} attempts, {sum(len(row.count.seen) for row in _table)} packets seen")
