"""Policies by address and port, and their change while packets flow, without an engine.

Judged at the receivers, as in test_fence: listeners in the host and outside.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import (  # noqa: E402
    NETWORK,
    Member,
    endpoint_body,
    endpoint_id,
    join_body,
    network_body,
)
from lab.netns import Netns  # noqa: E402
from lab.process import Result, wait_until  # noqa: E402
from lab.receiver import Capture  # noqa: E402
from lab.site import Site  # noqa: E402

GATEWAY, HOST, OUTSIDE = "10.88.0.1", "192.0.2.1", "192.0.2.2"


class World(Site):
    """A host with a daemon, a machine outside, listeners on both."""

    ipv6 = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.here = self.listen(self.host, 8080, 9000, 9001)
        self.listen(self.plug_outside(), 80, 81)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The network has the default policy."""
    made = World(tmp_path)
    made.daemon.call("CreateNetwork", network_body())
    yield made
    made.close()


def reach(member: Member) -> dict[str, str]:
    """How each receiver answers."""
    targets = [(GATEWAY, 8080), (GATEWAY, 9000), (GATEWAY, 9001), (HOST, 9000), (OUTSIDE, 80),
               (OUTSIDE, 81)]  # fmt: skip
    return {f"{to}:{port}": member.connect(to, port) for to, port in targets}


def opened(member: Member) -> set[str]:
    """What it reaches; all else is refused, or has no route."""
    found = reach(member)
    assert set(found.values()) <= {"open", "refused", "[Errno 101] Network is unreachable"}, found
    return {target for target, answer in found.items() if answer == "open"}


PROXY = f"{GATEWAY}:8080"
POLICIES = {
    "one port of the bridge": ({"allow": f"{GATEWAY}:9000/tcp"}, {PROXY, f"{GATEWAY}:9000"}),
    "a range": ({"allow": f"{GATEWAY}:9000-9001/tcp"},
                {PROXY, f"{GATEWAY}:9000", f"{GATEWAY}:9001"}),
    "another protocol": ({"allow": f"{GATEWAY}:9000/udp"}, {PROXY}),
    "another address of the host": ({"allow": f"{HOST}:9000/tcp"}, {PROXY, f"{HOST}:9000"}),
    "beyond the host": ({"allow": f"{OUTSIDE}:80/tcp"}, {PROXY, f"{OUTSIDE}:80"}),
    "a prefix": ({"allow": "192.0.2.0/30:80-9000/tcp"},
                 {PROXY, f"{OUTSIDE}:80", f"{OUTSIDE}:81", f"{HOST}:9000"}),
    "everything": ({"allow": "0.0.0.0/0:1-65535/tcp"},
                   {PROXY, f"{GATEWAY}:9000", f"{GATEWAY}:9001", f"{HOST}:9000", f"{OUTSIDE}:80",
                    f"{OUTSIDE}:81"}),
    "deny wins": ({"allow": "192.0.2.0/24:1-65535/tcp", "deny": f"{OUTSIDE}:81/tcp"},
                  {PROXY, f"{OUTSIDE}:80", f"{HOST}:9000"}),
    "deny wins over the proxy": ({"deny": "10.0.0.0/8:1-65535/tcp"}, set()),
    "no proxy, one allowance": ({"proxy": "", "allow": f"{OUTSIDE}:80/tcp"}, {f"{OUTSIDE}:80"}),
    "an empty list": ({"allow": ""}, {PROXY}),
}  # fmt: skip


@pytest.mark.parametrize(("options", "open_to"), POLICIES.values(), ids=POLICIES.keys())
@pytest.mark.parametrize("given", ["network", "endpoint"])
def test_policies(
    tmp_path: Path, given: str, options: dict[str, str], open_to: set[str]
) -> None:
    world = World(tmp_path)
    try:
        of_network = options if given == "network" else {}
        world.daemon.call("CreateNetwork", network_body(**of_network))
        member = world.member(**({} if of_network else options))
        assert opened(member) == open_to
    finally:
        world.close()


def echoes(member: Member, address: str) -> bool:
    """Whether an echo request is answered: type 8 of RFC 792, number 7, by type 0."""
    sock = member.netns.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    sock.settimeout(1)
    try:
        sock.sendto(bytes([8, 0, 0xF7, 0xF8, 0, 7, 0, 0]), (address, 0))
        while True:
            answer, peer = sock.recvfrom(1000)
            if peer[0] == address and answer[20] in (0, 3):
                return answer[20] == 0
    except TimeoutError:
        return False
    finally:
        sock.close()


