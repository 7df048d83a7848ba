"""A host with a daemon, its containers, and who listens there, without an engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .daemon import NETWORK, Daemon, Member, endpoint_id, plug_outside
from .listener import Listener
from .netns import Netns

BRIDGE = f"ne-{NETWORK[:12]}"


class Site:
    """A host with a daemon. The network is the test's to make; all else goes with the site."""

    ipv6 = True  # whether containers have addresses of both families
    open_port = 0  # on which each container listens, if any

    def __init__(self, folder: Path, env: dict[str, str] | None = None, names: str = "") -> None:
        self.daemon = Daemon(folder, **(env or {}))
        if names:  # the server that the host asks
            (self.daemon.root / "etc/resolv.conf").write_text(f"nameserver {names}\n")
        self.daemon.start()
        self.host = self.daemon.netns
        self.members: dict[int, Member] = {}
        self.listeners: list[Listener] = []
        self._machines: list[Netns] = []

    def plug_outside(self) -> Netns:
        """A machine outside."""
        self._machines.append(plug_outside(self.host))
        return self._machines[-1]

    def listen(self, netns: Netns, *ports: int) -> dict[int, Listener]:
        """Who listens on these ports there."""
        made = {port: Listener(netns, port) for port in ports}
        self.listeners += made.values()
        return made

    def member(self, number: int = 2, **options: str) -> Member:
        """A container on the network, with options of its own."""
        made = self.members[number] = Member(self.daemon, number, ipv6=self.ipv6, **options)
        if self.open_port:
            self.listen(made.netns, self.open_port)
        return made

    def patch(self, body: object, endpoint: int = 0, path: str = "policy") -> tuple[int, Any]:
        """PATCH of the network's policy, or of an endpoint's."""
        owner = f"endpoints/{endpoint_id(endpoint)}" if endpoint else f"networks/{NETWORK}"
        text = json.dumps(body).encode()
        return self.daemon.ask("PATCH", f"/v1/{owner}/{path}", text, control=True)

    def change(self, body: object, endpoint: int = 0) -> Any:
        """A change that has to succeed."""
        status, answer = self.patch(body, endpoint)
        assert status == 200, answer
        return answer

    def bridge_mac(self) -> str:
        """The bridge's own."""
        [shown] = json.loads(self.host.run("ip", "-j", "link", "show", BRIDGE).out)
        return str(shown["address"])

    def close(self) -> None:
        """Remove it all."""
        for listener in self.listeners:
            listener.close()
        for member in self.members.values():
            member.netns.close()
        self.daemon.close()
        for machine in self._machines:
            machine.close()
