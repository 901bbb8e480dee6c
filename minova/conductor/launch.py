"""A launch, from the API's cast to the cast to a compute; and its ways back.

The conductor owns the work while it is being scheduled. The scheduler's
claim hands it to the chosen host in the same transaction, so at any moment
exactly one process is responsible, and the DB says which.

What fails frees what it has at the companions before its outcome is written:
a crash in between leaves the work, and with it somebody who frees the rest.
"""

import logging
import uuid

import oslo_messaging
from oslo_config import cfg

from minova.clients.image import ImageClient
from minova.clients.network import NetworkClient
from minova.clients.volume import VolumeClient
from minova.common import errors
from minova.common.context import RequestContext
from minova.common.inflight import InFlight
from minova.compute.rpcapi import ComputeAPI
from minova.conductor import migrate
from minova.conductor.rpcapi import ConductorAPI
from minova.db import actions, allocations, instances, notices, states, tables, work
from minova.db.engine import Database, retried
from minova.model import states as model_states
from minova.model import steps
from minova.model.instance import Instance, utcnow
from minova.model.work import Work
from minova.scheduler.rpcapi import SchedulerAPI

LOG = logging.getLogger(__name__)
# Of a launch's `attempts`: each try counts twice, once asked for and once taken.
MAX_TRIES = 6


