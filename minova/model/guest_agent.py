"""What an image says of a QEMU guest agent, and whose password that is asked to set.

Source: the image properties of nova's user guide.
"""

from minova.common import errors
from minova.model.extra_specs import is_true
from minova.model.instance import Instance


def is_there(instance: Instance) -> bool:
    """Whether the image says so (`hw_qemu_guest_agent`)."""
    return is_true(instance.image_properties.get("hw_qemu_guest_agent") or "no")


def require(instance: Instance) -> None:
    """errors.Conflict when the image does not say so."""
    if not is_there(instance):
        raise errors.Conflict(
            f"QEMU guest agent is not enabled for server {instance.uuid}; launch it from an "
            "image that has one and the property hw_qemu_guest_agent=yes."
        )


def must_freeze(instance: Instance) -> bool:
    """Whether a snapshot of the running guest needs its file systems frozen."""
    return is_true(instance.image_properties.get("os_require_quiesce") or "no")


def allow_unfrozen(instance: Instance, reason: str) -> None:
    """errors.Conflict when they have to be frozen. `reason` says why they are not."""
    if must_freeze(instance):
        raise errors.Conflict(
            "The server's file systems are not frozen, which its image asks for "
            f"(os_require_quiesce): {reason}"
        )


def administrator(instance: Instance) -> str:
    """The account that is the administrator's."""
    named = instance.image_properties.get("os_admin_user")
    windows = str(instance.image_properties.get("os_type")).lower() == "windows"
    return str(named or ("Administrator" if windows else "root"))
