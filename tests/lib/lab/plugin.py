"""The managed plugin on an engine."""

from __future__ import annotations

import json
import os
from pathlib import Path

from .engine import Docker, get
from .process import wait_until

NAME = "netenforce/driver:latest"
DAEMON = "netenforced"
CONTROL = "/run/netenforce/control.sock"
STATE = "/var/lib/netenforce"
DIALLED = 1.0  # seconds
FIREWALL = os.environ.get("FIREWALL", "")  # the backend that this run is to be on, if any


class Plugin:
    """The plugin that `make plugin` packed, and the daemon in it."""

    def __init__(self, docker: Docker, repository: Path) -> None:
        self.docker = docker
        self.host = docker.host
        self._repository = repository

    def install(self) -> None:
        """`make plugin-install`, as a user does it, on the engine's host."""
        make = ("make", "-C", str(self._repository), "plugin-install")
        asked = [f"PLUGIN_SETTINGS=FIREWALL={FIREWALL}"] if FIREWALL else []
        self.host.run(*make, *asked, env=self.docker.env, timeout=300)
        self.wait()
        firewall = json.loads(self.get("/v1/status")[1])["firewall"]
        assert FIREWALL in ("", "auto", firewall.split()[0]), f"{FIREWALL} was asked for, not {firewall}"

    def installed(self) -> bool:
        """Whether the engine knows it."""
        return self.docker("plugin", "inspect", NAME, check=False).status == 0

    def enabled(self) -> bool:
        """Whether the engine has it enabled."""
        shown = self.docker("plugin", "inspect", "-f", "{{.Enabled}}", NAME, check=False)
        return shown.out.strip() == "true"

    def mend(self) -> None:
        """Bring it back after a test that lost it."""
        if not self.enabled():
            self.install()
        self.wait()

    def pids(self) -> list[int]:
        """The daemon's process ids, as its host counts them; what starts dnsmasq has another name."""
        return [int(pid) for pid in self.host.run("pgrep", "-x", DAEMON, check=False).out.split()]

    @property
    def pid(self) -> int:
        """The daemon's only process id."""
        pids = self.pids()
        assert len(pids) == 1, f"there should be one {DAEMON}, but there are {pids}"
        return pids[0]

    def get(self, target: str) -> tuple[int, bytes]:
        """GET from the daemon's control socket."""
        return get(self.host.path(CONTROL), target)

    def healthy(self) -> bool:
        """Whether the daemon says so."""
        return self.get("/healthz")[0] == 200

    def wait(self, other_than: int = 0) -> None:
        """Wait until the daemon is there and well (and not the old one)."""
        wait_until(
            lambda: self.pids() not in ([], [other_than]) and self.healthy(),
            f"{DAEMON} to be there",
            timeout=30,
        )

    def _age(self) -> float:
        """Seconds since the daemon was started."""
        stat = self.host.path(f"/proc/{self.pid}/stat").read_text()
        ticks = int(stat.rpartition(")")[2].split()[19])  # field 22, starttime: proc(5)
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        return uptime - ticks / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """End the daemon with SIGKILL; the engine starts it again by itself.

        But it gives up a plugin that ends before it was dialled, half a second after its start.
        """
        wait_until(lambda: self._age() > DIALLED, "the engine to have dialled the daemon")
        self.host.run("kill", "-9", str(self.pid))

    def kill_and_wait(self) -> None:
        """Kill the daemon and wait until the next one is well."""
        old = self.pid
        self.kill()
        self.wait(other_than=old)

    def resident(self) -> int:
        """The daemon's resident memory in KiB."""
        status = self.host.path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1])

    def memory(self) -> int:
        """The same without the history of events, which fills up to its bound and stays so."""
        kept = json.loads(self.get("/v1/status")[1])["event_history_bytes"]
        return self.resident() - int(kept) // 1024

    def state(self) -> list[str]:
        """The files in the state folder, relative to it."""
        folder = self.host.path(STATE)
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
