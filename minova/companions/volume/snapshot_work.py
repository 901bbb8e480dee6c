"""Snapshots: copied from their volume, whether a guest uses it or not, and removed."""

import logging

from minova.common import context, errors
from minova.companions.volume import qemuimg, states
from minova.companions.volume.exports import Exports
from minova.companions.volume.queries import snapshots, volumes
from minova.companions.volume.records import Snapshot, Volume
from minova.companions.volume.store import Store
from minova.companions.volume.tables import snapshots as table
from minova.db.engine import Database

LOG = logging.getLogger(__name__)
SERVICE = "minova-volume"
_WORKED_ON = (states.CREATING, states.DELETING)


class SnapshotWork:
    """What takes longer than a request. Every job may run again after a crash."""

    def __init__(self, db: Database, store: Store, exports: Exports) -> None:
        self._db, self._store, self._exports = db, store, exports

    def interrupted(self, host: str) -> list[str]:
        """The ids of `host`'s snapshots on which a crash has ended the work."""
        found = snapshots.find(self._db, [table.c.host == host, table.c.status.in_(_WORKED_ON)])
        return [snapshot.id for snapshot in found]

    def run(self, snapshot_id: str) -> None:
        """Do what the snapshot's status says. Never raises."""
        context.set_service(SERVICE)
        try:
            snapshot = snapshots.get(self._db, snapshot_id)
        except errors.NotFound:
            LOG.info("snapshot %s is gone", snapshot_id)
            return
        try:
            if snapshot.status == states.CREATING:
                self._create(snapshot)
            elif snapshot.status == states.DELETING:
                self._delete(snapshot)
        except Exception as error:
            failed = states.ERROR if snapshot.status == states.CREATING else states.ERROR_DELETING
            reason = error.message if isinstance(error, errors.MinovaError) else "see above"
            LOG.exception("snapshot %s becomes %s: %s", snapshot_id, failed, reason)
            snapshots.settle(self._db, snapshot_id, snapshot.status, failed)

    def _create(self, snapshot: Snapshot) -> None:
        try:
            self._copy(snapshot, volumes.get(self._db, snapshot.volume_id))
        except BaseException:
            self._store.delete_snapshot(snapshot.id)
            raise
        settled = snapshots.settle(
            self._db, snapshot.id, states.CREATING, states.AVAILABLE, progress=None
        )
        if not settled and self._is_gone(snapshot.id):
            # Deleted by force meanwhile, or with its volume: then nobody else removes the file.
            self._store.delete_snapshot(snapshot.id)

    def _is_gone(self, snapshot_id: str) -> bool:
        try:
            snapshots.get(self._db, snapshot_id)
        except errors.NotFound:
            return True
        return False

    def _copy(self, snapshot: Snapshot, volume: Volume) -> None:
        if self._store.snapshot_path(snapshot.id).exists():
            # It was whole when it got its name; by now its volume has other content.
            return
        part = self._store.new_snapshot(snapshot.id)
        # No export starts or ends during the copy: both would change under it.
        with self._exports.kept_still(volume.id):
            if self._exports.running(volume.id):
                self._exports.copy_now(volume, part)
            else:
                source = self._store.path(volume.id)
                qemuimg.convert(source, volume.format, part, snapshot.format)
        self._store.adopt_snapshot(snapshot.id)

    def revert(self, volume: Volume) -> None:
        """Make a volume that is `reverting` what its snapshot is, and settle both."""
        after = states.ERROR
        try:
            for source in snapshots.of_volume(self._db, volume.id):
                if source.status == states.RESTORING:
                    self._put_back(volume, source)
                    after = states.AVAILABLE
        finally:
            snapshots.end_revert(self._db, volume.id, after)

    def _put_back(self, volume: Volume, source: Snapshot) -> None:
        with self._exports.kept_still(volume.id):
            if self._exports.running(volume.id):
                raise errors.Invalid(f"Volume {volume.id} was attached before it was reverted.")
            path = self._store.snapshot_path(source.id)
            self._store.create_from(volume, path, source.format)

    def _delete(self, snapshot: Snapshot) -> None:
        self._store.delete_snapshot(snapshot.id)
        snapshots.delete(self._db, snapshot.id)
