"""The whole lab, made and removed as one."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from .engine import DOCKERD, Engine
from .host import Host
from .images import image
from .outside import WEB, WEB_NAME, Outside
from .plugin import Plugin
from .proxy import Proxy

REPOSITORY = Path(__file__).resolve().parents[3]
CACHE = REPOSITORY / "build/cache/images"
PREFIX = "netenforce-lab-"
CGROUPS = Path("/sys/fs/cgroup")


def end_on_signals() -> None:
    """Let SIGTERM and SIGHUP unwind the program, so that everything is removed."""

    def leave(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)


def remove_cgroups(name: str) -> None:
    """Remove the empty cgroups that an ended engine left."""
    for root in CGROUPS.glob(f"*/{name}") if CGROUPS.is_dir() else ():
        folders = sorted(path for path in root.rglob("*") if path.is_dir())
        for folder in [*reversed(folders), root]:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _remove_remains(base: Path) -> None:
    """Remove the folders of labs whose program was killed: nobody holds their lock."""
    for folder in base.glob(f"{PREFIX}*"):
        try:
            with (folder / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_cgroups(folder.name)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            pass  # in use, or not whole yet


class Lab:
    """Outside, host, engine with both images, and proxy; `plugin` is not installed yet."""

    def __init__(self, dockerd: str = DOCKERD) -> None:
        with contextlib.ExitStack() as stack:
            self._make(stack, dockerd)
            self._stack = stack.pop_all()

    def _make(self, stack: contextlib.ExitStack, dockerd: str) -> None:
        base = Path(tempfile.gettempdir())
        _remove_remains(base)
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        stack.callback(remove_cgroups, self.folder.name)
        lock = stack.enter_context((self.folder / "lock").open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX)

        self.outside = Outside(self.folder)
        stack.callback(self.outside.close)
        self.host = Host(self.folder)
        stack.callback(self.host.close)
        self.host.write_etc("resolv.conf", f"nameserver {WEB}\n")
        self.host.write_etc("hosts", f"127.0.0.1 localhost\n{WEB} {WEB_NAME}\n")
        self.outside.plug(self.host)
        self.proxy = Proxy(self.host, self.outside.authority.certificate)
        self.engine = Engine(self.host, "--cgroup-parent", f"/{self.folder.name}", dockerd=dockerd)
        for name in ("busybox", "tools"):
            self.engine.load(name, image(name, CACHE))
        self.plugin = Plugin(self.engine, REPOSITORY)

    def reboot(self) -> None:
        """Cut the power and start again: outside's cable, proxy and engine too."""
        self.host.power_cut()
        self.host.boot()
        self.outside.plug(self.host)
        self.proxy.start()
        self.engine.start_engine()

    def close(self) -> None:
        """Remove it all."""
        self._stack.close()

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
