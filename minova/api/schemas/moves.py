"""Bodies of the actions that change a server's size or host."""

from minova.api.schemas import types
from minova.api.schemas.types import Json
from minova.api.validation import Body, Field

_FLAVOR: Json = {"type": ["string", "integer"], "minLength": 1, "maxLength": 512, "minimum": 0}
_HOST: Json = types.nullable(types.HOSTNAME)
_BLOCK_MIGRATION: Json = {"enum": [*types.BOOLEAN["enum"], "auto"]}


def _anything(key: str) -> Body:
    """An action whose value says nothing: null, mostly."""
    return Body(None, Field(key, types.NOTHING, required=True))


RESIZE = Body(
    "resize",
    Field("flavorRef", _FLAVOR, required=True),
    Field("OS-DCF:diskConfig", {"enum": ["AUTO", "MANUAL"]}),
)
CONFIRM = _anything("confirmResize")
REVERT = _anything("revertResize")
MIGRATE = Body(
    None,
    Field("migrate", types.NOTHING, until=(2, 55), required=True),
    Field(
        "migrate",
        {
            "type": ["object", "null"],
            "properties": {"host": _HOST},
            "additionalProperties": False,
        },
        since=(2, 56),
        required=True,
    ),
)
MIGRATE_LIVE = Body(
    "os-migrateLive",
    Field("host", _HOST, required=True),
    Field("block_migration", types.BOOLEAN, until=(2, 24), required=True),
    Field("block_migration", _BLOCK_MIGRATION, since=(2, 25), required=True),
    Field("disk_over_commit", types.BOOLEAN, until=(2, 24), required=True),
    Field("force", types.BOOLEAN, since=(2, 30), until=(2, 67)),
)
EVACUATE = Body(
    "evacuate",
    Field("host", types.HOSTNAME),
    Field("onSharedStorage", types.BOOLEAN, until=(2, 13), required=True),
    Field("adminPass", {"type": "string", "maxLength": 255}),
    Field("force", types.BOOLEAN, since=(2, 29), until=(2, 67)),
)
FORCE_COMPLETE = _anything("force_complete")
