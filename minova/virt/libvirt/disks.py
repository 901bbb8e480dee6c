"""The files of an instance: `<instances_path>/<uuid>/`, and the programs that make them.

    disk          the root disk, a qcow2 overlay on the cached image
    disk.eph0     the flavor's ephemeral disk (raw, ext4)
    disk.swap     the flavor's swap disk (raw)
    disk.config   the config drive (ISO 9660)
    console.log   what the guest's serial console said

A file that is there is whole: each is made under another name and renamed.
"""

import logging
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

from minova.common import errors
from minova.model.instance import Instance
from minova.virt import qcow2
from minova.virt.libvirt.imagecache import Base

LOG = logging.getLogger(__name__)
GIB = 1024**3
ROOT, EPHEMERAL, SWAP, CONFIG, CONSOLE = (
    "disk",
    "disk.eph0",
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
    """The cached images that root disks here stand on."""
    found = set()
    for name in instance_uuids(instances):
        try:
            base = qcow2.backing_file(instances / name / ROOT)
        except OSError:
            continue  # no local root disk, or just being deleted
        if base is not None:
            found.add(base)
    return found


def make_root(folder: InstanceFolder, instance: Instance, base: Base) -> None:
    """The overlay on `base`, as large as the flavor says (0: as the image)."""
    size = [str(instance.flavor.root_gb * GIB)] if instance.flavor.root_gb else []
    source = ("-F", base.format, "-b", str(base.path))
    _make(
        folder / ROOT,
        lambda part: run(
            *_LIMITS, "qemu-img", "create", "-q", "-f", "qcow2", *source, str(part), *size
        ),
    )


def make_ephemeral(folder: InstanceFolder, instance: Instance) -> None:
    """The flavor's ephemeral disk, if it has one, with a file system."""

    def maker(part: Path) -> None:
        _sparse(part, instance.flavor.ephemeral_gb * GIB)
        run("mkfs.ext4", "-q", "-F", "-L", "ephemeral0", str(part))

    if instance.flavor.ephemeral_gb:
        _make(folder / EPHEMERAL, maker)


def make_swap(folder: InstanceFolder, instance: Instance) -> None:
    """The flavor's swap disk, if it has one."""

    def maker(part: Path) -> None:
        _sparse(part, instance.flavor.swap_mb * 1024 * 1024)
        run("mkswap", str(part))

    if instance.flavor.swap_mb:
        _make(folder / SWAP, maker)


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
