"""What programs read: --json of metrics, names and log, beside an engine that knows the names."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import (  # noqa: E402
    BUILD,
    NETWORK,
    Daemon,
    endpoint_body,
    endpoint_id,
    network_body,
)
from lab.events import history, metrics  # noqa: E402
from lab.process import Result, run  # noqa: E402
from lab.stand_in import StandIn  # noqa: E402

CONTAINER = 'worker "ü"'


class Host:
    """A daemon with one network and two endpoints; the engine knows the container of the first."""

    def __init__(self, folder: Path) -> None:
        self.daemon = Daemon(folder).start()
        found = {"c2": {"Name": CONTAINER, "EndpointID": endpoint_id(2)}}
        network = {"Id": NETWORK, "Name": "sandbox", "Containers": found}
        answers = {f"/networks/{named}": network for named in (NETWORK, "sandbox")}
        self.engine = StandIn(folder / "docker.sock", answers)
        self.daemon.call("CreateNetwork", network_body())
        for number in (2, 3):
            self.daemon.call("CreateEndpoint", endpoint_body(number))

    def command(self, *words: str) -> Result:
        """netenforce, which asks that engine."""
        return run(
            "env", f"DOCKER_HOST=unix://{self.engine.path}", str(BUILD / "netenforce"),
            "--socket", str(self.daemon.control), *words, check=False,
        )  # fmt: skip

    def close(self) -> None:
        """Remove it all."""
        self.engine.close()
        self.daemon.close()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    made = Host(tmp_path_factory.mktemp("host"))
    yield made
    made.close()


class TextServer:
    """Says that to whoever asks."""

    def __init__(self, path: Path, said: bytes) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._said = said
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        client, _ = self._socket.accept()
        with client:
            client.recv(4096)
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(self._said)}\r\n\r\n"
            client.sendall(head.encode() + self._said)

    def close(self) -> None:
        """End it."""
        self._thread.join()
        self._socket.close()
        self.path.unlink()


def answer(done: Result) -> Any:
    """What a command that went well has said."""
    assert done.status == 0 and done.err == "", done
    return json.loads(done.out)


def as_written(name: str, labels: dict[str, str]) -> str:
    """As the Prometheus text has it."""
    pairs = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return f"{name}{{{pairs}}}" if pairs else name


def test_metrics(host: Host) -> None:
    """The same names, labels and numbers as in the text; what the two looks themselves add differs."""
    told = answer(host.command("metrics", "--json"))
    found = {
        as_written(name, sample["labels"]): sample["value"]
        for name, samples in told.items()
        for sample in samples
    }
    expected = metrics(host.daemon.control)
    own = 'method="control GET"'
    assert {name for name in found if own not in name} == {name for name in expected if own not in name}
    assert {name: value for name, value in found.items() if own not in name} == {
        name: value for name, value in expected.items() if own not in name
    }
    assert told["netenforce_networks"] == [{"labels": {}, "value": 1}]
    assert type(told["netenforce_networks"][0]["value"]) is int
    assert type(told["netenforce_request_duration_seconds_sum"][0]["value"]) is float


def test_metrics_text_is_read_whole_or_refused(tmp_path: Path) -> None:
    for said, expected in (
        (
            b'a{x="q\\"u\\\\o\\nte, }",y=""} 1.5\n',
            {"a": [{"labels": {"x": 'q"u\\o\nte, }', "y": ""}, "value": 1.5}]},
        ),
        (b"# TYPE a gauge\n", {}),
        (b"<html>\n", None),
        (b'a{x="y\n', None),
        (b"a{x} 1\n", None),
        (b"a b\n", None),
        (b"a" * 2000 + b" 1\n", None),
    ):
        server = TextServer(tmp_path / "text.sock", said)
        done = run(
            str(BUILD / "netenforce"), "--socket", str(server.path), "metrics", "--json", check=False
        )
        server.close()
        if expected is None:
            assert done.status == 1 and "is not netenforced" in done.err and done.out == "", done
        else:
            assert answer(done) == expected


def test_names(host: Host) -> None:
    second = endpoint_id(3)[:12]
    assert answer(host.command("names", "networks", "--json")) == {"names": ["sandbox"]}
    assert answer(host.command("names", "endpoints", "--json")) == {"names": [CONTAINER, second]}
    below = [f"sandbox/{CONTAINER}", f"sandbox/{second}"]
    assert answer(host.command("names", "subjects", "sandbox/", "--json")) == {"names": below}
    assert host.command("names", "endpoints").out == f"{CONTAINER}\n{second}\n"


def test_log(host: Host) -> None:
    """The daemon's own lines, with the container where the engine knows it."""
    lines = host.command("log", "--json").out.splitlines()
    events = [json.loads(line) for line in lines]
    expected = history(host.daemon.control)
    for event in expected:
        if event.get("endpoint") == endpoint_id(2):
            event["container"] = CONTAINER
    assert events == expected
    assert [event.get("container") for event in events if event["type"] == "endpoint"] == [CONTAINER, None]
    assert f'"endpoint":"{endpoint_id(2)}","container":' in lines[1]
