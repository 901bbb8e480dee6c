"""Brings this host and the DB together: at start, on events, and now and then.

- Work that an earlier incarnation of this process left is done again.
- Guests that should run and do not (the host was rebooted) are started.
- Guests and files of instances that are not this host's any more are removed.
- What a guest does on its own (shuts down, crashes) enters the DB.
"""

import contextvars
import logging
import threading

from oslo_config import cfg

from minova.clients.network import NetworkClient
from minova.common import errors
from minova.common.context import RequestContext, service_context
from minova.compute.manager import ComputeManager
from minova.conductor.rpcapi import ConductorAPI
from minova.model import states
from minova.model.instance import Instance
from minova.virt.driver import Driver, LifecycleEvent

LOG = logging.getLogger(__name__)
# Besides ACTIVE ones, these run after a start of the host, if they did before.
_MAY_RUN = (states.RESCUED, states.RESIZED)


class Reconciler:
    """Compares one host with the DB."""

    def __init__(
        self, driver: Driver, conductor: ConductorAPI, manager: ComputeManager, host: str
    ) -> None:
        self._driver, self._conductor, self._manager = driver, conductor, manager
        self._host = host
        self._networks = NetworkClient()

    def at_start(self) -> None:
        """Take up what a predecessor left, start what should run, remove what should not be."""
        ctxt = service_context()
        for work in self._conductor.host_work(ctxt, self._host):
            asked_by = RequestContext.from_wire(work.context)
            take = self._manager.build if work.action == "create" else self._manager.run
            LOG.info("taking up %s of instance %s", work.action, work.instance_uuid)
            take(asked_by, work.id)
        instances = self._conductor.host_instances(ctxt, self._host)
        self._start_guests(instances)
        self._compare(instances)
        self._remove_leftovers(instances)

    def sweep(self) -> None:
        """Power states and leftovers, now and then."""
        ctxt = service_context()
        instances = self._conductor.host_instances(ctxt, self._host)
        self._compare(instances)
        self._remove_leftovers(instances)

    def on_event(self, event: LifecycleEvent) -> None:
        """A guest stopped, paused or went on by itself."""
        if self._manager.is_busy_with(event.uuid):
            # It may have been our own doing. Once that is done, we look.
            here = contextvars.copy_context()
            threading.Thread(
                target=here.run, args=(self._look, event.uuid), name="guest-look", daemon=True
            ).start()
            return
        try:
            self._tell(service_context(), event.uuid, event.power_state)
        except errors.MinovaError as error:
            LOG.warning("event of instance %s is lost: %s", event.uuid, error.message)

    def sweep_images(self) -> None:
        """Remove cached images that nothing here uses any more."""
        instances = self._conductor.host_instances(service_context(), self._host)
        used = {i.image_id for i in instances if i.image_id}
        for image_id in self._driver.image_cache_sweep(used, cfg.CONF.compute.image_cache_min_age):
            LOG.info("cached image %s was unused and is gone", image_id)

    def _compare(self, instances: list[Instance]) -> None:
        """Tell of idle guests that are not in the power state the DB has."""
        powers = self._driver.instances()
        for instance in instances:
            seen = powers.get(instance.uuid, instance.power_state)
            if seen == instance.power_state or instance.task_state is not None:
                continue
            if not self._manager.is_busy_with(instance.uuid):
                LOG.info("instance %s: its guest is not in the state we knew", instance.uuid)
                self._look(instance.uuid)

    def _look(self, uuid: str) -> None:
        """Tell the guest's power state, when nothing is being done to it."""
        with self._manager.alone_with(uuid):
            try:
                seen = self._driver.instances().get(uuid)
                if seen is not None:
                    self._tell(service_context(), uuid, seen)
            except errors.MinovaError as error:
                LOG.warning("cannot tell of instance %s: %s", uuid, error.message)

    def _tell(self, ctxt: RequestContext, uuid: str, power_state: int) -> None:
        self._conductor.power_state_changed(ctxt, uuid, self._host, power_state)

    def _start_guests(self, instances: list[Instance]) -> None:
        powers = self._driver.instances()
        for instance in instances:
            if not _should_run(instance) or powers.get(instance.uuid) == states.RUNNING:
                continue
            if self._manager.is_busy_with(instance.uuid):
                continue
            LOG.info("instance %s should run and does not; starting it", instance.uuid)
            try:
                for vif in instance.vifs:
                    self._networks.bind_port(instance, vif.port_id, self._host, vif.tag)
                self._driver.power_on(instance, instance.vifs)
            except errors.MinovaError as error:
                LOG.error("instance %s cannot be started: %s", instance.uuid, error.message)
                self._tell(service_context(), instance.uuid, states.SHUTDOWN)

    def _remove_leftovers(self, instances: list[Instance]) -> None:
        known = {instance.uuid for instance in instances}
        for uuid in self._driver.leftovers(known):
            if not self._manager.is_busy_with(uuid):
                self._manager.forget(service_context(), uuid)


def _should_run(instance: Instance) -> bool:
    ran = instance.vm_state in _MAY_RUN and instance.power_state == states.RUNNING
    return instance.task_state is None and (ran or instance.vm_state == states.ACTIVE)
