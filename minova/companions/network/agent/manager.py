"""The agent: answers the network server's calls, and keeps its host like the server's records.

At its start, and whenever something may have been missed, it fetches the
host's whole state and applies the difference. Calls that come while a state
is on its way are applied at once and win over it.
"""

import logging
import threading
from collections.abc import Callable

import oslo_messaging
import tenacity

from minova.common import context, errors
from minova.common.context import RequestContext
from minova.companions.network.agent import rpcapi
from minova.companions.network.agent.driver import Driver
from minova.companions.network.agent.state import Touched
from minova.companions.network.rpcapi import NetworkServerAPI
from minova.companions.network.wire import GroupWiring, NetworkWiring, PortWiring

LOG = logging.getLogger(__name__)
_FIRST_SYNC_SECONDS = 25


class NetworkAgentManager:
    """The endpoint of topic `network-agent`. `kick` asks for a sync in the background."""

    target = oslo_messaging.Target(version=rpcapi.VERSION)

    def __init__(self, host: str, driver: Driver, server: NetworkServerAPI) -> None:
        self.kick: Callable[[], None] = lambda: None
        self._host, self._driver, self._server = host, driver, server
        self._lock = threading.Lock()
        # One sync at a time; taken before `_lock`, and never with it held.
        self._syncing = threading.Lock()
        self._touched: Touched | None = None
        self._synced = threading.Event()
        self._stopping = threading.Event()

    def start(self) -> None:
        """Check the host and begin to watch it. Raises errors.Unavailable."""
        self._stopping.clear()
        self._driver.start(self._report_port)

    def interrupt(self) -> None:
        """Give up a sync that waits for the server."""
        self._stopping.set()

    def stop(self) -> None:
        """Let go of the host; guests keep their network."""
        self.interrupt()
        self._driver.stop()

    def ensure_port(
        self,
        ctxt: RequestContext,
        port: PortWiring,
        network: NetworkWiring,
        groups: list[GroupWiring],
    ) -> None:
        """See NetworkAgentAPI.ensure_port."""
        self._wait_for_first_sync()
        try:
            self._ensure(port, network, groups)
        except errors.Conflict as error:
            # Perhaps with a network that is deleted, of which we have not heard yet.
            LOG.info("port %s: %s Looking at the whole state first.", port.id, error.message)
            self._sync_once()
            self._ensure(port, network, groups)

    def _ensure(self, port: PortWiring, network: NetworkWiring, groups: list[GroupWiring]) -> None:
        with self._lock:
            if self._touched is not None:
                self._touched.ensured(port, network, groups)
            self._driver.ensure_port(port, network, groups)

    def remove_port(self, ctxt: RequestContext, port_id: str) -> None:
        """See NetworkAgentAPI.remove_port."""
        self._wait_for_first_sync()
        with self._lock:
            if self._touched is not None:
                self._touched.was_removed(port_id)
            self._driver.remove_port(port_id)

    def ping(self, ctxt: RequestContext) -> None:
        """See NetworkAgentAPI.ping. Waits for nothing."""

    def refresh(self, ctxt: RequestContext) -> None:
        """See NetworkAgentAPI.refresh. Many at once become one or two syncs."""
        self.kick()

    def sync(self) -> None:
        """Fetch the host's state, trying until the server answers, and apply it."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(
                (errors.Unavailable, oslo_messaging.MessagingException)
            ),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=10),
            sleep=tenacity.sleep_using_event(self._stopping),
            stop=tenacity.stop_when_event_set(self._stopping),
            before_sleep=tenacity.before_sleep_log(LOG, logging.INFO),
            reraise=True,
        )
        try:
            retrying(self._sync_once)
        except (errors.Unavailable, oslo_messaging.MessagingException):
            if not self._stopping.is_set():
                raise

    def heartbeat(self) -> None:
        """Tell the server that we live, and mend what others broke on the host."""
        self._server.report(context.service_context(), self._host)
        # While something is being applied the check can wait, the next report cannot.
        if self._synced.is_set() and self._lock.acquire(blocking=False):
            try:
                self._driver.check()
            finally:
                self._lock.release()

    def _sync_once(self) -> None:
        with self._syncing:
            with self._lock:
                self._touched = touched = Touched()
            try:
                state = self._server.host_state(context.service_context(), self._host)
                with self._lock:
                    self._driver.sync(touched.over(state))
            finally:
                self._touched = None
        self._synced.set()

    def _wait_for_first_sync(self) -> None:
        """Before it, the agent does not know which of the host's ports are there to stay."""
        if not self._synced.wait(_FIRST_SYNC_SECONDS):
            raise errors.Unavailable(service=f"The network agent of host {self._host}")

    def _report_port(self, port_id: str, up: bool) -> None:
        try:
            self._server.port_status(context.service_context(), port_id, up)
        except errors.Unavailable as error:
            LOG.warning("nobody heard that port %s is up=%s: %s", port_id, up, error.message)
