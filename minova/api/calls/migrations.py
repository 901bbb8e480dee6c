"""Migrations."""

from minova.api.calls.call import Answer, Call, Query
from minova.api.calls.parameters import TIME, paged, texts
from minova.api.calls.shape import (
    COUNT,
    PRECISE,
    STRING,
    UUID,
    Json,
    Shape,
    has,
    listed,
    maybe,
    of,
)
from minova.api.schemas import moves as schemas
from minova.api.validation import Field

_TYPE: Json = {"enum": ["resize", "migration", "live-migration", "evacuation"]}
_MIGRATION = Shape(
    has("id", COUNT),
    has("uuid", UUID, (2, 59)),
    has("instance_uuid", UUID),
    has("status", STRING),
    *(
        has(name, maybe(STRING))
        for name in ("source_compute", "source_node", "dest_compute", "dest_node", "dest_host")
    ),
    has("old_instance_type_id", COUNT),
    has("new_instance_type_id", COUNT),
    has("created_at", PRECISE),
    has("updated_at", maybe(PRECISE)),
    has("migration_type", _TYPE, (2, 23)),
    has("user_id", STRING, (2, 80)),
    has("project_id", STRING, (2, 80)),
)
_LIST = Query(
    *texts("hidden", "host", "instance_uuid", "source_compute", "status", "migration_type"),
    *texts("user_id", "project_id", since=(2, 80)),
    *paged((2, 59)),
    Field("changes-since", TIME, (2, 59)),
    Field("changes-before", TIME, (2, 66)),
    strict=(2, 59),
)
_NONE: Json = {"type": "array", "maxItems": 0}
_PATH = "/v2.1/servers/{server_id}/migrations"

CALLS = {
    "GET /v2.1/os-migrations": Call(
        Answer(200, listed("migrations", _MIGRATION, (2, 59))), query=_LIST
    ),
    f"GET {_PATH}": Call(Answer(200, of("migrations", _NONE), since=(2, 23))),
    f"GET {_PATH}/{{migration_id}}": Call(),
    f"POST {_PATH}/{{migration_id}}/action": Call(body=schemas.FORCE_COMPLETE, errors=(409,)),
    f"DELETE {_PATH}/{{migration_id}}": Call(errors=(409,)),
}
