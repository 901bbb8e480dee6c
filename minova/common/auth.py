"""Token validation in front of a REST service, by keystonemiddleware.

`protect(app)` puts `auth_token` before a WSGI app: it strips every identity
header a client sent, has the identity service validate the token, and hands
the app who asks. The decision to refuse stays with `common.wsgi`, because
version documents are public.

keystonemiddleware's own in-process cache is unbounded and one per thread, so
we give it one small shared cache per process instead.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

from keystonemiddleware import auth_token
from oslo_config import cfg

from minova.common import tracing

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
CACHE_KEY = "minova.token_cache"
_SPAN = "minova.token_span"


class TokenCache:
    """What auth_token asks of a cache: `get`, `set` with a time to live in seconds.

    Holds at most `size` tokens; the least recently used goes first.
    """

    def __init__(self, size: int = 4096) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, tuple[float, Any]] = OrderedDict()

    def get(self, key: str) -> Any:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if entry[0] < time.monotonic():
                del self._entries[key]
                return None
            self._entries.move_to_end(key)
            return entry[1]

    def set(self, key: str, value: Any, time: float = 0, **_: Any) -> None:
        self._store(key, value, time)

    def _store(self, key: str, value: Any, seconds: float) -> None:
        with self._lock:
            self._entries[key] = (time.monotonic() + (seconds or 60), value)
            self._entries.move_to_end(key)
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)


def protect(
    app: WSGIApp, step_of: Callable[[dict[str, Any]], int | None] = lambda environ: None
) -> WSGIApp:
    """`app` behind auth_token, configured by `[keystone_authtoken]` of the global config.

    The validation has a span of its own; `step_of(environ)` says which step
    of a launch it is, if any.
    """
    logging.getLogger("keystonemiddleware").setLevel(logging.WARNING)

    def validated(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
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
    cache = TokenCache()

    def with_cache(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ[CACHE_KEY] = cache
        with ExitStack() as validation:
            environ[_SPAN] = validation
            validation.enter_context(
                tracing.span(
                    "token validation",
                    code="minova/common/auth.py:protect",
                    transport="REST",
                    step=step_of(environ),
                )
            )
            return middleware(environ, start_response)

    return with_cache