def test_icmp(world: World) -> None:
    """An echo request is answered where it is allowed, and nowhere else."""
    member = world.member(allow=f"{GATEWAY}/icmp,{OUTSIDE}/icmp")
    assert echoes(member, GATEWAY) and echoes(member, OUTSIDE)
    assert not echoes(world.member(3), GATEWAY)


def test_an_endpoint_replaces_lists(world: World) -> None:
    """What an endpoint gives itself stands in place of its network's, key by key."""
    world.change({"allow": f"{GATEWAY}:9000/tcp", "deny": f"{GATEWAY}:9001/tcp"})
    plain, other = world.member(2), world.member(3, allow=f"{GATEWAY}:9000-9001/tcp")
    assert opened(plain) == {PROXY, f"{GATEWAY}:9000"}
    assert opened(other) == {PROXY, f"{GATEWAY}:9000"}  # the network's denial holds
    world.change({"deny": ""}, endpoint=3)
    assert opened(other) == {PROXY, f"{GATEWAY}:9000", f"{GATEWAY}:9001"}


def test_a_change_holds_at_once(world: World) -> None:
    member, neighbour = world.member(2), world.member(3)
    for number in range(3):
        answer = world.change({"allow": {"add": [f"{GATEWAY}:9000/tcp"]}}, endpoint=2)
        assert answer["changed"] and answer["revision"] == 2 * number + 2
        assert member.connect(GATEWAY, 9000) == "open"
        assert neighbour.connect(GATEWAY, 9000) == "refused"
        world.change({"allow": {"remove": [f"{GATEWAY}:9000/tcp"]}}, endpoint=2)
        assert member.connect(GATEWAY, 9000) == "refused"
    again = world.change({"allow": ""}, endpoint=2)
    assert not again["changed"] and again["revision"] == 7
    world.change({"refuse": "drop"})
    assert neighbour.connect(GATEWAY, 9000, timeout=0.3) == "silent"
    world.change({"refuse": None})
    assert neighbour.connect(GATEWAY, 9000) == "refused"
    events = [line for line in world.daemon.log().splitlines() if '"type":"policy"' in line]
    assert len(events) == 8 and '"endpoint"' not in events[-1] and NETWORK in events[-1]


def test_a_stream_ends_at_once(world: World) -> None:
    """After the answer to a revocation, not a byte of the allowed stream comes any more."""
    member = world.member(allow=f"{GATEWAY}:7000/tcp")
    server = world.daemon.netns.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.bind((GATEWAY, 7000))
    server.listen(1)
    client = member.netns.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.connect((GATEWAY, 7000))
    stream, _ = server.accept()
    sent = threading.Event()

    def send() -> None:
        try:
            while not sent.is_set():
                client.send(b"x" * 1000)
        except OSError:
            sent.set()

    sender = threading.Thread(target=send)
    sender.start()
    assert stream.recv(100000)
    world.change({"allow": {"remove": [f"{GATEWAY}:7000/tcp"]}}, endpoint=2)
    stream.setblocking(False)
    try:
        while stream.recv(1 << 20):  # what had come before
            pass
    except BlockingIOError:
        pass
    # The refusal is a reset, from the gate: the sender learns of it at once.
    assert sent.wait(10), "the sender was not told"
    sender.join()
    with pytest.raises(BlockingIOError):
        stream.recv(1)
    for sock in (client, stream, server):
        sock.close()


def test_nothing_more_passes_while_policies_change(world: World) -> None:
    """Under steady attempts at what neither policy allows, changes of the rest open no gap."""
    member = world.member()
    stop = threading.Event()
    tried = {"refused": 0, "open": 0}

    def probe() -> None:
        while not stop.is_set():
            answer = member.connect(GATEWAY, 9001)
            tried[answer] = tried.get(answer, 0) + 1

    prober = threading.Thread(target=probe)
    prober.start()
    for number in range(40):
        port = 9000 if number % 2 else 9002
        world.change({"allow": [f"{GATEWAY}:{port}/tcp", f"{HOST}:{port}/tcp"]})
        world.change({"proxy": "8080" if number % 3 else "8080,8081"}, endpoint=2)
    wait_until(lambda: tried["refused"] > 50, "attempts", timeout=20)
    stop.set()
    prober.join()
    assert set(tried) <= {"refused", "open"} and tried["open"] == 0, tried
    assert not world.here[9001].came


