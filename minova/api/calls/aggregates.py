"""Host aggregates."""

from minova.api.calls.call import Answer, Call
from minova.api.calls.shape import (
    FLAG,
    NUMBER,
    PRECISE,
    STRING,
    STRINGS,
    UUID,
    Shape,
    every,
    has,
    maybe,
    of,
)
from minova.api.schemas import aggregates as schemas

_BRIEF = (
    has("id", NUMBER),
    has("name", STRING),
    has("availability_zone", maybe(STRING)),
    has("created_at", PRECISE),
    has("updated_at", maybe(PRECISE)),
    has("deleted", FLAG),
    has("deleted_at", maybe(PRECISE)),
    has("uuid", UUID, (2, 41)),
)
_AGGREGATE = Shape(*_BRIEF, has("hosts", every(STRING)), has("metadata", STRINGS))
_ONE = Answer(200, of("aggregate", _AGGREGATE))
_PATH = "/v2.1/os-aggregates"

CALLS = {
    f"GET {_PATH}": Call(Answer(200, of("aggregates", every(_AGGREGATE)))),
    f"POST {_PATH}": Call(
        Answer(200, of("aggregate", Shape(*_BRIEF))), body=schemas.CREATE, errors=(409,)
    ),
    f"GET {_PATH}/{{aggregate_id}}": Call(_ONE),
    f"PUT {_PATH}/{{aggregate_id}}": Call(_ONE, body=schemas.UPDATE, errors=(409,)),
    f"DELETE {_PATH}/{{aggregate_id}}": Call(Answer(200)),
    f"POST {_PATH}/{{aggregate_id}}/action": Call(
        _ONE,
        body=(schemas.ADD_HOST, schemas.REMOVE_HOST, schemas.SET_METADATA),
        errors=(409,),
    ),
    f"POST {_PATH}/{{aggregate_id}}/images": Call(
        Answer(202, since=(2, 81)), body=schemas.CACHE_IMAGES
    ),
}
