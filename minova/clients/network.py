"""The network service, as the core uses it."""

import threading
import time
from typing import Any

from minova.clients.session import RestClient
from minova.common import errors
from minova.common.context import RequestContext
from minova.model.instance import VIF, FixedIP, Instance

_CACHE_SECONDS = 10


class NetworkClient:
    """Networks, ports and security groups; `caller` asks with that user's rights."""

    def __init__(self, caller: RequestContext | None = None) -> None:
        self._rest = RestClient("network", "network", "/v2.0", caller=caller)
        self._lock = threading.Lock()
        self._networks: dict[str, tuple[float, dict[str, Any], list[dict[str, Any]]]] = {}

    def network(self, network_id: str) -> dict[str, Any]:
        """One network as the service shows it; errors.NotFound."""
        found: dict[str, Any] = self._rest.get(f"/networks/{network_id}")["network"]
        return found

    def networks(self, **filters: Any) -> list[dict[str, Any]]:
        """The networks the caller sees."""
        found: list[dict[str, Any]] = self._rest.get("/networks", **filters)["networks"]
        return found

    def port(self, port_id: str) -> dict[str, Any]:
        """One port; errors.NotFound."""
        found: dict[str, Any] = self._rest.get(f"/ports/{port_id}")["port"]
        return found

    def ports(self, **filters: Any) -> list[dict[str, Any]]:
        """The ports that match, as the service shows them."""
        found: list[dict[str, Any]] = self._rest.get("/ports", **filters)["ports"]
        return found

    def security_groups(self, **filters: Any) -> list[dict[str, Any]]:
        """The security groups that match."""
        body = self._rest.get("/security-groups", **filters)
        found: list[dict[str, Any]] = body["security_groups"]
        return found

    def create_port(
        self,
        instance: Instance,
        network_id: str,
        host: str,
        *,
        fixed_ip: str | None = None,
        tag: str | None = None,
    ) -> VIF:
        """A port for `instance`, bound to `host`, its bridge and filter ready there.

        Raises errors.Unavailable when the host's agent could not make it ready;
        the port is deleted again then.
        """
        body: dict[str, Any] = {
            "network_id": network_id,
            "admin_state_up": True,
            "project_id": instance.project_id,
            **_binding(instance, host),
        }
        if instance.security_groups:
            body["security_groups"] = instance.security_groups
        if fixed_ip:
            body["fixed_ips"] = [{"ip_address": fixed_ip}]
        port = self._rest.post("/ports", {"port": body})["port"]
        try:
            return self._vif_of(port, created=True, tag=tag)
        except Exception:
            self.delete_port(port["id"])
            raise

    def bind_port(self, instance: Instance, port_id: str, host: str, tag: str | None = None) -> VIF:
        """Give an existing port to `instance` on `host`. Idempotent."""
        body = _binding(instance, host)
        port = self._rest.put(f"/ports/{port_id}", {"port": body})["port"]
        return self._vif_of(port, created=False, tag=tag)

    def unbind_port(self, port_id: str) -> None:
        """Take an existing port away from its instance; a port that is gone is fine."""
        body = {"device_id": "", "device_owner": "", "binding:host_id": ""}
        try:
            self._rest.put(f"/ports/{port_id}", {"port": body})
        except errors.NotFound:
            return

    def leave_host(self, port_id: str) -> None:
        """Take a port from its host and leave it to its instance. Idempotent."""
        try:
            self._rest.put(f"/ports/{port_id}", {"port": {"binding:host_id": ""}})
        except errors.NotFound:
            return

    def set_security_groups(self, port_id: str, group_ids: list[str]) -> None:
        """Put a port into these groups and no others. Idempotent."""
        self._rest.put(f"/ports/{port_id}", {"port": {"security_groups": group_ids}})

    def set_fixed_ips(self, port_id: str, fixed_ips: list[dict[str, str]]) -> None:
        """Give a port these addresses (`ip_address`, or any of a `subnet_id`) and no others."""
        self._rest.put(f"/ports/{port_id}", {"port": {"fixed_ips": fixed_ips}})

    def delete_port(self, port_id: str) -> None:
        """Delete a port. Idempotent."""
        self._rest.delete(f"/ports/{port_id}")

    def _vif_of(self, port: dict[str, Any], *, created: bool, tag: str | None) -> VIF:
        if port.get("binding:vif_type") in ("binding_failed", "unbound"):
            raise errors.Unavailable(
                f"The network agent of the host could not make port {port['id']} ready; "
                "see the list of network agents."
            )
        return self.vif_of(port, created=created, tag=tag)

    def vif_of(self, port: dict[str, Any], *, created: bool, tag: str | None) -> VIF:
        """The interface that a port is, or is to be once it is bound."""
        network, subnets = self._wiring(port["network_id"])
        known = {subnet["id"]: subnet for subnet in subnets}
        details = port.get("binding:vif_details") or {}
        return VIF(
            port_id=port["id"],
            network_id=port["network_id"],
            network_name=network["name"],
            mac_address=port["mac_address"],
            tap="tap" + port["id"][:11],
            bridge=details.get("bridge_name") or "br-" + port["network_id"][:11],
            mtu=network.get("mtu") or 1500,
            fixed_ips=[
                _fixed_ip(fixed, known[fixed["subnet_id"]])
                for fixed in port["fixed_ips"]
                if fixed["subnet_id"] in known
            ],
            created=created,
            tag=tag,
        )

    def _wiring(self, network_id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """A network and its subnets, remembered for a few seconds."""
        now = time.monotonic()
        with self._lock:
            entry = self._networks.get(network_id)
        if entry is not None and entry[0] > now:
            return entry[1], entry[2]
        network = self.network(network_id)
        subnets = self._rest.get("/subnets", network_id=network_id)["subnets"]
        with self._lock:
            self._networks = {k: v for k, v in self._networks.items() if v[0] > now}
            self._networks[network_id] = (now + _CACHE_SECONDS, network, subnets)
        return network, subnets


def _binding(instance: Instance, host: str) -> dict[str, Any]:
    return {
        "device_id": instance.uuid,
        "device_owner": f"compute:{instance.availability_zone or 'nova'}",
        "binding:host_id": host,
        "dns_name": instance.hostname,
    }


def _fixed_ip(fixed: dict[str, Any], subnet: dict[str, Any]) -> FixedIP:
    return FixedIP(
        address=fixed["ip_address"],
        subnet_cidr=subnet["cidr"],
        ip_version=subnet.get("ip_version", 4),
        gateway=subnet.get("gateway_ip"),
        dns=list(subnet.get("dns_nameservers") or []),
        subnet_id=subnet["id"],
        dhcp=subnet.get("enable_dhcp", True),
    )
