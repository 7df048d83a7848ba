"""A state folder that takes nothing: full of bytes, full of files, or read-only.

What cannot be recorded is refused, with what to do. What runs stays enforced, and is mended as
ever: that takes no disk. What is taken away is taken away, and recorded when the disk can be
written again.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.backend import emptied  # noqa: E402
from lab.daemon import (  # noqa: E402
    BUILD,
    NETWORK,
    Daemon,
    Member,
    endpoint_body,
    endpoint_id,
    ids_body,
    join_body,
    network_body,
)
from lab.frames import udp_frame  # noqa: E402
from lab.listener import Listener  # noqa: E402
from lab.process import run, wait_until  # noqa: E402
from lab.receiver import Delivered  # noqa: E402

GATEWAY, PROXY, CLOSED = "10.88.0.1", 8080, 9000
OTHER = "b2" * 32
COMPLAINTS = 8  # log lines at level error that a disk without room is worth, however long it lasts


def fill_bytes(folder: Path) -> None:
    """Not a byte is left."""
    with (folder / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def fill_files(folder: Path) -> None:
    """Not a file can be made."""
    with contextlib.suppress(OSError):
        for number in range(1000):
            (folder / f"ballast{number}").touch()


def make_room(folder: Path) -> None:
    """Undo either."""
    for path in folder.glob("ballast*"):
        path.unlink()


def read_only(folder: Path) -> None:
    """As the kernel does when a disk fails, or an operator."""
    run("mount", "-o", "remount,ro", str(folder))


def writable(folder: Path) -> None:
    """Undo that."""
    run("mount", "-o", "remount,rw", str(folder))


WAYS: dict[str, tuple[Callable[[Path], None], Callable[[Path], None], str]] = {
    "no bytes": (fill_bytes, make_room, "make room there"),
    "no files": (fill_files, make_room, "df -i"),
    "read-only": (read_only, writable, "mount it writable"),
}


class Disk:
    """A daemon whose state folder is a small file system of its own, and somebody who runs."""

    def __init__(self, folder: Path, way: str, *options: str) -> None:
        self.daemon = Daemon(folder, options=options)
        self.state = self.daemon.state
        self.state.mkdir()
        run("mount", "-t", "tmpfs", "-o", "size=128k,nr_inodes=40", "state", str(self.state))
        self._spoil, self._mend, self.advice = WAYS[way]
        self.daemon.start()
        self.daemon.call("CreateNetwork", network_body())
        self.member = Member(self.daemon, 2)
        host = self.daemon.netns
        self.proxy, self.closed = Listener(host, PROXY), Listener(host, CLOSED)

    def spoil(self) -> None:
        """From now on it takes nothing."""
        self._spoil(self.state)

    def mend(self) -> None:
        """It takes records again."""
        self._mend(self.state)

    def refused(self, call: str, body: object) -> None:
        """A call that makes something fails, says what to do, and leaves nothing."""
        before = self.daemon.left()
        status, answer = self.daemon.try_call(call, body)
        assert status == 500, (call, status, answer)
        assert str(self.state) in answer["Err"] and self.advice in answer["Err"], answer
        assert self.daemon.left() == before, (call, answer)

    def in_place(self) -> bool:
        """Whether rules and links are as they should be and nothing is left to be done."""
        return bool(self.daemon.get("/v1/status")["enforcement"]["in_place"])

    def holds(self) -> None:
        """The member reaches the proxy and nothing else, asked at the host's own stack."""
        member, before = self.member, len(self.closed.came)
        with Delivered(self.daemon.netns) as delivered:
            assert member.connect(GATEWAY, PROXY) == "open"
            assert member.connect(GATEWAY, CLOSED) == "refused"
            came = delivered.packets(
                lambda packet: packet.src == member.address and packet.dport == CLOSED
            )
        assert came == [] and len(self.closed.came) == before

    def close(self) -> None:
        """Remove it all."""
        self.proxy.close()
        self.closed.close()
        self.member.netns.close()
        self.daemon.close()
        run("umount", str(self.state))


@pytest.fixture(params=WAYS)
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Disk]:
    """Writable at first."""
    made = Disk(tmp_path, request.param)
    yield made
    made.close()


