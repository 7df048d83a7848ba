"""netenforced without an engine: in a namespace of its own, spoken to as an engine speaks."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import os
import signal
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .backend import fence_lines, legacy_rules
from .netns import Netns
from .process import Result, Service, run, wait_until

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("BUILD", ROOT / "build"))
SANITIZED = BUILD.name == "san"  # built with ASan, whose allocator keeps what is freed
NETWORK = "a1" * 32
TABLES = ("raw", "filter", "security", "nat", "mangle")


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("plugin.moby.localhost", timeout=30)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Daemon:
    """The daemon, its namespace, its folder. `call` is the engine, `get` the operator."""

    def __init__(
        self,
        folder: Path,
        netns: Netns | None = None,
        options: Sequence[str] = (),
        program: Sequence[str] = (),
        **env: str,
    ) -> None:
        self.folder = folder
        self.netns = netns or Netns.new()
        self.state = folder / "state"
        self.plugin, self.control = folder / "plugin.sock", folder / "control.sock"
        self.lock = folder / "xtables.lock"
        self.root = folder / "root"  # what the daemon takes for the host's files
        (self.root / "etc").mkdir(parents=True, exist_ok=True)
        # A library that is loaded before the sanitizer's own: known, and meant (tests/net/fault.c).
        self.env = {"ASAN_OPTIONS": "verify_asan_link_order=0", **env}
        self._options = options
        self._program = program or [str(BUILD / "netenforced")]
        self._service: Service | None = None

    def start(self, patience: float = 20) -> Daemon:
        """Start it and wait until it serves, for so many seconds at most."""
        self._service = Service(
            [
                *("nsenter", f"--net={self.netns.path}", "--"),
                *("env", *(f"{key}={value}" for key, value in self.env.items())),
                *(*self._program, "--state-dir", str(self.state)),
                *("--plugin-socket", str(self.plugin), "--control-socket", str(self.control)),
                *("--xtables-lock", str(self.lock), "--host-root", str(self.root)),
                *self._options,
            ],
            self.folder / "daemon.log",
        )
        wait_until(self._serves, "the daemon to serve", timeout=patience, pause=0.002)
        return self

    def _serves(self) -> bool:
        assert self._service is not None
        if not self._service.running():
            raise RuntimeError(f"the daemon ended: {self._service.tail()}")
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(self.plugin))
        return True

    @property
    def pid(self) -> int:
        """nsenter and env end as the daemon: its process is the one that was started."""
        assert self._service is not None
        return self._service.pid

    def resident(self) -> int:
        """Its resident memory in KiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1])

    def log(self) -> str:
        """What it has said, in whole lines: the last one may be on its way into the file."""
        said = (self.folder / "daemon.log").read_text(errors="replace")
        return said[: said.rfind("\n") + 1]

    def running(self) -> bool:
        """Whether it still runs."""
        return self._service is not None and self._service.running()

    def wait(self) -> int:
        """Wait until it has ended."""
        assert self._service is not None
        return self._service.wait(20)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._service is not None
        self._service.signal(number)

    def kill(self) -> None:
        """SIGKILL: no farewell."""
        assert self._service is not None
        self._service.kill()

    def stop(self) -> int:
        """SIGTERM; return its status."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def restart(self) -> Daemon:
        """Kill it and start it again."""
        self.kill()
        return self.start()

    def close(self) -> None:
        """End it and give the namespace back."""
        if self.running():
            self.kill()
        self.netns.close()

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        control: bool = False,
    ) -> tuple[int, Any]:
        """One request on a connection of its own: status and JSON."""
        connection = _Connection(self.control if control else self.plugin)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def try_call(self, name: str, body: object) -> tuple[int, Any]:
        """A driver call, whatever its answer: as the engine sends it, newline and all."""
        text = (json.dumps(body) + "\n").encode()
        return self.ask("POST", f"/NetworkDriver.{name}", text)

    def call(self, name: str, body: object) -> Any:
        """A driver call that has to succeed."""
        status, answer = self.try_call(name, body)
        assert status == 200, (name, status, answer)
        return answer

    @contextlib.contextmanager
    def _sent(self, calls: Iterable[tuple[str, object]]) -> Iterator[list[_Connection]]:
        """Driver calls on connections of their own, all sent before the daemon reads the first."""
        with contextlib.ExitStack() as stack:
            self.signal(signal.SIGSTOP)
            waiting = []
            for name, body in calls:
                connection = stack.enter_context(contextlib.closing(_Connection(self.plugin)))
                text = (json.dumps(body) + "\n").encode()
                connection.request("POST", f"/NetworkDriver.{name}", text)
                waiting.append(connection)
            self.signal(signal.SIGCONT)
            yield waiting

    def call_together(self, calls: Iterable[tuple[str, object]]) -> list[tuple[int, Any]]:
        """Driver calls that come at once, and their answers."""
        with self._sent(calls) as waiting:
            responses = [connection.getresponse() for connection in waiting]
            return [(response.status, json.loads(response.read())) for response in responses]

    def call_and_hang_up(self, calls: Iterable[tuple[str, object]]) -> None:
        """Driver calls that come at once, of clients that wait for no answer."""
        with self._sent(calls):
            pass

    def get(self, path: str) -> Any:
        """A resource of the control API."""
        status, answer = self.ask("GET", path, control=True)
        assert status == 200, (path, status, answer)
        return answer

    def command(self, *arguments: str) -> Result:
        """The operator's command."""
        return run(
            str(BUILD / "netenforce"), "--socket", str(self.control), *arguments, check=False
        )

    def rules(self, endpoint: str = "NETENFORCE") -> list[str]:
        """Lines of the main fence, whoever writes it; of an address, if one is given."""
        found = legacy_rules(self.netns, endpoint)
        of_all = endpoint == "NETENFORCE"
        return found + [line for line in fence_lines(self.netns) if of_all or endpoint in line]

    def backstop(self) -> list[str]:
        """Lines of the second fence, which lies in nf_tables; none if it is not there."""
        return self.netns.run("nft", "list", "table", "inet", "netenforce", check=False).out.split(
            "\n"
        )[:-1]

    def empty_rules(self) -> None:
        """Take everything that filters out of the kernel, ours and others'."""
        for family in ("iptables-legacy", "ip6tables-legacy"):
            for table in TABLES:
                self.netns.run(family, "-t", table, "-F")
        self.netns.run("nft", "flush", "ruleset")

    def links(self) -> list[str]:
        """Names of all links but lo, once a daemon that runs has deleted its retired ports."""
        if self.running():
            wait_until(lambda: not retired(self.netns), "retired ports to be deleted", timeout=10)
        shown = json.loads(self.netns.run("ip", "-j", "link").out)
        return sorted(link["ifname"] for link in shown if link["ifname"] != "lo")

    def records(self) -> list[str]:
        """Names of the state folder's records."""
        return sorted(
            path.name
            for kind in ("networks", "endpoints")
            for path in (self.state / kind).iterdir()
        )

    def left(self) -> tuple[list[str], list[str], list[str]]:
        """All that is ours in the kernel and on disk."""
        return self.links(), self.rules() + self.backstop(), self.records()


