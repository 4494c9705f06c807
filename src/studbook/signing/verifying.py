"""Signing a manifest, and verifying the signature in a bundle with a key or with roots that the verifier trusts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes

from studbook.signing import keys
from studbook.signing.bundle import Bundle, read_bundle, render_bundle, signed_bytes
from studbook.signing.certificates import names_of, public_key_of, verify_chain
from studbook.signing.errors import SigningError
from studbook.signing.statement import read_statement, render_statement

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    from studbook.signing.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed: fingerprints of the key, its certificate and the root that it leads to, and whose it says it is."""

    fingerprint: str
    certificate: str | None = None
    root: str | None = None
    names: tuple[str, ...] = ()
    valid_from: datetime | None = None
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature that is good: who made it, over what. `payload` are the bytes that were signed.

    `log_entries` counts the entries of a transparency log in the bundle; they are not verified.
    """

    signer: Signer
    manifest: Manifest
    payload: bytes
    log_entries: int


def sign_manifest(manifest: Manifest, key: ec.EllipticCurvePrivateKey) -> bytes:
    """The bytes of a bundle in which a key signs a manifest."""
    payload = render_statement(manifest)
    return render_bundle(Bundle(payload, keys.sign(key, signed_bytes(payload)), keys.hint_of(key.public_key())))


def verify_bundle(
    text: bytes, *, key: ec.EllipticCurvePublicKey | None = None, roots: Sequence[x509.Certificate] = ()
) -> Verified:
    """Verify a bundle's signature with a public key, or with the certificate in it when that leads to one of the roots.

    The identity in a keyless Sigstore bundle is checked against the roots alone: neither its log entries nor its time are.
    Raises SigningError when the bundle is malformed, the signature is bad, or nothing was given that it could be verified with.
    """
    bundle = read_bundle(text)
    if key is not None:
        signer = _signer_by_key(bundle, key)
    elif roots:
        key, signer = _signer_by_certificate(bundle, roots)
    else:
        message = "a signature is verified with a public key or with roots; without them nobody can tell whose it is"
        raise SigningError(message)
    if not keys.verify(key, signed_bytes(bundle.payload), bundle.signature):
        message = "the signature is bad: it is not that of this key over this statement"
        raise SigningError(message)
    return Verified(signer, read_statement(bundle.payload), bundle.payload, bundle.log_entries)


def _signer_by_key(bundle: Bundle, key: ec.EllipticCurvePublicKey) -> Signer:
    keys.check_key(key)
    if bundle.hint is not None and bundle.hint != keys.hint_of(key):
        message = f"the bundle was signed with another key: it names {bundle.hint[:64]!r}, this one is {keys.hint_of(key)!r}"
        raise SigningError(message)
    return Signer(keys.fingerprint_of(key))


def _signer_by_certificate(bundle: Bundle, roots: Sequence[x509.Certificate]) -> tuple[ec.EllipticCurvePublicKey, Signer]:
    if not bundle.certificates:
        message = "the bundle has no certificate; verify it with the public key of its signer"
        raise SigningError(message)
    certificate, root = verify_chain(bundle.certificates, roots)
    key = public_key_of(certificate)
    signer = Signer(
        keys.fingerprint_of(key),
        f"sha256:{certificate.fingerprint(hashes.SHA256()).hex()}",
        f"sha256:{root.fingerprint(hashes.SHA256()).hex()}",
        names_of(certificate),
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    )
    return key, signer
