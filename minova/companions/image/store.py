"""The file store: one file per image, written aside and renamed when whole.

    <store_path>/<image id>                      data of an image
    <store_path>/parts/<image id>.<token>        data on its way, or staged

A part is locked (flock) as long as its writer lives, so a sweep can tell a
crash's leftover from an upload that runs in another process. Ids and tokens
are checked by their form before they become file names, so no request can
name a file outside the store.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from minova.common import bulk_files

_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NAME = re.compile(_ID)
_PART = re.compile(rf"({_ID})\.([0-9a-f]{{32}})")


class Part:
    """A file being written. `commit` makes it the image's data, `discard` removes it.

    Made by `Store.begin` (new) and `Store.reopen`. `close` alone keeps the
    part on disk for a later `reopen`.
    """

    def __init__(self, path: Path, target: Path, flags: int, lock: int = fcntl.LOCK_EX) -> None:
        self._path, self._target = path, target
        self._fd = os.open(path, flags | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._fd, lock)
        except BlockingIOError:
            self.close()
            raise

    def write(self, block: bytes) -> None:
        """Append a block."""
        bulk_files.write(self._fd, block)

    @property
    def abandoned(self) -> bool:
        """Whether somebody removed the part: its image was deleted."""
        return os.fstat(self._fd).st_nlink == 0

    @property
    def moved(self) -> bool:
        """Whether the part is no longer under its name."""
        try:
            return self._path.stat().st_ino != os.fstat(self._fd).st_ino
        except FileNotFoundError:
            return True

    def sync(self) -> None:
        """Return when the data is on disk."""
        os.fsync(self._fd)

    def commit(self) -> None:
        """Put the data, already synced, in its place. The lock stays until `close`."""
        self._path.rename(self._target)
        bulk_files.sync_folder(self._target.parent)

    def discard(self) -> None:
        """Leave no byte behind. Idempotent."""
        self._path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Release the lock. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Store:
    """The folder of the image files."""

    def __init__(self, path: str) -> None:
        self._path = Path(path).absolute()
        self._parts = self._path / "parts"
        for folder in (self._path, self._parts):
            folder.mkdir(parents=True, exist_ok=True, mode=0o750)

    def path(self, image_id: str) -> Path:
        """Where an image's data is."""
        if not _NAME.fullmatch(image_id):
            raise ValueError(f"{image_id!r} is no image id")
        return self._path / image_id

    def begin(self, image_id: str, token: str) -> Part:
        """A new, locked, empty part."""
        while True:
            part = Part(self._part(image_id, token), self.path(image_id), os.O_CREAT | os.O_EXCL)
            if not part.abandoned:
                return part
            part.close()  # a sweep met the part before its lock

    def reopen(self, image_id: str, token: str) -> Part | None:
        """A part that was closed, locked again; None if it is gone or somebody has it."""
        path = self._part(image_id, token)
        try:
            part = Part(path, self.path(image_id), 0, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (FileNotFoundError, BlockingIOError):
            return None
        if part.moved:
            part.close()
            return None
        return part

    def open(self, image_id: str) -> BinaryIO:
        """The image's data for reading; OSError if it is missing."""
        fd = os.open(self.path(image_id), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        return os.fdopen(fd, "rb", buffering=0)

    def delete(self, image_id: str) -> None:
        """Remove the data and every part of an image. Idempotent."""
        self.path(image_id).unlink(missing_ok=True)
        for part in self._parts.glob(f"{image_id}.*"):
            part.unlink(missing_ok=True)

    def delete_part(self, image_id: str, token: str) -> bool:
        """Remove a part nobody writes; False if somebody does. Idempotent."""
        path = self._part(image_id, token)
        with _lock_of(path) as free:
            if free:
                path.unlink(missing_ok=True)
            return free

    def parts(self) -> Iterator[tuple[str, str]]:
        """(image id, token) of every part on disk."""
        for path in self._parts.iterdir():
            if match := _PART.fullmatch(path.name):
                yield match[1], match[2]

    def images(self) -> Iterator[str]:
        """The ids that have a data file."""
        for path in self._path.iterdir():
            if _NAME.fullmatch(path.name):
                yield path.name

    def has_part(self, image_id: str, token: str) -> bool:
        return self._part(image_id, token).exists()

    def is_written(self, image_id: str, token: str) -> bool:
        """Whether a live writer holds the part, or the data file it became."""
        for path in (self._part(image_id, token), self.path(image_id)):
            with _lock_of(path) as free:
                if not free:
                    return True
        return False

    def _part(self, image_id: str, token: str) -> Path:
        name = f"{image_id}.{token}"
        if not _PART.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a part")
        return self._parts / name


@contextmanager
def _lock_of(path: Path) -> Iterator[bool]:
    """Hold the lock of a file, if it is free: True then, or if there is no file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(fd)