def test_it_outlives_the_daemon(world: World) -> None:
    member = world.member()
    world.change({"allow": f"{GATEWAY}:9000/tcp", "deny": f"{GATEWAY}:8080/tcp"})
    world.change({"allow": f"{GATEWAY}:9001/tcp"}, endpoint=2)
    world.daemon.kill()
    assert opened(member) == {f"{GATEWAY}:9001"}
    world.daemon.restart()
    assert opened(member) == {f"{GATEWAY}:9001"}
    shown = world.daemon.get(f"/v1/networks/{NETWORK}")
    assert shown["revision"] == 2 and shown["options"] == {
        "allow": f"{GATEWAY}:9000/tcp", "deny": f"{GATEWAY}:8080/tcp"}  # fmt: skip
    assert world.daemon.get(f"/v1/endpoints/{endpoint_id(2)}")["revision"] == 2


BAD = {
    "no object": ([], 400, "no object"),
    "a bad rule": ({"allow": "10.0.0.5/tcp"}, 400, "option allow"),
    "good and bad": ({"refuse": "drop", "allow": "x"}, 400, "option allow"),
    "a number": ({"allow": 5}, 400, "option allow"),
    "a list of numbers": ({"allow": [5]}, 400, "option allow"),
    "unknown": ({"colour": "blue"}, 400, "unknown"),
    "unknown taken back": ({"colour": None}, 400, "unknown"),
    "cut in a letter": ({"mode": "a" + "ä" * 60}, 400, "option mode"),
    "no amount": ({"quota": "lots"}, 400, "option quota"),
    "too fast": ({"rate": "101gbit"}, 400, "option rate"),
    "a neighbour": ({"allow": "10.88.0.9:80/tcp"}, 400, "own pool"),
    "no such family": ({"allow": "[2001:db8::1]:80/tcp"}, 400, "IPv6"),
    "bits behind the length": ({"allow": "192.0.2.1/24:80/tcp"}, 400, "192.0.2.0/24"),
    "loopback": ({"allow": "127.0.0.1:80/tcp"}, 400, "loopback"),
    "nothing to remove": ({"deny": {"remove": ["10.0.0.5:80/tcp"]}}, 404, "10.0.0.5:80/tcp"),
    "an unknown member": ({"deny": {"minus": []}}, 400, "add"),
    "a list option as another": ({"refuse": {"add": ["drop"]}}, 400, "refuse"),
    "the MTU": ({"com.docker.network.driver.mtu": "1400"}, 400, "cannot change"),
    "too many": ({"allow": [f"192.0.2.9:{port}/tcp" for port in range(1, 34)]}, 400, "32"),
}


@pytest.mark.parametrize(("body", "status", "text"), BAD.values(), ids=BAD.keys())
def test_a_bad_policy_changes_nothing(world: World, body: object, status: int, text: str) -> None:
    world.change({"allow": f"{GATEWAY}:9000/tcp"})
    before = world.daemon.rules()
    for path in ("policy", "policy/check"):
        found, answer = world.patch(body, path=path)
        assert found == status and text in answer["error"]["message"], answer
    assert world.daemon.rules() == before
    shown = world.daemon.get(f"/v1/networks/{NETWORK}")
    assert shown["options"] == {"allow": f"{GATEWAY}:9000/tcp"} and shown["revision"] == 2


def test_internal_networks_stay_on_the_host(tmp_path: Path) -> None:
    world = World(tmp_path)
    body = network_body()
    body["Options"]["com.docker.network.internal"] = True
    world.daemon.call("CreateNetwork", body)
    status, answer = world.patch({"allow": f"{OUTSIDE}:80/tcp"})
    assert status == 400 and "--internal" in answer["error"]["message"]
    world.change({"allow": f"{HOST}:9000/tcp"})
    assert opened(world.member()) == {PROXY, f"{HOST}:9000"}
    world.close()


