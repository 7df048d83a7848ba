"""The driver's own time: CreateEndpoint + Join and Leave + DeleteEndpoint over the socket.

Measured at 1, 100 and 1,000 endpoints of one network, without an engine, in a namespace of its own.
The peer is what the founding document does by hand: four iptables processes to put a container's
rules in, four to take them out, timed in the same run with as many containers' rules in the table.
Figures are medians in milliseconds; the ratio is what to compare.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import NETWORK, Daemon  # noqa: E402
from lab.netns import Netns  # noqa: E402

SIZES = (1, 100, 1000)
RUNS = 20


def address(number: int) -> str:
    """An address of 10.88.0.0/16, from 10.88.0.2 on."""
    return f"10.88.{(number + 2) >> 8}.{(number + 2) & 255}"


class Driver:
    """One network, any number of endpoints."""

    def __init__(self, folder: Path) -> None:
        self.daemon = Daemon(folder).start()
        pools = [{"Gateway": "10.88.0.1/16", "Pool": "10.88.0.0/16"}]
        self.daemon.call("CreateNetwork", {"NetworkID": NETWORK, "IPv4Data": pools})

    def body(self, number: int) -> dict[str, object]:
        """What all calls about an endpoint begin with."""
        return {"NetworkID": NETWORK, "EndpointID": f"{number:012x}" + "e" * 52}

    def join(self, number: int) -> None:
        """CreateEndpoint and Join."""
        interface = {"Address": address(number) + "/16", "AddressIPv6": "", "MacAddress": ""}
        self.daemon.call("CreateEndpoint", {**self.body(number), "Interface": interface})
        self.daemon.call("Join", {**self.body(number), "SandboxKey": "/run/docker/netns/x"})

    def leave(self, number: int) -> None:
        """Leave and DeleteEndpoint."""
        self.daemon.call("Leave", self.body(number))
        self.daemon.call("DeleteEndpoint", self.body(number))


class Seed:
    """The founding document's rules, in their meant order, one iptables process each."""

    def __init__(self) -> None:
        self.netns = Netns.new()
        self.netns.run("iptables-legacy", "-N", "DOCKER-USER")

    @staticmethod
    def rules(number: int) -> list[list[str]]:
        """The four of one container."""
        source = ["-s", address(number)]
        return [
            [*source, "-j", "DROP"],
            [*source, "-p", "tcp", "--dport", "53", "-j", "ACCEPT"],
            [*source, "-p", "udp", "--dport", "53", "-j", "ACCEPT"],
            [*source, "-p", "tcp", "--dport", "8080", "-j", "ACCEPT"],
        ]

    def fill(self, count: int) -> None:
        """As many containers' rules as there are to be, at once."""
        lines = ["*filter", ":DOCKER-USER - [0:0]"]
        for number in range(count):
            lines += [f"-A DOCKER-USER {' '.join(rule)}" for rule in reversed(self.rules(number))]
        script = "\n".join([*lines, "COMMIT", ""])
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(script)
            file.flush()
            self.netns.run("iptables-legacy-restore", file.name)

    def join(self, number: int) -> None:
        """Put the rules in."""
        for rule in self.rules(number):
            self.netns.run("iptables-legacy", "-I", "DOCKER-USER", *rule)

    def leave(self, number: int) -> None:
        """Take them out."""
        for rule in self.rules(number):
            self.netns.run("iptables-legacy", "-D", "DOCKER-USER", *rule)


def timed(function: Callable[[int], None], number: int) -> float:
    """Milliseconds of one call."""
    started = time.perf_counter()
    function(number)
    return (time.perf_counter() - started) * 1000


def measure(driver: Driver, seed: Seed, size: int) -> dict[str, object]:
    """Both, turn by turn, with `size` - 1 others there."""
    samples: dict[str, list[float]] = {"join": [], "leave": [], "seed in": [], "seed out": []}
    for _ in range(RUNS):
        samples["join"].append(timed(driver.join, size - 1))
        samples["leave"].append(timed(driver.leave, size - 1))
        samples["seed in"].append(timed(seed.join, size - 1))
        samples["seed out"].append(timed(seed.leave, size - 1))
    median = {key: statistics.median(values) for key, values in samples.items()}
    return {
        "endpoints": size,
        "median_ms": {key: round(value, 2) for key, value in median.items()},
        "min_max_ms": {
            key: [round(min(values), 2), round(max(values), 2)] for key, values in samples.items()
        },
        "ratio_join": round(median["join"] / median["seed in"], 2),
        "ratio_leave": round(median["leave"] / median["seed out"], 2),
    }


def table(results: list[dict[str, object]]) -> str:
    """For people."""
    lines = [
        "| endpoints | CreateEndpoint + Join, ms | four iptables, ms | ratio "
        "| Leave + DeleteEndpoint, ms | four iptables, ms | ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        ms = result["median_ms"]
        assert isinstance(ms, dict)
        lines.append(
            f"| {result['endpoints']} | {ms['join']} | {ms['seed in']} | {result['ratio_join']} "
            f"| {ms['leave']} | {ms['seed out']} | {result['ratio_leave']} |"
        )
    return "\n".join(lines) + "\n"


def main(out: Path) -> None:
    """Measure and write."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        driver, seed = Driver(Path(folder)), Seed()
        joined = 0
        for size in SIZES:
            for number in range(joined, size - 1):
                driver.join(number)
            joined = size - 1
            seed.fill(size - 1)
            results.append(measure(driver, seed, size))
        driver.daemon.close()
        seed.netns.close()
    (out / "driver_calls.json").write_text(json.dumps(results, indent=2) + "\n")
    (out / "driver_calls.md").write_text(table(results))
    print(table(results), end="")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
