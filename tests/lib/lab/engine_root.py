"""Engines of other releases: each in a root folder of its own, made of Debian's packages.

`ENGINE=28` runs a lab on the engine of that version instead of the machine's own. Its root is made
once, by debootstrap(8), and kept.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from .host import Host
from .process import Result, Service, run, wait_until

INIT = Path(__file__).with_name("root_init.py")
SUITES = {"26": "trixie", "28": "forky"}  # version: the Debian release that has it
PACKAGES = ("containerd", "docker-cli", "docker-compose", "docker.io", "iproute2", "iptables", "runc")
SCRIPT = "/usr/share/debootstrap/scripts/sid"  # of every release of Debian; newer ones lack a name
MAKING_LASTS = 1800  # seconds at most


def chosen() -> str:
    """The version that `ENGINE` asks for; empty: the machine's own engine."""
    version = os.environ.get("ENGINE", "")
    if version and version not in SUITES:
        raise ValueError(f"ENGINE={version}: use one of {', '.join(SUITES)}, or none")
    return version


def mirror() -> str:
    """Where this machine has its own packages from."""
    form = ("--format", "$(ORIGIN) $(SITE)")
    for line in run("apt-get", "indextargets", *form).out.splitlines():
        if line.startswith("Debian http"):
            return line.split()[1]
    raise RuntimeError("apt knows no mirror of Debian: sources, and `apt-get update`, are needed")


def root_folder(version: str, base: Path) -> Path:
    """The root folder of an engine below `base`, made if it isn't there."""
    suite = SUITES[version]
    folder = base / suite
    base.mkdir(parents=True, exist_ok=True)
    with (base / f"{suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            half = base / f"{suite}.half"
            shutil.rmtree(half, ignore_errors=True)
            options = ("--variant=minbase", f"--include={','.join(PACKAGES)}")
            making = ("debootstrap", *options, suite, str(half), mirror(), SCRIPT)
            run(*making, timeout=MAKING_LASTS)
            half.rename(folder)
    found = run("chroot", str(folder), "dockerd", "--version").out.strip()
    if f"version {version}." not in found:
        raise RuntimeError(f"{folder} has another engine than {version}: {found}")
    return folder


class EngineRoot:
    """A mount namespace on a lab host, with an engine's root; /run, /etc, /var/lib are the host's.

    It lasts until the host goes down, so that what an engine has mounted outlives the engine's end.
    """

    def __init__(self, host: Host, version: str, base: Path) -> None:
        self._host = host
        self._folder = root_folder(version, base)
        self._init: Service | None = None

    def _boot(self) -> None:
        name = f"engine-root-{self._folder.name}"
        ready = self._host.path(f"/run/{name}-is-ready")
        self._init = self._host.spawn(
            *("unshare", "--mount", "--propagation", "private", "--"),
            *(sys.executable, str(INIT), str(self._folder), str(self._host.folder / name)),
            name=name,
        )

        def is_ready() -> bool:
            assert self._init is not None
            if not self._init.running():
                raise RuntimeError(f"the engine's root did not come up: {self._init.tail()}")
            return ready.exists()

        wait_until(is_ready, "the engine's root to be there")

    def _enter(self, *argv: str) -> list[str]:
        if self._init is None or not self._init.running():
            self._boot()
        assert self._init is not None
        return ["nsenter", f"--target={self._init.pid}", "--net", "--mount", "--pid", "--", *argv]

    def spawn(self, *argv: str, name: str) -> Service:
        """Start a service in it."""
        return Service(self._enter(*argv), self._host.folder / f"{name}.log", entered=True)

    def script(self, *argv: str) -> str:
        """A shell script that runs a command in it, with the script's own arguments and folder."""
        if self._init is None or not self._init.running():
            self._boot()
        assert self._init is not None
        status = Path(f"/proc/{self._init.pid}/status").read_text()
        pid = status.partition("\nNSpid:")[2].partition("\n")[0].split()[-1]  # as the host counts
        enter = f'nsenter --target={pid} --mount --wd="$PWD"'
        return f'#!/bin/sh\nexec {enter} -- {" ".join(argv)} "$@"\n'

    def run(self, *argv: str, check: bool = True, env: Mapping[str, str] | None = None) -> Result:
        """Run a command in it."""
        return run(*self._enter(*argv), check=check, env=env)
