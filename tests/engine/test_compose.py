"""docker-compose with a network of this driver."""

from __future__ import annotations

from lab import Container, Lab, Network, Scene, tcp
from lab.outside import OTHER

COMPOSE = """\
version: "3.5"
services:
  app:
    image: tools
    command: sleep infinity
    stop_signal: KILL
    networks: [fenced]
networks:
  fenced:
    driver: netenforce
    driver_opts:
      proxy: "8080"
"""


def test_compose(clean: Lab) -> None:
    folder = clean.folder / "compose"
    folder.mkdir()
    (folder / "docker-compose.yml").write_text(COMPOSE)
    compose = ("docker-compose", "-p", "demo", "-f", str(folder / "docker-compose.yml"))
    clean.host.run(*compose, "up", "-d", env=clean.engine.env)
    ident = clean.host.run(*compose, "ps", "-q", "app", env=clean.engine.env).out.strip()
    network = Network(clean.engine, "demo_fenced")
    scene = Scene(clean, network, Container(clean.engine, ident))
    scene.assert_proxy_works()
    scene.attempt(tcp(OTHER, 80), tcp(network.gateway, 9000)).assert_refused()
    clean.host.run(*compose, "down", env=clean.engine.env)
    assert "demo_fenced" not in clean.engine.out("network", "ls", "--format", "{{.Name}}").split()
