"""tinyproxy on a host, for Debian releases without mitmproxy: it passes TLS on as it is."""

from __future__ import annotations

import re
import shutil
import socket
from pathlib import Path

from .host import Machine
from .process import wait_until
from .proxy import Flow, Proxy

REQUEST = re.compile(r"Request \(file descriptor \d+\): (\S+) (\S+)")


class Relay:
    """It stands in the place of a `Proxy`. What is inside a tunnel it does not see."""

    name = "tinyproxy"

    def __init__(self, host: Machine, trusted: Path, port: int = 8080, address: str = "") -> None:
        self.port = port
        self.certificate = trusted  # of the servers themselves: nobody stands between
        self._address = address
        self._host = host
        self._folder = host.folder / self.name
        self._folder.mkdir()
        self._log = self._folder / "log"
        self.start()

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        settings = self._folder / "tinyproxy.conf"
        lines = ["User root", "Group root", f"Port {self.port}", f'LogFile "{self._log}"']
        lines += ["LogLevel Connect"]
        lines += [f"Listen {self._address}"] if self._address else []
        settings.write_text("\n".join(lines) + "\n")
        self._service = self._host.spawn("tinyproxy", "-d", "-c", str(settings), name=self.name)
        wait_until(self._accepts, "tinyproxy to listen", timeout=60)

    def _accepts(self) -> bool:
        if not self._service.running():
            raise RuntimeError(f"tinyproxy ended: {self._service.tail()}")
        where = (self._address or "127.0.0.1", self.port)
        self._host.netns.call(lambda: socket.create_connection(where, 5)).close()
        return True

    def flows(self) -> list[Flow]:
        """All requests so far; of a tunnel where it leads. A request is logged before it is made."""
        found = []
        for method, target in REQUEST.findall(self._log.read_text() if self._log.exists() else ""):
            url = target
            if method == "CONNECT":
                url = f"https://{target.removesuffix(':443')}/"
            found.append(Flow("", method, url, None))
        return found

    def close(self) -> None:
        """Stop it."""
        self._service.kill()


def open_proxy(host: Machine, trusted: Path, port: int = 8080, address: str = "") -> Proxy | Relay:
    """mitmproxy where it is installed, tinyproxy where it isn't (Debian 13 has none)."""
    kind = Proxy if shutil.which("mitmdump") else Relay
    return kind(host, trusted, port, address)
