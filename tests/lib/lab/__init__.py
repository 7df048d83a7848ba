"""A lab on one machine: hosts with engines, an outside world, and receivers that judge."""

from __future__ import annotations

from .container import Attempt, Container, Outcome, lookup, ping, raw, tcp, udp
from .engine import Docker, Engine
from .host import Host, Machine
from .lab import Lab
from .network import Network
from .outside import Outside
from .plugin import Plugin
from .proxy import Flow, Proxy
from .relay import Relay
from .receiver import Capture, Delivered, Receiver
from .scene import Scene

__all__ = [
    "Attempt",
    "Capture",
    "Container",
    "Delivered",
    "Docker",
    "Engine",
    "Flow",
    "Host",
    "Lab",
    "Machine",
    "Network",
    "Outcome",
    "Outside",
    "Plugin",
    "Proxy",
    "Receiver",
    "Relay",
    "Scene",
    "lookup",
    "ping",
    "raw",
    "tcp",
    "udp",
]
