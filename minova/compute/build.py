"""Builds one instance on this host: steps 9 to 17 of a launch, top to bottom.

Every step registers its undo before it acts. A failure undoes all in
reverse and tells the conductor at which step it happened; the conductor
tries another host or ends the launch in ERROR with those words. A delete
that comes in the middle is noticed at the next step and ends the build the
same way, silently.
"""

import logging
import os
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from oslo_config import cfg

from minova.clients.image import ImageClient
from minova.clients.network import NetworkClient
from minova.clients.volume import VolumeClient
from minova.common import errors, tracing
from minova.common.context import RequestContext
from minova.common.undo import Undo
from minova.conductor.rpcapi import ConductorAPI
from minova.model import guest_metadata, states, steps
from minova.model.instance import (
    VIF,
    BlockDevice,
    ImageMeta,
    Instance,
    RequestedNetwork,
    utcnow,
)
from minova.model.work import Work
from minova.virt.driver import Driver, GuestFiles

LOG = logging.getLogger(__name__)


class OutcomeUnknown(errors.Unavailable):
    """The guest runs, and nobody answers whether the DB knows: nothing may be undone."""


class Cancelled(errors.Conflict):
    """The instance is being deleted; the build has nothing to report."""


class Download:
    """An image as a driver's cache reads it; stops when the build is cancelled."""

    def __init__(self, client: ImageClient, meta: ImageMeta, cancelled: threading.Event) -> None:
        self.meta = meta
        self._client, self._cancelled = client, cancelled

    def chunks(self) -> Iterator[bytes]:
        for chunk in self._client.download(self.meta.id):
            if self._cancelled.is_set():
                raise Cancelled("The server was deleted while its image was downloaded.")
            yield chunk


