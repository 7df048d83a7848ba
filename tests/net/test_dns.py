"""Names: dns, dns_allow and dns_deny, with a real dnsmasq.

Judged by what a name server outside was asked, which is the only one that there is.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import (  # noqa: E402
    NETWORK,
    POOL6,
    Daemon,
    Member,
    endpoint_id,
    ids_body,
    network_body,
    plug_outside,
)
from lab.names import NameServer, ask  # noqa: E402
from lab.process import run, wait_until  # noqa: E402

BRIDGE, BRIDGE6, OUTSIDE = "10.88.0.1", f"{POOL6}1", "192.0.2.2"


class World:
    """A host with a daemon whose resolv.conf names a server outside."""

    def __init__(self, folder: Path, *options: str, daemon: str = OUTSIDE) -> None:
        self.daemon = Daemon(folder, options=options)
        self.resolv_conf(daemon)
        self.daemon.start()
        self.outside = plug_outside(self.daemon.netns)
        self.server = NameServer(self.outside)

    def resolv_conf(self, *servers: str) -> None:
        """What the host's resolv.conf names."""
        text = "".join(f"nameserver {server}\n" for server in servers)
        path = self.daemon.root / "etc/resolv.conf"
        path.with_suffix(".new").write_text(text)
        path.with_suffix(".new").rename(path)

    def network(self, ipv6: bool = False, **options: str) -> None:
        """The network, with options."""
        self.daemon.call("CreateNetwork", network_body(ipv6=ipv6, **options))

    def patch(self, body: object, endpoint: int = 0) -> tuple[int, Any]:
        """PATCH of the network's policy, or of an endpoint's."""
        owner = f"endpoints/{endpoint_id(endpoint)}" if endpoint else f"networks/{NETWORK}"
        text = json.dumps(body).encode()
        return self.daemon.ask("PATCH", f"/v1/{owner}/policy", text, control=True)

    def change(self, body: object, endpoint: int = 0) -> None:
        """A change that has to succeed."""
        status, answer = self.patch(body, endpoint)
        assert status == 200, answer

    def forwarders(self) -> list[int]:
        """Processes of dnsmasq in this host's namespace, without those for connections."""
        found = []
        mine = os.stat(self.daemon.netns.path).st_ino
        for process in Path("/proc").iterdir():
            try:
                name = (process / "comm").read_text().strip()
                here = os.stat(process / "ns/net").st_ino == mine
                group = os.getpgid(int(process.name)) if name == "dnsmasq" else 0
            except (OSError, ValueError):
                continue
            if name == "dnsmasq" and here and group == int(process.name):
                found.append(int(process.name))
        return found

    def events(self, kind: str = "dns") -> list[dict[str, Any]]:
        """Events of a type so far."""
        lines = [line for line in self.daemon.log().splitlines() if line.startswith("{")]
        return [event for event in map(json.loads, lines) if event["type"] == kind]

    def metrics(self) -> str:
        """What Prometheus would read."""
        return run("curl", "-s", "--unix-socket", str(self.daemon.control), "http://x/metrics").out

    def close(self) -> None:
        """Remove it all; nothing of ours stays behind."""
        self.server.close()
        self.daemon.kill()
        wait_until(lambda: not self.forwarders(), "each dnsmasq to end", timeout=10)
        self.daemon.close()
        self.outside.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """No network yet."""
    made = World(tmp_path)
    yield made
    made.close()


def answers(member: Member, name: str = "up.example", server: str = BRIDGE) -> None:
    """Wait until names are answered."""
    wait_until(
        lambda: ask(member.netns, server, name, timeout=0.3) == "answered",
        "names to be answered",
        timeout=15,
    )


def test_off_is_the_default(world: World) -> None:
    world.network()
    member = Member(world.daemon, 2)
    for server in (BRIDGE, OUTSIDE, "192.0.2.1"):
        for tcp in (False, True):
            assert ask(member.netns, server, "www.example", tcp=tcp, timeout=0.3) != "answered"
    assert not world.server.names and not world.forwarders()


