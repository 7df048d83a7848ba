"""netenforce doctor: a host where all is well, and one fault after the other.

The engine is a little server that says what dockerd's API would. tests/engine asks a real one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import BUILD, NETWORK, Daemon, Member, network_body, plug_outside  # noqa: E402
from lab.listener import Listener  # noqa: E402
from lab.process import Result, wait_until  # noqa: E402
from lab.stand_in import StandIn  # noqa: E402

GATEWAY, OUTSIDE = "10.88.0.1", "192.0.2.2"


class World:
    """A host where nothing is to be complained of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.daemon = Daemon(folder).start()
        self.outside = plug_outside(self.daemon.netns)
        self.engine = StandIn(folder / "docker.sock", {
            "/version": {"Version": "28.5.2"},
            "/plugins/netenforce/driver:latest/json": {"Enabled": True},
        })  # fmt: skip
        self.resolv = folder / "resolv.conf"
        self.resolv.write_text("nameserver 192.0.2.53\n")
        self.daemon.call("CreateNetwork", network_body())
        self.proxy: Listener | None = Listener(self.daemon.netns, 8080)

    def doctor(self, *words: str) -> Result:
        """The command, in the host's namespace, with a resolv.conf of the test's."""
        script = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'
        return self.daemon.netns.run(
            "unshare", "--mount", "env", f"DOCKER_HOST=unix://{self.folder}/docker.sock",
            "sh", "-c", script, "sh", str(self.resolv),
            str(BUILD / "netenforce"), "--socket", str(self.daemon.control), "doctor", *words,
            check=False,
        )  # fmt: skip

    def findings(self, status: int) -> dict[str, str]:
        """What is not good: check -> what was found."""
        done = self.doctor("--json")
        assert done.status == status, done
        found = json.loads(done.out)["findings"]
        return {item["check"]: item["found"] for item in found if item["level"] != "good"}

    def change(self, **options: Any) -> None:
        """The network's policy."""
        status, answer = self.daemon.ask(
            "PATCH", f"/v1/networks/{NETWORK}/policy", json.dumps(options).encode(), control=True
        )
        assert status == 200, answer

    def close(self) -> None:
        """Remove it all."""
        if self.proxy is not None:
            self.proxy.close()
        self.engine.close()
        self.daemon.close()
        self.outside.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def test_all_is_well(world: World) -> None:
    assert world.findings(0) == {}
    shown = world.doctor()
    assert shown.status == 0 and "good" in shown.out and "LOOK" not in shown.out
    assert "Docker 28.5.2" in shown.out and "\033" not in shown.out and shown.err == ""
    assert world.daemon.get("/v1/endpoints")["endpoints"] == []
    assert world.doctor("more").status == 2


def proxy_gone(world: World) -> None:
    assert world.proxy is not None
    world.proxy.close()
    world.proxy = None


def firewall(world: World) -> None:
    world.daemon.netns.run("iptables-legacy", "-P", "INPUT", "DROP")
    world.daemon.netns.run("nft", "add table ip strict")
    world.daemon.netns.run(
        "nft", "add chain ip strict input { type filter hook input priority 0; policy drop; }"
    )


def firewall_that_says_so(world: World) -> None:
    world.daemon.netns.run("nft", "add table inet strict")
    world.daemon.netns.run(
        "nft", "add chain inet strict input { type filter hook input priority 10; }"
    )
    world.daemon.netns.run(
        "nft", "add rule inet strict input iifname ne-* reject with icmpx admin-prohibited"
    )


def firewall_that_refuses(world: World) -> None:
    world.daemon.netns.run("nft", "add table ip strict")
    world.daemon.netns.run("nft", "add chain ip strict input { type filter hook input priority 10; }")
    world.daemon.netns.run("nft", "add rule ip strict input iifname ne-* reject with tcp reset")


def no_forwarding(world: World) -> None:
    world.change(allow=f"{OUTSIDE}:80/tcp")
    world.daemon.netns.sysctl(ipv4__ip_forward=0)


def marks_of_another(world: World) -> None:
    world.daemon.netns.run(
        "iptables-legacy", "-t", "mangle", "-A", "OUTPUT", "-j", "MARK", "--set-mark", "0x1"
    )


def marks_with_a_comment(comment: str) -> Callable[[World], None]:
    def mark(world: World) -> None:
        world.daemon.netns.run("iptables-legacy", "-t", "mangle", "-A", "OUTPUT", "-m", "comment",
                               "--comment", comment, "-j", "MARK", "--set-mark", "0x1")  # fmt: skip

    return mark


def marks_of_another_in_nft(world: World) -> None:
    world.daemon.netns.run("nft", "add table ip other")
    world.daemon.netns.run("nft", "add chain ip other out { type filter hook output priority 0; }")
    world.daemon.netns.run("nft", "add rule ip other out meta mark set 0x40000000")


def leak(world: World) -> None:
    world.engine.answers["/version"] = {"Version": "20.10.24"}
    world.resolv.write_text("nameserver 127.0.0.1\n")


