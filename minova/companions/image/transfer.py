"""Bytes on their way in: read, hash, inspect, write, and only then show them.

`upload` (PUT /file) and `stage` + `adopt` (PUT /stage, POST /import) are one
path. A part file is written aside; the image becomes active in one DB step
after the data is on disk under its name. Whatever fails on the way leaves
no byte behind and the image queued. `sweep` does the same for a process
that died.
"""

import errno
import hashlib
import logging
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from minova.common import cpus, errors
from minova.common.image_format import Inspection
from minova.common.undo import Undo
from minova.companions.image import failures, queries
from minova.companions.image.records import (
    ACTIVE,
    DELETED,
    HASH_ALGORITHM,
    QUEUED,
    SAVING,
    UPLOADING,
    Image,
)
from minova.companions.image.store import Part, Store
from minova.db.engine import Database

LOG = logging.getLogger(__name__)
BLOCK = 1024 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# The columns an upload fills.
_FACTS = ("size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value")


class Source(Protocol):
    """Where bytes come from: a request's body."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Limits:
    """Bytes one image may have as a file and as a disk, and uploads at the same time."""

    size: int
    virtual_size: int
    uploads: int


class Body:
    """A request's body in whole blocks. `length` is what the client announced, if it did."""

    def __init__(self, source: Source, length: int | None, limit: int) -> None:
        if length is not None and length > limit:
            raise errors.TooLarge(f"The image has {length} bytes; at most {limit} are accepted.")
        self._source, self._length, self._limit = source, length, limit
        self.count = 0

    def blocks(self) -> Iterator[bytes]:
        """Blocks of BLOCK bytes, the last one shorter.

        errors.Invalid if the client stopped early, TooLarge past the limit.
        """
        while block := self._block():
            self.count += len(block)
            if self.count > self._limit:
                raise errors.TooLarge(f"The image has more than the {self._limit} bytes accepted.")
            yield block
        if self._length is not None and self.count < self._length:
            raise self._cut_off()
        if self._length is not None and self.count > self._length:
            raise errors.Invalid(f"More than the announced {self._length} bytes were sent.")

    def _block(self) -> bytes:
        pieces, missing = [], BLOCK
        try:
            while missing and (piece := self._source.read(missing)):
                pieces.append(piece)
                missing -= len(piece)
        except (OSError, ValueError):
            # The server's ways to say: the peer is gone, silent or talks nonsense.
            raise self._cut_off() from None
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _cut_off(self) -> errors.Invalid:
        return errors.Invalid(f"The upload was cut off after {self.count} bytes; send it again.")


