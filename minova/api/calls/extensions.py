"""Extensions, and what other services tell of servers."""

from minova.api.calls.call import Answer, Call
from minova.api.calls.shape import LINKS, STAMP, STRING, UUID, Shape, every, has, may, of
from minova.api.schemas import external_events as schemas

_EXTENSION = Shape(
    *(has(name, STRING) for name in ("alias", "name", "description", "namespace")),
    has("links", LINKS),
    has("updated", STAMP),
)
_EVENT = Shape(
    has("name", STRING),
    has("server_uuid", UUID),
    has("status", {"enum": ["failed", "completed", "in-progress"]}),
    may("tag", STRING),
    has("code", {"enum": [200, 400, 404, 422]}),
)

CALLS = {
    "GET /v2.1/extensions": Call(Answer(200, of("extensions", every(_EXTENSION)))),
    "GET /v2.1/extensions/{alias}": Call(Answer(200, of("extension", _EXTENSION))),
    "POST /v2.1/os-server-external-events": Call(
        Answer(200, of("events", every(_EVENT))),
        Answer(207, of("events", every(_EVENT))),
        body=schemas.CREATE,
    ),
}
