"""The metadata API: what guests read at 169.254.169.254.

The network agent on the guest's host knows which guest is asking, by the
network and the source address, and says so in headers it signs with a
shared secret. Nobody else can ask: without the secret, or with a wrong
signature, the answer is 403 (CVE-2013-6419, CVE-2014-3517).
"""

import hashlib
import hmac
import json
import os
from typing import Any

import falcon
from oslo_config import cfg

from minova.api.access import known_id
from minova.common import errors, wsgi
from minova.common.auth import WSGIApp
from minova.common.wsgi import App, Route
from minova.db import instances
from minova.db.engine import Database
from minova.model import guest_metadata
from minova.model.guest_metadata import EC2_VERSIONS, OPENSTACK_VERSIONS
from minova.model.instance import Instance

_TEXT = "text/plain; charset=utf-8"
_SEED_BYTES = 512
_PASSWORD = "password"
# As much as Nova keeps.
_MOST_PASSWORD = 4 * 255


def build(db: Database) -> WSGIApp:
    """The WSGI application of the metadata API."""
    handlers = Metadata(db)
    return wsgi.build(
        App(
            name="nova-metadata",
            routes=[
                Route("GET", "/", handlers.get, public=True),
                Route("GET", "/{path:path}", handlers.get, public=True),
                Route("POST", "/{path:path}", handlers.post, public=True),
            ],
            dialect=lambda status, message, error: f"{status} {message}\n",
            auth=False,
            authenticate=lambda req: None,
        )
    )


class Metadata:
    """Answers one guest at a time about itself."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self, req: falcon.Request, resp: falcon.Response, path: str = "") -> None:
        """GET of a leaf or a folder of the two trees."""
        instance = self._instance(req)
        parts = [part for part in path.split("/") if part]
        if _is_password(parts):
            content: bytes | str = instance.password or ""
        elif parts[:1] == ["openstack"]:
            content = _openstack(instance, parts[1:])
        else:
            content = _ec2(instance, parts)
        resp.data = content if isinstance(content, bytes) else content.encode()
        is_json = bool(parts) and parts[-1].endswith(".json")
        resp.content_type = falcon.MEDIA_JSON if is_json else _TEXT

    def post(self, req: falcon.Request, resp: falcon.Response, path: str) -> None:
        """POST of the administrator's password, which the guest has encrypted: once."""
        instance = self._instance(req)
        parts = [part for part in path.split("/") if part]
        if not _is_password(parts):
            raise errors.MethodNotAllowed(method="POST")
        password = req.bounded_stream.read(_MOST_PASSWORD + 1)
        if len(password) > _MOST_PASSWORD:
            raise errors.Invalid(f"The password is longer than {_MOST_PASSWORD} bytes.")
        try:
            text = password.decode("ascii")
        except UnicodeDecodeError:
            raise errors.Invalid("The password has to be encrypted, and base64.") from None
        if not text.isprintable():
            raise errors.Invalid("The password has to be encrypted, and base64.")
        if not instances.set_password(self._db, instance.uuid, text):
            raise errors.Conflict("There is a password; its owner has to delete it first.")

    def _instance(self, req: falcon.Request) -> Instance:
        """The guest that asks, by the agent's signed headers."""
        server_id = req.get_header("X-Instance-ID")
        project_id = req.get_header("X-Tenant-ID")
        if not server_id or not project_id:
            raise errors.Invalid("X-Instance-ID or X-Tenant-ID header is missing from request.")
        if not _is_signed(server_id, req.get_header("X-Instance-ID-Signature") or ""):
            raise errors.Forbidden("Invalid proxy request signature.")
        instance = instances.get(self._db, known_id(server_id))
        if instance.project_id != project_id:
            raise errors.NotFound(f"Instance {server_id} could not be found.")
        return instance


def _is_signed(server_id: str, signature: str) -> bool:
    secret: str | None = cfg.CONF.api.metadata_secret
    if not secret:
        return False
    expected = hmac.new(secret.encode(), server_id.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode())


def _openstack(instance: Instance, parts: list[str]) -> bytes | str:
    if not parts:
        return "\n".join(OPENSTACK_VERSIONS)
    if parts[0] == "content":
        found = guest_metadata.injected(instance).get("/".join(parts))
        if found is None:
            raise _nothing(parts)
        return found
    try:
        files = guest_metadata.documents(
            instance,
            instance.vifs,
            parts[0],
            domain=cfg.CONF.api.dhcp_domain,
            random_seed=os.urandom(_SEED_BYTES),
        )
    except KeyError:
        raise _nothing(parts) from None
    if len(parts) == 1:
        names = [*files, *([_PASSWORD] if _has_password(parts[0]) else [])]
        return "\n".join(sorted(names))
    if len(parts) > 2 or parts[1] not in files:
        raise _nothing(parts)
    return files[parts[1]]


def _is_password(parts: list[str]) -> bool:
    """Whether it is `openstack/<version>/password`."""
    return parts[:1] == ["openstack"] and parts[2:] == [_PASSWORD] and _has_password(parts[1])


def _has_password(version: str) -> bool:
    return version in OPENSTACK_VERSIONS[OPENSTACK_VERSIONS.index(guest_metadata.GRIZZLY) :]


def _ec2(instance: Instance, parts: list[str]) -> bytes | str:
    if not parts:
        return "\n".join(EC2_VERSIONS)
    if parts[0] not in EC2_VERSIONS:
        raise _nothing(parts)
    user_data = guest_metadata.decoded_user_data(instance)
    if parts[1:] == ["user-data"] and user_data is not None:
        return user_data
    domain = cfg.CONF.api.dhcp_domain
    node: Any = {"meta-data": guest_metadata.ec2_tree(instance, instance.vifs, domain=domain)}
    if len(parts) == 1 and user_data is not None:
        node["user-data"] = ""
    for part in parts[1:]:
        if not isinstance(node, dict) or part not in node or part == "_name":
            raise _nothing(parts)
        node = node[part]
    return _folder(node) if isinstance(node, dict) else str(node)


def _folder(node: dict[str, Any]) -> str:
    """The names in a folder; folders end in a slash, keys say their name as EC2's do."""
    lines = []
    for name, child in node.items():
        if isinstance(child, dict):
            lines.append(child.get("_name") or f"{name}/")
        elif name != "_name":
            lines.append(name)
    return "\n".join(lines)


def _nothing(parts: list[str]) -> errors.NotFound:
    return errors.NotFound(f"There is no metadata {json.dumps('/'.join(parts)[:128])}.")