def test_routes_are_given_at_join(world: World) -> None:
    """A running container gets no new routes: that is said, until it joins again."""
    member = world.member()
    assert world.change({"allow": f"{GATEWAY}:9000/tcp"})["endpoints_without_route"] == 0
    assert world.change({"allow": f"{OUTSIDE}:80/tcp"})["endpoints_without_route"] == 1
    shown = world.daemon.get(f"/v1/endpoints/{endpoint_id(2)}")
    assert shown["lacks_route"]
    member.netns.ip(f"route add {OUTSIDE} via {GATEWAY}")  # by hand it does
    assert member.connect(OUTSIDE, 80) == "open"
    assert world.change({"allow": ""})["endpoints_without_route"] == 0  # none is needed any more
    assert not world.daemon.get(f"/v1/endpoints/{endpoint_id(2)}")["lacks_route"]
    assert world.change({"allow": f"{OUTSIDE}:80/tcp"})["endpoints_without_route"] == 1
    member.leave()
    world.daemon.call("CreateEndpoint", endpoint_body(3))
    joined = world.daemon.call("Join", join_body(3))
    assert [route["Destination"] for route in joined["StaticRoutes"]] == [f"{OUTSIDE}/32"]
    assert not world.daemon.get(f"/v1/endpoints/{endpoint_id(3)}")["lacks_route"]


def test_a_network_that_is_made_again_keeps_its_policy(world: World) -> None:
    """A swarm's node asks for it anew once its engine has crashed, with what it was made with. Whoever
    asks with anything else, a denial above all, does not get what an operator allowed since."""
    member = world.member()
    assert world.change({"allow": f"{GATEWAY}:9000/tcp"})["revision"] == 2
    for restarts in range(2):
        world.daemon.call("CreateNetwork", network_body())
        assert member.connect(GATEWAY, 9000) == "open"
        for other in (
            network_body(deny=f"{GATEWAY}:9000/tcp"),
            network_body(pool="10.88.1"),
            network_body(**{"com.docker.network.driver.mtu": "1400"}),
        ):
            assert "exists already" in str(world.daemon.try_call("CreateNetwork", other))
        # What holds now may be asked for, too.
        world.daemon.call("CreateNetwork", network_body(allow=f"{GATEWAY}:9000/tcp"))
        if restarts == 0:
            world.daemon.kill()
            world.daemon.start()
    assert world.daemon.get(f"/v1/networks/{NETWORK}")["revision"] == 2
    member.leave()


EXPLAINED = {
    f"{GATEWAY}:8080/tcp": ("pass", "proxy", f"{GATEWAY}:8080/tcp"),
    f"{GATEWAY}:9000/tcp": ("pass", "allow", "10.88.0.1:9000-9001/tcp"),
    f"{GATEWAY}:9001/tcp": ("reject", "deny", f"{GATEWAY}:9001/tcp"),
    f"{OUTSIDE}:80/tcp": ("reject", "refuse", None),
    f"{GATEWAY}:9000/udp": ("reject", "refuse", None),
    f"{GATEWAY}/icmp": ("reject", "refuse", None),
}


def test_explain_says_what_happens(world: World) -> None:
    """explain and the packets themselves agree."""
    world.change({"allow": f"{GATEWAY}:9000-9001/tcp", "deny": f"{GATEWAY}:9001/tcp"})
    member = world.member()
    for target, (verdict, option, rule) in EXPLAINED.items():
        answer = world.daemon.get(f"/v1/endpoints/{endpoint_id(2)}/explain/{target}")
        found = (answer["verdict"], answer["option"], answer["rule"])
        assert found == (verdict, option, rule), target
        address, _, rest = target.partition(":")
        if rest.endswith("/tcp") and address == GATEWAY:
            port = int(rest.split("/")[0])
            assert member.connect(address, port) == ("open" if verdict == "pass" else "refused")
    for bad in ("10.0.0.5", "10.0.0.0/8:80/tcp", "10.0.0.5:80-90/tcp", "x"):
        path = f"/v1/endpoints/{endpoint_id(2)}/explain/{bad}"
        status, answer = world.daemon.ask("GET", path, control=True)
        assert status == 400 and "accepted" in answer["error"]["message"]


