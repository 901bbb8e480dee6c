"""The agent between its server and its driver."""

import threading

import pytest

from minova.common import errors
from minova.common.context import RequestContext, service_context
from minova.companions.network.agent.driver import Report
from minova.companions.network.agent.manager import NetworkAgentManager
from minova.companions.network.agent.noop import NoopDriver
from minova.companions.network.wire import GroupWiring, HostState, NetworkWiring, PortWiring

NET = NetworkWiring("n1", "private", "br-n1", 1450, "novalocal")
CTXT = service_context()


def port(number: int) -> PortWiring:
    return PortWiring(f"p{number}", "n1", "a", "d", "fa:16:3e:00:00:01", f"tap{number}")


class Server:
    """A network server that answers `state` once `ready`."""

    def __init__(self) -> None:
        self.state = HostState([NET], [port(1)])
        self.asked = threading.Semaphore(0)
        self.ready = threading.Event()
        self.ready.set()
        self.failures = 0
        self.status: list[tuple[str, bool]] = []
        self.reports: list[str] = []

    def host_state(self, ctxt: RequestContext, host: str) -> HostState:
        snapshot = self.state
        self.asked.release()
        assert self.ready.wait(10)
        if self.failures:
            self.failures -= 1
            raise errors.Timeout(what="the network service's host_state", seconds=20)
        return snapshot

    def port_status(self, ctxt: RequestContext, port_id: str, up: bool) -> None:
        self.status.append((port_id, up))

    def report(self, ctxt: RequestContext, host: str) -> None:
        self.reports.append(host)


class Driver:
    """Remembers which ports it was left with."""

    def __init__(self) -> None:
        self.ports: dict[str, PortWiring] = {}
        self.checks = 0

    def start(self, report: Report) -> None:
        self.report = report

    def stop(self) -> None:
        return

    def sync(self, state: HostState) -> None:
        self.ports = {p.id: p for p in state.ports}

    def ensure_port(
        self, port: PortWiring, network: NetworkWiring, groups: list[GroupWiring]
    ) -> None:
        self.ports[port.id] = port

    def remove_port(self, port_id: str) -> None:
        self.ports.pop(port_id, None)

    def check(self) -> None:
        self.checks += 1


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def manager(server: Server, driver: Driver) -> NetworkAgentManager:
    made = NetworkAgentManager("h1", driver, server)  # type: ignore[arg-type]
    made.start()
    return made


def test_a_sync_brings_the_servers_state(manager: NetworkAgentManager, driver: Driver) -> None:
    manager.sync()
    assert set(driver.ports) == {"p1"}


def test_the_agent_keeps_asking_until_the_server_answers(
    manager: NetworkAgentManager, server: Server, driver: Driver
) -> None:
    server.failures = 3
    manager.sync()
    assert set(driver.ports) == {"p1"}


def test_stopping_ends_the_asking(manager: NetworkAgentManager, server: Server) -> None:
    server.failures = 1_000_000
    asking = threading.Thread(target=manager.sync)
    asking.start()
    assert server.asked.acquire(timeout=5)
    manager.stop()
    asking.join(10)
    assert not asking.is_alive()


def test_calls_wait_for_the_first_sync_or_say_that_it_failed(
    manager: NetworkAgentManager, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minova.companions.network.agent.manager._FIRST_SYNC_SECONDS", 0.01)
    with pytest.raises(errors.Unavailable, match="h1"):
        manager.ensure_port(CTXT, port(2), NET, [])
    manager.sync()
    manager.ensure_port(CTXT, port(2), NET, [])
    assert set(driver.ports) == {"p1", "p2"}


def test_a_port_made_while_a_state_was_on_its_way_is_not_lost(
    manager: NetworkAgentManager, server: Server, driver: Driver
) -> None:
    manager.sync()
    assert server.asked.acquire(timeout=5)
    server.ready.clear()
    syncing = threading.Thread(target=manager.sync)
    syncing.start()
    assert server.asked.acquire(timeout=5)
    manager.ensure_port(CTXT, port(2), NET, [])
    manager.remove_port(CTXT, "p1")
    server.ready.set()
    syncing.join(10)
    assert set(driver.ports) == {"p2"}
    manager.sync()
    assert set(driver.ports) == {"p1"}, "the next state counts in full"


def test_a_port_that_conflicts_with_a_network_that_is_gone_is_made_after_a_look(
    manager: NetworkAgentManager, server: Server, driver: Driver
) -> None:
    manager.sync()
    ensure = driver.ensure_port

    def refuse_beside_p1(port: PortWiring, *rest: object) -> None:
        if "p1" in driver.ports:
            raise errors.Conflict("The range is reached by br-of-p1.")
        ensure(port, *rest)  # type: ignore[arg-type]

    driver.ensure_port = refuse_beside_p1  # type: ignore[method-assign]
    with pytest.raises(errors.Conflict):
        manager.ensure_port(CTXT, port(2), NET, [])
    server.state = HostState([NET], [])
    manager.ensure_port(CTXT, port(2), NET, [])
    assert set(driver.ports) == {"p2"}


def test_many_refreshes_only_ask_for_a_sync(manager: NetworkAgentManager) -> None:
    kicks: list[int] = []
    manager.kick = lambda: kicks.append(1)
    manager.refresh(CTXT)
    assert kicks == [1]


def test_the_heartbeat_reports_and_looks_after_the_host(
    manager: NetworkAgentManager, server: Server, driver: Driver
) -> None:
    manager.heartbeat()
    assert (server.reports, driver.checks) == (["h1"], 0)
    manager.sync()
    manager.heartbeat()
    assert (len(server.reports), driver.checks) == (2, 1)


def test_the_noop_driver_says_at_once_that_ports_are_up(server: Server) -> None:
    manager = NetworkAgentManager("h1", NoopDriver(), server)  # type: ignore[arg-type]
    manager.start()
    manager.sync()
    manager.sync()
    manager.ensure_port(CTXT, port(2), NET, [])
    manager.remove_port(CTXT, "p2")
    assert server.status == [("p1", True), ("p2", True)]
