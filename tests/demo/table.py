"""Output of the demo: calm, in columns, in colour only on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

GREEN, RED, BOLD = "32", "31", "1"


def _colour(text: str, code: str) -> str:
    wanted = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return f"\x1b[{code}m{text}\x1b[0m" if wanted else text


def say(text: str = "") -> None:
    """A line."""
    print(text, flush=True)


def heading(text: str) -> None:
    """A line that begins a section."""
    say()
    say(_colour(text, BOLD))


def rows(lines: Sequence[tuple[bool, Sequence[str]]]) -> None:
    """Lines with columns, each marked by whether it holds."""
    widths = [max(map(len, column)) for column in zip(*(cells for _, cells in lines), strict=True)]
    for held, cells in lines:
        mark = _colour("ok  ", GREEN) if held else _colour("FAIL", RED)
        text = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        say(f"  {mark}  {text.rstrip()}")


def verdict(held: bool) -> None:
    """The last line."""
    say()
    if held:
        say(_colour("All of it holds.", GREEN))
    else:
        say(_colour("Not all of it holds: see FAIL above.", RED))