class Launcher:
    """Places launches, and ends what no host can.

    `owner` names this conductor in the leases of what it works on.
    """

    def __init__(self, db: Database, host: str) -> None:
        self._db = db
        self.owner = f"nova-conductor@{host}/{uuid.uuid4()}"
        self._mover = migrate.Mover(db, self.owner)
        self._scheduler = SchedulerAPI()
        self._conductor = ConductorAPI()
        self._compute = ComputeAPI()
        self._busy = InFlight()
        self._network = NetworkClient()
        self._volume = VolumeClient()
        self._images = ImageClient()

    def renew(self) -> None:
        """Keep the leases of what this conductor is doing."""
        lease = cfg.CONF.conductor.lease_seconds
        work.renew(self._db, self.owner, self._busy.ids(), lease)

    def confirm_overdue(self) -> None:
        """Confirm the resizes that nobody has confirmed in time, if that is configured."""
        if cfg.CONF.compute.resize_confirm_window:
            self._mover.confirm_overdue()

    def launch(self, ctxt: RequestContext, work_id: str) -> None:
        """Have the scheduler place the instance; ERROR with the reason if no host will do.

        Harmless when repeated: only one taker gets the work.
        """
        with self._busy.hold(work_id) as ours:
            entry = self.take(work_id, "schedule") if ours else None
            if entry is not None:
                place = self._mover.place if entry.action in migrate.ACTIONS else self._place
                place(ctxt, entry)

    def take(self, work_id: str, stage: str) -> Work | None:
        """Own the work if it is free and at this stage."""
        lease = cfg.CONF.conductor.lease_seconds
        return work.take(self._db, work_id, self.owner, lease, stage=stage)

    def _place(self, ctxt: RequestContext, entry: Work) -> None:
        started = utcnow()
        try:
            self._scheduler.select_host(ctxt, entry, self.owner)
        except (errors.Unavailable, oslo_messaging.MessagingException) as error:
            # Whether it was placed is in the DB; if not, recovery asks again.
            reason = getattr(error, "message", None) or "the scheduler failed; see its log"
            LOG.warning("instance %s: %s", entry.instance_uuid, reason)
            if entry.attempts >= MAX_TRIES:
                self._give_up(entry, f"The launch stopped at {steps.title(6)}: {reason}")
            else:
                work.release(self._db, entry.id, self.owner)
        except errors.MinovaError as error:
            self._event(entry, started, "Error", error.message)
            self._give_up(entry, error.message)
        else:
            self._event(entry, started, "Success", None)

    def reschedule(
        self, ctxt: RequestContext, entry: Work, owner: str, message: str, details: str
    ) -> None:
        """A host's build failed and undid itself: try the next host, or fail with its words."""
        excluded = [*entry.request.get("excluded", []), entry.host]
        if len(excluded) >= cfg.CONF.conductor.max_attempts:
            self.fail(entry, owner, message, details)
            return
        request = {**entry.request, "excluded": excluded, "failure": message, "details": details}
        if self._back_to_schedule(entry, owner, request):
            # A cast: who asked must not wait for a scheduler.
            self._conductor.launch(ctxt, entry.id)

    @retried
    def _back_to_schedule(self, entry: Work, owner: str, request: dict[str, object]) -> bool:
        """Give the claim back and let the work wait for the scheduler again."""
        table = tables.instances
        with self._db.transaction() as connection:
            if not work.owned(connection, entry.id, owner):
                return False
            allocations.release(connection, entry.instance_uuid)
            task = table.c.task_state
            with notices.changing(connection, entry.instance_uuid):
                kept = connection.execute(
                    table.update()
                    .where(
                        table.c.uuid == entry.instance_uuid,
                        table.c.vm_state == model_states.BUILDING,
                        table.c.deleted_at.is_(None),
                        (task.is_(None)) | (task != model_states.DELETING),
                    )
                    .values(host=None, node=None, task_state=model_states.SCHEDULING)
                )
            if not kept.rowcount:
                return False
            work.hand_over(
                connection,
                entry.id,
                stage="schedule",
                host=None,
                lease_seconds=cfg.CONF.conductor.message_seconds,
                request=request,
            )
            return True

    def _give_up(self, entry: Work, message: str) -> None:
        """No host: the fault tells what the last host said, if one has tried."""
        if "failure" in entry.request:
            message = str(entry.request["failure"])
        self.fail(entry, self.owner, message, str(entry.request.get("details", "")))

    def fail(self, entry: Work, owner: str | None, message: str, details: str = "") -> None:
        """End a launch in ERROR, its claim given back and what it had reserved freed.

        What a companion that is away still holds is freed when the server is deleted.
        A server that could not be unshelved stays as it was.
        """
        if entry.action != "create":
            states.fail(self._db, entry, owner, code=500, message=message, details=details)
            return
        try:
            instance = instances.get(self._db, entry.instance_uuid)
            if instance.task_state != model_states.DELETING:
                self._free(instance)
        except errors.MinovaError as error:
            LOG.error("instance %s: cannot free all it had: %s", entry.instance_uuid, error.message)
        try:
            states.fail(
                self._db, entry, owner, code=500, message=message, details=details, release=True
            )
        except errors.Conflict as conflict:
            LOG.info("instance %s: %s", entry.instance_uuid, conflict.message)

    def delete_unhosted(self, ctxt: RequestContext, work_id: str) -> None:
        """Delete an instance that no host has: its ports, volumes and rows. Idempotent."""
        with self._busy.hold(work_id) as ours:
            entry = self.take(work_id, "conductor") if ours else None
            if entry is not None:
                self._delete(entry)

    def delete_without_host(self, ctxt: RequestContext, entry: Work) -> None:
        """Delete an instance whose host is away; the host tidies up when it is back."""
        with self._db.transaction() as connection:
            work.hand_over(
                connection,
                entry.id,
                stage="conductor",
                host=None,
                lease_seconds=cfg.CONF.conductor.message_seconds,
                expected="host",
            )
        self._conductor.delete_unhosted(ctxt, entry.id)

    def _delete(self, entry: Work) -> None:
        try:
            instance = instances.get(self._db, entry.instance_uuid)
        except errors.NotFound:
            states.fail(self._db, entry, self.owner, code=404, message="The server was gone.")
            return
        try:
            self._free(instance)
            for device in instance.block_devices:
                if device.is_volume and device.delete_on_termination and device.volume_id:
                    self._volume.discard(device.volume_id)
            self.discard_images(entry)
            if instance.shelved_image_id:
                self._images.delete(instance.shelved_image_id)
            kept = states.finish(self._db, entry, self.owner, power_state=model_states.NOSTATE)
            for host in kept:
                self._compute.forget(RequestContext.from_wire(entry.context), host, instance.uuid)
        except errors.Unavailable as error:
            LOG.warning("deleting instance %s: %s", entry.instance_uuid, error.message)
            if entry.attempts >= MAX_TRIES:
                self._cannot_delete(entry, error)
            else:
                work.release(self._db, entry.id, self.owner)
        except errors.MinovaError as error:
            self._cannot_delete(entry, error)

    def discard_images(self, entry: Work) -> None:
        """Delete the images that this work, or what a delete broke off, has begun. Idempotent."""
        begun = entry.request.get("making_image")
        for image_id in [*entry.request.get("unfinished_images", []), *([begun] if begun else [])]:
            self._images.discard(image_id)

    def _cannot_delete(self, entry: Work, error: errors.MinovaError) -> None:
        message = f"Deleting instance {entry.instance_uuid} failed: {error.message}"
        states.fail(self._db, entry, self.owner, code=500, message=message)

    def _free(self, instance: Instance) -> None:
        """Give back what the companions hold for the instance. Idempotent."""
        kept = {n.port_id for n in instance.requested_networks or [] if n.port_id}
        kept |= {vif.port_id for vif in instance.vifs if not vif.created}
        for port in self._network.ports(device_id=instance.uuid):
            if port["id"] in kept:
                self._network.unbind_port(port["id"])
            else:
                self._network.delete_port(port["id"])
        if any(device.is_volume for device in instance.block_devices):
            for attachment_id in self._volume.attachments(instance.uuid):
                self._volume.detach(attachment_id)

    def _event(self, entry: Work, started: object, result: str, details: str | None) -> None:
        if entry.action_id is not None:
            actions.add_event(
                self._db,
                entry.action_id,
                "conductor_schedule_and_build",
                started=started,
                result=result,
                host=self.owner.split("@")[1].split("/")[0],
                details=details,
            )
