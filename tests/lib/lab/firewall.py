"""What a host's packet filter and links hold of netenforce."""

from __future__ import annotations

import json
from typing import Any

from .host import Machine


def rules(host: Machine) -> str:
    """Every rule of the legacy tables, both families."""
    saved = [host.run(f"{command}-legacy-save").out for command in ("iptables", "ip6tables")]
    lines = "".join(saved).splitlines()
    return "\n".join(line for line in lines if line.startswith(("-A", "*", ":")))


def _links(host: Machine) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(host.run("ip", "-json", "link", "show").out)
    return found


def macs(host: Machine) -> set[str]:
    """The MAC addresses of a host's own interfaces."""
    return {link["address"] for link in _links(host) if "address" in link}


def our_links(host: Machine) -> list[str]:
    """Bridges ne-*, ports nv-* and stray peers nc-*."""
    names = (link["ifname"] for link in _links(host))
    return sorted(name for name in names if name.startswith(("ne-", "nv-", "nc-")))


def link(host: Machine, name: str) -> dict[str, Any]:
    """One interface with its addresses, as `ip -json -details` shows it."""
    found: dict[str, Any] = json.loads(
        host.run("ip", "-json", "-details", "address", "show", "dev", name).out
    )[0]
    return found