@pytest.mark.parametrize("given", ["network", "endpoint"])
def test_servers_by_address(world: World, given: str) -> None:
    """They pass by both protocols, and no other server does."""
    options = {"dns": f"{OUTSIDE},{BRIDGE}"}
    world.network(**(options if given == "network" else {}))
    member = Member(world.daemon, 2, **(options if given == "endpoint" else {}))
    own = NameServer(world.daemon.netns)
    try:
        for server in (OUTSIDE, BRIDGE):
            assert ask(member.netns, server, "www.example") == "answered"
            assert ask(member.netns, server, "tcp.example", tcp=True) == "answered"
        assert set(world.server.names) == set(own.names) == {"www.example", "tcp.example"}
        assert ask(member.netns, "192.0.2.1", "other.example", timeout=0.3) != "answered"
        assert member.connect(OUTSIDE, 853, timeout=0.3) != "open"
        world.change({"deny": f"{OUTSIDE}:53/udp"})  # deny wins
        assert ask(member.netns, OUTSIDE, "no.example", timeout=0.3) != "answered"
        assert ask(member.netns, OUTSIDE, "yes.example", tcp=True) == "answered"
        if given == "network":
            assert ask(Member(world.daemon, 3, dns="off").netns, OUTSIDE, "off.example",
                       timeout=0.3) != "answered"  # fmt: skip
        else:
            assert ask(Member(world.daemon, 3).netns, OUTSIDE, "off.example", timeout=0.3) != (
                "answered"
            )
    finally:
        own.close()
    assert {"no.example", "off.example", "other.example"}.isdisjoint(
        world.server.names + own.names
    )


BAD = {
    "a neighbour": ({"dns": "10.88.0.9"}, "own pool"),
    "another family": ({"dns": "2001:db8::1"}, "IPv6"),
    "loopback": ({"dns": "127.0.0.1"}, "accepted"),
    "a list nobody reads": ({"dns": OUTSIDE, "dns_deny": "example.com"}, "dns=log"),
    "no name": ({"dns": "log", "dns_allow": "exa mple!"}, "accepted"),
}


@pytest.mark.parametrize(("options", "why"), BAD.values(), ids=BAD.keys())
def test_bad_values(world: World, options: dict[str, str], why: str) -> None:
    status, answer = world.daemon.try_call("CreateNetwork", network_body(**options))
    assert status != 200 and why in answer["Err"], answer
    world.network()
    status, answer = world.patch(options)
    assert status == 400 and why in answer["error"]["message"], answer


def test_internal(world: World) -> None:
    """Nothing beyond this host: only servers on it."""
    body = network_body(dns=OUTSIDE)
    body["Options"]["com.docker.network.internal"] = True
    status, answer = world.daemon.try_call("CreateNetwork", body)
    assert status != 200 and "--internal" in answer["Err"]
    body["Options"]["com.docker.network.generic"] = {"dns": "192.0.2.1"}
    world.daemon.call("CreateNetwork", body)


