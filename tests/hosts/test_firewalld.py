"""firewalld on the host: what a user has to tell it, and what passes while it is reloaded (nothing).

Debian's firewalld and a D-Bus of its own run in the lab host's namespaces, as services do. dockerd is
started after them, so that it notices and follows their reloads. Bridges of netenforce are in no
zone, and so in the default one, `public`, which refuses what it has no service for.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from doctor import complaints, findings, follow
from knocking import knocking
from lab import Lab, Scene, tcp, udp
from lab.listener import Listener
from lab.outside import OTHER, WEB
from lab.process import Service, wait_until
from tables import choose_tables, chosen_tables, ours

PORT = 8080
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
 <type>system</type>
 <listen>unix:path=/run/dbus/system_bus_socket</listen>
 <policy context="default">
  <allow user="*"/><allow own="*"/>
  <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
 </policy>
</busconfig>
"""


class Firewalld:
    """The daemon, its bus, and its command."""

    def __init__(self, lab: Lab, backend: str) -> None:
        self.lab = lab
        settings = lab.host.path("/etc/firewalld/firewalld.conf")
        chosen = settings.read_text().replace("FirewallBackend=nftables", f"FirewallBackend={backend}")
        settings.write_text(chosen)
        lab.host.path("/run/dbus").mkdir()
        config = lab.host.path("/run/dbus/lab.conf")
        config.write_text(BUS)
        lab.host.spawn("dbus-daemon", "--nofork", "--config-file=/run/dbus/lab.conf", name="dbus")
        socket: Path = lab.host.path("/run/dbus/system_bus_socket")
        wait_until(socket.exists, "the bus to be there")
        self.start()

    def start(self) -> None:
        """Start it, as its unit does, and wait until its rules stand."""
        self.service: Service = self.lab.host.spawn("firewalld", "--nofork", "--nopid", name="firewalld")
        wait_until(self._runs, "firewalld to run", timeout=90)

    def _runs(self) -> bool:
        assert self.service.running(), self.service.tail()
        return self.lab.host.run("firewall-cmd", "--state", check=False).out.strip() == "running"

    def __call__(self, *words: str) -> str:
        """firewall-cmd."""
        return self.lab.host.run("firewall-cmd", *words).out


BACKENDS = [("nftables", "nft"), ("iptables", "nft"), ("iptables", "legacy")]


@pytest.fixture(params=BACKENDS, ids="-".join)
def firewalld(lab: Lab, request: pytest.FixtureRequest) -> Firewalld:
    """It runs, and dockerd knows it."""
    backend, kind = request.param
    choose_tables(lab, kind)
    made = Firewalld(lab, backend)
    lab.engine.restart()
    return made


def proxy_answers(scene: Scene) -> bool:
    [outcome] = scene.container.probe(tcp(scene.network.gateway, PORT))
    return outcome.reached


def test_nothing_passes_and_doctor_knows(lab: Lab, firewalld: Firewalld) -> None:
    lab.plugin.install()
    network = lab.engine.network("sandbox", "-o", f"allow={WEB}:80/tcp", "-o", "icc=true")
    scene, other = Scene(lab, network), Scene(lab, network)
    told: dict[str, str] = {}  # check -> advice
    # In the legacy tables netenforce's rules come first, and accept what they pass.
    while found := complaints(lab):
        complaint = next(iter(found.values()))
        assert complaint.check not in told, f"not helped: {complaint}"
        assert "is not let through by this host's own firewall" in complaint.found
        assert proxy_answers(scene) == ("proxy" in told)
        told[complaint.check] = complaint.advice
        follow(lab, complaint)
    assert set(told) == (set() if chosen_tables(lab) == "legacy" else {"proxy", "beyond"})
    assert "firewalld is active" in [item.found for item in findings(lab)]
    listener = Listener(netns := other.container.netns(), 5432)
    attempts = tcp(WEB, 80), tcp(other.container.address, 5432), tcp(network.gateway, 9000)
    web, neighbour, port = scene.container.probe(*attempts)
    assert web.reached and neighbour.reached and port.refused, (web, neighbour, port)
    listener.close()
    netns.close()
    other.container.remove()
    before = ours(lab)
    with knocking(scene) as steady:
        for _ in range(2):
            firewalld("--reload")
            steady.wait_for_line()
        firewalld("--complete-reload")
        steady.wait_for_line()
        scene.assert_proxy_works()
        firewalld.service.stop()
        steady.wait_for_line()
        scene.assert_proxy_works()
        firewalld.start()
        steady.wait_for_line()
    wait_until(lambda: ours(lab) == before, "all rules to be in place")
    wait_until(lambda: proxy_answers(scene), "the proxy to answer")
    assert complaints(lab) == {}
    scene.attempt(tcp(network.gateway, 9000), udp(OTHER, 53)).assert_refused()