def retired(netns: Netns) -> list[str]:
    """Names of ports that are out of use and wait to be deleted (NE_RETIRED_GROUP, link.h)."""
    shown = json.loads(netns.run("ip", "-j", "link", "show", "group", "28261").out or "[]")
    return [link["ifname"] for link in shown if link]


def address(number: int, pool: str = "10.88.0") -> str:
    """The address of that number in a pool, which may be larger than a /24."""
    return str(ipaddress.ip_address(f"{pool}.0") + number)


def plug_outside(host: Netns) -> Netns:
    """Lay a cable from 192.0.2.1, the host, to 192.0.2.2; the host forwards and answers."""
    outside = Netns.new()
    host.ip(
        f"link add out type veth peer name eth0 netns {outside.path}",
        "addr add 192.0.2.1/24 dev out",
        "link set out up",
    )
    outside.ip("addr add 192.0.2.2/24 dev eth0", "link set eth0 up")
    host.sysctl(ipv4__ip_forward=1, ipv4__icmp_ratelimit=0)
    return outside


POOL6 = "fd00:88::"  # of networks with IPv6


def network_body(
    network: str = NETWORK,
    pool: str = "10.88.0",
    length: int = 24,
    ipv6: bool = False,
    **options: str,
) -> dict[str, Any]:
    """CreateNetwork as Docker 20.10 sends it."""
    six = {
        "AddressSpace": "LocalDefault",
        "Gateway": f"{POOL6}1/64",
        "Pool": f"{POOL6}/64",
    }
    return {
        "NetworkID": network,
        "Options": {
            "com.docker.network.enable_ipv6": ipv6,
            "com.docker.network.generic": options,
        },
        "IPv4Data": [
            {
                "AddressSpace": "LocalDefault",
                "Gateway": f"{pool}.1/{length}",
                "Pool": f"{pool}.0/{length}",
            }
        ],
        "IPv6Data": [six] if ipv6 else [],
    }