def test_log(world: World) -> None:
    """By both families and protocols, with an event each; a container with dns=off has none."""
    world.network(ipv6=True, dns="log")
    member, off = Member(world.daemon, 2, ipv6=True), Member(world.daemon, 3, ipv6=True, dns="off")
    answers(member)
    assert ask(member.netns, BRIDGE, "tcp.example", tcp=True) == "answered"
    assert ask(member.netns, BRIDGE6, "six.example", "AAAA") == "answered"
    assert ask(member.netns, BRIDGE6, "tcp6.example", tcp=True) == "answered"
    assert ask(member.netns, BRIDGE, "not.missing") == "nxdomain"
    assert ask(member.netns, BRIDGE, "text.example", "TXT") == "answered"
    for server in (BRIDGE, BRIDGE6):
        for tcp in (False, True):
            assert ask(off.netns, server, "off.example", tcp=tcp, timeout=0.3) == "closed"
    assert ask(member.netns, OUTSIDE, "past.example", timeout=0.3) != "answered"
    names = {"up.example", "tcp.example", "six.example", "tcp6.example", "not.missing",
             "text.example"}  # fmt: skip
    assert set(world.server.names) == names
    wait_until(lambda: {e["name"] for e in world.events()} == names, "events of all", timeout=10)
    found = {event["name"]: event for event in world.events()}
    for event in found.values():
        assert event["network"] == NETWORK and event["endpoint"] == endpoint_id(2)
        assert event["src"] in (member.address, member.address6)
    assert found["tcp.example"]["answer"] == "203.0.113.7"
    assert found["six.example"]["answer"] == "2001:db8::7"
    assert found["six.example"]["query"] == "AAAA" and found["text.example"]["query"] == "TXT"
    assert [found[name]["result"] for name in ("tcp.example", "not.missing", "text.example")] == [
        "answered", "nxdomain", "nodata"]  # fmt: skip


def test_log_of_one_endpoint(world: World) -> None:
    world.network()
    assert not world.forwarders()
    one, other = Member(world.daemon, 2, dns="log"), Member(world.daemon, 3)
    answers(one)
    assert ask(other.netns, BRIDGE, "other.example", timeout=0.3) == "closed"
    world.change({"deny": f"{BRIDGE}:53/tcp"}, endpoint=2)
    assert ask(one.netns, BRIDGE, "tcp.example", tcp=True, timeout=0.3) == "closed"
    assert ask(one.netns, BRIDGE, "udp.example") == "answered"
    assert set(world.server.names) == {"up.example", "udp.example"}
    world.daemon.call("Leave", ids_body(2))
    world.daemon.call("DeleteEndpoint", ids_body(2))
    wait_until(lambda: not world.forwarders(), "the forwarder to end", timeout=10)


LISTS: dict[str, tuple[dict[str, str], set[str], set[str]]] = {
    "a name alone": ({"dns_allow": "example.com"}, {"example.com", "EXAMPLE.com"},
                     {"www.example.com", "example.org", "xexample.com", "com", "localhost"}),
    "what is below": ({"dns_allow": "*.example.com"}, {"www.example.com", "a.b.example.com"},
                      {"example.com", "xexample.com", "example.com.evil.org", "com"}),
    "both": ({"dns_allow": "example.com *.example.com"}, {"example.com", "a.b.example.com"},
             {"xexample.com", "example.org"}),
    "nothing": ({"dns_allow": ""}, set(), {"example.com", "com"}),
    "all but one": ({"dns_deny": "bad.example.com"},
                    {"example.com", "x.bad.example.com", "org", "xbad.example.com"},
                    {"bad.example.com", "BAD.Example.com"}),
    "all but what is below": ({"dns_deny": "*.bad.example.com"},
                              {"bad.example.com", "example.com"},
                              {"x.bad.example.com", "a.b.bad.example.com"}),
    "deny wins": ({"dns_allow": "*.example.com", "dns_deny": "*.bad.example.com,bad.example.com"},
                  {"www.example.com", "xbad.example.com"},
                  {"bad.example.com", "x.bad.example.com", "example.com", "example.org"}),
    "deny wins over a longer name": ({"dns_allow": "*,good.bad.example.com",
                                      "dns_deny": "*.bad.example.com"},
                                     {"bad.example.com", "example.org"},
                                     {"good.bad.example.com"}),
    "a hole in a hole": ({"dns_allow": "a.b.c,*.b.c,c", "dns_deny": "*.a.b.c,x.b.c"},
                         {"a.b.c", "y.b.c", "c", "y.x.b.c"}, {"z.a.b.c", "x.b.c", "b.c", "d.c"}),
    "nothing, by deny": ({"dns_allow": "example.com", "dns_deny": "*"}, set(), {"example.com"}),
    "odd names": ({"dns_allow": "_dmarc.x-y.example,1.2,-a.example"},
                  {"_dmarc.x-y.example", "1.2", "-a.example"}, {"1.1.2", "a.example", "2"}),
}  # fmt: skip


