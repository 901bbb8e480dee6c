"""Which sizes the disks of a guest may get: a disk grows, and never shrinks."""

from minova.common import errors
from minova.model.instance import Flavor, Instance


def check_resize(instance: Instance, flavor: Flavor) -> None:
    """errors.Invalid when a local disk of the instance would have to shrink, in Nova's words."""
    root = flavor.root_gb < instance.flavor.root_gb and not instance.boots_from_volume
    if root or flavor.ephemeral_gb < instance.flavor.ephemeral_gb:
        raise errors.Invalid("Resize error: Unable to resize disk down.")
