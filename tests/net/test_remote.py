"""The engine's protocol and the operator's, replayed against the daemon in a namespace."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.backend import NFTABLES  # noqa: E402
from lab.daemon import (  # noqa: E402
    NETWORK,
    Daemon,
    endpoint_body,
    endpoint_id,
    ids_body,
    join_body,
    network_body,
)

SWARM_ID = "oudp63gw2t8xdtq64n4iqdhcx"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that knows of nothing yet."""
    made = Daemon(tmp_path).start()
    yield made
    assert made.running(), made.log()
    made.close()


def error(answer: tuple[int, Any]) -> str:
    """The text of an answer that has to be an error; never 404, which means 'no such call'."""
    status, body = answer
    assert status not in (200, 404), answer
    return str(body["Err"])


def test_greeting(daemon: Daemon) -> None:
    """Both come without a body; 20.10 with an empty Host header, later engines with a name."""
    for headers in ({"Host": ""}, {"Host": "plugin.moby.localhost"}):
        assert daemon.ask("POST", "/Plugin.Activate", None, headers) == (
            200,
            {"Implements": ["NetworkDriver"]},
        )
        assert daemon.ask("POST", "/NetworkDriver.GetCapabilities", None, headers) == (
            200,
            {"Scope": "local", "ConnectivityScope": "local", "GwAllocChecker": False},
        )


def test_a_life(daemon: Daemon) -> None:
    """Every call in the engine's order, each with its exact answer."""
    before = daemon.left()
    assert daemon.call("CreateNetwork", network_body()) == {}
    # Asked by 28 and later of drivers that say so: the gateway's address is the bridge's own.
    assert daemon.call("GwAllocCheck", {"Options": {}}) == {"SkipIPv4": False, "SkipIPv6": False}
    made = daemon.call("CreateEndpoint", endpoint_body(2))
    assert list(made) == ["Interface"] and list(made["Interface"]) == ["MacAddress"]
    assert daemon.call("EndpointOperInfo", ids_body(2)) == {"Value": {}}
    assert daemon.call("Join", join_body(2)) == {
        "InterfaceName": {"SrcName": f"nc-{2:012x}", "DstPrefix": "eth"},
        "StaticRoutes": [],
        "DisableGatewayService": True,
    }
    assert any("10.88.0.2" in line for line in daemon.rules())
    for call in ("ProgramExternalConnectivity", "RevokeExternalConnectivity"):
        assert daemon.call(call, {**ids_body(2), "Options": {}}) == {}
    for call in ("DiscoverNew", "DiscoverDelete"):
        assert daemon.call(call, {"DiscoveryType": 1, "DiscoveryData": {}}) == {}
    assert daemon.call("Leave", ids_body(2)) == {}
    assert not any("10.88.0.2" in line for line in daemon.rules())
    assert daemon.call("DeleteEndpoint", ids_body(2)) == {}
    assert daemon.call("DeleteNetwork", {"NetworkID": NETWORK}) == {}
    assert daemon.left() == before


def test_as_docker_28_sends_it(daemon: Daemon) -> None:
    body = network_body(proxy="8080")
    body["Options"]["com.docker.network.enable_ipv4"] = True
    body["Options"]["com.docker.network.enable_ipv6"] = True
    body["IPv6Data"] = [
        {"AddressSpace": "LocalDefault", "Gateway": "fd00:88::1/64", "Pool": "fd00:88::/64"}
    ]
    daemon.call("CreateNetwork", body)
    endpoint = endpoint_body(2)
    endpoint["Interface"] = {
        "Address": "10.88.0.2/24",
        "AddressIPv6": "fd00:88::2/64",
        "MacAddress": "02:42:0a:58:00:02",
    }
    endpoint["Options"]["com.docker.network.endpoint.sysctls"] = "net.ipv6.conf.IFNAME.x=1"
    assert daemon.call("CreateEndpoint", endpoint) == {"Interface": {}}
    daemon.call("Join", {**join_body(2), "Options": {"com.docker.network.portmap": []}})
    assert any("fd00:88::2" in line for line in daemon.rules())


