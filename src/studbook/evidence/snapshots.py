"""Snapshots in a bundle: that no revision of a subject was left out, up to the moment when the log took the snapshot.

The snapshot's entry holds the root of a Merkle tree (RFC 6962) over how far every subject had come: a leaf is the RFC 8785
JSON of {"head", "rev", "subject_id"}, the head being the leaf hash of the subject's entry of that revision in hexadecimal digits.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.canonical import canonical_json
from studbook.evidence.shapes import as_count, as_digest, as_hex_digest, as_list, as_object, as_text, as_uuid
from studbook.merkle.errors import VerificationError
from studbook.merkle.hashing import leaf_hash
from studbook.merkle.notes import decode_base64
from studbook.merkle.proofs import verify_inclusion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from studbook.domain.canonical import JsonObject
    from studbook.evidence.entries import Entry
    from studbook.evidence.histories import History

SNAPSHOT_ACTION: Final = "log.snapshot"
_PATH_LIMIT: Final = 63


def leaf_of(subject_id: str, revision: int, head: bytes) -> JsonObject:
    """A leaf of a snapshot as it is hashed: how far a subject had come, and the leaf hash of that entry (32 bytes)."""
    return {"head": head.hex(), "rev": revision, "subject_id": subject_id}


@dataclass(frozen=True, slots=True)
class SnapshotLeaf:
    """How far a subject had come: revision, leaf hash of that entry; and where that stands in the snapshot's tree."""

    subject_id: str
    revision: int
    head: bytes
    index: int
    path: tuple[bytes, ...]

    @classmethod
    def from_json(cls, value: Any) -> SnapshotLeaf:  # noqa: ANN401 - any JSON value
        """The leaf as it stands in a bundle.

        Raises VerificationError.
        """
        leaf = as_object(value, "a leaf of the snapshot", ("subject_id", "rev", "head", "index", "path"))
        path = as_list(leaf["path"], "the path of a snapshot's leaf")
        if len(path) > _PATH_LIMIT:
            raise VerificationError("the path of a snapshot's leaf is longer than any tree is high")
        what = "a hash of a snapshot's path"
        return cls(
            as_uuid(leaf["subject_id"], "the subject of a snapshot's leaf"),
            as_count(leaf["rev"], "the revision of a snapshot's leaf"),
            as_hex_digest(leaf["head"], "the head of a snapshot's leaf"),
            as_count(leaf["index"], "the index of a snapshot's leaf"),
            tuple(decode_base64(as_text(step, what), what) for step in path),
        )

    def as_json(self) -> JsonObject:
        """The leaf as it stands in a bundle."""
        path = [base64.b64encode(value).decode() for value in self.path]
        return {**self._hashed, "index": self.index, "path": path}

    @property
    def hash(self) -> bytes:
        """The leaf hash in the snapshot's tree."""
        return leaf_hash(canonical_json(self._hashed))

    @property
    def _hashed(self) -> JsonObject:
        return leaf_of(self.subject_id, self.revision, self.head)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The index of the snapshot's entry, the number of subjects in it, and the leaves of the bundle's subjects."""

    entry: int
    size: int
    leaves: tuple[SnapshotLeaf, ...]

    @classmethod
    def from_json(cls, value: Any) -> Snapshot:  # noqa: ANN401 - any JSON value
        """The snapshot as it stands in a bundle.

        Raises VerificationError.
        """
        snapshot = as_object(value, "snapshot.json", ("entry", "size", "leaves"))
        leaves = tuple(SnapshotLeaf.from_json(leaf) for leaf in as_list(snapshot["leaves"], "the leaves of the snapshot"))
        if len({leaf.subject_id for leaf in leaves}) != len(leaves):
            raise VerificationError("the snapshot has two leaves of the same subject")
        return cls(
            as_count(snapshot["entry"], "the index of the snapshot's entry"),
            as_count(snapshot["size"], "the size of the snapshot"),
            leaves,
        )

    def as_json(self) -> JsonObject:
        """The snapshot as it stands in a bundle."""
        return {"entry": self.entry, "size": self.size, "leaves": [leaf.as_json() for leaf in self.leaves]}


def check_snapshot(snapshot: Snapshot, entries: Mapping[int, Entry], histories: Mapping[str, History]) -> int:
    """Check the snapshot against its entry and each history against the snapshot; returns how many entries it covers.

    Raises VerificationError.
    """
    entry = entries.get(snapshot.entry)
    if entry is None or entry.body["action"] != SNAPSHOT_ACTION:
        raise VerificationError(f"entry {snapshot.entry}, which should be the snapshot's, is not in the bundle or is no snapshot")
    detail = as_object(entry.body["detail"], "the detail of the snapshot's entry")
    root = as_digest(detail.get("root"), "the root of the snapshot")
    upto = as_count(detail.get("upto"), "the reach of the snapshot")
    if as_count(detail.get("subjects"), "the size of the snapshot") != snapshot.size:
        raise VerificationError("snapshot.json tells of another number of subjects than the snapshot's entry")
    if upto > snapshot.entry:
        raise VerificationError("the snapshot claims to cover entries that came after it")
    leaves = {leaf.subject_id: leaf for leaf in snapshot.leaves}
    for subject_id, leaf in leaves.items():
        if subject_id not in histories:
            raise VerificationError("the snapshot has a leaf of a subject that the manifest does not name")
        try:
            verify_inclusion(leaf.hash, leaf.index, snapshot.size, leaf.path, root)
        except VerificationError as error:
            raise VerificationError(f"the leaf of {histories[subject_id].name} does not stand in the snapshot: {error}") from None
    for history in histories.values():
        _check_history(history, leaves.get(history.subject_id), upto)
    return upto


def _check_history(history: History, leaf: SnapshotLeaf | None, upto: int) -> None:
    """That the revisions before the snapshot are those up to the leaf's, and all later ones came after it."""
    first, last = history.entries[0], history.entries[-1]
    if leaf is None:
        if first.revision > 1 or first.index < upto:
            raise VerificationError(f"{history.name} was in the log when the snapshot was taken, and its leaf is missing")
        return
    if not first.revision - 1 <= leaf.revision <= last.revision:
        raise VerificationError(
            f"the snapshot knows {history.name} at revision {leaf.revision}, and the bundle shows revisions "
            f"{first.revision} to {last.revision} only: some were left out"
        )
    if leaf.revision < first.revision:
        head, behind = first.previous, history.entries
    else:
        at = leaf.revision - first.revision
        head, behind = history.entries[at].leaf, history.entries[at + 1 :]
        if history.entries[at].index >= upto:
            raise VerificationError(f"the snapshot knows a revision of {history.name} that came after it")
    if head != leaf.head:
        raise VerificationError(f"the snapshot knows another entry as revision {leaf.revision} of {history.name}")
    if behind and behind[0].index < upto:
        raise VerificationError(f"the snapshot passes over revision {behind[0].revision} of {history.name}")
