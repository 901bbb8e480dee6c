"""The network server's door for its agents: topic `network`.

1.0: host_state, port_status, report
"""

from minova.common import rpc
from minova.common.context import RequestContext
from minova.companions.network.wire import HostState

TOPIC = "network"
VERSION = "1.0"


class NetworkServerAPI:
    """What an agent asks of, or tells, the network server."""

    def __init__(self) -> None:
        self._client = rpc.Client(TOPIC, VERSION)

    def host_state(self, ctxt: RequestContext, host: str) -> HostState:
        """Everything `host` should hold. A call; `errors.Timeout` when no server answers.

        Briefly, for the caller asks again: an agent may start before its server, and is of
        no use to the host until it has been told.
        """
        state: HostState = self._client.call(ctxt, "host_state", host=host, timeout=5)
        return state

    def port_status(self, ctxt: RequestContext, port_id: str, up: bool) -> None:
        """A port's tap came up or went away. A cast."""
        self._client.cast(ctxt, "port_status", port_id=port_id, up=up)

    def report(self, ctxt: RequestContext, host: str) -> None:
        """The agent of `host` lives. A cast, every few seconds."""
        self._client.cast(ctxt, "report", host=host)
