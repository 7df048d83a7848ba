"""A bare root of a Debian release, with nothing in it that Debian calls optional."""

from __future__ import annotations

from pathlib import Path

from .engine_root import SCRIPT, mirror
from .process import run

ENTER = str(Path(__file__).with_name("enter-root"))
LASTS = 1800  # seconds at most that installing may take


class BareRoot:
    """Made by debootstrap(8); programs run in it as on a machine of its own, but for an init."""

    def __init__(self, suite: str, folder: Path) -> None:
        self.folder = folder / suite
        making = ("debootstrap", "--variant=minbase", suite, str(self.folder), mirror(), SCRIPT)
        run(*making, timeout=LASTS)
        no_services = self.folder / "usr/sbin/policy-rc.d"  # invoke-rc.d(8)
        no_services.write_text("#!/bin/sh\nexit 101\n")
        no_services.chmod(0o755)

    def run(self, *argv: str) -> str:
        """Run a command in it; return what it prints."""
        return run(ENTER, str(self.folder), *argv, timeout=LASTS).out

    def install(self, *packages: str) -> None:
        """These, and what they cannot do without."""
        self.run("apt-get", "install", "-q", "-y", "--no-install-recommends", *packages)

    def put(self, source: Path, place: str) -> None:
        """Copy a file into it."""
        (self.folder / place).write_bytes(source.read_bytes())

    def clone(self, repository: Path, place: str) -> None:
        """Clone what is committed into it."""
        run("git", "clone", "-q", str(repository), str(self.folder / place))

    def close(self) -> None:
        """Remove it."""
        run("rm", "-rf", str(self.folder), timeout=LASTS)
