"""What must work: the proxy, by environment alone, as users set it."""

from __future__ import annotations

import pytest

from lab import Scene, tcp
from lab.container import COULD_NOT_CONNECT
from lab.outside import WEB, WEB_NAME


@pytest.mark.parametrize("target", [WEB, WEB_NAME])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_through_the_proxy(shared: Scene, scheme: str, target: str) -> None:
    """The container trusts the proxy's certificate; the proxy trusts the outside's."""
    engine, proxy = shared.lab.engine, shared.lab.proxy
    url = f"{scheme}://{target}/page"
    before = len(proxy.flows())
    result = engine(
        *("run", "--rm", "--network", shared.network.name),
        *("-e", f"HTTP_PROXY={shared.proxy}", "-e", f"http_proxy={shared.proxy}"),
        *("-e", f"HTTPS_PROXY={shared.proxy}", "-v", f"{proxy.certificate}:/ca.pem:ro"),
        *("tools", "curl", "-sS", "--max-time", "10", "--cacert", "/ca.pem", url),
    )
    assert result.out == "hello from outside\n"
    [flow] = proxy.flows()[before:]
    assert (flow.url, flow.method, flow.status) == (url, "GET", 200)
    assert flow.client.rpartition(".")[0] == shared.network.gateway.rpartition(".")[0]


def test_without_the_proxy_nothing(shared: Scene) -> None:
    with shared.watch() as verdict:
        result = shared.container.curl(f"http://{WEB}/direct")
    assert result.status == COULD_NOT_CONNECT, str(result)
    verdict.assert_nothing_arrived()


def test_the_proxy_answers_a_bare_connection(shared: Scene) -> None:
    [outcome] = shared.container.probe(tcp(shared.network.gateway, shared.lab.proxy.port))
    assert outcome.reached, str(outcome)


def test_the_default_bridge_works_beside_it(shared: Scene) -> None:
    result = shared.lab.engine("run", "--rm", "tools", "curl", "-sS", f"http://{WEB}/beside")
    assert result.out == "hello from outside\n"
