"""Bodies of the key pair requests."""

from minova.api.schemas import types
from minova.api.validation import Body, Field

_NAME = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"^(?! )[a-zA-Z0-9 _\-]+(?<! )$",
}
_NAME_2_92 = {**_NAME, "pattern": r"^(?! )[a-zA-Z0-9 _\-@.]+(?<! )$"}
_PUBLIC_KEY = {"type": "string", "minLength": 1, "maxLength": 65535}

CREATE = Body(
    "keypair",
    Field("name", _NAME, required=True, until=(2, 91)),
    Field("name", _NAME_2_92, required=True, since=(2, 92)),
    Field("public_key", types.nullable(_PUBLIC_KEY), until=(2, 91)),
    Field("public_key", _PUBLIC_KEY, required=True, since=(2, 92)),
    Field("type", {"enum": ["ssh", "x509"]}, since=(2, 2)),
    Field("user_id", {"type": "string", "minLength": 1, "maxLength": 64}, since=(2, 10)),
)
