"""Start and stop on a real engine: what a container's network takes, by the driver that makes it.

Through the engine's API, without the docker command's own time: a container's start, its end (kill
and wait), its restart; connect and disconnect of a container that runs, one by one and by 8 at
once. By the docker command, as a user sees it: `docker run --rm`. All peers are on one engine, and
take turns in each round in an order that moves on from round to round:

  none        no network at all: what is left is the engine's own
  bridge      the engine's own driver
  internal    the same with --internal
  seed        the same with the founding document's four iptables commands after a start and again
              after the end, by an operator who asks the engine for the address first
  floor       a driver that only makes a bridge and pairs (floor.c)
  netenforce  the managed plugin
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from figures import Axes, Report, Spread, figure, ratio, rounds, spread

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import BUILD  # noqa: E402
from lab.engine import SOCKET, Engine, UnixHTTP  # noqa: E402
from lab.lab import Lab, end_on_signals  # noqa: E402
from lab.process import wait_until  # noqa: E402

ROUNDS = 25
AT_ONCE = 8
FLOOR_SOCKET = "/run/docker/plugins/floor.sock"
REST = 0.25  # seconds; both drivers delete what is left over once nobody called them for 0.1
PEERS = ("none", "bridge", "internal", "seed", "floor", "netenforce")
DRIVERS = {"floor": "floor", "netenforce": "netenforce"}  # all others: the engine's bridge

RUN, START, STOP, RESTART = "docker run --rm", "start", "stop", "restart"
CONNECT, DISCONNECT = "connect", "disconnect"
SEVERAL_IN, SEVERAL_OUT = f"{AT_ONCE} connects at once", f"{AT_ONCE} disconnects at once"
START_SHARE, STOP_SHARE = "start, the network's share", "stop, the network's share"
SHARES = {START_SHARE: START, STOP_SHARE: STOP}  # what none takes is taken off
FIGURES = {  # in the order of the tables: what is told of it
    RUN: "ms",
    START: "ms",
    START_SHARE: "ms",
    STOP: "ms",
    STOP_SHARE: "ms",
    RESTART: "ms",
    CONNECT: "ms",
    DISCONNECT: "ms",
    SEVERAL_IN: "a second",
    SEVERAL_OUT: "a second",
}

Samples = dict[str, dict[str, list[float]]]  # by figure, by peer: one of each round


class API:
    """One kept connection to the engine."""

    def __init__(self, engine: Engine) -> None:
        self._http = UnixHTTP(engine.host.path(SOCKET), timeout=60)

    def __call__(self, method: str, path: str, body: object = None) -> Any:
        """Ask; return the answer, read."""
        text = None if body is None else json.dumps(body)
        self._http.request(method, path, text, {"Content-Type": "application/json"})
        answer = self._http.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {content.decode()}")
        return json.loads(content) if content else None


class Box:
    """A container on a network, with a connection to the engine of its own."""

    def __init__(self, engine: Engine, network: str) -> None:
        self._api = API(engine)
        self._network = network
        config = {
            "Image": "busybox",
            "Cmd": ["sleep", "infinity"],
            "HostConfig": {"NetworkMode": network},
        }
        ident = self._api("POST", "/containers/create", config)["Id"]
        self._path = f"/containers/{ident}"
        self._member = {"Container": ident}

    def start(self) -> None:
        """Start it."""
        self._api("POST", f"{self._path}/start")

    def stop(self) -> None:
        """Kill it and wait for its end, which the engine tells after its network is taken away."""
        self._api("POST", f"{self._path}/kill")
        self._api("POST", f"{self._path}/wait")

    def restart(self) -> None:
        """Kill it and start it again at once."""
        self._api("POST", f"{self._path}/restart?t=0")

    def connect(self) -> None:
        """Give it its network."""
        self._api("POST", f"/networks/{self._network}/connect", self._member)

    def disconnect(self) -> None:
        """Take its network from it."""
        self._api("POST", f"/networks/{self._network}/disconnect", self._member)

    def address(self) -> str:
        """What the engine says."""
        shown = self._api("GET", f"{self._path}/json")
        return str(shown["NetworkSettings"]["Networks"][self._network]["IPAddress"])


class SeedBox(Box):
    """One whose rules an operator puts in and takes out, as the founding document says."""

    def __init__(self, engine: Engine, network: str) -> None:
        super().__init__(engine, network)
        self._host = engine.host
        self._source = ""

    def _rules(self, how: str) -> None:
        """Four processes, in the order that leaves DROP the last."""
        rules = (
            "-j DROP",
            "-p tcp --dport 53 -j ACCEPT",
            "-p udp --dport 53 -j ACCEPT",
            "-p tcp --dport 8080 -j ACCEPT",
        )
        lines = [f"iptables -w {how} DOCKER-USER -s {self._source} {rule}" for rule in rules]
        self._host.run("sh", "-e", stdin="\n".join(lines))

    def _put_in(self) -> None:
        self._source = self.address()
        self._rules("-I")

    def start(self) -> None:
        super().start()
        self._put_in()

    def stop(self) -> None:
        super().stop()
        self._rules("-D")

    def restart(self) -> None:
        super().restart()
        self._rules("-D")
        self._put_in()

    def connect(self) -> None:
        super().connect()
        self._put_in()

    def disconnect(self) -> None:
        super().disconnect()
        self._rules("-D")


def timed(action: Callable[[], object]) -> float:
    """Milliseconds, begun when the engine and its drivers have come to rest."""
    time.sleep(REST)
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


def at_once(actions: Sequence[Callable[[], object]]) -> float:
    """How many of them are done in a second when all begin at once, each in a thread."""
    failed: list[BaseException] = []
    begin = threading.Barrier(len(actions) + 1)

    def body(action: Callable[[], object]) -> None:
        begin.wait()
        try:
            action()
        except BaseException as caught:  # handed to the caller's thread
            failed.append(caught)

    threads = [threading.Thread(target=body, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    time.sleep(REST)
    begin.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    if failed:
        raise failed[0]
    return len(actions) / seconds


class Peer:
    """A network, or none, and containers on it."""

    def __init__(self, name: str, engine: Engine) -> None:
        self.name, self._engine = name, engine
        self._network = "none" if name == "none" else f"on-{name}"
        if name != "none":
            options = ["--internal"] if name == "internal" else []
            engine.network(self._network, *options, driver=DRIVERS.get(name, "bridge"))
        box = SeedBox if name == "seed" else Box
        self._alone = box(engine, self._network)
        count = 0 if name == "none" else AT_ONCE  # nothing connects to none
        self._several = [box(engine, self._network) for _ in range(count)]

    def measure(self) -> Iterable[tuple[str, float]]:
        """One round's figures. The containers of `several` run throughout."""
        if self.name != "seed":  # it is over before an operator can ask for its address
            yield RUN, timed(self._run)
        yield START, timed(self._alone.start)
        yield RESTART, timed(self._alone.restart)
        if self._several:
            yield DISCONNECT, timed(self._alone.disconnect)
            yield CONNECT, timed(self._alone.connect)
        yield STOP, timed(self._alone.stop)
        if self._several:
            yield SEVERAL_OUT, at_once([box.disconnect for box in self._several])
            yield SEVERAL_IN, at_once([box.connect for box in self._several])

    def start(self) -> None:
        """Have the containers run that run throughout."""
        for box in self._several:
            box.start()

    def _run(self) -> None:
        self._engine("run", "--rm", "--network", self._network, "busybox", "true")