def test_swarm_like_id(daemon: Daemon) -> None:
    daemon.call("CreateNetwork", network_body(SWARM_ID))
    daemon.call("CreateNetwork", network_body(SWARM_ID))
    assert f"ne-{SWARM_ID[:12]}" in daemon.links()


def test_twice_late_and_out_of_order(daemon: Daemon) -> None:
    for call in ("Leave", "DeleteEndpoint", "DeleteNetwork"):
        assert daemon.call(call, ids_body(2)) == {}
    assert "not known" in error(daemon.try_call("Join", join_body(2)))
    assert "not known" in error(daemon.try_call("CreateEndpoint", endpoint_body(2)))
    for _ in range(2):
        daemon.call("CreateNetwork", network_body())
    first = daemon.call("CreateEndpoint", endpoint_body(2))
    assert daemon.call("CreateEndpoint", endpoint_body(2)) == first
    inside = network_body()
    inside["Options"]["com.docker.network.internal"] = True
    moved = network_body()
    moved["IPv4Data"][0]["Gateway"] = "10.88.0.9/24"
    for differs, body in (
        ("proxy", network_body(proxy="1")),
        ("com.docker.network.bridge.name", network_body(**{"com.docker.network.bridge.name": "br9"})),
        ("--subnet", network_body(pool="10.89.0")),
        ("--gateway", moved),
        ("--internal", inside),
    ):
        assert f"other settings ({differs})" in error(daemon.try_call("CreateNetwork", body))
    body = endpoint_body(2, proxy="1")
    assert "other settings (proxy)" in error(daemon.try_call("CreateEndpoint", body))
    body = endpoint_body(2)
    body["Interface"]["Address"] = "10.88.0.3/24"
    assert "other settings (--ip)" in error(daemon.try_call("CreateEndpoint", body))
    for call in ("Join", "Join", "Leave", "Leave", "Join", "Leave", "DeleteEndpoint"):
        daemon.call(call, join_body(2))
    daemon.call("DeleteEndpoint", ids_body(2))


def test_a_failed_join_can_be_repeated_and_left(daemon: Daemon) -> None:
    daemon.call("CreateNetwork", network_body())
    daemon.call("CreateEndpoint", endpoint_body(2))
    port = f"nv-{2:012x}"
    daemon.netns.ip(f"link add {port} type bridge")
    assert port in error(daemon.try_call("Join", join_body(2)))
    assert not any("10.88.0.2" in line for line in daemon.rules())
    daemon.call("Leave", ids_body(2))
    assert port in daemon.links()  # not ours: not touched
    daemon.netns.ip(f"link del {port}")
    daemon.call("Join", join_body(2))
    assert any("10.88.0.2" in line for line in daemon.rules())


def test_an_address_that_comes_again_supersedes(daemon: Daemon) -> None:
    daemon.call("CreateNetwork", network_body())
    daemon.call("CreateEndpoint", endpoint_body(2))
    daemon.call("Join", join_body(2))
    again = {**endpoint_body(2), "EndpointID": endpoint_id(77)}
    daemon.call("CreateEndpoint", again)
    assert f"nv-{2:012x}" not in daemon.links()
    assert [each["id"] for each in daemon.get("/v1/endpoints")["endpoints"]] == [endpoint_id(77)]


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("proxy", "http", ["proxy", "http", "[ADDR:]PORT"]),
        ("proxy", "127.0.0.1:8080", ["proxy", "127.0.0.1:8080"]),
        ("refuse", "maybe", ["refuse", "maybe", "reject or drop"]),
        ("com.docker.network.driver.mtu", "12", ["mtu", "12", "68"]),
        ("com.docker.network.bridge.name", "a/b", ["bridge.name", "a/b"]),
        ("colour", "blue", ["colour", "blue", "accepted are proxy, "]),
        ("allow", "10.0.0.5/tcp", ["allow", "10.0.0.5/tcp", "ADDR[/LEN]:PORT[-PORT]/PROTO"]),
        ("deny", "127.0.0.1:1/tcp", ["deny", "127.0.0.1:1/tcp", "loopback"]),
        ("allow", "10.88.0.9:1/tcp", ["allow", "10.88.0.9:1/tcp", "own pool"]),
    ],
)
def test_bad_options_are_named(daemon: Daemon, key: str, value: str, words: list[str]) -> None:
    text = error(daemon.try_call("CreateNetwork", network_body(**{key: value})))
    assert all(word in text for word in words), text
    daemon.call("CreateNetwork", network_body())
    if not key.startswith("com.docker."):  # those of an endpoint are the engine's own
        text = error(daemon.try_call("CreateEndpoint", endpoint_body(2, **{key: value})))
        assert all(word in text for word in words[:2]), text
    assert daemon.records() == [f"{NETWORK}.json"]


