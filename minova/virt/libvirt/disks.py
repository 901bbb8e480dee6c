"""The files of an instance: `<instances_path>/<uuid>/`, and the programs that make them.

    disk          the root disk, a qcow2 overlay on the cached image
    disk.eph0     the first ephemeral disk (raw, ext4); disk.eph1, … the others
    disk.swap     the swap disk (raw)
    disk.config   the config drive (ISO 9660)
    console.log   what the guest's serial console said

A file that is there is whole: each is made under another name and renamed.
"""

import functools
import itertools
import logging
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

from minova.common import cpus, errors
from minova.model import device_names
from minova.model.device_names import LocalDisk
from minova.model.instance import Instance
from minova.virt import qcow2
from minova.virt.libvirt.imagecache import Base

LOG = logging.getLogger(__name__)
GIB, MIB = 1024**3, 1024**2
ROOT, RESCUE, EPHEMERAL, SWAP, CONFIG, CONSOLE = (
    "disk",
    "disk.rescue",
    "disk.eph",
    "disk.swap",
    "disk.config",
    "console.log",
)
# A crafted image may make qemu-img run or grow without end (CVE-2015-5162).
_LIMITS = ("prlimit", f"--as={GIB}", "--cpu=30", "--")
_SECONDS = 120


class InstanceFolder:
    """The files of one instance, whether they exist or not."""

    def __init__(self, instances: Path, instance_uuid: str) -> None:
        # The uuid becomes a path that is removed as a whole, so it has to be one.
        self.path = instances / str(uuid.UUID(instance_uuid))

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def make(self) -> None:
        """Make the folder."""
        passable(self.path)

    def clear(self, kept: tuple[str, ...] = ()) -> None:
        """Empty it, but for what begins with a name in `kept` and is whole. Idempotent."""
        if not self.path.exists():
            return
        for entry in self.path.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif not entry.name.startswith(kept) or entry.suffix == ".part":
                entry.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove it with everything in it. Idempotent."""
        try:
            shutil.rmtree(self.path)
        except FileNotFoundError:
            return


def passable(folder: Path) -> None:
    """Make a folder that QEMU's user may pass through and not look into, whatever the umask."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)


def instance_uuids(instances: Path) -> list[str]:
    """The uuids that have a folder here."""
    if not instances.exists():
        return []
    return sorted(entry.name for entry in instances.iterdir() if _is_uuid(entry.name))


def backing_files(instances: Path) -> set[Path]:
    """The cached images that root and rescue disks here stand on."""
    found = set()
    for name, disk in itertools.product(instance_uuids(instances), (ROOT, RESCUE)):
        try:
            base = qcow2.backing_file(instances / name / disk)
        except OSError:
            continue  # there is none, or it is just being deleted
        if base is not None:
            found.add(base)
    return found


def make_root(folder: InstanceFolder, instance: Instance, base: Base) -> None:
    """The root disk, on `base`, as large as the flavor says (0: as the image)."""
    make_overlay(folder / ROOT, base, instance.flavor.root_gb)


def make_overlay(path: Path, base: Base, size_gb: int = 0) -> None:
    """A disk at `path` that begins as `base` and is as large as it, if no size is given."""
    size = [str(size_gb * GIB)] if size_gb else []
    source = ("-F", base.format, "-b", str(base.path))
    _make(
        path,
        lambda part: run(
            *_LIMITS, "qemu-img", "create", "-q", "-f", "qcow2", *source, str(part), *size
        ),
    )


def make_local(folder: InstanceFolder, instance: Instance) -> None:
    """The ephemeral and swap disks, formatted as they are asked for."""
    bus = device_names.usual_bus(instance.image_properties)
    arranged = device_names.arrange(instance.flavor, instance.block_devices, bus)
    for disk in arranged.local:
        _make(folder / file_of(disk), functools.partial(_formatted, disk))


def file_of(disk: LocalDisk) -> str:
    """The name of a local disk's file."""
    return SWAP if disk.kind == device_names.SWAP else f"{EPHEMERAL}{disk.number}"


def _formatted(disk: LocalDisk, part: Path) -> None:
    _sparse(part, disk.size_mb * MIB)
    if disk.kind == device_names.SWAP:
        run("mkswap", str(part))
        return
    program = f"mkfs.{disk.format or 'ext4'}"
    run(program, "-q", "-F", "-L", f"ephemeral{disk.number}", str(part))


def grow(path: Path, format: str, size: int) -> None:
    """Let a disk have `size` bytes, more than it has."""
    run(*_LIMITS, "qemu-img", "resize", "-q", "-f", format, str(path), str(size))


@cpus.everywhere()
def run(*command: str) -> None:
    """Run a program with nothing of ours but a deadline; its failure is in the log.

    Raises errors.Unavailable, which names the program and nothing more.
    """
    environment = {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", "LC_ALL": "C"}
    program = command[len(_LIMITS)] if command[: len(_LIMITS)] == _LIMITS else command[0]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
            timeout=_SECONDS,
        )
        reason = done.stderr.strip() if done.returncode else ""
        failed = done.returncode != 0
    except (OSError, subprocess.TimeoutExpired) as error:
        failed, reason = True, str(error)
    if failed:
        LOG.error("%s failed: %s", " ".join(command), reason or "no reason given")
        raise errors.Unavailable(
            f"{program} failed on the host; the log of nova-compute tells why."
        )


def _make(path: Path, maker: Callable[[Path], None]) -> None:
    if path.exists():
        return
    part = path.with_name(path.name + ".part")
    try:
        maker(part)
        part.chmod(0o600)
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def _is_uuid(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False
