"""What outlives the daemon, and what it makes of it when it starts again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import (  # noqa: E402
    BUILD,
    NETWORK,
    SANITIZED,
    TABLES,
    Daemon,
    Member,
    connect,
    disconnect,
    endpoint_body,
    endpoint_id,
    ids_body,
    network_body,
)
from lab.process import run, wait_until  # noqa: E402
from lab.site import BRIDGE  # noqa: E402

GROWTH_MAX = 64  # KiB that a hundred lives may add after the first twenty: the allocator's noise


def live(daemon: Daemon, number: int) -> None:
    """An endpoint's whole life."""
    connect(daemon, number)
    disconnect(daemon, number)


EVENTS_KEPT = 4096  # RING_LINES, src/event/internal.h


def test_a_hundred_lives_leave_nothing(daemon: Daemon) -> None:
    for _ in range(EVENTS_KEPT // 2 + 1):  # the history of events takes all that it ever will
        daemon.call("CreateEndpoint", endpoint_body(2))
        daemon.call("DeleteEndpoint", ids_body(2))
    for number in range(2, 22):
        live(daemon, number)
    before, kib = daemon.left(), daemon.resident()
    for number in range(100, 200):
        live(daemon, number)
    assert daemon.left() == before
    if not SANITIZED:
        assert daemon.resident() - kib <= GROWTH_MAX
        assert daemon.resident() < 5 * 1024


def test_killed_and_started(daemon: Daemon) -> None:
    """Everything is there before the first call is answered; nothing was away meanwhile."""
    member = Member(daemon, 2)
    before = daemon.left()
    daemon.kill()
    assert daemon.left() == before
    daemon.start()
    assert daemon.left() == before
    assert daemon.get("/v1/status")["enforcement"]["in_place"]
    member.leave()
    daemon.call("DeleteNetwork", {"NetworkID": NETWORK})
    assert daemon.left() == ([], [], [])


def test_ended_and_started(daemon: Daemon) -> None:
    """SIGTERM leaves links and rules; the sockets' files go."""
    member = Member(daemon, 2)
    before = daemon.left()
    assert daemon.stop() == 0
    assert daemon.left() == before
    assert not daemon.plugin.exists() and not daemon.control.exists()
    daemon.start()
    member.leave()


def test_rebuilt_after_all_is_gone(daemon: Daemon) -> None:
    """As after a reboot: no links, no rules, the records alone."""
    before = daemon.left()
    member = Member(daemon, 2)
    daemon.kill()
    member.netns.close()
    for table in TABLES:
        for program in ("iptables-legacy", "ip6tables-legacy"):
            daemon.netns.run(program, "-t", table, "-F")
            daemon.netns.run(program, "-t", table, "-X")
    daemon.netns.run("nft", "flush", "ruleset")
    for link in daemon.links():
        daemon.netns.run("ip", "link", "del", link, check=False)
    daemon.start()
    assert daemon.left()[:2] == before[:2]
    assert not daemon.get("/v1/endpoints")["endpoints"][0]["joined"]
    live(daemon, 3)


def test_an_earlier_boots_endpoints_are_forgotten(daemon: Daemon) -> None:
    daemon.call("CreateEndpoint", endpoint_body(2))
    daemon.kill()
    record = daemon.state / "endpoints" / f"{endpoint_id(2)}.json"
    body = json.loads(record.read_text())
    record.write_text(json.dumps({**body, "boot": "another"}))
    daemon.start()
    assert not record.exists() and not daemon.get("/v1/endpoints")["endpoints"]


def test_an_empty_record_of_an_endpoint_is_forgotten(daemon: Daemon) -> None:
    """As a power cut may leave it: nobody has to look at it."""
    daemon.call("CreateEndpoint", endpoint_body(2))
    daemon.kill()
    record = daemon.state / "endpoints" / f"{endpoint_id(2)}.json"
    record.write_text("")
    daemon.start()
    assert daemon.records() == [f"{NETWORK}.json"] and not daemon.get("/v1/endpoints")["endpoints"]


def test_what_belongs_to_nobody_goes(daemon: Daemon) -> None:
    """Links of ours that no record knows are removed, those of others are left."""
    daemon.kill()
    daemon.netns.ip(
        "link add ne-orphan type bridge",
        f'link set ne-orphan alias "netenforce network {"0" * 64}"',
        "link add nv-orphan type veth peer name nc-orphan",
        f'link set nv-orphan alias "netenforce endpoint {"0" * 64}"',
        "link add theirs type bridge",
    )
    daemon.start()
    assert daemon.links() == sorted([BRIDGE, "theirs"])


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"version": 1', '"version": 2'),
        lambda text: text.replace('"bridge"', '"brigde"'),
        lambda text: text.replace('"id": "a1', '"id": "b1'),
        lambda text: "\0" * 4096,
        lambda text: "x" * (1 << 20),
        lambda text: "[" * 100000,
    ],
    ids=["empty", "cut", "newer", "field", "id", "zeros", "huge", "deep"],
)
def test_damaged_records(daemon: Daemon, damage) -> None:
    """Set aside and told of; the rest works, and what belonged to it is closed."""
    daemon.call("CreateNetwork", network_body("b2" * 32, pool="10.89.0"))
    member = Member(daemon, 2)
    daemon.kill()
    record = daemon.state / "networks" / f"{NETWORK}.json"
    record.write_text(damage(record.read_text()))
    daemon.start()
    assert record.with_suffix(".json.damaged").exists() and not record.exists()
    assert "cannot be used" in daemon.log()
    assert [each["id"] for each in daemon.get("/v1/networks")["networks"]] == ["b2" * 32]
    assert BRIDGE not in daemon.links()
    assert member.connect("10.88.0.1", 8080, timeout=0.2) != "open"
    status, answer = daemon.try_call("CreateEndpoint", endpoint_body(3))
    assert status != 200 and "create it again" in answer["Err"]
    daemon.call("CreateNetwork", network_body("c3" * 32, pool="10.88.0"))
    member.netns.close()


