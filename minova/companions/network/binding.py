"""Ports meet hosts: the server makes a host's agent ready before it answers.

The database changes first, then the agent is asked, outside any transaction.
What an agent missed (it was dead, a cast was lost) it finds out by itself
from `host_state`, so nothing here has to be repeated.
"""

import logging
import time
from collections.abc import Sequence
from typing import Any

from minova.common import context, errors, tracing
from minova.common.context import RequestContext
from minova.companions.network import wiring
from minova.companions.network.agent.rpcapi import NetworkAgentAPI
from minova.companions.network.queries import agents, floating_ips, groups, ports, routers
from minova.companions.network.servers import Servers
from minova.companions.network.wire import GroupWiring, NetworkWiring, PortWiring
from minova.companions.network.woken import Woken
from minova.db.engine import Database

LOG = logging.getLogger(__name__)
Row = dict[str, Any]

BRIDGE = "bridge"
UNBOUND = "unbound"
FAILED = "binding_failed"
# Seconds an agent has to make a port ready, after how many it is asked whether it lives,
# and how many it has to say so; the latter is all that one gets that did not report lately.
ENSURE_TIMEOUT = 30
PATIENCE = 8
PING_TIMEOUT = 1
REMOVE_TIMEOUT = 10
_SERVICE_ROLE = "service"


class Refresher(Woken):
    """Tells all agents to look at `host_state` again, once for many changes.

    The first `request` of a quiet time goes out after `settle` seconds, the
    next one no sooner than `gap` seconds later.
    """

    def __init__(self, agent: NetworkAgentAPI, settle: float = 0.02, gap: float = 1.0) -> None:
        super().__init__("network-refresh", settle, gap)
        self._agent = agent

    def request(self) -> None:
        """Something changed for hosts. Returns at once."""
        self._wake()

    def _work(self) -> None:
        try:
            self._agent.refresh(context.service_context())
        except Exception:
            LOG.exception("telling the network agents to refresh failed")


