"""Tells the compute service that a server's addresses changed, or a port went, as Neutron does.

In the background and by best effort: the network is right already, and nova
only shows the addresses.
"""

import logging
import threading
from collections.abc import Iterable

import tenacity
from keystoneauth1 import exceptions as ka_errors

from minova.common import service_user
from minova.companions.network.woken import Woken

LOG = logging.getLogger(__name__)
_MOST = 100


class Servers(Woken):
    """Both words return at once; a thread sends what it was told, newest state last."""

    def __init__(self) -> None:
        super().__init__("servers")
        self._guard = threading.Lock()
        self._waiting: dict[tuple[str, str, str], None] = {}

    def changed(self, ports: Iterable[tuple[str, str]]) -> None:
        """The addresses of these (server, port) changed."""
        self._tell("network-changed", ports)

    def deleted(self, ports: Iterable[tuple[str, str]]) -> None:
        """The ports of these (server, port) are gone, and the server did not ask for it."""
        self._tell("network-vif-deleted", ports)

    def _tell(self, event: str, ports: Iterable[tuple[str, str]]) -> None:
        with self._guard:
            self._waiting.update(dict.fromkeys((event, *each) for each in ports))
        self._wake()

    def _work(self) -> None:
        with self._guard:
            batch, rest = list(self._waiting)[:_MOST], list(self._waiting)[_MOST:]
            self._waiting = dict.fromkeys(rest)
        if rest:
            self._wanted.set()
        if batch:
            self._send(batch)

    def _send(self, batch: list[tuple[str, str, str]]) -> None:
        events = [
            {"name": event, "server_uuid": server, "tag": port} for event, server, port in batch
        ]
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(ka_errors.RetriableConnectionFailure),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=5),
            stop=tenacity.stop_any(
                tenacity.stop_after_delay(60), tenacity.stop_when_event_set(self._stopping)
            ),
            sleep=tenacity.sleep_using_event(self._stopping),
            reraise=True,
        )
        try:
            retrying(self._post, events)
        except Exception as error:
            # The server may be gone; anything else nova mends when the next event comes.
            LOG.info("the compute service did not hear of changed addresses: %s", error)

    @staticmethod
    def _post(events: list[dict[str, str]]) -> None:
        options = service_user.options()
        service_user.session().post(
            "/os-server-external-events",
            json={"events": events},
            endpoint_filter={
                "service_type": "compute",
                "interface": options.valid_interfaces or ["internal", "public"],
                "region_name": options.region_name,
            },
        )
