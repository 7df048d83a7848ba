"""One lab for the whole run; tests share what they don't change."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab import Lab, Network, Plugin, Scene  # noqa: E402  (found by the line above)
from lab.lab import end_on_signals  # noqa: E402


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Outside, host, engine, proxy."""
    end_on_signals()
    with Lab() as made:
        yield made


@pytest.fixture(scope="session")
def plugin(lab: Lab) -> Plugin:
    """The managed plugin, installed as users install it."""
    lab.plugin.install()
    return lab.plugin


@pytest.fixture
def clean(lab: Lab, plugin: Plugin) -> Iterator[Lab]:
    """The lab with the plugin; the test's containers and networks are removed after it."""
    lab.engine.mend()
    plugin.mend()
    kept = lab.engine.things()
    yield lab
    lab.engine.mend()
    lab.engine.remove_but(kept)


@pytest.fixture
def create(clean: Lab) -> Callable[..., Network]:
    """Create a netenforce network with these options; it goes with the test."""
    numbers = itertools.count(1)

    def make(*options: str) -> Network:
        return clean.engine.network(f"net{next(numbers)}", *options)

    return make


@pytest.fixture
def scene(clean: Lab, create: Callable[..., Network]) -> Scene:
    """A network with one container, for this test alone."""
    network = create()
    return Scene(clean, network)


@pytest.fixture(scope="module")
def shared(lab: Lab, plugin: Plugin) -> Iterator[Scene]:
    """A network with one container for all tests of a file, which must not change it."""
    network = lab.engine.network("shared")
    container = lab.engine.start("--network", network.name)
    made = Scene(lab, network, container)
    yield made
    made.remove()
