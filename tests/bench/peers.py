"""What netenforce is measured against, and the worst place among its own rules."""

from __future__ import annotations

import ipaddress
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import (  # noqa: E402
    BUILD,
    Daemon,
    address,
    attach,
    endpoint_body,
    endpoint_id,
    ids_body,
    join_body,
    network_body,
    retired,
)
from lab.netns import Netns  # noqa: E402
from lab.process import Service, run, wait_until  # noqa: E402

TRAFFIC = str(BUILD / "tests/traffic")
LENGTH = 20  # of the pool: a full bridge has 1,023 ports
GATEWAY, GATEWAY6 = "10.88.0.1", "fd00:88::1"
PROXY, CLOSED = "8080", "9000"
FIRST = 2  # the first container's place in the pool


def entered(netns: Netns, *argv: str, processor: int | None = None) -> list[str]:
    """A command in a namespace, on one processor or wherever it likes."""
    pin = [] if processor is None else ["taskset", "-c", str(processor)]
    return ["nsenter", f"--net={netns.path}", "--", *pin, *argv]


def traffic(netns: Netns, *argv: object, processor: int | None = None) -> list[float]:
    """The figures that `traffic` prints in a namespace; none if it failed."""
    done = run(*entered(netns, TRAFFIC, *map(str, argv), processor=processor), check=False)
    return [float(word) for word in done.out.split()] if done.status == 0 else []


def track(host: Netns) -> None:
    """Have a host's connections tracked, as Docker's own address translation has."""
    for line in (
        "add table inet track",
        "add chain inet track output { type filter hook output priority 0; }",
        "add rule inet track output ct state invalid counter",
    ):
        host.run("nft", line)


class Side:
    """A host with a proxy's port, and a container that knows it. `processor` is the server's."""

    def __init__(
        self,
        host: Netns,
        worker: Netns,
        folder: Path,
        ipv6: bool = False,
        processor: int | None = 0,
    ) -> None:
        self.worker, self._host = worker, host
        self._proxy = [GATEWAY6 if ipv6 else GATEWAY, PROXY]
        self._server = Service(
            entered(host, TRAFFIC, "serve", PROXY, processor=processor), folder / "serve.log"
        )
        wait_until(lambda: self.trips(1), "the server to answer")

    def echoes(self, count: int, processor: int | None = 0) -> list[float]:
        """Microseconds of each round trip on an open connection."""
        return traffic(self.worker, "echoes", *self._proxy, count, processor=processor)

    def trips(self, count: int, processor: int | None = None) -> list[float]:
        """Microseconds of each connection: opened, a byte there, a byte back."""
        return traffic(self.worker, "trips", *self._proxy, count, processor=processor)

    def stream(self, connections: int, ms: int, processor: int | None = 0) -> float:
        """MB/s."""
        argv = ["stream", *self._proxy, connections, ms]
        size, us = traffic(self.worker, *argv, processor=processor)
        return size / us

    def close(self) -> None:
        """End the server and let go of the namespaces."""
        self._server.kill()
        self.worker.close()
        self._host.close()


class Floor:
    """A bridge and as many pairs, one queue each, and no rule: the least that a driver can do."""

    def __init__(self, count: int, ipv6: bool = False) -> None:
        self.host, self._ipv6 = Netns.new(), ipv6
        self.host.ip(
            "link add br0 type bridge",
            f"addr add {GATEWAY}/{LENGTH} dev br0",
            *([f"addr add {GATEWAY6}/64 dev br0 nodad"] if ipv6 else []),
            "link set br0 up",
        )
        queues = "numtxqueues 1 numrxqueues 1"
        numbers = range(FIRST, FIRST + count)
        self.host.ip(
            *(f"link add p{n} {queues} type veth peer name c{n} {queues}" for n in numbers),
            *(f"link set p{n} master br0 up" for n in numbers),
        )

    def member(self, number: int) -> Netns:
        """The container of that number."""
        container, own = Netns.new(), addresses_of(number, self._ipv6)
        attach(self.host, f"p{number}", f"c{number}", container, own)
        return container


