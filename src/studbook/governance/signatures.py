"""Electronic signatures: a signing secret is a seed of an Ed25519 key (RFC 8032), of which the registry keeps the public half.

The secret is sent when something is signed, as a second proof of who acts beside the token, and is kept nowhere. The signature is
over the canonical JSON (RFC 8785) of a statement, so whoever has the log can check it: the public key stands in the event that
made the token, the statement and the signature in the event of the decision.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from studbook.domain.canonical import canonical_json

if TYPE_CHECKING:
    from studbook.domain.canonical import JsonObject

STATEMENT: Final = "studbook.dev/e-signature/v1"
_DOMAIN: Final = b"studbook/signing-key/v1\x00"


def public_key_of(secret: str) -> str:
    """The public key of a signing secret: 32 bytes in base64."""
    return base64.b64encode(_private_key(secret).public_key().public_bytes_raw()).decode()


def sign(secret: str, statement: JsonObject) -> str:
    """The signature of a statement: 64 bytes in base64."""
    return base64.b64encode(_private_key(secret).sign(canonical_json(statement))).decode()


def verify(public_key: str, statement: JsonObject, signature: str) -> bool:
    """Whether the signature is that of this statement by this key."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(base64.b64decode(signature, validate=True), canonical_json(statement))
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True


def _private_key(secret: str) -> Ed25519PrivateKey:
    # The secret has 178 random bits, so one round of a hash makes a seed of it.
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(_DOMAIN + secret.encode()).digest())
