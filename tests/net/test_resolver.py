"""A host whose resolver the engine may ask for containers: networks and containers are refused."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import (  # noqa: E402
    BUILD,
    Daemon,
    Member,
    endpoint_body,
    ids_body,
    join_body,
    network_body,
)
from lab.process import run  # noqa: E402

LOOPBACK, ELSEWHERE = "nameserver 127.0.0.1\n", "nameserver 192.0.2.53\n"
STUB = "run/systemd/resolve/stub-resolv.conf"
SYSTEMD = "run/systemd/resolve/resolv.conf"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon on a host without a resolv.conf."""
    made = Daemon(tmp_path).start()
    (made.root / STUB).parent.mkdir(parents=True)
    yield made
    made.close()


def put(daemon: Daemon, text: str, name: str = "etc/resolv.conf") -> None:
    """Replace a file as its keepers do: by renaming."""
    new = daemon.root / f"{name}.new"
    new.write_text(text)
    new.rename(daemon.root / name)


def refused(daemon: Daemon, call: str, body: Any) -> str:
    """The complaint of a call that has to be refused, and to leave nothing."""
    before = daemon.left()
    status, answer = daemon.try_call(call, body)
    assert status == 400, (status, answer)
    assert daemon.left() == before
    return str(answer["Err"])


def test_a_loopback_resolver(daemon: Daemon) -> None:
    """Neither a network nor a container is made; what runs already goes on."""
    put(daemon, LOOPBACK)
    text = refused(daemon, "CreateNetwork", network_body())
    assert "/etc/resolv.conf on the host names 127.0.0.1" in text
    # The engine takes a setting while the plugin is disabled, and else not.
    steps = ("disable -f netenforce/driver", "RESOLVER_LEAK=allow", "enable netenforce/driver")
    places = [text.index(step) for step in steps]
    assert places == sorted(places) and text.endswith("--resolver-leak allow")
    put(daemon, ELSEWHERE)
    daemon.call("CreateNetwork", network_body())
    member = Member(daemon, 2)
    daemon.call("CreateEndpoint", endpoint_body(3))

    put(daemon, LOOPBACK)
    assert "127.0.0.1" in refused(daemon, "Join", join_body(3))
    assert member.connect("10.88.0.1", 8080) == "refused"  # by the host: nobody listens there
    daemon.restart()
    assert "127.0.0.1" in refused(daemon, "Join", join_body(3))
    put(daemon, ELSEWHERE)
    daemon.call("Join", join_body(3))
    member.leave()


def test_systemd_resolved(daemon: Daemon) -> None:
    """Its stub is a loopback server like any other; the file beside it names the real ones."""
    put(daemon, "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n", STUB)
    put(daemon, ELSEWHERE, SYSTEMD)
    for start in ("../", "/"):
        link(daemon, start + STUB)
        assert "names 127.0.0.53" in refused(daemon, "CreateNetwork", network_body())
        link(daemon, start + SYSTEMD)
        daemon.call("CreateNetwork", network_body())
        daemon.call("DeleteNetwork", network_body())


def link(daemon: Daemon, target: str) -> None:
    path = daemon.root / "etc/resolv.conf"
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def test_what_cannot_be_known_is_refused(daemon: Daemon) -> None:
    os.symlink("/mnt/elsewhere/resolv.conf", daemon.root / "etc/resolv.conf")
    status, answer = daemon.try_call("CreateNetwork", network_body())
    assert status == 500 and "cannot be seen from the plugin" in answer["Err"]


def test_an_engine_that_keeps_names(daemon: Daemon) -> None:
    """From 28 on, which tell themselves by a field; a network remembers it."""
    put(daemon, LOOPBACK)
    body = network_body()
    body["Options"]["com.docker.network.enable_ipv4"] = True
    daemon.call("CreateNetwork", body)
    daemon.restart()
    Member(daemon, 2).leave()


@pytest.mark.parametrize("by", ["environment", "option"])
def test_allowed(tmp_path: Path, by: str) -> None:
    """It goes on, and says so each time, for people and for programs."""
    env = {"RESOLVER_LEAK": "allow"} if by == "environment" else {}
    options = ["--resolver-leak", "allow"] if by == "option" else []
    daemon = Daemon(tmp_path, options=options, **env).start()
    put(daemon, LOOPBACK)
    daemon.call("CreateNetwork", network_body())
    daemon.call("CreateEndpoint", endpoint_body(2))
    daemon.call("Join", join_body(2))
    events = [json.loads(line) for line in daemon.log().splitlines() if line.startswith("{")]
    told = [event for event in events if event["type"] == "warning"]
    assert [event.get("endpoint", "") for event in told] == ["", join_body(2)["EndpointID"]]
    assert all("127.0.0.1" in event["reason"] for event in told)
    assert daemon.log().count("allowed in spite of this") == 2
    daemon.call("Leave", ids_body(2))
    daemon.close()


@pytest.mark.parametrize("by", ["environment", "option"])
def test_a_wrong_word(by: str) -> None:
    command = [str(BUILD / "netenforced")]
    if by == "option":
        command += ["--resolver-leak", "maybe"]
    else:
        command = ["env", "RESOLVER_LEAK=maybe", *command]
    done = run(*command, check=False)
    assert done.status == 2 and "refuse or allow" in done.err
