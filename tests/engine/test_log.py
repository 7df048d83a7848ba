"""netenforce log beside an engine: it gives containers their names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lab import Lab, Network, tcp
from lab.process import wait_until

Create = Callable[..., Network]
COMMAND = Path(__file__).resolve().parents[2] / "build/netenforce"


def test_containers_have_names(clean: Lab, create: Create) -> None:
    network = create()
    container = clean.engine.start("--network", network.name)
    name = container.inspect()["Name"].lstrip("/")

    def log(*words: str) -> list[str]:
        argv = (str(COMMAND), "log", "--network", network.name, *words)
        return clean.host.run(*argv, env=clean.engine.env).out.splitlines()

    joined = [line.split() for line in log("--type", "endpoint")]
    assert [line[2:] for line in joined] == [
        ["endpoint", name, "created"],
        ["endpoint", name, "joined"],
    ]
    container.probe(tcp(network.gateway, 9000))

    def about_it() -> list[str]:
        # Not the kernel's own frames of a container without IPv6, which the guard counts.
        return [line for line in log("--type", "blocked") if ":9000/" in line]

    wait_until(about_it, "the event")
    refused = about_it()[0]
    assert f"blocked  {name}  " in refused and f"> {network.gateway}:9000/tcp SYN" in refused
    container.remove()
    assert log("--type", "endpoint")[-1].split()[-1] == "deleted"
