"""/v3/regions, /v3/services and /v3/endpoints: what the catalog is made of."""

import uuid
from typing import Any

import falcon
import sqlalchemy as sa

from minova.common import errors, wsgi
from minova.common.wsgi import Route
from minova.companions.identity import catalog, schemas, tables
from minova.companions.identity.collection import Collection
from minova.companions.identity.projects import described

_NEW_REGION_ID: schemas.Schema = {**schemas.REGION_ID, "pattern": "^[^/]+$"}


class CatalogPart(Collection):
    """A collection whose changes show in the catalog of every token from then on."""

    def creating(self, connection: sa.Connection, values: dict[str, Any]) -> None:
        catalog.changed(connection)

    def updating(self, connection: sa.Connection, row: Any, values: dict[str, Any]) -> None:
        catalog.changed(connection)

    def deleting(self, connection: sa.Connection, row: Any) -> None:
        catalog.changed(connection)


class Regions(CatalogPart):
    """A region's id is chosen by the client, or made up."""

    member, plural, table = "region", "regions", tables.regions
    filters = ("parent_region_id",)
    _properties = {
        "id": schemas.nullable(_NEW_REGION_ID),
        "description": schemas.DESCRIPTION,
        "parent_region_id": schemas.nullable(schemas.REGION_ID),
    }
    create_check = schemas.resource("region", _properties)
    update_check = create_check

    def routes(self) -> list[Route]:
        return [*super().routes(), Route("PUT", "/v3/regions/{region_id}", self.put, 201)]

    def put(self, req: falcon.Request, resp: falcon.Response, region_id: str) -> Any:
        """Create the region under the id in the URL."""
        self._enforcer.authorize(req.context.ctxt, "identity:create_region")
        body = wsgi.body_of(req)
        self.create_check(body)
        if (body["region"].get("id") or region_id) != region_id:
            raise errors.Invalid("The region's id in the URL and in the body differ.")
        self.create_check({"region": {"id": region_id}})
        return {"region": self.view(req, self._insert(region_id, body["region"]))}

    def new_id(self, given: dict[str, Any]) -> str:
        return given.get("id") or uuid.uuid4().hex

    def prepare(self, given: dict[str, Any]) -> dict[str, Any]:
        return described(super().prepare(given))

    def creating(self, connection: sa.Connection, values: dict[str, Any]) -> None:
        self._require_parent(connection, values)
        super().creating(connection, values)

    def updating(self, connection: sa.Connection, row: Any, values: dict[str, Any]) -> None:
        self._require_parent(connection, values)
        super().updating(connection, row, values)

    def deleting(self, connection: sa.Connection, row: Any) -> None:
        for column in (tables.endpoints.c.region_id, tables.regions.c.parent_region_id):
            if connection.execute(sa.select(column).where(column == row.id).limit(1)).first():
                raise errors.Forbidden(
                    f"Unable to delete region {row.id} because it or its child regions have "
                    "associated endpoints; delete those first."
                )
        super().deleting(connection, row)

    def _require_parent(self, connection: sa.Connection, values: dict[str, Any]) -> None:
        if values.get("parent_region_id"):
            self.find(connection, values["parent_region_id"], lock=True)


class Services(CatalogPart):
    """Deleting a service deletes its endpoints."""

    member, plural, table = "service", "services", tables.services
    filters = ("name", "type")
    _properties = {
        "type": schemas.NAME,
        "name": {"type": ["string", "null"], "maxLength": 255},
        "description": schemas.DESCRIPTION,
        "enabled": schemas.BOOLEAN,
    }
    create_check = schemas.resource("service", _properties, ("type",))
    update_check = schemas.resource("service", _properties)

    def deleting(self, connection: sa.Connection, row: Any) -> None:
        endpoints = tables.endpoints
        connection.execute(endpoints.delete().where(endpoints.c.service_id == row.id))
        super().deleting(connection, row)

    def shown(self, row: Any) -> dict[str, Any]:
        shown = super().shown(row)
        return {k: v for k, v in shown.items() if v is not None or k != "description"}


class Endpoints(CatalogPart):
    """URLs may hold $(project_id)s and $(user_id)s, or the same with %."""

    member, plural, table = "endpoint", "endpoints", tables.endpoints
    filters = ("service_id", "region_id", "interface")
    _properties = {
        "service_id": schemas.ID,
        "interface": {"enum": ["public", "internal", "admin"]},
        "region_id": schemas.nullable(schemas.REGION_ID),
        "region": schemas.nullable(_NEW_REGION_ID),
        "url": schemas.URL,
        "enabled": schemas.BOOLEAN,
    }
    create_check = schemas.resource("endpoint", _properties, ("service_id", "interface", "url"))
    update_check = schemas.resource("endpoint", _properties)
    reserved = Collection.reserved | {"region", "name"}

    def prepare(self, given: dict[str, Any]) -> dict[str, Any]:
        values = super().prepare(given)
        if "region_id" not in given and given.get("region"):
            values["region"] = given["region"]
        unknown = catalog.unknown_placeholders(given.get("url", ""))
        if unknown:
            raise errors.Invalid(
                f"The endpoint's url holds the unknown name {min(unknown)}; use one of "
                f"{', '.join(sorted(catalog.PLACEHOLDERS))}."
            )
        return values

    def creating(self, connection: sa.Connection, values: dict[str, Any]) -> None:
        self._require_parents(connection, values)
        super().creating(connection, values)

    def updating(self, connection: sa.Connection, row: Any, values: dict[str, Any]) -> None:
        self._require_parents(connection, values)
        super().updating(connection, row, values)

    def shown(self, row: Any) -> dict[str, Any]:
        return {**super().shown(row), "region": row.region_id}

    def _require_parents(self, connection: sa.Connection, values: dict[str, Any]) -> None:
        # The v2 API's name for `region_id`; a region named so is created when it is new.
        if region := values.pop("region", None):
            values["region_id"] = region
            regions = tables.regions
            found = sa.select(regions.c.id).where(regions.c.id == region)
            if connection.execute(found).first() is None:
                connection.execute(regions.insert().values(id=region))
        for name, table in (("service_id", tables.services), ("region_id", tables.regions)):
            if values.get(name) is None:
                continue
            query = sa.select(table.c.id).where(table.c.id == values[name]).with_for_update()
            if connection.execute(query).first() is None:
                raise errors.Invalid(f"Could not find {name[:-3]}: {values[name]}.")
