"""What the tests of the link edge share: a host, its containers, and pictures of what the kernel holds.

             host namespace                          a namespace for each container
    ne-N (bridge, 10.88.0.1/24) --+-- nv-A ======================= eth0 (was nc-A) 10.88.0.2
                                  +-- nv-B ======================= eth0 (was nc-B) 10.88.0.3

The edge is driven by link_probe.c. Namespaces have no names: they end with the test that holds them.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/lib"))

from lab.netns import Netns  # noqa: E402  (found by the line above)
from lab.process import Result, wait_until  # noqa: E402

PROBE = str(Path(os.environ.get("BUILD", ROOT / "build")) / "tests/link_probe")
EVERY_GROUP = 0xFFFFFFFF
EVENTS = {16: "NEWLINK", 17: "DELLINK", 20: "NEWADDR", 21: "DELADDR", 24: "NEWROUTE",
          25: "DELROUTE", 28: "NEWNEIGH", 29: "DELNEIGH", 80: "NEWNETCONF", 81: "DELNETCONF"}  # fmt: skip

NETWORK = "0123456789ab" + "5" * 52
OTHER_NETWORK = "ba9876543210" + "7" * 52
BRIDGE = "ne-0123456789ab"
BRIDGE_MAC = "02:4e:45:00:00:01"
GATEWAY4, GATEWAY6 = "10.88.0.1", "fd00:88::1"


class Events:
    """What the kernel tells about links, addresses, routes and neighbours from now on."""

    def __init__(self, netns: Netns) -> None:
        self._sock = netns.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._sock.bind((0, EVERY_GROUP))
        self._sock.settimeout(10)

    def wait(self, condition: Callable[[], object]) -> None:
        """Return once the condition holds; it is asked again at each event."""
        while not condition():
            self._sock.recv(65536)

    def taken(self) -> list[str]:
        """The names of the events so far."""
        return [kind for kind, _ in self.messages()]

    def messages(self) -> list[tuple[str, bytes]]:
        """The events so far, whole. The kernel queues them before a change returns."""
        found: list[tuple[str, bytes]] = []
        self._sock.setblocking(False)
        while True:
            try:
                data = self._sock.recv(65536)
            except BlockingIOError:
                self._sock.settimeout(10)
                return found
            while len(data) >= 16:
                length, kind = struct.unpack("=IH", data[:6])
                found.append((EVENTS.get(kind, str(kind)), data[:length]))
                data = data[(length + 3) & ~3 :]


class Endpoint:
    """A container's place on the bridge: its arguments for the probe, and its namespace."""

    def __init__(self, host: Host, number: int) -> None:
        self.host = host
        self.id = f"{number:012x}" + "e" * 52
        self.port, self.peer = f"nv-{self.id[:12]}", f"nc-{self.id[:12]}"
        self.mac = f"02:42:0a:58:00:{number:02x}"
        self.addr4, self.addr6 = f"10.88.0.{number}", f"fd00:88::{number:x}"
        self.netns: Netns | None = None
        self._raw: socket.socket | None = None

    @property
    def args(self) -> dict[str, Any]:
        """The port as the driver would want it."""
        return {"name": self.port, "peer": self.peer, "bridge": BRIDGE, "mac": self.mac,
                "bridge_mac": BRIDGE_MAC,
                "owner": self.id, "mtu": 1400, "addr4": self.addr4, "addr6": self.addr6}  # fmt: skip

    def ensure(self) -> None:
        """port_ensure, which has to succeed."""
        self.host.probe("port", **self.args)

    def enter(self) -> Endpoint:
        """Move the other end into a container, as the engine does; wait until frames pass."""
        self.netns = Netns.new()
        self.host.closers.append(self.netns.close)
        self.host.ns.run("ip", "link", "set", self.peer, "netns", self.netns.path, "name", "eth0")
        events = Events(self.host.ns)
        self.netns.ip(
            f"addr add {self.addr4}/24 dev eth0",
            f"addr add {self.addr6}/64 dev eth0 nodad",
            "link set eth0 up",
        )
        events.wait(lambda: self.host.port_state(self.port)["state"] == "forwarding")
        return self

    def without(self, layer: str) -> Endpoint:
        """Take one of the layers away, so that the others are seen to hold alone."""
        if layer == "no guard":
            self.host.ns.run("tc", "qdisc", "del", "dev", self.port, "clsact")
        elif layer == "no lock":
            self.host.ns.run("bridge", "link", "set", "dev", self.port, "locked", "off")
        return self

    def send(self, *frames: bytes) -> None:
        """Write frames to eth0 as they are."""
        if self._raw is None:
            assert self.netns is not None
            self._raw = self.netns.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self._raw.bind(("eth0", 0))
        for frame in frames:
            self._raw.send(frame)


