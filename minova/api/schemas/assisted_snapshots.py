"""The body of POST /os-assisted-volume-snapshots."""

from minova.api.validation import Body, Field

_TEXT = {"type": "string", "minLength": 1, "maxLength": 255}
_INFO = {
    "type": "object",
    "properties": {
        "snapshot_id": _TEXT,
        "type": {"enum": ["qcow2"]},
        "new_file": _TEXT,
        "id": _TEXT,
    },
    "required": ["snapshot_id", "type", "new_file"],
    "additionalProperties": False,
}

CREATE = Body(
    "snapshot",
    Field("volume_id", _TEXT, required=True),
    Field("create_info", _INFO, required=True),
)
