"""Other ways out: interfaces by which a container gets past its ports are named, and no others.

First the link edge alone (link_probe.c), then the daemon as an operator sees it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from link_probe import Endpoint, Host, bridged, endpoint, host  # first: it finds lab; fixtures

from lab.daemon import (
    BUILD, NETWORK, Daemon, Member, endpoint_body, endpoint_id, ids_body, join_body,
    network_body,
)  # fmt: skip
from lab.netns import Netns
from lab.process import CommandError, wait_until

__all__ = ["bridged", "endpoint", "host"]

NETWORK_2 = "b2" * 32


# --- the edge ----------------------------------------------------------------------------------


@pytest.fixture
def inside(endpoint: Endpoint) -> Netns:
    """The endpoint's container."""
    netns = endpoint.enter().netns
    assert netns is not None
    endpoint.host.ns.ip("link add low type bridge")  # for what needs one below it
    return netns


def build(netns: Netns, lines: list[str], path: str = "") -> None:
    """Run lines of ip(8); skip the test where this kernel lacks a kind of link."""
    try:
        netns.ip(*(line.format(c=path) for line in lines))
    except CommandError as error:
        if "Unknown device type" not in error.result.err:
            raise
        pytest.skip("this kernel lacks the kind of link")


WAYS_OUT = {
    "veth": (["link add x0 type veth peer name x1", "link set x1 netns {c}"], "x1/veth/x0"),
    "veth made there": (["link add x0 type veth peer name x1 netns {c}"], "x1/veth/x0"),
    "macvlan": (
        ["link add link low name m0 type macvlan", "link set m0 netns {c}"], "m0/macvlan/low"),
    "macvlan made there": (["link add link low name m0 netns {c} type macvlan"], "m0/macvlan/low"),
    "macvtap": (
        ["link add link low name m0 type macvtap", "link set m0 netns {c}"], "m0/macvtap/low"),
    "ipvlan": (
        ["link add link low name i0 type ipvlan", "link set i0 netns {c}"], "i0/ipvlan/low"),
    "vlan": (
        ["link add link low name v0 type vlan id 5", "link set v0 netns {c}"], "v0/vlan/low"),
    "vxlan": (  # it names its own index where others name the link below them
        ["link add v0 index 900 type vxlan id 4 dev low dstport 4789", "link set v0 netns {c}",
         "link add b0 index 900 type bridge"],
        "v0/vxlan/"),
    "wireguard": (["link add w0 type wireguard", "link set w0 netns {c}"], "w0/wireguard/"),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "named"), WAYS_OUT.values(), ids=WAYS_OUT.keys())
def test_a_way_out_is_named(
    endpoint: Endpoint, inside: Netns, lines: list[str], named: str
) -> None:
    assert endpoint.host.probe("others").out == ""
    build(endpoint.host.ns, lines, inside.path)
    assert endpoint.host.probe("others").out.split() == [endpoint.id, "1", named]


NO_WAY_OUT = {
    "dummy": ["link add d0 type dummy"],
    "ifb": ["link add i0 type ifb"],
    "bridge": ["link add b0 type bridge", "link set eth0 master b0"],
    "tun": ["tuntap add t0 mode tun"],
    "pair": ["link add p0 type veth peer name p1"],
    "macvlan": ["link add link eth0 name m0 type macvlan"],
    "vlan": ["link add link eth0 name v0 type vlan id 5"],
    "vxlan": ["link add v0 type vxlan id 4 remote 10.88.0.1 dev eth0 dstport 4789"],
    "ipip": ["link add i0 type ipip local 10.88.0.2 remote 10.88.0.1"],
}


@pytest.mark.parametrize("lines", NO_WAY_OUT.values(), ids=NO_WAY_OUT.keys())
def test_what_stays_within_is_not_named(
    endpoint: Endpoint, inside: Netns, lines: list[str]
) -> None:
    build(inside, lines)
    assert endpoint.host.probe("others").out == ""


def test_a_container_that_is_none_of_ours(endpoint: Endpoint, inside: Netns) -> None:
    """What another container has is its own affair, also if an end of ours isn't moved yet."""
    other = Netns.new()
    endpoint.host.closers.append(other.close)
    build(endpoint.host.ns, WAYS_OUT["veth"][0], other.path)
    Endpoint(endpoint.host, 3).ensure()
    assert endpoint.host.probe("others").out == ""


