"""What a host's packet filter and links hold of netenforce."""

from __future__ import annotations

import json
from typing import Any

from .backend import fence_lines
from .host import Machine
from .process import wait_until


def rules(host: Machine) -> list[str]:
    """Every rule of the legacy tables, both families, and every line of the main fence's table."""
    shown = [host.run(f"{command}-legacy-save").out for command in ("iptables", "ip6tables")]
    lines = "".join(shown).splitlines()
    saved = [line for line in lines if line.startswith(("-A", "*", ":"))]
    return saved + fence_lines(host.netns)


def members(host: Machine, start: str) -> list[str]:
    """The rules or elements that are about a sender whose address begins so."""
    return [line for line in rules(host) if f"-s {start}" in line or f" . {start}" in line]


def _links(host: Machine) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(host.run("ip", "-json", "link", "show").out)
    return found


def macs(host: Machine) -> set[str]:
    """The MAC addresses of a host's own interfaces."""
    return {link["address"] for link in _links(host) if "address" in link}


def addresses(host: Machine) -> set[str]:
    """The IP addresses of a host's own interfaces, both families."""
    shown = json.loads(host.run("ip", "-json", "address", "show").out)
    return {entry["local"] for link in shown for entry in link["addr_info"] if "local" in entry}


RETIRED = "28261"  # the interface group of ports that wait to be deleted (link.h)


def our_links(host: Machine) -> list[str]:
    """Bridges ne-*, ports nv-* and stray peers nc-*, once retired ports have been deleted."""
    wait_until(
        lambda: not any(link.get("group") == RETIRED for link in _links(host)),
        "retired ports to be deleted",
        timeout=10,
    )
    names = (link["ifname"] for link in _links(host))
    return sorted(name for name in names if name.startswith(("ne-", "nv-", "nc-")))


def link(host: Machine, name: str) -> dict[str, Any]:
    """One interface with its addresses, as `ip -json -details` shows it."""
    found: dict[str, Any] = json.loads(
        host.run("ip", "-json", "-details", "address", "show", "dev", name).out
    )[0]
    return found
