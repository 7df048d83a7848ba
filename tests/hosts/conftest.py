"""A lab host with a habit: each test makes its own lab, since it changes what the whole host is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab import Lab, Scene  # noqa: E402  (found by the line above)
from lab import borrowed  # noqa: E402
from lab.lab import REPOSITORY, end_on_signals  # noqa: E402


@pytest.fixture(scope="session")
def packages() -> Path:
    """What is laid over a host that has ufw and firewalld."""
    return borrowed.fetch(REPOSITORY / "build/cache/firewalls")


@pytest.fixture
def bare() -> Iterator[Lab]:
    """A lab without the plugin."""
    end_on_signals()
    with Lab() as made:
        yield made


@pytest.fixture
def lab(bare: Lab, packages: Path) -> Lab:
    """A lab whose host has ufw and firewalld, both inactive."""
    borrowed.lay_over(bare.host, packages)
    return bare


@pytest.fixture
def scene(lab: Lab) -> Scene:
    """A network with one container."""
    lab.plugin.install()
    return Scene(lab, lab.engine.network("sandbox"))


@pytest.fixture
def bare_scene(bare: Lab) -> Callable[..., Scene]:
    """The same on a host without them, made when the test has made the host what it is."""

    def make(*options: str) -> Scene:
        bare.plugin.install()
        return Scene(bare, bare.engine.network("sandbox", *options))

    return make
