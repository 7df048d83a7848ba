"""The dashboard and the alert rules: well-formed, and about metrics that there are."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from lab.daemon import ROOT, Daemon, network_body  # noqa: E402

DASHBOARD = json.loads((ROOT / "docs/monitoring/grafana.json").read_text())
ALERTS = yaml.safe_load((ROOT / "docs/monitoring/alerts.yaml").read_text())


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[set[str]]:
    """Names of the metrics that the daemon tells, a histogram's parts too."""
    daemon = Daemon(tmp_path_factory.mktemp("daemon")).start()
    daemon.call("CreateNetwork", network_body())
    told = daemon.command("metrics").out
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", told, re.MULTILINE))
    parts = {f"{name}_{part}" for name, kind in kinds.items() if kind == "histogram"
             for part in ("bucket", "sum", "count")}  # fmt: skip
    yield set(kinds) - {name for name, kind in kinds.items() if kind == "histogram"} | parts
    daemon.close()


def expressions() -> dict[str, str]:
    """Every expression, by where it stands."""
    found = {f"{panel['title']} {target['refId']}": target["expr"]
             for panel in DASHBOARD["panels"] for target in panel["targets"]}  # fmt: skip
    rules: list[dict[str, Any]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]
    return found | {rule["alert"]: rule["expr"] for rule in rules}


@pytest.mark.parametrize(("place", "expression"), expressions().items(), ids=expressions().keys())
def test_an_expression(metrics: set[str], place: str, expression: str) -> None:
    used = set(re.findall(r"\bnetenforce_\w+", expression))
    assert used and used <= metrics, (place, used - metrics)
    for opening, closing in ("()", "[]", "{}"):
        assert expression.count(opening) == expression.count(closing)


def test_the_dashboard() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = [(x, y) for panel in panels for place in [panel["gridPos"]]
             for x in range(place["x"], place["x"] + place["w"])
             for y in range(place["y"], place["y"] + place["h"])]  # fmt: skip
    assert len(set(taken)) == len(taken) and max(x for x, _ in taken) < 24


def test_the_alerts() -> None:
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
            assert rule["labels"]["severity"] in ("warning", "critical")
            assert set(rule["annotations"]) == {"summary", "description"}
