"""Passwords of guests' administrators."""

from minova.api.schemas.types import Json
from minova.api.validation import Body, Field

PASSWORD: Json = {"type": "string", "maxLength": 255}
CHANGE_PASSWORD = Body("changePassword", Field("adminPass", PASSWORD, required=True))
