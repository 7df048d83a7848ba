"""Every system call of every operation fails once, and the daemon dies once at each.

The library of fault.c counts and spoils them. Afterwards: a creating call that failed has left
nothing, one that takes away has left nothing after the repair, and whatever happened, what is there
is enforced and the same call can be made again.

The same goes for the calls of a start, after a kill -9, after a reboot, and after a daemon that wrote
its fence with the other backend. A start that fails may end
the daemon, for whoever keeps it to start it again; the next one finds the records whole.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import itertools
import json
import mmap
import shutil
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from conftest import FAULTS  # noqa: E402
from lab.backend import NFTABLES, fence_lines, legacy_rules  # noqa: E402
from lab.daemon import (  # noqa: E402
    BUILD,
    NETWORK,
    Daemon,
    Member,
    endpoint_body,
    ids_body,
    join_body,
    network_body,
)
from lab.listener import Listener  # noqa: E402
from lab.netns import Netns  # noqa: E402
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
ARMED, ARMED_FOR_START, READY = 1, 2, 3  # fault.c
GATEWAY, PROXY, OTHER = "10.88.0.1", 8080, 9000


class Faulty(Daemon):
    """A daemon whose system calls can be made to fail."""

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        plan = folder / "plan"
        plan.write_bytes(bytes(16))
        self._file = plan.open("r+b")
        self._plan = mmap.mmap(self._file.fileno(), 16)
        fault = {"LD_PRELOAD": str(BUILD / "tests/libfault.so"), "FAULT_FILE": str(plan)}
        super().__init__(folder, options=options, **fault)

    def arm(self, at: int, error: int) -> None:
        """The call number `at` from now on fails with `error`, or kills."""
        self._plan[:] = struct.pack("4I", ARMED, 0, at, error)

    def try_start(self, at: int, error: int) -> bool:
        """Start with the call number `at` failing, or killing. Return whether it serves."""
        self._plan[:] = struct.pack("4I", ARMED_FOR_START, 0, at, error)
        with contextlib.suppress(RuntimeError):
            self.start()
        wait_until(lambda: not self.running() or self._plan[0] == READY, "ready", pause=0.001)
        return self.running()

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
    record_property(FAULTS, calls)


@pytest.mark.parametrize("step", range(len(CALLS)), ids=CALLS)
def test_killed_at_each_call(daemon: Faulty, step: int, record_property) -> None:
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
    record_property(FAULTS, calls)


class Judge:
    """Who listens in the host, and what a member may reach of it."""

    def __init__(self, daemon: Daemon) -> None:
        self.proxy = Listener(daemon.netns, PROXY)
        self.other = Listener(daemon.netns, OTHER)

    def assert_enforced(self, member: Member, what: object, proxy: bool = True) -> None:
        """The proxy answers, unless it need not; nothing else hears of the member."""
        assert member.connect(GATEWAY, OTHER, 0.3) != "open", what
        assert not proxy or member.connect(GATEWAY, PROXY) == "open", what
        assert not self.other.came, what

    def close(self) -> None:
        """Stop listening."""
        self.proxy.close()
        self.other.close()


def links_in_full(daemon: Daemon) -> list[str]:
    """Links with their state, all but the carrier's: what a start could have left undone."""
    shown = json.loads(daemon.netns.run("ip", "-j", "-d", "link").out)
    carrier = {"LOWER_UP", "NO-CARRIER"}  # follows by a work queue
    return sorted(
        f"{link['ifname']} {sorted({*link['flags']} - carrier)} {link.get('master')} {link.get('ifalias')} "
        f"{link['mtu']} {link['linkinfo'].get('info_slave_data', {}).get('isolated')}"
        for link in shown
        if link["ifname"] != "lo"
    )


def everything(daemon: Daemon) -> object:
    """What has to be the same after each clean start. Tables are listed in the order in which they
    came, so their lines are sorted here; that those of a chain are in order is in_place()'s."""
    _, rules, records = daemon.left()
    return links_in_full(daemon), sorted(rules), records


ERRORS = pytest.mark.parametrize("error", [errno.ENOMEM, KILL], ids=["failing", "killed"])


def do_nothing(_: int) -> None:
    """Where a start asks for no more."""


