"""Token validation in front of a REST service, by keystonemiddleware.

`protect(app)` puts `auth_token` before a WSGI app: it strips every identity
header a client sent, has the identity service validate the token, and hands
the app who asks. The decision to refuse stays with `common.wsgi`, because
version documents are public.

What auth_token made of a token is remembered for `token_cache_time`, as it
would remember the identity service's answer itself; but its own cache is
unbounded, one per thread, and still parses the answer for every request.
"""

import datetime as dt
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

from oslo_config import cfg

from minova.common import tracing

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
CACHE_KEY = "minova.token_cache"
_SPAN = "minova.token_span"
_TOKEN, _SERVICE_TOKEN = "HTTP_X_AUTH_TOKEN", "HTTP_X_SERVICE_TOKEN"
_INFO, _STATUS = "keystone.token_info", "HTTP_X_IDENTITY_STATUS"

# What auth_token sets or strips, as WSGI names it.
_WHO = [
    *("DOMAIN_ID", "DOMAIN_NAME", "PROJECT_ID", "PROJECT_NAME", "PROJECT_DOMAIN_ID"),
    *("PROJECT_DOMAIN_NAME", "USER_ID", "USER_NAME", "USER_DOMAIN_ID", "USER_DOMAIN_NAME", "ROLES"),
]
IDENTITY_HEADERS = frozenset(
    (
        *(f"HTTP_X_{name}" for name in _WHO),
        *(f"HTTP_X_SERVICE_{name}" for name in _WHO),
        *(f"HTTP_X_{name}" for name in ("ROLE", "USER", "TENANT", "TENANT_ID", "TENANT_NAME")),
        *("HTTP_X_SERVICE_CATALOG", "HTTP_X_SERVICE_IDENTITY_STATUS", "HTTP_X_IS_ADMIN_PROJECT"),
        *(_STATUS, "HTTP_OPENSTACK_SYSTEM_SCOPE"),
    )
)


class TokenCache:
    """At most `size` entries, each until its time; the least recently used goes first."""

    def __init__(self, size: int = 4096) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, tuple[float, Any]] = OrderedDict()

    def get(self, key: str) -> tuple[float, Any] | None:
        """Until when (by time.monotonic) it holds, and the value."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if entry[0] < time.monotonic():
                del self._entries[key]
                return None
            self._entries.move_to_end(key)
            return entry

    def set(self, key: str, until: float, value: Any) -> None:
        with self._lock:
            self._entries[key] = (until, value)
            self._entries.move_to_end(key)
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)


class _Answers:
    """The cache as auth_token uses it; notes for each thread how long what it got holds."""

    def __init__(self) -> None:
        self._cache = TokenCache()
        self.noted = threading.local()

    def get(self, key: str) -> Any:
        entry = self._cache.get(key)
        if entry is None:
            return None
        self.noted.until, value = entry
        return value

    def set(self, key: str, value: Any, time: float = 0, **_: Any) -> None:
        self.noted.until = _now() + (time or 60)
        self._cache.set(key, self.noted.until, value)


def _now() -> float:
    return time.monotonic()


def protect(
    app: WSGIApp, step_of: Callable[[dict[str, Any]], int | None] = lambda environ: None
) -> WSGIApp:
    """`app` behind auth_token, configured by `[keystone_authtoken]` of the global config.

    The validation has a span of its own; `step_of(environ)` says which step
    of a launch it is, if any.
    """
    # Identity has no use for it, and saves the memory.
    from keystonemiddleware import auth_token

    logging.getLogger("keystonemiddleware").setLevel(logging.WARNING)
    answers, known = _Answers(), _KnownTokens()

    def validated(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        known.remember(environ, answers.noted.until)
        environ.pop(_SPAN).close()
        return app(environ, start_response)

    middleware = auth_token.AuthProtocol(
        validated,
        {
            "oslo_config_config": cfg.CONF,
            "delay_auth_decision": True,
            "cache": CACHE_KEY,
            "include_service_catalog": False,
        },
    )

    def entered(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with ExitStack() as validation:
            validation.enter_context(
                tracing.span(
                    "token validation",
                    code="minova/common/auth.py:protect",
                    transport="REST",
                    step=step_of(environ),
                )
            )
            if not known.recognise(environ):
                answers.noted.until = 0.0
                environ[CACHE_KEY], environ[_SPAN] = answers, validation
                return middleware(environ, start_response)
        return app(environ, start_response)

    return entered


class _KnownTokens:
    """The identity headers of tokens that auth_token confirmed a moment ago."""

    def __init__(self) -> None:
        self._cache = TokenCache()

    def remember(self, environ: dict[str, Any], until: float) -> None:
        """Keep what auth_token just said, if it is the same for every request of the token."""
        if environ.get(_STATUS) != "Confirmed" or _SERVICE_TOKEN in environ:
            return
        said = {key: environ[key] for key in IDENTITY_HEADERS if key in environ}
        info = said[_INFO] = environ[_INFO]
        facts = info["token"]
        # These decide by more than the token: the path, or the client's own login.
        if facts.get("bind") or facts.get("application_credential"):
            return
        expires = dt.datetime.fromisoformat(facts["expires_at"].replace("Z", "+00:00"))
        left = (expires - dt.datetime.now(dt.UTC)).total_seconds()
        self._cache.set(environ[_TOKEN], min(until, _now() + left), said)

    def recognise(self, environ: dict[str, Any]) -> bool:
        """Put in who asks, in place of whatever the client said; False if not known."""
        token = environ.get(_TOKEN)
        if token is None or _SERVICE_TOKEN in environ:
            return False
        entry = self._cache.get(token)
        if entry is None:
            return False
        for forged in environ.keys() & IDENTITY_HEADERS:
            del environ[forged]
        environ.update(entry[1])
        return True
