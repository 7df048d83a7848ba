"""The whole lab, made and removed as one: outside, and a host with an engine."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
from pathlib import Path
from types import FrameType

from .engine import Engine
from .engine_root import EngineRoot, chosen
from .host import Host
from .images import image
from .outside import PUBLIC, PUBLIC_NAMES, WEB, WEB_NAME, Outside
from .plugin import Plugin
from .relay import open_proxy

REPOSITORY = Path(__file__).resolve().parents[3]
CACHE = REPOSITORY / "build/cache/images"
ENGINES = Path(os.environ.get("ENGINES") or REPOSITORY / "build/engines")
PREFIX = "netenforce-lab-"
CGROUPS = Path("/sys/fs/cgroup")


def end_on_signals() -> None:
    """Let SIGTERM and SIGHUP unwind the program as Ctrl-C does, so that everything is removed."""

    def leave(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, leave)


def remove_cgroups(folder: Path) -> None:
    """Remove the empty cgroups that a lab's engines left: their containers', and their plugins'."""
    hosts = [folder, *folder.glob("node*")]
    plugins = [path for host in hosts for path in host.glob("host/var/lib/docker/plugins/*")]
    names = [folder.name, *(path.name for path in plugins if len(path.name) == 64)]
    for root in (root for name in names for root in CGROUPS.glob(f"*/{name}")):
        inner = sorted(path for path in root.rglob("*") if path.is_dir())
        for path in [*reversed(inner), root]:
            with contextlib.suppress(OSError):
                path.rmdir()


def _remove_remains(base: Path) -> None:
    """Remove the folders of labs whose program was killed: nobody holds their lock."""
    for folder in base.glob(f"{PREFIX}*"):
        try:
            with (folder / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_cgroups(folder)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            pass  # in use, or not whole yet


def make_folder(stack: contextlib.ExitStack) -> Path:
    """A lab's folder, which goes with the stack, or with the next lab if this one is killed."""
    base = Path(tempfile.gettempdir())
    _remove_remains(base)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    stack.callback(remove_cgroups, folder)
    lock = stack.enter_context((folder / "lock").open("w"))
    fcntl.flock(lock, fcntl.LOCK_EX)
    return folder


class Node:
    """A host with an engine that has both images, and a proxy; `plugin` is not installed yet.

    The engine is the machine's own, or the one that `ENGINE` asks for: see engine_root.py.
    """

    def __init__(
        self, stack: contextlib.ExitStack, folder: Path, outside: Outside, cgroup: str
    ) -> None:
        self.outside = outside
        self.host = Host(folder)
        stack.callback(self.host.close)
        self.host.write_etc("resolv.conf", f"nameserver {WEB}\n")
        self.host.write_etc(
            "hosts", f"127.0.0.1 localhost\n{WEB} {WEB_NAME}\n{PUBLIC} {' '.join(PUBLIC_NAMES)}\n"
        )
        self._trust(outside.authority.certificate)
        self.plug()
        self.proxy = open_proxy(self.host, outside.authority.certificate)
        version = chosen()
        root = EngineRoot(self.host, version, ENGINES) if version else None
        self.engine = Engine(self.host, "--cgroup-parent", f"/{cgroup}", root=root)
        for name in ("busybox", "tools"):
            self.engine.load(name, image(name, CACHE))
        self.plugin = Plugin(self.engine, REPOSITORY)

    def plug(self) -> None:
        """Lay the cable to outside."""
        self.outside.plug(self.host)

    def _trust(self, authority: Path) -> None:
        """Have the host's programs believe in a certificate authority."""
        with self.host.path("/etc/ssl/certs/ca-certificates.crt").open("a") as bundle:
            bundle.write(authority.read_text())

    def boot(self) -> None:
        """Start again after a power cut: cable, proxy and engine too."""
        self.host.boot()
        self.plug()
        self.proxy.start()
        self.engine.start_engine()

    def reboot(self) -> None:
        """Cut the power and start again."""
        self.host.power_cut()
        self.boot()


class Lab(Node):
    """Outside, and one host, which are plugged into each other."""

    def __init__(self) -> None:
        with contextlib.ExitStack() as stack:
            self.folder = make_folder(stack)
            outside = Outside(self.folder)
            stack.callback(outside.close)
            super().__init__(stack, self.folder, outside, self.folder.name)
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Remove it all."""
        self._stack.close()

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
