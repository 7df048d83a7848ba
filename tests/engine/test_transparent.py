"""mode=transparent with mitmproxy: code that is told nothing of a proxy goes through it all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lab import Container, Lab, Network, Scene, lookup, tcp, udp
from lab.container import COULD_NOT_CONNECT
from lab.names import ADDRESS, NameServer
from lab.outside import FAR, HOST_V4, OTHER, WEB, WEB_NAME, WEB_V6
from lab.process import wait_until
from lab.proxy import Proxy

PORT = 8082


@pytest.fixture(scope="module")
def transparent(lab: Lab) -> Iterator[Proxy]:
    """mitmdump in its transparent mode."""
    proxy = Proxy(
        lab.host, lab.outside.authority.certificate, PORT, name="transparent", transparent=True
    )
    yield proxy
    proxy.close()


@pytest.fixture
def upstream(clean: Lab) -> Iterator[NameServer]:
    """The server that the host's resolv.conf names: it says that every name is FAR."""
    assert ADDRESS == FAR
    server = NameServer(clean.host.netns, HOST_V4)
    clean.host.write_etc("resolv.conf", f"nameserver {HOST_V4}\n")
    yield server
    clean.host.write_etc("resolv.conf", f"nameserver {WEB}\n")
    server.close()


@pytest.fixture
def sandbox(
    clean: Lab, upstream: NameServer, transparent: Proxy, create: Callable[..., Network]
) -> Scene:
    """A network of both families that hands, and a container that is given nothing but a certificate."""
    pools = ("--ipv6", "--subnet", "10.66.0.0/24", "--subnet", "fd00:66::/64")
    network = create(*pools, "-o", "mode=transparent", "-o", f"proxy={PORT}")
    certificate = ("-v", f"{transparent.certificate}:/ca.pem:ro")
    names = clean.engine.asking(HOST_V4)
    container = clean.engine.start("--network", network.name, *names, *certificate)
    wait_until(lambda: resolves(container), "names to be answered", timeout=20)
    return Scene(clean, network, container)


def resolves(container: Container) -> bool:
    """Whether the container's own C library finds an address."""
    [outcome] = container.probe(lookup(WEB_NAME))
    return outcome.end == "answered"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_curl_without_a_variable(sandbox: Scene, transparent: Proxy, scheme: str) -> None:
    """By name and by address; the proxy knows where each was for, and connects there itself."""
    container = sandbox.container
    assert "proxy" not in container.exec("env").out.lower()
    for host, server in ((WEB_NAME, FAR), (WEB, WEB), (OTHER, OTHER)):
        url = f"{scheme}://{host}/{container.id[:12]}"
        before = len(transparent.flows())
        result = container.curl(url, "--cacert", "/ca.pem")
        assert result.out == "hello from outside\n", str(result)
        [flow] = transparent.flows()[before:]
        assert (flow.url, flow.server, flow.client) == (url, server, container.address)
        request = sandbox.lab.outside.web.requests[-1]
        assert (request.client, request.path) == (HOST_V4, f"/{container.id[:12]}")


def test_curl_over_ipv6(sandbox: Scene, transparent: Proxy) -> None:
    url = f"https://[{WEB_V6}]/six"
    result = sandbox.container.curl(url, "-g", "--cacert", "/ca.pem")
    assert result.out == "hello from outside\n", str(result)
    flow = transparent.flows()[-1]
    assert (flow.server, flow.url.rpartition("/")[2]) == (WEB_V6, "six")
    assert flow.client == str(sandbox.container.endpoint()["GlobalIPv6Address"])


def test_all_else_is_refused(sandbox: Scene) -> None:
    gateway = sandbox.network.gateway
    sandbox.attempt(
        *(udp(host, 443) for host in (WEB, OTHER, FAR)),  # QUIC
        *(tcp(host, port) for host in (WEB, OTHER) for port in (22, 853, 8080, 8443)),
        *(tcp(gateway, port) for port in (22, 80, 443, PORT, sandbox.lab.proxy.port)),
        tcp(HOST_V4, PORT),
    ).assert_refused()


def test_it_goes_on_without_the_daemon(sandbox: Scene, transparent: Proxy) -> None:
    """Killed, and started again by the engine: what runs is handed all the while."""
    sandbox.lab.plugin.kill()
    before = len(transparent.flows())
    result = sandbox.container.curl(f"http://{WEB}/killed")
    assert result.out == "hello from outside\n", str(result)
    assert len(transparent.flows()) == before + 1
    sandbox.attempt(udp(WEB, 443), tcp(OTHER, 8443)).assert_refused()
    sandbox.lab.plugin.wait()
    wait_until(lambda: resolves(sandbox.container), "names to be answered", timeout=20)


def test_without_the_proxy_nothing(sandbox: Scene, transparent: Proxy) -> None:
    """While nothing listens where it is handed to: a refusal, and nobody outside sees anything."""
    transparent.close()
    try:
        with sandbox.watch(proxy_in_use=True) as verdict:
            result = sandbox.container.curl(f"http://{OTHER}/alone")
        assert result.status == COULD_NOT_CONNECT, str(result)
        assert not verdict.outside
    finally:
        transparent.start()
