"""Key pairs."""

from minova.api.calls.call import Answer, Call, Query
from minova.api.calls.parameters import TEXT, paged
from minova.api.calls.shape import FLAG, NUMBER, PRECISE, STRING, Shape, has, listed, may, maybe, of
from minova.api.schemas import keypairs as schemas
from minova.api.validation import Field

_BRIEF = (
    has("name", STRING),
    has("public_key", STRING),
    has("fingerprint", STRING),
    has("type", {"enum": ["ssh", "x509"]}, (2, 2)),
)
_KEYPAIR = Shape(
    *_BRIEF,
    has("user_id", STRING),
    has("id", NUMBER),
    has("created_at", PRECISE),
    has("updated_at", maybe(PRECISE)),
    has("deleted", FLAG),
    has("deleted_at", maybe(PRECISE)),
)
_CREATED = Shape(*_BRIEF, has("user_id", STRING), may("private_key", STRING, until=(2, 91)))
_WHOSE = Field("user_id", TEXT, since=(2, 10))
_ONE = Query(_WHOSE, strict=(2, 75))

CALLS = {
    "GET /v2.1/os-keypairs": Call(
        Answer(200, listed("keypairs", of("keypair", Shape(*_BRIEF)), (2, 35))),
        query=Query(_WHOSE, *paged((2, 35)), strict=(2, 75)),
    ),
    "POST /v2.1/os-keypairs": Call(
        Answer(200, of("keypair", _CREATED), until=(2, 1)),
        Answer(201, of("keypair", _CREATED), since=(2, 2)),
        body=schemas.CREATE,
        errors=(409,),
    ),
    "GET /v2.1/os-keypairs/{name}": Call(Answer(200, of("keypair", _KEYPAIR)), query=_ONE),
    "DELETE /v2.1/os-keypairs/{name}": Call(
        Answer(202, until=(2, 1)), Answer(204, since=(2, 2)), query=_ONE
    ),
}
