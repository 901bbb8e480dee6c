"""Is a downloaded image what its record says, and harmless?

A file that is not of the declared format (CVE-2024-40767), refers to other
files (CVE-2024-32498, CVE-2015-1851) or cannot be parsed is refused.
"""

from pathlib import Path

from oslo_utils.imageutils import format_inspector

from minova.common import errors

# disk_format of an image -> what its bytes may look like, and what QEMU is told they are.
FORMATS: dict[str, tuple[frozenset[str], str]] = {
    "raw": (frozenset({"raw", "gpt", "iso"}), "raw"),
    "iso": (frozenset({"iso", "gpt"}), "raw"),
    "qcow2": (frozenset({"qcow2"}), "qcow2"),
}


def check(path: Path, image_id: str, disk_format: str) -> str:
    """The format to give to QEMU; errors.Invalid if the file must not be used."""
    looks, qemu_format = FORMATS[disk_format]
    try:
        found = format_inspector.detect_file_format(str(path))
        if found is None or str(found) not in looks:
            raise errors.Invalid(
                f"Image {image_id} is not the {disk_format} image it claims to be."
            )
        if qemu_format != "raw":
            found.safety_check()
    except format_inspector.ImageFormatError:
        raise errors.Invalid(f"Image {image_id} cannot be read as {disk_format}.") from None
    except format_inspector.SafetyCheckFailed as error:
        failed = ", ".join(error.failures)
        raise errors.Invalid(f"Image {image_id} is not safe to use ({failed}).") from None
    return qemu_format
