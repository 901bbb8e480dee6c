"""How the compute and block storage APIs word an error: `{"<name>": {"code": …, "message": …}}`."""

from typing import Any

# Status -> the body's one key; anything else is a computeFault, in Cinder too.
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


def name(status: int) -> str:
    """The one key of the body of an error answer."""
    return _NAMES.get(status, "computeFault")


def dialect(status: int, message: str, error: Exception) -> dict[str, Any]:
    """The body of an error answer: a `wsgi.Dialect`."""
    body: dict[str, Any] = {"code": status, "message": message}
    if status in (413, 429):
        body["retryAfter"] = "0"
    return {name(status): body}
