"""Public keys: checked and fingerprinted; before 2.92 also made here."""

import base64
import datetime as dt
import hashlib
import struct

from minova.common import errors

_BAD = "Keypair data is invalid: {0}"


def fingerprint(kind: str, public_key: str) -> str:
    """The fingerprint of an ssh key (MD5) or an x509 certificate (SHA-1); errors.Invalid."""
    if kind == "x509":
        return _certificate_fingerprint(public_key)
    lines = public_key.strip().splitlines()
    words = lines[0].split(None, 2) if len(lines) == 1 else []
    if len(words) < 2:
        raise errors.Invalid(
            _BAD.format("an ssh public key is one line, `ssh-ed25519 AAAA… comment`.")
        )
    try:
        blob = base64.b64decode(words[1], validate=True)
        (length,) = struct.unpack(">I", blob[:4])
        stated = blob[4 : 4 + length].decode("ascii")
    except (ValueError, struct.error):
        raise errors.Invalid(_BAD.format("failed to generate fingerprint.")) from None
    if stated != words[0] or len(blob) <= 4 + length:
        raise errors.Invalid(_BAD.format("its two halves name different types of key."))
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))


def _certificate_fingerprint(pem: str) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        raise errors.Invalid(_BAD.format("it is not an X.509 certificate in PEM.")) from None
    digest = certificate.fingerprint(hashes.SHA1()).hex()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))


def generate(kind: str, user_id: str) -> tuple[str, str]:
    """A new pair: (private key in PEM, public key or certificate)."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8
        if kind == "x509"
        else serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()
    if kind == "x509":
        return private, _certificate(key, user_id)
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return private, public.decode() + " Generated-by-Nova"


def _certificate(key: object, user_id: str) -> str:
    """A self-signed certificate a Windows guest takes for a login of `user_id`."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user_id[:64])])
    principal = f"{user_id}@localhost".encode()[:120]
    login = x509.OtherName(
        ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c" + bytes([len(principal)]) + principal
    )
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())  # type: ignore[attr-defined]
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([login]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())  # type: ignore[arg-type]
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
