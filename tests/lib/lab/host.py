"""A host: one machine of the lab, or the machine that the lab runs on."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from .netns import Netns
from .process import Result, Service, run

INIT = Path(__file__).with_name("init.py")


class Machine:
    """The machine itself, with no namespaces of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.netns = Netns.at("/proc/self/ns/net")

    def path(self, path: str) -> Path:
        """Where a file of this host lies, seen from the test run."""
        return Path(path)

    def run(
        self,
        *argv: str,
        check: bool = True,
        stdin: str = "",
        timeout: float = 120,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a command on this host."""
        return run(*argv, check=check, stdin=stdin, timeout=timeout, env=env)

    def spawn(self, *argv: str, name: str) -> Service:
        """Start a service on this host; its output goes to NAME.log in the lab's folder."""
        return Service(list(argv), self.folder / f"{name}.log")

    def close(self) -> None:
        """Let go of the machine."""
        self.netns.close()


class Host(Machine):
    """A machine of its own: network, mounts and processes, on the kernel of this one.

    Private are /run, /proc, /etc (a copy) and /var/lib (empty at first); the latter two outlive
    `power_cut()`. /sys stays as it is, for its cgroups.
    """

    def __init__(self, folder: Path) -> None:  # not super(): nothing of the machine's is held
        self.folder = folder
        self._root = folder / "host"
        (self._root / "var/lib").mkdir(parents=True)
        shutil.copytree("/etc", self._root / "etc", symlinks=True)
        for name in ("resolv.conf", "hosts", "docker"):
            self._forget_etc(name)
        self.write_etc("resolv.conf", "")
        self.write_etc("hosts", "127.0.0.1 localhost\n")
        self._init: subprocess.Popen[str] | None = None
        self.boot()

    def _forget_etc(self, name: str) -> None:
        """Remove a file or folder of this host's /etc."""
        path = self._root / "etc" / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def write_etc(self, name: str, text: str) -> None:
        """Write a file of this host's /etc."""
        (self._root / "etc" / name).write_text(text)

    def boot(self) -> None:
        """Start the machine: namespaces, mounts, process 1."""
        flags = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
        self._init = subprocess.Popen(
            ["unshare", *flags, "--", sys.executable, str(INIT), str(self._root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._init.stdout is not None
        answer = self._init.stdout.readline()
        if not answer:
            raise RuntimeError("the lab's host did not start: see above (are you root?)")
        self.pid = int(answer)
        self.netns = Netns.at(f"/proc/{self.pid}/ns/net")
        self.netns.ip("link set lo up")
        self.netns.sysctl(
            ipv4__ip_forward=1,  # before dockerd: so it leaves FORWARD open, and leaks show
            ipv6__conf__all__forwarding=1,
            ipv4__conf__all__rp_filter=0,
            ipv4__conf__default__rp_filter=0,
            ipv6__conf__default__accept_dad=0,
            ipv4__icmp_ratelimit=0,  # by default one refusal a second to one address
            ipv6__icmp__ratelimit=0,
        )

    def power_cut(self) -> None:
        """End every process of the machine at once. Its disk stays; `boot()` starts it again."""
        if self._init is None:
            return
        assert self._init.stdin is not None and self._init.stdout is not None
        self.netns.close()
        self._init.stdin.close()
        self._init.wait(60)
        self._init.stdout.close()
        self._init = None

    def path(self, path: str) -> Path:
        return Path(f"/proc/{self.pid}/root{path}")

    def _enter(self, *argv: str) -> list[str]:
        return ["nsenter", f"--target={self.pid}", "--net", "--mount", "--pid", "--", *argv]

    def run(
        self,
        *argv: str,
        check: bool = True,
        stdin: str = "",
        timeout: float = 120,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        return run(*self._enter(*argv), check=check, stdin=stdin, timeout=timeout, env=env)

    def spawn(self, *argv: str, name: str) -> Service:
        return Service(self._enter(*argv), self.folder / f"{name}.log", entered=True)

    def close(self) -> None:
        self.power_cut()
