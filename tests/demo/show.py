"""What the demo does: one container tries its ways out, and receivers say what came."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lab import Attempt, Container, Delivered, raw, tcp, udp
from lab.frames import udp_frame
from lab.outside import OTHER, V4, WEB
from lab.packet import TCP, Packet
from lab.scene import is_proxy_upstream
from lab.servers import Responder
from stage import IMAGE, Stage
from table import heading, rows, say

LISTENING = 9000  # a port of the host on which somebody would answer


@dataclass(frozen=True)
class Way:
    """A way around the proxy and how its receiver recognises it."""

    name: str
    target: str
    attempt: Attempt
    mine: Callable[[Packet], bool]


@dataclass(frozen=True)
class Tried:
    """What became of a way."""

    way: Way
    end: str
    seconds: float
    reached: bool
    packets: int

    @property
    def refused(self) -> bool:
        """Within a second, and nothing came."""
        return not self.reached and self.packets == 0 and self.seconds < 1 and self.end != "silent"


class Show:
    """One performance."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def run(self) -> bool:
        """Perform; return whether everything holds."""
        with self._container("--network", self._stage.network.name) as container:
            say(
                f"  docker run --network {self._stage.network.name} --cap-add NET_ADMIN ..."
                f"  (root, {container.address})"
            )
            gateway = self._stage.network.gateway
            container.exec("ip", "route", "add", "default", "via", gateway)
            say(f"  inside: ip route add default via {gateway}  (it does what it can to get out)")
            proxied = self._through_the_proxy(container)
            refused = self._ways_around(container)
        return self._control() and proxied and refused

    @contextlib.contextmanager
    def _container(self, *options: str) -> Iterator[Container]:
        container = self._stage.docker.start("--cap-add", "NET_ADMIN", *options, image=IMAGE)
        try:
            yield container
        finally:
            container.remove()

    def _through_the_proxy(self, container: Container) -> bool:
        proxy = self._stage.proxy
        url = f"http://{self._stage.network.gateway}:{proxy.port}"
        heading(f"Through the proxy ({proxy.name} on {url})")
        certificate = proxy.certificate.read_text()
        container.exec("sh", "-c", "cat > /ca.pem", stdin=certificate)
        lines = []
        for scheme in ("http", "https"):
            before = len(proxy.flows())
            wanted = f"{scheme}://{WEB}/"
            result = container.curl(wanted, "-x", url, "--cacert", "/ca.pem")
            flows = [flow for flow in proxy.flows()[before:] if flow.url == wanted]
            worked = result.status == 0 and len(flows) == 1
            answer = result.out.strip() or result.err.strip()
            log = "not in the flow log"
            if flows:
                log = f"flow log: {flows[0].method} {flows[0].status or ''}".rstrip()
            lines.append((worked, (wanted, f'"{answer}"', log)))
        rows(lines)
        return all(worked for worked, _ in lines)

    def _ways(self, container: Container, gateway: str, gateway_mac: str) -> list[Way]:
        false = gateway.rpartition(".")[0] + ".213"
        frame = udp_frame(container.mac, gateway_mac, false, OTHER, 53)
        port = self._stage.proxy.port

        def to(address: str, dport: int, proto: int = 17) -> Callable[[Packet], bool]:
            return lambda packet: (packet.dst, packet.dport, packet.proto) == (
                address,
                dport,
                proto,
            )

        return [
            Way(
                "another port of the host",
                f"{gateway}:{LISTENING}/tcp",
                tcp(gateway, LISTENING),
                to(gateway, LISTENING, TCP),
            ),
            Way("an outside TCP port", f"{OTHER}:80/tcp", tcp(OTHER, 80), to(OTHER, 80, TCP)),
            Way("UDP 53 outside", f"{WEB}:53/udp", udp(WEB, 53), to(WEB, 53)),
            Way(
                "the proxy's port on an outside host",
                f"{WEB}:{port}/tcp",
                tcp(WEB, port),
                to(WEB, port, TCP),
            ),
            Way(
                "a raw frame with a false source",
                f"{false} > {OTHER}:53/udp",
                raw(frame),
                to(OTHER, 53),
            ),
        ]

    def _try(self, container: Container, ways: list[Way]) -> list[Tried]:
        outside = self._stage.outside.capture
        tried = []
        outside.forget()
        with Delivered(self._stage.host.netns) as host:
            for way in ways:
                [outcome] = container.probe(way.attempt)
                seen = [*outside.packets(way.mine), *host.packets(way.mine)]
                tried.append(Tried(way, outcome.end, outcome.seconds, outcome.reached, len(seen)))
        return tried

    @contextlib.contextmanager
    def _listener(self, gateway: str) -> Iterator[None]:
        responder = Responder(self._stage.host.netns, tcp=[LISTENING], address=gateway)
        try:
            yield
        finally:
            responder.close()

    def _ways_around(self, container: Container) -> bool:
        heading("Around it")
        network = self._stage.network
        with self._listener(network.gateway):
            tried = self._try(container, self._ways(container, network.gateway, network.bridge_mac))
        rows(
            [
                (
                    one.refused,
                    (
                        one.way.name,
                        one.way.target,
                        "dropped" if one.end == "sent" and not one.packets else one.end,
                        f"{one.seconds * 1000:.1f} ms",
                        f"receiver saw {one.packets} packets",
                    ),
                )
                for one in tried
            ]
        )
        totals = self._outside_totals()
        say()
        rows(
            [(not count, (f"outside, {address}", f"{count} packets")) for address, count in totals]
        )
        return all(one.refused for one in tried) and not any(count for _, count in totals)

    def _outside_totals(self) -> list[tuple[str, int]]:
        """All that came to each outside address meanwhile, the proxy's own talk aside."""
        seen = self._stage.outside.capture.packets(lambda packet: not is_proxy_upstream(packet))
        others = sum(packet.dst not in V4 for packet in seen)
        counts = [(address, sum(packet.dst == address for packet in seen)) for address in V4]
        return [*counts, ("any other", others)]

    def _control(self) -> bool:
        """The same from Docker's own bridge: receivers that see nothing there prove nothing."""
        heading("Control: the same from a container on Docker's own bridge, without netenforce")
        with self._container() as container:
            endpoint = container.endpoint()
            gateway = str(endpoint["Gateway"])
            [mac] = [
                line.split("lladdr ")[1].split()[0]
                for line in container.sh(
                    f"ping -c1 -w1 {gateway} >/dev/null; ip neigh"
                ).out.splitlines()
                if line.startswith(f"{gateway} ")
            ]
            with self._listener(gateway):
                tried = self._try(container, self._ways(container, gateway, mac))
        rows(
            [
                (one.packets > 0, (one.way.name, f"receiver saw {one.packets} packets"))
                for one in tried
            ]
        )
        return all(one.packets > 0 for one in tried)
