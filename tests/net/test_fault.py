"""Every system call of every operation fails once, and the daemon dies once at each.

The library of fault.c counts and spoils them. Afterwards: a creating call that failed has left
nothing, one that takes away has left nothing after the repair, and whatever happened, what is there
is enforced and the same call can be made again.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import mmap
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import (  # noqa: E402
    BUILD,
    NETWORK,
    Daemon,
    endpoint_body,
    ids_body,
    join_body,
    network_body,
)
from lab.process import wait_until  # noqa: E402

KILL = 0
LIFE = {
    "CreateNetwork": network_body(),
    "CreateEndpoint": endpoint_body(2),
    "Join": join_body(2),
    "Leave": ids_body(2),
    "DeleteEndpoint": ids_body(2),
    "DeleteNetwork": {"NetworkID": NETWORK},
}
MAKING = ("CreateNetwork", "CreateEndpoint", "Join")
CALLS = list(LIFE)
REFUSED = 1000  # more calls than any operation makes


class Faulty(Daemon):
    """A daemon whose system calls can be made to fail."""

    def __init__(self, folder: Path) -> None:
        plan = folder / "plan"
        plan.write_bytes(bytes(16))
        self._file = plan.open("r+b")
        self._plan = mmap.mmap(self._file.fileno(), 16)
        super().__init__(
            folder, LD_PRELOAD=str(BUILD / "tests/libfault.so"), FAULT_FILE=str(plan)
        )

    def arm(self, at: int, error: int) -> None:
        """The call number `at` from now on fails with `error`, or kills."""
        self._plan[:] = struct.pack("4I", 1, 0, at, error)

    def disarm(self) -> int:
        """No more; return how many calls there were."""
        _, calls, _, _ = struct.unpack("4I", self._plan[:])
        self._plan[:] = bytes(16)
        return int(calls)

    def reach(self, step: int) -> None:
        """Begin a life anew and go through its first steps."""
        for name in ("Leave", "DeleteEndpoint", "DeleteNetwork"):
            self.call(name, LIFE[name])
        wait_until(lambda: self.left() == ([], [], []), f"all to be gone: {self.left()}", timeout=5)
        for name in CALLS[:step]:
            self.call(name, LIFE[name])

    def in_place(self) -> bool:
        """Whether the rules are as they should be and no repair is due."""
        return bool(self.get("/v1/status")["enforcement"]["in_place"])


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Faulty]:
    """A daemon under the library."""
    made = Faulty(tmp_path)
    made.start()
    yield made
    made.close()


def count_calls(daemon: Faulty, step: int) -> int:
    """How many calls a good run of the operation makes."""
    daemon.reach(step)
    daemon.arm(REFUSED, errno.EIO)
    daemon.call(CALLS[step], LIFE[CALLS[step]])
    return daemon.disarm()


@pytest.mark.parametrize("step", range(len(CALLS)), ids=CALLS)
def test_each_call_fails_once(daemon: Faulty, step: int, record_property) -> None:
    name = CALLS[step]
    calls = count_calls(daemon, step)
    assert calls > 3
    for at in range(1, calls + 1):
        daemon.reach(step)
        before = daemon.left()
        daemon.arm(at, errno.ENOMEM)
        status, answer = daemon.try_call(name, LIFE[name])
        daemon.disarm()
        assert status == 200 or answer["Err"], (name, at)
        wait_until(daemon.in_place, f"{name}, call {at}: the repair", timeout=5)
        if status != 200 and name in MAKING:
            left = daemon.left()
            assert left == before, (name, at, answer)
        daemon.call(name, LIFE[name])
        for later in CALLS[step + 1 :]:
            daemon.call(later, LIFE[later])
        wait_until(
            lambda: daemon.left() == ([], [], []), f"{name}, call {at}: nothing left", timeout=5
        )
    record_property("fault points", calls)
    print(f"\n{name}: {calls} calls made to fail")


@pytest.mark.parametrize("step", range(len(CALLS)), ids=CALLS)
def test_killed_at_each_call(daemon: Faulty, step: int) -> None:
    name = CALLS[step]
    calls = count_calls(daemon, step)
    for at in range(1, calls + 1):
        daemon.reach(step)
        daemon.arm(at, KILL)
        with contextlib.suppress(OSError, http.client.HTTPException):
            daemon.try_call(name, LIFE[name])
        if daemon.disarm() < at:  # a check that the timer began made the count too high
            assert at > 3
            break
        daemon.wait()  # it may also die in the look that follows a change
        daemon.start()
        assert daemon.in_place(), (name, at)
        for later in CALLS[step:]:
            daemon.call(later, LIFE[later])
        wait_until(
            lambda: daemon.left() == ([], [], []), f"{name}, call {at}: nothing left", timeout=5
        )
    print(f"\n{name}: killed at {calls} calls")
