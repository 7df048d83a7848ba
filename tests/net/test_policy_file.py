"""Policies in a file: read by the daemon at its start and on SIGHUP, and by the command."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import NETWORK, ROOT, Daemon, Member, network_body  # noqa: E402
from lab.listener import Listener  # noqa: E402
from lab.process import Result, wait_until  # noqa: E402

GATEWAY = "10.88.0.1"
OTHER = "b2" * 32
SCHEMA = json.loads((ROOT / "docs" / "policy.schema.json").read_text())


class World:
    """A daemon with a policy file, which is below what it takes for the host's root."""

    def __init__(self, folder: Path) -> None:
        self.daemon = Daemon(folder, options=("--policy-file", "/etc/policy.json"))
        self.file = self.daemon.root / "etc" / "policy.json"
        self.reads = 0

    def write(self, **networks: Any) -> None:
        """Write the file."""
        text = {"version": 1, "networks": networks}
        jsonschema.validate(text, SCHEMA)
        self.file.write_text(json.dumps(text, indent=1))

    def reread(self) -> str:
        """SIGHUP; return what the daemon says of it."""
        before = len(self.daemon.log())
        self.daemon._service.signal(signal.SIGHUP)  # type: ignore[union-attr]
        wait_until(lambda: "policy file" in self.daemon.log()[before:], "the file to be read")
        return self.daemon.log()[before:]

    def options(self, network: str = NETWORK) -> dict[str, str]:
        """What the network has been given."""
        answer: dict[str, str] = self.daemon.get(f"/v1/networks/{network}")["options"]
        return answer

    def policy(self, action: str, status: int, *more: str) -> Result:
        """The command, with the file."""
        done = self.daemon.command("policy", action, str(self.file), *more)
        assert done.status == status, done
        return done


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A file without any network."""
    made = World(tmp_path)
    made.write()
    made.daemon.start()
    yield made
    made.daemon.close()


@pytest.mark.parametrize("name", [NETWORK, f"ne-{NETWORK[:12]}", "10.88.0.0/24"])
def test_read_on_sighup(world: World, name: str) -> None:
    world.daemon.call("CreateNetwork", network_body(refuse="drop"))
    member = Member(world.daemon, 2)
    listener = Listener(world.daemon.netns, 9000)
    world.write(**{name: {"allow": [f"{GATEWAY}:9000/tcp"]}})
    assert "1 policies changed" in world.reread()
    # The file's is the whole policy: `refuse` has its default again.
    assert world.options() == {"allow": f"{GATEWAY}:9000/tcp"}
    assert member.connect(GATEWAY, 9000) == "open" and member.connect(GATEWAY, 9001) == "refused"
    world.write(**{name: {"deny": f"{GATEWAY}:9000/tcp"}})
    world.reread()
    assert member.connect(GATEWAY, 9000) == "refused"
    assert "0 policies changed" in world.reread()
    # What is no longer named keeps what it has.
    world.write()
    world.reread()
    assert world.options() == {"deny": f"{GATEWAY}:9000/tcp"}
    listener.close()


def test_read_at_the_start_and_for_networks_to_come(world: World) -> None:
    """The file goes before what `docker network create -o` gives, MTU and bridge aside."""
    mtu = {"com.docker.network.driver.mtu": "1400"}
    world.write(**{"10.88.0.0/24": {"refuse": "drop"}})
    world.daemon.restart()
    world.daemon.call("CreateNetwork", network_body(proxy="3128", **mtu))
    assert world.options() == {"refuse": "drop", **mtu}
    world.daemon.call("CreateNetwork", network_body(proxy="3128", **mtu))  # the engine's retry
    world.daemon.call("CreateNetwork", network_body(OTHER, "10.89.0", proxy="3128"))
    assert world.options(OTHER) == {"proxy": "3128"}
    # Where something else holds than the file says, what is asked for could be the stricter one.
    path = f"/v1/networks/{NETWORK}/policy"
    body = b'{"allow": "10.88.0.1:9000/tcp"}'
    assert world.daemon.ask("PATCH", path, body, control=True)[0] == 200
    again = world.daemon.try_call("CreateNetwork", network_body(proxy="3128", **mtu))
    assert "exists already" in str(again)
    world.write(**{"10.88.0.0/24": {"refuse": "reject"}})
    world.daemon.restart()
    assert world.options() == {"refuse": "reject", **mtu}


BAD = {
    '{"version": 1,\n "networks": {]}': r"line 2, column \d+",
    '{"version": 2, "networks": {}}': "version: accepted is 1",
    '{"version": 1}': "networks: accepted is an object",
    '{"version": 1, "networks": {}, "network": {}}': '"network" is unknown',
    '{"version": 1, "networks": {"10.88.0.0/24": []}}': '"10.88.0.0/24": accepted is an object',
    '{"version": 1, "networks": {"10.88.0.0/24": {"allow": ["x"]}}}': '"10.88.0.0/24": option allow',
    '{"version": 1, "networks": {"10.88.0.0/24": {"refuse": true}}}': "option refuse: accepted is",
    '{"version": 1, "networks": {"10.88.0.0/24": {"alow": ""}}}': '"alow".* is unknown',
    '{"version": 1, "networks": {"10.88.0.0/24": {}, "10.88.0.0/24": {}}}': "duplicate",
    '{"version": 1, "networks": {"10.88.0.0/24": {"com.docker.network.driver.mtu": "1"}}}':
        "no part of a policy",
    # Judged by what is there: another family, one network under two names.
    '{"version": 1, "networks": {"10.88.0.0/24": {"allow": "[2001:db8::1]:1/tcp"}}}': "is IPv6",
    f'{{"version": 1, "networks": {{"10.88.0.0/24": {{}}, "{NETWORK}": {{}}}}}}': "name it once",
}  # fmt: skip


@pytest.mark.parametrize(("text", "why"), BAD.items(), ids=range(len(BAD)))
def test_a_bad_file_changes_nothing(world: World, text: str, why: str) -> None:
    world.daemon.call("CreateNetwork", network_body())
    world.daemon.call("CreateNetwork", network_body(OTHER, "10.89.0"))
    world.write(**{"10.88.0.0/24": {"refuse": "drop"}, "10.89.0.0/24": {"refuse": "drop"}})
    world.reread()
    world.file.write_text(text)
    said = world.reread()
    assert re.search(why, said) and "what held before holds" in said, said
    assert world.options() == world.options(OTHER) == {"refuse": "drop"}
    # A network may still be made: it is known what the file said.
    world.daemon.call("DeleteNetwork", {"NetworkID": OTHER})
    world.daemon.call("CreateNetwork", network_body(OTHER, "10.89.0"))
    assert world.options(OTHER) == {"refuse": "drop"}
    if "name it once" not in why:
        assert re.search(why, world.policy("check", 1).err)


def test_a_file_that_was_never_good(world: World) -> None:
    """What runs is enforced; what would be made nobody knows the policy of."""
    world.daemon.call("CreateNetwork", network_body())
    world.file.unlink()
    world.daemon.restart()
    assert "cannot be opened" in world.daemon.log()
    assert world.daemon.get("/v1/status")["enforcement"]["in_place"]
    status, answer = world.daemon.try_call("CreateNetwork", network_body(OTHER, "10.89.0"))
    assert status != 200 and "policy file" in answer["Err"] and "SIGHUP" in answer["Err"]
    world.write()
    world.reread()
    world.daemon.call("CreateNetwork", network_body(OTHER, "10.89.0"))


def test_the_command(world: World) -> None:
    world.daemon.call(
        "CreateNetwork", network_body(allow=f"{GATEWAY}:1/tcp,{GATEWAY}:2/tcp", mode="audit")
    )
    world.write(**{"10.88.0.0/24": {"allow": f"{GATEWAY}:2/tcp,{GATEWAY}:3/tcp", "refuse": "drop"},
                   "10.99.0.0/24": {}})  # fmt: skip
    assert "10.99.0.0/24: accepted; no network is called so now" in world.policy("check", 0).out
    shown = world.policy("diff", 1)
    assert "no network is called so; accepted is a name, id, bridge or subnet" in shown.err and "\033" not in shown.out
    assert {" ".join(line.split()) for line in shown.out.splitlines()[1:]} == {
        f"- allow {GATEWAY}:1/tcp", f"+ allow {GATEWAY}:3/tcp", "+ refuse drop", "- mode audit",
    }  # fmt: skip
    assert "nothing was changed" in world.policy("apply", 1).err
    assert world.options()["mode"] == "audit"
    world.write(**{"10.88.0.0/24": {"allow": f"{GATEWAY}:2/tcp,{GATEWAY}:3/tcp", "refuse": "drop"}})
    told = json.loads(world.policy("apply", 0, "--json").out)["networks"]
    assert told == [{"name": "10.88.0.0/24", "network": NETWORK, "changed": True, "revision": 2}]
    assert world.options() == {"allow": f"{GATEWAY}:2/tcp,{GATEWAY}:3/tcp", "refuse": "drop"}
    assert json.loads(world.policy("diff", 0, "--json").out)["networks"][0]["differences"] == []


def test_the_schema_knows_every_option(world: World) -> None:
    """The grammar's keys, as a refused one lists them, are the schema's."""
    done = world.daemon.try_call("CreateNetwork", network_body(nonsense="1"))
    accepted = re.search(r"accepted are (.*)", done[1]["Err"])
    assert accepted is not None
    keys = {key.strip() for key in accepted[1].replace(" and ", ",").split(",")}
    known = set(SCHEMA["$defs"]["policy"]["properties"])
    assert {key for key in keys if not key.startswith("com.docker.")} <= known
    with pytest.raises(jsonschema.ValidationError):
        world.write(**{"10.88.0.0/24": {"alow": "x"}})
