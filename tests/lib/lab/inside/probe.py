"""Runs inside a container, as `python3 - JSON < probe.py`: makes attempts and says how each ended.

It gets a list of attempts, {"kind": ..., "to": [address, port], ...}, and prints a list of
{"end": ..., "seconds": ...}. Ends: connected, answered, refused, unreachable, silent, sent, failed.
"""

import errno
import json
import os
import socket
import sys
import time

REFUSED = {errno.ECONNREFUSED, errno.ECONNRESET, errno.EACCES, errno.EPERM}
UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EPROTO}


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def tcp(attempt):
    address, port = attempt["to"]
    with socket.socket(family_of(address), socket.SOCK_STREAM) as sock:
        sock.settimeout(attempt["patience"])
        sock.connect((address, port))
        return "connected"


def udp(attempt):
    address, port = attempt["to"]
    with socket.socket(family_of(address), socket.SOCK_DGRAM) as sock:
        sock.settimeout(attempt["patience"])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.connect((address, port))
        sock.send(b"netenforce")
        sock.recv(2048)
        return "answered"


def ping(attempt):
    address, _ = attempt["to"]
    v6 = ":" in address
    proto = socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP
    request, reply = (128, 129) if v6 else (8, 0)
    with socket.socket(family_of(address), socket.SOCK_RAW, proto) as sock:
        sock.connect((address, 0))
        body = bytes([request, 0, 0, 0, 0, 1, 0, 1])
        if not v6:  # the kernel fills in ICMPv6's checksum only
            total = sum((body[i] << 8) + body[i + 1] for i in range(0, 8, 2))
            body = body[:2] + (~total & 0xFFFF).to_bytes(2, "big") + body[4:]
        deadline = time.monotonic() + attempt["patience"]
        sock.send(body)
        while True:
            sock.settimeout(max(0.001, deadline - time.monotonic()))
            got = sock.recv(2048)
            if (got if v6 else got[(got[0] & 15) * 4 :])[0] == reply:
                return "answered"


def frames(attempt):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((attempt["interface"], 0))
        for frame in attempt["frames"]:
            sock.send(bytes.fromhex(frame))
        return "sent"


def lookup(attempt):
    os.environ["RES_OPTIONS"] = "timeout:1 attempts:1"
    socket.getaddrinfo(attempt["to"][0], None)
    return "answered"


KINDS = {"tcp": tcp, "udp": udp, "ping": ping, "frames": frames, "lookup": lookup}


def try_one(attempt):
    started = time.monotonic()
    detail = ""
    try:
        end = KINDS[attempt["kind"]](attempt)
    except TimeoutError:
        end = "silent"
    except socket.gaierror as error:
        end, detail = "refused", str(error)
    except OSError as error:
        detail = str(error)
        if error.errno in REFUSED:
            end = "refused"
        else:
            end = "unreachable" if error.errno in UNREACHABLE else "failed"
    return {"end": end, "seconds": time.monotonic() - started, "detail": detail}


print(json.dumps([try_one(attempt) for attempt in json.loads(sys.argv[1])]))
