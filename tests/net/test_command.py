"""The command where what it is given, or what it is answered, is not as it should be."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import BUILD, NETWORK, Daemon, connect, endpoint_id  # noqa: E402
from lab.process import Result, run  # noqa: E402
from lab.stand_in import StandIn  # noqa: E402

GATEWAY = "10.88.0.1"
NOT_UTF8 = "caf\udce9"  # the byte 0xe9, as Python writes it


def command(control: Path, engine: Path, *words: str) -> Result:
    """netenforce, which asks these two."""
    env = {"DOCKER_HOST": f"unix://{engine}"}
    return run(
        str(BUILD / "netenforce"), "--socket", str(control), *words, check=False, env=env, timeout=20
    )


@pytest.fixture
def answers(tmp_path: Path) -> Iterator[StandIn]:
    """A daemon that knows a network, and is told what else to answer."""
    made = StandIn(tmp_path / "control.sock", {f"/v1/networks/{NETWORK}": {"id": NETWORK}})
    yield made
    made.close()


NOT_DONE: dict[str, tuple[Any, str]] = {
    "no word": ({}, "500"),
    "no message": ({"error": {"code": "no_memory"}}, "500"),
    "a message": ({"error": {"code": "kernel", "message": "it is busy"}}, "it is busy"),
}


@pytest.mark.parametrize(("said", "text"), NOT_DONE.values(), ids=NOT_DONE.keys())
def test_a_failure_is_none_the_less_one(
    answers: StandIn, tmp_path: Path, said: Any, text: str
) -> None:
    """The status says so, whatever the body does."""
    for action, path in (("check", "policy/check"), ("set", "policy")):
        answers.answers[f"/v1/networks/{NETWORK}/{path}"] = (500, said)
        done = command(answers.path, tmp_path / "none", "policy", action, NETWORK, "mode=audit")
        assert done.status == 1 and text in done.err and done.out == "", done


def test_words_that_are_not_utf8(daemon: Daemon) -> None:
    """They are named, and of what stands beside them nothing is done."""
    connect(daemon, 2)
    subject = f"{NETWORK}/{endpoint_id(2)}"
    good = f"{GATEWAY}:9000/tcp"
    for words in (("deny", subject, good, NOT_UTF8), ("set", subject, f"deny={good}", f"allow={NOT_UTF8}"),
                  ("check", subject, f"{NOT_UTF8}=1"), ("rm", subject, "refuse", NOT_UTF8)):  # fmt: skip
        done = daemon.command("policy", *words)
        assert done.status == 2 and "caf?" in done.err and "UTF-8" in done.err, done
    assert daemon.get(f"/v1/endpoints/{endpoint_id(2)}")["revision"] == 1


EVENT = (
    f'{{"time":"2026-11-25T01:02:03.004Z","type":"blocked","network":"{NETWORK}","endpoint":"{endpoint_id(2)}",'
    f'"dst":"{GATEWAY}","dport":9000,"proto":"tcp","verdict":"pass","reason":"policy"}}\n'
)
BROKEN = {
    "log": ("/v1/events?follow=0", EVENT, GATEWAY),
    "metrics": ("/metrics", "netenforce_networks 1\n", "netenforce_networks 1"),
    f"policy suggest {NETWORK}": (f"/v1/events?type=blocked&network={NETWORK}", EVENT, ""),
}


@pytest.mark.parametrize(("words", "answer"), BROKEN.items(), ids=BROKEN.keys())
def test_an_answer_that_breaks_off(
    answers: StandIn, tmp_path: Path, words: str, answer: tuple[str, str, str]
) -> None:
    """What came is shown, where it is of use in part; that it is not all is said."""
    path, said, shown = answer
    answers.answers[path] = (said + said[:20]).encode()
    done = command(answers.path, tmp_path / "none", *words.split())
    assert done.status == 1 and "broke off" in done.err and str(answers.path) in done.err, done
    assert shown in done.out and bool(shown) == bool(done.out), done


CONTAINERS = {  # name -> how its id begins, its endpoint's number
    "web": ("cafe01", 2),
    "cafe": ("beef01", 3),
    "db": ("cafe02", 4),
    "feed": ("feed01", 5),
    "feed0": ("feed02", 6),
}
MEANT = {"cafe": 3, "cafe01": 2, "cafe02" + "0" * 58: 4, "beef": 3, "feed": 5, "feed0": 6, "feed01": 5}


def test_a_name_goes_before_the_beginning_of_an_id(daemon: Daemon, tmp_path: Path) -> None:
    """What could be several is none of them, and they are listed."""
    shown = {
        f"{begun:0<64}": {"Name": name, "EndpointID": endpoint_id(number)}
        for name, (begun, number) in CONTAINERS.items()
    }
    for _, number in CONTAINERS.values():
        connect(daemon, number)
    engine = StandIn(tmp_path / "docker.sock", {
        "/networks/sandbox": {"Id": NETWORK}, f"/networks/{NETWORK}": {"Containers": shown},
    })  # fmt: skip

    def asked(name: str) -> Result:
        return command(daemon.control, engine.path, "policy", "show", f"sandbox/{name}")

    for name, number in MEANT.items():
        done = asked(name)
        assert done.status == 0 and f"endpoint {endpoint_id(number)[:12]}, " in done.out, (name, done)
    done = asked("cafe0")
    assert done.status == 1 and done.out == "", done
    assert "cafe01000000 (web), cafe02000000 (db)" in done.err and "beef" not in done.err, done
    # The endpoint of one, the container of another.
    shown[f"{endpoint_id(2)[:12]:9<64}"] = {"Name": "other", "EndpointID": endpoint_id(6)}
    assert asked(endpoint_id(2)[:12]).status == 1 and asked(endpoint_id(2)).status == 0
    assert asked("caf").status == asked("none").status == 1
    engine.close()


def test_an_endpoint_of_another_network(answers: StandIn, tmp_path: Path) -> None:
    """What is meant for one network is not done to another's."""
    other = "b" * 64
    answers.answers[f"/v1/endpoints/{endpoint_id(2)}"] = {"id": endpoint_id(2), "network": other}
    for words in (("show",), ("set", "mode=audit")):
        subject = f"{NETWORK}/{endpoint_id(2)}"
        done = command(answers.path, tmp_path / "none", "policy", words[0], subject, *words[1:])
        assert done.status == 1 and f"is not on network {NETWORK[:12]}, but on {other[:12]}" in done.err, done


@pytest.mark.parametrize("words", ["log", "log --json", "metrics", "metrics --json", "ls --json", "--help"])
def test_output_that_has_no_room(daemon: Daemon, words: str) -> None:
    """A disk that is full is no success; a reader who has enough is."""
    connect(daemon, 2)
    program = (str(BUILD / "netenforce"), "--socket", str(daemon.control), *words.split())
    done = run("sh", "-c", 'exec "$0" "$@" >/dev/full', *program, check=False)
    assert done.status == 1 and "is the disk full" in done.err, done
    assert run(*program, check=False).status == 0
    enough = run("sh", "-c", '"$0" "$@" | true', *program, check=False)
    assert enough.status == 0 and "disk" not in enough.err, enough
