"""A proxy in a container of the same compose file, with a second, ordinary network: no proxy on the host."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Container, Lab, Network, Scene, tcp, udp
from lab.images import image
from lab.lab import CACHE
from lab.outside import OTHER, WEB
from lab.process import wait_until

COMMAND = Path(__file__).resolve().parents[2] / "build/netenforce"
PROXY, PORT = "10.99.7.2", 8080
COMPOSE = f"""\
services:
  proxy:
    image: mitmproxy
    command: mitmdump --listen-host {PROXY} --listen-port {PORT}
    stop_signal: KILL
    networks:
      fenced:
        ipv4_address: {PROXY}
      out:
  one: &client
    image: tools
    command: busybox httpd -f -p {PORT}
    stop_signal: KILL
    networks: [fenced]
  other: *client
networks:
  fenced:
    driver: netenforce
    driver_opts:
      proxy: "{PROXY}:{PORT}"
    ipam:
      config:
        - subnet: 10.99.7.0/24
          gateway: 10.99.7.1
          ip_range: 10.99.7.128/25
  out:
"""


class Box:
    """What the file makes."""

    def __init__(self, lab: Lab, file: Path) -> None:
        self.lab, self._file = lab, file

    def compose(self, *arguments: str) -> str:
        """Compose with the file."""
        return self.lab.engine.compose("-p", "box", "-f", str(self._file), *arguments).out.strip()

    def service(self, name: str) -> Container:
        """The container of a service."""
        return Container(self.lab.engine, self.compose("ps", "-q", name))

    def fetches(self, client: Container) -> bool:
        """Whether a page of the outside comes through the proxy."""
        page = client.curl(f"http://{WEB}/", "-x", f"http://{PROXY}:{PORT}")
        return page.out == "hello from outside\n"

    def await_proxy(self, client: Container) -> None:
        """Until mitmdump listens, which takes it some seconds."""
        wait_until(lambda: self.fetches(client), "mitmdump to serve", timeout=60)


@pytest.fixture
def box(clean: Lab, tmp_path: Path) -> Iterator[Box]:
    """All of it up, and the lab's own proxy down."""
    clean.engine.load("mitmproxy", image("mitmproxy", CACHE))
    folder = clean.folder / tmp_path.name
    folder.mkdir()
    (folder / "docker-compose.yml").write_text(COMPOSE)
    clean.proxy.close()
    made = Box(clean, folder / "docker-compose.yml")
    made.compose("up", "-d")
    yield made
    made.compose("down")
    clean.proxy.start()


def assert_closed(box: Box) -> None:
    """Nothing but the proxy's port is reached by clients, and nothing of theirs by the proxy."""
    proxy, one, other = (box.service(name) for name in ("proxy", "one", "other"))
    network = Network(box.lab.engine, "box_fenced")
    scene = Scene(box.lab, network, one)
    neighbour = other.address
    scene.attempt(
        *(tcp(WEB, 80), tcp(OTHER, 80), tcp(network.gateway, PORT), tcp(network.gateway, 22)),
        *(tcp(PROXY, PORT + 1), udp(PROXY, PORT), tcp(neighbour, PORT), udp(neighbour, PORT)),
        neighbours=[proxy, other],
    ).assert_refused()
    refused = proxy.probe(tcp(one.address, PORT), tcp(neighbour, PORT), udp(neighbour, PORT))
    assert all(outcome.refused for outcome in refused)
    # Nor by its second network's address, which has no route, nor by the host's address there.
    second = proxy.endpoint("box_out")
    there = [tcp(str(second[key]), PORT) for key in ("IPAddress", "Gateway")]
    assert not any(outcome.reached for outcome in one.probe(*there))


def test_one_file(box: Box) -> None:
    one, other = box.service("one"), box.service("other")
    for client in (one, other):
        box.await_proxy(client)
    assert_closed(box)
    # The proxy begins anew, by the same address, and the daemon dies in between.
    box.compose("stop", "proxy")
    assert not box.fetches(one)
    box.lab.plugin.kill_and_wait()
    box.compose("start", "proxy")
    box.await_proxy(one)
    box.compose("restart")
    box.await_proxy(box.service("one"))
    assert_closed(box)


def test_what_is_said_of_it(box: Box) -> None:
    """Its other network is its way out: shown, and not warned of. verify tries the way to it."""
    lab = box.lab
    endpoint = str(box.service("proxy").endpoint("box_fenced")["EndpointID"])

    def entries() -> list[tuple[str, str]]:
        status = json.loads(lab.plugin.get("/v1/status")[1])
        return [(entry["endpoint"], entry["role"]) for entry in status["multi_homed"]]

    def command(*words: str) -> str:
        return lab.host.run(str(COMMAND), *words, env=lab.engine.env).out

    wait_until(lambda: entries() == [(endpoint, "proxy")], "the status to name it", timeout=10)
    lines = [line for line in lab.engine.log().splitlines() if f"endpoint {endpoint[:12]} " in line]
    assert any("is its network's proxy, and has its way out by" in line for line in lines), lines
    assert not any("has another way out" in line for line in lines), lines
    assert "warning" not in command("status")
    assert "proxy of its network, with its way out: eth" in command("ls")
    box.await_proxy(box.service("one"))
    shown = command("verify", "box_fenced")
    assert "every way around that was tried is closed" in shown, shown
    assert f"proxy {PROXY}:{PORT}/tcp answers" in shown, shown
    shown = command("doctor")
    assert "its container is the network's proxy, and has its way out" in shown, shown
    assert f"proxy {PROXY}:{PORT}/tcp answers" in shown and "beyond this host" not in shown, shown


def test_by_role(clean: Lab) -> None:
    """The container with role=proxy, by whichever address the engine gives it and by its name."""
    engine = clean.engine
    engine.load("mitmproxy", image("mitmproxy", CACHE))
    network = engine.network("roles", "--subnet", "10.99.8.0/24", "-o", f"proxy=container:{PORT}")
    client = engine.start("--network", network.name)
    way_out = engine("network", "create", "out").out.strip()

    def start_proxy() -> Container:
        made = engine.start(
            *("--network", f"name={network.name},driver-opt=role=proxy", "--name", "gate"),
            image="mitmproxy", command=f"mitmdump --listen-port {PORT}",
        )  # fmt: skip
        engine("network", "connect", way_out, made.id)
        return made

    def address_of(container: Container) -> str:
        return str(container.endpoint(network.name)["IPAddress"])

    def fetches() -> bool:
        page = client.curl(f"http://{WEB}/", "-x", f"http://gate:{PORT}")
        return page.out == "hello from outside\n"

    assert not fetches()
    proxy = start_proxy()
    wait_until(fetches, "mitmdump to serve", timeout=60)
    scene = Scene(clean, network, client)
    scene.attempt(
        *(tcp(WEB, 80), tcp(OTHER, 80), tcp(network.gateway, PORT), tcp(network.gateway, 22)),
        *(tcp(address_of(proxy), PORT + 1), udp(address_of(proxy), PORT)),
        neighbours=[proxy],
    ).assert_refused()
    assert proxy.probe(tcp(client.address, PORT))[0].refused
    clean.plugin.kill_and_wait()
    assert fetches()
    # Its address in another's hand is a neighbour's.
    address = address_of(proxy)
    proxy.remove()
    served = f"busybox httpd -f -p {PORT}"
    other = engine.start("--network", network.name, "--ip", address, command=served)
    assert address_of(other) == address and client.probe(tcp(address, PORT))[0].refused
    proxy = start_proxy()
    wait_until(fetches, "mitmdump to serve", timeout=60)
    assert client.probe(tcp(address, PORT))[0].refused
