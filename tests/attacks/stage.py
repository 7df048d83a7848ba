"""The stage of the attacks: networks, attackers, everybody around, and receivers everywhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab import Container, Lab, Network, Scene
from lab.firewall import our_links
from lab.images import image
from lab.lab import CACHE
from lab.packet import ICMPV6, TCP, UDP, Packet
from lab.servers import Responder
from ways import OPEN, PROXY, PUBLISHED, WAYS, Around, Who

HANDED = 8082  # where what is handed is led to
UPSTREAM = "198.51.100.9"  # the host's, whom only its forwarder asks
HOST_TCP = (22, 53, 2375, OPEN, PROXY + 1)
HOST_UDP = (53, 67, 137, 1900, 5353, 5355, OPEN, PROXY)
MEMBER_PROXY = 3128  # the port of a proxy that is a container of the network
ANNOUNCED = 1.5  # seconds: from 28 on an engine announces an address three times, a second apart
FIRST = "02:42:66:00:00:01"  # the MAC address of who attacks as process 1


@dataclass
class Count:
    """How a class ended in one of the three ways of being in a container."""

    attempts: int = 0
    answered: int = 0
    seen: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    number: int
    name: str
    mode: str
    count: Count


class Seen:
    """What the receivers saw while somebody watched; complete when that is over."""

    def __init__(self) -> None:
        self.packets: list[str] = []
        self.changed: list[str] = []  # lines of the host's tables

    @property
    def seen(self) -> list[str]:
        """All of it."""
        return self.packets + self.changed


class HandedScene(Scene):
    """Of a network that hands: what arrives at the proxy and the forwarder is meant to."""

    def is_proxy_use(self, packet: Packet) -> bool:
        here = packet.dst in (self.network.gateway, self.network.gateway_v6)
        served = here and (packet.proto, packet.dport) in ((TCP, HANDED), (TCP, 53), (UDP, 53))
        # Who is led somewhere asks for the bridge's MAC address first: its group, RFC 4291, 2.7.1.
        asks = packet.proto == ICMPV6 and packet.dst == "ff02::1:ff00:1"
        return served or asks or packet.src == packet.dst == UPSTREAM


class Side:
    """A network with an attacker, one that has NET_ADMIN, and a neighbour."""

    def __init__(
        self,
        lab: Lab,
        name: str,
        *options: str,
        scene: type[Scene] = Scene,
        given: Sequence[str] = (),
    ) -> None:
        self.lab = lab
        self.scene = scene
        self.network = lab.engine.network(name, *options)
        start = lab.engine.start
        self.plain = start("--network", name, *given, image="attacker")
        self.admin = start("--network", name, *given, "--cap-add", "NET_ADMIN", image="attacker")
        self.admin.exec("ip", "route", "add", "default", "via", self.network.gateway)
        self.same = start("--network", name, command=f"busybox httpd -f -p {PUBLISHED}")

    def who(self, container: Container) -> Who:
        """A container's own addresses."""
        endpoint = container.endpoint()
        return Who(container.mac, container.address, str(endpoint["GlobalIPv6Address"]))

    def remove(self) -> None:
        """Remove it all."""
        for container in (self.plain, self.admin, self.same):
            container.remove()
        self.network.remove()


class Proxied(Side):
    """A side whose proxy is one of its containers: the neighbour that is attacked, on a port of its
    own, with Docker's bridge as its way out."""

    def __init__(self, lab: Lab, name: str, address: str, *options: str) -> None:
        super().__init__(lab, name, "-o", f"proxy={address}:{MEMBER_PROXY}", *options)
        self.same.remove()
        serve = f"busybox httpd -p {PUBLISHED}; exec busybox httpd -f -p {MEMBER_PROXY}"
        self.same = lab.engine.start(
            *("--network", name, "--ip", address, "--cap-add", "NET_ADMIN"),
            image="attacker",
            command=["sh", "-c", serve],
        )
        lab.engine("network", "connect", "bridge", self.same.id)

    def who(self, container: Container) -> Who:
        endpoint = container.endpoint(self.network.name if container is self.same else "")
        address = str(endpoint["IPAddress"])
        return Who(str(endpoint["MacAddress"]), address, str(endpoint["GlobalIPv6Address"]))