class Host:
    """The host's namespace."""

    def __init__(self) -> None:
        self.ns = Netns.new()
        self.closers: list[Callable[[], None]] = [self.ns.close]

    def close(self) -> None:
        """Let go of all namespaces."""
        for closer in self.closers:
            closer()

    def probe(self, command: str, check: bool = True, **args: Any) -> Result:
        """Run one operation of the edge."""
        pairs = [f"{name.rstrip('_')}={value}" for name, value in args.items()]
        return self.ns.run(PROBE, command, *pairs, check=check)

    def refused(self, command: str, code: str, **args: Any) -> str:
        """Run one operation that has to fail with `code`; return what it says."""
        result = self.probe(command, check=False, **args)
        assert result.status == 1, result
        last = result.err.strip().splitlines()[-1]
        assert last.startswith(f"{code}: "), result
        return last

    def bridge_args(self, **changes: Any) -> dict[str, Any]:
        """A bridge as the driver would want it."""
        return {"name": BRIDGE, "mac": BRIDGE_MAC, "owner": NETWORK, "mtu": 1400,
                "gateway4": f"{GATEWAY4}/24", "gateway6": f"{GATEWAY6}/64", **changes}  # fmt: skip

    def bridge(self, **changes: Any) -> Result:
        """bridge_ensure, which has to succeed."""
        return self.probe("bridge", **self.bridge_args(**changes))

    def json(self, *argv: str) -> list[dict[str, Any]]:
        """What a command of iproute2 says as JSON, without the empty objects that it adds."""
        return [entry for entry in json.loads(self.ns.run(*argv).out or "[]") if entry]

    def links(self) -> list[str]:
        """Names of all links."""
        return sorted(link["ifname"] for link in self.json("ip", "-j", "link"))

    def link(self, name: str) -> dict[str, Any]:
        """All that ip(8) knows of a link."""
        return self.json("ip", "-j", "-d", "link", "show", name)[0]

    def port_state(self, name: str) -> dict[str, Any]:
        """All that bridge(8) knows of a port."""
        found = self.json("bridge", "-j", "-d", "link", "show", "dev", name)
        return found[0] if found else {}

    def addresses(self, name: str) -> set[str]:
        """Addresses with their prefix length and the marks that matter."""
        found = self.json("ip", "-j", "addr", "show", name)[0]["addr_info"]
        marks = ("tentative", "dadfailed", "nodad")
        return {
            " ".join([f"{a['local']}/{a['prefixlen']}", *(m for m in marks if a.get(m))])
            for a in found
        }

    def neighbours(self, name: str = BRIDGE) -> set[str]:
        """Neighbours of an interface that have a MAC address."""
        return {
            f"{n['dst']} {n['lladdr']} {' '.join(n['state'])}"
            for n in self.json("ip", "-j", "neigh", "show", "dev", name)
            if "lladdr" in n
        }

    def forwarding(self) -> set[str]:
        """The bridge's static entries and those that it learnt."""
        return {
            f"{f['mac']} {f['ifname']} {f['state']}"
            for f in self.json("bridge", "-j", "fdb", "show", "br", BRIDGE)
            if f.get("master") == BRIDGE and f["state"] != "permanent"
        }

    def conf(self, name: str, *keys: str) -> dict[str, str]:
        """Settings under /proc/sys/net, such as ipv4/conf/NAME/rp_filter by "ipv4.rp_filter"."""

        def read() -> dict[str, str]:
            values = {}
            for key in keys:
                family, setting = key.split(".")
                path = Path("/proc/sys/net", family, "conf", name, setting)
                values[key] = path.read_text().strip()
            return values

        return self.ns.call(read)