class Builder:
    """Builds instances for one compute host; `owner` is this process in the leases."""

    def __init__(self, driver: Driver, conductor: ConductorAPI, host: str, owner: str) -> None:
        self._driver = driver
        self._conductor = conductor
        self._host = host
        self._owner = owner
        self._images = ImageClient()
        self._networks = NetworkClient()
        self._volumes = VolumeClient()

    def build(self, ctxt: RequestContext, work: Work, cancelled: threading.Event) -> None:
        """Build the instance of `work`, which this process owns. Never raises."""
        walk = _Walk(work)
        try:
            with Undo() as undo:
                self._walk(ctxt, work, walk, undo, cancelled)
        except OutcomeUnknown as error:
            # If it is not written, recovery has this host build it anew.
            LOG.error("instance %s: %s", work.instance_uuid, error.message)
        except errors.Conflict as error:
            if not self._gone(ctxt, work):
                self._failed(ctxt, work, walk, error)
        except Exception as error:
            self._failed(ctxt, work, walk, error)

    def _walk(
        self,
        ctxt: RequestContext,
        work: Work,
        walk: "_Walk",
        undo: Undo,
        cancelled: threading.Event,
    ) -> None:
        with walk.step(9):
            instance = self._conductor.instance_to_build(ctxt, work.instance_uuid)
            self._clear_earlier_attempt(instance, work)
        image = self._image(walk, instance)
        with walk.step(12):
            undo.push(self._driver.destroy, instance)
            if image is not None:
                self._driver.cache_image(Download(self._images, image, cancelled))
            self._driver.make_disks(instance, image)
        # Wherever an attempt that died has left it.
        self._advance(ctxt, work, list(states.BUILD_TASKS), states.NETWORKING)
        with walk.step(13):
            vifs = self._interfaces(instance, undo)
        with_volumes = any(device.is_volume for device in instance.block_devices)
        then = states.BLOCK_DEVICE_MAPPING if with_volumes else states.SPAWNING
        self._advance(ctxt, work, [states.NETWORKING], then, vifs=vifs)
        with walk.step(14):
            devices = self._block_devices(ctxt, instance, undo, cancelled)
        if with_volumes:
            self._advance(ctxt, work, [then], states.SPAWNING)
        walk.at = 16
        self._driver.spawn(instance, image, vifs, devices, self.config_drive(instance, vifs))
        with walk.step(17):
            self._complete(devices)
            self._finish(ctxt, work, walk, instance, undo)
        undo.clear()

    def _finish(
        self, ctxt: RequestContext, work: Work, walk: "_Walk", instance: Instance, undo: Undo
    ) -> None:
        try:
            self._conductor.finish(
                ctxt,
                work,
                self._owner,
                expected=[states.SPAWNING],
                power_state=states.RUNNING,
                launched_at=utcnow(),
                progress=100,
                event=self._event(walk, "Success"),
            )
        except errors.Unavailable as error:
            undo.clear()
            raise OutcomeUnknown(f"cannot say that it is active: {error.message}") from error

    def _clear_earlier_attempt(self, instance: Instance, work: Work) -> None:
        """A build taken up after a crash starts from nothing."""
        if work.attempts > 1:
            LOG.info("instance %s: clearing an earlier attempt to build it", instance.uuid)
            self._driver.destroy(instance)
            self.free_network(instance)

    def _image(self, walk: "_Walk", instance: Instance) -> ImageMeta | None:
        if not instance.image_id:
            return None
        with walk.step(11):
            image = self._images.get(instance.image_id)
            if image.status != "active" or not self._images.may_use(image, instance.project_id):
                raise errors.Invalid(
                    f"Image {image.id} can no longer be used by this project; choose another."
                )
            return image

    def _interfaces(self, instance: Instance, undo: Undo) -> list[VIF]:
        vifs: list[VIF] = []
        for wanted in instance.requested_networks or []:
            vifs.append(self._interface(instance, wanted, undo))
        return vifs

    def _interface(self, instance: Instance, wanted: RequestedNetwork, undo: Undo) -> VIF:
        if wanted.port_id:
            undo.push(self._networks.unbind_port, wanted.port_id)
            return self._networks.bind_port(instance, wanted.port_id, self._host, wanted.tag)
        if wanted.network_id is None:
            raise errors.Invalid("The launch names neither a network nor a port.")
        # Not by the port's id: the request may fail and its port be there all the same.
        undo.push(self._delete_ports_here, instance)
        return self._networks.create_port(
            instance, wanted.network_id, self._host, fixed_ip=wanted.fixed_ip, tag=wanted.tag
        )

    def _delete_ports_here(self, instance: Instance) -> None:
        given = {n.port_id for n in instance.requested_networks or [] if n.port_id}
        for port in self._networks.ports(device_id=instance.uuid):
            if port["id"] not in given and port.get("binding:host_id") == self._host:
                self._networks.delete_port(port["id"])

    def free_network(self, instance: Instance) -> None:
        """Delete the ports a launch made, and let go of those it was given. Idempotent."""
        given = {n.port_id for n in instance.requested_networks or [] if n.port_id}
        given |= {vif.port_id for vif in instance.vifs if not vif.created}
        for port in self._networks.ports(device_id=instance.uuid):
            if port["id"] in given:
                self._networks.unbind_port(port["id"])
            else:
                self._networks.delete_port(port["id"])

    def _block_devices(
        self, ctxt: RequestContext, instance: Instance, undo: Undo, cancelled: threading.Event
    ) -> list[BlockDevice]:
        connected = []
        for device in instance.block_devices:
            if device.is_volume:
                if device.source_type != "volume" and device.volume_id:
                    seconds = cfg.CONF.compute.block_device_seconds
                    self._volumes.wait_until_made(device.volume_id, seconds, cancelled.is_set)
                    if cancelled.is_set():
                        raise Cancelled("The server was deleted while its volumes were made.")
                if device.attachment_id is not None:
                    undo.push(self._volumes.detach, device.attachment_id)
                device = connect_volume(self._volumes, device, instance, self._host)
                undo.push(self._volumes.detach, str(device.attachment_id))
                self._conductor.save_device(ctxt, device)
            connected.append(device)
        return connected

    def _complete(self, devices: list[BlockDevice]) -> None:
        for device in devices:
            if device.attachment_id is not None:
                self._volumes.complete(device.attachment_id)

    def config_drive(self, instance: Instance, vifs: list[VIF]) -> GuestFiles | None:
        """What the guest reads before it has a network, if it is to have that."""
        if instance.config_drive or cfg.CONF.compute.force_config_drive:
            files = guest_metadata.config_drive(
                instance, vifs, domain=cfg.CONF.api.dhcp_domain, random_seed=os.urandom(512)
            )
            return GuestFiles(files)
        return None

    def _advance(
        self, ctxt: RequestContext, work: Work, expected: list[str | None], task: str, **values: Any
    ) -> None:
        self._conductor.advance(ctxt, work, self._owner, expected, task, **values)

    def _gone(self, ctxt: RequestContext, work: Work) -> bool:
        """Whether the instance was deleted, or is being, or is somebody else's by now."""
        try:
            instance = self._conductor.instance_get(ctxt, work.instance_uuid)
        except errors.NotFound:
            return True
        return instance.task_state == states.DELETING or instance.host != self._host

    def _failed(self, ctxt: RequestContext, work: Work, walk: "_Walk", error: Exception) -> None:
        reason = getattr(error, "message", None) or "an unexpected error; see nova-compute's log"
        message = f"The launch failed at {steps.title(walk.at)}: {reason}"
        LOG.error("instance %s: %s", work.instance_uuid, message, exc_info=error)
        details = "".join(traceback.format_exception(error))
        event = self._event(walk, "Error", message)
        self._conductor.add_event(ctxt, work.action_id, **event)
        try:
            self._conductor.reschedule(ctxt, work, self._owner, message=message, details=details)
        except errors.MinovaError as lost:
            # The lease runs out, and recovery ends what we could not report.
            LOG.error("instance %s: cannot report: %s", work.instance_uuid, lost.message)

    def _event(self, walk: "_Walk", result: str, details: str | None = None) -> dict[str, Any]:
        return {
            "event": "compute__do_build_and_run_instance",
            "started": walk.started,
            "result": result,
            "host": self._host,
            "details": details,
        }


def connect_volume(
    volumes: VolumeClient, device: BlockDevice, instance: Instance, host: str
) -> BlockDevice:
    """Have the volume exported to this host: the device with its connection_info.

    Reserves the volume again when an earlier attempt has let go of it, and
    finds the reservation of one that died before it could write it down.
    """
    if device.volume_id is None:
        raise errors.Invalid(f"Block device {device.id} names no volume.")
    attachment = device.attachment_id
    info: dict[str, Any] | None = None
    if attachment is not None:
        try:
            info = volumes.connect(attachment, host, device.device_name)
        except errors.NotFound:
            attachment = None
    if attachment is None:
        held = {volume: one for one, volume in volumes.attachments(instance.uuid).items()}
        attachment = held.get(device.volume_id) or volumes.reserve(device.volume_id, instance.uuid)
        info = volumes.connect(attachment, host, device.device_name)
    return replace(device, attachment_id=attachment, connection_info=info)


class _Walk:
    """When a build began and at which step it stands, for its fault, its event and its spans."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.at = 8
        self.started = utcnow()

    @contextmanager
    def step(self, number: int) -> Iterator[None]:
        self.at = number
        with steps.step(
            number,
            instance=self._work.instance_uuid,
            code=tracing.code_location(3),
        ):
            yield