def endpoint_id(number: int) -> str:
    """An id whose first 12 characters differ, since they make the links' names."""
    return f"{number:012x}" + "e" * 52


def endpoint_body(
    number: int,
    network: str = NETWORK,
    pool: str = "10.88.0",
    length: int = 24,
    ipv6: bool = False,
    **options: str,
) -> dict[str, Any]:
    """CreateEndpoint as Docker 20.10 sends it; the number is the address's place in the pool."""
    return {
        "NetworkID": network,
        "EndpointID": endpoint_id(number),
        "Interface": {
            "Address": f"{address(number, pool)}/{length}",
            "AddressIPv6": f"{POOL6}{number:x}/64" if ipv6 else "",
            "MacAddress": "",
        },
        "Options": {
            "com.docker.network.endpoint.exposedports": [],
            "com.docker.network.portmap": [],
            **options,
        },
    }


def join_body(number: int, network: str = NETWORK) -> dict[str, Any]:
    """Join as Docker 20.10 sends it."""
    return {
        "NetworkID": network,
        "EndpointID": endpoint_id(number),
        "SandboxKey": "/var/run/docker/netns/0123456789ab",
        "Options": {"com.docker.network.endpoint.exposedports": []},
    }


def ids_body(number: int, network: str = NETWORK) -> dict[str, Any]:
    """Leave, DeleteEndpoint, EndpointOperInfo."""
    return {"NetworkID": network, "EndpointID": endpoint_id(number)}


def connect(daemon: Daemon, number: int) -> None:
    """CreateEndpoint and Join, as far as the daemon is concerned."""
    daemon.call("CreateEndpoint", endpoint_body(number))
    daemon.call("Join", join_body(number))


def disconnect(daemon: Daemon, number: int) -> None:
    """Leave and DeleteEndpoint."""
    daemon.call("Leave", ids_body(number))
    daemon.call("DeleteEndpoint", ids_body(number))


def attach(host: Netns, port: str, peer: str, container: Netns, addresses: Sequence[str]) -> None:
    """Move a bridge port's other end into a container and give it addresses."""
    host.run("ip", "link", "set", peer, "netns", container.path, "name", "eth0")
    if any(":" in own for own in addresses):
        container.sysctl(ipv6__conf__eth0__disable_ipv6=0)
    container.ip(
        "link set eth0 up",
        *(f"addr add {own} dev eth0{' nodad' if ':' in own else ''}" for own in addresses),
    )

    def forwards() -> bool:
        [shown] = json.loads(host.run("bridge", "-j", "link", "show", "dev", port).out)
        return bool(shown["state"] == "forwarding")

    # The kernel tells the bridge of the carrier by a work queue: a frame before that is lost.
    wait_until(forwards, "the port to forward", timeout=10, pause=0.002)


class Member:
    """What the engine makes of an endpoint: a container's namespace with the pair's other end."""

    def __init__(
        self,
        daemon: Daemon,
        number: int,
        length: int = 24,
        ipv6: bool = False,
        joins: bool = True,
        **options: str,
    ) -> None:
        self.daemon = daemon
        self.number = number
        self.address = address(number)
        self.address6 = f"{POOL6}{number:x}" if ipv6 else ""
        made = daemon.call(
            "CreateEndpoint", endpoint_body(number, length=length, ipv6=ipv6, **options)
        )
        self.mac = made["Interface"]["MacAddress"]
        self.length = length
        self.netns = Netns.new()
        if joins:
            self.enter(daemon.call("Join", join_body(number)))

    def enter(self, joined: Any) -> None:
        """Do what the answer to Join asks for."""
        own = [f"{self.address}/{self.length}"]
        if self.address6:
            own.append(f"{self.address6}/64")
        peer = joined["InterfaceName"]["SrcName"]
        attach(self.daemon.netns, f"nv-{self.number:012x}", peer, self.netns, own)
        for route in joined["StaticRoutes"]:
            self.netns.ip(f"route add {route['Destination']} via {route['NextHop']}")

    def connect(self, address: str, port: int, timeout: float = 1.0) -> str:
        """Try a TCP connection: "open", "refused" or "silent"."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = self.netns.socket(family, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        try:
            sock.connect((address, port))
        except TimeoutError:
            return "silent"
        except OSError as error:
            return "refused" if isinstance(error, ConnectionRefusedError) else str(error)
        finally:
            sock.close()
        return "open"

    def leave(self) -> None:
        """As an engine stops a container."""
        self.daemon.call("Leave", ids_body(self.number))
        self.netns.close()
        self.daemon.call("DeleteEndpoint", ids_body(self.number))
