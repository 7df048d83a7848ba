"""A way round libnetwork's move of an interface: what it gains, and which promises it breaks.

    sudo ENGINE=28 /usr/bin/python3 tests/bench/direct_join.py

A driver without any rules makes the container's end in the sandbox at Join, configures it there,
and answers without `InterfaceName`. docs/performance.md says why netenforce does not. Needs an
engine whose sandbox is there at Join: Docker 28.
"""

from __future__ import annotations

import http.server
import json
import socketserver
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab import Lab  # noqa: E402  (found by the line above)
from lab.engine import SOCKET, UnixHTTP  # noqa: E402
from lab.process import Result, run  # noqa: E402

NAME = "direct"
ROUNDS = 20
LEFT = 77  # the interface group of pairs that wait to be deleted
Json = dict[str, Any]


class Driver:
    """The network driver `direct`."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._addresses: dict[str, tuple[str, str]] = {}
        self.joins: list[float] = []  # milliseconds
        folder = lab.host.path("/run/docker/plugins")
        folder.mkdir(parents=True, exist_ok=True)
        driver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                call = self.path.rpartition(".")[2]
                answer = json.dumps(driver.answer(call, json.loads(body.strip() or b"{}"))).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = socketserver.ThreadingUnixStreamServer(str(folder / f"{NAME}.sock"), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _ip(self, namespace: str, *lines: str) -> Result:
        text = "\n".join(lines) + "\n"
        return run("nsenter", f"--net={namespace}", "ip", "-batch", "-", stdin=text, check=False)

    def answer(self, call: str, body: Json) -> Json:
        """What the engine asks, done."""
        here = self._lab.host.netns.path
        bridge, port = (body.get(key, "")[:10] for key in ("NetworkID", "EndpointID"))
        if call == "Activate":
            return {"Implements": ["NetworkDriver"]}
        if call == "GetCapabilities":
            return {"Scope": "local"}
        if call == "CreateNetwork":
            address = f"addr add {body['IPv4Data'][0]['Gateway']} dev db-{bridge}"
            self._ip(here, f"link add db-{bridge} type bridge", address, f"link set db-{bridge} up")
        elif call == "DeleteNetwork":
            self._ip(here, f"link delete db-{bridge}")
        elif call == "CreateEndpoint":
            mac = "02:00:" + ":".join(body["EndpointID"][at : at + 2] for at in range(0, 8, 2))
            self._addresses[port] = (body["Interface"]["Address"], mac)
            return {"Interface": {"MacAddress": mac}}
        elif call == "Join":
            begun = time.monotonic()
            answer = self._join(here, bridge, port, body["SandboxKey"])
            self.joins.append((time.monotonic() - begun) * 1000)
            return answer
        elif call == "Leave":
            self._ip(here, f"link set dv-{port} down group {LEFT}")
        return {}

    def reap(self) -> None:
        """Delete the pairs that were left: not in a call, since the kernel takes 16 ms for it."""
        self._ip(self._lab.host.netns.path, f"link delete group {LEFT}")

    def _join(self, here: str, bridge: str, port: str, sandbox: str) -> Json:
        address, mac = self._addresses[port]
        there = f"/proc/{self._lab.engine.service.pid}/root{sandbox}"
        links = run("nsenter", f"--net={there}", "ip", "-o", "link").out
        name = next(f"eth{n}" for n in range(99) if f" eth{n}@" not in links)
        pair = f"link add dv-{port} master db-{bridge} type veth peer name {name} address {mac}"
        self._ip(here, f"{pair} netns {there}", f"link set dv-{port} up")
        done = self._ip(there, f"addr add {address} dev {name}", f"link set {name} up")
        return {"Err": done.err} if done.status else {"DisableGatewayService": True}


def call(lab: Lab, method: str, target: str, body: Json | None = None) -> Json:
    """Ask the engine."""
    connection = UnixHTTP(lab.host.path(SOCKET), 60)
    headers = {"Content-Type": "application/json"}
    connection.request(method, target, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status >= 300:
        raise RuntimeError(f"{method} {target}: {answer.status} {text.decode()}")
    found: Json = json.loads(text) if text.strip() else {}
    return found


def measure(lab: Lab, driver: Driver) -> None:
    """Connect and disconnect beside another network, start and stop: medians in milliseconds."""
    lab.engine("run", "-d", "--name", "idle", "--network", "beside", "busybox", "sleep", "infinity")
    idle = {"Container": "idle"}
    steps: dict[str, Callable[[str], object]] = {
        "connect": lambda n: call(lab, "POST", f"/networks/{n}/connect", idle),
        "disconnect": lambda n: call(lab, "POST", f"/networks/{n}/disconnect", idle),
        "start": lambda n: call(lab, "POST", f"/containers/on-{n}/start"),
        "stop": lambda n: call(lab, "POST", f"/containers/on-{n}/stop"),
    }
    took: dict[tuple[str, str], list[float]] = {}
    kinds = ("docker", "fenced", NAME)
    for kind in kinds:
        options = ("--network", kind, "--stop-signal", "KILL")
        lab.engine("create", "--name", f"on-{kind}", *options, "busybox", "sleep", "infinity")
    for _ in range(ROUNDS):
        for kind in kinds:
            for step, act in steps.items():
                begun = time.monotonic()
                act(kind)
                took.setdefault((step, kind), []).append((time.monotonic() - begun) * 1000)
            driver.reap()
    for step in steps:
        middle = {kind: statistics.median(took[step, kind]) for kind in kinds}
        print(f"{step:10} bridge {middle['docker']:6.1f}  netenforce {middle['fenced']:6.1f}"
              f"  direct {middle[NAME]:6.1f} ms")  # fmt: skip
    own = statistics.median(driver.joins)
    print(f"of connect and start, the direct driver's own: {own:.1f} ms")
    lab.engine("rm", "-f", "idle", *(f"on-{kind}" for kind in kinds))


def promises(lab: Lab, driver: Driver) -> None:
    """What the engine says where it does not know of the interface."""
    engine = lab.engine
    engine("run", "-d", "--name", "known", "--network", NAME, "busybox", "sleep", "infinity")
    stats = call(lab, "GET", "/containers/known/stats?stream=0")
    print("docker stats, networks:", stats.get("networks"))
    second = engine("network", "connect", "beside", "known", check=False)
    print("docker network connect of a bridge:", second.err.strip() or "works")
    engine("rm", "-f", "known")

    engine.restart(15, *engine.options, "--live-restore")
    engine("run", "-d", "--name", "kept", "--network", NAME, "busybox", "sleep", "infinity")
    engine.kill_engine()
    engine.start_engine()
    engine("network", "disconnect", NAME, "kept")
    driver.reap()
    engine("network", "connect", NAME, "kept")
    engine("stop", "-t", "0", "kept", check=False)
    panic = next((line for line in engine.log().splitlines() if line.startswith("panic")), "")
    print("live-restore, disconnect, connect, stop:", panic or "works")


def main() -> None:
    """Print it all."""
    with Lab() as lab:
        lab.plugin.install()
        driver = Driver(lab)
        kinds = {"docker": "bridge", "beside": "bridge", "fenced": "netenforce", NAME: NAME}
        for name, kind in kinds.items():
            lab.engine("network", "create", "-d", kind, name)
        measure(lab, driver)
        promises(lab, driver)


main()
