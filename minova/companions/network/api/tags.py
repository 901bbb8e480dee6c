"""/v2.0/<resources>/{id}/tags, for every resource that has tags."""

from collections.abc import Callable

import falcon
import sqlalchemy as sa

from minova.common.wsgi import Route
from minova.companions.network import errors, schemas
from minova.companions.network.access import Access
from minova.companions.network.api.collection import Collection
from minova.companions.network.listing import Row
from minova.companions.network.queries.standard import update_values
from minova.companions.network.tables import networks
from minova.db.engine import Database

MAX_TAGS = 50


class Tags:
    """The tags of one kind of resource."""

    def __init__(self, db: Database, access: Access, collection: Collection) -> None:
        self._db, self._access, self._collection = db, access, collection

    def index(self, req: falcon.Request, resp: falcon.Response, id: str) -> Row:
        """GET …/tags"""
        with self._db.reading() as connection:
            return {"tags": self._collection.find(connection, req.context.ctxt, id)["tags"]}

    def show(self, req: falcon.Request, resp: falcon.Response, id: str, tag: str) -> None:
        """GET …/tags/{tag}"""
        if tag not in self.index(req, resp, id)["tags"]:
            raise errors.TagNotFound(id=tag[:64])

    def replace(self, req: falcon.Request, resp: falcon.Response, id: str) -> Row:
        """PUT …/tags"""
        wanted = schemas.tags_of(req)
        return {"tags": self._change(req, id, lambda tags: set(wanted))}

    def extend(self, req: falcon.Request, resp: falcon.Response, id: str) -> Row:
        """POST …/tags"""
        wanted = schemas.tags_of(req)
        return {"tags": self._change(req, id, lambda tags: tags | set(wanted))}

    def add(self, req: falcon.Request, resp: falcon.Response, id: str, tag: str) -> None:
        """PUT …/tags/{tag}"""
        schemas.check("tag", tag)
        self._change(req, id, lambda tags: tags | {tag})

    def remove(self, req: falcon.Request, resp: falcon.Response, id: str, tag: str) -> None:
        """DELETE …/tags/{tag}"""
        self.show(req, resp, id, tag)
        self._change(req, id, lambda tags: tags - {tag})

    def clear(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        """DELETE …/tags"""
        self._change(req, id, lambda tags: set())

    def _change(
        self, req: falcon.Request, id: str, change: Callable[[set[str]], set[str]]
    ) -> list[str]:
        ctxt, resource = req.context.ctxt, self._collection.resource
        table = resource.table
        with self._db.reading() as connection:
            row = self._collection.find(connection, ctxt, id)
            target = {"project_id": row["project_id"]}
            if "network_id" in row:
                owner = sa.select(networks.c.project_id).where(networks.c.id == row["network_id"])
                target["network:project_id"] = connection.execute(owner).scalar()
        self._access.require(ctxt, f"update_{resource.name}", target)
        with self._db.transaction() as connection:
            query = sa.select(table.c.tags).where(table.c.id == id).with_for_update()
            tags = sorted(change(set(connection.execute(query).scalar() or ())))
            if len(tags) > MAX_TAGS:
                raise errors.InvalidInput(reason=f"more than {MAX_TAGS} tags on one resource")
            connection.execute(
                sa.update(table).where(table.c.id == id).values(**update_values(table), tags=tags)
            )
        return tags


def routes(handler: Tags, plural: str) -> list[Route]:
    path = f"/v2.0/{plural}/{{id}}/tags"
    return [
        Route("GET", path, handler.index),
        Route("PUT", path, handler.replace),
        Route("POST", path, handler.extend),
        Route("DELETE", path, handler.clear, status=204),
        Route("GET", path + "/{tag}", handler.show, status=204),
        Route("PUT", path + "/{tag}", handler.add, status=201),
        Route("DELETE", path + "/{tag}", handler.remove, status=204),
    ]
