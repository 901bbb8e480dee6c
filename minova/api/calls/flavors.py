"""Flavors, their extra specs, and who may use the private ones."""

from minova.api.calls.call import Answer, Call, Query
from minova.api.calls.parameters import NUMBER as DIGITS
from minova.api.calls.parameters import TEXT, one_of, paged
from minova.api.calls.shape import (
    COUNT,
    FLAG,
    LINKS,
    STRING,
    STRINGS,
    Shape,
    every,
    has,
    listed,
    may,
    maybe,
    of,
)
from minova.api.schemas import flavors as schemas
from minova.api.validation import Field

_BRIEF = (
    has("id", STRING),
    has("name", STRING),
    has("links", LINKS),
    has("description", maybe(STRING), (2, 55)),
)
_FLAVOR = Shape(
    *_BRIEF,
    has("ram", COUNT),
    has("disk", COUNT),
    has("vcpus", COUNT),
    has("swap", {"anyOf": [COUNT, {"const": ""}]}, until=(2, 74)),
    has("swap", COUNT, (2, 75)),
    has("OS-FLV-EXT-DATA:ephemeral", COUNT),
    has("OS-FLV-DISABLED:disabled", FLAG),
    has("os-flavor-access:is_public", FLAG),
    has("rxtx_factor", {"type": "number"}),
    may("extra_specs", STRINGS, (2, 61)),
)
# A server's flavor: before 2.47 a reference, since then the copy it was launched with.
IN_SERVER = Shape(
    has("id", STRING, until=(2, 46)),
    has("links", LINKS, until=(2, 46)),
    *(has(name, COUNT, (2, 47)) for name in ("vcpus", "ram", "disk", "ephemeral", "swap")),
    has("original_name", STRING, (2, 47)),
    may("extra_specs", STRINGS, (2, 47)),
)
_ACCESS = of("flavor_access", every(Shape(has("flavor_id", STRING), has("tenant_id", STRING))))
_LIST = Query(
    *paged(),
    Field("sort_key", TEXT),
    Field("sort_dir", one_of("asc", "desc")),
    Field("minDisk", DIGITS),
    Field("minRam", DIGITS),
    Field("is_public", TEXT),
    strict=(2, 75),
)
_SPECS = "/v2.1/flavors/{flavor_id}/os-extra_specs"
_SPEC = {**STRINGS, "minProperties": 1, "maxProperties": 1}

CALLS = {
    "GET /v2.1/flavors": Call(Answer(200, listed("flavors", Shape(*_BRIEF))), query=_LIST),
    "GET /v2.1/flavors/detail": Call(Answer(200, listed("flavors", _FLAVOR)), query=_LIST),
    "POST /v2.1/flavors": Call(
        Answer(200, of("flavor", _FLAVOR)), body=schemas.CREATE, errors=(409,)
    ),
    "GET /v2.1/flavors/{flavor_id}": Call(Answer(200, of("flavor", _FLAVOR))),
    "PUT /v2.1/flavors/{flavor_id}": Call(Answer(200, of("flavor", _FLAVOR)), body=schemas.UPDATE),
    "DELETE /v2.1/flavors/{flavor_id}": Call(Answer(202)),
    "GET /v2.1/flavors/{flavor_id}/os-flavor-access": Call(Answer(200, _ACCESS)),
    "POST /v2.1/flavors/{flavor_id}/action": Call(
        Answer(200, _ACCESS), body=(schemas.GRANT, schemas.REVOKE), errors=(409,)
    ),
    f"GET {_SPECS}": Call(Answer(200, of("extra_specs", STRINGS))),
    f"POST {_SPECS}": Call(
        Answer(200, of("extra_specs", STRINGS)), body=schemas.ADD_SPECS, errors=(409,)
    ),
    f"GET {_SPECS}/{{key}}": Call(Answer(200, _SPEC)),
    f"PUT {_SPECS}/{{key}}": Call(Answer(200, _SPEC), body=schemas.SET_SPEC, errors=(409,)),
    f"DELETE {_SPECS}/{{key}}": Call(Answer(200)),
}
