"""Ports of endpoints that are gone: out of use at once, deleted later, together, and for certain."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import Daemon, Member, connect, disconnect, endpoint_id, retired  # noqa: E402
from lab.listener import Listener  # noqa: E402
from lab.process import wait_until  # noqa: E402

GATEWAY, PROXY = "10.88.0.1", 8080


def port(number: int) -> str:
    """The host's end."""
    return f"nv-{endpoint_id(number)[:12]}"


def test_what_still_holds_a_retired_port_reaches_nothing(daemon: Daemon) -> None:
    """A container that goes on running after its endpoint was deleted."""
    listener = Listener(daemon.netns, PROXY)
    member = Member(daemon, 2)
    assert member.connect(GATEWAY, PROXY) == "open"
    wait_until(lambda: len(listener.came) == 1, "the proxy to have seen it")
    disconnect(daemon, 2)
    for _ in range(3):
        assert member.connect(GATEWAY, PROXY, timeout=0.2) != "open"
    wait_until(lambda: daemon.get("/v1/status")["retired_ports"] == 0, "the port to be deleted")
    assert member.connect(GATEWAY, PROXY, timeout=0.2) != "open"
    assert len(listener.came) == 1
    listener.close()
    member.netns.close()


def test_killed_before_they_are_deleted(daemon: Daemon) -> None:
    for number in range(2, 12):
        connect(daemon, number)
    for number in range(2, 12):
        disconnect(daemon, number)
    daemon.kill()
    assert port(11) in retired(daemon.netns)
    daemon.start()
    assert not [link for link in daemon.links() if link.startswith(("nv-", "nc-"))]


def test_the_same_endpoint_again(daemon: Daemon) -> None:
    """Deleted and made again at once: the port is in use, and stays when others are deleted."""
    connect(daemon, 2)
    connect(daemon, 3)
    disconnect(daemon, 2)
    disconnect(daemon, 3)
    connect(daemon, 2)
    assert port(2) in daemon.links() and port(3) not in daemon.links()


def test_what_is_not_ours_is_not_deleted(daemon: Daemon) -> None:
    """Somebody else uses the same interface group: told, and nothing of theirs goes."""
    daemon.netns.ip("link add theirs type bridge", "link set theirs group 28261")
    connect(daemon, 2)
    disconnect(daemon, 2)
    wait_until(lambda: "interface group 28261" in daemon.log(), "it to be told", timeout=10)
    assert sorted(retired(daemon.netns)) == sorted([port(2), "theirs"])
    daemon.netns.ip("link set theirs group default")
    assert "theirs" in daemon.links() and port(2) not in daemon.links()


def test_many_are_deleted_also_while_the_engine_is_busy(daemon: Daemon) -> None:
    waiting = 0
    for number in range(2, 5000):
        connect(daemon, number % 200 + 2)
        disconnect(daemon, number % 200 + 2)
        before, waiting = waiting, daemon.get("/v1/status")["retired_ports"]
        if waiting < before:
            return
    raise AssertionError(f"{waiting} ports wait to be deleted")
