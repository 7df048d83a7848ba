"""mitmproxy on a host, with a log of the flows that it saw."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from pathlib import Path

from .host import Machine
from .process import wait_until

ADDON = Path(__file__).with_name("flowlog.py")


@dataclass(frozen=True)
class Flow:
    """A request that the proxy forwarded."""

    client: str
    method: str
    url: str
    status: int | None  # None: the proxy does not say
    server: str = ""  # that it connected to, as it was named or, in transparent mode, addressed


class Proxy:
    """A mitmdump that listens on a port of a host (by default, of all of its addresses)."""

    name = "mitmproxy"

    def __init__(
        self,
        host: Machine,
        trusted: Path,
        port: int = 8080,
        address: str = "",
        name: str = "mitmdump",
        transparent: bool = False,
    ) -> None:
        self.port = port
        self._mode = ["--mode", "transparent"] if transparent else []
        self._address = address
        self._host = host
        self._trusted = trusted
        self._name = name
        self._folder = host.folder / name
        self._folder.mkdir()
        self._log = self._folder / "flows.jsonl"
        self.certificate = self._folder / "mitmproxy-ca-cert.pem"
        self.start()

    def start(self) -> None:
        """Start mitmdump and wait until it takes connections."""
        settings = {
            "confdir": self._folder,
            "ssl_verify_upstream_trusted_ca": self._trusted,
            "flow_detail": 0,
            "flow_log": self._log,
        }
        sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        listen = ["--listen-host", self._address] if self._address else []
        self._service = self._host.spawn(
            *("mitmdump", *self._mode, *listen, "--listen-port", str(self.port), "-s", str(ADDON), *sets),
            name=self._name,
        )
        wait_until(self._accepts, "mitmdump to listen", timeout=60)

    def _accepts(self) -> bool:
        if not self._service.running():
            raise RuntimeError(f"mitmdump ended: {self._service.tail()}")
        where = (self._address or "127.0.0.1", self.port)
        self._host.netns.call(lambda: socket.create_connection(where, 5)).close()
        return self.certificate.exists()  # mitmproxy listens before it has one

    def flows(self) -> list[Flow]:
        """All requests so far. A flow is logged before its answer goes to the client."""
        if not self._log.exists():
            return []
        return [Flow(**json.loads(line)) for line in self._log.read_text().splitlines()]

    def close(self) -> None:
        """Stop the proxy."""
        self._service.kill()
