"""ufw on the host: what a user has to tell it, and what passes while it is reloaded (nothing).

     container ──── ne-… 172.18.0.1:8080 proxy        INPUT and FORWARD: ufw, deny by default
     steady    ────      (knocks everywhere)          raw, filter, nf_tables: netenforce

Debian's ufw, with its own defaults, writes through iptables-nft or iptables-legacy, as the host's
alternatives say. With MANAGE_BUILTINS=yes it empties INPUT, OUTPUT and FORWARD of everybody's rules.
"""

from __future__ import annotations

import pytest

from doctor import complaints, findings, follow
from knocking import knocking
from lab import Container, Lab, Scene, lookup, tcp, udp
from lab.names import NameServer
from lab.outside import HOST_V4, OTHER, WEB
from lab.process import wait_until
from tables import choose_tables, ours

PORT = 8080
CLASH = "Too many links"


def manage_builtins(lab: Lab) -> None:
    settings = lab.host.path("/etc/default/ufw")
    settings.write_text(settings.read_text().replace("MANAGE_BUILTINS=no", "MANAGE_BUILTINS=yes"))


def ufw(lab: Lab, *words: str) -> str:
    """Run it; once more where it clashed with a repair.

    With MANAGE_BUILTINS it empties all legacy chains and then deletes them, and gives up if
    netenforce has put its own back in between.
    """
    for _ in range(20):
        done = lab.host.run("ufw", *words, check=False)
        if done.status == 0:
            return done.out
        assert CLASH in done.err, done
    raise AssertionError(f"ufw clashed with repairs twenty times: {done}")


def proxy_answers(scene: Scene) -> bool:
    [outcome] = scene.container.probe(tcp(scene.network.gateway, PORT))
    return outcome.reached


@pytest.mark.parametrize("builtins", [False, True], ids=["", "builtins"])
@pytest.mark.parametrize("kind", ["nft", "legacy"])
def test_nothing_passes_and_doctor_knows(lab: Lab, scene: Scene, kind: str, builtins: bool) -> None:
    choose_tables(lab, kind)
    if builtins:
        manage_builtins(lab)
    before = ours(lab)
    with knocking(scene) as steady:
        ufw(lab, "--force", "enable")
        assert "deny (incoming)" in ufw(lab, "status", "verbose")
        # In the legacy tables netenforce's rules come first, and accept what goes to the proxy.
        if kind == "nft":
            assert not proxy_answers(scene)
            complaint = complaints(lab)["proxy"]
            assert "is not let through by this host's own firewall" in complaint.found
            assert complaint.advice == f"ufw allow in on ne-+ to any port {PORT} proto tcp"
            follow(lab, complaint)
        wait_until(lambda: proxy_answers(scene), "the proxy to answer")
        assert complaints(lab) == {}
        assert "ufw is active" in [item.found for item in findings(lab)]
        for _ in range(3):
            ufw(lab, "reload")
            steady.wait_for_line()
        scene.assert_proxy_works()
        ufw(lab, "disable")
        steady.wait_for_line()
        scene.assert_proxy_works()
    wait_until(lambda: ours(lab) == before, "all rules to be in place")
    assert complaints(lab) == {}
    assert "ufw is active" not in [item.found for item in findings(lab)]
    scene.attempt(tcp(scene.network.gateway, 9000), udp(OTHER, 53)).assert_refused()


def resolves(container: Container, name: str) -> bool:
    [outcome] = container.probe(lookup(name))
    return outcome.reached


def test_names_and_what_is_allowed_beyond(lab: Lab) -> None:
    """The forwarder's port has to be allowed; to forward, netenforce is permitted by itself."""
    server = NameServer(lab.host.netns, HOST_V4)
    lab.host.write_etc("resolv.conf", f"nameserver {HOST_V4}\n")
    lab.plugin.install()
    network = lab.engine.network("named", "-o", "dns=log", "-o", f"allow={WEB}:80/tcp")
    container = lab.engine.start("--network", "named", "--dns", network.gateway)
    ufw(lab, "--force", "enable")
    found = complaints(lab)
    assert set(found) == {"proxy", "names"}
    assert found["names"].advice == "ufw allow in on ne-+ to any port 53"
    assert not resolves(container, "first.example")
    for complaint in found.values():
        follow(lab, complaint)
    assert complaints(lab) == {}
    for name in ("second.example", "third.example"):
        assert resolves(container, name)
        [web, other] = container.probe(tcp(WEB, 80), tcp(OTHER, 8080))
        assert web.reached and other.refused, (web, other)
        ufw(lab, "reload")
    assert "first.example" not in server.names and "third.example" in server.names
    server.close()
