"""Commands and services: run, waited for, and ended by their own pid only."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

TAIL = 4000  # characters of a log that an error repeats


@dataclass(frozen=True)
class Result:
    """What a finished command left."""

    argv: tuple[str, ...]
    status: int
    out: str
    err: str
    seconds: float

    def __str__(self) -> str:
        return (
            f"{' '.join(self.argv)}\n  status {self.status} after {self.seconds:.2f} s"
            f"\n  out: {self.out.strip()[-TAIL:]}\n  err: {self.err.strip()[-TAIL:]}"
        )


class CommandError(Exception):
    """A command that had to succeed failed."""

    def __init__(self, result: Result) -> None:
        super().__init__(str(result))
        self.result = result


def run(
    *argv: str,
    check: bool = True,
    stdin: str = "",
    timeout: float = 120,
    env: Mapping[str, str] | None = None,
) -> Result:
    """Run a command to its end; raise CommandError if `check` and it fails."""
    started = time.monotonic()
    done = subprocess.run(
        argv,
        input=stdin,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        env={**os.environ, **(env or {})},
        check=False,
    )
    result = Result(argv, done.returncode, done.stdout, done.stderr, time.monotonic() - started)
    if check and result.status != 0:
        raise CommandError(result)
    return result


def wait_until(
    condition: Callable[[], object], what: str, timeout: float = 30, pause: float = 0.02
) -> None:
    """Poll `condition` until it is true: for what announces itself by no event. OSError is 'no'."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            if condition():
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout:g} s in vain for: {what}")
        time.sleep(pause)


class Service:
    """A process in the background, with its output in a file.

    It may be started through nsenter(1), which forks for a new pid namespace: `pid` is then the
    command's own, as this process sees it.
    """

    def __init__(self, argv: list[str], log: Path, entered: bool = False) -> None:
        self.log = log
        self._name = argv[argv.index("--") + 1] if "--" in argv else argv[0]
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is ours to handle
            )
        self.pid = self._popen.pid
        if entered:
            wait_until(self._find_child, f"{self._name} to be started", timeout=10, pause=0.002)

    def _find_child(self) -> bool:
        outer = self._popen.pid
        children = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()
        if children:
            self.pid = int(children[0])
        elif self._popen.poll() is not None:
            raise RuntimeError(f"{self._name} ended at once: {self.tail()}")
        return bool(children)

    def running(self) -> bool:
        """Whether it still runs."""
        return self._popen.poll() is None

    def tail(self) -> str:
        """The end of what it printed."""
        return self.log.read_text(errors="replace")[-TAIL:]

    def signal(self, number: int) -> None:
        """Send a signal to the command; one that has ended gets none."""
        if self.running():
            os.kill(self.pid, number)

    def wait(self, timeout: float = 60) -> int:
        """Wait for its end; return its status."""
        return self._popen.wait(timeout)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self, timeout: float = 60) -> None:
        """End it with SIGTERM, and with SIGKILL if that doesn't help in time."""
        self.signal(signal.SIGTERM)
        try:
            self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
