"""What holds an engine's root: `unshare --mount python3 root_init.py ROOT SCRATCH` on a lab host.

It puts together a root of the packages in ROOT, which stay as they are (what is written goes to
SCRATCH), and of this host's /run, /etc, /var/lib, /tmp, /dev and /proc; turns to it, and waits for
its end. /sys is that of the host's own network, in which an engine looks for its bridges, and has
the machine's cgroups. Mounts are shared, as systemd has them.
"""

import os
import signal
import subprocess
import sys

PLACES = ("run", "etc", "var/lib", "tmp", "proc")


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def main(packages: str, scratch: str) -> None:
    upper, work, root = (os.path.join(scratch, name) for name in ("upper", "work", "root"))
    for folder in (upper, work, root):
        os.makedirs(folder, exist_ok=True)
    layers = f"lowerdir={packages},upperdir={upper},workdir={work}"
    mount("-t", "overlay", "-o", layers, "overlay", root)
    for place in PLACES:
        mount("--bind", f"/{place}", os.path.join(root, place))
    mount("--rbind", "/dev", os.path.join(root, "dev"))
    mount("-t", "sysfs", "sysfs", f"{root}/sys")
    mount("--rbind", "/sys/fs/cgroup", f"{root}/sys/fs/cgroup")
    os.makedirs(f"{root}/before", exist_ok=True)
    os.chdir(root)  # from here on there is no Python but what is loaded already
    subprocess.run(["pivot_root", ".", "before"], check=True)
    os.chroot(".")
    subprocess.run(["umount", "-l", "/before"], check=True)
    mount("--make-rshared", "/")
    os.close(os.open(f"/run/{os.path.basename(scratch)}-is-ready", os.O_CREAT | os.O_WRONLY))
    signal.pause()


main(sys.argv[1], sys.argv[2])
