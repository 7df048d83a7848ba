"""The examples, used as their READMEs say: the commands here are read from there."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator

import pytest

from lab import Container, Lab, Network, Scene
from lab.container import COULD_NOT_CONNECT
from lab.example import Example
from lab.images import image
from lab.lab import CACHE
from lab.outside import PUBLIC, PUBLIC_NAMES, WEB, WEB_NAME
from lab.packet import TCP
from lab.process import Result, wait_until

PAGE = "hello from outside\n"


@pytest.fixture
def use(clean: Lab) -> Iterator[Callable[[str], Example]]:
    """Take an example into use, in place of the lab's own proxy, whose port it needs."""
    with contextlib.ExitStack() as stack:
        clean.proxy.close()
        stack.callback(clean.proxy.start)
        yield lambda name: stack.enter_context(contextlib.closing(Example(clean, name)))


def requests(lab: Lab) -> list[tuple[str, bool]]:
    """The requests that the outside's web server got: path, TLS."""
    return [(request.path, request.tls) for request in lab.outside.web.requests]


def test_agent_sandbox(clean: Lab, use: Callable[[str], Example]) -> None:
    clean.engine("tag", "tools", "python:3")
    example = use("agent-sandbox")
    example.run("network create")
    proxy = example.spawn("mitmweb", "mitmweb")
    example.wait_for_proxy("10.99.1.1", 8080)
    example.run("up -d")
    agent = clean.engine.out("ps", "-q", "--no-trunc")
    scene = Scene(clean, Network(clean.engine, "agents"), Container(clean.engine, agent))

    before = len(requests(clean))
    assert example.run("https://packages.example.net/").out == PAGE
    assert requests(clean)[before:] == [("/simple/", True)]

    with scene.watch(proxy_in_use=True) as verdict:  # until it is approved: nothing
        asked = example.spawn("https://example.com/", "asked")
        wait_until(lambda: "example.com waits" in proxy.tail(), "the request to wait")
    verdict.assert_nothing_arrived()
    assert len(requests(clean)) == before + 1
    example.click("Resume", "https://example.com/")
    assert (asked.wait(), asked.tail()) == (0, PAGE)
    assert example.run("https://example.com/").out == PAGE
    assert requests(clean)[before + 1 :] == [("/", True), ("/", True)]

    with scene.watch(proxy_in_use=True) as verdict:
        asked = example.spawn("https://example.org/", "denied")
        example.click("Abort", "https://example.org/")
        assert asked.wait() == 0
    assert asked.tail() == "Refused by the proxy: example.org was denied.\n"
    verdict.assert_nothing_arrived()

    asked = example.service(
        *("docker", "exec", agent, "curl", "-sS", f"https://{WEB_NAME}/"), name="private"
    )
    example.click("Resume", f"https://{WEB_NAME}/")
    assert asked.wait() == 0 and f"{WEB_NAME} is {WEB}, a private address" in asked.tail()

    with scene.watch() as verdict:
        direct = example.run("--noproxy", check=False)
    assert direct.status == COULD_NOT_CONNECT, str(direct)
    verdict.assert_nothing_arrived()

    assert proxy.running()
    proxy.stop()
    example.run("docker-compose down")
    assert clean.engine.out("network", "ls", "-q", "--filter", "name=agents") == ""


def assert_refused_at_once(direct: Result) -> None:
    """By what busybox's wget says of it; Debian's crashes if it is given a time (-T)."""
    assert direct.status == 1 and "can't connect to remote host" in direct.err, str(direct)
    assert "timed out" not in direct.err, str(direct)


def test_compose(clean: Lab, use: Callable[[str], Example]) -> None:
    example = use("compose")
    proxy = example.spawn("mitmdump", "mitmdump")
    example.wait_for_proxy("127.0.0.1", 8080)
    example.run("up -d")
    agent = clean.engine.out("ps", "-q", "--no-trunc")
    scene = Scene(clean, Network(clean.engine, "compose_sandbox"), Container(clean.engine, agent))
    assert example.run("example.com").out == PAGE
    assert "GET http://example.com/" in proxy.tail()
    with scene.watch() as verdict:
        direct = example.run("1.1.1.1", check=False)
    assert_refused_at_once(direct)
    verdict.assert_nothing_arrived()