def crash(world: World) -> None:
    world.engine.answers["/version"] = {"Version": "29.0.1"}


def disabled(world: World) -> None:
    world.engine.answers["/plugins/netenforce/driver:latest/json"] = {"Enabled": False}


def no_engine(world: World) -> None:
    world.engine.close()


def audit(world: World) -> None:
    world.change(mode="audit")


def another_way_out(world: World) -> None:
    member = Member(world.daemon, 2)
    member.netns.ip(f"link add eth1 type veth peer name away netns {world.daemon.netns.path}")
    wait_until(lambda: world.daemon.get("/v1/status")["multi_homed"], "the daemon to see it")


def nobody_with_the_role(world: World) -> None:
    Member(world.daemon, 2)
    world.change(proxy="container:8080")


def no_route(world: World) -> None:
    Member(world.daemon, 2)
    world.change(allow=f"{OUTSIDE}:80/tcp")


def open_state(world: World) -> None:
    world.daemon.state.chmod(0o777)


FAULTS: dict[str, tuple[Callable[[World], None], str]] = {
    "proxy": (proxy_gone, "nothing listens"),
    "proxy behind a firewall": (firewall, "own firewall"),
    "proxy behind a firewall that says so": (firewall_that_says_so, "own firewall"),
    "proxy behind a firewall that refuses": (firewall_that_refuses, "own firewall"),
    "proxy by role": (nobody_with_the_role, "is there with role=proxy"),
    "forwarding": (no_forwarding, "does not forward IPv4"),
    "mark": (marks_of_another, "--set-xmark 0x1/0xffffffff"),
    "mark in Latin-1": (marks_with_a_comment("caf\udce9"), '--comment "caf?" -j MARK'),
    "mark cut in a letter": (marks_with_a_comment("a" + "ä" * 99), "aää"),
    "mark in nft": (marks_of_another_in_nft, "0x40000000"),
    "resolver": (leak, "names 127.0.0.1"),
    "engine": (crash, "crashes"),
    "plugin": (disabled, "is disabled"),
    "engine that is away": (no_engine, "does not answer"),
    "mode": (audit, "only audits"),
    "ways_out": (another_way_out, "eth1 (veth)"),
    "routes": (no_route, "has no route"),
    "state": (open_state, "others than root"),
}


@pytest.mark.parametrize(("name", "fault"), FAULTS.items(), ids=FAULTS.keys())
def test_a_fault(world: World, name: str, fault: tuple[Callable[[World], None], str]) -> None:
    make, text = fault
    make(world)
    found = world.findings(1)
    assert set(found) == {name.split()[0]} and text in found[name.split()[0]], found
    shown = world.doctor()
    assert shown.status == 1 and text in shown.out and "LOOK" in shown.out


def test_what_to_do_about_an_unknown_firewall(world: World) -> None:
    firewall_that_says_so(world)
    shown = world.doctor().out
    assert f"what refuses {GATEWAY} port 8080 from interface ne-+" in shown


def test_the_permission_to_forward_is_ours(world: World) -> None:
    """It tests the mark, in a table of others."""
    world.daemon.netns.run("iptables-nft", "-P", "FORWARD", "DROP")
    world.change(allow=f"{OUTSIDE}:80/tcp")
    assert "0x60000000 == 0x20000000" in world.daemon.netns.run("nft", "list", "table", "ip", "filter").out
    assert world.findings(0) == {}


LEAKS, REFUSED = "asks that server for containers", "refuses networks"


@pytest.mark.parametrize(("version", "found"), [("20.10.24", LEAKS), ("23.0.10", LEAKS),
                                                ("23.0.11", REFUSED), ("24.0.9", LEAKS),
                                                ("25.0.4", LEAKS), ("25.0.5", REFUSED),
                                                ("27.5.1", REFUSED), ("28.0.0", ""),
                                                ("28.5.2", "")])  # fmt: skip
def test_engines_that_leak_names(world: World, version: str, found: str) -> None:
    """Those that do not are refused all the same where the driver cannot tell, unless that is allowed."""
    world.resolv.write_text("nameserver 127.0.0.1\n")
    world.engine.answers["/version"] = {"Version": version}
    looked = world.findings(1 if found else 0)
    assert set(looked) == ({"resolver"} if found else set()) and found in looked.get("resolver", "")
    world.daemon.stop()
    world.daemon.env["RESOLVER_LEAK"] = "allow"
    world.daemon.start()
    assert ("resolver" in world.findings(1 if found == LEAKS else 0)) == (found == LEAKS)


def test_what_is_being_mended(world: World) -> None:
    """The moment between somebody's change and the repair is no finding."""
    for _ in range(5):
        for command in ("iptables-legacy", "ip6tables-legacy"):
            world.daemon.netns.run(command, "-t", "raw", "-F", "PREROUTING")
        assert set(world.findings(0)) == set()


def test_the_daemon_is_away(world: World) -> None:
    world.daemon.stop()
    assert set(world.findings(3)) == {"daemon"}
    assert "BAD" in world.doctor().out
