"""The errors of nova-api that `common.wsgi.FAMILIES` does not know, and their statuses."""

from minova.api.microversions import NotAcceptable

FAMILIES: tuple[tuple[type[Exception], int], ...] = ((NotAcceptable, 406),)