def with_interface(**fields: str) -> dict[str, Any]:
    """CreateEndpoint of number 3 with other words in its Interface."""
    body = endpoint_body(3)
    body["Interface"].update(fields)
    return body


def test_what_clashes_is_refused(daemon: Daemon) -> None:
    daemon.netns.ip("link add lan type bridge", "addr add 172.30.0.1/16 dev lan", "link set lan up")
    daemon.call("CreateNetwork", network_body())
    for body, word in [
        (network_body("b2" * 32), "overlaps"),
        (network_body("b2" * 32, pool="172.30.4"), "172.30.0.0/16"),
        ({**network_body("b2" * 32, pool="10.89.0"), "IPv4Data": []}, "no address pool"),
        ({**network_body("b2" * 32), "IPv4Data": [{"Pool": "10.89.0.0/24"}]}, "--gateway"),
        (
            {**network_body("b2" * 32),
             "IPv4Data": [{"Pool": "10.89.0.0/24", "Gateway": "10.90.0.1/24"}]},
            "give a --gateway within it",
        ),
        ({**network_body("b2" * 32), "IPv4Data": network_body()["IPv4Data"] * 2}, "IPv4Data"),
        (network_body("b2" * 32, pool="10.89.0", proxy="[fd00::1]:80"), "IPv6"),
        (
            network_body("b2" * 32, "10.89.0", **{"com.docker.network.bridge.name": "lan"}),
            "interface lan",
        ),
    ]:
        assert word in error(daemon.try_call("CreateNetwork", body)), word
    assert not daemon.rules("-i lan") and not daemon.rules('"lan"')  # not for a moment: see the daemon's order of steps
    internal = network_body("b2" * 32, "10.89.0", proxy="192.0.2.9:3128")
    internal["Options"]["com.docker.network.internal"] = True
    assert "--internal" in error(daemon.try_call("CreateNetwork", internal))
    assert daemon.records() == [f"{NETWORK}.json"]

    daemon.call("CreateEndpoint", {**endpoint_body(2), "Interface": {
        "Address": "10.88.0.2/24", "MacAddress": "02:00:00:00:00:02"}})  # fmt: skip
    for body, word in [
        (with_interface(MacAddress="02:00:00:00:00:02"), "belongs to endpoint"),
        (with_interface(MacAddress="01:00:5e:00:00:01"), "group"),
        (with_interface(MacAddress="nonsense"), "MacAddress"),
        (with_interface(Address="10.99.0.3/24"), "choose an --ip within it"),
        (with_interface(Address="10.88.0.1/24"), "bridge's own"),
        (with_interface(Address=""), "no address"),
        (with_interface(Address="10.88.0.300/24"), "Address"),
    ]:
        assert word in error(daemon.try_call("CreateEndpoint", body)), word


