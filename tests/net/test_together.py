"""Joins and Leaves that come at once share a commit: each answer comes after its own rules."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import NETWORK, Daemon, Member, ids_body, join_body, network_body  # noqa: E402
from lab.listener import Listener  # noqa: E402

GATEWAY, PROXY, CLOSED = "10.88.0.1", 8080, 9000


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A network, and two open ports beside it."""
    made = Daemon(tmp_path).start()
    made.call("CreateNetwork", network_body())
    listeners = [Listener(made.netns, port) for port in (PROXY, CLOSED)]
    yield made
    for listener in listeners:
        listener.close()
    assert made.running(), made.log()
    made.close()


def assert_enforced(member: Member) -> None:
    """What is allowed works, what is not is refused at once."""
    assert member.connect(GATEWAY, PROXY) == "open"
    assert member.connect(GATEWAY, CLOSED) == "refused"


def enter_together(daemon: Daemon, members: list[Member], *others: tuple[str, object]) -> None:
    """All of them join at once, beside other calls; each is enforced when it is answered."""
    calls = [("Join", join_body(member.number)) for member in members]
    answers = daemon.call_together([*others, *calls])
    assert [status for status, _ in answers] == [200] * len(answers), answers
    for member, (_, joined) in zip(members, answers[len(others) :], strict=True):
        member.enter(joined)
        assert_enforced(member)


def test_who_joins_at_once_is_enforced_at_once(daemon: Daemon) -> None:
    enter_together(daemon, [Member(daemon, number, joins=False) for number in range(2, 34)])


def test_some_come_as_others_go(daemon: Daemon) -> None:
    going = [Member(daemon, number) for number in range(2, 10)]
    coming = [Member(daemon, number, joins=False) for number in range(10, 18)]
    staying = Member(daemon, 18)
    enter_together(daemon, coming, *(("Leave", ids_body(member.number)) for member in going))
    assert_enforced(staying)
    for member in going:
        assert member.connect(GATEWAY, PROXY, timeout=0.2) != "open"


def test_one_that_is_refused_does_not_harm_the_others(daemon: Daemon) -> None:
    """An endpoint that nobody knows, and one whose bridge port cannot be made."""
    members = [Member(daemon, number, joins=False) for number in range(2, 6)]
    daemon.netns.ip("link add nv-000000000004 type bridge")  # in the way of number 4
    calls = [("Join", join_body(number)) for number in range(2, 7)]
    answers = daemon.call_together(calls)
    assert [status == 200 for status, _ in answers] == [True, True, False, True, False]
    assert "nv-000000000004" in answers[2][1]["Err"] and "not known" in answers[4][1]["Err"]
    for member, (status, joined) in zip(members, answers, strict=False):
        if status == 200:
            member.enter(joined)
            assert_enforced(member)
    daemon.netns.ip("link del nv-000000000004")
    members[2].enter(daemon.call("Join", join_body(4)))
    assert_enforced(members[2])


@pytest.mark.parametrize("then", ["goes on", "is killed"])
def test_nobody_waits_for_the_answer(daemon: Daemon, then: str) -> None:
    """Clients that are gone, and a daemon that is: what comes next finds all in order."""
    members = [Member(daemon, number, joins=False) for number in range(2, 34)]
    daemon.call_and_hang_up([("Join", join_body(member.number)) for member in members])
    if then == "is killed":
        daemon.restart()
    enter_together(daemon, members)
    daemon.call_and_hang_up([("Leave", ids_body(member.number)) for member in members])
    if then == "is killed":
        daemon.restart()
    for member in members:
        member.leave()
    assert daemon.links() == [f"ne-{NETWORK[:12]}"] and daemon.records() == [f"{NETWORK}.json"]
