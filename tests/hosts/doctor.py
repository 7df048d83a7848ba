"""What `netenforce doctor` says on a lab host, and doing what it says."""

from __future__ import annotations

import json
from dataclasses import dataclass

from lab import Lab
from lab.daemon import BUILD


@dataclass(frozen=True)
class Finding:
    """One line of it."""

    level: str
    check: str
    found: str
    advice: str = ""


def findings(lab: Lab) -> list[Finding]:
    """All that it finds."""
    done = lab.host.run(str(BUILD / "netenforce"), "doctor", "--json", env=lab.engine.env, check=False)
    return [Finding(**item) for item in json.loads(done.out)["findings"]]


def complaints(lab: Lab) -> dict[str, Finding]:
    """What is not good, by its check."""
    return {item.check: item for item in findings(lab) if item.level != "good"}


def follow(lab: Lab, finding: Finding) -> None:
    """Type in the advice as it stands there."""
    lab.host.run("sh", "-c", finding.advice)
