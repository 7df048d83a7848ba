"""Names that a container asks its own resolver for, on a host with a loopback one.

tests/attacks/test_names.py has the refusal. Here it is allowed: what then leaks, and what does not.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest

from lab import Container, Lab, Network, lookup
from lab.outside import OTHER, WEB
from lab.plugin import NAME
from lab.names import NameServer

LOOPBACK = "127.0.0.1"


@pytest.fixture
def loopback(clean: Lab) -> Iterator[NameServer]:
    """A loopback resolver, and leave to use networks in spite of it."""
    server = NameServer(clean.host.netns, LOOPBACK)
    clean.host.write_etc("resolv.conf", f"nameserver {LOOPBACK}\n")
    set_leak(clean, "allow")
    yield server
    clean.host.write_etc("resolv.conf", f"nameserver {WEB}\n")
    set_leak(clean, "refuse")
    server.close()


def set_leak(lab: Lab, word: str) -> None:
    """As the manual says."""
    lab.engine("plugin", "disable", "-f", NAME)
    lab.engine("plugin", "set", NAME, f"RESOLVER_LEAK={word}")
    lab.engine("plugin", "enable", NAME)
    lab.plugin.wait()


def ask(container: Container, name: str) -> None:
    """Ask the container's resolver; whether it answers is not what counts."""
    container.probe(lookup(name))


def test_allowed(
    clean: Lab, loopback: NameServer, create: Callable[..., Network]
) -> None:
    """The leak is as the warning says; `docker run --dns` closes it.

    Engines from 25.0.5 on have none, and from 28 on the driver can tell by what they send.
    """
    version = clean.engine.version()
    network = create()
    leaky = clean.engine.start("--network", network.name)
    ask(leaky, "leak.example.com")
    assert ("leak.example.com" in loopback.names) == (version < (25, 0, 5))
    assert ("allowed in spite of this" in clean.engine.log()) == (version < (28,))

    loopback.names.clear()
    clean.outside.capture.forget()
    for server in (OTHER, LOOPBACK):  # the latter is the container's own loopback address
        closed = clean.engine.start("--network", network.name, "--dns", server)
        ask(closed, "closed.example.com")
    assert loopback.names == []
    assert clean.outside.capture.packets(lambda packet: packet.dport == 53) == []


def test_closed_by_an_option_of_the_engine(
    clean: Lab, loopback: NameServer, create: Callable[..., Network]
) -> None:
    """`dockerd --dns`: what README advises to whoever allows it."""
    options = clean.engine.options
    network = create()
    clean.engine.restart(signal.SIGTERM, *options, "--dns", OTHER)
    try:
        clean.plugin.wait()
        container = clean.engine.start("--network", network.name)
        clean.outside.capture.forget()
        ask(container, "closed.example.com")
        assert loopback.names == []
        assert clean.outside.capture.packets(lambda packet: packet.dport == 53) == []
    finally:
        clean.engine.restart(signal.SIGTERM, *options)
        clean.plugin.wait()
