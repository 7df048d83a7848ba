"""Rootless Docker: the daemon finds itself in a user namespace, and refuses with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.daemon import BUILD
from lab.process import run

MAPS = {
    "root alone": ("--map-root-user",),
    "nobody": (),
}


@pytest.mark.parametrize("maps", MAPS.values(), ids=MAPS.keys())
def test_it_is_refused(tmp_path: Path, maps: tuple[str, ...]) -> None:
    tmp_path.chmod(0o777)
    control = tmp_path / "control.sock"
    done = run(
        *("unshare", "--user", *maps, "--net", "--mount", "--"),
        *(str(BUILD / "netenforced"), "--state-dir", str(tmp_path / "state")),
        *("--plugin-socket", str(tmp_path / "plugin.sock"), "--control-socket", str(control)),
        check=False,
    )
    assert done.status == 1, done
    [line] = done.err.splitlines()
    assert line.startswith("error netenforced does not start: this is a user namespace")
    assert "rootless Docker" in line and "as root" in line
    assert list(tmp_path.iterdir()) == []
