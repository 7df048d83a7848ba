"""dns=log in the managed plugin, with containers as users start them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab import Container, Lab, Network, lookup, tcp, udp
from lab.names import NameServer
from lab.outside import HOST_V4, OTHER, WEB
from lab.process import wait_until


@pytest.fixture
def upstream(clean: Lab) -> Iterator[NameServer]:
    """The server that the host's resolv.conf names: the host's own, on one of its addresses."""
    server = NameServer(clean.host.netns, HOST_V4)
    clean.host.write_etc("resolv.conf", f"nameserver {HOST_V4}\n")
    yield server
    clean.host.write_etc("resolv.conf", f"nameserver {WEB}\n")
    server.close()


def resolves(container: Container, name: str) -> bool:
    """Whether a container's own C library finds an address."""
    [outcome] = container.probe(lookup(name))
    return outcome.end == "answered"


def events(lab: Lab) -> list[dict[str, Any]]:
    """The plugin's events about names, which the engine's log holds."""
    found = []
    for line in lab.engine.log().splitlines():
        at = line.find('{\\"time\\"')
        if at >= 0 and '\\"type\\":\\"dns\\"' in line:
            text = line[at:].split('}"')[0].replace("\\\\", "\\").replace('\\"', '"')
            found.append(json.loads(text + "}" if not text.endswith("}") else text))
    return found


def test_log(clean: Lab, upstream: NameServer, create: Callable[..., Network]) -> None:
    """A container that is pointed to the bridge resolves through it. One with dns=off does not, and
    none that is not pointed there."""
    network = create("-o", "dns=log", "-o", "dns_deny=*.denied.example")
    pointed = clean.engine.start("--network", network.name, "--dns", network.gateway)
    wait_until(lambda: resolves(pointed, "first.example"), "names to be answered", timeout=20)
    assert resolves(pointed, "second.example")
    assert not resolves(pointed, "data.denied.example")
    off = clean.engine.start(
        *("--network", f"name={network.name},driver-opt=dns=off", "--dns", network.gateway)
    )
    assert not resolves(off, "off.example")
    unaware = clean.engine.start("--network", network.name)
    assert not resolves(unaware, "unaware.example")
    outcomes = pointed.probe(udp(WEB, 53), tcp(OTHER, 53), tcp(network.gateway, 853))
    assert all(outcome.refused for outcome in outcomes)
    assert {"first.example", "second.example"} <= set(upstream.names)
    assert not {"data.denied.example", "off.example", "unaware.example"} & set(upstream.names)
    wait_until(
        lambda: {"second.example", "data.denied.example"} <= {e.get("name") for e in events(clean)},
        "events",
        timeout=20,
    )
    told = {event["name"]: event for event in events(clean) if "name" in event}
    assert told["second.example"]["network"] == network.id
    assert told["second.example"]["src"] == pointed.address
    assert told["data.denied.example"]["result"] == "denied"


def test_the_plugin_starts_again(
    clean: Lab, upstream: NameServer, create: Callable[..., Network]
) -> None:
    network = create("-o", "dns=log")
    container = clean.engine.start("--network", network.name, "--dns", network.gateway)
    wait_until(lambda: resolves(container, "first.example"), "names to be answered", timeout=20)
    clean.plugin.kill()
    clean.plugin.wait()
    wait_until(lambda: resolves(container, "again.example"), "names again", timeout=20)
    assert "again.example" in upstream.names
