"""Taps come and go: the kernel's link events, told on as a port's up or down.

libvirt makes a guest's tap and joins it to the bridge; the port is up while
the tap exists, is joined to a bridge and has its carrier (QEMU holds it open).
"""

import logging
import selectors
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.rtnl import RTMGRP_LINK
from pyroute2.netlink.rtnl.marshal import MarshalRtnl

from minova.companions.network.agent.bridge import find_link
from minova.companions.network.agent.waker import Waker

LOG = logging.getLogger(__name__)
_BUFFER = 1024 * 1024
_IFF_UP, _IFF_RUNNING = 1, 0x40
Report = Callable[[str, bool], None]


class TapWatch:
    """Calls `report(port id, up)` at every change of the watched taps. Thread safe."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._ports: dict[str, str] = {}
        self._up: dict[str, bool] = {}
        self._thread: threading.Thread | None = None
        self._events: socket.socket
        self._stopped = Waker()

    def start(self) -> None:
        """Listen from now on, in the network namespace of the caller."""
        self._events = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
        )
        self._events.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._events.bind((0, RTMGRP_LINK))
        self._thread = threading.Thread(target=self._listen, name="taps", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.wake()
        if self._thread is not None:
            self._thread.join(timeout=5)
            self._thread = None

    def watch(self, port_id: str, tap: str) -> None:
        """Watch a new port's tap; reported now only if it is there already."""
        with self._lock:
            self._ports[tap] = port_id
        with IPRoute() as ip:
            link = find_link(ip, tap)
        if link is not None:
            self._seen(link)

    def watch_only(self, taps: Mapping[str, str]) -> None:
        """Watch these taps (tap -> port id) and no others; reports how the new ones stand."""
        with self._lock:
            new = {tap for tap, port_id in taps.items() if self._ports.get(tap) != port_id}
            self._ports = dict(taps)
            self._up = {
                port_id: self._up[port_id] for port_id in taps.values() if port_id in self._up
            }
        if not new:
            return
        with IPRoute() as ip:
            present = {link.get("ifname"): link for link in ip.link("dump")}
        for tap in new:
            if tap in present:
                self._seen(present[tap], certain=True)
            else:
                self._tell(taps[tap], False)

    def forget(self, tap: str) -> None:
        """No longer report this tap."""
        with self._lock:
            port_id = self._ports.pop(tap, None)
            self._up.pop(port_id or "", None)

    def _listen(self) -> None:
        parser = MarshalRtnl()
        with selectors.DefaultSelector() as selector, self._events as events:
            selector.register(self._stopped, selectors.EVENT_READ)
            selector.register(events, selectors.EVENT_READ)
            while True:
                if any(key.fileobj is self._stopped for key, _ in selector.select()):
                    return
                try:
                    data = events.recv(_BUFFER)
                except OSError as error:
                    # More came than the kernel could keep for us.
                    LOG.warning("link events were lost (%s); looking at all taps", error.strerror)
                    self._look_again()
                    continue
                for event in parser.parse(data):
                    # A bridge tells of its ports, too, in messages of its own family.
                    if event["family"] == socket.AF_UNSPEC:
                        self._seen(event, gone=event.get("event") == "RTM_DELLINK")

    def _look_again(self) -> None:
        with IPRoute() as ip:
            present = {link.get("ifname"): link for link in ip.link("dump")}
        with self._lock:
            gone = [self._ports[tap] for tap in self._ports if tap not in present]
            lost = [port_id for port_id in gone if self._up.pop(port_id, False)]
        for link in present.values():
            self._seen(link)
        for port_id in lost:
            self._tell(port_id, False)

    def _seen(self, link: Any, gone: bool = False, certain: bool = False) -> None:
        """`certain`: tell it even if it looks like what was told last."""
        running = link["flags"] & _IFF_UP and link["flags"] & _IFF_RUNNING
        up = bool(not gone and running and link.get("master"))
        with self._lock:
            port_id = self._ports.get(link.get("ifname"))
            if port_id is None or (self._up.get(port_id, False) == up and not certain):
                return
            self._up[port_id] = up
        self._tell(port_id, up)

    def _tell(self, port_id: str, up: bool) -> None:
        try:
            self._report(port_id, up)
        except Exception:
            LOG.exception("telling that port %s is %s failed", port_id, "up" if up else "down")
