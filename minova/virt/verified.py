"""Which images guests boot from here, and the proof of their bytes.

An image is proven where it is used, whatever the image service did when it
was uploaded: a file with a backing or data file would have QEMU open files
of the host (CVE-2024-32498, CVE-2015-5163), one that lies about its format
would be read as something else (CVE-2024-40767).
"""

from minova.common import errors, image_format
from minova.common.image_data import Claim, Proven
from minova.model.instance import ImageMeta, Instance
from minova.virt.driver import ImageSource

# The formats guests boot from; QEMU calls them by the same names.
FORMATS = ("qcow2", "raw")
_GIB = 1024**3


def disk_format(image: ImageMeta) -> str:
    """QEMU's name of the image's format; errors.Invalid when guests cannot boot from it."""
    return image_format.require(image.disk_format, f"Image {image.id}", FORMATS)


def digest_of(image: ImageMeta) -> tuple[str, str]:
    """The algorithm and the value that the image's bytes have to hash to."""
    return _claim(image).digest()


def chunks(source: ImageSource) -> Proven:
    """The image's bytes as they come; whoever reads to the end knows that they are good."""
    return Proven(source.chunks(), _claim(source.meta), FORMATS)


def check_size(instance: Instance, image: ImageMeta, virtual_size: int) -> None:
    """errors.Invalid when the image's disk does not fit the flavor's (of 0 GiB: any fits)."""
    flavor = instance.flavor
    if flavor.root_gb and virtual_size > flavor.root_gb * _GIB:
        needed = -(-virtual_size // _GIB)
        raise errors.Invalid(
            f"Image {image.id} needs a disk of {needed} GiB, and flavor {flavor.name} has "
            f"{flavor.root_gb} GiB; choose a larger flavor."
        )


def _claim(image: ImageMeta) -> Claim:
    return Claim(
        id=image.id,
        disk_format=image.disk_format,
        size=image.size,
        checksum=image.checksum,
        os_hash_algo=image.os_hash_algo,
        os_hash_value=image.os_hash_value,
    )
