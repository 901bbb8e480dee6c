"""The disks that a migration keeps as they were, for the way back.

    aside-<migration>/    copies of the disks, complete once it has this name
    back-<migration>/     the same while they are being put back

They stand in the instance's folder, so they go with it when it is deleted.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from minova.common import errors
from minova.model import device_names
from minova.model.instance import Instance
from minova.virt import qcow2
from minova.virt.libvirt import disks
from minova.virt.libvirt.disks import InstanceFolder

_ASIDE, _BACK, _PART = "aside-", "back-", ".part"
_CHUNK = 64 * 1024 * 1024


def keep(folder: InstanceFolder, migration_id: str, cancelled: Callable[[], bool]) -> None:
    """Have copies of the disks of a stopped guest. Idempotent.

    `cancelled` is asked now and then; errors.Conflict when it says yes.
    """
    _finish_putting_back(folder)
    aside = folder / f"{_ASIDE}{migration_id}"
    for other in folder.path.glob(f"{_ASIDE}*"):
        if other != aside:
            shutil.rmtree(other)
    if aside.exists():
        return
    part = aside.with_name(aside.name + _PART)
    part.mkdir(mode=0o700)
    try:
        for file in _disks(folder):
            _copy(file, part / file.name, cancelled)
        part.rename(aside)
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        if isinstance(error, OSError):
            raise errors.Unavailable(
                f"The host could not keep the server's old disks ({error.strerror})."
            ) from error
        raise


def forget(folder: InstanceFolder) -> None:
    """Remove whatever is kept. Idempotent."""
    for kept in folder.path.glob(f"{_ASIDE}*"):
        shutil.rmtree(kept)


def put_back(folder: InstanceFolder, migration_id: str) -> None:
    """Have the disks of a stopped guest as they were. Idempotent."""
    aside = folder / f"{_ASIDE}{migration_id}"
    if aside.exists():
        aside.rename(folder / f"{_BACK}{migration_id}")
    _finish_putting_back(folder)


def is_kept(folder: InstanceFolder, migration_id: str) -> bool:
    """Whether there is something to put back."""
    return any((folder / f"{name}{migration_id}").exists() for name in (_ASIDE, _BACK))


def fit(folder: InstanceFolder, instance: Instance) -> None:
    """Let the disks be as large as the flavor says, and add those it has more. Idempotent.

    A guest's file systems are its own to grow: nobody looks into its disks here.
    """
    root = folder / disks.ROOT
    wanted = instance.flavor.root_gb * disks.GIB
    if root.exists() and qcow2.virtual_size(root) < wanted:
        disks.grow(root, "qcow2", wanted)
    bus = device_names.usual_bus(instance.image_properties)
    arranged = device_names.arrange(instance.flavor, instance.block_devices, bus)
    has_swap = False
    for disk in arranged.local:
        path, size = folder / disks.file_of(disk), disk.size_mb * disks.MIB
        has_swap |= path.name == disks.SWAP
        if not path.exists() or path.stat().st_size == size:
            continue
        if path.name == disks.SWAP:
            path.unlink()
        elif path.stat().st_size < size:
            disks.grow(path, "raw", size)
    if not has_swap:
        (folder / disks.SWAP).unlink(missing_ok=True)
    disks.make_local(folder, instance)


def _disks(folder: InstanceFolder) -> list[Path]:
    """The disks a guest keeps things on."""
    found = [folder / disks.ROOT, *folder.path.glob(f"{disks.EPHEMERAL}*")]
    return [file for file in found if file.exists() and file.suffix != _PART]


def _finish_putting_back(folder: InstanceFolder) -> None:
    for back in folder.path.glob(f"{_BACK}*"):
        for file in back.iterdir():
            file.rename(folder / file.name)
        back.rmdir()


def _copy(source: Path, target: Path, cancelled: Callable[[], bool]) -> None:
    """Copy what is not a hole; where the file system can, the blocks are shared."""
    with source.open("rb") as old, target.open("wb") as new:
        target.chmod(0o600)
        for start, end in _data(old.fileno()):
            while start < end:
                if cancelled():
                    raise errors.Conflict("The server is being deleted; its disk is not kept.")
                wanted = min(_CHUNK, end - start)
                copied = os.copy_file_range(old.fileno(), new.fileno(), wanted, start, start)
                if not copied:
                    raise errors.Unavailable(f"{source.name} of the server shrank while copied.")
                start += copied
        new.truncate(os.fstat(old.fileno()).st_size)
        os.fsync(new.fileno())


def _data(file: int) -> Iterator[tuple[int, int]]:
    """Where the file is no hole: (from, to), in order."""
    size, at = os.fstat(file).st_size, 0
    while at < size:
        try:
            start = os.lseek(file, at, os.SEEK_DATA)
        except OSError:
            return  # nothing but a hole from here to the end
        at = os.lseek(file, start, os.SEEK_HOLE)
        yield start, at
