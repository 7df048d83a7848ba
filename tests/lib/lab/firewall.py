"""What a host's packet filter and links hold of netenforce."""

from __future__ import annotations

import json

from .host import Machine

TABLES = ("raw", "mangle", "nat", "filter")


def rules(host: Machine) -> str:
    """Every rule of the legacy tables, both families."""
    saved = [host.run(f"{command}-legacy-save").out for command in ("iptables", "ip6tables")]
    lines = "".join(saved).splitlines()
    return "\n".join(line for line in lines if line.startswith(("-A", "*", ":")))


def links(host: Machine) -> list[str]:
    """The names of a host's interfaces."""
    found = json.loads(host.run("ip", "-json", "link", "show").out)
    return sorted(link["ifname"] for link in found)


def our_links(host: Machine, prefix: str = "n") -> list[str]:
    """Bridges ne-*, ports nv-* and stray peers nc-*."""
    names = ("ne-", "nv-", "nc-") if prefix == "n" else (prefix,)
    return [name for name in links(host) if name.startswith(names)]


def link(host: Machine, name: str) -> dict[str, object]:
    """One interface with its addresses, as `ip -json -details` shows it."""
    found: dict[str, object] = json.loads(
        host.run("ip", "-json", "-details", "address", "show", "dev", name).out
    )[0]
    return found


def flush_ours(host: Machine) -> None:
    """Remove all that netenforce made in the kernel, as a reboot does."""
    for name in our_links(host):
        host.run("ip", "link", "delete", name, check=False)
    for command in ("iptables-legacy", "ip6tables-legacy"):
        for table in TABLES:
            host.run(command, "-t", table, "-F")
            host.run(command, "-t", table, "-X")
