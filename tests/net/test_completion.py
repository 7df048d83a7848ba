"""Completion, by the shells themselves: what they offer for a line that has been begun."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import (  # noqa: E402
    BUILD,
    NETWORK,
    ROOT,
    Daemon,
    endpoint_body,
    endpoint_id,
    network_body,
)
from lab.process import wait_until  # noqa: E402

NET, END = NETWORK[:12], endpoint_id(2)[:12]
KEYS = set(json.loads((ROOT / "docs/policy.schema.json").read_text())["$defs"]["policy"]["properties"])


@pytest.fixture(scope="module")
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A daemon with one network and one endpoint; no engine knows their names."""
    daemon = Daemon(tmp_path_factory.mktemp("daemon")).start()
    daemon.call("CreateNetwork", network_body())
    daemon.call("CreateEndpoint", endpoint_body(2))
    yield str(daemon.control)
    daemon.close()


def environment() -> dict[str, str]:
    """Shells without anybody's settings, that find the command."""
    return {"PATH": f"{BUILD}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent", "TERM": "xterm",
            "LC_ALL": "C.UTF-8"}  # fmt: skip


def bash(line: str) -> set[str]:
    """By its own function, as the shell calls it."""
    words = line.split(" ")
    script = f"""
        source {ROOT}/completion/netenforce.bash
        compopt() {{ :; }}
        COMP_WORDS=({" ".join(f"'{word}'" for word in words)}) COMP_CWORD={len(words) - 1}
        _netenforce
        printf '%s\\n' "${{COMPREPLY[@]}}"
        complete -p netenforce >&2"""
    done = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, check=True, env=environment()
    )
    assert "-F _netenforce netenforce" in done.stderr
    return set(done.stdout.split())


def fish(line: str) -> set[str]:
    """By `complete -C`, which prints what Tab would offer."""
    script = f"source {ROOT}/completion/netenforce.fish; complete -C '{line}'"
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["fish", "--no-config", "-c", script],
            capture_output=True, text=True, check=True, env=environment() | {"HOME": folder},
        )  # fmt: skip
    assert done.stderr == ""
    return {offer.split("\t")[0] for offer in done.stdout.splitlines()}


ZSHRC = """
    fpath=($COMPLETION $fpath)
    autoload -Uz compinit
    compinit -D -u
    PS1='' PS2='' RPS1=''
    setopt no_beep
    LISTMAX=0
    compadd() { # what is offered is written down, too
        local -a offered
        if [[ " $* " != *" -"[OAD]" "* ]]; then
            builtin compadd -O offered "$@"
            (( $#offered )) && print -rl -- $offered >>$OFFERS
        fi
        builtin compadd "$@"
    }
"""


def zsh(line: str) -> set[str]:
    """At a terminal, by Tab."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / ".zshrc").write_text(ZSHRC)
        offers = Path(folder) / "offers"
        offers.touch()
        settings = environment() | {
            "ZDOTDIR": folder, "OFFERS": str(offers), "COMPLETION": str(ROOT / "completion"),
        }  # fmt: skip
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve("/usr/bin/zsh", ["zsh", "-d", "-i"], settings)
        try:
            talk(terminal, "print RE''ADY-NOW\r", "READY-NOW")
            os.write(terminal, f"{line}\t".encode())
            # What is typed meanwhile would end the completion.
            wait_until(lambda: offers.stat().st_size > 0, "an offer", timeout=20)
            # Control-U takes away what the list has left of the line.
            talk(terminal, "\x15print DO''NE-NOW\r", "DONE-NOW")
            return set(offers.read_text().split())
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            os.close(terminal)


def talk(terminal: int, text: str, until: str) -> None:
    """Type, and read until the answer is there."""
    os.write(terminal, text.encode())
    seen = ""
    deadline = time.monotonic() + 20
    while until not in seen:
        if not select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0]:
            raise TimeoutError(f"no {until!r} in {seen!r}")
        seen += os.read(terminal, 65536).decode(errors="replace")


SHELLS: dict[str, Callable[[str], set[str]]] = {"bash": bash, "zsh": zsh, "fish": fish}


@pytest.fixture(params=SHELLS, ids=SHELLS.keys())
def offers(request: pytest.FixtureRequest, socket: str) -> Callable[[str], set[str]]:
    """What a shell offers behind `netenforce --socket SOCKET `."""
    shell = SHELLS[request.param]
    return lambda line: shell(f"netenforce --socket {socket} {line}")


def test_commands(offers: Callable[[str], set[str]]) -> None:
    assert {"status", "ls", "policy", "explain", "verify", "doctor", "log", "metrics"} <= offers("")
    assert offers("po") == {"policy"}
    assert {"show", "set", "rm", "check", "diff", "apply", "suggest"} <= offers("policy ")
    assert "--json" in offers("-")


def test_names(offers: Callable[[str], set[str]]) -> None:
    assert NET in offers("verify ") and END in offers("explain ")
    assert NET in offers("policy show ") and f"{NET}/{END}" in offers(f"policy show {NET}/")


def test_keys(offers: Callable[[str], set[str]]) -> None:
    """Those of the grammar, and no others."""
    assert {key.rstrip("=") for key in offers(f"policy set {NET} ")} == KEYS | {"role"}
    assert offers(f"policy rm {NET} ") == KEYS | {"role"}


def test_the_command_names(socket: str) -> None:
    def names(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            [str(BUILD / "netenforce"), "--socket", socket, "names", *words],
            capture_output=True, text=True, check=False, env=environment(),
        )  # fmt: skip
        return done.returncode, done.stdout

    assert names("networks") == (0, f"{NET}\n") and names("endpoints") == (0, f"{END}\n")
    assert names("subjects", "") == (0, f"{NET}\n")
    assert names("subjects", f"{NET}/x") == (0, f"{NET}/{END}\n")
    assert names("nothing")[0] == 2 and names("subjects", "zzz/")[0] == 1
