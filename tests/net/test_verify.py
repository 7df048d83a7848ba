"""netenforce verify: what it says of a whole fence, of one with a hole, and of a policy's allowances.

The holes are made so that the daemon cannot see them: another program's table in nf_tables gives
refused packets the mark of those that pass.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import (  # noqa: E402
    BUILD,
    NETWORK,
    Daemon,
    Member,
    endpoint_body,
    endpoint_id,
    network_body,
    plug_outside,
)
from lab.listener import Listener  # noqa: E402
from lab.netns import Netns  # noqa: E402
from lab.process import Result, Service, wait_until  # noqa: E402
from lab.stand_in import StandIn  # noqa: E402

GATEWAY = "10.88.0.1"
WAYS = {"ports", "addresses", "beyond", "metadata", "dns", "protocols", "source", "mac", "link_local",
        "neighbour", "raw", "groups"}  # fmt: skip


class World:
    """A host with a daemon and a way out."""

    def __init__(self, folder: Path) -> None:
        self.daemon = Daemon(folder).start()
        self.outside = plug_outside(self.daemon.netns)
        self.daemon.netns.ip("route add default via 192.0.2.2")
        self.control = self.daemon.control  # which the command asks

    def verify(self, *words: str) -> Result:
        """The command, in the host's namespace."""
        return self.daemon.netns.run(
            str(BUILD / "netenforce"), "--socket", str(self.control), "verify", *words,
            check=False,
        )  # fmt: skip

    def tried(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Exit status, and what is said of the only network."""
        done = self.verify("--json", *words)
        [network] = json.loads(done.out)["networks"]
        return done.status, network

    def endpoints(self) -> list[str]:
        """What the daemon knows."""
        return [item["id"] for item in self.daemon.get("/v1/endpoints")["endpoints"]]

    def mark_all(self, match: str) -> None:
        """A hole: what @match fits bears the mark that says "passed"."""
        mark = self.daemon.get("/v1/status")["mark"]
        self.daemon.netns.run("nft", f"""
            table inet hole {{
                chain marks {{
                    type filter hook prerouting priority -299; policy accept;
                    {match} meta mark set {mark}
                }}
            }}""")

    def probe(self, seconds: int = 60) -> Any:
        """A probe that nobody takes."""
        status, answer = self.daemon.ask(
            "POST", f"/v1/networks/{NETWORK}/probes", json.dumps({"seconds": seconds}).encode(),
            control=True,
        )  # fmt: skip
        assert status == 201, answer
        return answer

    def close(self) -> None:
        """Remove it all."""
        self.daemon.close()
        self.outside.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The network is for the test to make."""
    made = World(tmp_path)
    yield made
    made.close()


def results(network: dict[str, Any], way: str) -> set[str]:
    """What came of a way's attempts."""
    return {item["result"] for item in network["attempts"] if item["way"] == way}


def with_ipv6() -> dict[str, Any]:
    """A network of both families."""
    body = network_body()
    body["Options"]["com.docker.network.enable_ipv6"] = True
    body["IPv6Data"] = [{"AddressSpace": "LocalDefault", "Gateway": "fd00:88::1/64",
                         "Pool": "fd00:88::/64"}]  # fmt: skip
    return body


def test_what_is_handed_stays_on_the_host(world: World) -> None:
    """mode=transparent: 80 and 443 of others are allowed as far as the proxy, and no further."""
    body = with_ipv6()
    options = {"mode": "transparent", "dns": "off"}
    body["Options"]["com.docker.network.generic"] = options
    world.daemon.call("CreateNetwork", body)
    status, network = world.tried()
    assert status == 0 and network["mode"] == "transparent"
    assert [proxy["answer"] for proxy in network["proxies"]] == ["refused"] * 2
    proxy = Listener(world.daemon.netns, 8080)
    status, network = world.tried()
    assert status == 0
    assert [proxy["answer"] for proxy in network["proxies"]] == ["answers"] * 2
    allowed = [item for item in network["attempts"] if item["result"] != "closed"]
    assert {item["result"] for item in allowed} == {"allowed"}
    assert {tuple(item["arrived_at"]) for item in allowed} == {("host",)}
    assert {item["what"].rpartition(":")[2] for item in allowed} == {"80/tcp", "443/tcp"}
    assert {"198.51.100.2:443/tcp", "169.254.169.254:80/tcp"} <= {item["what"] for item in allowed}
    assert f"{GATEWAY}:443/tcp" not in {item["what"] for item in allowed}

    world.mark_all("ip daddr 198.51.100.2")  # what is marked as passed goes out itself
    status, network = world.tried()
    opened = {item["what"] for item in network["attempts"] if item["result"] == "open"}
    assert status == 3 and "198.51.100.2:443/tcp" in opened
    proxy.close()


@pytest.mark.parametrize("body", [network_body(), with_ipv6()], ids=["v4", "v6"])
def test_a_whole_fence_is_closed(world: World, body: dict[str, Any]) -> None:
    world.daemon.call("CreateNetwork", body)
    links = world.daemon.links()
    status, network = world.tried()
    assert {item["way"] for item in network["attempts"]} == WAYS
    assert {item["result"] for item in network["attempts"]} == {"closed"}, network
    assert status == 0
    assert world.endpoints() == [] and world.daemon.links() == links
    shown = world.verify(NETWORK[:8])
    assert shown.status == 0 and "every way around that was tried is closed" in shown.out
    assert "\033" not in shown.out and shown.err == ""


def test_what_the_policy_allows_is_no_hole(world: World) -> None:
    allow = f"{GATEWAY}:22/tcp,198.51.100.2/icmp,198.51.100.2:443/udp"
    world.daemon.call("CreateNetwork", network_body(allow=allow))
    status, network = world.tried()
    allowed = {item["what"]: item["arrived_at"] for item in network["attempts"]
               if item["result"] == "allowed"}  # fmt: skip
    assert allowed == {f"{GATEWAY}:22/tcp": ["host"], "198.51.100.2/icmp": ["out"],
                       "198.51.100.2:443/udp": ["out"]}  # fmt: skip
    assert (status, network["totals"]["open"]) == (0, 0)
    # The model says that it passes, and it does not: no hole, but worth a word.
    world.daemon.netns.run("ip", "route", "del", "default")
    status, network = world.tried()
    assert status == 0 and results(network, "beyond") == {"closed", "missing"}


def test_what_the_policy_allows_has_to_be_known(world: World) -> None:
    """Of what it is not told, the command cannot say that it is a hole."""
    world.daemon.call("CreateNetwork", network_body(allow=f"{GATEWAY}:22/tcp"))

    def answer(method: str, path: str, body: bytes) -> tuple[int, Any]:
        if path.endswith(f"/explain/{GATEWAY}%3A22%2Ftcp"):
            return 500, {"error": {"code": "no_memory", "message": "no memory for that"}}
        return world.daemon.ask(method, path, body, control=True)

    world.control = world.daemon.folder / "stand_in.sock"
    stand_in = StandIn(world.control, {}, answer)
    done = world.verify("--json")
    stand_in.close()
    [network] = json.loads(done.out)["networks"]
    assert done.status == 1 and f"{GATEWAY}:22/tcp: no memory for that" in network["error"], done
    assert "could not be tried" in done.err and world.endpoints() == []


def test_neighbours_that_may_reach_each_other(world: World) -> None:
    """By way of the bridge alone."""
    world.daemon.call("CreateNetwork", network_body(icc="true"))
    status, network = world.tried()
    allowed = {item["what"] for item in network["attempts"] if item["result"] == "allowed"}
    assert allowed == {f"10.88.0.253{rest}" for rest in (":80/tcp", ":53/udp", "/icmp")}
    assert (status, network["totals"]["open"]) == (0, 0)


def test_a_network_that_only_audits(world: World) -> None:
    world.daemon.call("CreateNetwork", network_body(mode="audit"))
    status, network = world.tried()
    assert results(network, "ports") == results(network, "beyond") == {"allowed"}
    assert results(network, "source") == results(network, "mac") == {"closed"}
    assert results(network, "neighbour") == results(network, "raw") == {"closed"}
    assert (status, network["mode"], network["totals"]["open"]) == (0, "audit", 0)
    shown = world.verify().out
    assert "mode=audit" in shown and "every way around" not in shown


HOLES = {
    "everything of a network": ('iifname "ne-*"', {"ports", "addresses", "beyond", "metadata", "dns",
                                                   "protocols"}),
    "one port": ("tcp dport 2375", {"ports"}),
    "one name server": ("ip daddr 198.51.100.2 udp dport 53", {"dns"}),
    "one machine": ("ip daddr 169.254.169.254", {"metadata"}),
}  # fmt: skip


@pytest.mark.parametrize(("match", "ways"), HOLES.values(), ids=HOLES.keys())
def test_a_hole_is_seen(world: World, match: str, ways: set[str]) -> None:
    world.daemon.call("CreateNetwork", network_body())
    world.mark_all(match)
    status, network = world.tried()
    seen = {item["way"] for item in network["attempts"] if item["result"] == "open"}
    assert ways <= seen and status == 3
    # The guard on the port stands beside the rules: what is forged stays out.
    assert results(network, "source") == results(network, "mac") == {"closed"}
    shown = world.verify()
    assert shown.status == 3 and "NOT ENFORCED" in shown.out and "arrived at" in shown.out
    world.daemon.netns.run("nft", "delete", "table", "inet", "hole")
    assert world.tried()[0] == 0


def test_a_port_without_its_guard_is_seen(world: World) -> None:
    """What a neighbour gets: the flags and the guard of each port are taken away in a loop, since
    the daemon puts them back."""
    world.daemon.call("CreateNetwork", network_body())
    script = """
        while :; do
            for port in $(ip -o link show type veth | sed -n 's/.* \\(nv-probe[^@]*\\)@.*/\\1/p'); do
                tc qdisc del dev $port clsact; bridge link set dev $port isolated off locked off
            done
        done 2>/dev/null"""
    taker = Service(
        ["nsenter", f"--net={world.daemon.netns.path}", "--", "sh", "-c", script],
        world.daemon.folder / "taker.log",
    )
    try:
        wait_until(lambda: world.tried()[0] == 3, "a neighbour to be reached", timeout=60)
    finally:
        taker.kill()


def test_the_proxy(world: World) -> None:
    world.daemon.call("CreateNetwork", network_body(proxy="8080,198.51.100.2:3128"))

    def answers() -> dict[str, str]:
        return {item["proxy"]: item["answer"] for item in world.tried()[1]["proxies"]}

    here, there = f"{GATEWAY}:8080/tcp", "198.51.100.2:3128/tcp"
    assert answers() == {here: "refused", there: "silent"}
    listener = Listener(world.daemon.netns, 8080)
    assert answers()[here] == "answers"
    world.daemon.netns.run("nft", """
        table ip strict {
            chain input {
                type filter hook input priority 0; policy accept;
                tcp dport 8080 drop
            }
        }""")
    assert answers()[here] == "blocked"
    assert "own firewall" in world.verify().out
    listener.close()


def test_a_probe_ends_by_itself(world: World) -> None:
    world.daemon.call("CreateNetwork", network_body())
    status, refused = world.daemon.ask(
        "POST", f"/v1/networks/{NETWORK}/probes", b'{"seconds": 121}', control=True
    )
    assert status == 400 and "from 1 to 120" in refused["error"]["message"]
    # Its time is over.
    first = world.probe(seconds=1)
    assert first["addr4"] == "10.88.0.254" and first["peer"].startswith("nc-probe")
    wait_until(lambda: not world.endpoints(), "the probe to end", timeout=10)
    # Who asked for it is gone, and its namespace too.
    taken = world.probe()
    holder = Netns.new()
    world.daemon.netns.run("ip", "link", "set", taken["peer"], "netns", holder.path)
    holder.close()
    wait_until(lambda: not world.endpoints(), "the probe to end", timeout=10)
    # The daemon is started anew.
    world.probe()
    world.daemon.restart()
    assert world.endpoints() == []
    assert world.daemon.links() == [f"ne-{NETWORK[:12]}", "out"]


def test_a_killed_command_leaves_nothing(world: World) -> None:
    world.daemon.call("CreateNetwork", network_body())
    for _ in range(5):
        command = Service(
            ["nsenter", f"--net={world.daemon.netns.path}", "--", str(BUILD / "netenforce"),
             "--socket", str(world.daemon.control), "verify"],
            world.daemon.folder / "verify.log",
        )  # fmt: skip
        wait_until(
            lambda: len(world.endpoints()) == 2
            and not any(link.startswith("nc-") for link in world.daemon.links()),
            "two probes that are taken", timeout=10, pause=0.001,
        )  # fmt: skip
        os.kill(command.pid, 9)
        wait_until(lambda: not world.endpoints(), "the probes to end", timeout=10)
        command.wait()


def test_the_engine_may_give_the_address_away(world: World) -> None:
    world.daemon.call("CreateNetwork", network_body())
    world.probe()
    member = Member(world.daemon, 254)
    assert world.endpoints() == [endpoint_id(254)]
    # A full pool is told, and harms nobody.
    small = "b2" * 32
    world.daemon.call("CreateNetwork", network_body(small, "10.89.0", 30))
    world.daemon.call("CreateEndpoint", endpoint_body(2, small, "10.89.0", 30))
    done = world.verify(small)
    assert done.status == 1 and "use a larger --subnet" in done.err
    member.leave()


def test_wrong_usage(world: World) -> None:
    assert world.verify().out == "there is no network to try\n"
    world.daemon.call("CreateNetwork", network_body())
    assert world.verify("one", "two").status == 2
    assert world.verify("nothing").status == 1
    # From another namespace the probe's interface is not to be had.
    done = world.daemon.command("verify")
    assert done.status == 1 and "host's network namespace" in done.err
    wait_until(lambda: not world.endpoints(), "the probes to end", timeout=10)
