"""The parts of an evidence bundle, and how they are read from and written to a zip. Nothing is verified here.

Whatever is malformed raises VerificationError with one sentence; that the parts agree is the business of `verifying`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.canonical import canonical_json
from studbook.domain.entries import ENTRY_LIMIT
from studbook.domain.errors import TooLargeError
from studbook.evidence.archive import ARCHIVE_LIMIT, FILES_LIMIT, UNPACKED_LIMIT, read_archive, write_archive
from studbook.evidence.page import readme, verify_page
from studbook.evidence.shapes import (
    as_count,
    as_hex_digest,
    as_list,
    as_object,
    as_text,
    as_uuid,
    decode_base64url,
    encode_base64url,
    read_json,
)
from studbook.evidence.snapshots import Snapshot
from studbook.merkle.checkpoint import SIZE_LIMIT, parse_checkpoint
from studbook.merkle.errors import VerificationError
from studbook.merkle.notes import parse_note

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from studbook.domain.canonical import JsonObject

FORMAT: Final = "studbook-evidence/v1"
MANIFEST: Final = "manifest.json"
CHECKPOINT: Final = "checkpoint"
POLICY: Final = "policy"
EARLIER: Final = "checkpoint.prev"
CONSISTENCY: Final = "consistency"
DISCLOSURES: Final = "disclosures.json"
SNAPSHOT: Final = "snapshot.json"
PAGE: Final = "verify.html"
README: Final = "README.txt"
_NEEDED: Final = (MANIFEST, CHECKPOINT, POLICY, DISCLOSURES)
_PLACED = re.compile(r"(entries|proofs)/(0|[1-9][0-9]{0,18})\.(json|tlog-proof)")
_ENDINGS: Final = {"entries": "json", "proofs": "tlog-proof"}


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose history the bundle tells: the id, and the name in its last entry."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class PersonalValue:
    """A personal value that the recipient may see: its event, its place in the entry, salt (32 bytes), canonical JSON."""

    event: str
    pointer: str
    salt: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class OutsideValue:
    """A value that stands outside its entry for its size: its event, its place in the entry, canonical JSON."""

    event: str
    pointer: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier signed checkpoint, and the proof that the newer one continues it, as an add-checkpoint request."""

    checkpoint: bytes
    consistency: bytes


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle as it was read: what its manifest says, its parts, and the bytes of all files but the manifest."""

    namespace: str
    origin: str
    size: int
    subjects: tuple[Subject, ...]
    digests: Mapping[str, bytes]
    files: Mapping[str, bytes]
    entries: Mapping[int, bytes]
    proofs: Mapping[int, bytes]
    personal: tuple[PersonalValue, ...]
    outside: tuple[OutsideValue, ...]
    snapshot: Snapshot | None
    earlier: Earlier | None

    @property
    def checkpoint(self) -> bytes:
        """The signed checkpoint under which everything is proved."""
        return self.files[CHECKPOINT]


def read_bundle(source: Path | bytes) -> Bundle:
    """Read a bundle from a file or its bytes; sizes are bounded, nothing is verified.

    Raises VerificationError for whatever is not a bundle.
    """
    files = read_archive(source if isinstance(source, bytes) else _load(source))
    for name in _NEEDED:
        if name not in files:
            raise VerificationError(f"the bundle lacks the file {name}")
    entries, proofs = _sort_files(files)
    manifest = read_json(files[MANIFEST], MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise VerificationError(f"the bundle is not of the format {FORMAT}")
    as_object(manifest, MANIFEST, ("format", "namespace", "origin", "size", "subjects", "files"))
    personal, outside = _read_disclosures(read_json(files[DISCLOSURES], DISCLOSURES))
    if (EARLIER in files) != (CONSISTENCY in files):
        raise VerificationError(f"of {EARLIER} and {CONSISTENCY} the bundle holds only one, and they go together")
    return Bundle(
        namespace=as_text(manifest["namespace"], "the manifest's namespace"),
        origin=as_text(manifest["origin"], "the manifest's origin"),
        size=as_count(manifest["size"], "the manifest's size"),
        subjects=_read_subjects(manifest["subjects"]),
        digests={
            name: as_hex_digest(digest, f"the manifest's digest of {name[:80]!r}")
            for name, digest in as_object(manifest["files"], "the manifest's list of files").items()
        },
        files={name: data for name, data in files.items() if name != MANIFEST},
        entries=entries,
        proofs=proofs,
        personal=personal,
        outside=outside,
        snapshot=Snapshot.from_json(read_json(files[SNAPSHOT], SNAPSHOT)) if SNAPSHOT in files else None,
        earlier=Earlier(files[EARLIER], files[CONSISTENCY]) if EARLIER in files else None,
    )


def _load(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            # One byte more than is accepted shows that there is more.
            return file.read(ARCHIVE_LIMIT + 1)
    except OSError as error:
        raise VerificationError(f"the bundle cannot be read: {error.strerror}") from None


def _sort_files(files: Mapping[str, bytes]) -> tuple[dict[int, bytes], dict[int, bytes]]:
    """Entries and proofs by index; whatever no bundle has is refused."""
    known = {*_NEEDED, EARLIER, CONSISTENCY, SNAPSHOT, PAGE, README}
    found: dict[str, dict[int, bytes]] = {"entries": {}, "proofs": {}}
    for name, data in files.items():
        if name in known:
            continue
        match = _PLACED.fullmatch(name)
        if match is None or _ENDINGS[match[1]] != match[3] or int(match[2]) > SIZE_LIMIT:
            raise VerificationError(f"the bundle holds the file {name}, which no evidence bundle has")
        if match[1] == "entries" and len(data) > ENTRY_LIMIT:
            raise VerificationError(f"the file {name} is larger than an entry can be")
        found[match[1]][int(match[2])] = data
    return found["entries"], found["proofs"]


def _read_subjects(value: Any) -> tuple[Subject, ...]:  # noqa: ANN401 - any JSON value
    subjects = []
    for item in as_list(value, "the manifest's list of subjects"):
        subject = as_object(item, "a subject of the manifest", ("id", "name"))
        subjects.append(Subject(as_uuid(subject["id"], "a subject's id"), as_text(subject["name"], "a subject's name")))
    if not subjects:
        raise VerificationError("the manifest names no subject")
    if len({subject.id for subject in subjects}) != len(subjects):
        raise VerificationError("the manifest names a subject twice")
    return tuple(subjects)


def _read_disclosures(value: Any) -> tuple[tuple[PersonalValue, ...], tuple[OutsideValue, ...]]:  # noqa: ANN401
    disclosures = as_object(value, DISCLOSURES, ("personal", "detached"))
    personal = []
    for item in as_list(disclosures["personal"], "the list of personal values"):
        given = as_object(item, "a personal value", ("event", "pointer", "salt", "value"))
        salt = decode_base64url(given["salt"], "the salt of a personal value")
        personal.append(PersonalValue(*_place_of(given), salt, _value_of(given)))
    outside = []
    for item in as_list(disclosures["detached"], "the list of detached values"):
        given = as_object(item, "a detached value", ("event", "pointer", "value"))
        outside.append(OutsideValue(*_place_of(given), _value_of(given)))
    return tuple(personal), tuple(outside)


def _place_of(given: JsonObject) -> tuple[str, str]:
    return as_uuid(given["event"], "the event of a disclosed value"), as_text(given["pointer"], "the place of a disclosed value")


def _value_of(given: JsonObject) -> bytes:
    data = as_text(given["value"], "a disclosed value").encode()
    read_json(data, "a disclosed value")
    return data


def write_bundle(
    *,
    namespace: str,
    subjects: Sequence[Subject],
    checkpoint: bytes,
    policy: bytes,
    entries: Mapping[int, bytes],
    proofs: Mapping[int, bytes],
    personal: Sequence[PersonalValue] = (),
    outside: Sequence[OutsideValue] = (),
    snapshot: Snapshot | None = None,
    earlier: Earlier | None = None,
) -> bytes:
    """The bytes of a bundle; the same parts give the same bytes. `subjects` begins with the one that was asked for.

    Nothing is verified: what is given wrong is found wrong by whoever verifies it. Raises TooLargeError for more than a
    bundle can hold, VerificationError when `checkpoint` is none.
    """
    signed = parse_checkpoint(parse_note(checkpoint).text)
    files = {CHECKPOINT: checkpoint, POLICY: policy, DISCLOSURES: _render_disclosures(personal, outside)}
    if snapshot is not None:
        files[SNAPSHOT] = canonical_json(snapshot.as_json())
    if earlier is not None:
        files |= {EARLIER: earlier.checkpoint, CONSISTENCY: earlier.consistency}
    files |= {f"entries/{index}.json": body for index, body in sorted(entries.items())}
    files |= {f"proofs/{index}.tlog-proof": receipt for index, receipt in sorted(proofs.items())}
    files |= {PAGE: verify_page(), README: readme()}
    manifest = {
        "format": FORMAT,
        "namespace": namespace,
        "origin": signed.origin,
        "size": signed.size,
        "subjects": [{"id": subject.id, "name": subject.name} for subject in subjects],
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    files = {README: files.pop(README), MANIFEST: canonical_json(manifest), **files}
    if len(files) > FILES_LIMIT or sum(map(len, files.values())) > UNPACKED_LIMIT:
        message = "the history is too large for one evidence bundle; ask for fewer subjects"
        raise TooLargeError(message)
    data = write_archive(files)
    if len(data) > ARCHIVE_LIMIT:
        message = f"the history is too large for one evidence bundle of at most {ARCHIVE_LIMIT >> 20} MiB; ask for fewer subjects"
        raise TooLargeError(message)
    return data


def _render_disclosures(personal: Sequence[PersonalValue], outside: Sequence[OutsideValue]) -> bytes:
    return canonical_json(
        {
            "personal": [
                {
                    "event": value.event,
                    "pointer": value.pointer,
                    "salt": encode_base64url(value.salt),
                    "value": value.value.decode(),
                }
                for value in sorted(personal, key=lambda value: (value.event, value.pointer))
            ],
            "detached": [
                {"event": value.event, "pointer": value.pointer, "value": value.value.decode()}
                for value in sorted(outside, key=lambda value: (value.event, value.pointer))
            ],
        }
    )


def make_earlier(checkpoint: bytes, proof: Sequence[bytes], newer: bytes) -> Earlier:
    """The pair of an earlier signed checkpoint and the consistency proof (32 bytes a hash) to a newer one.

    Raises VerificationError when `checkpoint` is none.
    """
    size = parse_checkpoint(parse_note(checkpoint).text).size
    lines = [f"old {size}", *(base64.b64encode(value).decode() for value in proof)]
    return Earlier(checkpoint, "\n".join(lines).encode() + b"\n\n" + newer)
