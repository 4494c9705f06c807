"""Signatures over a version's artifacts (OpenSSF model signing): verified when they arrive, and recorded by what they are.

A version whose record has a signature was signed, as one may read there, by a key over files that have the digests of all its
artifacts. Whether that key is to be trusted is for policies to say: anybody who may write can attach a signature of their own.
The names in a certificate are of people, so they are not recorded; the fingerprints lead to whoever has the certificate.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.documents import Access, NewSignature
from studbook.domain.errors import ConflictError, InvalidDocumentError, Violation
from studbook.domain.events import Action
from studbook.governance.gates import Gate
from studbook.services.governance.gates import settled
from studbook.services.ingestion.resolution import load_record
from studbook.services.lineage.linking import Linking
from studbook.services.recording import Recorder, check_match
from studbook.services.versions import lock, pass_version_gate, show_version
from studbook.signing.certificates import read_certificates
from studbook.signing.errors import SigningError
from studbook.signing.keys import read_public_key
from studbook.signing.verifying import verify_bundle
from studbook.storage.references import find_nodes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from studbook.domain.canonical import JsonObject
    from studbook.domain.errors import StudbookError
    from studbook.domain.names import ByAlias, ByNumber
    from studbook.services.caller import Caller
    from studbook.services.reading import Shown
    from studbook.signing.manifest import Manifest
    from studbook.signing.verifying import Verified
    from studbook.storage.database import Database
    from studbook.storage.unit_of_work import Transaction

# A version signed by more people than this is no use of signatures that we know of; the list is part of the record.
SIGNATURES_LIMIT: Final = 100
# How many parts at the end of an artifact's address are looked for among the signed names. It bounds the work of a request.
_DEPTH: Final = 16


def add_signature(
    database: Database, caller: Caller, place: ByNumber | ByAlias, document: NewSignature, if_match: str | None
) -> Shown:
    """Verify a signature over a version's artifacts and record it; one that is recorded already changes nothing.

    Raises InvalidDocumentError when the signature is bad or is not over what is recorded, ConflictError when the version has no
    digests that could be signed, NotFoundError, StaleRecordError.
    """
    caller.require(Access.WRITE)
    verified = _verify(document)
    bundle_digest = _digest(document.bundle.encode())

    def change(transaction: Transaction) -> Shown | StudbookError:
        row = lock(transaction, caller, place)
        check_match(if_match, row.revision)
        record = load_record(row.record)
        check_artifacts(record["artifacts"], verified.manifest)
        recorder = Recorder(transaction, caller)
        known: list[JsonObject] = record.get("signatures", [])
        entry = _entry(verified, bundle_digest, recorder)
        # ECDSA makes another signature each time, and JSON can be written in many ways: a key says a thing once.
        if not any(_said(other) == _said(entry) for other in known):
            if len(known) >= SIGNATURES_LIMIT:
                message = f"the version has {SIGNATURES_LIMIT} signatures, which is the most that are recorded"
                raise ConflictError.at("", "too_many_signatures", message)
            changed = {**record, "signatures": [*known, entry]}
            if refused := pass_version_gate(recorder, Gate.CHANGE, record, changed):
                return refused
            recorder.amend(Action.VERSION_SIGNED, row, changed)
            transaction.flush()
            signed = find_nodes(transaction.connection, caller.namespace_id, [row.id])[row.id]
            Linking(transaction, caller.namespace_id).confirm(recorder, signed, entry)
        return show_version(transaction, caller, record).after(recorder)

    return settled(database.work.run(change))  # type: ignore[no-any-return]


def _verify(document: NewSignature) -> Verified:
    if (document.public_key is None) == (document.certificates is None):
        message = "give either public_key (the signer's) or certificates (the roots that the signer's certificate leads to)"
        raise InvalidDocumentError.at("", "nothing_to_verify_with", message)
    field_name = "public_key" if document.public_key is not None else "certificates"
    try:
        key = read_public_key(document.public_key.encode()) if document.public_key is not None else None
        roots = read_certificates(document.certificates.encode()) if document.certificates is not None else []
    except SigningError as error:
        raise InvalidDocumentError.at(f"/{field_name}", "unreadable_key", str(error)) from None
    try:
        return verify_bundle(document.bundle.encode(), key=key, roots=roots)
    except SigningError as error:
        raise InvalidDocumentError.at("/bundle", "bad_signature", str(error)) from None


def check_artifacts(artifacts: list[JsonObject], manifest: Manifest) -> None:
    """Check that what was signed has all these artifacts, by name and digest; it may have more.

    Raises ConflictError when an artifact has no digest or there is none, InvalidDocumentError that names each that differs.
    """
    if not artifacts or any(artifact["digest"] is None for artifact in artifacts):
        message = "a signature is held against the digests of a version's artifacts, and this version lacks some or all of them"
        raise ConflictError.at("/bundle", "no_digests", message)
    signed = _Signed(manifest)
    wanted = {tail for artifact in artifacts for tail in _tails(artifact)}
    signed.add_folders(wanted)
    missed = [artifact["name"] or artifact["uri"] for artifact in artifacts if not signed.has(artifact)]
    if missed:
        faults = [Violation("/bundle", "artifact_not_signed", f"{name!r} was not signed with its digest") for name in missed]
        message = f"the signature is good and is over something else: {len(missed)} of {len(artifacts)} artifacts were not signed"
        raise InvalidDocumentError(message, faults)


@dataclass(slots=True)
class _Signed:
    """The digests that were signed, by name; `.` is the whole folder."""

    manifest: Manifest
    digests: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.digests = {
            resource.name: f"sha256:{resource.digest.hex()}"
            for resource in self.manifest.resources
            if resource.algorithm == "sha256"
        }

    def add_folders(self, wanted: set[str]) -> None:
        """Add the digests of the folders among these names, and of the whole, as the SDK computes them for a folder.

        It is the digest of what `find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum` prints.
        """
        if len(self.digests) != len(self.manifest.resources):
            return
        listings: dict[str, Any] = {}
        for name, digest in sorted(self.digests.items(), key=lambda item: item[0].encode()):
            parts = name.split("/", _DEPTH)
            for depth in range(len(parts)):
                folder = "/".join(parts[:depth]) or "."
                if folder == "." or folder in wanted:
                    rest = "/".join(parts[depth:])
                    listings.setdefault(folder, hashlib.sha256()).update(_line(digest, rest))
        self.digests |= {folder: f"sha256:{listing.hexdigest()}" for folder, listing in listings.items()}

    def has(self, artifact: JsonObject) -> bool:
        """Whether the artifact was signed, as a file or folder of its name, or as the whole folder."""
        return any(self.digests.get(name) == artifact["digest"] for name in (".", *_tails(artifact)))


def _line(digest: str, name: str) -> bytes:
    """A line as `sha256sum` prints it: a name with a backslash or a line's end is escaped, and marked so."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "\\" if escaped != name else ""
    return f"{mark}{digest.removeprefix('sha256:')}  ./{escaped}\n".encode()


def _tails(artifact: JsonObject) -> Iterator[str]:
    """What the artifact may be called in the folder: its own name, or the last parts of its address."""
    if artifact["name"]:
        yield artifact["name"]
    parts = artifact["uri"].rstrip("/").split("/")[-_DEPTH:]
    for start in range(len(parts)):
        yield "/".join(parts[start:])


def _entry(verified: Verified, bundle_digest: str, recorder: Recorder) -> JsonObject:
    signer = verified.signer
    return {
        "format": "openssf-model-signing",
        "root_digest": f"sha256:{verified.manifest.root_digest}",
        "files": len(verified.manifest.resources),
        "statement_digest": _digest(verified.payload),
        "bundle_digest": bundle_digest,
        "key": signer.fingerprint,
        "certificate": signer.certificate,
        "root_certificate": signer.root,
        "verified_at": recorder.now,
        "verified_by": recorder.caller.actor,
    }


def _said(entry: JsonObject) -> tuple[str, ...]:
    return entry["statement_digest"], entry["key"], entry["certificate"], entry["root_certificate"]


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
