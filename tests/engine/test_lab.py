"""The lab itself: its receivers see a leak where there is one. Docker's own bridge is the leak."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Attempt, Container, Delivered, Lab, Scene, lookup, ping, raw, tcp, udp
from lab.frames import echo_reply_frame
from lab.outside import FAR, HOST_V4, OTHER, WEB
from lab.packet import ICMP
from lab.sockets import connections


@pytest.fixture(scope="module")
def leaky(lab: Lab) -> Iterator[Container]:
    """A container on Docker's default bridge, with a way to everywhere."""
    container = lab.engine.start()
    yield container
    container.remove()


@pytest.mark.parametrize(
    "attempt",
    [tcp(OTHER, 80), tcp(WEB, 8080), tcp(FAR, 443), udp(WEB, 53), udp(FAR, 53), ping(OTHER)],
    ids=str,
)
def test_outside_sees_and_answers(lab: Lab, leaky: Container, attempt: Attempt) -> None:
    lab.outside.capture.forget()
    [outcome] = leaky.probe(attempt)
    assert outcome.reached, str(outcome)
    assert lab.outside.capture.packets(lambda packet: packet.dst == attempt.address)


def test_outside_sees_a_false_source(lab: Lab, leaky: Container) -> None:
    gateway = leaky.sh("ip neigh; ping -c1 -w1 172.17.0.1 >/dev/null; ip neigh").out
    mac = gateway.split("lladdr ")[1].split()[0]
    frame = echo_reply_frame(leaky.mac, mac, "172.17.0.99", OTHER)
    lab.outside.capture.forget()
    leaky.probe(raw(frame))
    assert lab.outside.capture.packets(lambda packet: packet.dst == OTHER and packet.proto == ICMP)


def test_outside_sees_lookups(lab: Lab) -> None:
    """On the default bridge a container asks the host's resolver itself."""
    container = lab.engine.start()
    lab.outside.capture.forget()
    container.probe(lookup("leak.example.com"))
    container.remove()
    assert lab.outside.capture.packets(lambda packet: packet.dport == 53)


def test_host_stack_sees_what_is_delivered(lab: Lab, leaky: Container) -> None:
    with Delivered(lab.host.netns) as delivered:
        [outcome] = leaky.probe(tcp(HOST_V4, 9))
        assert outcome.end == "refused"  # nobody listens, but the host was asked
        leaky.probe(udp("172.17.0.1", 9))
        seen = delivered.packets(lambda packet: packet.src == leaky.address and packet.dport == 9)
        assert {packet.dst for packet in seen} == {HOST_V4, "172.17.0.1"}


def test_neighbour_sees(lab: Lab, leaky: Container) -> None:
    neighbour = lab.engine.start()
    with neighbour.capture() as capture:
        [outcome] = leaky.probe(udp(neighbour.address, 9))
        assert outcome.end == "refused"
        assert capture.packets(lambda packet: packet.src == leaky.address and packet.dport == 9)
    neighbour.remove()


def test_a_steady_container_is_seen(lab: Lab) -> None:
    """What knocks without pause in the tests of restarts would be seen outside and on the host."""
    options = ("-o", "com.docker.network.bridge.name=open0")
    scene = Scene(lab, lab.engine.network("open", *options, driver="bridge"))
    steady = scene.start_steady()
    with scene.watch([scene.container]) as verdict:
        steady.wait_for_line()
    steady.remove()
    scene.remove()
    assert verdict.outside and verdict.host


def test_internal_network_lets_nothing_out(lab: Lab) -> None:
    """The other way round: what Docker itself keeps in is not counted."""
    scene = Scene(lab, lab.engine.network("inner", "--internal", driver="bridge"))
    verdict = scene.attempt(tcp(OTHER, 80), udp(WEB, 53))
    scene.remove()
    assert not any(outcome.reached for outcome in verdict.outcomes)
    assert not verdict.outside


TALK = """
import socket, sys, time
talk = socket.create_connection((sys.argv[1], int(sys.argv[2])))
while True:
    print("open", flush=True)
    time.sleep(0.1)
"""


def test_nothing_is_sent_to_who_is_gone(lab: Lab) -> None:
    """What the host had yet to say to a container would leave by its default route."""
    options = ("-o", "com.docker.network.bridge.name=gone0")
    network = lab.engine.network("gone", *options, driver="bridge")
    gateway = network.gateway
    talker = lab.engine.start(
        *("--network", network.name),
        command=["python3", "-c", TALK, gateway, str(lab.proxy.port)],
    )
    talker.wait_for_line()
    assert connections(lab.host, "src", gateway)
    lab.host.run("ip", "link", "set", "gone0", "down")  # no farewell is heard
    talker.remove()
    network.remove()
    assert not connections(lab.host, "src", gateway)


def test_nothing_is_lost_in_a_flood(lab: Lab, leaky: Container) -> None:
    lab.outside.capture.forget()
    count = 2000
    script = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        f"for _ in range({count}): s.sendto(b'x', ('{OTHER}', 9))"
    )
    leaky.exec("python3", "-c", script)
    assert len(lab.outside.capture.packets(lambda packet: packet.dport == 9)) == count


def test_proxy_logs_flows(lab: Lab, leaky: Container) -> None:
    proxy = f"http://{HOST_V4}:{lab.proxy.port}"
    before = len(lab.proxy.flows())
    assert leaky.curl(f"http://{WEB}/plain", "-x", proxy).out == "hello from outside\n"
    assert leaky.curl(f"https://{WEB}/secure", "-x", proxy, "-k").out == "hello from outside\n"
    urls = [flow.url for flow in lab.proxy.flows()[before:]]
    assert urls == [f"http://{WEB}/plain", f"https://{WEB}/secure"]
