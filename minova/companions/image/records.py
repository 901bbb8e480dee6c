"""What the image service stores of an image, and the words its columns may hold."""

import datetime as dt
from dataclasses import dataclass, field

# queued -> saving -> active          (PUT /file)
# queued -> uploading -> active       (PUT /stage, POST /import)
# active <-> deactivated; anything -> deleted; a failed transfer goes back to queued.
QUEUED, SAVING, UPLOADING = "queued", "saving", "uploading"
ACTIVE, DEACTIVATED, DELETED = "active", "deactivated", "deleted"
STATUSES = (QUEUED, SAVING, UPLOADING, ACTIVE, DEACTIVATED)
WITH_DATA = (ACTIVE, DEACTIVATED)

PUBLIC, COMMUNITY, SHARED, PRIVATE = "public", "community", "shared", "private"
VISIBILITIES = (COMMUNITY, PUBLIC, PRIVATE, SHARED)
MEMBER_STATUSES = ("pending", "accepted", "rejected")

DISK_FORMATS = ("ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso")
CONTAINER_FORMATS = ("ami", "ari", "aki", "bare", "ovf", "ova", "docker")
HASH_ALGORITHM = "sha512"


@dataclass
class Image:
    """One image. Sizes are bytes, `min_disk` GiB, `min_ram` MiB, times naive UTC.

    `upload` is the token of the transfer under way or of the one that
    brought the data; whoever holds another token has lost the image.
    """

    id: str
    owner: str | None
    created_at: dt.datetime
    updated_at: dt.datetime
    name: str | None = None
    status: str = QUEUED
    visibility: str = SHARED
    protected: bool = False
    hidden: bool = False
    disk_format: str | None = None
    container_format: str | None = None
    min_disk: int = 0
    min_ram: int = 0
    size: int | None = None
    virtual_size: int | None = None
    checksum: str | None = None
    os_hash_algo: str | None = None
    os_hash_value: str | None = None
    upload: str | None = None
    properties: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Member:
    """A project an image is shared with, and what that project said to it."""

    image_id: str
    project_id: str
    status: str
    created_at: dt.datetime
    updated_at: dt.datetime


def now() -> dt.datetime:
    """The time as stored: naive UTC, whole seconds (as the API shows it)."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0)
