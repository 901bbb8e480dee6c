"""The body of POST /os-server-groups."""

from minova.api.schemas import types
from minova.api.schemas.types import Json
from minova.api.validation import Body, Field

_HARD = ["anti-affinity", "affinity"]
_ALL = [*_HARD, "soft-anti-affinity", "soft-affinity"]


def _policies(names: list[str]) -> Json:
    """A list of exactly one, which 2.64 made the name itself."""
    return {**types.items({"enum": names}, 1), "minItems": 1}


_RULES: Json = {
    "type": "object",
    "properties": {"max_server_per_host": types.integer(1)},
    "additionalProperties": False,
}

CREATE = Body(
    "server_group",
    Field("name", types.NAME, required=True),
    Field("policies", _policies(_HARD), until=(2, 14), required=True),
    Field("policies", _policies(_ALL), since=(2, 15), until=(2, 63), required=True),
    Field("policy", {"enum": _ALL}, since=(2, 64), required=True),
    Field("rules", _RULES, since=(2, 64)),
)
