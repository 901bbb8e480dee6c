"""qemu-img, tamed: the format is always given, CPU and memory are limited.

Nothing here lets QEMU guess what a file is: a guest may write any header to
the start of its raw volume (CVE-2015-7548). What a user brought is
proven before it gets here (common/image_data.py).
"""

import json
import logging
import subprocess
from pathlib import Path

from minova.common import cpus, errors

LOG = logging.getLogger(__name__)
# The images that volumes can be made of: disk_format -> what QEMU is told they are.
FORMATS = {"raw": "raw", "iso": "raw", "qcow2": "qcow2"}
_GIB = 1024**3
# Address space, CPU seconds: a metadata call needs next to nothing, a conversion copies data.
_SMALL = ("prlimit", f"--as={_GIB}", "--cpu=30", "--")
_LARGE = ("prlimit", f"--as={2 * _GIB}", "--cpu=1800", "--")
_SECONDS = 3600


def create(path: Path, fmt: str, size: int) -> None:
    """Make `path` an empty image of `size` bytes."""
    _run(_SMALL, "create", "-q", "-f", fmt, str(path), str(size))


def resize(path: Path, fmt: str, size: int) -> None:
    """Grow an image to `size` bytes."""
    _run(_SMALL, "resize", "-q", "-f", fmt, str(path), str(size))


def convert(source: Path, source_format: str, target: Path, target_format: str) -> None:
    """Copy the content of an image into a new one, sparse."""
    # `-U` is not given: a source that somebody writes to refuses to be copied.
    formats = ("-f", source_format, "-O", target_format)
    _run(_LARGE, "convert", "-q", "-t", "writeback", *formats, str(source), str(target))


def virtual_size(path: Path, fmt: str) -> int:
    """Bytes a guest would see."""
    if fmt == "raw":
        return path.stat().st_size
    info = json.loads(_run(_SMALL, "info", "-f", fmt, "--output=json", str(path)))
    return int(info["virtual-size"])


@cpus.everywhere()
def _run(limits: tuple[str, ...], *arguments: str) -> str:
    """Standard output; errors.Invalid without host paths, for it may reach a user."""
    command = [*limits, "qemu-img", *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False, cwd="/"
        )
    except subprocess.TimeoutExpired:
        raise errors.Timeout(what=f"qemu-img {arguments[0]}", seconds=_SECONDS) from None
    if done.returncode != 0:
        LOG.error("%s failed (%s): %s", command, done.returncode, done.stderr.strip())
        raise errors.Invalid(f"qemu-img {arguments[0]} failed; the service's log has more.")
    return done.stdout
