"""A container that knocks everywhere while something is done to the host."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lab import Container, Scene
from lab.packet import ICMP, Packet, decode_ip

UNREACHABLE = 3
HEADERS = 20 + 8  # of the IP packet and of the ICMP error, behind which the packet is that it is about


def is_to_the_proxy_about_itself(scene: Scene, packet: Packet) -> bool:
    """The host tells its own proxy that whom it answers is gone: a probe, or a container."""
    if packet.proto != ICMP or packet.data[20:21] != bytes([UNREACHABLE]):
        return False
    about = decode_ip(packet.data[HEADERS:])
    ends = (packet.src, packet.dst, about.src, about.sport)
    return ends == (*[scene.network.gateway] * 3, scene.lab.proxy.port)


@contextlib.contextmanager
def knocking(scene: Scene) -> Iterator[Container]:
    """It knocks meanwhile, and nothing arrives: outside, at the host, at the scene's container."""
    steady = scene.start_steady()
    with scene.watch([scene.container], proxy_in_use=True) as verdict:
        steady.wait_for_line()
        yield steady
        steady.wait_for_line()
    verdict.host = [
        packet for packet in verdict.host if not is_to_the_proxy_about_itself(scene, packet)
    ]
    verdict.assert_nothing_arrived()
    steady.remove()
