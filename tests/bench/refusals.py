"""What a refused packet costs, and what a container that floods costs its neighbour.

Cost: one container sends datagrams from one processor, which also does all the kernel's work for
them, so the time of a burst is the time of its packets. Refused by netenforce with an answer (an
ICMP error, the default; the kernel limits how many it sends) and silently (refuse=drop), and as
packets with a false source. The peers are the cheapest drops that the kernel has: one rule in table
raw of iptables; one in nf_tables at the same hook; one at the port itself, before the bridge sees
the frame; and no rule at all, where the host answers that nobody listens.

Neighbour: another container opens connections to the proxy's port, one after the other, while
nobody else sends, while somebody keeps a processor busy and sends nothing, and beside floods.
Ratios are to the quiet rounds of the same host.

Tracking: how many entries of the connection table a flood of refused datagrams and connections
leaves, by default and with a policy that looks at connections (inbound).
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from figures import Axes, Report, Spread, quantile, ratio, rounds, spread  # noqa: E402
from peers import (  # noqa: E402
    CLOSED,
    FIRST,
    GATEWAY,
    TRAFFIC,
    Fenced,
    Floor,
    Netns,
    Service,
    Side,
    entered,
    track,
    traffic,
)

ROUNDS, BURST, TRIPS, KNOCKS = 20, 64 * 1000, 1000, 2000
WORKER, FLOODER = FIRST, FIRST + 1
FALSE = "10.88.0.200"  # nobody's address
KINDS = {  # beside the worker
    "quiet": [],
    "a busy processor that sends nothing": ["spin"],
    "refused datagrams": ["udp", GATEWAY, CLOSED],
    "refused connections": ["syn", GATEWAY, CLOSED],
}
IN_TABLE = "one rule of iptables in raw"
IN_NFT = "one rule of nf_tables there"


def drop_in_raw(host: Netns) -> None:
    """The cheapest drop of the legacy tables."""
    host.run("iptables-legacy", "-t", "raw", "-A", "PREROUTING", "-i", "br0", "-j", "DROP")


def drop_in_nft(host: Netns) -> None:
    """The same of nf_tables."""
    for line in (
        "add table ip t",
        "add chain ip t c { type filter hook prerouting priority raw; }",
        "add rule ip t c iifname br0 drop",
    ):
        host.run("nft", line)


def drop_at_port(host: Netns) -> None:
    """At the flooder's port."""
    port = f"p{FLOODER}"
    host.run("tc", "qdisc", "add", "dev", port, "clsact")
    drop = "bpf direct-action bytecode".split() + ["1,6 0 0 2"]  # return TC_ACT_SHOT
    host.run("tc", "filter", "add", "dev", port, "ingress", *drop)


PEERS = {
    IN_TABLE: drop_in_raw,
    IN_NFT: drop_in_nft,
    "one at the port": drop_at_port,
    "no rule, nobody listens": lambda _: None,
}


def sender(made: Fenced | Floor) -> Netns:
    """The flooder, who needs no answer to know where the gateway is."""
    container = made.member(FLOODER)
    [bridge] = json.loads(made.host.run("ip", "-j", "link", "show", "type", "bridge").out)
    container.ip(f"neigh replace {GATEWAY} lladdr {bridge['address']} dev eth0")
    return container


def liar(made: Fenced) -> Netns:
    """The same, with an address that is not its own."""
    container = sender(made)
    container.ip(f"addr add {FALSE}/32 dev eth0", f"route add {GATEWAY}/32 dev eth0 src {FALSE}")
    return container


class Costs:
    """All who refuse, each on a host of its own."""

    def __init__(self, folder: Path) -> None:
        answered = Fenced(folder / "answered", 2)
        silent = Fenced(folder / "silent", 2, refuse="drop")
        lied_to = Fenced(folder / "lied", 2)
        self._daemons = [fenced.daemon for fenced in (answered, silent, lied_to)]
        self._senders = {
            "netenforce, answered": sender(answered),
            "netenforce, silent": sender(silent),
            "netenforce, false source": liar(lied_to),
        }
        for name, prepare in PEERS.items():
            floor = Floor(2)
            prepare(floor.host)
            self._senders[name] = sender(floor)

    def measure(self) -> dict[str, list[float]]:
        """Nanoseconds of a packet."""
        samples: dict[str, list[float]] = {name: [] for name in self._senders}
        for _ in range(rounds(ROUNDS)):
            for name, container in self._senders.items():
                [took] = traffic(container, "udp", GATEWAY, CLOSED, BURST, processor=0)
                samples[name].append(took * 1000 / BURST)
        return samples

    def close(self) -> None:
        """Give all of it back: a floor goes with its containers."""
        for daemon in self._daemons:
            daemon.close()
        for container in self._senders.values():
            container.close()