@pytest.mark.parametrize(("options", "passed", "denied"), LISTS.values(), ids=LISTS.keys())
def test_lists(world: World, options: dict[str, str], passed: set[str], denied: set[str]) -> None:
    """What is not allowed is never asked of anybody, whatever the type and the protocol."""
    world.network(dns="log", **options)
    member = Member(world.daemon, 2)
    wait_until(
        lambda: ask(member.netns, BRIDGE, "probe.invalid", timeout=0.3) in ("answered", "nxdomain"),
        "the forwarder to answer",
        timeout=15,
    )
    world.server.names.clear()
    for name in passed:
        assert ask(member.netns, BRIDGE, name) == "answered", name
        assert ask(member.netns, BRIDGE, name, "TXT", tcp=True) == "answered", name
    for name in denied:
        assert ask(member.netns, BRIDGE, name) == "nxdomain", name
        for kind in ("AAAA", "TXT", "HTTPS", "ANY"):
            assert ask(member.netns, BRIDGE, name, kind, tcp=kind == "ANY") == "nxdomain", name
        assert ask(member.netns, BRIDGE, name, tcp=True) == "nxdomain", name
    assert set(world.server.names) == {name.lower() for name in passed}
    wait_until(
        lambda: {e["name"] for e in world.events() if e.get("result") == "denied"} >= denied,
        "events of what was denied",
        timeout=10,
    )


def test_a_name_that_forges(world: World) -> None:
    """Whatever a label's bytes: a line of the log stays a line, an event an event."""
    world.network(dns="log", dns_allow="*.example.com")
    member = Member(world.daemon, 2)
    answers(member, "up.example.com")
    forged = 'x\ndnsmasq[1]: 9 10.88.0.3/5 query[A] evil from 10.88.0.3\n{"type":"repair"}'
    for label in (forged[:63], "a b from c", 'q"q', "\x1b[31m", "x is y", "\xff"):
        ask(member.netns, BRIDGE, f"{label}.example.com", timeout=0.3)
        ask(member.netns, BRIDGE, f"{label}.example.org", timeout=0.3)
    assert ask(member.netns, BRIDGE, "last.example.com") == "answered"
    wait_until(lambda: any(e["name"] == "last.example.com" for e in world.events()), "the last")
    assert all(event["endpoint"] == endpoint_id(2) for event in world.events())
    assert not world.events("repair")
    assert not any(name.endswith("example.org") for name in world.server.names)


def test_a_change_holds_at_once(world: World) -> None:
    """After the answer no name passes that the new policy denies; what both allow comes back."""
    world.network(dns="log")
    member = Member(world.daemon, 2)
    answers(member)
    for number in range(5):
        name = f"n{number}.example"
        assert ask(member.netns, BRIDGE, name) == "answered"
        world.server.names.clear()
        world.change({"dns_deny": name})
        assert ask(member.netns, BRIDGE, name, timeout=0.3) in ("closed", "nxdomain")
        answers(member)
        assert ask(member.netns, BRIDGE, name) == "nxdomain"
        assert name not in world.server.names
    world.change({"dns": "off"})
    assert ask(member.netns, BRIDGE, "off.example", timeout=0.3) == "closed"
    wait_until(lambda: not world.forwarders(), "the forwarder to end", timeout=10)
    world.change({"dns": "log", "dns_deny": None})
    answers(member, "n4.example")
    assert "off.example" not in world.server.names


