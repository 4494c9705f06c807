"""A signature as a file: a Sigstore bundle v0.3 around a DSSE envelope, in JSON.

Sources: Sigstore protobuf-specs, `sigstore_bundle.proto`; DSSE v1.0, "protocol.md" (PAE).
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, Final

from studbook.signing.errors import SigningError
from studbook.signing.reading import member, read_base64, read_json

MEDIA_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
_CERTIFICATES_LIMIT: Final = 16


@dataclass(frozen=True, slots=True)
class Bundle:
    """A statement's bytes and a signature over them, with a key's hint or the signer's certificate first of a chain (DER)."""

    payload: bytes
    signature: bytes
    hint: str | None = None
    certificates: tuple[bytes, ...] = ()
    # Entries of a transparency log, which are counted and not verified.
    log_entries: int = 0


def signed_bytes(payload: bytes) -> bytes:
    """What the signature of an envelope is over: DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def render_bundle(bundle: Bundle) -> bytes:
    """The bytes of the bundle's file."""
    material: dict[str, Any] = {"publicKey": {"hint": bundle.hint}}
    if bundle.certificates:
        chain = [{"rawBytes": base64.b64encode(certificate).decode()} for certificate in bundle.certificates]
        material = {"x509CertificateChain": {"certificates": chain}}
    document = {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {**material, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(bundle.payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(bundle.signature).decode(), "keyid": ""}],
        },
    }
    return json.dumps(document).encode()


def read_bundle(text: bytes) -> Bundle:
    """The bundle in a file's bytes; nothing of it is verified yet. Raises SigningError."""
    document = read_json(text, "the bundle")
    media_type = member(document, "mediaType", str, "the bundle")
    if media_type != MEDIA_TYPE:
        message = f"the bundle is of type {media_type[:80]!r}, which should be {MEDIA_TYPE!r}"
        raise SigningError(message)
    envelope = member(document, "dsseEnvelope", dict, "the bundle")
    payload_type = member(envelope, "payloadType", str, "the envelope")
    if payload_type != PAYLOAD_TYPE:
        message = f"the envelope's payload is of type {payload_type[:80]!r}, which should be {PAYLOAD_TYPE!r}"
        raise SigningError(message)
    signatures = member(envelope, "signatures", list, "the envelope")
    if len(signatures) != 1:
        message = f"the envelope has {len(signatures)} signatures where a bundle has one"
        raise SigningError(message)
    material = member(document, "verificationMaterial", dict, "the bundle")
    return Bundle(
        payload=read_base64(member(envelope, "payload", str, "the envelope"), "the payload"),
        signature=read_base64(member(signatures[0], "sig", str, "the signature"), "the signature"),
        hint=_find_hint(material),
        certificates=_certificates(material),
        log_entries=len(member(material, "tlogEntries", list, "the bundle")) if material.get("tlogEntries") else 0,
    )


def _find_hint(material: dict[str, Any]) -> str | None:
    # Older bundles name a key without a hint, and mean whichever key the verifier has.
    key = material.get("publicKey")
    return member(key, "hint", str, "publicKey") if isinstance(key, dict) and key.get("hint") else None


def _certificates(material: dict[str, Any]) -> tuple[bytes, ...]:
    if "certificate" in material:
        entries: list[Any] = [material["certificate"]]
    elif "x509CertificateChain" in material:
        chain = member(material, "x509CertificateChain", dict, "verificationMaterial")
        entries = member(chain, "certificates", list, "x509CertificateChain")
    else:
        return ()
    if not 1 <= len(entries) <= _CERTIFICATES_LIMIT:
        message = f"the bundle has {len(entries)} certificates; 1 to {_CERTIFICATES_LIMIT} can be read"
        raise SigningError(message)
    return tuple(read_base64(member(entry, "rawBytes", str, "a certificate"), "a certificate") for entry in entries)
