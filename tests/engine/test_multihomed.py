"""A container on a second network: nobody can forbid it, so the operator is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from lab import Lab, Network, Plugin, Scene
from lab.process import wait_until


def multi_homed(plugin: Plugin) -> list[dict[str, Any]]:
    """What the daemon's status says of containers with another way out."""
    status, body = plugin.get("/v1/status")
    assert status == 200, body
    found: list[dict[str, Any]] = json.loads(body)["multi_homed"]
    return found


def named(plugin: Plugin) -> list[tuple[str, list[tuple[str, str]]]]:
    """The endpoints, and each one's interfaces as (name, kind)."""
    return [
        (entry["endpoint"], [(other["name"], other["kind"]) for other in entry["interfaces"]])
        for entry in multi_homed(plugin)
    ]


def wait_for(plugin: Plugin, wanted: list[tuple[str, list[tuple[str, str]]]]) -> None:
    """Wait until the status names just these."""
    wait_until(lambda: named(plugin) == wanted, f"the status to name {wanted}", timeout=10)


def test_connected_to_dockers_bridge(clean: Lab, plugin: Plugin, scene: Scene) -> None:
    container = scene.container
    endpoint = container.endpoint()["EndpointID"]
    assert named(plugin) == []
    logged = len(clean.engine.log())
    clean.engine("network", "connect", "bridge", container.id)
    wait_for(plugin, [(endpoint, [("eth1", "veth")])])
    [entry] = multi_homed(plugin)
    assert entry["network"] == scene.network.id
    host_end = entry["interfaces"][0]["host_interface"]
    shown = json.loads(clean.host.run("ip", "-j", "link", "show", host_end).out)
    assert shown[0]["master"] == "docker0"

    clean.engine("network", "disconnect", "bridge", container.id)
    wait_for(plugin, [])
    text = f"endpoint {endpoint[:12]} (network {scene.network.id[:12]})"
    told = f"{text} has another way out: interface eth1 (veth) by way of the host's {host_end}: "
    gone = f"{text}: the other way out by interface eth1 (veth) is gone"
    wait_until(lambda: gone in clean.engine.log()[logged:], "the log to tell", timeout=10)
    assert clean.engine.log()[logged:].count(told) == 1
    scene.assert_proxy_works()


def test_started_on_another_network_first(clean: Lab, plugin: Plugin, scene: Scene) -> None:
    """Docker's own bridge is there already when the container joins one of ours."""
    container = clean.engine.start()
    clean.engine("network", "connect", scene.network.name, container.id)
    endpoint = container.endpoint(scene.network.name)["EndpointID"]
    wait_for(plugin, [(endpoint, [("eth0", "veth")])])
    container.remove()
    wait_for(plugin, [])


def test_known_to_the_next_daemon(clean: Lab, plugin: Plugin, scene: Scene) -> None:
    endpoint = scene.container.endpoint()["EndpointID"]
    clean.engine("network", "connect", "bridge", scene.container.id)
    wait_for(plugin, [(endpoint, [("eth1", "veth")])])
    plugin.kill_and_wait()
    assert named(plugin) == [(endpoint, [("eth1", "veth")])]


def test_two_of_our_networks(
    clean: Lab, plugin: Plugin, scene: Scene, create: Callable[..., Network]
) -> None:
    """That is no other way out; a container that has one is named, so a look was taken."""
    clean.engine("network", "connect", create().name, scene.container.id)
    marker = clean.engine.start("--network", scene.network.name)
    clean.engine("network", "connect", "bridge", marker.id)
    endpoint = marker.endpoint(scene.network.name)["EndpointID"]
    wait_for(plugin, [(endpoint, [("eth1", "veth")])])
