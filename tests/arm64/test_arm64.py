"""Both programs for arm64, by Debian's cross compiler, and the unit tests as that machine runs them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests/lib"))

from lab.bare_root import BareRoot  # noqa: E402  (found by the line above)

ARM64 = 183  # EM_AARCH64, elf.h
LIBRARIES = (
    *("libc6", "libcap-ng-dev", "libcmocka-dev", "libcurl4-openssl-dev", "libiptc-dev"),
    *("libjansson-dev", "libmicrohttpd-dev", "libmnl-dev", "libnetfilter-log-dev", "libnftnl-dev"),
    *("libseccomp-dev", "linux-libc-dev"),
)
COMPILER = "CC=aarch64-linux-gnu-gcc"


def test_arm64(tmp_path: Path) -> None:
    """It builds without a warning, and the pure core says there what it says here."""
    root = BareRoot("bookworm", tmp_path)
    try:
        root.run("dpkg", "--add-architecture", "arm64")
        root.run("apt-get", "update", "-q")
        tools = ("gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross", "make", "qemu-user-static")
        root.install(*tools, *(f"{library}:arm64" for library in LIBRARIES))
        root.clone(REPOSITORY, "root/netenforce")
        root.run("make", "-C", "/root/netenforce", COMPILER, "all")
        for program in ("netenforced", "netenforce"):
            header = (root.folder / f"root/netenforce/build/{program}").read_bytes()[:20]
            assert int.from_bytes(header[18:20], "little") == ARM64
        unit = (COMPILER, "RUN=qemu-aarch64-static", "unit")
        told = root.run("make", "-C", "/root/netenforce", *unit)
        passed = re.findall(r"PASSED.*?(\d+) test", told)
        programs = len(list((REPOSITORY / "tests/unit").glob("test_*.c")))
        assert len(passed) == programs and "FAILED" not in told
    finally:
        root.close()
