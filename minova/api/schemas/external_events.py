"""The body of POST /os-server-external-events."""

from minova.api.schemas import types
from minova.api.schemas.types import Json
from minova.api.validation import Body, Field

_NAMES = [
    "network-changed",
    "network-vif-plugged",
    "network-vif-unplugged",
    "network-vif-deleted",
]


def _events(*more: str) -> Json:
    event = {
        "type": "object",
        "properties": {
            "name": {"enum": [*_NAMES, *more]},
            "server_uuid": types.UUID,
            "status": {"enum": ["failed", "completed", "in-progress"]},
            "tag": {"type": "string", "maxLength": 255},
        },
        "required": ["name", "server_uuid"],
        "additionalProperties": False,
    }
    return {**types.items(event, 1000), "minItems": 1}


CREATE = Body(
    None,
    Field("events", _events(), until=(2, 50), required=True),
    Field("events", _events("volume-extended"), since=(2, 51), until=(2, 75), required=True),
    Field(
        "events",
        _events("volume-extended", "power-update"),
        since=(2, 76),
        until=(2, 81),
        required=True,
    ),
    Field(
        "events",
        _events("volume-extended", "power-update", "accelerator-request-bound"),
        since=(2, 82),
        until=(2, 92),
        required=True,
    ),
    Field(
        "events",
        _events(
            *("volume-extended", "power-update", "accelerator-request-bound", "volume-reimaged"),
        ),
        since=(2, 93),
        required=True,
    ),
)
