"""Containers that come and go without pause, each of which first tries what it must not.

Twenty seconds with eight at a time by default. The long form is fifty at once for ten minutes:

    sudo make engine ENGINE_TESTS=tests/engine/test_churn.py CHURN_SECONDS=600 CHURN_AT_ONCE=50
"""

from __future__ import annotations

import concurrent.futures
import os
import time

from lab import Lab, Plugin, Scene
from lab.daemon import SANITIZED
from lab.firewall import our_links, rules
from lab.outside import FAR, HOST_V4, OTHER, WEB
from lab.process import wait_until

SECONDS = float(os.environ.get("CHURN_SECONDS", "20"))
AT_ONCE = int(os.environ.get("CHURN_AT_ONCE", "8"))
ROUND = 2 * AT_ONCE  # containers between two looks at the receivers, whose buffers are finite
GROWTH = 160  # KiB: some pages of the heap move about
HELLO = "hello from outside\n"

# The first packet goes out before anything else is done; the route would lead beyond the host.
SCRIPT = f"""
try() {{ nc -w 2 "$1" "$2" </dev/null >/dev/null 2>&1 && echo "reached $1 $2"; }}
try "$1" 9000
ip route add default via "$1"
try {HOST_V4} 9000; try {OTHER} 80; try {FAR} 443
http_proxy="http://$1:$2" wget -q -O - http://{WEB}/
"""


def one(scene: Scene) -> str:
    """A container's whole life. Return: what it printed."""
    gateway, port = scene.network.gateway, str(scene.lab.proxy.port)
    result = scene.lab.engine(
        *("run", "--rm", "--cap-add", "NET_ADMIN", "--network", scene.network.name),
        *("busybox", "sh", "-c", SCRIPT, "sh", gateway, port),
        timeout=300,
    )
    return result.out


def one_round(scene: Scene) -> None:
    """Containers at once, with the receivers asked afterwards."""
    with scene.watch(proxy_in_use=True) as verdict:
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            printed = list(pool.map(one, [scene] * ROUND))
    verdict.assert_nothing_arrived()
    assert set(printed) == {HELLO}


def of_theirs(lab: Lab, plugin: Plugin) -> tuple[list[str], list[str], list[str]]:
    """Links, rules and records."""
    lines = [line for line in rules(lab.host) if not line.startswith(("*", ":"))]
    return our_links(lab.host), lines, plugin.state()


def test_churn(clean: Lab, plugin: Plugin, scene: Scene) -> None:
    before = of_theirs(clean, plugin)
    one_round(scene)
    memory = plugin.memory()
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        one_round(scene)
    wait_until(lambda: of_theirs(clean, plugin) == before, "all traces to be gone", timeout=10)
    wait_until(
        lambda: SANITIZED or plugin.memory() <= memory + GROWTH,
        "memory to be given back at rest",
        timeout=10,
    )
    scene.assert_proxy_works()