def measure(peers: Sequence[Peer], count: int) -> Samples:
    """All peers in turn, so many rounds; the first is thrown away."""
    samples: Samples = {name: {} for name in FIGURES}
    for number in range(count + 1):
        first = number % len(peers)
        for peer in (*peers[first:], *peers[:first]):
            for name, value in peer.measure():
                if number > 0:
                    samples[name].setdefault(peer.name, []).append(value)
    for share, whole in SHARES.items():
        for name, values in samples[whole].items():
            if name != "none":
                own = zip(values, samples[whole]["none"], strict=True)
                samples[share][name] = [with_it - without for with_it, without in own]
    return samples


def compare(name: str, ours: Sequence[float], theirs: Sequence[float]) -> Spread | str:
    """A share is a difference, which may be near to nothing in one round."""
    if name not in SHARES:
        return ratio(ours, theirs)
    return figure(spread(ours).median / spread(theirs).median)


def report(samples: Samples, engine: str, count: int) -> None:
    """Write it all."""
    out = Report("start_stop")
    out.say(f"Docker {engine}, {count} rounds: medians, with the quartiles.")
    rows = [
        [name, unit, *(spread(by[p]) if p in by else "" for p in PEERS)]
        for (name, by), unit in zip(samples.items(), FIGURES.values(), strict=True)
    ]
    out.table(["", "", *PEERS], rows)
    out.say("netenforce as a ratio to the others, round by round; of the shares, of their medians.")
    others = [name for name in PEERS if name not in ("none", "netenforce")]
    ratios = {
        name: {p: compare(name, by["netenforce"], by[p]) for p in others if p in by}
        for name, by in samples.items()
    }
    out.table(
        ["", *(f"to {p}" for p in others)],
        [[name, *(by.get(p, "") for p in others)] for name, by in ratios.items()],
    )
    shown = [name for name, unit in FIGURES.items() if unit == "ms" and name != RUN]
    out.bars(
        "times",
        Axes(f"Docker {engine}", "", "ms"),
        shown,
        {p: [spread(samples[name][p]) for name in shown] for p in others + ["netenforce"]},
    )
    out.write(
        {
            "engine": engine,
            "units": FIGURES,
            "figures": {
                name: {p: spread(values) for p, values in by.items()}
                for name, by in samples.items()
            },
            "netenforce to": ratios,
        }
    )


def main() -> None:
    """Measure and write."""
    end_on_signals()
    count = rounds(ROUNDS)
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(Lab())
        lab.plugin.install()
        floor = lab.host.spawn(str(BUILD / "tests/floor"), FLOOR_SOCKET, name="floor")
        wait_until(lab.host.path(FLOOR_SOCKET).exists, "the floor driver to listen")
        peers = [Peer(name, lab.engine) for name in PEERS]
        for peer in peers:
            peer.start()
        samples = measure(peers, count)
        version = lab.engine.out("version", "--format", "{{.Server.Version}}")
        floor.stop()
    report(samples, version, count)


if __name__ == "__main__":
    main()
