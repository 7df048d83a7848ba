"""Debian packages that a lab host has and the machine does not.

Installing firewalld starts it where systemd is: so its packages, and whatever they need that is
missing here, are unpacked into a folder and laid over the lab host's /usr and /etc.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from .host import Host
from .process import run


def fetch(cache: Path, *packages: str) -> Path:
    """Download and unpack them once; return the folder that holds their files."""
    cache = cache / "-".join(packages)
    root = cache / "root"
    if root.exists():
        return root
    archives, fresh = cache / "archives", cache / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    run("apt-get", "update", "-q")
    run(
        *("apt-get", "install", "-q", "-y", "--download-only", "--reinstall"),
        *("--no-install-recommends", "-o", f"Dir::Cache::archives={archives}", *packages),
        timeout=300,
    )
    for archive in sorted(archives.glob("*.deb")):
        run("dpkg-deb", "--extract", str(archive), str(fresh))
    for folder in ("lib", "sbin", "bin"):  # /usr is merged where these come from, not in them
        if (fresh / folder).is_dir():
            shutil.copytree(fresh / folder, fresh / "usr" / folder, symlinks=True, dirs_exist_ok=True)
    fresh.rename(root)
    return root


def lay_over(host: Host, root: Path) -> None:
    """Give the host what was fetched."""
    host.run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={root}/usr:/usr", "/usr")
    run("cp", "-aT", str(root / "etc"), str(host.path("/etc")))


def lay_firewalls_over(host: Host, cache: Path) -> None:
    """Give the host ufw and firewalld, as they are just after their installation."""
    root = fetch(cache, "ufw", "firewalld")
    for name in ("ufw", "firewalld"):
        shutil.rmtree(host.path(f"/etc/{name}"), ignore_errors=True)
    lay_over(host, root)
    # What ufw's postinst does:
    share = root / "usr/share/ufw"
    more = [share / name for name in ("ufw.conf", "before.init", "after.init")]
    for path in [*(share / "iptables").glob("*.rules"), *more]:
        shutil.copy(path, host.path(f"/etc/ufw/{path.name}"))