def test_one_file(clean: Lab, use: Callable[[str], Example]) -> None:
    """With no proxy on the host: of the proxy's container its port is reached, and nothing else."""
    clean.engine.load("mitmproxy/mitmproxy", image("mitmproxy", CACHE))
    example = use("one-file")
    hosts = [f"{name}:{PUBLIC}" for name in PUBLIC_NAMES]  # no name server is outside
    override = {"services": {"proxy": {"extra_hosts": hosts}}}
    (example.folder / "docker-compose.override.yml").write_text(json.dumps(override))
    example.run("up -d")
    proxy, agent = (
        Container(clean.engine, example.compose("ps", "-q", service))
        for service in ("proxy", "agent")
    )
    wait_until(lambda: example.run("example.com", check=False).out == PAGE, "mitmdump", 60)
    shown = clean.engine("logs", proxy.id)
    assert "GET http://example.com/" in shown.out + shown.err
    scene = Scene(clean, Network(clean.engine, "one-file_sandbox"), agent)
    with scene.watch(neighbours=[proxy]) as verdict:
        direct = example.run("1.1.1.1", check=False)
    assert_refused_at_once(direct)
    verdict.assert_nothing_arrived()
    example.compose("down")
    assert clean.engine.out("network", "ls", "-q", "--filter", "name=one-file") == ""


def start_database(lab: Lab, example: Example, words: str) -> tuple[Scene, Container]:
    """Start the application and the database: the application's scene, the database."""
    tar = str(image("redis", CACHE))
    command = 'CMD ["redis-server", "--protected-mode", "no"]'  # as the real image has it
    lab.engine("import", "--change", "ENV PATH=/usr/bin:/bin", "--change", command, tar, "redis:7")
    example.run(words)
    app, database = (
        Container(lab.engine, example.compose("ps", "-q", service))
        for service in ("app", "database")
    )
    return Scene(lab, Network(lab.engine, "database_app"), app), database


def test_database(clean: Lab, use: Callable[[str], Example]) -> None:
    example = use("database")
    scene, database = start_database(clean, example, "docker-compose up -d")
    assert example.run("-h 10.99.4.1 ping").out == "PONG\n"
    for words, end in (("6380", "Connection refused"), ("ADDRESS", "Network is unreachable")):
        with scene.watch(neighbours=[database]) as verdict:
            refused = example.run(words, check=False)
        assert refused.status != 0 and end in refused.err, str(refused)
        verdict.assert_nothing_arrived()


def test_database_in_the_same_network(clean: Lab, use: Callable[[str], Example]) -> None:
    example = use("database")
    scene, database = start_database(clean, example, "icc.yml up")
    assert example.run("-h database ping").out == "PONG\n"
    with scene.watch(neighbours=[database]) as verdict:
        ways_out = database.sh("busybox wget -O - http://1.1.1.1/", check=False)
    assert_refused_at_once(ways_out)
    verdict.assert_nothing_arrived()


def refused_packets(example: Example) -> list[dict[str, object]]:
    """The packets of the report. Its other lines count frames that were dropped at a port, such as
    what a kernel sends by IPv6 when an interface comes up."""
    lines = (example.folder / "refused-packets.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if "dst" in event]


def test_ci_job(clean: Lab, use: Callable[[str], Example]) -> None:
    clean.engine("tag", "tools", "python:3")
    clean.outside.netns.ip("addr add 192.0.2.10/32 dev eth0")  # the service: the web server
    example = use("ci-job")
    before = len(requests(clean))
    clean.outside.capture.forget()
    job = example.run("./run")
    sections = re.split(r"^curl .*//(.*?)/.*\n", job.out, flags=re.M)
    ends = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert ends == {
        "packages.example.net": PAGE,
        "192.0.2.10": PAGE,
        "example.com": "Refused by the proxy: example.com is not on the list.\n",
        "192.0.2.10:443": "  failed: 7\n",
        "1.1.1.1": "  failed: 7\n",
    }
    assert requests(clean)[before:] == [("/simple/", True), ("/", False)]
    seen = clean.outside.capture.packets(lambda packet: packet.proto == TCP)
    assert {(packet.dst, packet.dport) for packet in seen} == {(PUBLIC, 443), ("192.0.2.10", 80)}

    hosts, packets = (example.folder / f"refused-{what}" for what in ("hosts.txt", "packets.jsonl"))
    assert hosts.read_text() == "GET https://example.com/: example.com is not on the list\n"
    [packet] = refused_packets(example)
    assert (packet["dst"], packet["dport"], packet["proto"]) == ("192.0.2.10", 443, "tcp")
    assert example.run("cat refused").out == hosts.read_text() + packets.read_text()
    assert clean.engine.out("network", "ls", "-q", "--filter", "name=ci-") == ""


def test_ci_job_ends_as_its_command(clean: Lab, use: Callable[[str], Example]) -> None:
    clean.engine("tag", "tools", "python:3")
    example = use("ci-job")
    done = clean.host.run(
        *("sh", "-c", f"cd {example.folder} && ./run sh -c 'exit 9'"),
        check=False,
        env=example.env,
    )
    assert done.status == 9, str(done)
    assert not refused_packets(example)
