"""One swarm for the whole run, the plugin on every node, and a network that all tests use."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.lab import end_on_signals  # noqa: E402  (found by the line above)
from lab.swarm import Swarm  # noqa: E402

NETWORK = "sandbox"


@pytest.fixture(scope="session")
def swarm() -> Iterator[Swarm]:
    """Three nodes with the plugin."""
    end_on_signals()
    with Swarm() as made:
        made.install()
        yield made


@pytest.fixture
def network(swarm: Swarm) -> Iterator[str]:
    """A swarm-scoped network, made of a configuration on each node; it goes with the test."""
    swarm.create_network(NETWORK)
    yield NETWORK
    swarm.remove_all()
