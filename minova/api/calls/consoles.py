"""Consoles opened from afar, and their tokens."""

from minova.api.calls.call import Answer, Call, Query
from minova.api.calls.shape import COUNT, STRING, UUID, Json, Shape, has, of
from minova.api.schemas import remote_consoles as schemas

_URL: Json = {"type": "string", "format": "uri"}
# Of the actions until 2.5; only the kinds that are here ever come back.
ACTION = Answer(200, of("console", Shape(has("type", STRING), has("url", _URL))))
_CONSOLE = Shape(
    has("instance_uuid", UUID),
    has("host", STRING),
    has("port", COUNT),
    has("internal_access_path", {"type": ["string", "null"]}),
    has("tls_port", {"type": ["integer", "null"]}, since=(2, 99)),
)

CALLS = {
    "POST /v2.1/servers/{server_id}/remote-consoles": Call(
        Answer(
            200,
            of(
                "remote_console",
                Shape(has("protocol", STRING), has("type", STRING), has("url", _URL)),
            ),
        ),
        body=schemas.CREATE,
        errors=(409, 501),
    ),
    "GET /v2.1/os-console-auth-tokens/{token}": Call(
        Answer(200, of("console", _CONSOLE)), query=Query(strict=(2, 99))
    ),
}
