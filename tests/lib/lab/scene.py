"""A judge: attempts are made in a container, and every receiver around it is asked what came."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from . import firewall
from .container import Attempt, Container, Outcome
from .lab import Node
from .network import Network
from .outside import FAR, HOST_V4, OTHER, WEB
from .packet import TCP, Packet
from .process import wait_until
from .receiver import Delivered
from .sockets import connections

WEB_PORTS = (80, 443)
UNSET = ("", "0.0.0.0", "::")  # of a frame without IP, and of a host that has no address yet
STEADY = Path(__file__).with_name("inside") / "steady.py"
STEADY_TARGETS = (f"{HOST_V4}:9000", f"{OTHER}:53", f"{OTHER}:8080", f"{FAR}:443")


def is_proxy_upstream(packet: Packet) -> bool:
    """Whether it is the proxy's own talk with the web server, which may trail behind."""
    to_web = packet.dst == WEB and packet.dport in WEB_PORTS
    from_web = packet.src == WEB and packet.sport in WEB_PORTS
    return packet.proto == TCP and (to_web or from_web)


class Verdict:
    """What the attempts inside a `watch` came to; complete when it is over."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.outside: list[Packet] = []
        self.host: list[Packet] = []
        self.neighbours: list[Packet] = []

    @property
    def arrived(self) -> list[Packet]:
        """Everything that arrived anywhere."""
        return [*self.outside, *self.host, *self.neighbours]

    def assert_nothing_arrived(self) -> None:
        """No receiver may have seen a packet."""
        seen = "\n  ".join(map(str, self.arrived))
        assert not self.arrived, f"these arrived:\n  {seen}"

    def assert_refused(self) -> None:
        """Each attempt failed within a second, and nothing arrived."""
        slow = [str(outcome) for outcome in self.outcomes if not outcome.refused]
        assert not slow, f"not refused within 1 s: {slow}"
        self.assert_nothing_arrived()


class Scene:
    """A network with the container that attempts come from."""

    def __init__(self, lab: Node, network: Network, container: Container | None = None) -> None:
        self.lab = lab
        self.network = network
        self.container = container or lab.engine.start("--network", network.name)

    @property
    def proxy(self) -> str:
        """The proxy's URL for a container of the network."""
        return f"http://{self.network.gateway}:{self.lab.proxy.port}"

    def is_proxy_use(self, packet: Packet) -> bool:
        """Whether it is a container's talk with the proxy."""
        to_proxy = packet.dst == self.network.gateway and packet.dport == self.lab.proxy.port
        return packet.proto == TCP and to_proxy

    @contextlib.contextmanager
    def watch(
        self, neighbours: Iterable[Container] = (), proxy_in_use: bool = False
    ) -> Iterator[Verdict]:
        """Count what arrives outside, in the host's own stack, and at neighbours.

        At a neighbour every frame counts, of whatever kind, but those that the host itself sends:
        what it forwards bears its MAC address, too, and counts.
        """
        verdict = Verdict()
        own_macs, own = firewall.macs(self.lab.host), firewall.addresses(self.lab.host)

        def is_hosts(packet: Packet) -> bool:
            return packet.src_mac in own_macs and (packet.src in own or packet.src in UNSET)

        with contextlib.ExitStack() as stack:
            delivered = stack.enter_context(Delivered(self.lab.host.netns))
            captures = [stack.enter_context(other.capture()) for other in neighbours]
            self.lab.outside.capture.forget()
            yield verdict
            verdict.outside = self.lab.outside.capture.packets(
                lambda packet: not is_proxy_upstream(packet)
            )
            verdict.host = delivered.packets(
                lambda packet: not is_proxy_upstream(packet)
                and not (proxy_in_use and self.is_proxy_use(packet))
            )
            for capture in captures:
                verdict.neighbours += capture.packets(
                    lambda packet: packet.interface != "lo" and not is_hosts(packet)
                )

    def attempt(self, *attempts: Attempt, neighbours: Iterable[Container] = ()) -> Verdict:
        """Make attempts in the container and wait for what arrives."""
        with self.watch(neighbours) as verdict:
            verdict.outcomes = self.container.probe(*attempts)
        return verdict

    def start_steady(self, *options: str, targets: Iterable[str] = STEADY_TARGETS) -> Container:
        """A container of the network that adds a default route and then knocks without pause."""
        gateway = self.network.gateway
        command = f'ip route add default via {gateway}; exec python3 -S -c "$0" "$@"'
        return self.lab.engine.start(
            *("--network", self.network.name, "--cap-add", "NET_ADMIN", *options),
            command=["sh", "-c", command, STEADY.read_text(), f"{gateway}:9000", *targets],
        )

    def remove(self) -> None:
        """Remove the container and the network."""
        self.container.remove()
        self.network.remove()

    def assert_proxy_works(self) -> None:
        """HTTP and HTTPS get through the proxy, which logs them, and nothing of it trails behind."""
        for scheme in ("http", "https"):
            url = f"{scheme}://{WEB}/{self.container.id[:12]}"
            before = len(self.lab.proxy.flows())
            result = self.container.curl(url, "-x", self.proxy, "-k", "-w", "%{local_port}")
            page, _, port = result.out.rpartition("\n")
            assert page == "hello from outside", str(result)
            assert [flow.url for flow in self.lab.proxy.flows()[before:]] == [url]
            wait_until(lambda own=port: self._proxy_is_done(own), "the connection to be closed")

    def _proxy_is_done(self, port: str) -> bool:
        """Whether the proxy's end of a connection from that port has nothing to wait for."""
        ends = f"( sport = :{self.lab.proxy.port} and dport = :{port} )"
        return all(one.state == "TIME-WAIT" for one in connections(self.lab.host, ends))