def test_both_ports_of_a_container_are_named(endpoint: Endpoint, inside: Netns) -> None:
    second = Endpoint(endpoint.host, 3)
    second.ensure()
    endpoint.host.ns.run("ip", "link", "set", second.peer, "netns", inside.path)
    assert endpoint.host.probe("others").out == ""
    build(endpoint.host.ns, WAYS_OUT["veth"][0], inside.path)
    lines = endpoint.host.probe("others").out.splitlines()
    assert sorted(lines) == [f"{endpoint.id} 1 x1/veth/x0", f"{second.id} 1 x1/veth/x0"]


def test_more_than_are_listed(endpoint: Endpoint, inside: Netns) -> None:
    for i in range(6):
        endpoint.host.ns.ip(
            f"link add x{i} type veth peer name y{i}", f"link set y{i} netns {inside.path}"
        )
    owner, count, *listed = endpoint.host.probe("others").out.split()
    assert (owner, count) == (endpoint.id, "6")
    assert len(listed) == 4 and set(listed) < {f"y{i}/veth/x{i}" for i in range(6)}


def test_too_many_to_look_at(endpoint: Endpoint, inside: Netns) -> None:
    """A container can't hide an interface behind a thousand: the host sees its other end."""
    build(endpoint.host.ns, WAYS_OUT["veth"][0], inside.path)
    inside.ip(*(f"link add a{i} type veth peer name b{i}" for i in range(550)))
    result = endpoint.host.probe("others")
    assert result.out.split() == [endpoint.id, "1", "?/veth/x0"]
    assert "too many interfaces" in result.err


def test_names_are_made_harmless(endpoint: Endpoint, inside: Netns) -> None:
    build(endpoint.host.ns, WAYS_OUT["veth"][0], inside.path)
    inside.run("ip", "link", "set", "x1", "name", "\x1b[31m\udcff")
    assert endpoint.host.probe("others").out.split()[2] == "?[31m?/veth/x0"


# --- the daemon --------------------------------------------------------------------------------


def named(daemon: Daemon) -> dict[str, list[str]]:
    """The other ways out by endpoint, as the status tells, sorted."""
    found = {}
    for entry in daemon.get("/v1/status")["multi_homed"]:
        assert entry["count"] == len(entry["interfaces"])
        found[entry["endpoint"]] = sorted(
            f"{other['name']}/{other['kind']}/{other['host_interface']}"
            for other in entry["interfaces"]
        )
    return found


def wait_for(daemon: Daemon, wanted: dict[str, list[str]]) -> None:
    """Wait until the status names just these."""
    wait_until(lambda: named(daemon) == wanted, f"the status to name {wanted}", timeout=10)


def other_interfaces(daemon: Daemon) -> dict[str, Any]:
    """The same, as the list of endpoints tells."""
    return {e["id"]: e["other_interfaces"] for e in daemon.get("/v1/endpoints")["endpoints"]}


def add_veth(member: Member, name: str = "x") -> None:
    """As `docker network connect bridge` does it: eth1 within, an end on the host."""
    path = member.netns.path
    member.daemon.netns.ip(f"link add {name}0 type veth peer name {name}1")
    member.daemon.netns.run("ip", "link", "set", f"{name}1", "netns", path, "name", "eth1")


def test_named_and_dropped(daemon: Daemon) -> None:
    member = Member(daemon, 2)
    endpoint = endpoint_id(2)
    assert named(daemon) == {} and other_interfaces(daemon) == {endpoint: []}
    member.netns.ip("link add b0 type bridge", "link add p0 type veth peer name p1")
    member.netns.ip("link add link eth0 name m1 type macvlan")
    daemon.netns.ip("link add low type bridge", "link add link low name m0 type macvlan")
    daemon.netns.ip(f"link set m0 netns {member.netns.path}")
    add_veth(member)
    wait_for(daemon, {endpoint: ["eth1/veth/x0", "m0/macvlan/low"]})
    [entry] = daemon.get("/v1/status")["multi_homed"]
    assert entry["network"] == NETWORK
    assert other_interfaces(daemon)[endpoint] == entry["interfaces"]
    assert daemon.get("/v1/status")["enforcement"]["in_place"]

    daemon.netns.ip("link del x0")
    wait_for(daemon, {endpoint: ["m0/macvlan/low"]})
    daemon.netns.ip("link del low")
    wait_for(daemon, {})
    assert other_interfaces(daemon) == {endpoint: []}
    log = daemon.log()
    start = f"endpoint {endpoint[:12]} (network {NETWORK[:12]})"
    for interface, way in (("eth1 (veth)", "x0"), ("m0 (macvlan)", "low")):
        text = f"{start} has another way out: interface {interface} by way of the host's {way}: "
        assert log.count(text) == 1
        assert log.count(f"{start}: the other way out by interface {interface} is gone") == 1


