"""Runs inside a container as its first process: knocks everywhere, again and again, for ever.

Arguments: ADDRESS:PORT of each target. Each gets a datagram and a TCP connection attempt in each
round; what becomes of them, only receivers know.
"""

import contextlib
import socket
import sys
import time

targets = [(address, int(port)) for address, port in (arg.rsplit(":", 1) for arg in sys.argv[1:])]
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.setblocking(False)
rounds = 0
while True:
    for target in targets:
        with contextlib.suppress(OSError):
            datagrams.sendto(b"steady", target)
        with contextlib.suppress(OSError), socket.socket() as stream:
            stream.setblocking(False)
            stream.connect(target)
    if rounds % 500 == 0:
        print(rounds, flush=True)
    rounds += 1
    time.sleep(0.002)
