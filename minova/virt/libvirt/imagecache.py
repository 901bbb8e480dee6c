"""The image cache: step 12 of a launch. Every image is downloaded once per host.

`_base/<checksum>.<format>` is an image's data, exactly as uploaded; guests'
disks are overlays on it. The name is the content's checksum, so what one
project uploaded can never be taken for another's image. `_base/ids/<id>`
points from an image's id to its data. A file's mtime is its last use.
"""

import hashlib
import logging
import os
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from minova.common import bulk_files, errors
from minova.model.instance import ImageMeta
from minova.virt import qcow2, verified
from minova.virt.driver import ImageSource
from minova.virt.libvirt.filelock import locked

LOG = logging.getLogger(__name__)
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,254}")
_LOCK, _PART = ".lock", ".part"


@dataclass(frozen=True)
class Base:
    """A cached image: its file, QEMU's name of its format, and its virtual size in bytes."""

    path: Path
    format: str
    virtual_size: int


class ImageCache:
    """The cache in `folder`, shared by all processes of a host."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ids = folder / "ids"

    def fetch(self, source: ImageSource) -> None:
        """Have the image in the cache. See `Driver.cache_image`."""
        image = source.meta
        path = self._path(image)
        self._ids.mkdir(parents=True, exist_ok=True)
        with locked(_beside(path, _LOCK)):
            if not path.exists():
                self._download(source, path)
            self._remember(image.id, path)

    def base(self, image: ImageMeta) -> Base:
        """The cached image, marked as used now; errors.Unavailable when it is not here."""
        path = self._path(image)
        try:
            os.utime(path)
            format = verified.disk_format(image)
            size = qcow2.virtual_size(path) if format == "qcow2" else path.stat().st_size
        except FileNotFoundError:
            raise errors.Unavailable(
                f"Image {image.id} has gone from the host's cache; try again."
            ) from None
        return Base(path, format, size)

    def sweep(
        self, in_use: Iterable[str], min_age: int, backing: Callable[[], set[Path]]
    ) -> list[str]:
        """Remove what nobody uses; the ids that went. See `Driver.image_cache_sweep`.

        `backing` tells which files disks stand on; those stay in any case.
        """
        if not self._ids.exists():
            return []
        oldest = time.time() - min_age
        kept = set(in_use)
        gone = [self._forget(link) for link in self._stale_ids(kept, oldest)]
        for path in self._unnamed():
            with locked(_beside(path, _LOCK)):
                if path not in self._named() | backing() and _mtime(path) <= oldest:
                    LOG.info("image cache: removing %s", path.name)
                    path.unlink(missing_ok=True)
                    _beside(path, _PART).unlink(missing_ok=True)
                    _beside(path, _LOCK).unlink(missing_ok=True)
        return gone

    def _path(self, image: ImageMeta) -> Path:
        if not _ID.fullmatch(image.id):
            raise errors.Invalid("The image's id is not an id.")
        algorithm, digest = verified.digest_of(image)
        if algorithm == "md5":
            # md5 does not tell two images apart that somebody made to collide.
            digest = hashlib.sha256(f"{image.id} {digest}".encode()).hexdigest()
        return self._folder / f"{digest}.{verified.disk_format(image)}"

    def _download(self, source: ImageSource, path: Path) -> None:
        part = _beside(path, _PART)
        try:
            with part.open("wb", buffering=0) as file:
                for chunk in verified.chunks(source):
                    bulk_files.write_sparse(file.fileno(), chunk)
                bulk_files.end(file.fileno())
                os.fsync(file.fileno())
            part.chmod(0o644)
            part.rename(path)
            bulk_files.sync_folder(self._folder)
        except BaseException as error:
            part.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise errors.Unavailable(
                    f"The host could not store image {source.meta.id} ({error.strerror})."
                ) from error
            raise
        LOG.info("image %s is cached", source.meta.id)

    def _remember(self, image_id: str, path: Path) -> None:
        """Point from the id to its data, and mark both as used now."""
        link = self._ids / image_id
        target = Path("..") / path.name
        if not (link.is_symlink() and link.readlink() == target):
            link.unlink(missing_ok=True)
            link.symlink_to(target)
        os.utime(path)
        os.utime(link, follow_symlinks=False)

    def _stale_ids(self, kept: set[str], oldest: float) -> list[Path]:
        return [
            link
            for link in sorted(self._ids.iterdir())
            if link.name not in kept
            and link.lstat().st_mtime <= oldest
            and _mtime(self._folder / link.readlink().name) <= oldest
        ]

    def _forget(self, link: Path) -> str:
        link.unlink(missing_ok=True)
        return link.name

    def _named(self) -> set[Path]:
        return {self._folder / link.readlink().name for link in self._ids.iterdir()}

    def _unnamed(self) -> list[Path]:
        """The data files no id points to, also those of downloads that died."""
        named = self._named()
        found = {
            file.with_name(file.name.removesuffix(_PART))
            for file in self._folder.iterdir()
            if file.is_file() and not file.name.endswith(_LOCK)
        }
        return sorted(found - named)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _mtime(path: Path) -> float:
    """When it was last used; 0 when it does not exist."""
    with suppress(FileNotFoundError):
        return path.stat().st_mtime
    return 0.0
