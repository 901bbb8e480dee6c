"""Whether a guest has a QEMU guest agent, and whose password it is asked to set.

Source: the image properties of nova's user guide.
"""

from minova.common import errors
from minova.model.instance import Instance

_TRUE = ("yes", "true", "1", "on")


def is_there(instance: Instance) -> bool:
    """Whether the image says so (`hw_qemu_guest_agent`)."""
    return str(instance.image_properties.get("hw_qemu_guest_agent")).lower() in _TRUE


def require(instance: Instance) -> None:
    """errors.Conflict when the image does not say so."""
    if not is_there(instance):
        raise errors.Conflict(
            f"QEMU guest agent is not enabled for server {instance.uuid}; launch it from an "
            "image that has one and the property hw_qemu_guest_agent=yes."
        )


def administrator(instance: Instance) -> str:
    """The account that is the administrator's."""
    named = instance.image_properties.get("os_admin_user")
    windows = str(instance.image_properties.get("os_type")).lower() == "windows"
    return str(named or ("Administrator" if windows else "root"))
