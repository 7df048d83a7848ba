"""The examples' addon for mitmproxy, alone: curl on the host, mitmproxy, the outside."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Lab
from lab.example import Example
from lab.outside import OTHER, WEB, WEB_NAME
from lab.packet import Packet
from lab.process import Result, Service

PAGE = "hello from outside\n"
LIST = f"# a comment\n{WEB}  # an address\n*.Example\nlocalhost\n"
PORT = 8088


class Gate:
    """A copy of the addon, its list, and a mitmproxy with both."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.example = Example(lab, "proxy")
        self.addon = self.example.folder / "approve.py"
        self.list = self.example.folder / "list"
        self.list.write_text(LIST)

    def start(self, program: str, *settings: str) -> Service:
        """Start `mitmweb` or `mitmdump` with the addon."""
        sets = [word for one in settings for word in ("--set", one)]
        browser = ["--no-web-open-browser"] if program == "mitmweb" else []
        return self.example.service(
            *(program, "--listen-host", "127.0.0.1", "--listen-port", str(PORT), *browser),
            *("-s", str(self.addon), "--set", f"approve_hosts={self.list}", *sets),
        )

    def curl(self, *arguments: str) -> Result:
        """Fetch through it."""
        authority = str(self.example.certificate)
        command = ("curl", "-sS", "--max-time", "30", "--cacert", authority)
        proxy = f"http://127.0.0.1:{PORT}"
        return self.lab.host.run(*command, "-x", proxy, *arguments, check=False)

    @contextlib.contextmanager
    def silence(self) -> Iterator[None]:
        """Nothing may get outside meanwhile: no connection, no question to the name server."""
        capture = self.lab.outside.capture
        capture.forget()
        yield
        seen: list[Packet] = capture.packets(lambda packet: True)
        assert not seen, "\n".join(map(str, seen))

    def assert_refused(self, words: str, *arguments: str) -> None:
        """curl gets status 403 with these words, and nothing gets outside."""
        with self.silence():
            result = self.curl("-w", "%{http_code}", *arguments)
        assert result.out == f"Refused by the proxy: {words}.\n403", str(result)


@pytest.fixture(scope="module")
def gate(lab: Lab) -> Iterator[Gate]:
    """mitmweb, whose person is away after a second."""
    made = Gate(lab)
    made.start("mitmweb", "approve_wait=1")
    made.example.wait_for_proxy("127.0.0.1", PORT)
    yield made
    made.example.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", [WEB, WEB_NAME.upper()])
def test_the_list_passes(gate: Gate, scheme: str, host: str) -> None:
    assert gate.curl(f"{scheme}://{host}/").out == PAGE


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", [OTHER, "example.com", "example", "198.51.100.20"])
def test_nobody_answers(gate: Gate, scheme: str, host: str) -> None:
    gate.assert_refused(f"nobody approved {host} in time", f"{scheme}://{host}/")


def test_what_a_request_names_must_agree(gate: Gate) -> None:
    """Behind one address may be many names."""
    words = f"it names several hosts: {WEB}, evil.example.org"
    gate.assert_refused(words, "-H", "Host: evil.example.org", f"http://{WEB}/")
    gate.assert_refused(words, "-H", "Host: evil.example.org", f"https://{WEB}/")
    words = f"it names several hosts: other.example, {WEB_NAME}"
    elsewhere = ("--connect-to", f"other.example:443:{WEB_NAME}:443")
    gate.assert_refused(words, *elsewhere, "https://other.example/")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "0.0.0.0", "169.254.169.254"])
def test_the_hosts_own_addresses(gate: Gate, address: str) -> None:
    """mitmweb's page is one: nobody is asked."""
    words = f"{address} is {address}, which is local to the proxy's own host"
    gate.assert_refused(words, f"http://{address}:8081/")


def test_a_name_that_leads_to_the_host_itself(gate: Gate) -> None:
    """It is even listed."""
    result = gate.curl("http://localhost:8081/")
    assert "localhost is 127.0.0.1, which is local" in result.out, str(result)


def test_what_is_no_http(gate: Gate) -> None:
    with gate.silence():
        gate.lab.host.run(
            *("curl", "-sS", "--max-time", "1", "-p", "-x", f"http://127.0.0.1:{PORT}"),
            f"telnet://{OTHER}:22",
            stdin="SSH-2.0-x\r\n",
            check=False,
        )


def test_too_many_wait(gate: Gate) -> None:
    many = ("--parallel", "--parallel-immediate", "--parallel-max", "200")
    with gate.silence():
        answers = gate.curl(*many, "http://192.0.2.[1-200]/").out
    assert "50 requests wait for approval already" in answers
    assert answers.count("Refused by the proxy") == 200, answers


def test_the_list_is_read_anew(gate: Gate) -> None:
    try:
        gate.list.write_text("example.com\n")
        assert gate.curl("https://example.com/").out == PAGE
        gate.assert_refused(f"nobody approved {WEB} in time", f"http://{WEB}/")
        gate.list.unlink()
        gate.assert_refused("the approval failed, see mitmproxy's log", "http://example.com/")
    finally:
        gate.list.write_text(LIST)


def test_nobody_is_asked(lab: Lab, gate: Gate) -> None:
    """With mitmdump there is no page. What would let something out early is overruled."""
    gate.example.close()
    early = ("connection_strategy=eager", "upstream_cert=true", "rawtcp=true")
    gate.start("mitmdump", "approve_wait=0", *early)
    gate.example.wait_for_proxy("127.0.0.1", PORT)
    gate.assert_refused("example.com is not on the list", "https://example.com/")
    assert gate.curl(f"https://{WEB}/").out == PAGE


def test_what_mitmproxy_does_not_look_into(lab: Lab, gate: Gate) -> None:
    """The last gate: it gets no request to judge."""
    gate.example.close()
    gate.start("mitmdump", "ignore_hosts=.*")
    gate.example.wait_for_proxy("127.0.0.1", PORT)
    with gate.silence():
        assert gate.curl("-k", "https://example.com/").status != 0
    assert gate.curl("-k", f"https://{WEB}/").out == PAGE


def test_an_addon_that_is_edited_ends_mitmproxy(lab: Lab, gate: Gate) -> None:
    """It would be loaded anew, with all answers lost, or not at all, with everything open."""
    gate.example.close()
    service = gate.start("mitmdump")
    gate.example.wait_for_proxy("127.0.0.1", PORT)
    gate.addon.write_text("not Python")
    service.wait()
    assert gate.curl(f"http://{WEB}/").status == 7  # connection refused


@pytest.mark.parametrize("spoil", ["list", "addon"])
def test_it_does_not_start_without(lab: Lab, spoil: str) -> None:
    gate = Gate(lab)
    {"list": gate.list, "addon": gate.addon}[spoil].unlink()
    assert gate.start("mitmdump").wait() != 0