def test_what_cannot_be_recorded_is_refused(disk: Disk) -> None:
    daemon = disk.daemon
    daemon.call("CreateEndpoint", endpoint_body(3))
    disk.spoil()
    disk.refused("CreateNetwork", network_body(OTHER, pool="10.89.0"))
    disk.refused("CreateEndpoint", endpoint_body(4))
    disk.refused("Join", join_body(3))
    disk.holds()
    disk.mend()
    wait_until(disk.in_place, "the repair", timeout=5)
    daemon.call("Join", join_body(3))
    daemon.call("CreateNetwork", network_body(OTHER, pool="10.89.0"))
    daemon.call("CreateEndpoint", endpoint_body(4))
    disk.holds()


def test_what_runs_is_mended(disk: Disk) -> None:
    """Emptied rules come back, and a daemon that is killed comes up again, without any room."""
    disk.spoil()
    daemon = disk.daemon
    before = daemon.rules()
    daemon.netns.run("sh", "-ec", emptied("filter"))
    wait_until(lambda: daemon.rules() == before, "the rules to be back", timeout=5)
    disk.holds()
    daemon.kill()
    disk.holds()
    daemon.start()
    disk.holds()
    daemon.netns.run("sh", "-ec", emptied("filter"))
    wait_until(lambda: daemon.rules() == before, "the rules to be back again", timeout=5)


def test_what_is_taken_away_goes(disk: Disk) -> None:
    """From kernel and network at once; its records when they can be written."""
    daemon = disk.daemon
    daemon.call("CreateNetwork", network_body(OTHER, pool="10.89.0"))
    gone, left = Member(daemon, 3), Member(daemon, 4)
    disk.spoil()
    for call, body in (
        ("Leave", ids_body(3)),
        ("DeleteEndpoint", ids_body(3)),
        ("Leave", ids_body(4)),
        ("DeleteNetwork", {"NetworkID": OTHER}),
    ):
        status, answer = daemon.try_call(call, body)
        assert status == 200 or disk.advice in answer["Err"], (call, answer)
    assert not daemon.rules(gone.address) and not daemon.rules(left.address)
    assert f"ne-{OTHER[:12]}" not in daemon.links()
    assert f"nv-{endpoint_id(3)[:12]}" not in daemon.links()
    for member in (gone, left):
        assert member.connect(GATEWAY, PROXY, timeout=0.2) != "open"
        member.netns.close()
    disk.holds()
    ticks = daemon.rules()
    for _ in range(3):  # each is a look or two of the daemon's
        daemon.netns.run("sh", "-ec", emptied("filter"))
        wait_until(lambda: daemon.rules() == ticks, "the rules to be back", timeout=5)
    errors = [line for line in daemon.log().splitlines() if disk.advice in line]
    assert len(errors) <= COMPLAINTS, errors

    disk.mend()
    wait_until(disk.in_place, "the records to follow", timeout=5)
    wait_until(lambda: len(daemon.records()) == 3, f"three: {daemon.records()}", timeout=5)
    assert f"{OTHER}.json" not in daemon.records()
    assert f"{endpoint_id(3)}.json" not in daemon.records()
    assert f"{NETWORK}.json" in daemon.records()
    wait_until(
        lambda: '"joined": false' in (disk.state / f"endpoints/{endpoint_id(4)}.json").read_text(),
        "the record of who left to say so",
        timeout=5,
    )
    daemon.restart()
    assert not daemon.rules(left.address)
    disk.holds()


NEEDED = ["raw", "filter", "raw4", "raw6", "filter4", "filter6"]


def lacking(folder: Path, table: str) -> Daemon:
    """A daemon on a kernel without one of the legacy tables (in one family: with a number)."""
    return Daemon(
        folder,
        options=("--firewall", "iptables"),
        LD_PRELOAD=str(BUILD / "tests/libfault.so"),
        FAULT_ALWAYS=table,
    )


@pytest.mark.parametrize("table", NEEDED)
def test_a_table_is_missing(tmp_path: Path, table: str) -> None:
    """Any that is needed: refused with what to do, and nothing is left; the daemon lives on."""
    daemon = lacking(tmp_path, table).start()
    status, answer = daemon.try_call("CreateNetwork", network_body())
    name = table.rstrip("46")
    six = "6" if table.endswith("6") else ""
    assert status == 400 and f"no table {name}" in answer["Err"], answer
    assert f"modprobe -a ip{six}_tables ip{six}table_{name}" in answer["Err"]
    assert "FIREWALL=auto or nftables" in answer["Err"]
    assert daemon.links() == [] and daemon.records() == []
    assert daemon.get("/healthz") == {"status": "ok"}
    daemon.close()