BRIDGE_CONF = {
    "ipv4.route_localnet": "0", "ipv4.proxy_arp": "0", "ipv4.arp_ignore": "2",
    "ipv4.arp_announce": "2", "ipv4.arp_accept": "0", "ipv4.drop_gratuitous_arp": "1",
    "ipv4.rp_filter": "1", "ipv4.accept_local": "0", "ipv4.accept_source_route": "0",
    "ipv4.accept_redirects": "0", "ipv4.send_redirects": "0",
    "ipv4.drop_unicast_in_l2_multicast": "1", "ipv6.accept_ra": "0",
}  # fmt: skip
PORT_FLAGS = {
    "isolated": True, "locked": True, "learning": False, "flood": False, "mcast_flood": False,
    "bcast_flood": False, "hairpin": False, "guard": True,
}  # fmt: skip


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    yield made
    made.close()


@pytest.fixture
def bridged(host: Host) -> Host:
    """With a bridge whose IPv6 address is in use: the kernel tells of it a little later."""
    host.bridge()
    local = ("ip", "-6", "route", "show", "table", "local", GATEWAY6)
    wait_until(lambda: host.ns.run(*local).out, "the bridge's address to be in use", pause=0.002)
    return host


@pytest.fixture
def endpoint(bridged: Host) -> Endpoint:
    made = Endpoint(bridged, 2)
    made.ensure()
    return made


@pytest.fixture
def pair(endpoint: Endpoint) -> tuple[Endpoint, Endpoint]:
    """Two containers on one bridge."""
    second = Endpoint(endpoint.host, 3)
    second.ensure()
    return endpoint.enter(), second.enter()


def bridge_picture(host: Host) -> dict[str, Any]:
    """All of a bridge that the edge looks after."""
    link = host.link(BRIDGE)
    data = link["linkinfo"]["info_data"]
    return {
        "up": "UP" in link["flags"], "mtu": link["mtu"], "mac": link["address"],
        "alias": link.get("ifalias"), "snooping": data["mcast_snooping"], "stp": data["stp_state"],
        "mode": link["inet6_addr_gen_mode"], "addresses": host.addresses(BRIDGE),
        "conf": host.conf(BRIDGE, *BRIDGE_CONF, "ipv6.disable_ipv6"),
    }  # fmt: skip


def port_picture(endpoint: Endpoint) -> dict[str, Any]:
    """All of a port that the edge looks after."""
    host = endpoint.host
    link = host.link(endpoint.port)
    state = host.port_state(endpoint.port)
    filters = host.json("tc", "-j", "filter", "show", "dev", endpoint.port, "ingress")
    return {
        "guard": any(f.get("options", {}).get("direct-action") for f in filters),
        "up": "UP" in link["flags"], "noarp": "NOARP" in link["flags"], "mtu": link["mtu"],
        "master": link.get("master"), "alias": link.get("ifalias"),
        "mode": link["inet6_addr_gen_mode"], "queues": (link["num_tx_queues"], link["num_rx_queues"]),
        "flags": {name: state.get(name) for name in PORT_FLAGS},
        "addresses": host.addresses(endpoint.port), "neighbours": host.neighbours(),
        "forwarding": host.forwarding(),
        "conf": host.conf(endpoint.port, "ipv4.rp_filter", "ipv4.forwarding", "ipv4.arp_ignore"),
    }  # fmt: skip


def whole(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "guard": True, "up": True, "noarp": True, "mtu": 1400, "master": BRIDGE,
        "alias": f"netenforce endpoint {endpoint.id}", "mode": "none", "queues": (1, 1),
        "flags": PORT_FLAGS, "addresses": set(),
        "neighbours": {f"{a} {endpoint.mac} PERMANENT" for a in (endpoint.addr4, endpoint.addr6)},
        "forwarding": {f"{endpoint.mac} {endpoint.port} static"},
        "conf": {"ipv4.rp_filter": "1", "ipv4.forwarding": "0", "ipv4.arp_ignore": "8"},
    }  # fmt: skip
