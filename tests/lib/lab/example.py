"""An example of examples/, used as its README says."""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .lab import REPOSITORY, Lab
from .process import Result, Service, wait_until

PAGE = Path(__file__).with_name("inside") / "page.py"


class Example:
    """A copy of the examples in the lab's folder, and a user with a home there."""

    def __init__(self, lab: Lab, name: str) -> None:
        self._lab = lab
        base = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=lab.folder))
        shutil.copytree(REPOSITORY / "examples", base / "examples")
        self.folder = base / "examples" / name
        self._base = base
        self._pages = 0
        self._services: list[Service] = []
        readme = (self.folder / "README.md").read_text()
        self._blocks = re.findall(r"^ *```sh\n(.*?)^ *```$", readme, re.M | re.S)
        self.home = base / "home"
        self.home.mkdir()
        self.certificate = self.home / ".mitmproxy/mitmproxy-ca-cert.pem"
        programs = base / "bin"
        programs.mkdir()
        compose = lab.engine.compose_script()
        if compose is not None:
            (programs / "docker-compose").write_text(compose)
            (programs / "docker-compose").chmod(0o755)
        build = os.environ.get("BUILD", str(REPOSITORY / "build"))
        self.env: Mapping[str, str] = {
            **lab.engine.env,
            "HOME": str(self.home),
            "PATH": f"{programs}:{build}:{os.environ['PATH']}",
        }

    def block(self, words: str) -> str:
        """The README's only block of commands that has these words."""
        found = [block for block in self._blocks if words in block]
        assert len(found) == 1, f"{len(found)} blocks have {words!r}"
        return found[0]

    def _shell(self, words: str, before: str = "") -> list[str]:
        return ["sh", "-ec", f"cd {self.folder}\n{before}{self.block(words).lstrip()}"]

    def run(self, words: str, check: bool = True) -> Result:
        """Run a block to its end."""
        return self._lab.host.run(*self._shell(words), check=check, env=self.env)

    def compose(self, *arguments: str) -> str:
        """What `docker-compose ARGUMENTS` prints here."""
        argv = ("sh", "-ec", 'cd "$0" && exec docker-compose "$@"', str(self.folder), *arguments)
        return self._lab.host.run(*argv, env=self.env).out.strip()

    def spawn(self, words: str, name: str) -> Service:
        """Start a block of one command in the background."""
        return self.service(*self._shell(words, before="exec "), name=name)

    def service(self, *argv: str, name: str = "") -> Service:
        """Start a command in the background."""
        settings = [f"{key}={value}" for key, value in self.env.items()]
        name = f"{self._base.name}-{name or argv[0]}-{len(self._services)}"
        self._services.append(self._lab.host.spawn("env", *settings, *argv, name=name))
        return self._services[-1]

    def wait_for_proxy(self, address: str, port: int) -> None:
        """Wait until a mitmproxy has its certificate and accepts there.

        It closes the one connection itself, after a request that is none, for which it connects
        nowhere: what it is slow to close would arrive later, in the midst of what a test looks at.
        The end of a stream without a request is no way: mitmproxy 8 may then wait for ours.
        """
        where = (address, port)

        def is_there() -> bool:
            last = self._services[-1]
            if not last.running():
                raise RuntimeError(f"it has ended: {last.tail()}")
            if not self.certificate.exists():
                return False
            with self._lab.host.netns.call(lambda: socket.create_connection(where, 5)) as sock:
                sock.sendall(b"GET nowhere HTTP/1.1\r\n\r\n")
                while sock.recv(4096):
                    pass
                return True

        try:
            wait_until(is_there, f"a mitmproxy at {address}:{port}", timeout=90)
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {self._services[-1].tail()}") from None

    def click(self, button: str, url: str) -> None:
        """In mitmweb's page, wait for the request of a URL, and click it and the button."""
        self._pages += 1
        folder = self._base / f"browser-{self._pages}"
        self._lab.host.run(
            *("/usr/bin/python3", str(PAGE), str(folder), url, button),
            env={"HOME": str(folder)},
        )

    def close(self) -> None:
        """End what still runs in the background."""
        for service in self._services:
            service.kill()
