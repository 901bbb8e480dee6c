"""The network agent's door, one agent per host: topic `network-agent`.

1.0: ensure_port, remove_port, refresh
1.1: ping
"""

from minova.common import rpc
from minova.common.context import RequestContext
from minova.companions.network.wire import GroupWiring, NetworkWiring, PortWiring

TOPIC = "network-agent"
VERSION = "1.1"


class NetworkAgentAPI:
    """What the network server asks of a host's agent."""

    def __init__(self) -> None:
        self._client = rpc.Client(TOPIC, VERSION)

    def ensure_port(
        self,
        ctxt: RequestContext,
        host: str,
        port: PortWiring,
        network: NetworkWiring,
        groups: list[GroupWiring],
        timeout: float = 30,
    ) -> None:
        """Make bridge, DHCP, metadata and filter rules ready, before the tap exists.

        A call of at most `timeout` seconds; idempotent. Raises the agent's domain error, or
        `errors.Timeout` when the host has no living agent.
        """
        self._client.call(
            ctxt,
            "ensure_port",
            server=host,
            timeout=timeout,
            port=port,
            network=network,
            groups=groups,
        )

    def remove_port(
        self, ctxt: RequestContext, host: str, port_id: str, timeout: float = 30
    ) -> None:
        """Take away all that belongs to the port, and its network's when it was the last.

        A call of at most `timeout` seconds; idempotent.
        """
        self._client.call(ctxt, "remove_port", server=host, timeout=timeout, port_id=port_id)

    def ping(self, ctxt: RequestContext, host: str, timeout: float) -> None:
        """Returns when the agent of `host` lives; errors.Timeout after `timeout` seconds."""
        self._client.call(ctxt, "ping", server=host, timeout=timeout)

    def refresh(self, ctxt: RequestContext) -> None:
        """Every agent: fetch `host_state` again and apply the difference. A fanout cast."""
        self._client.fanout(ctxt, "refresh")