def test_names_sizes_and_routes(daemon: Daemon) -> None:
    daemon.call(
        "CreateNetwork",
        network_body(
            proxy="8080,192.0.2.9:3128",
            **{
                "com.docker.network.driver.mtu": "1400",
                "com.docker.network.bridge.name": "sandbox0",
            },
        ),
    )
    daemon.call("CreateEndpoint", endpoint_body(2))
    joined = daemon.call("Join", join_body(2))
    assert joined["StaticRoutes"] == [
        {"Destination": "192.0.2.9/32", "RouteType": 0, "NextHop": "10.88.0.1"}
    ]
    links = json.loads(daemon.netns.run("ip", "-j", "link").out)
    sizes = {link["ifname"]: link["mtu"] for link in links}
    assert sizes["sandbox0"] == sizes[f"nv-{2:012x}"] == sizes[f"nc-{2:012x}"] == 1400
    input_gate = 'iifname "sandbox0" jump filter4' if NFTABLES else "-A INPUT -i sandbox0"
    assert daemon.rules(input_gate)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"{",
        b"[]",
        b"null",
        b"\0\0\0",
        b"\xff\xfe{}",
        b'{"NetworkID": "a", "NetworkID": "b"}',
        b"[" * 5000,
        b'{"a":' * 5000,
        b'{"NetworkID": "' + b"a" * 70000 + b'"}',
        b'{"NetworkID": "../../../../../../etc/passwd"}',
        b'{"NetworkID": "aaaaaaaaaaaa\\u0000"}',
        b'{"NetworkID": 7, "EndpointID": 7, "Interface": 7, "Options": 7, "IPv4Data": 7}',
    ],
    ids=lambda body: repr(body[:24]),
)
def test_malformed_bodies(daemon: Daemon, body: bytes) -> None:
    for call in ("CreateNetwork", "DeleteNetwork", "CreateEndpoint", "DeleteEndpoint", "Join",
                 "Leave", "EndpointOperInfo"):  # fmt: skip
        assert error(daemon.ask("POST", f"/NetworkDriver.{call}", body))
    assert daemon.left()[0] == [] and daemon.left()[2] == []


def test_a_text_that_is_cut_in_a_letter(daemon: Daemon) -> None:
    answer = daemon.try_call("CreateNetwork", network_body(mode="a" + "ä" * 60))
    assert 'option mode: "aää' in error(answer), answer


def test_every_field_of_another_type(daemon: Daemon) -> None:
    """Each member of each body is replaced by each kind of value: answered, never fatal."""
    odd: list[Any] = [None, True, -1, 1e300, "x", "\0", [], [[]], {}, {"a": {}}, "9" * 5000]

    def variants(body: Any) -> Iterator[Any]:
        if isinstance(body, dict):
            for key in body:
                yield from ({**body, key: value} for value in odd)
                yield from ({**body, key: inner} for inner in variants(body[key]))
        if isinstance(body, list):
            for position, item in enumerate(body):
                yield from (
                    [*body[:position], inner, *body[position + 1 :]] for inner in variants(item)
                )

    for call, body in [
        ("CreateNetwork", network_body(proxy="8080")),
        ("CreateEndpoint", endpoint_body(2)),
        ("Join", join_body(2)),
    ]:
        for variant in variants(body):
            status, answer = daemon.try_call(call, variant)
            assert status == 200 or answer["Err"], (call, variant)
        daemon.call("DeleteNetwork", {"NetworkID": NETWORK})


