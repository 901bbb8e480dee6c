"""minova-compute: the driver, the RPC server, leases, reports and sweeps."""

import logging
import threading
import uuid

import tenacity
from oslo_config import cfg
from oslo_messaging import MessagingException

from minova import virt
from minova.clients import session
from minova.common import context, errors, rpc
from minova.common.service import Periodic, RpcService, Service
from minova.compute.consoles import Gate
from minova.compute.inventory import Inventory
from minova.compute.manager import ComputeManager
from minova.compute.reconcile import Reconciler
from minova.compute.rpcapi import TOPIC
from minova.compute.usage_audit import UsageAuditor
from minova.conductor.rpcapi import ConductorAPI
from minova.virt.driver import Driver, LifecycleEvent

LOG = logging.getLogger(__name__)
BINARY = "nova-compute"


class ComputeService:
    """One host's nova-compute.

    `start` raises errors.Unavailable when guests cannot run here; the rest
    waits in the background for a conductor, as long as it takes one to come.
    """

    def __init__(self, driver: Driver) -> None:
        conf = cfg.CONF
        incarnation = str(uuid.uuid4())
        conductor = ConductorAPI()
        self._driver = driver
        self._manager = ComputeManager(
            driver, conductor, conf.host, f"{BINARY}@{conf.host}/{incarnation}"
        )
        self._inventory = Inventory(driver, conductor, conf.host, incarnation)
        self._reconciler = Reconciler(driver, conductor, self._manager, conf.host)
        self._gate = Gate(driver, conductor, conf.host)
        self._rpc = RpcService(lambda: rpc.serve(BINARY, TOPIC, conf.host, [self._manager]))
        self._stopping = threading.Event()
        self._periodics = [
            Periodic(BINARY, "leases", conf.conductor.lease_seconds / 3, self._renew),
            Periodic(BINARY, "report", conf.compute.report_interval, self._inventory.report),
            Periodic(BINARY, "log-in", session.LOG_IN_SECONDS, session.warm_up),
        ]
        for name, interval, task in (
            ("power-states", conf.compute.sync_power_state_interval, self._reconciler.sweep),
            ("image-cache", conf.compute.image_cache_interval, self._reconciler.sweep_images),
        ):
            if interval:
                self._periodics.append(Periodic(BINARY, name, interval, task, delay=True))
        if conf.instance_usage_audit:
            auditor = UsageAuditor(conductor, conf.host)
            self._periodics.append(Periodic(BINARY, "usage-audit", auditor.INTERVAL, auditor.audit))
        self._opener: threading.Thread | None = None

    def start(self) -> None:
        if self._opener is None:
            self._driver.start(self._on_event)
            self._opener = threading.Thread(target=self._open, name="compute-open", daemon=True)
            self._opener.start()

    def stop(self) -> None:
        if self._opener is not None:
            self._stopping.set()
            self._opener.join(timeout=30)
            self._opener = None
            self._gate.stop()
            self._rpc.stop()
            self._manager.stop()
            for periodic in reversed(self._periodics):
                periodic.stop()
            self._driver.stop()

    def _open(self) -> None:
        """Report, reconcile, then take messages: in this order, so that nothing comes too early."""
        context.set_service(BINARY)
        waiting = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((errors.MinovaError, MessagingException)),
            wait=tenacity.wait_random(0.2, 1),
            stop=tenacity.stop_when_event_set(self._stopping),
            reraise=True,
        )
        try:
            waiting(self._inventory.report)
            self._periodics[0].start()
            waiting(self._reconciler.at_start)
            self._rpc.start()
            self._gate.start()
        except (errors.MinovaError, MessagingException) as error:
            LOG.info("stopped before the conductor answered: %s", error)
            return
        for periodic in self._periodics[1:]:
            periodic.start()

    def _renew(self) -> None:
        self._manager.renew_leases(context.service_context())

    def _on_event(self, event: LifecycleEvent) -> None:
        token = context.set_service(BINARY)
        try:
            self._reconciler.on_event(event)
        finally:
            context.reset_service(token)


def services() -> list[Service]:
    """nova-compute, not started."""
    return [ComputeService(virt.load(cfg.CONF.compute.virt_driver))]