class Stage:
    """Two sides (IPv4 alone; both families), another network, Docker's own bridge, listeners."""

    MODES = ("default", "NET_ADMIN", "process 1")

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        lab.engine.load("attacker", image("attacker", CACHE))
        serve = f"busybox httpd -f -p {PUBLISHED}"
        published = ("-p", f"{PUBLISHED}:{PUBLISHED}")
        self.docker0 = lab.engine.start(*published, command=serve)
        self.near = Side(lab, "near", "--subnet", "10.66.0.0/16")
        self.dual = Side(
            lab, "dual", "--ipv6", "--subnet", "10.77.0.0/24", "--subnet", "fd77::/64"
        )
        # Options that open nothing to a container by themselves.
        limits = ("rate=1gbit", "conn_rate=100000/s", "quota=100GB", "log=10/s")
        given = [word for option in ("inbound=true", *limits) for word in ("-o", option)]
        self.answering = Side(lab, "answering", "--subnet", "10.78.0.0/24", *given)
        self.proxied = Proxied(
            lab, "proxied", "10.79.0.99", "--ipv6", "--subnet", "10.79.0.0/24", "--subnet", "fd79::/64"
        )
        self.far_network = lab.engine.network("far")
        self.far = lab.engine.start("--network", "far", command=serve)
        self.listeners = Responder(lab.host.netns, tcp=HOST_TCP, udp=HOST_UDP)
        with self.docker0.capture() as capture:
            capture.wait_for_quiet(ANNOUNCED)

    def around(self, side: Side) -> Around:
        """What an attacker of a side finds around it."""
        network = side.network
        base = network.gateway.rpartition(".")[0]
        return Around(
            gateway=network.gateway,
            bridge_mac=network.bridge_mac,
            same=side.who(side.same),
            other=side.who(self.far),
            docker0=side.who(self.docker0),
            other_gateway=self.far_network.gateway,
            gateway_v6=network.gateway_v6 if network.subnet_v6 else "",
            unused=[f"{base}.77", f"{base}.254", f"{base}.0"],
        )

    @contextlib.contextmanager
    def watch(
        self, side: Side, proxy_in_use: bool = False, attacker: Container | None = None
    ) -> Iterator[Seen]:
        """Ask every receiver: outside, the host's own stack, each neighbour, the host's tables."""
        scene = side.scene(self.lab, side.network, side.plain)
        sides = {self.near, self.dual, self.answering, self.proxied, side}
        neighbours = [*(each.same for each in sides if each.same is not attacker)]
        neighbours += [self.far, self.docker0] + ([side.plain] if attacker is side.same else [])
        verdict = Seen()
        before = self.tables()
        with scene.watch(neighbours, proxy_in_use or side.scene is HandedScene) as arrived:
            yield verdict
        verdict.packets = [str(packet) for packet in arrived.arrived]
        verdict.changed = sorted(self.tables() ^ before)

    def tables(self) -> set[str]:
        """The host's neighbours, forwarding entries and routes, but for what it learns itself."""
        run = self.lab.host.run
        our_links(self.lab.host)  # of ports that wait to be deleted nothing counts
        lines = set()
        for command in (("ip", "neigh"), ("ip", "-6", "neigh"), ("ip", "route"),
                        ("ip", "-6", "route"), ("bridge", "fdb")):  # fmt: skip
            lines |= {
                " ".join(line.split()).removesuffix(" expires")
                for line in run(*command).out.splitlines()
                if "docker0" not in line and "veth" not in line
            }
        return lines

    def attack(self, number: int, mode: str, side: Side | None = None) -> Row:
        """Make every attempt of a class, in one of the three modes."""
        side = side or self.near
        name, way = WAYS[number]
        around = self.around(side)
        if mode == "process 1":
            address = f"{around.gateway.rpartition('.')[0]}.200"
            who = Who(FIRST, address)
        else:
            who = side.who(side.plain if mode == "default" else side.admin)
        lines = list(way(who, around))
        with self.watch(side) as verdict:
            if mode == "process 1":
                out = self.as_first(side.network, who, lines)
            else:
                container = side.plain if mode == "default" else side.admin
                out = container.exec("attacker", "-", stdin="\n".join(lines) + "\n").out
        attempts, answered = map(int, out.split())
        assert attempts == len(lines), f"{attempts} of {len(lines)} attempts were made"
        return Row(number, name, mode, Count(attempts, answered, verdict.seen))

    def attack_from_proxy(self, number: int) -> Row:
        """Have a proxy's container write every frame of a class to the network that it serves. What it
        sends by its routes goes out by its other network, as it should."""
        side = self.proxied
        name, way = WAYS[number]
        around = replace(self.around(side), same=side.who(side.plain))
        lines = [line for line in way(side.who(side.same), around) if line.startswith("F ")]
        with self.watch(side, attacker=side.same) as verdict:
            out = side.same.exec("attacker", "-", stdin="\n".join(lines) + "\n").out
        attempts, answered = map(int, out.split())
        assert attempts == len(lines), f"{attempts} of {len(lines)} attempts were made"
        return Row(number, name, "the proxy", Count(attempts, answered, verdict.seen))

    def as_first(self, network: Network, who: Who, lines: Iterable[str]) -> str:
        """Attack as the first process of a container, with its first instructions."""
        plan = Path(self.lab.folder, f"plan-{who.address}")
        plan.write_text("\n".join(lines) + "\n")
        return self.lab.engine(
            *("run", "--rm", "--network", network.name, "--ip", who.address),
            *("--mac-address", who.mac, "-v", f"{plan}:/plan:ro"),
            *("attacker", "attacker", "/plan"),
        ).out

    def remove(self) -> None:
        """Remove it all."""
        self.listeners.close()
        self.far.remove()
        self.docker0.remove()
        self.near.remove()
        self.dual.remove()
        self.answering.remove()
        self.proxied.remove()
        self.far_network.remove()
