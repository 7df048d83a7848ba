"""The host reaches a web server in a container (inbound), and nobody else does."""

from __future__ import annotations

from collections.abc import Callable

from lab import Lab, Network, Scene, tcp
from lab.outside import HOST_V4
from lab.process import wait_until
from lab.servers import Responder

Create = Callable[..., Network]
PORT, LISTENING = 7000, 9000
SERVE = f"mkdir -p /tmp/w && echo served >/tmp/w/index.html && exec busybox httpd -f -p {PORT} -h /tmp/w"


def page(lab: Lab, address: str) -> str:
    """The page, as a program of the host's gets it."""
    url = f"http://{address}:{PORT}/"
    return lab.host.run("curl", "-sS", "--noproxy", "*", "--max-time", "2", url, check=False).out


def test_a_server_in_a_container(clean: Lab, create: Create) -> None:
    network = create("-o", "inbound=true")
    on = ("--network", network.name)
    server = clean.engine.start(*on, command=["sh", "-c", SERVE])
    wait_until(lambda: page(clean, server.address) == "served\n", "the server to serve")
    # Neither a neighbour reaches it, nor one of another network; and it reaches nothing of the host's.
    neighbour = clean.engine.start(*on)
    stranger = clean.engine.start("--network", create().name)
    for container in (neighbour, stranger):
        assert not any(o.reached for o in container.probe(tcp(server.address, PORT)))
    responder = Responder(clean.host.netns, tcp=[LISTENING])
    ways = [tcp(host, LISTENING) for host in (network.gateway, HOST_V4)]
    assert all(o.refused for o in server.probe(*ways))
    responder.close()
    Scene(clean, network, server).assert_proxy_works()
    # Of a container that says so itself, alone.
    away = clean.engine.start("--network", f"name={network.name},driver-opt=inbound=false",
                              command=["sh", "-c", SERVE])  # fmt: skip
    assert page(clean, away.address) == ""
    clean.plugin.kill_and_wait()
    assert page(clean, server.address) == "served\n"
