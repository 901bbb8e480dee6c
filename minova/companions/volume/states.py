"""The life of a volume, as one table: which change is allowed from which status.

Every change is a compare-and-swap in the DB (`queries.volumes.change`): of
two racing requests one wins and the other gets the 400 that its status
deserves.

    available -> reserved -> attaching -> in-use -> detaching -> available
"""

from dataclasses import dataclass

CREATING = "creating"
AVAILABLE = "available"
RESERVED = "reserved"
ATTACHING = "attaching"
IN_USE = "in-use"
DETACHING = "detaching"
EXTENDING = "extending"
# Made anew from an image, by os-reimage.
DOWNLOADING = "downloading"
UPLOADING = "uploading"
# A volume becomes what its snapshot is, and its snapshot is used for that.
REVERTING = "reverting"
RESTORING = "restoring"
DELETING = "deleting"
ERROR = "error"
ERROR_DELETING = "error_deleting"
ERROR_DETACHING = "error_detaching"
ERROR_EXTENDING = "error_extending"

# Attachments know these, and nothing of the others.
ATTACHED = "attached"

# What an admin may set with os-reset_status. Not what stands for work of ours (deleting,
# downloading, …): at the next start it would be done, and the volume removed or made anew.
# One that is `creating` and has its file is only found to be there.
SETTABLE = (
    *(CREATING, AVAILABLE, RESERVED, ATTACHING, IN_USE, DETACHING, "maintenance"),
    *(ERROR, ERROR_DELETING, ERROR_DETACHING, ERROR_EXTENDING),
)


@dataclass(frozen=True)
class Change:
    """A named change: `before` are the statuses it may start from."""

    name: str
    before: tuple[str, ...]
    after: str


CHANGES = {
    change.name: change
    for change in (
        Change("reserve", (AVAILABLE,), RESERVED),
        # The old action's name for the same thing.
        Change("os-reserve", (AVAILABLE,), ATTACHING),
        Change("os-unreserve", (ATTACHING, RESERVED), AVAILABLE),
        Change("os-attach", (AVAILABLE, ATTACHING), IN_USE),
        # The old way to an export, with os-reserve before it or without.
        Change("os-initialize_connection", (AVAILABLE, ATTACHING), ATTACHING),
        Change("connect", (RESERVED, ATTACHING, IN_USE), ATTACHING),
        Change("os-begin_detaching", (IN_USE,), DETACHING),
        Change("os-roll_detaching", (DETACHING,), IN_USE),
        Change("extend", (AVAILABLE,), EXTENDING),
        Change("upload", (AVAILABLE,), UPLOADING),
        Change("reimage", (AVAILABLE, ERROR), DOWNLOADING),
        Change("reimage_reserved", (AVAILABLE, ERROR, RESERVED), DOWNLOADING),
        Change("revert", (AVAILABLE,), REVERTING),
        Change("delete", (AVAILABLE, ERROR, ERROR_EXTENDING, ERROR_DELETING), DELETING),
    )
}
