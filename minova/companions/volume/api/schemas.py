"""What request bodies may hold: JSON schemas, compiled once."""

from typing import Any

import falcon
import jsonschema
from jsonschema.protocols import Validator

from minova.common import errors, wsgi

Schema = dict[str, Any]
MAX_METADATA = 128

_NAME = {"type": ["string", "null"], "maxLength": 255}
_UUID = {
    "type": "string",
    "pattern": r"\A[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\Z",
}
_UUID_OR_NULL = {**_UUID, "type": ["string", "null"]}
_BOOLEAN = {
    "enum": [True, False, "true", "false", "True", "False", "TRUE", "FALSE", "1", "0", 1, 0]
}
_SIZE = {
    "type": ["integer", "string"],
    "pattern": r"\A[0-9]{1,9}\Z",
    "minimum": 1,
    "maximum": 10**9,
}
_METADATA = {
    "type": "object",
    "maxProperties": MAX_METADATA,
    "propertyNames": {"minLength": 1, "maxLength": 255},
    "additionalProperties": {"type": "string", "maxLength": 255},
}
_CONNECTOR = {
    "type": "object",
    "maxProperties": 50,
    "properties": {
        "host": _NAME,
        "mountpoint": _NAME,
        "mode": {"enum": ["rw", "ro", None]},
    },
}
# Sources we do not have: clients send them as null.
_ABSENT: Schema = {"type": "null"}


def _object(properties: Schema, required: list[str] | None = None) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": required or [],
        "additionalProperties": False,
    }


def _wrapped(name: str, schema: Schema, **others: Schema) -> Validator:
    return jsonschema.Draft202012Validator(_object({name: schema, **others}, [name]))


_NAMES = {
    "name": _NAME,
    "display_name": _NAME,
    "description": _NAME,
    "display_description": _NAME,
}
CREATE = _wrapped(
    "volume",
    _object(
        {
            **_NAMES,
            "size": {**_SIZE, "type": ["integer", "string", "null"]},
            "volume_type": {"type": ["string", "null"], "maxLength": 255},
            "availability_zone": {"type": ["string", "null"], "maxLength": 255},
            "metadata": {**_METADATA, "type": ["object", "null"]},
            "imageRef": {**_UUID_OR_NULL, "maxLength": 255},
            "image_id": {**_UUID_OR_NULL, "maxLength": 255},
            "source_volid": _UUID_OR_NULL,
            "snapshot_id": _UUID_OR_NULL,
            "backup_id": _ABSENT,
            "consistencygroup_id": _ABSENT,
            "group_id": _ABSENT,
            "multiattach": {"enum": [False, "false", "False", None]},
            # Cinder ignores these in a new volume, and old clients send them.
            **{name: {} for name in ("user_id", "project_id", "status", "attach_status")},
            "source_replica": _ABSENT,
        }
    ),
    **{"OS-SCH-HNT:scheduler_hints": {"type": ["object", "null"], "maxProperties": 50}},
)
UPDATE = _wrapped("volume", _object({**_NAMES, "metadata": _METADATA}))
METADATA = _wrapped("metadata", _METADATA)
META = _wrapped("meta", {**_METADATA, "minProperties": 1, "maxProperties": 1})

SNAPSHOT_CREATE = _wrapped(
    "snapshot",
    _object(
        {
            **_NAMES,
            "volume_id": _UUID_OR_NULL,
            "force": {"enum": [*_BOOLEAN["enum"], None]},
            "metadata": {**_METADATA, "type": ["object", "null"]},
        },
        ["volume_id"],
    ),
)
SNAPSHOT_UPDATE = _wrapped("snapshot", _object(_NAMES))
# Of a whole percentage, as clients send it.
_PROGRESS = {"type": ["string", "null"], "pattern": r"\A(|(100|[0-9]{1,2})%)\Z"}
SNAPSHOT_ACTIONS: dict[str, Validator] = {
    name: _wrapped(name, schema)
    for name, schema in {
        "os-reset_status": _object({"status": {"type": "string", "maxLength": 32}}, ["status"]),
        "os-update_snapshot_status": _object(
            {"status": {"type": "string", "maxLength": 32}, "progress": _PROGRESS}, ["status"]
        ),
        "os-force_delete": {"type": ["object", "null", "string"], "maxProperties": 0},
    }.items()
}

_MODE = {"enum": ["rw", "ro", "null", None]}
ATTACHMENT_CREATE = _wrapped(
    "attachment",
    _object(
        {
            "volume_uuid": _UUID,
            "instance_uuid": _UUID_OR_NULL,
            "connector": {**_CONNECTOR, "type": ["object", "null"]},
            "mode": _MODE,
        },
        ["volume_uuid"],
    ),
)
ATTACHMENT_UPDATE = _wrapped(
    "attachment", _object({"connector": {**_CONNECTOR, "minProperties": 1}}, ["connector"])
)
ATTACHMENT_ACTION = _wrapped("os-complete", {"type": ["object", "null"], "maxProperties": 0})

