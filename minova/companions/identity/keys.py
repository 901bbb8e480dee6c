"""The Fernet keys that encrypt tokens: a folder of numbered files.

`0` is the staged key (the next primary, already readable everywhere), the
highest number is the primary (encrypts), the others are secondary (decrypt
older tokens). The layout is keystone's, so its key repositories and its
operators' habits carry over. The folder is 0700, the files 0600.

`setup` and `rotate` change it (the `minova keys` command); a running service
holds a `KeyRing`, which reads the folder again when its mtime has changed.
"""

import contextlib
import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography.fernet import Fernet, MultiFernet

from minova.common import errors

LOG = logging.getLogger(__name__)
STAGED = 0


def setup(repository: str | Path) -> bool:
    """Create the folder with a staged and a primary key. False if it has keys already."""
    folder = Path(repository)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    with _locked(folder, fcntl.LOCK_EX):
        if _numbers(folder):
            return False
        _write(folder, 1)
        _write(folder, STAGED)
        _touch(folder)
    return True


def rotate(repository: str | Path, max_active_keys: int) -> int:
    """Make the staged key primary and stage a new one; returns the primary's number.

    Of the secondary keys the oldest go until `max_active_keys` files are
    left. A crash at any point leaves a folder that reads every token and
    that the next `rotate` mends.
    """
    folder = Path(repository)
    with _locked(folder, fcntl.LOCK_EX):
        if not _numbers(folder):
            raise errors.Invalid("The key repository is empty; run `minova keys setup` first.")
        primary = max(_numbers(folder)) + 1
        if (folder / str(STAGED)).exists():
            (folder / str(STAGED)).rename(folder / str(primary))
        else:
            _write(folder, primary)
        _write(folder, STAGED)
        secondary = sorted(_numbers(folder) - {STAGED, primary})
        for number in secondary[: max(0, len(secondary) + 2 - max_active_keys)]:
            (folder / str(number)).unlink()
        _touch(folder)
    return primary


class KeyRing:
    """The keys of a repository for a running service. Thread-safe."""

    def __init__(self, repository: str | Path) -> None:
        self._folder = Path(repository)
        self._lock = threading.Lock()
        self._mtime = -1
        self._fernet: MultiFernet | None = None

    def fernet(self) -> MultiFernet:
        """Encrypts with the primary key, decrypts with any; errors.Unavailable without keys."""
        try:
            mtime = self._folder.stat().st_mtime_ns
        except OSError:
            raise self._missing() from None
        if self._fernet is None or mtime != self._mtime:
            with self._lock:
                if self._fernet is None or mtime != self._mtime:
                    self._fernet, self._mtime = self._read(), mtime
        return self._fernet

    def _read(self) -> MultiFernet:
        with _locked(self._folder, fcntl.LOCK_SH):
            numbers = sorted(_numbers(self._folder), reverse=True)
            if not numbers or numbers == [STAGED]:
                raise self._missing()
            paths = [self._folder / str(number) for number in numbers]
            for path in paths:
                if path.stat().st_mode & 0o077:
                    LOG.warning("the token key %s is open to other users; chmod it to 0600", path)
            return MultiFernet([Fernet(path.read_bytes().strip()) for path in paths])

    def _missing(self) -> errors.MinovaError:
        LOG.error("no token keys in %s; run `minova keys setup`", self._folder)
        return errors.Unavailable("The identity service has no token keys.")


def _numbers(folder: Path) -> set[int]:
    return {int(path.name) for path in folder.iterdir() if path.name.isdecimal()}


def _write(folder: Path, number: int) -> None:
    """A new key under `number`, complete or not at all."""
    partial = folder / f".{number}.new"
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(Fernet.generate_key())
        file.flush()
        os.fsync(file.fileno())
    partial.rename(folder / str(number))


def _touch(folder: Path) -> None:
    """Move the folder's mtime on even when the clock's tick is coarser than two rotations."""
    before = folder.stat().st_mtime_ns
    os.utime(folder, ns=(before, max(time.time_ns(), before + 1)))


@contextlib.contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        raise errors.Invalid(
            "The key repository does not exist; run `minova keys setup` first."
        ) from None
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)
