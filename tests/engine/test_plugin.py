"""The managed plugin's own life: install, disable, enable, upgrade, removal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Lab, Plugin, Scene, tcp
from lab.firewall import our_links, rules
from lab.lab import REPOSITORY
from lab.outside import OTHER
from lab.plugin import NAME
from lab.process import wait_until

SIZE_LIMIT = 10 << 20  # bytes
REGISTRY = ("127.0.0.1", 5000)
STORED = f"{REGISTRY[0]}:{REGISTRY[1]}/netenforce/driver:latest"


def check(scene: Scene) -> None:
    """The container reaches the proxy and nothing else."""
    scene.assert_proxy_works()
    scene.attempt(tcp(scene.network.gateway, 9000), tcp(OTHER, 80)).assert_refused()


def test_size() -> None:
    files = [path for path in (REPOSITORY / "build/plugin").rglob("*") if path.is_file()]
    assert 0 < sum(path.stat().st_size for path in files) < SIZE_LIMIT


def test_disabled_and_enabled(scene: Scene, plugin: Plugin) -> None:
    """While it is off, what runs stays enforced, and nothing new starts."""
    engine = scene.lab.engine
    steady = scene.start_steady()
    with scene.watch([scene.container], proxy_in_use=True) as verdict:
        steady.wait_for_line()
        engine("plugin", "disable", "-f", NAME)
        assert not plugin.pids()
        scene.assert_proxy_works()
        steady.wait_for_line()
        engine("plugin", "enable", NAME)
        plugin.wait()
        scene.assert_proxy_works()
    verdict.assert_nothing_arrived()
    steady.remove()
    check(scene)
    check(Scene(scene.lab, scene.network))


def test_settings_outlive_an_upgrade(lab: Lab, plugin: Plugin) -> None:
    engine = lab.engine
    shown = ("plugin", "inspect", "-f", "{{json .Settings}}", NAME)
    default = engine(*shown).out
    engine("plugin", "disable", "-f", NAME)
    engine("plugin", "set", NAME, "LOG_LEVEL=debug", "args=--event-files 3 --event-file-size 2MiB")
    engine("plugin", "enable", NAME)
    plugin.wait()
    told = engine(*shown).out
    assert told != default
    plugin.install()
    assert engine(*shown).out == told
    engine("plugin", "rm", "-f", NAME)
    plugin.install()
    assert engine(*shown).out == default


@pytest.fixture
def registry(clean: Lab, plugin: Plugin) -> Iterator[None]:
    """A registry of the host's own, for a while; then the usual plugin is there again."""
    folder = clean.folder / "registry"
    folder.mkdir()
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/store}}}}\n"
        f"http: {{addr: '{REGISTRY[0]}:{REGISTRY[1]}'}}\n"
    )
    service = clean.host.spawn("docker-registry", "serve", str(config), name="registry")
    url = f"http://{REGISTRY[0]}:{REGISTRY[1]}/v2/"
    asked = ("curl", "-sSf", "--noproxy", "*", url)
    wait_until(lambda: clean.host.run(*asked, check=False).status == 0, "the registry to answer")
    yield
    clean.engine("plugin", "rm", "-f", STORED, check=False)
    plugin.mend()
    service.stop()


def test_upgraded_from_a_registry(scene: Scene, plugin: Plugin, registry: None) -> None:
    """`docker plugin install` and `upgrade`: what runs stays enforced, and settings are kept."""
    engine = scene.lab.engine
    engine("plugin", "create", STORED, str(REPOSITORY / "build/plugin"))
    engine("plugin", "push", STORED)
    engine("plugin", "rm", STORED)
    steady = scene.start_steady()
    with scene.watch([scene.container], proxy_in_use=True) as verdict:
        steady.wait_for_line()
        engine("plugin", "rm", "-f", NAME)
        engine("plugin", "install", "--grant-all-permissions", STORED, "LOG_LEVEL=debug")
        plugin.wait()
        scene.assert_proxy_works()
        engine("plugin", "disable", "-f", STORED)
        engine("plugin", "upgrade", "--grant-all-permissions", "--skip-remote-check", STORED)
        scene.assert_proxy_works()
        steady.wait_for_line()
        engine("plugin", "enable", STORED)
        plugin.wait()
        steady.wait_for_line()
    verdict.assert_nothing_arrived()
    steady.remove()
    assert "LOG_LEVEL=debug" in engine.out("plugin", "inspect", "-f", "{{.Settings.Env}}", STORED)
    check(scene)
    check(Scene(scene.lab, scene.network))


def test_upgraded(scene: Scene, plugin: Plugin) -> None:
    """An upgrade is: remove with force, create again. Networks and containers live on."""
    engine = scene.lab.engine
    steady = scene.start_steady()
    with scene.watch([scene.container], proxy_in_use=True) as verdict:
        engine("plugin", "rm", "-f", NAME)
        scene.assert_proxy_works()
        steady.wait_for_line()
        plugin.install()
        steady.wait_for_line()
        scene.assert_proxy_works()
    verdict.assert_nothing_arrived()
    steady.remove()
    check(scene)
    check(Scene(scene.lab, scene.network))


def test_installed_over_itself(scene: Scene, plugin: Plugin) -> None:
    plugin.install()
    check(scene)


def test_log_level_can_be_set(clean: Lab, plugin: Plugin) -> None:
    engine = clean.engine
    for level in ("debug", "info"):
        engine("plugin", "disable", "-f", NAME)
        engine("plugin", "set", NAME, f"LOG_LEVEL={level}")
        engine("plugin", "enable", NAME)
        plugin.wait()
    assert "LOG_LEVEL=info" in engine.out("plugin", "inspect", "-f", "{{.Settings.Env}}", NAME)


def test_removed(clean: Lab, plugin: Plugin) -> None:
    """With its last network everything of it is gone; it can be removed without force."""
    Scene(clean, clean.engine.network("last")).remove()
    assert not our_links(clean.host)
    assert not [line for line in rules(clean.host) if "netenforce" in line.lower()]
    clean.engine("plugin", "disable", NAME)
    clean.engine("plugin", "rm", NAME)
    assert not plugin.pids()
    plugin.install()
    check(Scene(clean, clean.engine.network("next")))


def test_not_reachable_from_a_container(scene: Scene) -> None:
    """The driver's and the control socket are the host's alone."""
    listing = scene.container.sh("ls /run/docker /run/netenforce 2>&1", check=False)
    assert listing.status != 0
    for socket in ("/run/netenforce/control.sock", "/run/docker/plugins/netenforce.sock"):
        path: Path = scene.lab.host.path(socket)
        assert path.stat().st_uid == 0 and path.stat().st_mode & 0o007 == 0
