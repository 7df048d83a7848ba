"""From a bare root of a Debian release to an enforced container: by the README's commands, and by the
packages alone.

A root is made for each test anew; engines in it have a network namespace.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests/lib"))

from lab.bare_root import ENTER, LASTS, BareRoot  # noqa: E402  (found by the line above)
from lab.images import image  # noqa: E402
from lab.lab import CACHE  # noqa: E402
from lab.listener import Listener  # noqa: E402
from lab.netns import Netns  # noqa: E402
from lab.process import Result, Service, run, wait_until  # noqa: E402

SUITES = ("bookworm", "trixie")
PROXY, OTHER = 8080, 9000


@pytest.fixture(params=SUITES)
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BareRoot]:
    """One of each release."""
    made = BareRoot(request.param, tmp_path)
    yield made
    made.close()


def test_by_the_readme(root: BareRoot) -> None:
    """A clone, and the first of the README's two commands: the demo's own exit status says that all holds."""
    root.install("git", "make")
    root.clone(REPOSITORY, "root/netenforce")
    shown = root.run("sh", "-c", "cd /root/netenforce && make demo")
    assert "All of it holds." in shown.splitlines()  # make may say where it has been


class Machine:
    """The root, booted: namespaces of its own, in which all that is started ends with it."""

    def __init__(self, root: BareRoot, folder: Path) -> None:
        namespaces = ("unshare", "--net", "--pid", "--fork", "--kill-child")
        init = ("sh", "-c", "touch /run/is-up && exec sleep infinity")
        log = folder / "init.log"
        self._init = Service([*namespaces, "--", ENTER, str(root.folder), *init], log, entered=True)
        self._inside = ["nsenter", f"--target={self._init.pid}", "--net", "--mount", "--pid", "--"]
        is_up = Path(f"/proc/{self._init.pid}/root/run/is-up")
        wait_until(is_up.exists, "the machine to be up")
        self.netns = Netns.at(f"/proc/{self._init.pid}/ns/net")
        self.netns.ip("link set lo up")
        self._engine = Service([*self._inside, "dockerd"], folder / "dockerd.log", entered=True)

        def answers() -> bool:
            assert self._engine.running(), self._engine.tail()
            return self.run("docker", "info", check=False).status == 0

        wait_until(answers, "the engine to answer", timeout=60)

    def run(self, *argv: str, check: bool = True) -> Result:
        """Run a command in it."""
        return run(*self._inside, *argv, check=check)

    def close(self) -> None:
        """Cut the power."""
        self._init.kill()
        self._engine.wait()
        self.netns.close()


@pytest.fixture(scope="module")
def packages() -> list[Path]:
    """Both, as `make deb` leaves them."""
    run("make", "-C", str(REPOSITORY), "deb", timeout=LASTS)
    found = sorted((REPOSITORY / "build/deb").glob("*.deb"))
    return [deb for deb in found if "-dbgsym_" not in deb.name]


def test_by_the_packages(root: BareRoot, packages: list[Path], tmp_path: Path) -> None:
    """apt brings the engine along; what the service would start puts the plugin there."""
    for deb in packages:
        root.put(deb, f"root/{deb.name}")
    root.run("apt-get", "update", "-q")
    root.run("apt-get", "install", "-q", "-y", *(f"/root/{deb.name}" for deb in packages))
    root.put(image("busybox", CACHE), "root/busybox.tar")
    machine = Machine(root, tmp_path)
    try:
        unit = (root.folder / "usr/lib/systemd/system/netenforce-plugin.service").read_text()
        (start,) = re.findall("^ExecStart=(.*)$", unit, re.MULTILINE)
        (root.folder / "var/lib/netenforce-plugin").mkdir(exist_ok=True)  # StateDirectory=
        machine.run(*start.split())
        assert_enforced(machine)
    finally:
        machine.close()


def assert_enforced(machine: Machine) -> None:
    """A container reaches the proxy's port and nothing else, and both are told."""
    machine.run("docker", "import", "/root/busybox.tar", "busybox")
    machine.run("docker", "network", "create", "-d", "netenforce", "sandbox")
    form = "{{(index .IPAM.Config 0).Gateway}}"
    gateway = machine.run("docker", "network", "inspect", "-f", form, "sandbox").out.strip()
    proxy, other = Listener(machine.netns, PROXY), Listener(machine.netns, OTHER)
    inside = ("docker", "run", "--rm", "--network", "sandbox", "busybox")
    machine.run(*inside, "nc", "-w", "5", gateway, str(PROXY))
    refused = machine.run(*inside, "nc", "-w", "5", gateway, str(OTHER), check=False)
    assert refused.status != 0
    assert len(proxy.came) == 1 and not other.came
    machine.run("netenforce", "status")
    assert f"{gateway}:{OTHER}" in machine.run("netenforce", "log", "--type", "blocked").out
    for listener in (proxy, other):
        listener.close()
