"""A Docker engine, and what is done with one."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import sockets
from .container import Container
from .engine_root import EngineRoot
from .host import Machine
from .network import Network
from .process import CommandError, Result, Service, wait_until

DOCKERD = "/usr/sbin/dockerd"
SOCKET = "/run/docker.sock"


def docker_command() -> str:
    """The docker command line: Debian's if it is there."""
    return (
        "/usr/bin/docker"
        if Path("/usr/bin/docker").exists()
        else shutil.which("docker") or "docker"
    )


class UnixHTTP(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout: float = 10) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def get(socket_path: Path, target: str) -> tuple[int, bytes]:
    """GET over a Unix socket: status and body."""
    connection = UnixHTTP(socket_path)
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class Docker:
    """The docker command line against one engine."""

    def __init__(self, host: Machine, address: str = "") -> None:
        self.host = host
        self.env: Mapping[str, str] = {"DOCKER_HOST": address} if address else {}
        self._command = docker_command()

    def __call__(
        self, *arguments: str, check: bool = True, stdin: str = "", timeout: float = 120
    ) -> Result:
        """Run `docker ARGUMENTS` on the host."""
        return self.host.run(
            self._command, *arguments, check=check, stdin=stdin, timeout=timeout, env=self.env
        )

    def out(self, *arguments: str) -> str:
        """What `docker ARGUMENTS` printed."""
        return self(*arguments).out.strip()

    def fails(self, *arguments: str) -> str:
        """The complaint of `docker ARGUMENTS`, which must fail."""
        result = self(*arguments, check=False)
        assert result.status != 0, f"this should have failed: {result}"
        return result.err.strip()

    def inspect(self, what: str, kind: str = "container") -> dict[str, Any]:
        """`docker inspect` of one thing."""
        found: dict[str, Any] = json.loads(self.out("inspect", f"--type={kind}", what))[0]
        return found

    def version(self) -> tuple[int, ...]:
        """The engine's: (28, 5, 2)."""
        shown = self.out("version", "--format", "{{.Server.Version}}")
        return tuple(int(part) for part in shown.partition("+")[0].split("."))

    def network(self, name: str, *options: str, driver: str = "netenforce") -> Network:
        """`docker network create -d DRIVER OPTIONS NAME`."""
        self("network", "create", "-d", driver, *options, name)
        return Network(self, name)

    def asking(self, server: str) -> tuple[str, ...]:
        """Options by which a container's resolver asks the host's name server `server`.

        From 25.0.5 on it would do that from the host's side, and for a network without a gateway
        not at all; one that the container is given it asks from the container's.
        """
        return ("--dns", server) if self.version() >= (25, 0, 5) else ()

    def start(
        self, *options: str, image: str = "tools", command: str | Sequence[str] = "sleep infinity"
    ) -> Container:
        """`docker run -d`; `docker stop` and the engine's end kill it at once."""
        fixed = ("run", "-d", "--stop-signal", "KILL")
        words = command.split() if isinstance(command, str) else command
        return Container(self, self.out(*fixed, *options, image, *words))

    def load(self, name: str, tar: Path) -> None:
        """Import an image."""
        self("import", "--change", "ENV PATH=/usr/bin:/bin", str(tar), name)

    def things(self) -> tuple[set[str], set[str]]:
        """The ids of all containers and all networks that users made."""
        containers = self.out("ps", "-aq", "--no-trunc").split()
        networks = self.out("network", "ls", "-q", "--no-trunc", "--filter", "type=custom").split()
        return set(containers), set(networks)

    def remove_but(self, kept: tuple[set[str], set[str]]) -> None:
        """Remove the containers and networks that aren't among `kept`."""
        containers, networks = self.things()
        if containers - kept[0]:
            self("rm", "-f", *(containers - kept[0]))
        if networks - kept[1]:
            self.remove_networks(*(networks - kept[1]))

    def remove_networks(self, *names: str) -> None:
        """`docker network rm`."""
        self("network", "rm", *names)


class Engine(Docker):
    """A private dockerd on a lab host: the machine's own, or that of another root."""

    def __init__(self, host: Machine, *options: str, root: EngineRoot | None = None) -> None:
        super().__init__(host, f"unix://{SOCKET}")
        self._root = root
        self._place = root or host
        self._argv = [DOCKERD, "-H", f"unix://{SOCKET}", "--data-root", "/var/lib/docker"]
        self._argv += ["--exec-root", "/run/docker", "--pidfile", "/run/docker.pid"]
        self._service: Service | None = None
        self.options = options
        self.start_engine()

    def compose(self, *arguments: str) -> Result:
        """Compose, as the engine's Debian release has it: 1.29, 2.26 or 2.40."""
        words = ("docker-compose",) if self._root is None else ("docker", "compose")
        return self._place.run(*words, *arguments, env=self.env)

    def compose_script(self) -> str | None:
        """What does as `docker-compose` where that is the root's; None: the machine has it."""
        return None if self._root is None else self._root.script("docker", "compose")

    def start_engine(self, *options: str) -> None:
        """Start dockerd and wait until it answers. Options replace those given before, if any."""
        self.options = options or self.options
        argv = [*self._argv, *self.options]
        self._service = self._place.spawn(*argv, name="dockerd")
        wait_until(self.answers, "dockerd to answer", timeout=90)

    def move_to(self, root: EngineRoot) -> None:
        """Start the engine of another root on the data folder of the one that was stopped."""
        self._root = self._place = root
        self.start_engine()

    @property
    def service(self) -> Service:
        """The running dockerd."""
        assert self._service is not None, "dockerd is not started"
        return self._service

    def mend(self) -> None:
        """Start it again after a test that lost it."""
        if not self.service.running():
            self.start_engine()

    def answers(self) -> bool:
        """Whether /_ping does."""
        if not self.service.running():
            raise RuntimeError(f"dockerd ended: {self.service.tail()}")
        return get(self.host.path(SOCKET), "/_ping")[0] == 200

    def log(self) -> str:
        """All that dockerd (and its plugins) printed so far."""
        return self.service.log.read_text(errors="replace")

    def stop_engine(self) -> None:
        """Stop dockerd with SIGTERM."""
        self.service.stop()

    def kill_engine(self) -> None:
        """Stop dockerd with SIGKILL."""
        self.service.kill()

    def remove_networks(self, *names: str) -> None:
        """`docker network rm`, also where the engine has miscounted; nothing more is sent there.

        When many containers come and go at once, 20.10 may count an endpoint that is no more, on its
        own bridge driver's networks as well: "has active endpoints", without a container there is.
        Its next start counts anew; an endpoint that is really left keeps the network in place.
        """
        result = self("network", "rm", *names, check=False)
        if result.status == 0:
            sockets.end_stale(self.host)
            return
        if "has active endpoints" not in result.err or self.out("ps", "-aq"):
            raise CommandError(result)
        self.restart()
        left = set(self.out("network", "ls", "--no-trunc", "--format", "{{.ID}} {{.Name}}").split())
        super().remove_networks(*(name for name in names if name in left))
        sockets.end_stale(self.host)

    def restart(self, number: int = signal.SIGTERM, *options: str) -> None:
        """End dockerd by a signal and start it again."""
        self.service.signal(number)
        self.service.wait()
        self.start_engine(*options)
