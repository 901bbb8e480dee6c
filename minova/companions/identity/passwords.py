"""Password hashes: bcrypt over an HMAC, so that no byte of a long password is lost.

bcrypt reads 72 bytes only. The password therefore goes through HMAC-SHA256
first, keyed with bcrypt's own salt, which makes the digest useless to look
up in other breaches' lists of plain SHA-256 sums.
"""

import base64
import hashlib
import hmac

import bcrypt

from minova.common import cpus

_SCHEME = "bcrypt-hmac-sha256:"
_SALT_LENGTH = 29  # `$2b$10$` and 22 characters of salt


class Passwords:
    """Hashes and checks at one cost."""

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        # No password has this hash; checking against it takes the usual time.
        self._nobody = _SCHEME + bcrypt.gensalt(rounds).decode() + "." * 31

    @cpus.everywhere()
    def hash(self, password: str) -> str:
        """What to store for `password`."""
        salt = bcrypt.gensalt(self._rounds)
        return _SCHEME + bcrypt.hashpw(_digest(password, salt), salt).decode()

    @cpus.everywhere()
    def matches(self, password: str, stored: str | None) -> bool:
        """Whether `stored` was made from `password`; as slow when `stored` is None."""
        hashed = (stored or self._nobody).removeprefix(_SCHEME).encode()
        found = bcrypt.checkpw(_digest(password, hashed[:_SALT_LENGTH]), hashed)
        return found and stored is not None


def _digest(password: str, salt: bytes) -> bytes:
    return base64.b64encode(hmac.digest(salt, password.encode(), hashlib.sha256))
