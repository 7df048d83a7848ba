"""Process 1 of a lab host: `unshare --net --mount --pid --fork ... python3 init.py FOLDER`.

It makes the host's own /proc, /run, /etc and /var/lib, prints the pid by which the outside
knows it, and waits for the end of its input. When it ends, or is killed together with the
test run that holds the other end, the kernel kills every process of the host, and its
namespaces go with them: nothing has to be tidied up.
"""

import os
import signal
import subprocess
import sys


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def main(folder: str) -> None:
    outer_pid = os.readlink("/proc/self")  # still the /proc of the outside
    for name in ("etc", "var/lib"):
        mount("--bind", os.path.join(folder, name), os.path.join("/", name))
    mount("-t", "proc", "proc", "/proc")
    mount("-t", "tmpfs", "tmpfs", "/run")
    os.makedirs("/run/lock")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # orphans are reaped by the kernel
    print(outer_pid, flush=True)
    sys.stdin.read()


main(sys.argv[1])
