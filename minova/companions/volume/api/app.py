"""The block storage API put together: route table, versions, error wording."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import falcon

from minova.common import context, errors, faults, wsgi
from minova.common.auth import WSGIApp
from minova.common.policy import Enforcer
from minova.companions.volume.api import versions
from minova.companions.volume.api.access import Access
from minova.companions.volume.api.actions import Actions
from minova.companions.volume.api.attachments import Attachments
from minova.companions.volume.api.cloud import Cloud
from minova.companions.volume.api.metadata import Metadata
from minova.companions.volume.api.snapshots import Snapshots
from minova.companions.volume.api.volumes import Defaults, Volumes
from minova.companions.volume.attaching import Attaching
from minova.companions.volume.peers import Peers
from minova.companions.volume.work import Workshop
from minova.db.engine import Database
from minova.policies import volume as policies

NAME = "minova-volume"
_FAMILIES = ((errors.QuotaExceeded, 413), (versions.UnsupportedVersion, 406))
_PROJECT = re.compile(r"/v3/([^/]+)(/.+)")


@dataclass(frozen=True)
class Parts:
    """What the API works with."""

    db: Database
    workshop: Workshop
    attaching: Attaching
    peers: Peers
    defaults: Defaults


def build(
    parts: Parts,
    authenticate: Callable[[falcon.Request], context.RequestContext | None] | None = None,
) -> WSGIApp:
    """The WSGI application. `authenticate` replaces keystonemiddleware, for tests."""
    access = Access(parts.db, Enforcer(policies.list_rules()))
    volumes = Volumes(access, parts.workshop, parts.peers, parts.defaults)
    resources: list[Any] = [
        volumes,
        Metadata(access),
        Snapshots(access, parts.workshop, parts.defaults),
        Actions(access, parts.workshop, parts.attaching, parts.peers, volumes, parts.defaults),
        Attachments(access, parts.attaching, parts.defaults.max_limit),
        Cloud(access, parts.defaults),
    ]
    routes = [*versions.routes(), *(route for part in resources for route in part.routes())]
    # First segments of our paths: any other is a project's id.
    words = frozenset(route.path.split("/")[2] for route in routes if route.path.count("/") > 1)
    return wsgi.build(
        wsgi.App(
            name=NAME,
            routes=routes,
            dialect=faults.dialect,
            auth=authenticate is None,
            authenticate=authenticate,
            before=versions.negotiate,
            extra_families=_FAMILIES,
            rewrite=lambda req: _without_project(req, words, access),
        )
    )


def _without_project(req: falcon.Request, words: frozenset[str], access: Access) -> None:
    """Take the project out of /v3/{project}/…, where old clients put it; it has to be theirs."""
    req.context.path = req.path
    match = _PROJECT.fullmatch(req.path)
    if match is None or match[1] in words:
        return
    req.path = f"/v3{match[2]}"
    if not req.context.authenticated:
        return
    ctxt = req.context.ctxt
    if match[1] != ctxt.project_id and not access.privileged(ctxt):
        raise errors.Invalid("Malformed request url: its project is not that of the token.")