class Fenced:
    """A network of netenforce's with as many endpoints."""

    def __init__(
        self,
        folder: Path,
        count: int,
        ipv6: bool = False,
        program: Sequence[str] = (),
        **options: str,
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.daemon = Daemon(folder, program=program).start()
        self.host = self.daemon.netns
        self._ipv6 = ipv6
        self.daemon.call("CreateNetwork", network_body(length=LENGTH, ipv6=ipv6, **options))
        self.numbers = range(FIRST, FIRST)
        self.grow(count)

    def join(self, number: int) -> None:
        """CreateEndpoint and Join."""
        body = endpoint_body(number, length=LENGTH, ipv6=self._ipv6)
        self.daemon.call("CreateEndpoint", body)
        self.daemon.call("Join", join_body(number))

    def leave(self, number: int) -> None:
        """Leave and DeleteEndpoint."""
        self.daemon.call("Leave", ids_body(number))
        self.daemon.call("DeleteEndpoint", ids_body(number))

    def settle(self) -> None:
        """Wait until the ports of those who left are deleted."""
        wait_until(lambda: not retired(self.host), "retired ports to be deleted", timeout=10)

    def grow(self, count: int) -> None:
        """To so many endpoints."""
        for number in range(self.numbers.stop, FIRST + count):
            self.join(number)
        self.numbers = range(FIRST, FIRST + count)

    def member(self, number: int) -> Netns:
        """The container of that number."""
        name = endpoint_id(number)[:12]
        container, own = Netns.new(), addresses_of(number, self._ipv6)
        attach(self.host, f"nv-{name}", f"nc-{name}", container, own)
        return container


def addresses_of(number: int, ipv6: bool) -> list[str]:
    """What a container of that number is given."""
    four = f"{address(number)}/{LENGTH}"
    return [four, f"fd00:88::{number:x}/64"] if ipv6 else [four]


def seed_rules(number: int) -> list[list[str]]:
    """The founding document's four of one container, in the order in which they are inserted."""
    source = ["-s", address(number)]
    return [
        [*source, "-j", "DROP"],
        [*source, "-p", "tcp", "--dport", "53", "-j", "ACCEPT"],
        [*source, "-p", "udp", "--dport", "53", "-j", "ACCEPT"],
        [*source, "-p", "tcp", "--dport", PROXY, "-j", "ACCEPT"],
    ]


def seed_fill(host: Netns, numbers: Sequence[int]) -> None:
    """The rules of so many containers at once; the first container's come last."""
    lines = ["*filter", ":INPUT ACCEPT", ":FORWARD ACCEPT", ":DOCKER-USER -"]
    lines += ["-A INPUT -j DOCKER-USER", "-A FORWARD -j DOCKER-USER"]
    for number in reversed(numbers):
        lines += [f"-A DOCKER-USER {' '.join(rule)}" for rule in reversed(seed_rules(number))]
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("\n".join([*lines, "COMMIT", ""]))
        file.flush()
        host.run("iptables-legacy-restore", file.name)


@dataclass(frozen=True)
class Rule:
    """One of table raw: whom it takes, and to which chain of ours it leads ("": to none)."""

    source: tuple[int, int] | None  # an address and how many bits behind it do not count
    port: str | None
    chain: str

    @classmethod
    def read(cls, text: str) -> Rule:
        """From a line of iptables-save."""
        given = dict(re.findall(r"(-s|--dport|-[gj]) (\S+)", text))
        chain = given.get("-g", given.get("-j", ""))
        source = None
        if "-s" in given:
            net = ipaddress.ip_network(given["-s"])
            source = int(net.network_address), net.max_prefixlen - net.prefixlen
        return cls(source, given.get("--dport"), chain if chain.startswith("NETENFORCE") else "")

    def takes(self, source: int) -> bool:
        """Whether a packet to the proxy's port, from that address, goes where it leads."""
        if self.source is not None and source >> self.source[1] != self.source[0] >> self.source[1]:
            return False
        return self.port in (None, PROXY)


class Walk:
    """How many rules of table raw a packet meets on its way from a bridge to the proxy's port."""

    def __init__(self, host: Netns, ipv6: bool = False) -> None:
        program = "ip6tables-legacy-save" if ipv6 else "iptables-legacy-save"
        self._ipv6, self._chains = ipv6, dict[str, list[Rule]]()
        lines = host.run(program, "-t", "raw").out.splitlines()
        rules = [line.split(" ", 2)[1:] for line in lines if line.startswith("-A")]
        self.total = len(rules)
        for chain, text in rules:
            if not text.startswith("-i nv-"):
                self._chains.setdefault(chain, []).append(Rule.read(text))
        self._ports = sum(text.startswith("-i nv-") for _, text in rules)

    def met(self, source: int) -> int:
        """By a packet from that address. A rule that asks for a port's own frames is met, too."""
        count, chain = self._ports, "PREROUTING"
        while chain:
            rules, chain = self._chains.get(chain, []), ""
            for rule in rules:
                count += 1
                if rule.takes(source):
                    chain = rule.chain
                    break
        return count

    def worst(self, numbers: Sequence[int]) -> tuple[int, int]:
        """The container whose packets meet most, and how many."""
        own = {n: addresses_of(n, self._ipv6)[-1].split("/")[0] for n in numbers}
        met = {n: self.met(int(ipaddress.ip_address(own[n]))) for n in numbers}
        number = max(met, key=lambda n: met[n])
        return number, met[number]

    def most(self) -> int:
        """The same for any member there is; none where the fence is in nf_tables."""
        sources = (rule.source for rules in self._chains.values() for rule in rules)
        members = (source for source, bits in filter(None, sources) if bits == 0)
        return max(map(self.met, members), default=0)