@pytest.mark.parametrize("table", NEEDED)
def test_a_table_goes_missing(tmp_path: Path, table: str) -> None:
    """For the next daemon, while somebody runs: what runs stays enforced, nobody is let in."""
    daemon = Daemon(tmp_path).start()
    daemon.call("CreateNetwork", network_body())
    member = Member(daemon, 2)
    proxy, closed = Listener(daemon.netns, PROXY), Listener(daemon.netns, CLOSED)
    daemon.kill()
    later = lacking(tmp_path, table)
    later.netns = daemon.netns
    later.start()
    assert "modprobe" in later.log()
    later.call("CreateEndpoint", endpoint_body(3))
    status, answer = later.try_call("Join", join_body(3))
    assert status == 400 and "modprobe" in answer["Err"], answer
    assert f"nv-{endpoint_id(3)[:12]}" not in later.links()
    assert member.connect(GATEWAY, PROXY) == "open"
    assert member.connect(GATEWAY, CLOSED) == "refused" and closed.came == []
    frame = udp_frame(member.mac, "ff:ff:ff:ff:ff:ff", member.address, GATEWAY, CLOSED)
    with Delivered(daemon.netns) as delivered:
        with member.netns.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
            sender.bind(("eth0", 0))
            sender.send(frame)
        assert not delivered.packets(lambda packet: packet.dport == CLOSED)
    later.kill()
    daemon.start()
    daemon.call("Join", join_body(3))
    proxy.close()
    closed.close()
    member.netns.close()
    daemon.close()


def test_the_second_gate_is_missing(tmp_path: Path) -> None:
    """Table security is not needed: the log says what is lost, and the rest holds."""
    daemon = lacking(tmp_path, "security").start()
    daemon.call("CreateNetwork", network_body())
    assert "the second gate is left out" in daemon.log()
    member = Member(daemon, 2)
    proxy, closed = Listener(daemon.netns, PROXY), Listener(daemon.netns, CLOSED)
    assert member.connect(GATEWAY, PROXY) == "open"
    assert member.connect(GATEWAY, CLOSED) == "refused" and closed.came == []
    proxy.close()
    closed.close()
    member.netns.close()
    daemon.close()


def test_nat_is_missing(tmp_path: Path) -> None:
    """Only a proxy beyond the host needs it."""
    daemon = lacking(tmp_path, "nat").start()
    status, answer = daemon.try_call("CreateNetwork", network_body(proxy="192.0.2.9:3128"))
    assert status == 400 and "modprobe -a ip_tables iptable_nat" in answer["Err"], answer
    assert daemon.links() == [] and daemon.records() == []
    daemon.call("CreateNetwork", network_body())
    daemon.close()


@pytest.mark.parametrize("way", WAYS)
def test_a_policy_of_the_file_comes_late(tmp_path: Path, way: str) -> None:
    """What could not be put in force when the file was read holds as soon as it can, unasked."""
    file = tmp_path / "root/etc/policy.json"

    def declare(**policy: object) -> None:
        file.write_text(json.dumps({"version": 1, "networks": {NETWORK: policy}}))

    file.parent.mkdir(parents=True)
    declare(allow=[f"{GATEWAY}:{CLOSED}/tcp"])
    disk = Disk(tmp_path, way, "--policy-file", "/etc/policy.json")
    daemon = disk.daemon
    assert disk.member.connect(GATEWAY, CLOSED) == "open"
    disk.spoil()
    declare()
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: "tried again until it holds" in daemon.log(), "a complaint")
    assert not disk.in_place()
    status = daemon.command("status")
    assert status.status == 3 and "policy file does not hold yet" in status.out
    disk.mend()
    wait_until(disk.in_place, "the policy to hold")
    assert disk.member.connect(GATEWAY, CLOSED) == "refused"
    assert daemon.log().count("tried again until it holds") == 1
    disk.close()
