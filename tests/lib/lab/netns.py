"""Network namespaces without names: each lives as long as somebody holds it."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from .process import Result, run

CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)
T = TypeVar("T")


def _in_thread(function: Callable[[], T]) -> T:
    """Run `function` in a thread of its own: a namespace belongs to a thread, and goes with it."""
    result: list[T] = []
    error: list[BaseException] = []

    def body() -> None:
        try:
            result.append(function())
        except BaseException as caught:  # handed to the caller's thread
            error.append(caught)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if error:
        raise error[0]
    return result[0]


def _check(returned: int) -> None:
    if returned != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Netns:
    """A network namespace, held by a descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def new(cls) -> Netns:
        """Make a namespace with nothing in it but `lo`, which is up."""

        def make() -> int:
            _check(_libc.unshare(CLONE_NEWNET))
            return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

        made = cls(_in_thread(make))
        made.ip("link set lo up")
        return made

    @classmethod
    def at(cls, path: str | Path) -> Netns:
        """Hold the namespace behind a path such as /proc/PID/ns/net."""
        return cls(os.open(path, os.O_RDONLY | os.O_CLOEXEC))

    @property
    def path(self) -> str:
        """A path that names this namespace for any process of root's."""
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    def call(self, function: Callable[[], T]) -> T:
        """Run a function inside. Sockets that it makes stay in this namespace for good."""

        def body() -> T:
            _check(_libc.setns(self._fd, CLONE_NEWNET))
            return function()

        return _in_thread(body)

    def socket(self, family: int, kind: int, proto: int = 0) -> socket.socket:
        """Make a socket inside."""
        return self.call(lambda: socket.socket(family, kind, proto))

    def forget_connections(self) -> None:
        """As `conntrack -F`: IPCTNL_MSG_CT_DELETE (2) of NFNL_SUBSYS_CTNETLINK (1), of any family."""
        with self.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as sock:
            sock.bind((0, 0))
            sock.send(struct.pack("=IHHIIBBH", 20, 1 << 8 | 2, 1 | 4, 1, 0, 0, 0, 0))
            answer = sock.recv(1000)
        assert struct.unpack("=i", answer[16:20])[0] == 0

    def run(self, *argv: str, check: bool = True) -> Result:
        """Run a command inside (and otherwise in the caller's own namespaces)."""
        return run("nsenter", f"--net={self.path}", "--", *argv, check=check)

    def ip(self, *lines: str) -> None:
        """Run lines of ip(8), all in one process."""
        self.batch("ip", *lines)

    def batch(self, program: str, *lines: str) -> None:
        """The same of another program of iproute2."""
        enter = ("nsenter", f"--net={self.path}", "--")
        run(*enter, program, "-batch", "-", stdin="\n".join(lines) + "\n")

    def sysctl(self, **values: object) -> None:
        """Set net.* switches: sysctl(ipv4__ip_forward=1) is net.ipv4.ip_forward; __ is the dot."""

        def write() -> None:
            for key, value in values.items():
                Path("/proc/sys/net", key.replace("__", "/")).write_text(str(value))

        self.call(write)

    def close(self) -> None:
        """Let go. The namespace ends when nothing else holds it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
