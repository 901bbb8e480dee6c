"""The process as its service user: one session to the cloud's other services.

Whoever calls another service over REST does so with `session()`, and reads
an error answer by `family_of`.
"""

import threading
from typing import Any

import requests
from keystoneauth1 import loading
from keystoneauth1.session import Session
from oslo_config import cfg

from minova.common import errors

# The section of the configuration with the login.
SECTION = "service_user"
_POOL = 32
_lock = threading.Lock()
_session: Session | None = None
# HTTP status of a service's answer -> what it means to who called.
_FAMILIES: dict[int, type[errors.MinovaError]] = {
    400: errors.Invalid,
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    413: errors.TooLarge,
}


def session() -> Session:
    """The process's session; it renews its token by itself."""
    global _session
    with _lock:
        if _session is None:
            options()
            auth = loading.load_auth_from_conf_options(cfg.CONF, SECTION)
            made = loading.load_session_from_conf_options(cfg.CONF, SECTION, auth=auth)
            plain = requests.Session()
            # The cloud's own services are no business of a proxy or a ~/.netrc,
            # which requests would look up for each call.
            plain.trust_env = False
            for scheme in ("http://", "https://"):
                plain.mount(scheme, requests.adapters.HTTPAdapter(_POOL, _POOL))
            made.session = plain
            _session = made
        return _session


def options() -> Any:
    """The section's options; who asks first makes them known to the configuration."""
    for register in (
        loading.register_session_conf_options,
        loading.register_auth_conf_options,
        loading.register_adapter_conf_options,
    ):
        register(cfg.CONF, SECTION)
    return cfg.CONF[SECTION]


def family_of(status: int) -> type[errors.MinovaError]:
    """The domain error that an answer of status 4xx stands for."""
    return _FAMILIES.get(status, errors.Invalid)
