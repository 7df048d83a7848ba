"""Three hosts with engines on one link, which are one swarm.

                    a switch, which floods nothing
      ┌────────────────┬────────────────┬─────────────────┐
    node 1           node 2           node 3           outside
    198.51.100.11    .12              .13              198.51.100.2, .3 and what is beyond
    manager          worker           worker           knows the way to every container
    10.99.1.0/24     10.99.2.0/24     10.99.3.0/24

Each has its own proxy, and the plugin once `install()` has run. Node 1 is the only manager.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from .container import Attempt, Container
from .lab import Node, make_folder
from .network import Network
from .outside import WEB, Outside, host_lines
from .packet import ICMP, TCP, UDP, Packet
from .plugin import NAME
from .process import CommandError, wait_until
from .receiver import Delivered
from .scene import Scene, Verdict, is_proxy_upstream
from .switch import Switch

CLUSTER_PORTS = {2377, 7946}  # of swarm's managers, and of its nodes' gossip
HEARTBEAT = "1s"  # how often a node tells that it lives; three that are missed, and it is down
SERVICE = "com.docker.swarm.service.name"
IMAGE = "tools"  # every node has it: nothing is pulled


class SwarmNode(Node):
    """One of the hosts."""

    def __init__(
        self, stack: contextlib.ExitStack, folder: Path, outside: Outside, switch: Switch, number: int
    ) -> None:
        self.number = number
        self.name = f"node{number}"
        self.address = f"198.51.100.{10 + number}"
        self.mac = f"02:00:00:00:fe:{number:02x}"
        self.subnet = f"10.99.{number}.0/24"
        self.gateway = f"10.99.{number}.1"
        self.ident = ""  # in the swarm, once it is a member
        self.was_killed = False
        self._switch = switch
        (folder / self.name).mkdir()
        super().__init__(stack, folder / self.name, outside, f"{folder.name}/{self.name}")

    def plug(self) -> None:
        self._switch.attach(self.name, self.host.netns, self.mac)
        self.host.netns.ip(*host_lines(self.address, "eth0"), "route add default via 198.51.100.2")
        self.outside.know(self.address, self.mac, self.subnet)

    def cut(self) -> None:
        """Pull its cable out."""
        self._switch.cut(self.name)

    def mend(self) -> None:
        """Put its cable back."""
        self._switch.mend(self.name)

    def has_no(self, *listing: str) -> bool:
        """Whether a listing of docker's is empty."""
        return not self.engine.out(*listing)

    def remove_config(self, name: str) -> None:
        """Remove a configuration; after a SIGKILL of the engine it can't be.

        The engine then keeps count of the network that was made of it and is no more (moby 20.10).
        """
        left = self.engine("network", "rm", name, check=False)
        if left.status != 0 and not (self.was_killed and "is in use" in left.err):
            raise CommandError(left)

    def kill_engine(self) -> None:
        """SIGKILL to dockerd."""
        self.was_killed = True
        self.engine.kill_engine()

    def tasks(self, service: str) -> list[Container]:
        """The containers of a service that run here."""
        shown = self.engine.out("ps", "-q", "--no-trunc", "--filter", f"label={SERVICE}={service}")
        return [Container(self.engine, ident) for ident in shown.split()]

    def scene(self, network: str, container: Container) -> Scene:
        """The judge of one of its containers."""
        return Scene(self, Network(self.engine, network), container)


