"""How nova-api words an error: `{"<name>": {"code": …, "message": …}}`."""

from typing import Any

from minova.api.microversions import NotAcceptable

# Status -> the body's one key; anything else is a computeFault.
_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}

# What `common.wsgi.FAMILIES` does not know.
FAMILIES: tuple[tuple[type[Exception], int], ...] = ((NotAcceptable, 406),)


def dialect(status: int, message: str, error: Exception) -> dict[str, Any]:
    """The body of an error answer."""
    body: dict[str, Any] = {"code": status, "message": message}
    if status in (413, 429):
        body["retryAfter"] = "0"
    return {_NAMES.get(status, "computeFault"): body}