def test_dnsmasq_dies(world: World) -> None:
    """Names fail, and come back; a warning tells it. With a server of the host's on all addresses,
    started later, not a question reaches that."""
    world.network(dns="log")
    member = Member(world.daemon, 2)
    answers(member)
    for number in range(3):
        [pid] = world.forwarders()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda pid=pid: pid not in world.forwarders(), "its end")  # type: ignore[misc]
        answers(member, f"again{number}.example")
    [first, *_] = world.events("warning")
    assert first["network"] == NETWORK and "signal 9" in first["reason"]
    status = (Path("/proc") / str(world.forwarders()[0]) / "status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["20037"] * 4 and fields["NoNewPrivs"] == "1"
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(fields[kind], 16) == 1 << 10  # CAP_NET_BIND_SERVICE
    assert fields["Seccomp"] == "2"


def test_the_daemon_dies(world: World) -> None:
    """No dnsmasq outlives its daemon, not with a connection open; the next one starts it again."""
    world.network(dns="log")
    member = Member(world.daemon, 2)
    answers(member)
    stream = member.netns.socket(socket.AF_INET, socket.SOCK_STREAM)
    stream.connect((BRIDGE, 53))
    for end in (world.daemon.kill, world.daemon.stop):
        end()
        wait_until(lambda: not world.forwarders(), "dnsmasq to end with its daemon", timeout=10)
        assert ask(member.netns, BRIDGE, "dead.example", timeout=0.3) == "closed"
        world.daemon.start()
        answers(member)
    stream.close()
    assert "dead.example" not in world.server.names
    world.daemon.call("Leave", ids_body(2))
    world.daemon.call("DeleteEndpoint", ids_body(2))
    world.daemon.call("DeleteNetwork", {"NetworkID": NETWORK})
    wait_until(lambda: not world.forwarders(), "dnsmasq to end with its network", timeout=10)


def test_the_launcher_dies(world: World) -> None:
    """Its dnsmasq goes with it; both come back."""
    world.network(dns="log")
    member = Member(world.daemon, 2)
    answers(member)
    for number in range(3):
        [before] = world.forwarders()
        status = (Path("/proc") / str(before) / "status").read_text()
        launcher = int(status.split("PPid:\t", 1)[1].split()[0])
        assert (Path("/proc") / str(launcher) / "comm").read_text().strip() == "ne-launcher"
        os.kill(launcher, signal.SIGKILL)
        wait_until(lambda: before not in world.forwarders(), "its end")  # noqa: B023
        answers(member, f"again{number}.example")
    assert any("killed" in event["reason"] for event in world.events("warning"))


def test_another_server_is_there(world: World) -> None:
    """A server on every address would answer in dnsmasq's place: the port stays closed."""
    other = NameServer(world.daemon.netns)
    try:
        world.network(dns="log")
        member = Member(world.daemon, 2)
        wait_until(lambda: world.events("warning"), "a warning", timeout=10)
        assert "port 53 of every address" in world.events("warning")[0]["reason"]
        for tcp in (False, True):
            assert ask(member.netns, BRIDGE, "leak.example", tcp=tcp, timeout=0.3) == "closed"
        assert not other.names and not world.server.names
    finally:
        other.close()
    answers(member)
    assert len(world.events("warning")) == 1


def test_no_dnsmasq(tmp_path: Path) -> None:
    """Without the program dns=log is refused, and says what to do."""
    world = World(tmp_path, "--dnsmasq", "/nowhere/dnsmasq")
    try:
        status, answer = world.daemon.try_call("CreateNetwork", network_body(dns="log"))
        assert status != 200 and "dnsmasq-base" in answer["Err"]
        world.network()
        assert world.patch({"dns": "log"})[0] == 400
    finally:
        world.close()


def test_dnsmasq_is_taken_away(tmp_path: Path) -> None:
    """Names fail; a policy can change in other things, and dns=log is not given to any other."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)  # tmp_path is closed to all but root
    program = folder / "dnsmasq"
    program.symlink_to("/usr/sbin/dnsmasq")
    world = World(tmp_path, "--dnsmasq", str(program))
    try:
        world.network(dns="log")
        member = Member(world.daemon, 2)
        answers(member)
        program.unlink()
        world.change({"dns_deny": "bad.example"})
        wait_until(lambda: world.events("warning"), "a warning", timeout=10)
        assert "cannot be started" in world.events("warning")[0]["reason"]
        world.change({"deny": "10.0.0.0/8:1-52/tcp"})
        assert world.patch({"dns": "log"}, endpoint=2)[0] == 400
        assert ask(member.netns, BRIDGE, "gone.example", timeout=0.3) == "closed"
        program.symlink_to("/usr/sbin/dnsmasq")
        answers(member)
    finally:
        world.close()
        shutil.rmtree(folder)


def test_the_host_asks_others(world: World, tmp_path: Path) -> None:
    """resolv.conf is read anew when it changes."""
    world.daemon.netns.ip("addr add 192.0.2.9/24 dev out")
    own = NameServer(world.daemon.netns, "192.0.2.9")
    try:
        world.network(dns="log")
        member = Member(world.daemon, 2)
        answers(member)
        world.resolv_conf("192.0.2.9")
        wait_until(
            lambda: ask(member.netns, BRIDGE, "moved.example", timeout=0.3) == "answered"
            and "moved.example" in own.names,
            "the new server to be asked",
            timeout=10,
        )
    finally:
        own.close()


def test_named_upstream(tmp_path: Path) -> None:
    world = World(tmp_path, "--dns-upstream", OUTSIDE, daemon="192.0.2.77")
    try:
        world.network(dns="log")
        answers(Member(world.daemon, 2))
    finally:
        world.close()


def test_the_bridge_is_made_again(world: World) -> None:
    world.network(ipv6=True, dns="log")
    member = Member(world.daemon, 2, ipv6=True)
    answers(member)
    bridge = f"ne-{NETWORK[:12]}"
    world.daemon.netns.run("ip", "link", "del", bridge)
    wait_until(lambda: bridge in world.daemon.links(), "the bridge to be put back", timeout=10)
    answers(member)
    answers(member, "six.example", BRIDGE6)


def test_a_flood_blinds_nobody(world: World) -> None:
    """A container that asks without end has few events and an exact count; a neighbour has each."""
    world.network(dns="log", dns_allow="*.example")
    loud, quiet = Member(world.daemon, 2), Member(world.daemon, 3)
    answers(quiet)
    count = 3000
    for number in range(count):
        assert ask(loud.netns, BRIDGE, f"n{number}.invalid") == "nxdomain"
        if number % 300 == 0:
            assert ask(quiet.netns, BRIDGE, f"q{number}.example") == "answered"

    def told(number: int) -> tuple[int, int]:
        mine = [e for e in world.events() if e.get("endpoint") == endpoint_id(number)]
        return sum("name" in e for e in mine), sum(e.get("suppressed", 0) for e in mine)

    counted = f'dns_queries_total{{network="{NETWORK}",result="denied"}} {count}\n'
    wait_until(lambda: counted in world.metrics(), "an exact count", timeout=10)
    wait_until(lambda: sum(told(2)) == count, "all of the loud one's to be told of", timeout=10)
    assert 0 < told(2)[0] < count
    names = {e.get("name") for e in world.events() if e.get("endpoint") == endpoint_id(3)}
    assert names >= {f"q{number}.example" for number in range(0, count, 300)}
    assert told(3)[1] == 0


def test_unanswered(world: World) -> None:
    world.network(dns="log")
    member = Member(world.daemon, 2)
    answers(member)
    assert ask(member.netns, BRIDGE, "no.silent", timeout=0.3) == "silent"
    wait_until(
        lambda: any(
            e["name"] == "no.silent" and e["result"] == "unanswered" for e in world.events()
        ),
        "the event of a question that nobody answered",
        timeout=20,
    )
