"""The config drive: the guest's metadata as a read-only ISO 9660 disk labelled config-2."""

import shutil
import tempfile
from pathlib import Path, PurePosixPath

from minova.virt.driver import GuestFiles
from minova.virt.libvirt import disks

LABEL = "config-2"


def make(path: Path, content: GuestFiles) -> None:
    """Write the drive to `path`, anew if there is one. QEMU's user gets it from libvirt."""
    tree = Path(tempfile.mkdtemp(prefix="config-", dir=path.parent))
    part = path.with_name(path.name + ".part")
    try:
        _write_tree(tree, content)
        disks.run(
            *("genisoimage", "-quiet", "-J", "-r", "-ldots", "-allow-lowercase"),
            *("-allow-multidot", "-l", "-V", LABEL, "-o", str(part), str(tree)),
        )
        part.chmod(0o600)
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
        shutil.rmtree(tree, ignore_errors=True)


def _write_tree(tree: Path, content: GuestFiles) -> None:
    made: set[Path] = set()
    for name, data in content.files.items():
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts:
            raise ValueError(f"{name} is no path inside a config drive")
        file = tree / inside
        if file.parent not in made:
            file.parent.mkdir(parents=True, exist_ok=True)
            made.add(file.parent)
        file.write_bytes(data)
