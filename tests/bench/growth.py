"""What grows with the endpoints, and by which law.

At 1, 10, 100 and 1,000 endpoints of one network, and at 10 networks with 1,000 each (a Linux bridge
takes 1,023 ports):

    rules      of table raw, and how many of them a packet meets in the worst place
    commit     CreateEndpoint + Join, and Leave + DeleteEndpoint, of one more
    memory     the daemon's resident memory, as it grew and after a restart
    start      from the daemon's exec until its socket takes connections, after SIGKILL: with all
               that it had made still there; with its rules removed and every port to be mended
               (down, without its guard and flags); with rules, ports and bridges removed (what has
               lost its port is taken as left)
    check      the daemon's processor time for one of the checks that it makes every 500 ms, and how
               often it wakes up, with nothing else going on
    repair     its processor time from a port's being set down until it is up again, which takes a
               look at all links
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from figures import Axes, Report, rounds, spread  # noqa: E402
from laws import law  # noqa: E402
from peers import (  # noqa: E402
    FIRST,
    LENGTH,
    Daemon,
    Walk,
    endpoint_body,
    endpoint_id,
    network_body,
    wait_until,
)

SIZES = ((1, 1), (1, 10), (1, 100), (1, 1000), (10, 1000))  # networks, endpoints of each
ROUNDS, STARTS, CHECKS = 20, 5, 8
PLAIN = "isolated off locked off learning on flood on mcast_flood on bcast_flood on guard off"
TOGETHER = 32  # calls at once while a network is filled
CHECK_S = 0.5  # CHECK_EVERY_MS, src/daemon/main.c
GROUP = "77"  # of links that are to be removed by one message
FIGURES = {
    "rules": "rules in raw",
    "met": "rules met in the worst place",
    "join": "CreateEndpoint + Join, ms",
    "leave": "Leave + DeleteEndpoint, ms",
    "grown": "resident as grown, MiB",
    "resident": "resident after a restart, MiB",
    "start": "start, all there, ms",
    "mend": "start, all to be mended, ms",
    "lost": "start, all removed, ms",
    "start_cpu": "start, all there, ms of processor time",
    "mend_cpu": "start, all to be mended, ms of processor time",
    "check": "a check, ms of processor time",
    "wakes": "wake-ups a second while idle",
    "one": "one port mended, ms of processor time",
}

Samples = dict[str, list[float]]


def pool_of(network: int) -> str:
    """A /20 for each network."""
    return f"10.{88 + network}.0"


def network_id(network: int) -> str:
    """An id whose first 12 characters differ."""
    return f"{network:012x}" + "a" * 52


class Crowd:
    """A daemon with networks that fill up."""

    def __init__(self, folder: Path) -> None:
        self.daemon = Daemon(folder).start()
        self.networks, self.each = 0, 0

    def _ids(self, network: int, number: int) -> dict[str, object]:
        one = endpoint_id(network << 12 | number)
        return {"NetworkID": network_id(network), "EndpointID": one}

    def join(self, network: int, number: int) -> None:
        """CreateEndpoint and Join."""
        ids = self._ids(network, number)
        body = endpoint_body(number, pool=pool_of(network), length=LENGTH)
        self.daemon.call("CreateEndpoint", {**body, **ids})
        self._join(network, number)

    def _join(self, network: int, number: int) -> None:
        key = f"/run/docker/netns/{network:x}-{number:x}"
        self.daemon.call("Join", {**self._ids(network, number), "SandboxKey": key})

    def leave(self, network: int, number: int) -> None:
        """Leave and DeleteEndpoint."""
        self.daemon.call("Leave", self._ids(network, number))
        self.daemon.call("DeleteEndpoint", self._ids(network, number))

    def grow(self, networks: int, each: int) -> None:
        """To so many networks with so many endpoints."""
        for network in range(self.networks, networks):
            body = network_body(network_id(network), pool_of(network), LENGTH)
            self.daemon.call("CreateNetwork", body)
        wanted = {(n, FIRST + i) for n in range(networks) for i in range(each)}
        there = {(n, FIRST + i) for n in range(self.networks) for i in range(self.each)}
        with ThreadPoolExecutor(TOGETHER) as pool:
            list(pool.map(lambda one: self.join(*one), sorted(wanted - there)))
        self.networks, self.each = networks, each

    def spoil(self) -> None:
        """Leave links, but nothing that fences them in."""
        ports = [name for name in self.daemon.links() if name.startswith("nv-")]
        host = self.daemon.netns
        self.daemon.empty_rules()
        host.ip(*(f"link set {name} down" for name in ports))
        host.batch("tc", *(f"qdisc del dev {name} clsact" for name in ports))
        host.batch("bridge", *(f"link set dev {name} {PLAIN}" for name in ports))

    def remove(self) -> None:
        """Leave nothing that the daemon has made in the kernel."""
        ours = [name for name in self.daemon.links() if name.startswith(("ne-", "nv-"))]
        self.daemon.empty_rules()
        self.daemon.netns.ip(*(f"link set {name} group {GROUP}" for name in ours))
        self.daemon.netns.run("ip", "link", "del", "group", GROUP)

    def return_all(self) -> None:
        """What had lost its port joins once more."""
        there = [(n, FIRST + i) for n in range(self.networks) for i in range(self.each)]
        with ThreadPoolExecutor(TOGETHER) as pool:
            list(pool.map(lambda one: self._join(*one), there))


def ms_of(function: Callable[[], object]) -> float:
    """Milliseconds that it takes."""
    started = time.perf_counter()
    function()
    return (time.perf_counter() - started) * 1000


def started_ms(daemon: Daemon, between: Callable[[], None]) -> float:
    """Kill it, do something in its absence, start it: milliseconds until it serves."""
    daemon.kill()
    between()
    return ms_of(lambda: daemon.start(patience=120))


def processor_ms(pid: int) -> float:
    """What a process has used, by the scheduler's own account."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def wakes(pid: int) -> int:
    """How often a process has gone to sleep."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("voluntary_ctxt")).split()[1])


def settle(pid: int) -> None:
    """Wait until what came before is done with: a second in which nothing but checks happens."""

    def quiet() -> bool:
        before = wakes(pid)
        time.sleep(2 * CHECK_S)
        return wakes(pid) - before <= 3

    wait_until(quiet, "the daemon to be idle", timeout=60)


def idle(pid: int) -> tuple[float, float]:
    """Processor time of a check, and wake-ups a second."""
    settle(pid)
    used, woken, began = processor_ms(pid), wakes(pid), time.perf_counter()
    wait_until(lambda: wakes(pid) >= woken + CHECKS, "checks", timeout=60)
    seconds = time.perf_counter() - began
    woken = wakes(pid) - woken
    return (processor_ms(pid) - used) / woken, woken / seconds


def asleep(pid: int) -> int:
    """Wake-ups in the time of some checks, where there is nothing to check."""
    before = wakes(pid)
    time.sleep(CHECKS * CHECK_S)
    return wakes(pid) - before


def mend_one(daemon: Daemon, port: str) -> float:
    """Processor time for a port that somebody sets down."""
    used = processor_ms(daemon.pid)
    daemon.netns.ip(f"link set {port} down")
    wait_until(
        lambda: "UP" in daemon.netns.run("ip", "-br", "link", "show", "up", "dev", port).out,
        "the port to be up",
    )
    return processor_ms(daemon.pid) - used


def measure(crowd: Crowd) -> Samples:
    """All figures at one size."""
    daemon, last = crowd.daemon, FIRST + crowd.each
    samples: Samples = {name: [] for name in FIGURES}
    samples["grown"].append(daemon.resident() / 1024)
    walk = Walk(daemon.netns)
    samples["rules"].append(walk.total)
    samples["met"].append(walk.most())
    for _ in range(rounds(ROUNDS)):
        samples["join"].append(ms_of(lambda: crowd.join(0, last)))
        samples["leave"].append(ms_of(lambda: crowd.leave(0, last)))
    daemon.links()  # the retired ones are gone
    for _ in range(min(STARTS, rounds(STARTS))):
        samples["start"].append(started_ms(daemon, lambda: None))
        samples["start_cpu"].append(processor_ms(daemon.pid))
        samples["resident"].append(daemon.resident() / 1024)
        samples["mend"].append(started_ms(daemon, crowd.spoil))
        samples["mend_cpu"].append(processor_ms(daemon.pid))
    check, woken = idle(daemon.pid)
    samples["check"].append(check)
    samples["wakes"].append(woken)
    for _ in range(min(STARTS, rounds(STARTS))):
        samples["one"].append(mend_one(daemon, f"nv-{endpoint_id(FIRST)[:12]}"))
    samples["lost"].append(started_ms(daemon, crowd.remove))
    crowd.return_all()
    return samples


def write(report: Report, results: dict[tuple[int, int], Samples], without: int) -> None:
    """A table with the laws, plots of what takes time and memory."""
    sizes = {size: size[0] * size[1] for size in results}
    heads = [f"{networks} × {each:,}" for networks, each in results]
    rows = []
    laws = {}
    for name, title in FIGURES.items():
        spreads = {size: spread(samples[name]) for size, samples in results.items()}
        laws[name] = law([(sizes[size], one.median) for size, one in spreads.items()])
        cells = [one if one.samples > 1 else f"{one.median:.4g}" for one in spreads.values()]
        rows.append([title, *cells, laws[name]])
    report.say("Networks × endpoints, and the law by the number n of all endpoints.")
    report.table(["", *heads, "law"], rows)
    report.say(f"Without a network the daemon wakes up {without} times in {CHECKS * CHECK_S:g} s.")
    for plot, names, unit in (
        ("time", ("join", "leave", "start", "mend", "lost", "check", "one"), "ms"),
        ("memory", ("grown", "resident"), "MiB"),
        ("packet", ("rules", "met"), "rules in table raw"),
    ):
        series = {
            FIGURES[name]: [(sizes[size], spread(s[name])) for size, s in results.items()]
            for name in names
        }
        report.lines(plot, Axes("Growth", "endpoints", unit, "xy"), series)
    report.write(
        {
            "sizes": [
                {
                    "networks": networks,
                    "endpoints": networks * each,
                    **{FIGURES[name]: spread(values) for name, values in samples.items()},
                }
                for (networks, each), samples in results.items()
            ],
            "laws": {FIGURES[name]: str(one) for name, one in laws.items()},
            "wake_ups_without_a_network": without,
        }
    )


def main() -> None:
    """Measure and write."""
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        crowd = Crowd(Path(folder))
        try:
            without = asleep(crowd.daemon.pid)
            for networks, each in SIZES:
                crowd.grow(networks, each)
                results[networks, each] = measure(crowd)
        finally:
            crowd.daemon.close()
    write(Report("growth"), results, without)


if __name__ == "__main__":
    main()
