"""What nova-compute does to an instance that exists: one method an action.

`ACTIONS` maps the action's name in the work to the method. Each is safe to
do again after a crash; its outcome goes through the conductor, and a
failure ends the action with its reason.
"""

import logging
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from minova.clients.volume import VolumeClient
from minova.common import errors
from minova.common.context import RequestContext
from minova.common.undo import Undo
from minova.compute.build import Builder, connect_volume
from minova.conductor.rpcapi import ConductorAPI
from minova.model import states
from minova.model.instance import BlockDevice, Instance, utcnow
from minova.model.work import Work
from minova.virt.driver import Driver

LOG = logging.getLogger(__name__)
# An action may end the work with other values than its row of states.ACTIONS says.
Outcome = dict[str, Any]


class Actions:
    """Does the actions of one compute host."""

    def __init__(
        self, driver: Driver, conductor: ConductorAPI, builder: Builder, host: str, owner: str
    ) -> None:
        self._driver = driver
        self._conductor = conductor
        self._builder = builder
        self._host = host
        self._owner = owner
        self._volumes = VolumeClient()

    def run(self, ctxt: RequestContext, work: Work) -> None:
        """Do the action of `work`, which this process owns, and write its outcome."""
        started = utcnow()
        try:
            act = ACTIONS.get(work.action)
            if act is None:
                raise errors.NotSupported(feature=f"The action {work.action}")
            instance = self._conductor.instance_get(ctxt, work.instance_uuid)
            outcome = act(self, ctxt, instance, work)
        except Exception as error:
            self._failed(ctxt, work, started, error)
            return
        self._event(ctxt, work, started, "Success", None)
        try:
            self._conductor.finish(ctxt, work, self._owner, **outcome)
        except errors.MinovaError as lost:
            # It is done; if that is not written, recovery has it done again.
            LOG.error("instance %s: cannot report: %s", work.instance_uuid, lost.message)

    def _failed(self, ctxt: RequestContext, work: Work, started: Any, error: Exception) -> None:
        reason = getattr(error, "message", None) or "an unexpected error; see nova-compute's log"
        message = f"{work.action} of instance {work.instance_uuid} failed: {reason}"
        LOG.error("%s", message, exc_info=error)
        self._event(ctxt, work, started, "Error", message)
        try:
            self._conductor.fail(
                ctxt,
                work,
                self._owner,
                code=500,
                message=message,
                details="".join(traceback.format_exception(error)),
            )
        except errors.MinovaError as lost:
            # The lease runs out, and recovery does the action again.
            LOG.error("instance %s: cannot report: %s", work.instance_uuid, lost.message)

    def delete(self, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
        """The guest, its disks, ports and attachments; in the reverse order of a launch."""
        self._driver.destroy(instance)
        for device in instance.block_devices:
            if device.is_volume:
                self._let_go(ctxt, device)
        if any(device.is_volume for device in instance.block_devices):
            for attachment_id in self._volumes.attachments(instance.uuid):
                self._volumes.detach(attachment_id)
        self._builder.free_network(instance)
        return {"power_state": states.NOSTATE, "vifs": []}

    def _let_go(self, ctxt: RequestContext, device: BlockDevice) -> None:
        if device.attachment_id:
            self._volumes.detach(device.attachment_id)
        if device.delete_on_termination and device.volume_id:
            self._volumes.delete(device.volume_id)
        self._conductor.remove_device(ctxt, device.id)

    def stop(self, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
        self._driver.power_off(instance)
        return {"power_state": states.SHUTDOWN}

    def start(self, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
        self._connect_volumes(ctxt, instance)
        self._driver.power_on(instance, instance.vifs)
        return {"power_state": states.RUNNING}

    def reboot(self, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
        self._driver.reboot(instance, instance.vifs, hard=False)
        return {"power_state": states.RUNNING}

    def reboot_hard(self, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
        self._connect_volumes(ctxt, instance)
        self._driver.reboot(instance, instance.vifs, hard=True)
        return {"power_state": states.RUNNING}

    def _connect_volumes(self, ctxt: RequestContext, instance: Instance) -> None:
        """The exports may have gone with a reboot of the host."""
        for device in instance.block_devices:
            if device.is_volume:
                connect_volume(self._volumes, device, instance, self._host)

    def attach_volume(self, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
        device = _device_of(instance, work)
        if device is None:
            raise errors.NotFound(f"The volume attachment of instance {instance.uuid} is gone.")
        with Undo() as undo:
            undo.push(self._conductor.remove_device, ctxt, device.id)
            if device.attachment_id:
                undo.push(self._volumes.detach, device.attachment_id)
            connected = connect_volume(self._volumes, device, instance, self._host)
            self._conductor.save_device(ctxt, connected)
            undo.push(self._driver.detach_volume, instance, connected)
            name = self._driver.attach_volume(instance, connected)
            if name != connected.device_name:
                self._conductor.save_device(ctxt, replace(connected, device_name=name))
            self._volumes.complete(str(connected.attachment_id))
            undo.clear()
        return {}

    def detach_volume(self, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
        device = _device_of(instance, work)
        if device is not None:
            self._driver.detach_volume(instance, device)
            self._let_go(ctxt, replace(device, delete_on_termination=False))
        return {}

    def _event(
        self, ctxt: RequestContext, work: Work, started: Any, result: str, details: str | None
    ) -> None:
        if work.action_id is not None:
            self._conductor.add_event(
                ctxt,
                work.action_id,
                f"compute_{_EVENT_NAMES.get(work.action, work.action)}_instance",
                started=started,
                result=result,
                host=self._host,
                details=details,
            )


_EVENT_NAMES = {"delete": "terminate", "forceDelete": "terminate", "reboot_hard": "reboot"}

ACTIONS: dict[str, Callable[[Actions, RequestContext, Instance, Work], Outcome]] = {
    "delete": Actions.delete,
    "forceDelete": Actions.delete,
    "stop": Actions.stop,
    "start": Actions.start,
    "reboot": Actions.reboot,
    "reboot_hard": Actions.reboot_hard,
    "attach_volume": Actions.attach_volume,
    "detach_volume": Actions.detach_volume,
}


def _device_of(instance: Instance, work: Work) -> BlockDevice | None:
    wanted = work.request.get("device_id")
    return next((d for d in instance.block_devices if d.id == wanted), None)
