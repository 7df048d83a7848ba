"""A network of an engine, with the names that follow from its id."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from . import firewall

if TYPE_CHECKING:
    from .engine import Docker

BRIDGE_PREFIX, PORT_PREFIX, ID_PART = "ne-", "nv-", 12


class Network:
    """A network that exists."""

    def __init__(self, docker: Docker, name: str) -> None:
        self._docker = docker
        self.name = name
        shown = docker.inspect(name, "network")
        self.id = str(shown["Id"])
        pools = shown["IPAM"]["Config"]
        by_family = {":" in pool["Subnet"]: pool for pool in pools}
        self.subnet = str(by_family.get(False, {}).get("Subnet", ""))
        self.subnet_v6 = str(by_family.get(True, {}).get("Subnet", ""))
        options = shown["Options"] or {}
        self.bridge = str(
            options.get("com.docker.network.bridge.name", BRIDGE_PREFIX + self.id[:ID_PART])
        )

    def _bridge_address(self, family: str) -> str:
        """The engine doesn't show every gateway; the bridge has it."""
        addresses = firewall.link(self._docker.host, self.bridge)["addr_info"]
        found = [entry["local"] for entry in addresses if entry["family"] == family]
        assert len(found) == 1, f"bridge {self.bridge} has {found} of {family}"
        return str(found[0])

    @functools.cached_property
    def gateway(self) -> str:
        """The bridge's IPv4 address."""
        return self._bridge_address("inet")

    @functools.cached_property
    def gateway_v6(self) -> str:
        """The bridge's IPv6 address."""
        return self._bridge_address("inet6")

    @property
    def bridge_mac(self) -> str:
        """The bridge's MAC address."""
        return str(firewall.link(self._docker.host, self.bridge)["address"])

    def port_of(self, endpoint_id: str) -> str:
        """The host's end of an endpoint's pair."""
        return PORT_PREFIX + endpoint_id[:ID_PART]

    def remove(self) -> None:
        """`docker network rm`."""
        self._docker.remove_networks(self.name)