def test_the_command(world: World) -> None:
    """netenforce policy and explain, with ids: no engine is here to ask for names."""
    member = world.member()
    short, endpoint = NETWORK[:12], endpoint_id(2)[:12]

    def good(*words: str) -> str:
        result = world.daemon.command(*words)
        assert result.status == 0, result
        return result.out

    def bad(status: int, *words: str) -> Result:
        result = world.daemon.command(*words)
        assert result.status == status and result.err.startswith("netenforce: "), result
        return result

    assert "revision 2" in good("policy", "allow", short, f"{GATEWAY}:9000/tcp")
    assert "nothing was changed" in good("policy", "check", short, "refuse=drop")
    assert "revision 2" in good("policy", "set", f"{short}/{endpoint}", "refuse=drop")
    assert "revision 3" in good("policy", "deny", f"{short}/{endpoint}", f"{GATEWAY}:9001/tcp")
    shown = good("policy", "show", f"{short}/{endpoint}")
    assert f"{GATEWAY}:9001/tcp\n" in shown and f"{GATEWAY}:9000/tcp  (as its network)" in shown
    assert "drop\n" in shown
    assert opened_now(member) == {PROXY, f"{GATEWAY}:9000"}
    assert "pass: by allow" in good("explain", endpoint, f"{GATEWAY}:9000/tcp")
    assert "drop: by deny" in good("explain", f"{short}/{endpoint}", f"{GATEWAY}:9001/tcp")
    assert "no rule allows it (refuse=drop, of the endpoint)" in good(
        "explain", endpoint, f"{GATEWAY}:9002/tcp")  # fmt: skip
    good("policy", "rm", f"{short}/{endpoint}", "refuse", "deny")
    good("policy", "rm", short, f"{GATEWAY}:9000/tcp")
    assert opened_now(member) == {PROXY}
    assert json.loads(good("policy", "show", short, "--json"))["options"] == {"allow": ""}
    bad(1, "policy", "rm", short, f"{GATEWAY}:9000/tcp")
    bad(1, "policy", "show", "ffffffffffff")
    bad(1, "policy", "set", short, "allow=x")
    bad(1, "policy", "check", short, "mode=a" + "ä" * 60)
    bad(2, "policy", "set", short, "allow")
    bad(2, "policy", "set", short)
    bad(2, "policy", "fly", short)
    bad(2, "explain", endpoint)
    bad(1, "explain", endpoint, "x")


def opened_now(member: Member) -> set[str]:
    """As opened(), where refusals may be silent."""
    return {f"{GATEWAY}:{port}" for port in (8080, 9000, 9001)
            if member.connect(GATEWAY, port, timeout=0.3) == "open"}  # fmt: skip


@pytest.mark.parametrize("where", ["neighbour", "other network"])
def test_a_wide_allowance_leads_into_no_network(world: World, where: str) -> None:
    """By way of the host, as a raw frame or with a route of its own, nobody gets to a container."""
    world.change({"allow": "10.0.0.0/8:1-65535/tcp,10.0.0.0/8:1-65535/udp,10.0.0.0/8/icmp"})
    member = world.member()
    if where == "neighbour":
        target = world.member(3)
        address, there = target.address, target.netns
    else:
        second = NETWORK.replace("a", "b")
        world.daemon.call("CreateNetwork", network_body(second, pool="10.99.0"))
        world.daemon.call("CreateEndpoint", endpoint_body(9, second, pool="10.99.0"))
        name = world.daemon.call("Join", join_body(9, second))["InterfaceName"]["SrcName"]
        there = Netns.new()
        world.daemon.netns.run("ip", "link", "set", name, "netns", there.path, "name", "eth0")
        there.ip("addr add 10.99.0.9/24 dev eth0", "link set eth0 up",
                 "route add default via 10.99.0.1")  # fmt: skip
        address = "10.99.0.9"
    member.netns.ip(f"route replace {address}/32 via {GATEWAY}")
    with Capture(there) as capture:
        assert member.connect(address, 80) == "refused"
        sock = member.netns.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.sendto(b"x", (address, 9))
        sock.close()
        assert not echoes(member, address)
        assert not capture.packets(lambda packet: packet.src == member.address)
    answer = world.daemon.get(f"/v1/endpoints/{endpoint_id(2)}/explain/{address}:80/tcp")
    assert (answer["verdict"], answer["reason"]) == ("reject", "into-network")
    answer = world.daemon.get(f"/v1/endpoints/{endpoint_id(2)}/explain/{GATEWAY}:80/tcp")
    assert answer["verdict"] == "pass"