class Neighbours:
    """Somebody who works and somebody who floods, on one host."""

    def __init__(self, host: Netns, worker: Netns, flooder: Netns, folder: Path) -> None:
        self.side = Side(host, worker, folder, processor=None)
        self._flooder, self._log = flooder, folder / "flood.log"

    def round(self, kind: str) -> list[float]:
        """Connections, with somebody beside."""
        if not KINDS[kind]:
            return self.side.trips(TRIPS)
        noise = Service(entered(self._flooder, TRAFFIC, *KINDS[kind]), self._log)
        try:
            return self.side.trips(TRIPS)
        finally:
            noise.kill()


def measure_neighbours(folder: Path) -> dict[str, dict[str, dict[str, list[float]]]]:
    """p50 and p99 of each round: by host, by kind."""
    fenced, floor = Fenced(folder, 2), Floor(2)
    hosts = {
        name: Neighbours(made.host, made.member(WORKER), made.member(FLOODER), folder)
        for name, made in {"netenforce": fenced, "no rules": floor}.items()
    }
    samples = {name: {kind: {"p50": [], "p99": []} for kind in KINDS} for name in hosts}
    for _ in range(rounds(ROUNDS)):
        for name, host in hosts.items():
            for kind in KINDS:
                trips = host.round(kind)
                samples[name][kind]["p50"].append(quantile(trips, 0.5))
                samples[name][kind]["p99"].append(quantile(trips, 0.99))
    for host in hosts.values():
        host.side.close()
    fenced.daemon.close()
    return samples


def tracked(host: Netns) -> int:
    """How many connections the host knows of."""
    path = Path("/proc/sys/net/netfilter/nf_conntrack_count")
    return host.call(lambda: int(path.read_text()))


def measure_tracking(folder: Path) -> dict[str, int]:
    """Entries that a flood leaves, where the host's connections are tracked."""
    floor = Floor(2)
    hosts: dict[str, tuple[Netns, Netns]] = {"no rules": (floor.host, floor.member(FLOODER))}
    daemons = []
    options = {"netenforce": {}, "netenforce, inbound": {"inbound": "true"}}
    for name, chosen in options.items():
        fenced = Fenced(folder / name, 2, **chosen)
        daemons.append(fenced.daemon)
        hosts[name] = fenced.host, fenced.member(FLOODER)
    grown = {}
    for name, (host, flooder) in hosts.items():
        track(host)
        before = tracked(host)
        for kind in ("ports", "syn"):
            traffic(flooder, kind, GATEWAY, CLOSED, KNOCKS)
        grown[name] = tracked(host) - before
    for daemon in daemons:
        daemon.close()
    return grown


def write_costs(report: Report, costs: dict[str, list[float]]) -> dict[str, object]:
    """A packet's cost."""
    report.say("A refused packet: nanoseconds from the send to the drop (or the answer).")
    rows = [
        [name, spread(values), ratio(values, costs[IN_TABLE]), ratio(values, costs[IN_NFT])]
        for name, values in costs.items()
    ]
    report.table(["refused by", "ns a packet", f"to {IN_TABLE}", f"to {IN_NFT}"], rows)
    report.bars(
        "cost",
        Axes("A refused packet, from the send on", "", "ns a packet"),
        list(costs),
        {"on one processor": [spread(values) for values in costs.values()]},
    )
    return {name: spread(values) for name, values in costs.items()}


def write_neighbours(
    report: Report, samples: dict[str, dict[str, dict[str, list[float]]]]
) -> dict[str, object]:
    """What the worker felt."""
    report.say("Beside a flood: a connection to the proxy's port, a byte there, a byte back.")
    ends = ("p50, µs", "p99, µs", "p99 to quiet")
    heads = [f"{host}: {end}" for host in samples for end in ends]
    rows = []
    times: dict[str, list[Spread]] = {host: [] for host in samples}
    for kind in KINDS:
        row: list[object] = [kind]
        for host, kinds in samples.items():
            p99 = kinds[kind]["p99"]
            times[host].append(ratio(p99, kinds["quiet"]["p99"]))
            row += [spread(kinds[kind]["p50"]), spread(p99), times[host][-1]]
        rows.append(row)
    report.table(["beside", *heads], rows)
    report.bars(
        "neighbour",
        Axes("A connection beside a flood", "", "p99, ratio to quiet rounds"),
        list(KINDS),
        times,
    )
    return {
        host: {kind: {k: spread(v) for k, v in both.items()} for kind, both in kinds.items()}
        for host, kinds in samples.items()
    }


def main() -> None:
    """Measure and write."""
    report = Report("refusals")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        costs = Costs(folder)
        taken = costs.measure()
        costs.close()
        neighbours = measure_neighbours(folder / "neighbours")
        grown = measure_tracking(folder)
    data = {
        "ns_a_packet": write_costs(report, taken),
        "connection_us": write_neighbours(report, neighbours),
        "connection_tracking_entries": grown,
    }
    report.say(
        "Connection tracking: the entries that refused packets leave, "
        f"{KNOCKS} datagrams from as many ports and {KNOCKS} connections."
    )
    report.table(["host", "entries"], list(grown.items()))
    report.write(data)


if __name__ == "__main__":
    main()
