"""Containers that reach each other (icc), and the permission to forward under Docker's own rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lab import Lab, Network, tcp, udp
from lab.container import Container
from lab.outside import OTHER, WEB
from lab.process import wait_until

Create = Callable[..., Network]
PORT = 7000
SERVE = ["sh", "-c", f"mkdir -p /tmp/w && echo hello from $HOSTNAME >/tmp/w/index.html && exec busybox httpd -f -p {PORT} -h /tmp/w"]


def page(container: Container, host: str) -> str:
    """The page of another container, without the proxy."""
    return container.curl(f"http://{host}:{PORT}/", "--noproxy", "*").out


@pytest.mark.parametrize("six", [False, True], ids=["IPv4", "both"])
def test_by_name(clean: Lab, create: Create, six: bool) -> None:
    """Docker's own resolver knows the neighbours; their answers come from their own addresses."""
    clean.host.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
    options = ["--ipv6", "--subnet", "fd00:77::/64", "--gateway", "fd00:77::1"] if six else []
    network = create("-o", "icc=true", *options)
    start = clean.engine.start
    on = ("--network", network.name)
    database = start(*on, "--name", "database", "--hostname", "database", command=SERVE)
    worker = start(*on, "--name", "worker")
    away = start("--network", f"name={network.name},driver-opt=icc=false")
    wait_until(lambda: page(worker, "database") == "hello from database\n", "the server to serve")
    assert page(away, database.address) == ""
    assert [outcome.refused for outcome in away.probe(tcp(database.address, PORT))] == [True]
    assert not any(o.reached for o in database.probe(tcp(away.address, PORT), udp(away.address, PORT)))
    if six:
        address = str(database.endpoint()["GlobalIPv6Address"])
        assert page(worker, f"[{address}]") == "hello from database\n"
        assert page(away, f"[{address}]") == ""
    # It outlives the plugin, and the engine that starts both anew.
    clean.plugin.kill_and_wait()
    assert page(worker, "database") == "hello from database\n"
    clean.engine("restart", "-t", "0", database.id)
    wait_until(lambda: page(worker, "database") == "hello from database\n", "the server to serve")


@pytest.fixture
def refusing(clean: Lab) -> Iterator[Lab]:
    """A dockerd that has switched forwarding on itself: its policy of FORWARD is DROP."""
    clean.host.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
    clean.engine.restart()
    assert "-P FORWARD DROP" in clean.host.run("iptables", "-S", "FORWARD").out
    yield clean
    clean.host.run("iptables", "-P", "FORWARD", "ACCEPT")


def test_forwarding_is_permitted(refusing: Lab, create: Create) -> None:
    """What policies allow beyond the host and between containers passes Docker's own rules."""
    others = refusing.host.run("iptables", "-S").out.splitlines()
    network = create("-o", f"allow={WEB}:80/tcp", "-o", "icc=true")
    start = refusing.engine.start
    one = start("--network", network.name)
    other = start("--network", network.name, "--name", "other", command=SERVE)
    assert [o.reached for o in one.probe(tcp(WEB, 80), tcp(WEB, 443), tcp(OTHER, 80))] == [True, False, False]
    wait_until(lambda: page(one, "other").startswith("hello"), "the server to serve")
    now = refusing.host.run("iptables", "-S").out.splitlines()
    ours = [line for line in now if "--comment netenforce" in line]
    assert len(ours) == 2 and all(line.startswith("-A DOCKER-USER") for line in ours), now
    assert [line for line in now if line not in ours] == others
    # dockerd's next start puts its own rules in front, and ours still count.
    refusing.engine.restart()
    one = start("--network", network.name)
    assert [o.reached for o in one.probe(tcp(WEB, 80), tcp(OTHER, 80))] == [True, False]
    refusing.engine("rm", "-f", one.id, other.id, check=False)
    network.remove()
    wait_until(lambda: "netenforce" not in refusing.host.run("iptables", "-S").out, "ours to go")
