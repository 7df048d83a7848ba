"""Images, made of the machine's own files: nothing is pulled.

`busybox` holds busybox-static. `tools` holds curl, python3 and busybox with the libraries that they
name. `attacker` holds dig besides, and the program of tests/attacks. `redis` holds Redis and
busybox. `mitmproxy` holds the tools and mitmdump. All are tar files for `docker import`, kept in build/cache/images.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
from collections.abc import Iterable
from pathlib import Path

from .process import run

BUSYBOX = Path("/bin/busybox")
DIG = Path("/usr/bin/dig")
MITMDUMP = Path("/usr/bin/mitmdump")
PACKAGES = Path("/usr/lib/python3/dist-packages")
REDIS = {  # name in the image: of what; the server is the same program
    "redis-cli": Path("/usr/bin/redis-cli"),
    "redis-server": Path("/usr/bin/redis-check-rdb"),
}
ATTACKER = Path(__file__).resolve().parents[3] / "build/tests/attacker"  # tests/attacks/attacker.c
PROGRAMS = (Path("/usr/bin/curl"), Path("/usr/bin/python3").resolve())
STDLIB_LEFT_OUT = {
    *("test", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip"),
    *("distutils", "pydoc_data", "dist-packages", "unittest", "sqlite3"),
}


def _add_file(tar: tarfile.TarFile, source: Path, name: str) -> None:
    """Add a file's content under a name; links are followed."""
    info = tar.gettarinfo(str(source.resolve()), name.lstrip("/"))
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    if info.islnk():  # tarfile saw the same inode before: repeat the content
        info.type, info.size = tarfile.REGTYPE, source.stat().st_size
    with source.open("rb") as content:
        tar.addfile(info, content)


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(text)
    tar.addfile(info, io.BytesIO(text.encode()))


def _add_link(tar: tarfile.TarFile, name: str, target: str) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    tar.addfile(info)


def _add_busybox(tar: tarfile.TarFile) -> None:
    _add_file(tar, BUSYBOX, "bin/busybox")
    for applet in run(str(BUSYBOX), "--list").out.split():
        if applet != "busybox":
            _add_link(tar, f"bin/{applet}", "busybox")
    _add_text(tar, "etc/passwd", "root:x:0:0:root:/:/bin/sh\n")
    _add_text(tar, "etc/group", "root:x:0:\n")


def _libraries(programs: Iterable[Path]) -> set[str]:
    """What the dynamic loader opens for them, the loader included."""
    listing = run("ldd", *map(str, programs), check=False).out
    return set(re.findall(r"(/\S+)\s+\(0x", listing))


def _add_tools(tar: tarfile.TarFile) -> None:
    _add_busybox(tar)
    _add_text(tar, "etc/nsswitch.conf", "hosts: files dns\n")
    python = PROGRAMS[1]
    stdlib = Path("/usr/lib") / python.name
    modules: list[Path] = []
    for folder, folders, files in os.walk(stdlib):
        folders[:] = [name for name in folders if name not in STDLIB_LEFT_OUT]
        folders[:] = [name for name in folders if not name.startswith("config-")]
        modules += [Path(folder, name) for name in files if name.endswith((".py", ".so", ".pyc"))]
    extensions = [path for path in modules if path.suffix == ".so"]
    for program in PROGRAMS:
        _add_file(tar, program, f"usr/bin/{program.name}")
    _add_link(tar, "usr/bin/python3", python.name)
    for library in sorted(_libraries([*PROGRAMS, *extensions])):
        _add_file(tar, Path(library), library)
    for module in sorted(modules):
        _add_file(tar, module, str(module))


def _add_attacker(tar: tarfile.TarFile) -> None:
    _add_tools(tar)
    _add_file(tar, DIG, "usr/bin/dig")
    there = {f"/{name}" for name in tar.getnames()}
    for library in sorted(_libraries([DIG]) - there):
        _add_file(tar, Path(library), library)
    _add_file(tar, ATTACKER, "bin/attacker")


def _add_redis(tar: tarfile.TarFile) -> None:
    _add_busybox(tar)
    for name, program in REDIS.items():
        _add_file(tar, program, f"usr/bin/{name}")
    for library in sorted(_libraries(REDIS.values())):
        _add_file(tar, Path(library), library)


def _mitmproxy_parts() -> list[Path]:
    """Files and folders that mitmdump imports, and what names its entry point."""
    listing = (
        "import sys, mitmproxy.tools.main, mitmproxy.tools.dump\n"
        "for module in list(sys.modules.values()): print(getattr(module, '__file__', None))"
    )
    files = run("/usr/bin/python3", "-c", listing).out.splitlines()
    below = [Path(file).relative_to(PACKAGES) for file in files if file.startswith(f"{PACKAGES}/")]
    parts = {PACKAGES / path.parts[0] for path in below}
    # The library of old ciphers is loaded by its name, by who begins to use OpenSSL.
    loaded = Path("/usr/lib").glob("*/ossl-modules/legacy.so")
    return sorted([*parts, *PACKAGES.glob("mitmproxy-*-info"), *loaded])


def _add_mitmproxy(tar: tarfile.TarFile) -> None:
    _add_tools(tar)
    _add_file(tar, MITMDUMP, "usr/bin/mitmdump")
    inside = [file for part in _mitmproxy_parts() for file in (part, *part.rglob("*"))]
    files = [file for file in inside if file.is_file()]
    there = {f"/{name}" for name in tar.getnames()}
    for library in sorted(_libraries([file for file in files if file.suffix == ".so"]) - there):
        _add_file(tar, Path(library), library)
    for file in files:
        _add_file(tar, file, str(file))


RECIPES = {
    "busybox": _add_busybox,
    "tools": _add_tools,
    "attacker": _add_attacker,
    "redis": _add_redis,
    "mitmproxy": _add_mitmproxy,
}
PARTS = {  # what else an image depends on
    "attacker": (DIG, ATTACKER),
    "redis": tuple(REDIS.values()),
    "mitmproxy": (MITMDUMP, PACKAGES / "mitmproxy/version.py"),
}


def image(name: str, cache: Path) -> Path:
    """The tar file of an image, made if the cache has none of these very programs."""
    parts = [Path(__file__).read_bytes()]
    made_of = (BUSYBOX, *PROGRAMS, *PARTS.get(name, ()))
    for program in made_of:
        status = program.stat()
        parts.append(f"{program} {status.st_size} {status.st_mtime_ns}".encode())
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
    path = cache / f"{name}-{key}.tar"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}")
        with tarfile.open(beside, "w") as tar:
            RECIPES[name](tar)
        beside.rename(path)
    return path
