"""The network server's RPC endpoint: what agents ask and tell."""

import logging

import oslo_messaging

from minova.common.context import RequestContext
from minova.companions.network import rpcapi, wiring
from minova.companions.network.queries import agents, ports
from minova.companions.network.wire import HostState
from minova.db.engine import Database

LOG = logging.getLogger(__name__)


class NetworkManager:
    """Answers `rpcapi.NetworkServerAPI`."""

    target = oslo_messaging.Target(version=rpcapi.VERSION)

    def __init__(self, db: Database) -> None:
        self._db = db

    def host_state(self, ctxt: RequestContext, host: str) -> HostState:
        """Everything `host` should hold."""
        return wiring.host_state(self._db, host)

    def port_status(self, ctxt: RequestContext, port_id: str, up: bool) -> None:
        """A port's tap came up or went away; a port that is gone is nobody's concern."""
        if not ports.set_status(self._db, port_id, "ACTIVE" if up else "DOWN"):
            LOG.debug("status of port %s, which is gone or unbound", port_id)

    def report(self, ctxt: RequestContext, host: str) -> None:
        """The agent of `host` lives."""
        agents.heartbeat(self._db, host)
