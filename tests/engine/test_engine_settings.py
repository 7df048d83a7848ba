"""Engines as people set them up: with and without docker-proxy, with the engine's own rules or none.

A steady container knocks everywhere while the engine is restarted from one setting to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lab import Container, Lab, Network, Scene, tcp, udp
from lab.outside import HOST_V4, OTHER, WEB
from lab.packet import Packet
from lab.process import wait_until
from lab.servers import Responder

DOCKER0 = "172.17.0.1"
PUBLISHED = 8088
SCRIPT = "mkdir -p /tmp/w && echo served >/tmp/w/index.html && exec busybox httpd -f -p 80 -h /tmp/w"
SERVE = ("sh", "-c", SCRIPT)
SETTINGS = {
    "no docker-proxy": ("--userland-proxy=false",),
    "no rules": ("--iptables=false",),
    "no rules, no docker-proxy": ("--iptables=false", "--userland-proxy=false"),
    "no masquerading, icc off": ("--ip-masq=false", "--icc=false"),
}


@pytest.fixture(params=SETTINGS.values(), ids=SETTINGS.keys())
def changed(clean: Lab, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """An engine that was restarted with other settings, beside a container that knocks."""
    engine = clean.engine
    usual = engine.options
    scene = Scene(clean, engine.network("before"))
    scene.container.remove()
    steady = scene.start_steady("--restart", "always")
    with scene.watch() as verdict:
        steady.wait_for_line()
        engine.stop_engine()
        engine.start_engine(*usual, *request.param)
        wait_until(steady.running, "the container to run again", timeout=30)
        steady.wait_for_line()
    verdict.assert_nothing_arrived()
    steady.remove()
    yield clean
    engine.stop_engine()
    engine.start_engine(*usual)


def page(lab: Lab, address: str, port: int = 80) -> str:
    """The page, as a program of the host's gets it."""
    url = f"http://{address}:{port}/"
    return lab.host.run("curl", "-sS", "--noproxy", "*", "--max-time", "2", url, check=False).out


def is_own(container: Container, packet: Packet) -> bool:
    """Whether it is the container's address as its engine announces it (28 does, three times), and the
    bridge sends it back to where it came from (it does without docker-proxy)."""
    address = container.address
    return (packet.src_mac, packet.src, packet.dst) == (container.mac, address, address)


def check_refused(lab: Lab, scene: Scene) -> None:
    """The proxy is reached and nothing else, by no published port either."""
    published = lab.engine.start("-p", f"{PUBLISHED}:80", command=SERVE)
    wait_until(lambda: page(lab, published.address) == "served\n", "the server to serve")
    listeners = Responder(lab.host.netns, tcp=[9000], udp=[9000])
    gateway = scene.network.gateway
    ways = [tcp(host, port) for host in (gateway, HOST_V4, DOCKER0) for port in (PUBLISHED, 9000)]
    ways += [tcp(published.address, 80), udp(gateway, 9000), tcp(WEB, 80), udp(OTHER, 53)]
    verdict = scene.attempt(*ways, neighbours=[published])
    verdict.neighbours = [each for each in verdict.neighbours if not is_own(published, each)]
    verdict.assert_refused()
    scene.assert_proxy_works()
    listeners.close()


def check_allowed(lab: Lab, network: Network) -> None:
    """An address beyond the host, and a container's own server by `inbound`."""
    server = lab.engine.start("--network", network.name, command=SERVE)
    wait_until(lambda: page(lab, server.address) == "served\n", "the server to serve")
    assert server.curl(f"http://{WEB}/").status == 0
    assert not server.probe(tcp(OTHER, 80))[0].reached


def test_settings(changed: Lab, create: Callable[..., Network]) -> None:
    check_refused(changed, Scene(changed, create()))
    check_allowed(changed, create("-o", f"allow={WEB}:80/tcp", "-o", "inbound=true"))
