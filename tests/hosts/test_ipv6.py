"""A host without IPv6: networks without --ipv6 are as ever; --ipv6 is switched on for its bridge alone,
or refused with the reason where the kernel has none.

`net.ipv6.conf.*.disable_ipv6` is set in the lab host's namespace. A kernel that was booted with
ipv6.disable=1 is played by a library that takes IPv6's sockets and its file in /proc from the daemon
(tests/net/fault.c).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from doctor import complaints
from knocking import knocking
from lab import Lab, Scene, tcp, udp
from lab.daemon import BUILD, Daemon, Member, network_body
from lab.listener import Listener
from lab.outside import OTHER

SIX = ("--ipv6", "--subnet", "fd00:77::/64")


def test_switched_off(bare: Lab) -> None:
    bare.host.netns.sysctl(ipv6__conf__all__disable_ipv6=1, ipv6__conf__default__disable_ipv6=1)
    bare.plugin.install()
    scene = Scene(bare, bare.engine.network("sandbox"))
    with knocking(scene):
        scene.assert_proxy_works()
    scene.attempt(tcp(scene.network.gateway, 9000), udp(OTHER, 53)).assert_refused()
    assert complaints(bare) == {}
    # It is switched on for a bridge that needs it, and for no other interface.
    six = Scene(bare, bare.engine.network("six", *SIX))
    proxy, port = six.container.probe(tcp(six.network.gateway_v6, 8080), tcp(six.network.gateway_v6, 9000))
    assert proxy.reached and port.refused, (proxy, port)
    assert bare.host.run("cat", "/proc/sys/net/ipv6/conf/eth0/disable_ipv6").out == "1\n"


@pytest.mark.parametrize("firewall", ["iptables", "nftables"])
def test_not_in_the_kernel(tmp_path: Path, firewall: str) -> None:
    fault = {"LD_PRELOAD": str(BUILD / "tests/libfault.so"), "FAULT_ALWAYS": "ipv6"}
    daemon = Daemon(tmp_path, options=("--firewall", firewall), **fault).start()
    daemon.call("CreateNetwork", network_body())
    member = Member(daemon, 2)
    listeners = [Listener(daemon.netns, port) for port in (8080, 8081)]
    assert member.connect("10.88.0.1", 8080) == "open"
    assert member.connect("10.88.0.1", 8081) == "refused"
    status, answer = daemon.try_call(
        "CreateNetwork", network_body("b2" * 32, pool="10.89.0", ipv6=True)
    )
    assert status == 400 and "this host has no IPv6" in answer["Err"], answer
    assert "ne-b2b2b2b2b2b2" not in daemon.links()
    assert daemon.get("/v1/status")["enforcement"]["in_place"]
    assert daemon.restart().get("/v1/status")["networks"] == 1
    for listener in listeners:
        listener.close()
    daemon.close()
