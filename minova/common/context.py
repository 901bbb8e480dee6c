"""Who asks: the request context that travels with every call.

Over RPC it travels without the user's token. A launch outlives the message
that started it (it is resumed from the DB after a crash), so nothing past
the API may depend on a credential that cannot be stored.
"""

import contextvars
from typing import Any

from oslo_context import context as oslo_context

_SECRETS = ("auth_token", "service_token")


class RequestContext(oslo_context.RequestContext):
    """An oslo.context that never serializes a token."""

    trace: dict[str, str]
    sent_at: float | None = None

    def to_wire(self) -> dict[str, Any]:
        """The context as a JSON-safe dict, without secrets."""
        values = self.to_dict()
        for name in _SECRETS:
            values.pop(name, None)
        return values

    @classmethod
    def from_wire(cls, values: dict[str, Any]) -> "RequestContext":
        """The context a peer sent with `to_wire`."""
        return cls.from_dict(dict(values))


def service_context(request_id: str | None = None) -> RequestContext:
    """A context for work no user asked for: recovery, periodic tasks."""
    return RequestContext(
        is_admin=True, roles=["admin", "service"], overwrite=False, request_id=request_id
    )


_service_name: contextvars.ContextVar[str] = contextvars.ContextVar("service", default="minova")


def set_service(name: str) -> contextvars.Token[str]:
    """Name the service that runs from here on in this thread (for logs and traces)."""
    return _service_name.set(name)


def reset_service(token: contextvars.Token[str]) -> None:
    _service_name.reset(token)


def current_service() -> str:
    """The service whose code runs now; in `minova run` many share a process."""
    return _service_name.get()
