"""The link edge (src/link): what it makes, mends, leaves alone and finds. See link_probe.py."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from link_probe import (  # first: it finds lab; fixtures among them
    BRIDGE, BRIDGE_CONF, BRIDGE_MAC, GATEWAY4, GATEWAY6, NETWORK, OTHER_NETWORK, PROBE,
    Endpoint, Events, Host, bridge_picture, bridged, endpoint, host, port_picture, whole,
)  # fmt: skip

from lab.netns import Netns
from lab.process import CommandError, wait_until

__all__ = ["bridged", "endpoint", "host"]

MOVES = 50


# --- bridge ------------------------------------------------------------------------------------


def test_bridge_is_made_whole(bridged: Host) -> None:
    assert bridge_picture(bridged) == {
        "up": True, "mtu": 1400, "mac": BRIDGE_MAC, "alias": f"netenforce network {NETWORK}",
        "snooping": 0, "stp": 0, "mode": "none",
        "addresses": {f"{GATEWAY4}/24", f"{GATEWAY6}/64 nodad"},
        "conf": {**BRIDGE_CONF, "ipv6.disable_ipv6": "0"},
    }  # fmt: skip


def test_bridge_without_ipv6(host: Host) -> None:
    host.probe("bridge", name=BRIDGE, mac=BRIDGE_MAC, owner=NETWORK, gateway4=f"{GATEWAY4}/24")
    assert host.addresses(BRIDGE) == {f"{GATEWAY4}/24"}
    assert host.conf(BRIDGE, "ipv6.disable_ipv6") == {"ipv6.disable_ipv6": "1"}
    assert host.link(BRIDGE)["mtu"] == 1500


def test_bridge_of_ipv6_alone(host: Host) -> None:
    host.probe("bridge", name=BRIDGE, mac=BRIDGE_MAC, owner=NETWORK, gateway6=f"{GATEWAY6}/64")
    assert host.addresses(BRIDGE) == {f"{GATEWAY6}/64 nodad"}


def test_ipv6_comes_and_goes(host: Host) -> None:
    args: dict[str, Any] = {"name": BRIDGE, "mac": BRIDGE_MAC, "owner": NETWORK, "gateway4": f"{GATEWAY4}/24"}
    host.probe("bridge", **args)
    host.bridge()
    assert host.addresses(BRIDGE) == {f"{GATEWAY4}/24", f"{GATEWAY6}/64 nodad"}
    host.probe("bridge", **args)
    assert host.addresses(BRIDGE) == {f"{GATEWAY4}/24"}


def test_bridge_with_unwritable_switches(host: Host, tmp_path: Path) -> None:
    result = host.bridge(conf=tmp_path / "absent")
    assert "disable_ipv6" not in result.err and "accept_ra" in result.err
    assert host.addresses(BRIDGE) == {f"{GATEWAY4}/24", f"{GATEWAY6}/64 nodad"}


def test_bridge_of_a_small_mtu_has_no_ipv6(host: Host) -> None:
    host.probe("bridge", name=BRIDGE, mac=BRIDGE_MAC, owner=NETWORK, mtu=1000, gateway4=f"{GATEWAY4}/24")
    assert host.addresses(BRIDGE) == {f"{GATEWAY4}/24"}
    assert not host.ns.call(lambda: Path("/proc/sys/net/ipv6/conf", BRIDGE).exists())


def test_bridge_keeps_its_mac_when_a_lower_one_joins(bridged: Host) -> None:
    bridged.ns.ip(
        "link add low type veth peer name high",
        "link set low address 00:00:00:00:00:01",
        f"link set low master {BRIDGE} up",
    )
    assert bridged.link(BRIDGE)["address"] == BRIDGE_MAC


def test_bridge_that_is_right_is_left_in_peace(bridged: Host) -> None:
    events = Events(bridged.ns)
    bridged.bridge()
    assert events.taken() == []


BRIDGE_DAMAGE = {
    "down": ["link set {b} down"],
    "mtu": ["link set {b} mtu 1300"],
    "mac": ["link set {b} address 02:00:00:00:00:99"],
    "no IPv4 address": ["addr del 10.88.0.1/24 dev {b}"],
    "no IPv6 address": ["addr del fd00:88::1/64 dev {b}"],
    "all addresses": ["addr flush dev {b}"],
    "snooping": ["link set {b} type bridge mcast_snooping 1"],
    "stp": ["link set {b} type bridge stp_state 1"],
    "link-local": ["link set {b} addrgenmode eui64", "link set {b} down", "link set {b} up"],
    "several": ["link set {b} down", "link set {b} mtu 1500", "addr flush dev {b}"],
}


@pytest.mark.parametrize("damage", BRIDGE_DAMAGE.values(), ids=BRIDGE_DAMAGE.keys())
def test_bridge_is_mended(bridged: Host, damage: list[str]) -> None:
    Endpoint(bridged, 2).ensure()
    Endpoint(bridged, 2).enter()  # with a carrier, so that the kernel makes addresses
    before = bridge_picture(bridged)
    bridged.ns.ip(*(line.format(b=BRIDGE) for line in damage))
    assert bridge_picture(bridged) != before
    bridged.bridge()
    assert bridge_picture(bridged) == before
    events = Events(bridged.ns)
    bridged.bridge()
    assert events.taken() == []


@pytest.mark.parametrize("key", [*BRIDGE_CONF, "ipv6.disable_ipv6"])
def test_bridge_settings_are_mended(bridged: Host, key: str) -> None:
    before = bridge_picture(bridged)
    family, name = key.split(".")
    wrong = {"0": "1", "1": "0", "2": "0"}[before["conf"][key]]
    bridged.ns.sysctl(**{f"{family}__conf__{BRIDGE}__{name}": wrong})
    assert bridge_picture(bridged) != before
    bridged.bridge()
    assert bridge_picture(bridged) == before


def test_an_operators_addresses_stay(bridged: Host) -> None:
    bridged.ns.ip(f"addr add 10.88.0.200/24 dev {BRIDGE}", f"addr add fd00:88::200/64 dev {BRIDGE} nodad")
    before = bridged.addresses(BRIDGE)
    bridged.bridge()
    assert bridged.addresses(BRIDGE) == before


FOREIGN = {
    "another kind": ["link add {b} type veth peer name other"],
    "bridge without alias": ["link add {b} type bridge"],
    "bridge of another network": ["link add {b} type bridge",
                                  f'link set {{b}} alias "netenforce network {OTHER_NETWORK}"'],
    "another kind with our alias": ["link add {b} type veth peer name other",
                                    f'link set {{b}} alias "netenforce network {NETWORK}"'],
    "our id with more behind": ["link add {b} type bridge",
                                f'link set {{b}} alias "netenforce network {NETWORK}x"'],
    "alternative name": ["link add other type bridge", "link property add dev other altname {b}"],
    "our bridge of another name": ["link add other type bridge",
                                   f'link set other alias "netenforce network {NETWORK}"',
                                   "link property add dev other altname {b}"],
}  # fmt: skip


@pytest.mark.parametrize("lines", FOREIGN.values(), ids=FOREIGN.keys())
def test_what_is_not_ours_is_not_touched(host: Host, lines: list[str]) -> None:
    host.ns.ip(*(line.format(b=BRIDGE) for line in lines))
    events = Events(host.ns)
    text = host.refused("bridge", "conflict", **host.bridge_args())
    assert "ip link delete" in text and (BRIDGE in text or "other" in text)
    if OTHER_NETWORK not in lines[-1]:  # a port doesn't know its network, only its bridge
        host.refused("port", "conflict", **Endpoint(host, 2).args)
    host.refused("remove", "conflict", name=BRIDGE, owner=OTHER_NETWORK[::-1])
    assert events.taken() == []


def test_a_bridge_that_cannot_be_finished_is_removed(host: Host) -> None:
    host.ns.sysctl(ipv6__conf__default__disable_ipv6=1)
    text = host.refused("bridge", "kernel", **host.bridge_args(conf="/absent"))
    assert BRIDGE in text and "IPv6 is switched off" in text and "give it its address" in text
    assert host.links() == ["lo"]


def test_ipv6_that_is_off_by_default_is_switched_on(host: Host) -> None:
    host.ns.sysctl(ipv6__conf__default__disable_ipv6=1)
    host.bridge()
    assert f"{GATEWAY6}/64 nodad" in host.addresses(BRIDGE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"mac": "00:00:00:00:00:00"},
        {"mac": "03:00:00:00:00:01"},
        {"owner": "short"},
        {"name": "a/b"},
        {"name": ""},
    ],
)
def test_bad_input_reaches_no_kernel(host: Host, wrong: dict[str, str]) -> None:
    host.refused("bridge", "bad_input", **host.bridge_args(**wrong))
    assert host.links() == ["lo"]


def test_the_kernels_own_words_are_in_the_error(host: Host) -> None:
    text = host.refused("bridge", "kernel", **host.bridge_args(mtu=70000))
    assert f"interface {BRIDGE}: cannot make the bridge (mtu greater" in text
    assert host.links() == ["lo"]


# --- port --------------------------------------------------------------------------------------


def test_port_is_made_whole(endpoint: Endpoint) -> None:
    assert port_picture(endpoint) == whole(endpoint)
    peer = endpoint.host.link(endpoint.peer)
    assert (peer["address"], peer["mtu"], peer["num_tx_queues"]) == (endpoint.mac, 1400, 1)
    assert "UP" not in peer["flags"] and "master" not in peer


def test_the_host_end_comes_up_last(bridged: Host) -> None:
    """The kernel tells of each step: the port is up in the last ones only, with its flags there."""
    events = Events(bridged.ns)
    endpoint = Endpoint(bridged, 2)
    endpoint.ensure()
    steps = [(kind, data) for kind, data in events.messages() if kind in ("NEWLINK", "NEWNEIGH")]
    ours = [endpoint.port.encode() + b"\0" in data or kind == "NEWNEIGH" for kind, data in steps]
    ups = [kind == "NEWLINK" and is_ours and data[24] & 1 for (kind, data), is_ours in zip(steps, ours)]
    neighbours = [i for i, (kind, _) in enumerate(steps) if kind == "NEWNEIGH"]
    assert len(neighbours) >= 3 and True in map(bool, ups)
    assert max(neighbours) < ups.index(1), steps


def test_port_that_is_right_is_left_in_peace(endpoint: Endpoint) -> None:
    events = Events(endpoint.host.ns)
    endpoint.ensure()
    assert events.taken() == []
    endpoint.enter()
    events.taken()
    endpoint.ensure()
    assert events.taken() == []


PORT_DAMAGE = {
    "down": ["ip link set {p} down"],
    "mtu": ["ip link set {p} mtu 1300"],
    "not isolated": ["bridge link set dev {p} isolated off"],
    "not locked": ["bridge link set dev {p} locked off"],
    "learning": ["bridge link set dev {p} learning on"],
    "flooding": ["bridge link set dev {p} flood on mcast_flood on bcast_flood on"],
    "hairpin": ["bridge link set dev {p} hairpin on"],
    "out of the bridge": ["ip link set {p} nomaster"],
    "other bridge": ["ip link add br0 type bridge", "ip link set {p} master br0"],
    "arp": ["ip link set {p} arp on"],
    "no forwarding entry": ["bridge fdb del {m} dev {p} master"],
    "no neighbours": ["ip neigh flush dev {b} nud permanent"],
    "wrong neighbour": ["ip neigh replace 10.88.0.2 lladdr 02:00:00:00:00:99 dev {b} nud permanent"],
    "unfixed neighbour": ["ip neigh replace 10.88.0.2 lladdr {m} dev {b} nud reachable"],
    "bridge down and up": ["ip link set {b} down", "ip link set {b} up"],
    "address generation": ["ip link set {p} addrgenmode eui64"],
    "no guard": ["tc qdisc del dev {p} clsact"],
    "guard without filter": ["tc filter del dev {p} ingress"],
    "forwarding": ["sysctl -q net.ipv4.ip_forward=1"],
}


@pytest.mark.parametrize("moved", [False, True], ids=["waiting", "in its container"])
@pytest.mark.parametrize("damage", PORT_DAMAGE.values(), ids=PORT_DAMAGE.keys())
def test_port_is_mended_in_place(endpoint: Endpoint, damage: list[str], moved: bool) -> None:
    host = endpoint.host
    if moved:
        endpoint.enter()
    index = host.link(endpoint.port)["ifindex"]
    for line in damage:
        host.ns.run(*line.format(p=endpoint.port, b=BRIDGE, m=endpoint.mac).split())
    assert port_picture(endpoint) != whole(endpoint)
    host.bridge()
    endpoint.ensure()
    assert port_picture(endpoint) == whole(endpoint)
    assert host.link(endpoint.port)["ifindex"] == index
    events = Events(host.ns)
    endpoint.ensure()
    assert events.taken() == []


def test_the_other_end_is_mended_while_it_is_here(endpoint: Endpoint) -> None:
    endpoint.host.ns.ip(f"link set {endpoint.peer} address 02:00:00:00:00:99 mtu 1300")
    endpoint.ensure()
    peer = endpoint.host.link(endpoint.peer)
    assert (peer["address"], peer["mtu"]) == (endpoint.mac, 1400)


def test_a_new_address_is_added(endpoint: Endpoint) -> None:
    endpoint.addr4 = "10.88.0.77"
    endpoint.ensure()
    assert f"10.88.0.77 {endpoint.mac} PERMANENT" in endpoint.host.neighbours()


def test_a_successor_takes_address_and_mac_over(endpoint: Endpoint) -> None:
    successor = Endpoint(endpoint.host, 3)
    successor.mac, successor.addr4, successor.addr6 = endpoint.mac, endpoint.addr4, endpoint.addr6
    successor.ensure()
    assert endpoint.host.forwarding() == {f"{endpoint.mac} {successor.port} static"}


HALVES = {
    "other end renamed": ["link set {c} name stray0"],
    "host's end renamed": ["link set {p} down", "link set {p} name stray0"],
    "other end deleted": ["link del {c}"],
}


@pytest.mark.parametrize("lines", HALVES.values(), ids=HALVES.keys())
def test_a_half_pair_is_made_anew(endpoint: Endpoint, lines: list[str]) -> None:
    endpoint.host.ns.ip(*(line.format(p=endpoint.port, c=endpoint.peer) for line in lines))
    endpoint.ensure()
    assert port_picture(endpoint) == whole(endpoint)
    assert endpoint.host.links() == sorted(["lo", BRIDGE, endpoint.port, endpoint.peer])


def test_a_pair_whose_container_died_is_made_anew(endpoint: Endpoint) -> None:
    host = endpoint.host
    endpoint.enter()
    events = Events(host.ns)
    assert endpoint.netns is not None
    endpoint.netns.close()
    events.wait(lambda: endpoint.port not in host.links())
    endpoint.ensure()
    assert port_picture(endpoint) == whole(endpoint)


PORT_FOREIGN = {
    "link in place of the host's end": ["link add {p} type bridge"],
    "link in place of the other": ["link add {c} type bridge"],
    "foreign pair": ["link add {p} type veth peer name {c}"],
    "half of a foreign pair": ["link add {c} type veth peer name foreign0"],
    "pair of another endpoint": ["link add {p} type veth peer name {c}",
                                 f'link set {{p}} alias "netenforce endpoint {OTHER_NETWORK}"'],
}  # fmt: skip


@pytest.mark.parametrize("lines", PORT_FOREIGN.values(), ids=PORT_FOREIGN.keys())
def test_foreign_links_in_place_of_a_pair(bridged: Host, lines: list[str]) -> None:
    endpoint = Endpoint(bridged, 2)
    bridged.ns.ip(*(line.format(p=endpoint.port, c=endpoint.peer) for line in lines))
    events = Events(bridged.ns)
    bridged.refused("port", "conflict", **endpoint.args)
    assert events.taken() == []


def test_a_namesake_of_the_moved_end_is_no_concern(endpoint: Endpoint) -> None:
    endpoint.enter()
    endpoint.host.ns.ip(f"link add {endpoint.peer} type bridge")
    events = Events(endpoint.host.ns)
    endpoint.ensure()
    assert events.taken() == []


def test_an_end_that_moves_meanwhile_is_left(bridged: Host) -> None:
    """The engine moves the other end into a container while a repair looks at the pair, which must
    not take that for an end that is lost. It asks again and again here; in one of so many moves the
    two meet.
    """
    for number in range(2, 2 + MOVES):
        endpoint, container = Endpoint(bridged, number), Netns.new()
        endpoint.ensure()
        with subprocess.Popen(
            ["nsenter", f"--net={bridged.ns.path}", "--", PROBE, "port",
             *(f"{name}={value}" for name, value in endpoint.args.items()), "times=1000000000"],
            stdout=subprocess.PIPE,
        ) as asking:  # fmt: skip
            assert asking.stdout is not None and asking.stdout.readline() == b"once\n"
            bridged.ns.run("ip", "link", "set", endpoint.peer, "netns", container.path)
            asking.kill()
        assert endpoint.peer in container.run("ip", "-br", "link").out
        container.close()


def test_port_without_a_bridge(host: Host) -> None:
    text = host.refused("port", "not_found", **Endpoint(host, 2).args)
    assert BRIDGE in text


@pytest.mark.parametrize("call", ["sendmsg", "recvmsg"])
@pytest.mark.parametrize("command", ["bridge", "port"])
def test_what_cannot_be_finished_is_removed(host: Host, command: str, call: str) -> None:
    """Each of the calls to the kernel fails once: nothing half-made stays, and the error tells."""
    if command == "port":
        host.bridge()
    before = host.links()
    args = Endpoint(host, 2).args if command == "port" else host.bridge_args()
    pairs = [f"{name}={value}" for name, value in args.items()]
    for number in range(1, 50):
        strace = ["strace", "-qq", "-o/dev/null", "-EASAN_OPTIONS=detect_leaks=0"]
        strace += ["-e", f"inject={call}:error=ENOBUFS:when={number}"]
        result = host.ns.run(*strace, PROBE, command, *pairs, check=False)
        if result.status == 0:
            break
        assert "No buffer space available" in result.err and "interface " in result.err
        assert (host.links(), host.neighbours() if command == "port" else set()) == (before, set()), number
    assert number > 2


def test_a_full_bridge_says_so(bridged: Host) -> None:
    for start in range(0, 1023, 93):
        one = f"numtxqueues 1 numrxqueues 1 master {BRIDGE} type veth"
        bridged.ns.ip(*(f"link add p{i} {one} peer name q{i}" for i in range(start, start + 93)))
    text = bridged.refused("port", "kernel", **Endpoint(bridged, 2).args)
    assert f"bridge {BRIDGE} is full" in text
    assert not any(name.startswith("nv-") for name in bridged.links())


def test_an_ipv6_address_where_the_bridge_has_none(host: Host) -> None:
    """A neighbour that cannot be is left out."""
    host.probe("bridge", name=BRIDGE, mac=BRIDGE_MAC, owner=NETWORK, gateway4=f"{GATEWAY4}/24")
    endpoint = Endpoint(host, 2)
    endpoint.ensure()
    assert host.neighbours() == {f"{endpoint.addr4} {endpoint.mac} PERMANENT"}
    host.probe("quench", **endpoint.args)
    assert host.neighbours() == set()


def test_the_bridges_own_mac_is_refused(bridged: Host) -> None:
    bridged.refused("port", "conflict", **{**Endpoint(bridged, 2).args, "mac": BRIDGE_MAC})
    assert bridged.links() == sorted(["lo", BRIDGE])


# --- quench, remove ----------------------------------------------------------------------------


def test_quench(endpoint: Endpoint) -> None:
    host = endpoint.host
    endpoint.enter()
    host.probe("quench", **endpoint.args)
    assert "UP" not in host.link(endpoint.port)["flags"]
    assert host.neighbours() == set()
    events = Events(host.ns)
    host.probe("quench", **endpoint.args)
    assert events.taken() == []
    endpoint.ensure()
    assert port_picture(endpoint) == whole(endpoint)


def test_a_port_that_cannot_be_mended_stays_down(endpoint: Endpoint) -> None:
    """The kernel goes on with a batch after a message that failed: "up" must not be in it."""
    host = endpoint.host
    host.probe("quench", **endpoint.args)
    text = host.refused("port", "kernel", **{**endpoint.args, "mtu": 70000})
    assert "cannot set its MTU" in text
    assert "UP" not in host.link(endpoint.port)["flags"]


def test_quench_forgets_what_a_vanished_port_left(endpoint: Endpoint) -> None:
    host = endpoint.host
    host.ns.ip(f"link del {endpoint.port}")
    assert host.neighbours()
    host.probe("quench", **endpoint.args)
    assert host.neighbours() == set()


def test_quench_leaves_a_successors_neighbours(endpoint: Endpoint) -> None:
    host = endpoint.host
    successor = Endpoint(host, 3)
    successor.addr4, successor.addr6 = endpoint.addr4, endpoint.addr6
    successor.ensure()
    host.probe("quench", **endpoint.args)
    assert host.neighbours() == whole(successor)["neighbours"]


def test_quench_of_nothing(host: Host) -> None:
    host.probe("quench", **Endpoint(host, 2).args)


def test_remove(endpoint: Endpoint) -> None:
    host = endpoint.host
    host.refused("remove", "conflict", name=endpoint.port, owner=OTHER_NETWORK)
    host.refused("remove", "conflict", name="lo", owner=endpoint.id)
    for _ in range(2):
        host.probe("remove", name=endpoint.port, owner=endpoint.id)
    for _ in range(2):
        host.probe("remove", name=BRIDGE, owner=NETWORK)
    assert host.links() == ["lo"]


def test_remove_takes_the_containers_end_along(endpoint: Endpoint) -> None:
    endpoint.enter()
    endpoint.host.probe("remove", name=endpoint.port, owner=endpoint.id)
    assert endpoint.netns is not None
    assert "eth0" not in endpoint.netns.run("ip", "-br", "link").out


def test_a_hundred_lives_leave_nothing(bridged: Host) -> None:
    endpoint = Endpoint(bridged, 2)
    lines = bridged.probe("cycle", times=100, **endpoint.args).out.splitlines()
    made, again, quenched, removed = (
        sorted(float(line.split()[column]) for line in lines)[50] for column in range(4)
    )
    print(f"median us: make {made:.0f}, again {again:.0f}, quench {quenched:.0f}, remove {removed:.0f}")
    assert bridged.links() == sorted(["lo", BRIDGE])
    assert bridged.neighbours() == set() and bridged.forwarding() == set()


def test_deletion_under_its_hands(bridged: Host) -> None:
    """Someone deletes the pair again and again while it is made: errors, but no debris."""
    endpoint = Endpoint(bridged, 2)
    pairs = [f"{name}={value}" for name, value in endpoint.args.items()]
    with subprocess.Popen(
        ["nsenter", f"--net={bridged.ns.path}", "sh", "-c",
         f"for i in $(seq 60); do {PROBE} cycle times=1 {' '.join(pairs)}; done"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as worker:  # fmt: skip
        while worker.poll() is None:
            bridged.ns.run("ip", "link", "del", endpoint.port, check=False)
            bridged.probe("survey")
        assert worker.stderr is not None
        errors = worker.stderr.read()
    assert all(line.startswith(("kernel: ", "debug")) for line in errors.splitlines()), errors
    endpoint.ensure()
    assert port_picture(endpoint) == whole(endpoint)
    bridged.probe("remove", name=endpoint.port, owner=endpoint.id)
    assert bridged.links() == sorted(["lo", BRIDGE])


# --- survey ------------------------------------------------------------------------------------


def test_survey_finds_ours_alone(endpoint: Endpoint) -> None:
    host = endpoint.host
    host.ns.ip(
        "link add other0 type bridge",
        "link add other1 type veth peer name other4",
        f'link set other1 alias "netenforce network {OTHER_NETWORK}"',
        "link add other2 type veth peer name other3",
        'link set other2 alias "netenforce endpoint short"',
        f'link set other3 alias "netenforce network {OTHER_NETWORK}"',
        # What a container may have done to its own end before the engine took it back.
        f'link set {endpoint.peer} alias "netenforce endpoint {OTHER_NETWORK}"',
    )
    found = set(host.probe("survey").out.splitlines())
    assert found == {f"bridge {BRIDGE} {NETWORK}", f"port {endpoint.port} {endpoint.id}"}


def test_survey_of_many(bridged: Host) -> None:
    bridged.ns.ip(
        *(
            line
            for i in range(300)
            for line in (
                f"link add nv-{i:012x} type veth peer name nc-{i:012x}",
                f'link set nv-{i:012x} alias "netenforce endpoint {i:012x}"',
            )
        )
    )
    assert len(bridged.probe("survey").out.splitlines()) == 301


def test_damaged_messages_are_survived(endpoint: Endpoint) -> None:
    """Cut short and overwritten at random; built with SAN=1, this sees every byte read too many."""
    endpoint.host.probe("garble", times=20000)


# --- routes ------------------------------------------------------------------------------------

ROUTES = [
    "link add out0 type bridge", "link add out1 type bridge", "link set out0 up", "link set out1 up",
    "addr add 192.0.2.1/24 dev out0", "addr add 198.51.100.1/24 dev out1",
    "addr add 2001:db8::1/64 dev out0 nodad", "addr add 2001:db8:1::1/64 dev out1 nodad",
    "route add default via 192.0.2.254", "route add 0.0.0.0/1 via 192.0.2.254",
    "route add 128.0.0.0/1 via 192.0.2.254", "route add default via 2001:db8::fe",
    "route add 8000::/1 via 2001:db8::fe",
    "route add 10.1.0.0/16 via 192.0.2.254", "route add 10.2.0.0/16 dev out1 table 77",
    "route add blackhole 10.3.0.0/16", "route add unreachable 10.4.0.0/16",
    "route add 10.5.0.0/16 nexthop via 192.0.2.254 nexthop via 198.51.100.254",
    "route add 2001:db8:5::/48 nexthop via 2001:db8::fe nexthop via 2001:db8:1::fe",
    "nexthop add id 9 via 192.0.2.254 dev out0", "route add 10.6.0.0/16 nhid 9",
]  # fmt: skip


@pytest.mark.parametrize(
    ("pool", "except_", "expected"),
    [
        ("172.30.0.0/16", "", "-"),
        ("10.1.2.0/24", "", "10.1.0.0/16 out0"),
        ("10.0.0.0/15", "", "10.1.0.0/16 out0"),
        ("10.1.2.0/24", "out0", "-"),
        ("10.1.2.0/24", "absent", "10.1.0.0/16 out0"),
        ("10.2.0.0/24", "", "10.2.0.0/16 out1"),
        ("10.3.0.0/24", "", "-"),
        ("10.4.0.0/24", "", "-"),
        ("10.5.0.0/24", "", "10.5.0.0/16 out0"),
        ("10.5.0.0/24", "out0", "10.5.0.0/16 out1"),
        ("10.6.0.0/24", "", "10.6.0.0/16 out0"),
        ("192.0.2.0/25", "", "192.0.2.0/24 out0"),
        ("198.51.100.64/26", "out1", "-"),
        ("127.0.0.0/8", "", "-"),
        ("224.0.0.0/4", "", "-"),
        ("fd00:99::/64", "", "-"),
        ("2001:db8::/32", "out0", "2001:db8:1::/64 out1"),
        ("2001:db8::/96", "", "2001:db8::/64 out0"),
        ("2001:db8:5:1::/64", "", "2001:db8:5::/48 out0"),
        ("ff00::/8", "", "-"),
    ],
)
def test_overlap(host: Host, pool: str, except_: str, expected: str) -> None:
    host.ns.ip(*ROUTES)
    args: dict[str, Any] = {"pool": pool, **({"except": except_} if except_ else {})}
    assert host.probe("overlap", **args).out.strip() == expected.ljust(1)


@pytest.mark.parametrize(
    ("addr", "expected"),
    [
        ("192.0.2.1", "local"), ("198.51.100.1", "local"), ("127.0.0.1", "local"), ("127.9.9.9", "local"),
        ("192.0.2.2", "elsewhere"), ("192.0.2.255", "elsewhere"), ("203.0.113.9", "elsewhere"),
        ("10.3.0.1", "elsewhere"), ("10.4.0.1", "elsewhere"), ("224.0.0.1", "elsewhere"),
        ("2001:db8::1", "local"), ("::1", "local"), ("2001:db8::2", "elsewhere"), ("2620::1", "elsewhere"),
        ("ff02::1", "elsewhere"),
    ],
)  # fmt: skip
def test_is_local(host: Host, addr: str, expected: str) -> None:
    host.ns.ip(*ROUTES)
    assert host.probe("local", addr=addr).out.strip() == expected


def test_is_local_without_any_route(host: Host) -> None:
    for addr in ("8.8.8.8", "2620::1"):
        assert host.probe("local", addr=addr).out.strip() == "elsewhere"


def test_errors_name_a_missing_privilege(host: Host) -> None:
    with pytest.raises(CommandError) as caught:
        host.ns.run("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", PROBE, "bridge",
                    *(f"{k}={v}" for k, v in host.bridge_args().items()))  # fmt: skip
    assert "Operation not permitted" in caught.value.result.err
    assert host.links() == ["lo"]


# --- watch -------------------------------------------------------------------------------------


class Watch:
    """A probe that watches; ask() drains it."""

    def __init__(self, host: Host) -> None:
        self._probe = subprocess.Popen(
            ["nsenter", f"--net={host.ns.path}", PROBE, "watch"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        host.closers.insert(0, self.close)
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self._probe.stdout is not None
        return self._probe.stdout.readline().strip()

    def ask(self) -> str:
        assert self._probe.stdin is not None
        self._probe.stdin.write("\n")
        return self._line()

    def close(self) -> None:
        self._probe.communicate()


@pytest.mark.parametrize(
    "line",
    [
        "link set {b} down", "link set {b} alias foreign", "link set {b} mtu 1300",
        "addr del 10.88.0.1/24 dev {b}", "addr del fd00:88::1/64 dev {b}", "addr add 10.9.9.9/32 dev {b}",
        "link set {p} down", "link set {p} nomaster", "link del {p}", "link del {b}",
        "link set {p} type bridge_slave isolated off",
    ],
)  # fmt: skip
def test_watch_hears_of_ours(endpoint: Endpoint, line: str) -> None:
    watch = Watch(endpoint.host)
    assert watch.ask() == "quiet"
    endpoint.host.ns.ip(line.format(b=BRIDGE, p=endpoint.port))
    word, *heard = watch.ask().split()
    subject = BRIDGE if "{b}" in line else endpoint.port
    assert word == "changed" and ("moved" in heard) == ("link del" in line)
    assert ("-" if "link del" in line else "") + subject in heard
    # The kernel may have more to say of it, from a work queue: of a carrier, say.
    wait_until(lambda: watch.ask() == "quiet", "the watch to fall silent", timeout=5)


def test_watch_does_not_hear_of_others(endpoint: Endpoint) -> None:
    host = endpoint.host
    host.ns.ip("link add x0 type bridge")
    watch = Watch(host)
    host.ns.ip("link set x0 up", "addr add 10.9.9.9/32 dev x0", "link set x0 down")
    endpoint.ensure()
    host.bridge()
    assert watch.ask() == "quiet"


@pytest.mark.parametrize(
    "line",
    [
        "ip link add x0 type bridge", "ip link del gone", "ip link set gone netns {c}",
        "nsenter --net={c} ip link set back netns {h}",
    ],
)  # fmt: skip
def test_watch_hears_of_links_that_come_and_go(endpoint: Endpoint, line: str) -> None:
    host, other = endpoint.host, Netns.new()
    host.closers.append(other.close)
    host.ns.ip("link add gone type veth peer name end")
    other.ip("link add back type veth peer name end")
    watch = Watch(host)
    host.ns.run(*line.format(c=other.path, h=host.ns.path).split())
    assert watch.ask() == "quiet moved"
    assert watch.ask() == "quiet"


def test_a_container_makes_no_link_come_or_go(endpoint: Endpoint) -> None:
    """What it does at will is heard as a change, not as a reason to look into all containers."""
    netns = endpoint.enter().netns
    assert netns is not None
    watch = Watch(endpoint.host)
    netns.ip("link set eth0 down", "link set eth0 up", "link add x0 type veth peer name x1",
             "link set eth0 mtu 1300", "link del x0")  # fmt: skip
    assert watch.ask() == f"changed {endpoint.port}"


def test_watch_names_no_more_than_it_can(endpoint: Endpoint) -> None:
    watch = Watch(endpoint.host)
    endpoint.host.ns.ip(*(f"link add ne-{number:012x} type bridge" for number in range(60)))
    word, *heard = watch.ask().split()
    assert word == "changed" and len(heard) == 61 and heard[-1] == "moved"
    endpoint.host.ns.ip(*(f"link del ne-{number:012x}" for number in range(60)))
    endpoint.host.ns.ip(*(f"link add ne-x{number:011x} type bridge" for number in range(60)))
    assert watch.ask() == "all moved"


def test_watch_that_was_overrun_says_all(endpoint: Endpoint) -> None:
    watch = Watch(endpoint.host)
    endpoint.host.ns.ip("link add x0 type bridge")
    assert watch.ask() == "quiet moved"
    endpoint.host.ns.ip(*(f"link set x0 mtu {1000 + i}" for i in range(9000)))
    assert watch.ask() == "all moved"
    while watch.ask() != "quiet":  # at most a few datagrams a call
        pass


def test_a_port_that_is_gone_is_not_made_anew_where_it_is_to_be_kept(bridged: Host) -> None:
    endpoint = Endpoint(bridged, 2)
    endpoint.host.probe("port", kept=1, **endpoint.args)
    assert endpoint.port not in endpoint.host.links()
    endpoint.ensure()
    endpoint.host.ns.ip(f"link set {endpoint.port} down")
    endpoint.host.probe("port", kept=1, **endpoint.args)
    assert "UP" in endpoint.host.link(endpoint.port)["flags"]
