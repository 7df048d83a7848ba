"""Where the demo plays: on the machine's running engine, or on a private one in the lab."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab import Docker, Lab, Machine, Network, Outside, Plugin, Proxy, Relay
from lab.images import image
from lab.lab import CACHE, REPOSITORY
from lab.plugin import NAME, STATE
from lab.relay import open_proxy
from table import say

CABLE = "demo-outside"
NETWORK = "netenforce-demo"
IMAGE = "netenforce-demo-tools"
PORTS = (8080, 18080, 28080)


class StageError(Exception):
    """The demo can't be shown here; the text says why and what to do."""


@dataclass
class Stage:
    """What the show needs."""

    about: str
    docker: Docker
    host: Machine
    outside: Outside
    network: Network
    proxy: Proxy | Relay


def running_engine() -> bool:
    """Whether the engine that users get here answers, and is on this machine."""
    address = os.environ.get("DOCKER_HOST", "")
    if address and not address.startswith("unix://"):
        return False
    if shutil.which("docker") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        return Docker(Machine(Path(folder)))("info", check=False).status == 0


@contextlib.contextmanager
def open_stage() -> Iterator[Stage]:
    """Make the stage; remove all of it when the show is over."""
    with contextlib.ExitStack() as stack:
        yield _on_running(stack) if running_engine() else _on_private(stack)


def _make_network(stack: contextlib.ExitStack, docker: Docker, *options: str) -> Network:
    if docker("network", "inspect", NETWORK, check=False).status == 0:
        raise StageError(f"a network {NETWORK} exists already: docker network rm {NETWORK}")
    say(f"  docker network create -d netenforce {' '.join([*options, NETWORK])}")
    network = docker.network(NETWORK, *options)
    stack.callback(network.remove)
    return network


def _on_private(stack: contextlib.ExitStack) -> Stage:
    say("No Docker engine is running here: a private one is started, in namespaces of its own.")
    lab = stack.enter_context(Lab())
    lab.engine("tag", "tools", IMAGE)
    lab.plugin.install()
    say("  make plugin-install")
    network = _make_network(stack, lab.engine)
    version = lab.engine.out("version", "-f", "{{.Server.Version}}")
    about = f"private Docker engine {version}"
    return Stage(about, lab.engine, lab.host, lab.outside, network, lab.proxy)


def _on_running(stack: contextlib.ExitStack) -> Stage:
    folder = Path(tempfile.mkdtemp(prefix="netenforce-demo-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    host = Machine(folder)
    stack.callback(host.close)
    docker = Docker(host)
    version = docker.out("version", "-f", "{{.Server.Version}}")
    say(f"Docker engine {version} is running here: it is used, and left as it was.")

    outside = _plug_outside(stack, folder, host)
    _install(stack, docker)
    docker.load(IMAGE, image("tools", CACHE))
    stack.callback(docker, "rmi", IMAGE, check=False)
    port = _free_port()
    network = _make_network(stack, docker, "-o", f"proxy={port}")
    proxy = open_proxy(host, outside.authority.certificate, port, network.gateway)
    stack.callback(proxy.close)
    return Stage(f"Docker engine {version}", docker, host, outside, network, proxy)


def _plug_outside(stack: contextlib.ExitStack, folder: Path, host: Machine) -> Outside:
    if host.run("ip", "route", "show", "root", "198.51.100.0/24").out.strip():
        raise StageError("198.51.100.0/24 is routed here already; the demo needs it for itself")
    outside = Outside(folder)
    stack.callback(outside.close)
    outside.plug_beside(host, CABLE)
    stack.callback(host.run, "ip", "link", "delete", CABLE, check=False)
    return outside


def _install(stack: contextlib.ExitStack, docker: Docker) -> None:
    """Install the plugin, unless it is there already."""
    plugin = Plugin(docker, REPOSITORY)
    if plugin.enabled():
        say(f"  {NAME} is installed here already: used as it is")
        return
    if not Path(STATE).exists():
        stack.callback(_remove_state, Path(STATE))
    stack.callback(docker, "plugin", "rm", "-f", NAME, check=False)
    plugin.install()
    say("  make plugin-install")


def _remove_state(path: Path) -> None:
    """Remove a state folder that holds nothing any more."""
    for inner in ("networks", "endpoints", "."):
        with contextlib.suppress(OSError):
            (path / inner / "lock").unlink(missing_ok=True)
            (path / inner).rmdir()
    with contextlib.suppress(OSError):
        path.rmdir()


def _free_port() -> int:
    """A port for the proxy that nobody listens on."""
    for port in PORTS:
        with contextlib.suppress(OSError), socket.create_server(("", port)):
            return port
    raise StageError(f"each of the ports {PORTS} is in use here: free one of them")
