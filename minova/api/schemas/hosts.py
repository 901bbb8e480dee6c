"""The body of PUT /os-hosts."""

from minova.api.validation import Body, Field

_WORDS = {"enum": ["enable", "Enable", "ENABLE", "disable", "Disable", "DISABLE"]}

UPDATE = Body(None, Field("status", _WORDS), Field("maintenance_mode", _WORDS))