def test_the_command_tells(daemon: Daemon) -> None:
    member = Member(daemon, 2)
    quiet = daemon.command("status").out + daemon.command("ls").out
    assert "another way out" not in quiet
    add_veth(member)
    wait_for(daemon, {endpoint_id(2): ["eth1/veth/x0"]})
    status, shown = daemon.command("status"), daemon.command("ls").out
    assert status.status == 0  # what the driver has to enforce is in place
    start = f"warning      endpoint {endpoint_id(2)[:12]} (network {NETWORK[:12]})"
    assert f"{start} has another way out, which is not enforced: eth1 (veth)\n" in status.out
    assert "! another way out, not enforced: eth1 (veth)\n" in shown


def test_known_after_a_restart(daemon: Daemon) -> None:
    add_veth(Member(daemon, 2))
    wait_for(daemon, {endpoint_id(2): ["eth1/veth/x0"]})
    daemon.restart()
    assert named(daemon) == {endpoint_id(2): ["eth1/veth/x0"]}


def test_a_second_network_of_ours_is_none(daemon: Daemon) -> None:
    member = Member(daemon, 2)
    daemon.call("CreateNetwork", network_body(NETWORK_2, "10.89.0"))
    daemon.call("CreateEndpoint", endpoint_body(3, NETWORK_2, "10.89.0"))
    joined = daemon.call("Join", join_body(3, NETWORK_2))
    end = joined["InterfaceName"]["SrcName"]
    daemon.netns.run("ip", "link", "set", end, "netns", member.netns.path, "name", "eth1")
    add_veth(Member(daemon, 4))  # once this one is named, the others have been looked at, too
    wait_for(daemon, {endpoint_id(4): ["eth1/veth/x0"]})


def test_none_once_it_has_left(daemon: Daemon) -> None:
    """Leave ends it at once: the port is down, and nothing is said of what is not joined."""
    add_veth(Member(daemon, 2))
    wait_for(daemon, {endpoint_id(2): ["eth1/veth/x0"]})
    daemon.call("Leave", ids_body(2))
    assert named(daemon) == {} and other_interfaces(daemon) == {endpoint_id(2): []}
    daemon.call("Join", join_body(2))
    wait_for(daemon, {endpoint_id(2): ["eth1/veth/x0"]})


def test_a_kernel_that_does_not_list_a_container(daemon: Daemon, tmp_path: Path) -> None:
    """Before Linux 4.15: the host's end of a pair tells, under its own name."""
    member = Member(daemon, 2)
    daemon.kill()
    library = str(BUILD / "tests/libfault.so")
    older = Daemon(tmp_path, daemon.netns, LD_PRELOAD=library, FAULT_ALWAYS="target-netns").start()
    try:
        assert named(older) == {}
        add_veth(member)
        wait_for(older, {endpoint_id(2): ["?/veth/x0"]})
    finally:
        older.kill()


def test_a_name_that_is_lost_and_found_is_told_once(daemon: Daemon) -> None:
    """A container that hides its interfaces among a thousand, again and again, fills no log."""
    member, endpoint = Member(daemon, 2), endpoint_id(2)
    add_veth(member)
    wait_for(daemon, {endpoint: ["eth1/veth/x0"]})
    pairs = (f"link add a{i} group 7 type veth peer name b{i}" for i in range(550))
    member.netns.ip(*pairs)
    daemon.netns.ip("link add low type bridge")  # a link that comes calls for a look
    wait_for(daemon, {endpoint: ["?/veth/x0"]})
    member.netns.ip("link del group 7")
    daemon.netns.ip("link del low")
    wait_for(daemon, {endpoint: ["eth1/veth/x0"]})
    assert daemon.log().count("another way out") == 1
    assert "is gone" not in daemon.log()