class Binder:
    """Brings a port's changes to the hosts that have to know."""

    def __init__(
        self,
        db: Database,
        agent: NetworkAgentAPI,
        refresher: Refresher,
        servers: Servers | None = None,
    ) -> None:
        self._db, self._agent, self._refresher = db, agent, refresher
        self._servers = servers

    def created(self, ctxt: RequestContext, port: Row, request: ports.PortRequest) -> Row:
        """After the commit of a new port: its host is ready, or its binding failed.

        Returns the port as it is then.
        """
        if port["host"]:
            port = self._ensure(ctxt, port, request)
        if _gateways(port, request.subnets):
            self._refresher.request()
        self._tell_others(port["id"], port["security_groups"])
        return port

    def updated(
        self, ctxt: RequestContext, before: Row, port: Row, request: ports.PortRequest
    ) -> Row:
        """After the commit of a changed port; like `created`."""
        retry = before["vif_type"] == FAILED and port["vif_type"] == BRIDGE
        if port["host"] and (retry or port["host"] != before["host"]):
            port = self._ensure(ctxt, port, request)
        moved = _gateways(before, request.subnets) != _gateways(port, request.subnets)
        if moved or (_differs(before, port) and (before["host"] or self._is_led_to(port))):
            self._refresher.request()
        else:
            changed = set(before["security_groups"]) | set(port["security_groups"])
            if _membership(before) != _membership(port):
                self._tell_others(port["id"], changed)
        if before["device_id"] == port["device_id"] and _addresses(before) != _addresses(port):
            self.addresses_changed([port])
        return port

    def deleted(self, ctxt: RequestContext, port: Row) -> None:
        """After the commit of a deletion. A dead agent delays it by seconds, or not at all."""
        # What could not be bound, the agent has not got: there is nobody to wait for again.
        if port["host"] and port["vif_type"] != FAILED:
            with self._db.reading() as connection:
                alive = agents.is_alive(connection, port["host"])
            try:
                if not alive:
                    self._agent.ping(ctxt, port["host"], timeout=PING_TIMEOUT)
                self._agent.remove_port(ctxt, port["host"], port["id"], timeout=REMOVE_TIMEOUT)
            except Exception as error:
                # It finds out from host_state that the port is gone.
                LOG.warning(
                    "agent of %s did not remove port %s: %s",
                    port["host"],
                    port["id"],
                    _reason(error),
                )
        self._tell_others(port["id"], port["security_groups"])
        # The compute service knows of what it deletes itself.
        served = _served([port]) if _SERVICE_ROLE not in (ctxt.roles or []) else []
        if served and self._servers is not None:
            self._servers.deleted(served)

    def rules_changed(self, group_ids: list[str]) -> None:
        """Rules of groups came or went: tell the agents when a bound port uses them."""
        with self._db.reading() as connection:
            wanted = groups.is_on_a_host(connection, group_ids)
        if wanted:
            self._refresher.request()

    def refresh(self) -> None:
        """Networks, subnets, routers or floating IPs changed."""
        self._refresher.request()

    def addresses_changed(self, of_ports: list[Row]) -> None:
        """Addresses came to these ports or went: tell the compute service of its servers."""
        served = _served(of_ports)
        if served and self._servers is not None:
            self._servers.changed(served)

    def _ensure(self, ctxt: RequestContext, port: Row, request: ports.PortRequest) -> Row:
        with tracing.span("bind port", port=port["id"], host=port["host"]):
            with self._db.reading() as connection:
                alive = agents.is_alive(connection, port["host"])
                group_wirings = wiring.group_wirings(connection, port["security_groups"])
                held = routers.held_by_hosts(connection, request.subnets)
            try:
                if not alive:
                    self._agent.ping(ctxt, port["host"], timeout=PING_TIMEOUT)
                self._call_ensure(
                    ctxt,
                    port["host"],
                    wiring.port_wiring(port),
                    wiring.network_wiring(request.network, request.subnets, held),
                    group_wirings,
                )
            except Exception as error:
                LOG.warning(
                    "binding port %s on %s failed: %s", port["id"], port["host"], _reason(error)
                )
                tracing.annotate(reason=_reason(error))
                ports.set_columns(self._db, port["id"], vif_type=FAILED, status="DOWN")
                # An agent that was only slow takes away again what it made.
                self._refresher.request()
                return {**port, "vif_type": FAILED, "status": "DOWN"}
        return port

    def _call_ensure(
        self,
        ctxt: RequestContext,
        host: str,
        port: PortWiring,
        network: NetworkWiring,
        of_port: list[GroupWiring],
    ) -> None:
        """Have the agent make a port ready; while it takes long, look whether it lives.

        One that died a moment ago is still thought alive: only its silence tells.
        """
        deadline = time.monotonic() + ENSURE_TIMEOUT
        while True:
            left = deadline - time.monotonic()
            try:
                self._agent.ensure_port(
                    ctxt, host, port, network, of_port, timeout=min(left, PATIENCE)
                )
                return
            except errors.Timeout:
                if left <= PATIENCE:
                    raise
            self._agent.ping(ctxt, host, timeout=PING_TIMEOUT)

    def _is_led_to(self, port: Row) -> bool:
        """Whether floating IPs lead to the port: its new host has to know, which it is not told."""
        with self._db.reading() as connection:
            return bool(port["host"] and floating_ips.of_ports(connection, [port["id"]]))

    def _tell_others(self, port_id: str, group_ids: list[str] | set[str]) -> None:
        """Members of groups changed: refresh, if rules of other ports depend on it.

        Also for the port's own host: of two ports bound at the same moment
        the agent may hear last of the one that knew of fewer members.
        """
        with self._db.reading() as connection:
            watched = groups.is_member_watched(connection, group_ids, by_others_than=port_id)
        if watched:
            self._refresher.request()


def _served(of_ports: list[Row]) -> list[tuple[str, str]]:
    """(server, port) of those that are a server's."""
    return [
        (port["device_id"], port["id"])
        for port in of_ports
        if port["device_owner"].startswith("compute:") and port["device_id"]
    ]


def _addresses(port: Row) -> tuple[Any, ...]:
    return port["mac_address"], sorted(fixed["ip_address"] for fixed in port["fixed_ips"])


def _gateways(port: Row, subnets: Sequence[Row]) -> set[str]:
    """Gateways that the port is, so that hosts are not."""
    held = {fixed["ip_address"] for fixed in port["fixed_ips"]}
    return held & {subnet["gateway_ip"] for subnet in subnets}


def _membership(port: Row) -> tuple[Any, ...]:
    return set(port["security_groups"]), sorted(f["ip_address"] for f in port["fixed_ips"])


# What an agent knows of a port; a change of another column is none of its business.
_WIRED = (
    "host",
    "mac_address",
    "fixed_ips",
    "security_groups",
    "port_security_enabled",
    "allowed_address_pairs",
    "dns_name",
    "device_id",
)


def _differs(before: Row, port: Row) -> bool:
    return any(before[name] != port[name] for name in _WIRED)


def _reason(error: Exception) -> str:
    return getattr(error, "message", None) or f"{type(error).__name__}: {error}"
