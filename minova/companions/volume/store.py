"""The volumes' files: one per volume, sparse, `<volumes_path>/volume-<id>`.

A snapshot is a copy of its own, `<volumes_path>/snapshot-<id>`.

A new volume is always a new file, so it can never show bytes of an older one
(CVE-2013-4183). A file under construction has the suffix `.part` until it is
complete; what a crash leaves behind is overwritten or swept at the next try.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from minova.common import bulk_files, errors
from minova.companions.volume import qemuimg
from minova.companions.volume.records import Volume

GIB = 1024**3
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Store:
    """The folder of the volumes. Methods are idempotent; sizes are GiB."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def prepare(self) -> None:
        """Create the folder; only its owner may look into it."""
        self._path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def path(self, volume_id: str) -> Path:
        """Where the volume's file is. ValueError for what is no id of ours."""
        if not _ID.fullmatch(volume_id):
            raise ValueError("a volume's id is a UUID")
        return self._path / f"volume-{volume_id}"

    def snapshot_path(self, snapshot_id: str) -> Path:
        """Where the snapshot's file is."""
        if not _ID.fullmatch(snapshot_id):
            raise ValueError("a snapshot's id is a UUID")
        return self._path / f"snapshot-{snapshot_id}"

    def part(self, volume_id: str, purpose: str = "") -> Path:
        """A file of a work in progress, swept by `clean`."""
        return self.path(volume_id).with_suffix(f".{purpose}part")

    def create_empty(self, volume: Volume) -> None:
        """A file that reads as zeros."""
        part = self._new_part(volume.id)
        if volume.format == "raw":
            os.truncate(part, volume.size_gb * GIB)
        else:
            qemuimg.create(part, volume.format, volume.size_gb * GIB)
        self._adopt(volume.id, part)

    def fill(self, volume_id: str, chunks: Iterable[bytes], limit: int) -> Path:
        """Write `chunks` to a sparse `.download.part` file of at most `limit` bytes."""
        path = self.part(volume_id, "download.")
        path.unlink(missing_ok=True)
        with os.fdopen(_create(path), "wb") as file:
            size = 0
            for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    raise errors.Invalid(f"The image is larger than the {limit} bytes it may have.")
                bulk_files.write_sparse(file.fileno(), chunk)
            bulk_files.end(file.fileno())
        return path

    def create_from(self, volume: Volume, source: Path, source_format: str) -> None:
        """A copy of `source`, grown to the volume's size. errors.Invalid if it does not fit."""
        if qemuimg.virtual_size(source, source_format) > volume.size_gb * GIB:
            raise _too_small(volume)
        part = self._new_part(volume.id)
        qemuimg.convert(source, source_format, part, volume.format)
        self._adopt(volume.id, part)
        self.extend(volume, volume.size_gb)

    def create_from_raw(self, volume: Volume, source: Path) -> None:
        """Like `create_from` for a raw file of ours, which becomes the volume if it can."""
        if volume.format != "raw":
            self.create_from(volume, source, "raw")
            source.unlink()
            return
        if source.stat().st_size > volume.size_gb * GIB:
            raise _too_small(volume)
        self._adopt(volume.id, source)
        self.extend(volume, volume.size_gb)

    def new_snapshot(self, snapshot_id: str) -> Path:
        """An empty file that becomes the snapshot's by `adopt_snapshot`."""
        part = self.snapshot_path(snapshot_id).with_suffix(".part")
        part.unlink(missing_ok=True)
        os.close(_create(part))
        return part

    def adopt_snapshot(self, snapshot_id: str) -> None:
        """The file of `new_snapshot` is whole."""
        path = self.snapshot_path(snapshot_id)
        path.with_suffix(".part").rename(path)

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Remove the snapshot's file, whole or not."""
        path = self.snapshot_path(snapshot_id)
        path.with_suffix(".part").unlink(missing_ok=True)
        path.unlink(missing_ok=True)

    def extend(self, volume: Volume, size_gb: int) -> None:
        """Grow to `size_gb`; a file that is larger already stays as it is."""
        path = self.path(volume.id)
        if volume.format != "raw":
            if qemuimg.virtual_size(path, volume.format) < size_gb * GIB:
                qemuimg.resize(path, volume.format, size_gb * GIB)
        elif path.stat().st_size < size_gb * GIB:
            os.truncate(path, size_gb * GIB)

    def delete(self, volume_id: str) -> None:
        """Remove the volume's file and all of its parts."""
        self.clean(volume_id)
        self.path(volume_id).unlink(missing_ok=True)

    def clean(self, volume_id: str) -> None:
        """Remove what unfinished work left."""
        for part in self._path.glob(f"{self.path(volume_id).name}.*part"):
            part.unlink(missing_ok=True)

    def _new_part(self, volume_id: str) -> Path:
        path = self.part(volume_id)
        path.unlink(missing_ok=True)
        os.close(_create(path))
        return path

    def _adopt(self, volume_id: str, part: Path) -> None:
        part.rename(self.path(volume_id))


def _too_small(volume: Volume) -> errors.Invalid:
    return errors.Invalid(
        f"Volume {volume.id} of {volume.size_gb} GiB is smaller than what it is made from."
    )


def _create(path: Path) -> int:
    # O_EXCL: never through a link or into a file that somebody put there.
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
