"""What a token holds, and its Fernet form.

A token says who, for which scope, since when, until when and by which
methods; never which roles. Those are looked up when it is used, so taking a
role away, or removing the user or the project, ends what live tokens can do.

The packed form is a fixed header followed by length-prefixed fields:
user id, scope id, audit ids.
"""

import base64
import datetime as dt
import struct
import uuid
from dataclasses import dataclass

from cryptography.fernet import InvalidToken

from minova.common import errors
from minova.companions.identity.keys import KeyRing

UNSCOPED, PROJECT, DOMAIN, SYSTEM = "unscoped", "project", "domain", "system"
_KINDS = (UNSCOPED, PROJECT, DOMAIN, SYSTEM)
_METHODS = ("password", "token")
_VERSION = 1
_HEADER = struct.Struct(">BBBIII")
_HEX, _TEXT = b"\1", b"\0"
# Ours have about 200 characters; nothing longer is worth a decryption.
MAX_LENGTH = 512


@dataclass(frozen=True)
class Scope:
    """What a token is for. `id` is a project's or a domain's, else empty."""

    kind: str = UNSCOPED
    id: str = ""


@dataclass(frozen=True)
class Token:
    """Times are whole seconds since the epoch, UTC.

    `audit_ids` is the token's own public id, then, for one made from another
    token, the id of the first token of the chain.
    """

    user_id: str
    generation: int
    scope: Scope
    methods: tuple[str, ...]
    issued_at: int
    expires_at: int
    audit_ids: tuple[str, ...]


class Sealer:
    """Tokens to text and back."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def seal(self, token: Token) -> str:
        """The token as clients carry it."""
        sealed = self._ring.fernet().encrypt(_pack(token))
        return sealed.rstrip(b"=").decode()

    def open(self, text: str) -> Token:
        """The reverse; errors.Unauthorized for what is no token of ours. Ignores expiry."""
        if not text or len(text) > MAX_LENGTH or not text.isascii():
            raise errors.Unauthorized()
        padded = text + "=" * (-len(text) % 4)
        try:
            return _unpack(self._ring.fernet().decrypt(padded.encode()))
        except (InvalidToken, ValueError, IndexError, struct.error):
            raise errors.Unauthorized() from None


def new_audit_id() -> str:
    """22 URL-safe characters that name a token in logs and traces without being it."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()


def timestamp(seconds: int) -> str:
    """The API's way to write a time: `2026-01-31T12:00:00.000000Z`."""
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _pack(token: Token) -> bytes:
    methods = sum(1 << _METHODS.index(method) for method in token.methods)
    header = _HEADER.pack(
        _VERSION,
        methods,
        _KINDS.index(token.scope.kind),
        token.generation,
        token.issued_at,
        token.expires_at,
    )
    audits = [base64.urlsafe_b64decode(audit + "==") for audit in token.audit_ids]
    fields = [_pack_id(token.user_id), _pack_id(token.scope.id), *audits]
    return header + b"".join(bytes([len(field)]) + field for field in fields)


def _unpack(data: bytes) -> Token:
    version, methods, kind, generation, issued_at, expires_at = _HEADER.unpack_from(data)
    if version != _VERSION:
        raise ValueError("unknown token version")
    fields = []
    position = _HEADER.size
    while position < len(data):
        end = position + 1 + data[position]
        fields.append(data[position + 1 : end])
        position = end
    user, scope, *audits = fields
    return Token(
        user_id=_unpack_id(user),
        generation=generation,
        scope=Scope(_KINDS[kind], _unpack_id(scope)),
        methods=tuple(name for bit, name in enumerate(_METHODS) if methods >> bit & 1),
        issued_at=issued_at,
        expires_at=expires_at,
        audit_ids=tuple(base64.urlsafe_b64encode(a).rstrip(b"=").decode() for a in audits),
    )


def _pack_id(text: str) -> bytes:
    """A tag byte, then 16 bytes for a UUID in hex or the text as it is."""
    if len(text) == 32:
        try:
            packed = bytes.fromhex(text)
        except ValueError:
            packed = b""
        if packed.hex() == text:
            return _HEX + packed
    return _TEXT + text.encode()


def _unpack_id(data: bytes) -> str:
    return data[1:].hex() if data[:1] == _HEX else data[1:].decode()
