"""Which backend writes the main fence in this run (FIREWALL), and how each is looked at and spoilt.

With FIREWALL=nftables the same tests run on the table of nf_tables. While its daemon lives nobody
else can change that table, where the kernel has such tables (6.9): `open_table()` is for tests that
need one that can be.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from .netns import Netns

NFTABLES = os.environ.get("FIREWALL") == "nftables"
FENCE = "inet netenforce_fence"

# What takes one of the legacy tables out of the way, and its like in nf_tables: the judge, the
# gates, the second gates.
_LIKE = {
    "raw": [f"{FENCE} prerouting"],
    "filter": [f"{FENCE} input", f"{FENCE} forward", f"{FENCE} output"],
    "security": ["inet netenforce input", "inet netenforce forward"],
}


def emptied(table: str) -> str:
    """The commands that empty it, of both families; chains that are not there are no failure."""
    if NFTABLES:
        return "; ".join(f"nft flush chain {chain} 2>&-||:" for chain in _LIKE[table])
    return "; ".join(f"{program}-legacy -t {table} -F" for program in ("iptables", "ip6tables"))


# What takes the whole main fence out of the way, and what takes its second gates. The first is
# refused in nf_tables while the daemon lives: see changes().
NO_FENCE = (
    f"nft delete table {FENCE}"
    if NFTABLES
    else "; ".join(emptied(table) for table in ("raw", "filter", "security", "nat", "mangle"))
)
NO_BACKSTOP = "nft delete table inet netenforce"


def changes(bridge: str) -> dict[str, str]:
    """What others can do to the main fence's table in nf_tables, where the kernel lets anybody."""
    return {
        "the gates emptied": f"nft flush chain {FENCE} input; nft flush chain {FENCE} forward",
        "the judge emptied": f"nft flush chain {FENCE} prerouting",
        "the whole table emptied": f"nft flush table {FENCE}",
        "the table removed": f"nft delete table {FENCE}",
        "the table asleep": f"nft add table {FENCE} '{{ flags dormant; }}'",
        "a member removed": f"nft flush map {FENCE} members4",
        "a member too many": f"nft add element {FENCE} members4"
        f" '{{ \"{bridge}\" . 10.88.0.77 . 02:00:00:00:00:99 : goto judge4-PASS }}'",
        "ACCEPT on top of a gate": f"nft insert rule {FENCE} input accept",
        "a policy that passes all": f"nft insert rule {FENCE} judge4-REFUSE accept",
        "a chain too many": f"nft add chain {FENCE} more",
    }


def open_table(build: Path) -> dict[str, str]:
    """The daemon's environment on a kernel whose tables can be changed by anybody."""
    if not NFTABLES:
        return {}
    return {"LD_PRELOAD": str(build / "tests/libfault.so"), "FAULT_ALWAYS": "owner"}


def legacy_rules(netns: Netns, word: str) -> list[str]:
    """Lines of all legacy tables, both families, that have the word."""
    found = []
    for program in ("iptables-legacy-save", "ip6tables-legacy-save"):
        found += [line for line in netns.run(program).out.split("\n") if word in line]
    return found


def fence_lines(netns: Netns) -> list[str]:
    """The main fence's table in nf_tables; chains and elements, whose order means nothing, are
    sorted, and who owns it just now is left out."""
    shown = netns.run("nft", "list", "table", *FENCE.split(), check=False).out

    def in_order(match: re.Match[str]) -> str:
        elements = sorted(element.strip() for element in match[1].split(","))
        return "\n".join(["elements", *elements])

    shown = re.sub(r" # progname .*|\tflags .*", "", shown)
    shown = re.sub(r"elements = \{(.*?)\}", in_order, shown, flags=re.DOTALL)
    head, _, chains = shown.partition("\tchain ")
    blocks = [head, *sorted(chains.removesuffix("}\n").split("\tchain "))]
    return [line for block in blocks for line in block.split("\n") if line.strip()]
