"""The driver that touches nothing: for clouds of fake guests."""

import threading

from minova.companions.network.agent.driver import Report
from minova.companions.network.wire import GroupWiring, HostState, NetworkWiring, PortWiring


class NoopDriver:
    """Accepts every port and says at once that it is up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ports: set[str] = set()
        self._report: Report = lambda port_id, up: None

    def start(self, report: Report) -> None:
        self._report = report

    def stop(self) -> None:
        return

    def sync(self, state: HostState) -> None:
        ports = {port.id for port in state.ports}
        with self._lock:
            new, self._ports = ports - self._ports, ports
        for port_id in sorted(new):
            self._report(port_id, True)

    def ensure_port(
        self, port: PortWiring, network: NetworkWiring, groups: list[GroupWiring]
    ) -> None:
        with self._lock:
            self._ports.add(port.id)
        self._report(port.id, True)

    def remove_port(self, port_id: str) -> None:
        with self._lock:
            self._ports.discard(port_id)

    def check(self) -> None:
        return
