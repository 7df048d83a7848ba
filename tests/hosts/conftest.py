"""A lab host with a habit: each test makes its own lab, since it changes what the whole host is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab import Lab, Scene  # noqa: E402  (found by the line above)
from lab import borrowed  # noqa: E402
from lab.lab import REPOSITORY, end_on_signals  # noqa: E402


CACHE = REPOSITORY / "build/cache/borrowed"


@pytest.fixture
def bare() -> Iterator[Lab]:
    """A lab without the plugin."""
    end_on_signals()
    with Lab() as made:
        yield made


@pytest.fixture
def lab(bare: Lab) -> Lab:
    """A lab whose host has ufw and firewalld, both inactive."""
    borrowed.lay_firewalls_over(bare.host, CACHE)
    return bare


@pytest.fixture
def scene(lab: Lab) -> Scene:
    """A network with one container."""
    lab.plugin.install()
    return Scene(lab, lab.engine.network("sandbox"))
