"""What operators see, on a real engine: verify, doctor, policies in a file, by Docker's names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab import Lab, Network, Scene, tcp
from lab.outside import WEB
from lab.process import Result

Create = Callable[..., Network]
COMMAND = Path(__file__).resolve().parents[2] / "build/netenforce"


def command(lab: Lab, *words: str, check: bool = True) -> Result:
    """The operator's command, on the host, beside the engine."""
    return lab.host.run(str(COMMAND), *words, env=lab.engine.env, check=check)


def tried(lab: Lab, *words: str) -> list[dict[str, Any]]:
    """What verify says of each network."""
    networks: list[dict[str, Any]] = json.loads(command(lab, "verify", "--json", *words).out)[
        "networks"
    ]
    return networks


def test_verify(clean: Lab, scene: Scene) -> None:
    """While a container works; it and the engine's addresses notice nothing."""
    network = scene.network
    shown = command(clean, "verify", network.name).out
    assert f"network {network.name} ({network.id[:12]})" in shown
    assert "every way around that was tried is closed" in shown
    assert f"proxy {network.gateway}:8080/tcp answers" in shown
    [answer] = tried(clean, network.name)
    assert answer["network"] == network.id and answer["totals"]["closed"] == len(answer["attempts"])
    # Published ports and the machines outside are among what was tried.
    assert {"ports", "addresses", "beyond", "neighbour"} <= {i["way"] for i in answer["attempts"]}
    scene.assert_proxy_works()
    later = clean.engine.start("--network", network.name)
    assert later.probe(tcp(network.gateway, 8080))[0].reached


def test_verify_of_several_networks(clean: Lab, create: Create) -> None:
    """An allowance is no hole; without a word all networks are tried."""
    plain, wide = create(), create("-o", f"allow={WEB}:80/tcp")
    found = {item["network"]: item["totals"] for item in tried(clean)}
    assert {plain.id, wide.id} <= set(found)
    assert all(totals["open"] == totals["untried"] == 0 for totals in found.values())
    six = create("--ipv6", "--subnet", "fd00:4e45:7::/64")
    [answer] = tried(clean, six.name)
    assert answer["totals"]["closed"] == len(answer["attempts"])
    assert any("fd00:4e45:7::" in item["what"] for item in answer["attempts"])


def test_a_hole_is_seen(clean: Lab, scene: Scene) -> None:
    """Somebody's rule gives refused packets the mark of those that pass."""
    mark = json.loads(command(clean, "status", "--json").out)["mark"]
    clean.host.run("nft", "add table inet hole")
    clean.host.run("nft", "add chain inet hole all_ { type filter hook prerouting priority -299; }")
    clean.host.run("nft", f'add rule inet hole all_ iifname "ne-*" meta mark set {mark}')
    try:
        done = command(clean, "verify", scene.network.name, check=False)
        doctor = command(clean, "doctor", check=False)
    finally:
        clean.host.run("nft", "delete table inet hole")
    assert done.status == 3 and "NOT ENFORCED" in done.out
    assert doctor.status == 1 and "another rule uses the bits" in doctor.out
    assert command(clean, "verify", scene.network.name).status == 0


def test_doctor(clean: Lab, scene: Scene) -> None:
    done = command(clean, "doctor", check=False)
    assert "in place" in done.out and "netenforce/driver:latest is enabled" in done.out
    assert f"proxy {scene.network.gateway}:8080/tcp answers" in done.out
    found = json.loads(command(clean, "doctor", "--json", check=False).out)["findings"]
    assert [item for item in found if item["level"] != "good"] == [], done.out
    assert done.status == 0
    clean.engine("network", "connect", "bridge", scene.container.id)
    try:
        told = command(clean, "doctor", check=False)
        while "another way out" not in told.out:  # the daemon looks at its next tick
            told = command(clean, "doctor", check=False)
    finally:
        clean.engine("network", "disconnect", "bridge", scene.container.id)
    assert told.status == 1


def test_policies_in_a_file(clean: Lab, create: Create, tmp_path: Path) -> None:
    """Names that Docker's users know; the command puts ids in their place."""
    network = create()
    container = clean.engine.start("--network", network.name)
    assert not container.probe(tcp(network.gateway, 5432))[0].reached
    file = Path("/etc/netenforce-policy.json")
    text = {"version": 1, "networks": {network.name: {"allow": [f"{network.gateway}:5432/tcp"]}}}
    clean.host.write_etc(file.name, json.dumps(text))
    checked = command(clean, "policy", "check", str(file))
    assert f"{network.name}: accepted" in checked.out and "does not know" in checked.out
    diff = command(clean, "policy", "diff", str(file), check=False)
    assert diff.status == 1 and f"+ allow     {network.gateway}:5432/tcp" in diff.out
    command(clean, "policy", "apply", str(file))
    shown = command(clean, "policy", "show", network.name).out
    assert f"{network.gateway}:5432/tcp\n" in shown
    assert command(clean, "policy", "diff", str(file)).out == ""
