"""Floating IPs of the network service: found, given to servers and taken away."""

from dataclasses import dataclass, replace
from typing import Any

from minova.api.validation import is_uuid
from minova.clients.session import RestClient
from minova.common import errors
from minova.common.context import RequestContext
from minova.db import instances, vifs
from minova.db.engine import Database
from minova.model.instance import VIF, Instance

# A port and one of its addresses; two networks may have the same ones.
Fixed = tuple[str | None, str | None]


@dataclass(frozen=True)
class FloatingIP:
    """An address of an external network (`pool`), and where it leads."""

    id: str
    address: str
    pool: str
    port_id: str | None
    fixed_address: str | None
    server_id: str | None


class Client:
    """The network service's floating IPs, with the caller's rights."""

    def __init__(self, ctxt: RequestContext) -> None:
        self._rest = RestClient("network", "network", "/v2.0", caller=ctxt)

    def pools(self) -> list[dict[str, Any]]:
        """The networks that floating IPs come from."""
        found: list[dict[str, Any]] = self._rest.get("/networks", **{"router:external": True})[
            "networks"
        ]
        return found

    def find(self, **filters: Any) -> list[FloatingIP]:
        """The floating IPs that match; none on a network service that knows none."""
        try:
            found = self._rest.get("/floatingips", **filters)["floatingips"]
        except errors.NotFound:
            return []
        return self._whole(found)

    def get(self, floating_id: str) -> FloatingIP:
        """One by its id; errors.NotFound."""
        missing = errors.NotFound(f"Floating IP not found for ID {floating_id[:64]}")
        if not is_uuid(floating_id):
            raise missing
        try:
            found = self._rest.get(f"/floatingips/{floating_id}")["floatingip"]
        except errors.NotFound:
            raise missing from None
        return self._whole([found])[0]

    def of_address(self, address: str) -> FloatingIP:
        """One by its address; errors.NotFound, errors.Conflict if there are several."""
        found = self.find(floating_ip_address=address)
        if not found:
            raise errors.NotFound(f"Floating IP not found for address {address}.")
        if len(found) > 1:
            raise errors.Conflict(f"Multiple floating IPs are found for address {address}.")
        return found[0]

    def allocate(self, pool: str | None) -> FloatingIP:
        """A new one out of a pool, by name or id; without one, the only one there is.

        errors.NotFound when there is no such pool or it is used up;
        errors.QuotaExceeded.
        """
        chosen = self._pool(pool)
        where = f" in pool {pool}" if pool else ""
        try:
            body = {"floatingip": {"floating_network_id": chosen}}
            made = self._rest.post("/floatingips", body)["floatingip"]
        except errors.Conflict as error:
            if "quota" in error.message.lower():
                raise errors.QuotaExceeded(f"IP allocation over quota{where}.") from None
            raise errors.NotFound(
                f"No more floating IPs{where}." if pool else "No more floating IPs available."
            ) from None
        return self._whole([made])[0]

    def _pool(self, wanted: str | None) -> str:
        pools = self.pools()
        if wanted is not None:
            key = "id" if is_uuid(wanted) else "name"
            pools = [pool for pool in pools if pool[key] == wanted]
        if not pools:
            raise errors.NotFound("Floating IP pool not found.")
        if len(pools) > 1:
            raise errors.Invalid(
                f"Multiple floating IP pools matches found for name '{wanted}'; give an id."
            )
        return str(pools[0]["id"])

    def lead(self, found: FloatingIP, instance: Instance, fixed_address: str) -> None:
        """Have the floating IP lead to an address of the server. Idempotent."""
        port = next(
            vif.port_id
            for vif in instance.vifs
            if any(fixed.address == fixed_address for fixed in vif.fixed_ips)
        )
        self._set(found, {"port_id": port, "fixed_ip_address": fixed_address})

    def let_go(self, found: FloatingIP) -> None:
        """Have it lead nowhere. Idempotent."""
        self._set(found, {"port_id": None})

    def _set(self, found: FloatingIP, values: dict[str, Any]) -> None:
        self._rest.put(f"/floatingips/{found.id}", {"floatingip": values})

    def release(self, found: FloatingIP) -> None:
        """Give the address back; errors.NotFound when another did."""
        self._rest.remove(f"/floatingips/{found.id}")

    def of_server(self, instance: Instance) -> dict[Fixed, list[str]]:
        """The floating addresses of each of the server's fixed ones."""
        ports = [vif.port_id for vif in instance.vifs]
        led: dict[Fixed, list[str]] = {}
        for found in self.find(port_id=ports) if ports else ():
            led.setdefault((found.port_id, found.fixed_address), []).append(found.address)
        return led

    def _whole(self, found: list[dict[str, Any]]) -> list[FloatingIP]:
        """With the names of their networks and the servers of their ports: two requests for all."""
        networks = self._named("networks", {each["floating_network_id"] for each in found})
        ports = self._named("ports", {each["port_id"] for each in found if each.get("port_id")})
        whole = []
        for each in found:
            network_id = each["floating_network_id"]
            port = ports.get(each.get("port_id"), {})
            whole.append(
                FloatingIP(
                    id=each["id"],
                    address=each["floating_ip_address"],
                    pool=networks.get(network_id, {}).get("name") or network_id,
                    port_id=each.get("port_id"),
                    fixed_address=each.get("fixed_ip_address"),
                    server_id=port.get("device_id") or None,
                )
            )
        return whole

    def _named(self, collection: str, ids: set[str]) -> dict[str | None, dict[str, Any]]:
        if not ids:
            return {}
        found = self._rest.get(f"/{collection}", id=sorted(ids))[collection]
        return {each["id"]: each for each in found}


def refresh(db: Database, client: Client, server_id: str) -> None:
    """Remember which floating addresses lead to the server now, for GET /servers."""
    try:
        led = client.of_server(instances.get(db, server_id))
        vifs.change(db, server_id, lambda known: [_with(vif, led) for vif in known])
    except errors.NotFound:
        return


def _with(vif: VIF, led: dict[Fixed, list[str]]) -> VIF:
    fixed_ips = [
        replace(fixed, floating_ips=sorted(led.get((vif.port_id, fixed.address), [])))
        for fixed in vif.fixed_ips
    ]
    return replace(vif, fixed_ips=fixed_ips)