def test_one_daemon_for_one_folder(daemon: Daemon, tmp_path: Path) -> None:
    done = run(
        *("nsenter", f"--net={daemon.netns.path}", "--", str(BUILD / "netenforced")),
        *("--state-dir", str(daemon.state), "--plugin-socket", str(tmp_path / "other.sock")),
        *("--control-socket", str(tmp_path / "other-control.sock")),
        check=False,
    )
    assert done.status == 1 and "another netenforced" in done.err
    assert daemon.get("/healthz") == {"status": "ok"}


@pytest.mark.parametrize(
    "arguments",
    [["--nonsense"], ["--mark", "3"], ["--log-level", "loud"], ["more"], ["--mark", "0x80000000"]],
)
def test_wrong_options(arguments: list[str]) -> None:
    done = run(str(BUILD / "netenforced"), *arguments, check=False)
    assert done.status == 2 and done.err


def test_without_legacy_tables(tmp_path: Path) -> None:
    """A kernel that refuses libiptc: networks are refused with what to do; the daemon lives on."""
    daemon = Daemon(
        tmp_path,
        options=("--firewall", "iptables"),
        LD_PRELOAD=str(BUILD / "tests/libfault.so"),
        FAULT_ALWAYS="iptables",
    ).start()
    status, answer = daemon.try_call("CreateNetwork", network_body())
    assert status != 200 and "modprobe" in answer["Err"]
    assert daemon.links() == [] and daemon.records() == []
    assert daemon.get("/healthz") == {"status": "ok"}
    assert daemon.command("status").status in (0, 3)
    daemon.close()


def test_the_address_of_a_dead_endpoint_opens_nothing(daemon: Daemon) -> None:
    """Killed between two containers: the second one's policy holds, not the first one's."""
    first = Member(daemon, 2)
    daemon.kill()
    first.netns.close()
    daemon.start()
    daemon.call("CreateEndpoint", {**endpoint_body(2, proxy=""), "EndpointID": endpoint_id(9)})
    wait_until(lambda: not daemon.rules("10.88.0.2"), "the first one's rules to go", timeout=5)
