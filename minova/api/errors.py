"""The errors of nova-api that `common.wsgi.FAMILIES` does not know, and their statuses."""

from minova.api.microversions import NotAcceptable
from minova.common.errors import MinovaError


class Gone(MinovaError):
    """It was in the API once (410)."""


FAMILIES: tuple[tuple[type[Exception], int], ...] = ((NotAcceptable, 406), (Gone, 410))
