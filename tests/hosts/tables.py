"""Which iptables the host's tools write through, and netenforce's rules."""

from __future__ import annotations

from lab import Lab
from lab.firewall import rules


def choose_tables(lab: Lab, kind: str) -> None:
    """As `update-alternatives --set iptables /usr/sbin/iptables-KIND`, "nft" or "legacy"."""
    for name in ("iptables", "ip6tables"):
        for tool in ("", "-save", "-restore"):
            link = lab.host.path(f"/etc/alternatives/{name}{tool}")
            link.unlink(missing_ok=True)
            link.symlink_to(f"/usr/sbin/{name}-{kind}{tool}")


def chosen_tables(lab: Lab) -> str:
    """The same, read."""
    return lab.host.path("/etc/alternatives/iptables").readlink().name.partition("-")[2]


def ours(lab: Lab) -> list[str]:
    """netenforce's rules of the main fence, in their order."""
    return [line for line in rules(lab.host) if "NETENFORCE" in line.upper()]
