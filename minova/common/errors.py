"""The domain's exceptions. They know no HTTP; `common.wsgi` maps families.

Every error carries `message`, one sentence for the user: what failed, on
which id, and what to do next, without host paths, SQL or tokens. Read
`error.message`, never `str(error)`: oslo.messaging appends the remote
traceback to the text of an exception that came over RPC.
"""

from typing import Any


class MinovaError(Exception):
    """Base of all domain errors.

    `details` fill the class's `template` when no message is given, and
    travel with the error over RPC, where the same class is rebuilt. `kind`
    is what a service that answered with the error calls it, if it does
    (Neutron's `IpAddressInUse`); that does not travel.
    """

    template = "An unexpected error occurred. The log of the service has more."
    kind = ""

    def __init__(self, message: str | None = None, **details: Any) -> None:
        self.message = message or self.template.format(**details)
        self.kwargs = details
        super().__init__(self.message)


class Invalid(MinovaError):
    template = "The request is not valid."


class Unauthorized(MinovaError):
    template = "The request you have made requires authentication."


class Forbidden(MinovaError):
    template = "Policy doesn't allow {action} to be performed."


class NotFound(MinovaError):
    template = "{resource} {id} could not be found."


class Conflict(MinovaError):
    template = "The request conflicts with the current state of {id}."


class DuplicateEntry(Conflict):
    """A unique key is taken. `columns` names what the database told us."""

    template = "An entry with the same {columns} already exists."


class QuotaExceeded(Forbidden):
    template = (
        "Quota exceeded for {resource}: Requested {requested}, "
        "but already used {used} of {limit} {resource}"
    )


class TooLarge(MinovaError):
    template = "The request body is larger than the {limit} bytes allowed."


class UnsupportedMediaType(MinovaError):
    template = "The content type {content_type} is not supported; send application/json."


class MethodNotAllowed(MinovaError):
    template = "The method {method} is not allowed for this resource."


class NotSupported(MinovaError):
    """The feature does not exist on this cloud (HTTP's 501 family)."""

    template = "{feature} is not supported on this cloud."


class Unavailable(MinovaError):
    """A part this request needs does not answer now; trying later may help."""

    template = "{service} is unavailable; try again in a moment."


class Timeout(Unavailable):
    template = "{what} did not finish within {seconds} s."