def spoil_each_call(
    daemon: Faulty,
    error: int,
    prepare: Callable[[], None],
    spoiled: Callable[[int], None] = do_nothing,
    repaired: Callable[[int], None] = do_nothing,
    started: Callable[[int], None] = do_nothing,
) -> int:
    """Spoil one call of a start, and start it again; so for each call. Return how many there are.

    `prepare` makes what is found by the start that is spoiled. `spoiled` judges after it, `repaired`
    if it serves all the same, `started` after the clean start: each is told the call's number.
    """
    clean = everything(daemon)
    for at in itertools.count(1):
        prepare()
        serves = daemon.try_start(at, error)
        if daemon.disarm() < at:
            break
        assert not (serves and error == KILL), at
        spoiled(at)
        if serves:
            wait_until(daemon.in_place, f"call {at}: the repair", timeout=5)
            repaired(at)
            daemon.kill()
        daemon.start()
        assert daemon.in_place(), at
        assert everything(daemon) == clean, at
        started(at)
    assert at > 100
    return at - 1


def end_with_nothing_left(daemon: Faulty, judge: Judge, member: Member) -> None:
    """The member and the network go, and whoever listened."""
    member.leave()
    daemon.call("DeleteNetwork", {"NetworkID": NETWORK})
    assert daemon.left() == ([], [], [])
    judge.close()
    daemon.close()


@ERRORS
def test_a_start_beside_what_runs(tmp_path: Path, error: int, record_property) -> None:
    """After a kill -9: links and rules are there, and a member is in use."""
    daemon = Faulty(tmp_path)
    daemon.start()
    daemon.call("CreateNetwork", network_body())
    judge, member = Judge(daemon), Member(daemon, 2)
    calls = spoil_each_call(
        daemon,
        error,
        prepare=daemon.kill,
        spoiled=lambda at: judge.assert_enforced(member, at, proxy=False),
        started=lambda at: judge.assert_enforced(member, at),
    )
    record_property(FAULTS, calls)
    print(f"\na start beside what runs: {calls} calls")
    end_with_nothing_left(daemon, judge, member)


@ERRORS
def test_a_start_with_the_other_backend(tmp_path: Path, error: int, record_property) -> None:
    """A member is in use: one fence or the other holds it, and in the end the new one alone."""
    was, now = ("iptables", "nftables") if NFTABLES else ("nftables", "iptables")
    old, new = Daemon(tmp_path, options=("--firewall", was)), Faulty(tmp_path, ("--firewall", now))
    new.netns.close()
    new.netns = old.netns
    old.start().call("CreateNetwork", network_body())
    judge, member = Judge(old), Member(old, 2)
    old.kill()
    new.start()

    def fence_with_the_old() -> None:
        new.kill()
        old.start()
        assert bool(fence_lines(old.netns)) != NFTABLES, "this takes nothing over"
        old.kill()

    def assert_the_new_alone(at: int) -> None:
        standing = (bool(fence_lines(new.netns)), bool(legacy_rules(new.netns, "NETENFORCE")))
        assert standing == (NFTABLES, not NFTABLES), at
        judge.assert_enforced(member, at)

    calls = spoil_each_call(
        new,
        error,
        prepare=fence_with_the_old,
        spoiled=lambda at: judge.assert_enforced(member, at, proxy=False),
        started=assert_the_new_alone,
    )
    record_property(FAULTS, calls)
    print(f"\na start with the other backend: {calls} calls")
    end_with_nothing_left(new, judge, member)


def forget_the_kernel(daemon: Faulty, records: Path) -> None:
    """As a reboot: a namespace in which nothing is, and the records as they were."""
    if daemon.running():
        daemon.kill()
    daemon.netns.close()
    daemon.netns = Netns.new()
    shutil.rmtree(daemon.state)
    shutil.copytree(records, daemon.state)


def assert_a_newcomer_is_enforced(daemon: Faulty, what: object) -> None:
    """A member that comes and goes."""
    judge, member = Judge(daemon), Member(daemon, 2)
    judge.assert_enforced(member, what)
    member.leave()
    judge.close()


@ERRORS
def test_a_start_after_a_reboot(tmp_path: Path, error: int, record_property) -> None:
    """Records alone, with an endpoint of the earlier boot. Nobody runs; who comes is enforced."""
    daemon = Faulty(tmp_path)
    daemon.start()
    for name in MAKING:
        daemon.call(name, LIFE[name])
    daemon.kill()
    records = tmp_path / "records"
    shutil.copytree(daemon.state, records)
    [record] = (records / "endpoints").iterdir()
    record.write_text(json.dumps({**json.loads(record.read_text()), "boot": "another"}))
    forget_the_kernel(daemon, records)
    daemon.start()
    assert len(daemon.links()) == 1 and len(daemon.records()) == 1
    calls = spoil_each_call(
        daemon,
        error,
        prepare=lambda: forget_the_kernel(daemon, records),
        repaired=lambda at: assert_a_newcomer_is_enforced(daemon, at),
    )
    assert_a_newcomer_is_enforced(daemon, "a clean start")
    record_property(FAULTS, calls)
    print(f"\na start after a reboot: {calls} calls")
    daemon.close()