class Transfers:
    """All ways of data into the store."""

    def __init__(self, db: Database, store: Store, limits: Limits) -> None:
        self._db, self._store, self.limits = db, store, limits
        self._slots = threading.BoundedSemaphore(limits.uploads)

    def upload(self, image_id: str, source: Source, length: int | None) -> None:
        """PUT /file: the image goes from queued to active, or stays queued and raises.

        errors.Invalid: not what its disk_format says, unsafe, or cut off;
        TooLarge; Conflict: not queued; Gone: deleted meanwhile.
        """
        with self._transfer(image_id, source, length, SAVING) as (part, token, facts):
            self._rename(image_id, part)
            self._finish(image_id, token, SAVING, ACTIVE, facts)

    def stage(self, image_id: str, source: Source, length: int | None) -> None:
        """PUT /stage: like `upload`, but the data waits for `adopt` (status uploading)."""
        with self._transfer(image_id, source, length, UPLOADING) as (_part, token, facts):
            self._finish(image_id, token, UPLOADING, UPLOADING, facts)

    def adopt(self, image: Image) -> None:
        """POST /import of staged data, which was judged when it came: active at once."""
        token = image.upload
        ready = image.status == UPLOADING and image.size is not None and token is not None
        part = self._store.reopen(image.id, token) if ready and token else None
        if part is None or token is None:
            raise errors.Conflict(
                f"Image {image.id} has no staged data; send it with PUT /v2/images/ID/stage first."
            )
        with Undo() as undo:
            undo.push(part.close)
            undo.push(self._give_up, image.id, token)
            self._rename(image.id, part)
            self._finish(image.id, token, UPLOADING, ACTIVE, {})
            undo.clear()
        part.close()

    @contextmanager
    def _transfer(
        self, image_id: str, source: Source, length: int | None, status: str
    ) -> Iterator[tuple[Part, str, dict[str, Any]]]:
        """Receive a body into a part of an image; the caller says what becomes of it."""
        body = Body(source, length, self.limits.size)
        with self._slot(), Undo() as undo, _full_store():
            token = uuid.uuid4().hex
            part = self._store.begin(image_id, token)
            undo.push(part.discard)
            undo.push(self._give_up, image_id, token)
            if not queries.move(self._db, image_id, (QUEUED,), status, upload=token):
                raise self._not_queued(image_id, status)
            # Read now: from here on nobody can change the format we judge by.
            image = queries.get(self._db, image_id)
            if image.disk_format is None or image.container_format is None:
                raise errors.Invalid(
                    "Properties disk_format and container_format must be set prior to saving data."
                )
            inspection = Inspection(
                image.disk_format, "The uploaded data", max_virtual_size=self.limits.virtual_size
            )
            yield part, token, _receive(image_id, part, body, inspection)
            undo.clear()
            part.close()

    def _not_queued(self, image_id: str, status: str) -> errors.MinovaError:
        """Why data cannot be sent to an image: what it is by now, read again."""
        try:
            current = queries.get(self._db, image_id).status
        except errors.NotFound:
            return failures.Gone(id=image_id)
        return errors.Conflict(
            f"Image status transition from {current} to {status} is not allowed; data can be sent "
            "once, to a queued image."
        )

    def _rename(self, image_id: str, part: Part) -> None:
        try:
            part.commit()
        except FileNotFoundError:
            raise failures.Gone(id=image_id) from None

    def _finish(
        self, image_id: str, token: str, source: str, target: str, facts: dict[str, Any]
    ) -> None:
        """The DB step; Gone if the image was taken from us."""
        if queries.move(self._db, image_id, (source,), target, held=token, **facts):
            return
        # A retry after a lost connection finds its own work done.
        try:
            current = queries.get(self._db, image_id)
        except errors.NotFound:
            raise failures.Gone(id=image_id) from None
        if (current.status, current.upload) != (target, token):
            raise failures.Gone(id=image_id)

    def _give_up(self, image_id: str, token: str) -> None:
        """Undo a transfer whose writer failed or died: no data, and queued again.

        The DB decides, read now: data of an image that is active all the same
        (its commit arrived, the answer did not) or waits for its import stays.
        """
        try:
            image = queries.get(self._db, image_id)
        except errors.NotFound:
            self._store.delete(image_id)
            return
        if image.upload != token or image.status not in (SAVING, UPLOADING):
            return
        staged = image.status == UPLOADING and image.size is not None
        if staged and self._store.has_part(image_id, token):
            return
        # Data first: once the image is queued, the next upload may bring its own.
        self._store.delete(image_id)
        queries.move(
            self._db,
            image_id,
            (image.status,),
            QUEUED,
            held=token,
            upload=None,
            **dict.fromkeys(_FACTS),
        )
        LOG.info("the upload of image %s failed; the image is queued again", image_id)

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(blocking=False):
            raise errors.Unavailable(
                f"{self.limits.uploads} uploads are running, the most at the same time; try again "
                "in a moment."
            )
        try:
            yield
        finally:
            self._slots.release()

    def sweep(self) -> None:
        """Undo what processes that died left half done. Safe at any time, beside any upload."""
        for image_id, _status, token in queries.in_transfer(self._db):
            if token and not self._store.is_written(image_id, token):
                self._give_up(image_id, token)
        running = {(image_id, token) for image_id, _, token in queries.in_transfer(self._db)}
        for image_id, token in list(self._store.parts()):
            if (image_id, token) not in running and self._store.delete_part(image_id, token):
                LOG.info("removed the leftover of an upload of image %s", image_id)
        known = queries.statuses(self._db, self._store.images())
        for image_id, status in known.items():
            if status == DELETED:
                self._store.delete(image_id)
                LOG.info("removed the data of deleted image %s", image_id)


@cpus.everywhere()
def _receive(image_id: str, part: Part, body: Body, inspection: Inspection) -> dict[str, Any]:
    """Write the body to `part`, synced, and return what it turned out to be."""
    digests = (hashlib.md5(usedforsecurity=False), hashlib.new(HASH_ALGORITHM))
    hashing: list[Future[None]] = []
    # Hashing costs as much as all the rest; OpenSSL lets it run beside the next block's arrival.
    with ThreadPoolExecutor(len(digests), "image-hash") as pool:
        for block in body.blocks():
            if part.abandoned:
                raise failures.Gone(id=image_id)
            inspection.feed(block)
            wait(hashing)
            hashing = [pool.submit(digest.update, block) for digest in digests]
            part.write(block)
    virtual_size = inspection.finish()
    part.sync()
    checksum, strong = (digest.hexdigest() for digest in digests)
    facts = (body.count, virtual_size, checksum, HASH_ALGORITHM, strong)
    return dict(zip(_FACTS, facts, strict=True))


@contextmanager
def _full_store() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise failures.StoreFull() from error
        raise