QUOTA_RESOURCES = ("volumes", "snapshots", "gigabytes")
_LIMIT = {
    "type": ["integer", "string"],
    "minimum": -1,
    "maximum": 2**31 - 1,
    "pattern": r"\A-?[0-9]{1,9}\Z",
}
# Limits of what we do not have are accepted and mean nothing: clients set several at once.
QUOTA = _wrapped(
    "quota_set",
    {
        "type": "object",
        "maxProperties": 50,
        "properties": {"force": _BOOLEAN, "tenant_id": {"type": "string"}},
        "propertyNames": {"maxLength": 255},
        "additionalProperties": _LIMIT,
    },
)

_NOTHING: Schema = {"type": ["object", "null", "string"], "maxProperties": 0, "maxLength": 0}
ACTIONS: dict[str, Validator] = {
    name: _wrapped(name, schema)
    for name, schema in {
        "os-reserve": _NOTHING,
        "os-unreserve": _NOTHING,
        "os-begin_detaching": _NOTHING,
        "os-roll_detaching": _NOTHING,
        "os-force_delete": _NOTHING,
        "os-attach": _object(
            {
                "instance_uuid": _UUID_OR_NULL,
                "host_name": _NAME,
                "mountpoint": {**_NAME, "type": "string", "minLength": 1},
                "mode": {"enum": ["rw", "ro"]},
            },
            ["mountpoint"],
        ),
        "os-detach": {
            **_object({"attachment_id": _UUID_OR_NULL}),
            "type": ["object", "null"],
        },
        "os-force_detach": _object(
            {"attachment_id": _UUID_OR_NULL, "connector": {"type": ["object", "null"]}}
        ),
        "os-terminate_connection": _object(
            {"connector": {"type": ["object", "null"]}, "force": _BOOLEAN}
        ),
        "os-reset_status": _object(
            {
                "status": {"type": ["string", "null"], "maxLength": 32},
                "attach_status": {"type": ["string", "null"], "maxLength": 32},
                "migration_status": {"type": ["string", "null"], "maxLength": 32},
            }
        ),
        "os-initialize_connection": _object(
            {"connector": {**_CONNECTOR, "minProperties": 1}}, ["connector"]
        ),
        "os-extend_volume_completion": _object({"error": _BOOLEAN}, ["error"]),
        "revert": _object({"snapshot_id": _UUID}, ["snapshot_id"]),
        "os-retype": _object(
            {
                "new_type": {"type": "string", "minLength": 1, "maxLength": 255},
                "migration_policy": {"enum": ["on-demand", "never"]},
            },
            ["new_type"],
        ),
        "os-migrate_volume": _object(
            {
                "host": _NAME,
                "cluster": _NAME,
                "force_host_copy": _BOOLEAN,
                "lock_volume": _BOOLEAN,
            }
        ),
        "os-migrate_volume_completion": _object(
            {"new_volume": _UUID, "error": {"enum": [*_BOOLEAN["enum"], None]}}, ["new_volume"]
        ),
        "os-set_bootable": _object({"bootable": _BOOLEAN}, ["bootable"]),
        "os-update_readonly_flag": _object({"readonly": _BOOLEAN}, ["readonly"]),
        "os-extend": _object({"new_size": _SIZE}, ["new_size"]),
        "os-reimage": _object({"image_id": _UUID, "reimage_reserved": _BOOLEAN}, ["image_id"]),
        "os-set_image_metadata": _object({"metadata": _METADATA}, ["metadata"]),
        "os-unset_image_metadata": _object(
            {"key": {"type": "string", "minLength": 1, "maxLength": 255}}, ["key"]
        ),
        "os-show_image_metadata": _NOTHING,
        "os-volume_upload_image": _object(
            {
                "image_name": {"type": "string", "minLength": 1, "maxLength": 255},
                "force": _BOOLEAN,
                "disk_format": {"enum": ["raw", "qcow2", None]},
                "container_format": {"enum": ["bare", None]},
                "visibility": {"enum": ["private", "community", "shared", "public"]},
                "protected": _BOOLEAN,
            },
            ["image_name"],
        ),
    }.items()
}


def body_of(req: falcon.Request, validator: Validator) -> Any:
    """The request's body if it is valid; errors.Invalid that names the field if not."""
    body = wsgi.body_of(req)
    check(validator, body)
    return body


def check(validator: Validator, body: Any) -> None:
    """errors.Invalid for the first thing wrong with `body`."""
    error = next(iter(validator.iter_errors(body)), None)
    if error is None:
        return
    path = "/".join(str(part) for part in error.absolute_path)
    raise errors.Invalid(
        f"Invalid input for field/attribute {path or 'body'}: {error.message[:300]}"
    )


def is_true(value: Any) -> bool:
    """A boolean the way clients spell it."""
    return str(value).lower() in ("true", "1")
