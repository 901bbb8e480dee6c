"""The errors of nova-api that `common.wsgi.FAMILIES` does not know, and their statuses."""

from minova.api.microversions import NotAcceptable
from minova.common.errors import MinovaError


class Gone(MinovaError):
    """It was in the API once (410)."""


class InterfaceAttachFailed(MinovaError):
    """The guest did not get an interface (500, as in Nova)."""

    template = "Failed to attach network adapter device to {instance}"


FAMILIES: tuple[tuple[type[Exception], int], ...] = (
    (NotAcceptable, 406),
    (Gone, 410),
    (InterfaceAttachFailed, 500),
)
