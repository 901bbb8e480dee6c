"""Version documents."""

from minova.api.calls.call import Answer, Call
from minova.api.calls.shape import STRING, Shape, every, has, may, of

_VERSION = {"type": "string", "pattern": r"^(\d+\.\d+)?$"}
_LINK = Shape(has("rel", STRING), has("href", STRING), may("type", STRING))
_FIELDS = (
    has("id", {"enum": ["v2.0", "v2.1"]}),
    has("status", {"enum": ["CURRENT", "SUPPORTED", "DEPRECATED"]}),
    has("version", _VERSION),
    has("min_version", _VERSION),
    has("updated", STRING),
    has("links", every(_LINK)),
)
_MEDIA = Shape(has("base", STRING), has("type", STRING))
_DOCUMENT = of("version", Shape(*_FIELDS, has("media-types", every(_MEDIA))))

CALLS = {
    "GET /": Call(Answer(200, of("versions", every(Shape(*_FIELDS))))),
    "GET /v2": Call(Answer(200, _DOCUMENT)),
    "GET /v2.1": Call(Answer(200, _DOCUMENT)),
}
