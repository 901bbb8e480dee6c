"""A disk as it is at one moment, as a file of its own, while its guest goes on running.

A running guest's disk is copied by QEMU itself (libvirt's push backup): what
it writes meanwhile does not enter the copy. A guest that has ended cannot
change its disk, and `qemu-img` reads it. Either way the copy stands on no
other file, and goes when the block ends.
"""

import logging
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from xml.etree import ElementTree

from minova.common import cpus, errors
from minova.model.instance import Instance
from minova.virt.driver import DiskImage
from minova.virt.libvirt import agent, disks
from minova.virt.libvirt.disks import InstanceFolder
from minova.virt.libvirt.guest import Guest
from minova.virt.libvirt.watch import Watch

LOG = logging.getLogger(__name__)
PART = "disk.snapshot.part"
_CHUNK = 1024 * 1024
# Address space, CPU seconds: a copy reads all there is.
_LIMITS = ("prlimit", f"--as={2 * disks.GIB}", "--cpu=1800", "--")
_SECONDS = 3600.0
_LOOK_EVERY = 0.5


@contextmanager
def taken(
    guest: Guest,
    watch: Watch,
    folder: InstanceFolder,
    instance: Instance,
    cancelled: Callable[[], bool],
) -> Iterator[DiskImage]:
    """The root disk's copy, for the block. See `Driver.snapshot`."""
    root, part = folder / disks.ROOT, folder / PART
    if not root.exists():
        raise errors.NotFound(resource="Disk of server", id=guest.uuid)
    guest.end_job()
    part.unlink(missing_ok=True)

    def still() -> AbstractContextManager[None]:
        return agent.frozen(guest, folder, instance, cancelled)

    try:
        if not (guest.is_running() and _copied_live(guest, watch, root, part, still, cancelled)):
            part.unlink(missing_ok=True)
            _copied(root, part, cancelled)
        yield DiskImage(part.stat().st_size, lambda: _chunks(part))
    finally:
        guest.end_job()
        part.unlink(missing_ok=True)


def _copied_live(
    guest: Guest,
    watch: Watch,
    root: Path,
    part: Path,
    still: Callable[[], AbstractContextManager[None]],
    cancelled: Callable[[], bool],
) -> bool:
    """Have QEMU copy it; False when the guest has ended before that was done.

    The copy is of the moment at which it begins, so the guest stands `still` only then.
    """

    def ended() -> bool:
        return cancelled() or not guest.has_job()

    name = _name_in(guest.xml(live=True), root)
    if name is None:
        return False
    with still():
        guest.start_backup(_backup(name, part))
    finished = watch.wait(guest.uuid, ended, _SECONDS, every=_LOOK_EVERY)
    _unless(cancelled)
    if not finished:
        raise errors.Timeout(what="Copying the disk", seconds=int(_SECONDS))
    if guest.job_succeeded():
        return True
    if guest.is_running():
        raise errors.Unavailable("QEMU could not copy the disk; the host may be out of space.")
    return False


def _name_in(xml: str | None, root: Path) -> str | None:
    """What the running guest calls the disk in the file `root`."""
    for disk in ElementTree.fromstring(xml).findall("devices/disk") if xml else ():
        source, target = disk.find("source"), disk.find("target")
        if source is not None and target is not None and source.get("file") == str(root):
            return target.get("dev")
    return None


def _backup(name: str, part: Path) -> str:
    top = ElementTree.Element("domainbackup", {"mode": "push"})
    listed = ElementTree.SubElement(top, "disks")
    values = {"name": name, "backup": "yes", "type": "file"}
    disk = ElementTree.SubElement(listed, "disk", values)
    ElementTree.SubElement(disk, "target", {"file": str(part)})
    ElementTree.SubElement(disk, "driver", {"type": "qcow2"})
    return ElementTree.tostring(top, encoding="unicode")


@cpus.everywhere()
def _copied(root: Path, part: Path, cancelled: Callable[[], bool]) -> None:
    """Copy a disk that nobody writes to; QEMU's lock on it would refuse if somebody did."""
    formats = ("-f", "qcow2", "-O", "qcow2")
    command = (*_LIMITS, "qemu-img", "convert", "-q", *formats, str(root), str(part))
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/"
    ) as copying:
        waited = 0.0
        while copying.poll() is None and not cancelled() and waited < _SECONDS:
            try:
                copying.wait(_LOOK_EVERY)
            except subprocess.TimeoutExpired:
                waited += _LOOK_EVERY
        copying.kill()
        reason = copying.stderr.read().strip() if copying.stderr else ""
    _unless(cancelled)
    if copying.returncode:
        LOG.error("copying %s failed (%s): %s", root, copying.returncode, reason)
        raise errors.Unavailable("qemu-img failed on the host; the log of nova-compute tells why.")


def _unless(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise errors.Conflict("The server is being deleted; its disk is not copied any more.")


def _chunks(part: Path) -> Iterator[bytes]:
    with part.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
