"""What the agent's manager asks of the thing that does the work on a host."""

from collections.abc import Callable
from typing import Protocol

from minova.companions.network.wire import GroupWiring, HostState, NetworkWiring, PortWiring

Report = Callable[[str, bool], None]


class Driver(Protocol):
    """`linuxbridge` does it, `noop` says so. Thread safe; every method is idempotent."""

    def start(self, report: Report) -> None:
        """Check the host; `report(port id, up)` is called when a tap comes or goes.

        Raises errors.Unavailable with what to mend when the host cannot do it.
        """

    def stop(self) -> None:
        """Let go; the guests keep their network."""

    def sync(self, state: HostState) -> None:
        """Make the host hold exactly `state`; what fails is logged and left out."""

    def ensure_port(
        self, port: PortWiring, network: NetworkWiring, groups: list[GroupWiring]
    ) -> None:
        """Everything the port needs, before its tap exists. Raises errors.MinovaError."""

    def remove_port(self, port_id: str) -> None:
        """Nothing of the port is left, nor of its network if it was the last."""

    def check(self) -> None:
        """Called every few seconds: mend what others broke."""