class Swarm:
    """The hosts, and outside."""

    def __init__(self, count: int = 3) -> None:
        self._numbers = itertools.count(1)
        self._made: dict[str, str] = {}  # networks, and what they were made of
        with contextlib.ExitStack() as stack:
            self.folder = make_folder(stack)
            self.outside = Outside(self.folder)
            stack.callback(self.outside.close)
            self.switch = Switch()
            stack.callback(self.switch.close)
            self.outside.join(self.switch)
            self.nodes = [
                SwarmNode(stack, self.folder, self.outside, self.switch, number)
                for number in range(1, count + 1)
            ]
            self.manager, *self.workers = self.nodes
            self._know_each_other()
            self._form()
            self._stack = stack.pop_all()

    def _know_each_other(self) -> None:
        for node in self.nodes:
            for other in self.nodes:
                if other is not node:
                    node.host.netns.ip(
                        f"neigh replace {other.address} lladdr {other.mac} dev eth0 nud permanent"
                    )

    def _form(self) -> None:
        """`docker swarm init` and `join`."""
        manager = self.manager
        manager.engine(
            *("swarm", "init", "--advertise-addr", manager.address),
            *("--dispatcher-heartbeat", HEARTBEAT),
        )
        token = manager.engine.out("swarm", "join-token", "-q", "worker")
        for node in self.workers:
            node.engine("swarm", "join", "--token", token, f"{manager.address}:2377")
        for node in self.nodes:
            node.ident = node.engine.out("info", "-f", "{{.Swarm.NodeID}}")

    def install(self) -> None:
        """The plugin on every node."""
        for node in self.nodes:
            node.plugin.install()
        wait_until(self._all_offer_it, "the manager to know of the plugins", timeout=60)

    def _all_offer_it(self) -> bool:
        shown = "{{range .Description.Engine.Plugins}}{{.Type}} {{.Name}}\n{{end}}"
        return all(
            f"Network {NAME}" in self.manager.engine.out("node", "inspect", "-f", shown, node.ident)
            for node in self.nodes
        )

    def create_network(self, name: str, *options: str, prefix: str = "") -> None:
        """A network of the swarm, as docs/swarm.md says: a configuration on each node, and one.

        Each node has a subnet of its own, or PREFIX.0/24 like all others.
        """
        config = f"{name}-{next(self._numbers)}"
        for node in self.nodes:
            subnet = f"{prefix}.0/24" if prefix else node.subnet
            gateway = f"{prefix}.1" if prefix else node.gateway
            pools = ("--subnet", subnet, "--gateway", gateway)
            node.engine("network", "create", "--config-only", *pools, *options, config)
        self.manager.engine(
            *("network", "create", "--scope", "swarm", "-d", NAME, "--config-from", config, name)
        )
        self._made[name] = config

    def create_service(
        self, name: str, network: str, *options: str, command: Sequence[str] = ("sleep", "infinity")
    ) -> None:
        """A service; `wait_for_tasks()` waits until it runs."""
        self.manager.engine(
            *("service", "create", "-d", "--no-resolve-image", "--name", name, "--network", network),
            *("--cap-add", "NET_ADMIN"),
            *("--restart-delay", "0s", "--stop-grace-period", "0s", "--update-delay", "0s"),
            *(*options, IMAGE, *command),
        )

    def tasks(self, service: str) -> dict[str, list[Container]]:
        """The containers of a service by node, of the nodes whose engine runs."""
        running = [node for node in self.nodes if node.engine.service.running()]
        return {node.name: node.tasks(service) for node in running}

    def wait_for_tasks(self, service: str, **counts: int) -> None:
        """Wait until so many containers of a service run on each of the nodes that are named."""

        def now() -> bool:
            found = self.tasks(service)
            return all(len(found[name]) == count for name, count in counts.items())

        wait_until(now, f"{service} to run as {counts}", timeout=60, pause=0.1)

    def remove_all(self) -> None:
        """Remove every service and network from the swarm and its nodes."""
        engine = self.manager.engine
        services = engine.out("service", "ls", "-q").split()
        if services:
            engine("service", "rm", *services)
        for node in self.nodes:
            wait_until(lambda node=node: node.has_no("ps", "-aq"), f"{node.name}'s tasks to go")
        for name in self._made:
            engine("network", "rm", name)
        ours = ("network", "ls", "-q", "--filter", f"driver={NAME}")
        for node in self.nodes:
            wait_until(lambda node=node: node.has_no(*ours), f"{node.name}'s network to go")
            for config in self._made.values():
                node.remove_config(config)
        self._made.clear()

    def status(self, node: SwarmNode) -> str:
        """What the manager says of a node: ready, down."""
        return self.manager.engine.out("node", "inspect", "-f", "{{.Status.State}}", node.ident)

    def wait_for(self, node: SwarmNode, status: str) -> None:
        """Wait until the manager says so."""
        wait_until(lambda: self.status(node) == status, f"{node.name} to be {status}", timeout=60)

    def _is_engines_own(self, packet: Packet) -> bool:
        """Whether it is what the engines tell each other, or what they ask their resolver.

        What a container sent would have a node's address, too, were it let out: so nobody in a
        test knocks at these ports there.
        """
        addresses = {node.address for node in self.nodes}
        ports = {packet.sport, packet.dport}
        if {packet.src, packet.dst} <= addresses:
            is_error = packet.proto == ICMP  # of an engine that is gone: no test pings
            return is_error or not CLUSTER_PORTS.isdisjoint(ports)
        asked = {packet.src, packet.dst} <= {*addresses, WEB}
        return asked and packet.proto in (TCP, UDP) and 53 in ports

    @contextlib.contextmanager
    def watch(self, proxy_in_use: bool = False) -> Iterator[Verdict]:
        """Count what arrives outside and in the stack of every node."""
        verdict = Verdict()

        def counts(packet: Packet) -> bool:
            to_proxy = packet.proto == TCP and any(
                packet.dst == node.gateway and packet.dport == node.proxy.port for node in self.nodes
            )
            return (
                not self._is_engines_own(packet)
                and not is_proxy_upstream(packet)
                and not (proxy_in_use and to_proxy)
            )

        with contextlib.ExitStack() as stack:
            delivered = [stack.enter_context(Delivered(node.host.netns)) for node in self.nodes]
            self.outside.capture.forget()
            yield verdict
            verdict.outside = self.outside.capture.packets(counts)
            for receiver in delivered:
                verdict.host += receiver.packets(counts)

    def attempt(self, container: Container, *attempts: Attempt) -> Verdict:
        """Make attempts in a container, and wait for what arrives anywhere."""
        with self.watch() as verdict:
            verdict.outcomes = container.probe(*attempts)
        return verdict

    def close(self) -> None:
        """Remove it all."""
        self._stack.close()

    def __enter__(self) -> Swarm:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
