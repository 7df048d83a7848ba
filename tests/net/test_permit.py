"""The permission to forward, where the host's own firewall refuses by default: given, no more, no less.

      container 2, 3            host (FORWARD: policy drop, in nf_tables)          outside
    eth0 10.88.0.2 ==== nv-...  ne-... 10.88.0.1   out 192.0.2.1 ======== eth0 192.0.2.2
         fd00:88::2                    fd00:88::1      2001:db8::1             2001:db8::2

Judged at the receivers, as in test_policy. The rules are read and written by iptables-nft, as a host's own
tools and dockerd do.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import NETWORK, Daemon, Member, network_body, plug_outside  # noqa: E402
from lab.listener import Listener  # noqa: E402
from lab.process import wait_until  # noqa: E402
from lab.receiver import Capture  # noqa: E402

OUTSIDE, OUTSIDE6 = "192.0.2.2", "2001:db8::2"
BOTH = f"{OUTSIDE}:80/tcp,[{OUTSIDE6}]:80/tcp"
TOOLS = ("iptables-nft", "ip6tables-nft")


class World:
    """A host whose firewall refuses to forward, as dockerd leaves it; not yet a daemon."""

    def __init__(self, folder: Path, docker: bool = True) -> None:
        self.daemon = Daemon(folder)
        self.host = self.daemon.netns
        self.outside = plug_outside(self.host)
        self.host.ip("addr add 2001:db8::1/64 dev out nodad")
        self.outside.ip("addr add 2001:db8::2/64 dev eth0 nodad")
        self.host.sysctl(ipv6__conf__all__forwarding=1)
        self.listeners = [Listener(self.outside, port) for port in (80, 81)]
        for tool in TOOLS:
            self.iptables(tool, "-P", "FORWARD", "DROP")
            if docker:
                self.iptables(tool, "-N", "DOCKER-USER")
                self.iptables(tool, "-A", "DOCKER-USER", "-j", "RETURN")
                self.iptables(tool, "-A", "FORWARD", "-j", "DOCKER-USER")
                self.iptables(tool, "-A", "FORWARD", "-i", "docker0", "-j", "ACCEPT")

    def start(self, **options: str) -> None:
        """A daemon with a network that reaches beyond the host."""
        self.daemon.start()
        self.create(**options)

    def create(self, **options: str) -> None:
        self.daemon.call("CreateNetwork", network_body(ipv6=True, **({"allow": BOTH} | options)))

    def change(self, body: object) -> None:
        text = json.dumps(body).encode()
        path = f"/v1/networks/{NETWORK}/policy"
        status, answer = self.daemon.ask("PATCH", path, text, control=True)
        assert status == 200, answer

    def iptables(self, tool: str, *words: str) -> str:
        return self.host.run(tool, *words).out

    def rules(self, ours: bool) -> list[str]:
        """What iptables-nft says of both families' filter table: ours, or all the others'."""
        lines = [line for tool in TOOLS for line in self.iptables(tool, "-S").splitlines()]
        return [line for line in lines if ("--comment netenforce" in line) == ours]

    def close(self) -> None:
        for listener in self.listeners:
            listener.close()
        self.daemon.close()
        self.outside.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def reached(member: Member) -> set[str]:
    """Of all outside, by both families."""
    return {f"{to} {port}" for to in (OUTSIDE, OUTSIDE6) for port in (80, 81)
            if member.connect(to, port, timeout=0.5) == "open"}  # fmt: skip


ALLOWED = {f"{OUTSIDE} 80", f"{OUTSIDE6} 80"}
PASSED = "-i ne-+ -m mark --mark 0x20000000/0x60000000 -m comment --comment netenforce -j ACCEPT"
REPLIES = "-o ne-+ -m conntrack --ctstate RELATED,ESTABLISHED -m comment --comment netenforce -j ACCEPT"


@pytest.mark.parametrize("docker", [True, False], ids=["DOCKER-USER", "FORWARD"])
def test_what_is_allowed_is_forwarded(tmp_path: Path, docker: bool) -> None:
    world = World(tmp_path, docker)
    before = world.rules(ours=False)
    world.start()
    member = Member(world.daemon, 2, ipv6=True)
    assert reached(member) == ALLOWED
    chain = "DOCKER-USER" if docker else "FORWARD"
    assert world.rules(ours=True) == [f"-A {chain} {PASSED}", f"-A {chain} {REPLIES}"] * 2
    assert world.rules(ours=False) == before
    # Nothing comes in unasked, and what no policy allows stays refused.
    world.outside.ip("route add 10.88.0.0/24 via 192.0.2.1")
    with Capture(member.netns) as capture:
        with world.outside.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"unasked", (member.address, 9))
        assert not capture.packets(lambda packet: packet.dport == 9)
    member.leave()
    world.daemon.call("DeleteNetwork", {"NetworkID": NETWORK})
    assert world.rules(ours=True) == [] and world.rules(ours=False) == before
    world.close()


def test_without_it_nothing_is(world: World) -> None:
    """The tests here can fail: with the rules gone and the daemon dead, the host refuses."""
    world.start()
    member = Member(world.daemon, 2, ipv6=True)
    assert reached(member) == ALLOWED
    world.daemon.kill()
    for tool in TOOLS:
        world.iptables(tool, "-F", "DOCKER-USER")
    assert reached(member) == set()


def test_neighbours_are_forwarded_to(world: World) -> None:
    world.start(icc="true", allow="")
    one, other = Member(world.daemon, 2, ipv6=True), Member(world.daemon, 3, ipv6=True)
    stranger = Member(world.daemon, 4, ipv6=True, icc="false")
    listeners = [Listener(each.netns, 80) for each in (one, other, stranger)]
    for six in (False, True):
        a, b, c = (each.address6 if six else each.address for each in (one, other, stranger))
        assert one.connect(b, 80) == "open" and other.connect(a, 80) == "open"
        assert one.connect(c, 80, timeout=0.5) != "open" != stranger.connect(a, 80, timeout=0.5)
    assert world.rules(ours=True) == [f"-A DOCKER-USER {PASSED}"] * 2
    for listener in listeners:
        listener.close()


def test_it_is_given_where_it_is_needed(world: World) -> None:
    """Nothing is written where nothing refuses or nothing is to be forwarded."""
    world.start(allow="")
    member = Member(world.daemon, 2, ipv6=True)
    assert world.rules(ours=True) == []
    world.change({"allow": BOTH})
    member.netns.ip(f"route add {OUTSIDE} via 10.88.0.1", f"route add {OUTSIDE6} via fd00:88::1")
    assert len(world.rules(ours=True)) == 4 and reached(member) == ALLOWED
    world.change({"allow": ""})
    assert world.rules(ours=True) == [] and reached(member) == set()
    world.change({"allow": BOTH})
    world.iptables(TOOLS[0], "-P", "FORWARD", "ACCEPT")
    wait_until(lambda: len(world.rules(ours=True)) == 2, "IPv4's to go", timeout=10)
    assert reached(member) == ALLOWED
    world.iptables(TOOLS[0], "-P", "FORWARD", "DROP")
    wait_until(lambda: len(world.rules(ours=True)) == 4, "them to come back", timeout=10)
    assert reached(member) == ALLOWED


def test_no_table_is_made(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path).start()
    daemon.call("CreateNetwork", network_body(allow=f"{OUTSIDE}:80/tcp", icc="true"))
    assert daemon.netns.run("nft", "list", "tables", "ip").out == ""
    assert daemon.netns.run("nft", "list", "tables", "ip6").out == ""
    assert "needs no permission" in daemon.command("status").out
    daemon.close()


def test_the_operator_has_the_last_word(world: World) -> None:
    """What somebody refuses in these chains stays refused, before and after."""
    world.iptables(TOOLS[0], "-I", "DOCKER-USER", "-d", OUTSIDE, "-p", "tcp", "--dport", "80", "-j", "DROP")
    world.start()
    member = Member(world.daemon, 2, ipv6=True)
    assert reached(member) == {f"{OUTSIDE6} 80"}
    world.iptables(TOOLS[1], "-I", "FORWARD", "-d", OUTSIDE6, "-j", "REJECT")
    assert reached(member) == set()


def test_bridges_of_another_name(world: World) -> None:
    world.start(**{"com.docker.network.bridge.name": "mine0"})
    member = Member(world.daemon, 2, ipv6=True)
    assert reached(member) == ALLOWED
    assert sum("-i mine0 " in line for line in world.rules(ours=True)) == 2


@pytest.mark.parametrize("spoil", [
    "{0} -F DOCKER-USER",
    "{0} -F FORWARD",
    "{0} -D DOCKER-USER 1",
    "{0} -F; {0} -X",
    "{0}-save | sed 's/ACCEPT$/DROP/' | {0}-restore",
    "nft flush ruleset; {0} -P FORWARD DROP",
    "nft delete table ip filter; {0} -P FORWARD DROP",
])  # fmt: skip
def test_what_is_lost_comes_back(world: World, spoil: str) -> None:
    world.start()
    member = Member(world.daemon, 2, ipv6=True)
    world.host.run("sh", "-ec", spoil.format(TOOLS[0]))
    wait_until(lambda: f"{OUTSIDE} 80" in reached(member), "it to be forwarded again", timeout=10)
    assert not reached(member) - ALLOWED
    assert sum("-i ne-+" in line for line in world.iptables(TOOLS[0], "-S").splitlines()) == 1

    def is_told() -> bool:
        lines = [line for line in world.daemon.log().splitlines() if '"type":"repair"' in line]
        return any("permission to forward" in line or "table" in line for line in lines)

    wait_until(is_told, "the repair to be told", timeout=10)


def test_a_restart_leaves_one_set(world: World) -> None:
    world.start()
    member, before = Member(world.daemon, 2, ipv6=True), world.rules(ours=True)
    world.daemon.kill()
    assert reached(member) == ALLOWED
    world.daemon.start()
    assert world.rules(ours=True) == before and reached(member) == ALLOWED
    # What iptables-nft saved, it restores; and it can still edit.
    saved = world.iptables(f"{TOOLS[0]}-save")
    world.host.run("sh", "-c", f"printf '%s' '{saved}' | {TOOLS[0]}-restore")
    wait_until(lambda: world.daemon.get("/v1/status")["enforcement"]["in_place"], "all in place")
    assert world.rules(ours=True) == before
    world.iptables(TOOLS[0], "-I", "DOCKER-USER", "-s", "203.0.113.1", "-j", "DROP")
    world.iptables(TOOLS[0], "-D", "DOCKER-USER", "-s", "203.0.113.1", "-j", "DROP")
    assert world.daemon.get("/v1/status")["enforcement"]["in_place"]
