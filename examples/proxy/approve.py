"""A mitmproxy addon that judges requests by their host (tried with mitmproxy 8).

    mitmweb  -s approve.py --set approve_hosts=hosts.txt
    mitmdump -s approve.py --set approve_hosts=hosts.txt --set approve_wait=0

Hosts of the list pass. A request to another host waits in mitmweb's page: Resume approves the host,
Abort denies it, and the answer holds for it until mitmproxy ends. A request that nobody answers for
`approve_wait` seconds is denied, but its host is asked for again. With 0 nobody is asked.

Nothing goes to a host before it is approved, not even a question to a name server. What this needs
beyond mitmproxy's usual behaviour: connections are made late, only HTTP passes, and the address
that was judged is the one that is connected to.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import time
from pathlib import Path

from mitmproxy import ctx, exceptions, hooks, http
from mitmproxy.addonmanager import Loader
from mitmproxy.flow import Error
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

MOST_WAITING = 50  # requests; more are denied, so that the page stays readable
LOOK_EVERY = 0.1  # seconds; mitmproxy tells an addon of no click
NEEDED = {"connection_strategy": "lazy", "upstream_cert": False, "rawtcp": False}


def refusal(reason: str) -> http.Response:
    """The answer to a request that may not pass."""
    text = f"Refused by the proxy: {reason}.\n"
    return http.Response.make(403, text, {"Content-Type": "text/plain"})


def names(flow: http.HTTPFlow) -> set[str]:
    """The hosts that a request names: where it goes, its Host header, its TLS server name."""
    named = (flow.request.host, flow.request.pretty_host, flow.client_conn.sni)
    return {name.lower() for name in named if name}


def trouble(host: str, listed: bool, address: str) -> str:
    """Why a host that is allowed may not lead to this address; empty if it may."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if ip.is_loopback or ip.is_unspecified or ip.is_link_local or ip.is_multicast:
        return f"{host} is {address}, which is local to the proxy's own host"
    if not ip.is_global and not listed and host != address:
        return f"{host} is {address}, a private address: list the name, or ask for the address"
    return ""


class Approve:
    """See the file's head."""

    def __init__(self) -> None:
        self._answers: dict[str, bool] = {}  # what a person said, by host
        self._waiting = 0

    def load(self, loader: Loader) -> None:
        loader.add_option("approve_hosts", str, "hosts.txt", "File: a HOST or *.DOMAIN a line.")
        loader.add_option("approve_wait", int, 300, "Seconds to wait for a person; 0 asks nobody.")
        ctx.options.update(**NEEDED)

    def configure(self, updated: set[str]) -> None:
        for option, value in NEEDED.items():
            if getattr(ctx.options, option) != value:
                raise exceptions.OptionsError(f"approve.py needs {option}={value}")
        try:
            self._listed("")
        except (OSError, ValueError) as error:
            raise exceptions.OptionsError(f"approve_hosts: {error}") from error

    def done(self) -> None:
        """mitmproxy ends, or this file was changed: then it would go on without, or ask all anew."""
        ctx.master.shutdown()

    async def request(self, flow: http.HTTPFlow) -> None:
        """A request has come, and nothing of it was sent on."""
        if flow.response:  # by mitmproxy itself: http://mitm.it
            return
        reason = "the approval failed, see mitmproxy's log"  # stands if the next line raises
        try:
            reason = await self._judge(flow)
        finally:
            if reason:
                ctx.log.info(f"refused: {flow.request.method} {flow.request.url}: {reason}")
                flow.response = refusal(reason)

    async def server_connect(self, data: ServerConnectionHookData) -> None:
        """A connection is due, whatever for: the last gate."""
        data.server.error = "the approval failed, see mitmproxy's log"
        host, port = data.server.address[0].lower(), data.server.address[1]
        listed = self._listed(host)
        if not listed and not self._answers.get(host):
            data.server.error = f"{host} was not approved"
            return
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            data.server.error = f"{host}: {error}"
            return
        address = found[0][4][0]
        data.server.error = trouble(host, listed, address) or None
        data.server.address = (address, port)  # no second look-up, which could answer otherwise

    def _listed(self, host: str) -> bool:
        """Whether the list, as it is now, has the host."""
        for line in Path(ctx.options.approve_hosts).read_text().splitlines():
            entry = line.partition("#")[0].strip().lower()
            if entry == host or (entry.startswith("*.") and host.endswith(entry[1:])):
                return bool(host)
        return False

    async def _judge(self, flow: http.HTTPFlow) -> str:
        """Why a request may not pass; empty if it may."""
        host = flow.request.host.lower()
        if names(flow) != {host}:
            return f"it names several hosts: {', '.join(sorted(names(flow)))}"
        with contextlib.suppress(ValueError):  # of names
            if reason := trouble(host, True, host):
                return reason
        if self._listed(host):
            return ""
        if host not in self._answers:
            if reason := await self._ask(flow, host):
                return reason
        return "" if self._answers[host] else f"{host} was denied"

    async def _ask(self, flow: http.HTTPFlow, host: str) -> str:
        """Wait for a person's answer for the host; why there is none, or empty."""
        if not ctx.options.approve_wait:
            return f"{host} is not on the list"
        if self._waiting >= MOST_WAITING:
            return f"{MOST_WAITING} requests wait for approval already"
        ctx.log.alert(f"{host} waits for approval: {flow.request.method} {flow.request.url}")
        until = time.monotonic() + ctx.options.approve_wait
        self._waiting += 1
        flow.intercept()
        ctx.master.addons.trigger(hooks.UpdateHook([flow]))  # shows it in the page
        try:
            while flow.intercepted and host not in self._answers and time.monotonic() < until:
                await asyncio.sleep(LOOK_EVERY)
        finally:
            self._waiting -= 1
            answered = not flow.intercepted
            flow.resume()
        if answered:
            aborted = flow.error and flow.error.msg == Error.KILLED_MESSAGE
            self._answers[host] = not aborted
            flow.error = None  # an aborted flow would end without an answer to the client
        return "" if host in self._answers else f"nobody approved {host} in time"


addons = [Approve()]
