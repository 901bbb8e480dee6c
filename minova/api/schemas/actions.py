"""Bodies of POST /servers/{server_id}/action, one per action."""

from minova.api.schemas import types
from minova.api.validation import Body, Field

_REBOOT_TYPES = ["HARD", "Hard", "hard", "SOFT", "Soft", "soft"]
_LENGTH = {"anyOf": [types.integer(-1), {"type": "null"}]}
_GROUP = {"type": "string", "minLength": 1, "maxLength": 255}


def _action(key: str, *fields: Field) -> Body:
    return Body(key, *fields)


def _anything(key: str) -> Body:
    """An action whose value says nothing: null, mostly."""
    return Body(None, Field(key, types.NOTHING, required=True))


START = _anything("os-start")
STOP = _anything("os-stop")
UNLOCK = _anything("unlock")
INJECT_NETWORK_INFO = _anything("injectNetworkInfo")
RESET_NETWORK = _anything("resetNetwork")
PAUSE = _anything("pause")
UNPAUSE = _anything("unpause")
SUSPEND = _anything("suspend")
RESUME = _anything("resume")
TRIGGER_CRASH_DUMP = _anything("trigger_crash_dump")
RESTORE = _anything("restore")
FORCE_DELETE = _anything("forceDelete")
LOCK = Body(
    None,
    Field("lock", types.NOTHING, until=(2, 72), required=True),
    Field(
        "lock",
        types.nullable(
            {
                "type": "object",
                "properties": {"locked_reason": {**types.TEXT, "type": "string", "minLength": 1}},
                "additionalProperties": False,
            }
        ),
        since=(2, 73),
        required=True,
    ),
)
REBOOT = _action("reboot", Field("type", {"enum": _REBOOT_TYPES}, required=True))
RESET_STATE = _action("os-resetState", Field("state", {"enum": ["active", "error"]}, required=True))
CONSOLE_OUTPUT = _action("os-getConsoleOutput", Field("length", _LENGTH))
ADD_GROUP = _action("addSecurityGroup", Field("name", _GROUP, required=True))
REMOVE_GROUP = _action("removeSecurityGroup", Field("name", _GROUP, required=True))
