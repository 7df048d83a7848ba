"""`make dist` and `make deb`: the same bytes each time, nothing that lintian would say, and all that
belongs into them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
INSIDE = "usr/lib/netenforce-plugin/plugin"
NAMES = ("netenforce", "netenforce-plugin")


def call(*argv: str, **more: object) -> str:
    """Run a command and return what it prints."""
    done = subprocess.run(argv, check=False, capture_output=True, text=True, **more)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return str(done.stdout)


def digest(path: Path) -> str:
    """Its SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def dist() -> Path:
    """The source's archive."""
    call("make", "-C", str(REPOSITORY), "dist")
    (found,) = (REPOSITORY / "build/dist").glob("netenforce-*.tar.gz")
    return found


@pytest.fixture(scope="module")
def built(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two builds, in surroundings that differ in what a build may see."""
    folders = []
    for name, more in (
        ("one", {"TZ": "UTC", "LC_ALL": "C.UTF-8"}),
        ("another-name", {"TZ": "Asia/Tokyo", "LC_ALL": "C", "DEB_BUILD_OPTIONS": "nocheck"}),
    ):
        folder = tmp_path_factory.mktemp(name) / "deb"
        call(
            *(str(REPOSITORY / "debian/build-packages"), str(dist), str(folder)),
            env=os.environ | more,
            umask=0o022 if name == "one" else 0o077,
        )
        folders.append(folder)
    one, other = folders
    return one, other


@pytest.fixture(scope="module")
def unpacked(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the packages have, each in one of its name."""
    folder = tmp_path_factory.mktemp("unpacked")
    for name in NAMES:
        (package,) = built[0].glob(f"{name}_*.deb")
        call("dpkg-deb", "-x", str(package), str(folder / name))
    return folder


def test_dist_is_the_same_twice_and_whole(dist: Path) -> None:
    before = digest(dist)
    call("make", "-C", str(REPOSITORY), "dist", umask=0o077)
    assert digest(dist) == before
    with tarfile.open(dist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames() if "/" in name}
        packed = {member.name.partition("/")[2] for member in archive if not member.isdir()}
    assert "Makefile" in names
    listed = call("git", "-C", str(REPOSITORY), "ls-tree", "-r", "--name-only", "-z", "HEAD")
    assert packed == set(listed.split("\0")) - {""}


def test_the_same_bytes_twice(built: tuple[Path, Path]) -> None:
    one, other = ({path.name: digest(path) for path in folder.glob("*.deb")} for folder in built)
    assert {name.partition("_")[0] for name in one} >= set(NAMES)
    assert one == other


def test_lintian_has_nothing_to_say(built: tuple[Path, Path]) -> None:
    (changes,) = built[0].glob("*.changes")
    said = call(
        *("lintian", "--allow-root", "--display-info", "--fail-on", "error,warning,info"),
        str(changes),
    )
    assert not said.strip()


def test_everything_is_in(unpacked: Path) -> None:
    host = unpacked / "netenforce"
    for file in (
        *("usr/sbin/netenforce", "usr/sbin/netenforced", "lib/systemd/system/netenforced.service"),
        *("usr/share/man/man8/netenforce.8.gz", "usr/share/man/man8/netenforced.8.gz"),
        *("usr/share/man/man5/netenforce-policy.5.gz", "usr/share/netenforce/policy.schema.json"),
        "usr/share/bash-completion/completions/netenforce",
        "usr/share/zsh/vendor-completions/_netenforce",
        "usr/share/fish/vendor_completions.d/netenforce.fish",
    ):
        assert (host / file).is_file(), file
    unit = (host / "lib/systemd/system/netenforced.service").read_text()
    assert "ExecStart=/usr/sbin/netenforced\n" in unit and "ExecReload=" in unit
    # The plugin's programs start with the loader and the libraries of its own root.
    root = unpacked / "netenforce-plugin" / INSIDE / "rootfs"
    assert "netenforce" in call("chroot", str(root), "/netenforced", "--version")
    (loader,) = root.glob("lib*/ld-linux*")
    call("chroot", str(root), f"/{loader.relative_to(root)}", "--list", "/usr/sbin/dnsmasq")


def test_links_lead_somewhere(unpacked: Path) -> None:
    """Those of the README and of the pages in docs; the changelog has a name of its own."""
    folder = unpacked / "netenforce/usr/share/doc/netenforce"
    for page in (folder / "README.md", *(folder / "docs").glob("*.md")):
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        dead = [link for link in links if not (page.parent / link).exists()]
        assert set(dead) <= {"CHANGELOG.md"}, (page, dead)


def test_bill_of_materials(unpacked: Path) -> None:
    """Each file is in it, with its checksum and where it is from."""
    plugin = unpacked / "netenforce-plugin"
    said = json.loads((plugin / "usr/share/doc/netenforce-plugin/sbom.spdx.json").read_text())
    root = plugin / INSIDE / "rootfs"
    there = {
        f"./{path.relative_to(root)}": digest(path) for path in root.rglob("*") if path.is_file()
    }
    sums = {
        one["fileName"]: sum_["checksumValue"]
        for one in said["files"]
        for sum_ in one["checksums"]
        if sum_["algorithm"] == "SHA256"
    }
    assert sums == there
    packages = {one["SPDXID"]: one for one in said["packages"]}
    contained = {
        one["relatedSpdxElement"]: packages[one["spdxElementId"]]
        for one in said["relationships"]
        if one["relationshipType"] == "CONTAINS"
    }
    assert set(contained) == {one["SPDXID"] for one in said["files"]}
    for one in said["files"]:
        name = Path(one["fileName"]).name
        ours = name in ("netenforced", "libsystemd.so.0")
        assert (contained[one["SPDXID"]]["name"] == "netenforce") == ours, name
    version = call("dpkg-query", "-W", "-f", "${Version}", "dnsmasq-base")
    assert version in {
        one["versionInfo"] for one in packages.values() if one["name"] == "dnsmasq-base"
    }
    linked = [
        packages[one["relatedSpdxElement"]]["name"]
        for one in said["relationships"]
        if one["relationshipType"] == "STATIC_LINK"
    ]
    assert linked == ["libmicrohttpd-dev"]
