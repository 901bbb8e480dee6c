"""A server's consoles, decided: which there are, who may open one, and under which URL.

nova-compute says where its guests' consoles are, as Nova's does. The token
in the URL opens one connection; the DB keeps its hash.
"""

import secrets
from urllib.parse import urlencode

from oslo_config import cfg

from minova.api.lifecycle import Lifecycle
from minova.common import errors
from minova.common.context import RequestContext
from minova.db import console_tokens, states
from minova.db.engine import Database
from minova.model.console import KINDS, SERIAL, VNC
from minova.model.instance import Instance

# `path` is what noVNC appends to the websocket's address.
_TOKEN_IN: dict[str, dict[str, str]] = {
    VNC: {"path": "?token={token}"},
    SERIAL: {"token": "{token}"},
}


def url(
    db: Database,
    lifecycle: Lifecycle,
    ctxt: RequestContext,
    instance: Instance,
    protocol: str,
    kind: str,
) -> str:
    """A new URL of the console; errors.Invalid for one there is not, errors.Conflict."""
    if protocol not in KINDS:
        raise errors.Invalid(f"Unavailable console type {kind}.")
    if kind != KINDS[protocol]:
        raise errors.Invalid(f"Invalid console type {kind}")
    states.check(ctxt, instance, "remote_console", word=f"get_{protocol}_console")
    base = lifecycle.console_base_url(ctxt, instance, protocol)
    token = secrets.token_urlsafe(32)
    console_tokens.add(db, token, instance.uuid, protocol, cfg.CONF.console.token_ttl)
    query = urlencode({k: v.format(token=token) for k, v in _TOKEN_IN[protocol].items()})
    return f"{base}{'&' if '?' in base else '?'}{query}"
