"""The keys that models are signed with: elliptic curve keys on P-256, P-384 and P-521, in PEM.

Source: model-signing 1.x, which signs with ECDSA and the hash of the curve's size (Sigstore protobuf-specs, `PublicKeyDetails`).
"""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from studbook.signing.errors import SigningError

_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}


def read_private_key(pem: bytes, password: bytes | None = None) -> ec.EllipticCurvePrivateKey:
    """The private key in a PEM text. Raises SigningError."""
    try:
        key = serialization.load_pem_private_key(pem, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        message = f"the private key cannot be read: {error}"
        raise SigningError(message) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise SigningError(_WRONG_KIND)
    check_key(key.public_key())
    return key


def read_public_key(pem: bytes) -> ec.EllipticCurvePublicKey:
    """The public key in a PEM text. Raises SigningError."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        message = f"the public key cannot be read as PEM: {error}"
        raise SigningError(message) from None
    return check_key(key)


_WRONG_KIND: Final = "models are signed with elliptic curve keys on P-256, P-384 or P-521; this key is of another kind"


def check_key(key: object) -> ec.EllipticCurvePublicKey:
    """The key, if it is of a kind that models are signed with. Raises SigningError."""
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _HASHES:
        raise SigningError(_WRONG_KIND)
    return key


def hint_of(key: ec.EllipticCurvePublicKey) -> str:
    """How a bundle names a key: the SHA-256 of its PEM, in hexadecimal digits."""
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(pem).hexdigest()


def fingerprint_of(key: ec.EllipticCurvePublicKey) -> str:
    """How people name a key: `sha256:` and the SHA-256 of its SubjectPublicKeyInfo in DER (RFC 5280, section 4.1)."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(der).hexdigest()}"


def sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """The ECDSA signature of a message, in DER."""
    return key.sign(message, ec.ECDSA(_HASHES[key.curve.name]))


def verify(key: ec.EllipticCurvePublicKey, message: bytes, signature: bytes) -> bool:
    """Whether the signature is that of this message by this key."""
    try:
        key.verify(signature, message, ec.ECDSA(_HASHES[key.curve.name]))
    except InvalidSignature:
        return False
    return True
