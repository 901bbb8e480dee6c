"""Key pairs: each user's own public keys, which launches put into guests."""

from typing import Any

import falcon

from minova.api import key_material, paging
from minova.api.access import Access
from minova.api.schemas import keypairs as schemas
from minova.api.views import times
from minova.common import errors
from minova.common.wsgi import Route
from minova.db import keypairs, quotas
from minova.db.keypairs import KeyPair


class KeyPairs:
    """The handlers of /os-keypairs."""

    def __init__(self, access: Access) -> None:
        self._access, self._db = access, access.db

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/v2.1/os-keypairs", self.index),
            Route("POST", "/v2.1/os-keypairs", self.create),
            Route("GET", "/v2.1/os-keypairs/{name}", self.show),
            Route("DELETE", "/v2.1/os-keypairs/{name}", self.delete),
        ]

    def index(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /os-keypairs"""
        user_id = self._user(req, "os-keypairs:index", _asked_user(req))
        if req.context.version < (2, 35):
            found, full = keypairs.find(self._db, user_id), False
        else:
            limit = paging.limit_of(req)
            marker = paging.last(req, "marker")
            try:
                found = keypairs.find(self._db, user_id, limit=limit, marker=marker)
            except errors.NotFound:
                raise errors.Invalid(f"marker [{marker}] not found") from None
            full = len(found) == limit
        body = {"keypairs": [{"keypair": _brief(req, key)} for key in found]}
        return paging.with_next(req, "keypairs", body, found[-1].name if found else None, full)

    def show(self, req: falcon.Request, resp: falcon.Response, name: str) -> dict[str, Any]:
        """GET /os-keypairs/{name}"""
        user_id = self._user(req, "os-keypairs:show", _asked_user(req))
        key = keypairs.get(self._db, user_id, _possible(name, user_id))
        return {
            "keypair": {
                **_brief(req, key),
                "user_id": key.user_id,
                "id": key.id,
                "created_at": times.precise(key.created_at),
                "updated_at": None,
                "deleted": False,
                "deleted_at": None,
            }
        }

    def create(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """POST /os-keypairs: keep the given key or, before 2.92, make one."""
        wanted = schemas.CREATE.of(req)["keypair"]
        user_id = self._user(req, "os-keypairs:create", wanted.get("user_id"))
        kind = wanted.get("type", "ssh")
        private, public = None, wanted.get("public_key")
        if public is None:
            private, public = key_material.generate(kind, user_id)
        project = str(req.context.ctxt.project_id)
        key = keypairs.create(
            self._db,
            user_id=user_id,
            name=wanted["name"],
            type=kind,
            fingerprint=key_material.fingerprint(kind, public),
            public_key=public,
            limit=quotas.limits(self._db, project, user_id)["key_pairs"],
        )
        if req.context.version >= (2, 2):
            resp.status = 201
        shown = {**_brief(req, key), "user_id": key.user_id}
        return {"keypair": shown if private is None else {**shown, "private_key": private}}

    def delete(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """DELETE /os-keypairs/{name}"""
        user_id = self._user(req, "os-keypairs:delete", _asked_user(req))
        keypairs.delete(self._db, user_id, _possible(name, user_id))
        resp.status = 204 if req.context.version >= (2, 2) else 202

    def _user(self, req: falcon.Request, rule: str, asked: str | None) -> str:
        """Whose keys are meant: one's own or, for an admin, whoever's was asked for."""
        user_id = asked or str(req.context.ctxt.user_id)
        self._access.check(req, rule, user_id=user_id)
        return user_id


def _asked_user(req: falcon.Request) -> str | None:
    return paging.last(req, "user_id") if req.context.version >= (2, 10) else None


def _possible(name: str, user_id: str) -> str:
    if len(name) > 255 or not name.isprintable():
        raise errors.NotFound(f"Keypair {name[:64]!r} not found for user {user_id}")
    return name


def _brief(req: falcon.Request, key: KeyPair) -> dict[str, Any]:
    shown = {"name": key.name, "public_key": key.public_key, "fingerprint": key.fingerprint}
    if req.context.version >= (2, 2):
        shown["type"] = key.type
    return shown
