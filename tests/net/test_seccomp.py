"""What somebody who took the daemon over could still call: the library of intruder.c tries it."""

from __future__ import annotations

import contextlib
import errno
import mmap
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import BUILD, SANITIZED, Daemon, Member, network_body  # noqa: E402
from lab.process import wait_until  # noqa: E402

ORDER = struct.Struct("32siI")
OWN = ("socket unix", "socket netlink route", "socket inet raw", "mmap")
REFUSED = (
    "socket packet",
    "socket inet stream",
    "socket inet datagram",
    "socket inet icmp",
    "socket inet6 stream",
    "socket netlink audit",
    "socket vsock",
    "connect",
    "mmap exec",
    "mprotect exec",
    "clone thread",
    "prctl",
    "kill",
    "ioctl",
    "fchmodat",
    "linkat",
    "capset",
    "seccomp",
)
DEADLY = (
    "bpf",
    "chroot",
    "clone",
    "execve",
    "execveat",
    "finit_module",
    "init_module",
    "io_uring_setup",
    "kexec_load",
    "keyctl",
    "mount",
    "open_by_handle_at",
    "pidfd_getfd",
    "pivot_root",
    "process_vm_writev",
    "ptrace",
    "setns",
    "unshare",
    "userfaultfd",
)
SANITIZERS = {"clone thread", "prctl", "kill", "clone", "ptrace"}  # allowed in that build


class Taken(Daemon):
    """A daemon that makes calls on demand."""

    def __init__(self, folder: Path) -> None:
        order = folder / "order"
        order.write_bytes(bytes(ORDER.size))
        self._file = order.open("r+b")
        self._order = mmap.mmap(self._file.fileno(), ORDER.size)
        library = str(BUILD / "tests/libintruder.so")
        super().__init__(folder, LD_PRELOAD=library, INTRUDER_FILE=str(order))

    def make(self, name: str) -> int | None:
        """Have it make a call when it next waits. Return the call's errno, None if it died of it."""
        self._order[:] = ORDER.pack(name.encode(), 0, 0)
        with contextlib.suppress(OSError):
            self.get("/healthz")  # wakes it
        wait_until(lambda: self._done() or not self.running(), name, timeout=5, pause=0.001)
        error = ORDER.unpack(self._order[:])[1] if self._done() else None
        self._order[:] = bytes(ORDER.size)
        return error

    def _done(self) -> bool:
        return bool(ORDER.unpack(self._order[:])[2])


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Taken]:
    """A daemon under the library."""
    made = Taken(tmp_path)
    made.start()
    yield made
    made.close()


def in_this_build(names: tuple[str, ...]) -> list[str]:
    """Without what the sanitizers need."""
    return [name for name in names if not SANITIZED or name not in SANITIZERS]


def test_the_filter_is_loaded(daemon: Taken) -> None:
    """In every thread of the daemon."""
    for status in Path(f"/proc/{daemon.pid}/task").glob("*/status"):
        lines = status.read_text().split("\n")
        assert "Seccomp:\t2" in lines and "NoNewPrivs:\t1" in lines


def test_unlisted_calls_are_refused(daemon: Taken) -> None:
    refused = in_this_build(REFUSED)
    assert {name: daemon.make(name) for name in OWN} == dict.fromkeys(OWN, 0)
    assert {name: daemon.make(name) for name in refused} == dict.fromkeys(refused, errno.EPERM)
    assert daemon.make("clone3") == errno.ENOSYS
    assert daemon.get("/healthz") == {"status": "ok"}


def test_calls_that_end_the_daemon(daemon: Taken) -> None:
    """It dies of each at once, and what runs stays enforced."""
    daemon.call("CreateNetwork", network_body())
    member = Member(daemon, 2)
    listener = daemon.netns.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("10.88.0.1", 9000))
    listener.listen()
    before = daemon.left()
    ends = {}
    for name in in_this_build(DEADLY):
        error = daemon.make(name)
        ends[name] = daemon.wait() if error is None else f"errno {error}"
        assert member.connect("10.88.0.1", 9000) == "refused"
        if error is None:
            daemon.start()
    assert ends == dict.fromkeys(ends, -signal.SIGSYS)
    assert daemon.left() == before
    listener.close()
    member.leave()
