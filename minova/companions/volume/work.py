"""What takes longer than a request: creations, deletions, extensions, uploads.

The request leaves its wish in the volume's row (`creating`, …) and answers
202; a thread here fulfils it and settles the status. A job reads everything
it needs from the row, so one that a crash interrupted runs again at the next
start. Only an upload does not: it needs the user's token, which is not kept.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Any

from minova.common import context, errors
from minova.common.image_data import Claim, Proven
from minova.companions.volume import qemuimg, states
from minova.companions.volume.exports import Exports
from minova.companions.volume.peers import Peers
from minova.companions.volume.queries import attachments, snapshots, volumes
from minova.companions.volume.records import Volume
from minova.companions.volume.snapshot_work import SnapshotWork
from minova.companions.volume.store import GIB, Store
from minova.companions.volume.tables import volumes as table
from minova.db.engine import Database

LOG = logging.getLogger(__name__)
SERVICE = "minova-volume"
_CHUNK = 1024 * 1024
# How much larger than the volume the download of an image may be: qcow2 has tables besides.
_OVERHEAD = 1.1


class _Stopping(Exception):
    """The service stops; the job is taken up again at its next start."""


class Workshop:
    """Threads that work on volumes. A service: `start` takes up what was interrupted."""

    def __init__(
        self, db: Database, store: Store, exports: Exports, peers: Peers, host: str, threads: int
    ) -> None:
        self._db, self._store, self._exports, self._peers = db, store, exports, peers
        self._host, self._threads = host, threads
        self._stopping = threading.Event()
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._snapshots = SnapshotWork(db, store, exports)

    def start(self) -> None:
        self._stopping.clear()
        self._store.prepare()
        self._exports.prepare()
        jobs: dict[str, Callable[[str], None]] = {
            states.CREATING: self.create,
            states.DELETING: self.delete,
            states.EXTENDING: self.extend,
            states.DOWNLOADING: self.reimage,
            states.REVERTING: self.revert,
            states.UPLOADING: self._give_up_upload,
        }
        mine = [table.c.host == self._host, table.c.status.in_(jobs)]
        for volume in volumes.find(self._db, mine):
            LOG.info("taking up volume %s, which is %s", volume.id, volume.status)
            jobs[volume.status](volume.id)
        for snapshot_id in self._snapshots.interrupted(self._host):
            LOG.info("taking up snapshot %s", snapshot_id)
            self.snapshot(snapshot_id)

    def stop(self) -> None:
        """Downloads end at once, and begin anew at the next start; the rest is finished."""
        self._stopping.set()
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)

    def create(self, volume_id: str) -> None:
        """Make the file of a volume that is `creating`."""
        self._submit(self._create, volume_id, states.CREATING, states.ERROR)

    def reimage(self, volume_id: str) -> None:
        """Make a volume that is `downloading` anew from its image."""
        self._submit(self._reimage, volume_id, states.DOWNLOADING, states.ERROR)

    def revert(self, volume_id: str) -> None:
        """Make a volume that is `reverting` what its snapshot is."""
        self._submit(self._snapshots.revert, volume_id, states.REVERTING, states.ERROR)

    def delete(self, volume_id: str) -> None:
        """Remove a volume that is `deleting`."""
        self._submit(self._delete, volume_id, states.DELETING, states.ERROR_DELETING)

    def snapshot(self, snapshot_id: str) -> None:
        """Make the file of a snapshot that is `creating`, or remove one that is `deleting`."""
        with self._lock:
            pool = self._working()
            if pool is not None:
                pool.submit(self._snapshots.run, snapshot_id)

    def extend(self, volume_id: str) -> None:
        """Grow a volume that is `extending`."""
        self._submit(self._extend, volume_id, states.EXTENDING, states.ERROR_EXTENDING)

    def upload(self, volume_id: str, image_id: str, disk_format: str, token: str | None) -> None:
        """Copy a volume that is `uploading` into an image, which fails with it."""

        def upload(volume: Volume) -> None:
            try:
                self._upload(volume, image_id, disk_format, token)
            except Exception:
                self._peers.images().delete(image_id, token)
                raise
            finally:
                volumes.settle(self._db, volume.id, states.UPLOADING, states.AVAILABLE)

        self._submit(upload, volume_id, states.UPLOADING, states.AVAILABLE)

    def _submit(
        self, job: Callable[[Volume], None], volume_id: str, status: str, on_error: str
    ) -> None:
        with self._lock:
            pool = self._working()
            if pool is not None:
                pool.submit(self._run, job, volume_id, status, on_error)

    def _working(self) -> ThreadPoolExecutor | None:
        """The workers; None when the service stops: the row says what to do at the next start."""
        if self._stopping.is_set():
            return None
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="volume-work")
        return self._pool

    def _run(
        self, job: Callable[[Volume], None], volume_id: str, status: str, on_error: str
    ) -> None:
        context.set_service(SERVICE)
        try:
            volume = volumes.get(self._db, volume_id)
            if volume.status == status:
                job(volume)
        except _Stopping:
            LOG.info("volume %s stays %s until the next start", volume_id, status)
        except errors.NotFound:
            LOG.info("volume %s is gone", volume_id)
        except Exception as error:
            if isinstance(error, errors.MinovaError):
                LOG.error("volume %s failed while %s: %s", volume_id, status, error.message)
            else:
                LOG.exception("volume %s failed while %s", volume_id, status)
            volumes.settle(self._db, volume_id, status, on_error, new_size_gb=None)

    def _create(self, volume: Volume) -> None:
        if self._store.path(volume.id).exists():
            self._found_made(volume)
            return
        try:
            if volume.image_id is not None:
                self._create_from_image(volume, volume.image_id)
            elif volume.snapshot_id is not None:
                self._create_from_snapshot(volume, volume.snapshot_id)
            elif volume.source_volid is not None:
                self._create_from_volume(volume, volume.source_volid)
            else:
                self._store.create_empty(volume)
        except Exception:
            self._store.delete(volume.id)
            raise
        if not volumes.settle(self._db, volume.id, states.CREATING, states.AVAILABLE):
            # An admin may have deleted it by force meanwhile; then nobody else removes the file.
            self._remove_if_gone(volume.id)

    def _found_made(self, volume: Volume) -> None:
        """It was whole when it got its name, and may be full of data by now."""
        self._store.extend(volume, volume.size_gb)
        held = attachments.of_volumes(self._db, [volume.id])[volume.id]
        after = states.IN_USE if held else states.AVAILABLE
        volumes.settle(self._db, volume.id, states.CREATING, after)

    def _remove_if_gone(self, volume_id: str) -> None:
        try:
            volumes.get(self._db, volume_id)
        except errors.NotFound:
            self._store.delete(volume_id)

    def _create_from_image(self, volume: Volume, image_id: str) -> None:
        images = self._peers.images()
        image = _found(images.record, image_id)
        if image["status"] != "active" or image["disk_format"] not in qemuimg.FORMATS:
            raise errors.Invalid(f"Image {image_id} cannot be used any more.")
        chunks = _until(images.download(image_id), self._stopping)
        proven = Proven(chunks, _claim(image), tuple(qemuimg.FORMATS))
        limit = min(image["size"], int(volume.size_gb * GIB * _OVERHEAD))
        part = self._store.fill(volume.id, proven, limit)
        qemu_format = qemuimg.FORMATS[image["disk_format"]]
        if qemu_format == "raw":
            self._store.create_from_raw(volume, part)
        else:
            self._store.create_from(volume, part, qemu_format)
            part.unlink()

    def _reimage(self, volume: Volume) -> None:
        with self._exports.kept_still(volume.id):
            if self._exports.running(volume.id):
                raise errors.Invalid(f"Volume {volume.id} was attached before it was made anew.")
            self._create_from_image(volume, str(volume.image_id))
        held = attachments.of_volumes(self._db, [volume.id])[volume.id]
        after = states.RESERVED if held else states.AVAILABLE
        volumes.settle(self._db, volume.id, states.DOWNLOADING, after)

    def _create_from_volume(self, volume: Volume, source_id: str) -> None:
        source = _found(volumes.get, self._db, source_id)
        with self._exports.kept_still(source.id):
            if self._exports.running(source.id):
                raise errors.Invalid(f"Volume {source.id} was attached before it was copied.")
            self._store.create_from(volume, self._store.path(source.id), source.format)

    def _create_from_snapshot(self, volume: Volume, snapshot_id: str) -> None:
        source = _found(snapshots.get, self._db, snapshot_id)
        self._store.create_from(volume, self._store.snapshot_path(source.id), source.format)

    def _delete(self, volume: Volume) -> None:
        for snapshot in snapshots.of_volume(self._db, volume.id):
            self._store.delete_snapshot(snapshot.id)
        self._store.delete(volume.id)
        volumes.delete(self._db, volume.id)
        self._exports.forget(volume.id)

    def _extend(self, volume: Volume) -> None:
        size_gb = volume.new_size_gb or volume.size_gb
        self._store.extend(volume, size_gb)
        volumes.settle(
            self._db,
            volume.id,
            states.EXTENDING,
            states.AVAILABLE,
            size_gb=size_gb,
            new_size_gb=None,
        )

    def _upload(self, volume: Volume, image_id: str, disk_format: str, token: str | None) -> None:
        path = self._store.path(volume.id)
        part = self._store.part(volume.id, "upload.")
        try:
            if disk_format != volume.format:
                part.unlink(missing_ok=True)
                qemuimg.convert(path, volume.format, part, disk_format)
                path = part
            with path.open("rb") as file:
                chunks = iter(lambda: file.read(_CHUNK), b"")
                self._peers.images().upload(image_id, _until(chunks, self._stopping), token)
        finally:
            part.unlink(missing_ok=True)

    def _give_up_upload(self, volume_id: str) -> None:
        self._store.clean(volume_id)
        volumes.settle(self._db, volume_id, states.UPLOADING, states.AVAILABLE)


def _found(getter: Callable[..., Any], *arguments: Any) -> Any:
    """What a volume is made from; if it is gone, that is a failure of the creation."""
    try:
        return getter(*arguments)
    except errors.NotFound as error:
        raise errors.Invalid(error.message) from None


def _claim(image: dict[str, Any]) -> Claim:
    values: dict[str, Any] = {each.name: image.get(each.name) for each in fields(Claim)}
    return Claim(**values)


def _until(chunks: Iterator[bytes], stopping: threading.Event) -> Iterator[bytes]:
    for chunk in chunks:
        if stopping.is_set():
            raise _Stopping
        yield chunk
