"""A server's disk, sent to the image service: createImage, createBackup, and shelving's copy."""

import logging
import threading
from collections.abc import Iterator, Sequence

from minova.common import errors
from minova.common.context import RequestContext
from minova.common.undo import Undo
from minova.compute.actions.host import Host, Outcome
from minova.model import states
from minova.model.instance import Instance
from minova.model.work import Work

LOG = logging.getLogger(__name__)


def _create_image(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    send_disk(host, ctxt, instance, work)
    return {"expected": [states.ACTIONS[work.action].tasks[-1]]}


def _create_backup(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    send_disk(host, ctxt, instance, work)
    _rotate(host, instance, work)
    return {"expected": [states.ACTIONS[work.action].tasks[-1]]}


def _rotate(host: Host, instance: Instance, work: Work) -> None:
    """Keep the newest `rotation` backups of this kind; one that cannot be deleted stays."""
    made = host.images.get(str(work.request["making_image"]))
    backups = host.images.find(
        owner=made.owner,
        status="active",
        image_type="backup",
        backup_type=work.request["backup_type"],
        instance_uuid=instance.uuid,
    )
    # The service tells times by the second; of the same one, what was made last is ours.
    backups.sort(key=lambda image: (image.created_at, image.id == made.id), reverse=True)
    for image in backups[int(work.request["rotation"]) :]:
        try:
            host.images.delete(image.id)
        except (errors.Conflict, errors.Forbidden) as error:
            LOG.warning("backup %s is not rotated out: %s", image.id, error.message)


def send_disk(
    host: Host,
    ctxt: RequestContext,
    instance: Instance,
    work: Work,
    tasks: Sequence[str] | None = None,
) -> None:
    """Fill the image that the work's `making_image` names with a copy of the root disk.

    Goes through the last two of `tasks`, by default the action's: while the disk is copied, and
    while the copy is sent. The image is deleted when that fails, as when the
    server is deleted meanwhile. Done again, it takes an image that is whole
    already as it is.
    """
    image_id = str(work.request["making_image"])
    tasks = tasks or states.ACTIONS[work.action].tasks
    deleted = host.cancelled(instance.uuid)

    def advance(task: str) -> None:
        if deleted.is_set():
            raise errors.Conflict(f"Server {instance.uuid} is being deleted.")
        host.conductor.advance(ctxt, work, host.owner, list(tasks), task)

    with Undo() as undo:
        undo.push(host.images.discard, image_id)
        if host.images.get(image_id).status == "active":
            LOG.info("instance %s: image %s is there already", instance.uuid, image_id)
            advance(tasks[-1])
        else:
            advance(tasks[-2])
            with host.driver.snapshot(instance, deleted.is_set) as disk:
                advance(tasks[-1])
                host.images.upload(image_id, disk.size, lambda: _unless(deleted, disk.chunks()))
        undo.clear()


def _unless(deleted: threading.Event, chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if deleted.is_set():
            raise errors.Conflict("The server is being deleted; its image is not sent any more.")
        yield chunk


ACTIONS = {"createImage": _create_image, "createBackup": _create_backup}