def test_http_itself(daemon: Daemon) -> None:
    assert daemon.ask("POST", "/NetworkDriver.Nonsense", b"{}")[0] == 404
    assert daemon.ask("POST", "/", b"{}")[0] == 404
    assert daemon.ask("GET", "/NetworkDriver.Join")[0] == 405
    huge = b'{"a": "' + b"x" * (5 << 20) + b'"}'
    status, answer = daemon.ask("POST", "/NetworkDriver.Join", huge)
    assert status == 413 and "larger than 4 MiB" in answer["Err"]
    status, answer = daemon.ask("PATCH", f"/v1/networks/{NETWORK}/policy", huge, control=True)
    assert status == 413 and "larger than 4 MiB" in answer["error"]["message"]
    raw = socket.socket(socket.AF_UNIX)
    raw.connect(str(daemon.plugin))
    raw.sendall(
        b"POST /NetworkDriver.Leave HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'3\r\n{"N\r\n2e\r\networkID": "aaaaaaaaaaaa", "EndpointID": "bbbb\r\n'
        b'a\r\nbbbbbbbb"}\r\n0\r\n\r\n'
    )
    assert raw.recv(65536).startswith(b"HTTP/1.1 200")
    raw.sendall(b"POST /Plugin.Activate HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
    raw.close()  # half a request
    assert daemon.ask("POST", "/Plugin.Activate")[0] == 200


def test_calls_side_by_side(daemon: Daemon) -> None:
    daemon.call("CreateNetwork", network_body())
    failures: list[object] = []

    def life(number: int) -> None:
        try:
            for call, body in [
                ("CreateEndpoint", endpoint_body(number)),
                ("Join", join_body(number)),
                ("Leave", ids_body(number)),
                ("DeleteEndpoint", ids_body(number)),
            ]:
                daemon.call(call, body)
        except Exception as caught:  # any is a failure of the test
            failures.append(caught)

    threads = [threading.Thread(target=life, args=(number,)) for number in range(2, 66)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert daemon.links() == [f"ne-{NETWORK[:12]}"] and daemon.records() == [f"{NETWORK}.json"]


def test_sockets_are_for_root(daemon: Daemon) -> None:
    for path in (daemon.plugin, daemon.control):
        assert path.stat().st_mode & 0o777 == 0o600
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3", "-c",
             f"import socket; socket.socket(socket.AF_UNIX).connect({str(path)!r})"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode != 0 and "PermissionError" in done.stderr


def test_control_api(daemon: Daemon) -> None:
    daemon.call("CreateNetwork", network_body(proxy="8080,192.0.2.9:3128"))
    daemon.call("CreateEndpoint", endpoint_body(2, refuse="drop"))
    daemon.call("Join", join_body(2))
    status = daemon.get("/v1/status")
    assert status["enforcement"] == {"in_place": True, "differences": 0, "why": ""}
    assert (status["networks"], status["endpoints"], status["firewall"].split()[0]) == (1, 1, "nftables" if NFTABLES else "iptables")
    [network] = daemon.get("/v1/networks")["networks"]
    assert network["policy"] == {
        "proxy": ["10.88.0.1:8080", "192.0.2.9:3128"], "dns": "off", "allow": [], "deny": [],
        "icc": "false", "inbound": "false", "mode": "enforce", "refuse": "reject", "rate": "none",
        "conn_rate": "none", "quota": "none", "log": "5/s"}  # fmt: skip
    assert daemon.get(f"/v1/networks/{NETWORK}") == daemon.get(f"/v1/networks/{NETWORK[:5]}")
    [endpoint] = daemon.get("/v1/endpoints")["endpoints"]
    assert endpoint["own_policy"] and endpoint["policy"]["refuse"] == "drop"
    assert daemon.get("/healthz") == {"status": "ok"}
    for method, path, status_code in [
        ("GET", "/v1/networks/zzzz", 404),
        ("GET", "/v1/networks/", 404),
        ("GET", "/nonsense", 404),
        ("POST", "/v1/status", 405),
        ("POST", "/Plugin.Activate", 404),
    ]:
        code, body = daemon.ask(method, path, control=True)
        assert code == status_code and set(body["error"]) == {"code", "message"}


def test_the_command(daemon: Daemon) -> None:
    daemon.call("CreateNetwork", network_body())
    daemon.call("CreateEndpoint", endpoint_body(2))
    daemon.call("Join", join_body(2))
    assert "in place" in daemon.command("status").out and daemon.command("status").status == 0
    assert json.loads(daemon.command("status", "--json").out)["networks"] == 1
    shown = daemon.command("ls").out
    assert "10.88.0.1:8080/tcp, else reject" in shown and "10.88.0.2" in shown
    assert set(json.loads(daemon.command("ls", "--json").out)) == {"networks", "endpoints"}
    for wrong in ([], ["nonsense"], ["status", "more"], ["--nonsense"]):
        assert daemon.command(*wrong).status == 2
    daemon.stop()
    assert daemon.command("status").status == 3 and daemon.command("ls").status == 1
    daemon.start()


def test_emptied_tables_are_not_in_place(daemon: Daemon) -> None:
    """Asked at once the status says so; or the repair was quicker, and counts."""
    daemon.call("CreateNetwork", network_body())
    spoil = "nft delete table inet netenforce" if NFTABLES else "iptables-legacy -t filter -F"
    daemon.netns.run(*spoil.split())
    answer = daemon.command("status")
    assert answer.status == 3 or daemon.get("/v1/status")["repairs"] > 0


def test_empty_words_are_no_arguments(tmp_path: Path) -> None:
    """`docker plugin set NAME args=` gives the daemon one."""
    made = Daemon(tmp_path, options=["", "--log-level", "debug", ""]).start()
    assert made.get("/healthz") == {"status": "ok"}
    made.close()
