"""The history of a subject: its entries as a chain without gaps, and its record before and after each, with values in place."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from studbook.domain.canonical import canonical_json, read_canonical
from studbook.domain.entries import Side, after_of, before_of, opened
from studbook.domain.pointers import find_at
from studbook.domain.privacy import blanked
from studbook.merkle.errors import VerificationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from studbook.domain.canonical import JsonObject
    from studbook.evidence.entries import Entry
    from studbook.evidence.format import Subject
    from studbook.evidence.values import Values


@dataclass(frozen=True, slots=True)
class Revision:
    """One event of a history: its entry, and the record before and after with those values that are at hand."""

    entry: Entry
    before: JsonObject | None
    after: JsonObject
    edges: list[JsonObject]


@dataclass(frozen=True, slots=True)
class History:
    """A subject's entries by rising revision. `complete_to` is the number of entries of the log up to which none is missing."""

    subject_id: str
    name: str
    entries: tuple[Entry, ...]
    revisions: tuple[Revision, ...] = ()
    complete_to: int | None = None

    @property
    def is_from_start(self) -> bool:
        """Whether it begins with the first revision; otherwise an earlier shard of the log holds what was before."""
        return self.entries[0].revision == 1


def chain_histories(
    subjects: Sequence[Subject], entries: Sequence[Entry], *, apart: int | None, is_first_shard: bool
) -> list[History]:
    """Sort entries by subject and check that each follows from the one before it.

    `apart` is the index of an entry that need belong to no subject: the snapshot's. In a log's first shard each history begins
    with revision 1; in a later one it may begin where the earlier shard ended. Raises VerificationError.
    """
    names = {subject.id: subject.name for subject in subjects}
    found: dict[str, list[Entry]] = {subject.id: [] for subject in subjects}
    for entry in entries:
        if entry.subject_id in found:
            found[entry.subject_id].append(entry)
        elif entry.index != apart:
            raise VerificationError(f"entry {entry.index} is of a subject that the manifest does not name")
    histories = []
    for subject_id, name in names.items():
        chain = sorted(found[subject_id], key=lambda entry: entry.revision)
        if not chain:
            raise VerificationError(f"the bundle holds no entry of {name}")
        if chain[-1].body["subject"] != name:
            raise VerificationError(f"the manifest calls {name} what the log calls {chain[-1].body['subject']}")
        if is_first_shard and chain[0].revision != 1:
            raise VerificationError(f"the history of {name} begins with revision {chain[0].revision}: the first ones are missing")
        for earlier, later in itertools.pairwise(chain):
            _check_step(name, earlier, later)
        histories.append(History(subject_id, name, tuple(chain)))
    return histories


def _check_step(name: str, earlier: Entry, later: Entry) -> None:
    if later.revision != earlier.revision + 1:
        raise VerificationError(
            f"the history of {name} is not gapless: revision {later.revision} comes after revision {earlier.revision}"
        )
    if later.previous != earlier.leaf:
        raise VerificationError(
            f"revision {later.revision} of {name} does not follow from the entry of revision {earlier.revision}"
        )
    if later.index <= earlier.index:
        raise VerificationError(f"revision {later.revision} of {name} stands in the log before revision {earlier.revision}")
    try:
        is_same = _is_same(after_of(earlier.body), before_of(later.body))
    except ValueError:
        raise VerificationError(f"entry {later.index} names a place that no record has") from None
    if not is_same:
        raise VerificationError(
            f"revision {later.revision} of {name} shows the record before as revision {earlier.revision} had not left it"
        )


def _is_same(first: Side, second: Side) -> bool:
    """Whether two sides show the same record, though other parts of it may stand outside."""
    if first.private != second.private:
        return False
    bodies = (read_canonical(first.body), read_canonical(second.body))
    for place in first.detached.keys() | second.detached.keys():
        marks = [
            side.detached.get(place) or _mark(find_at(body, place)) for side, body in zip((first, second), bodies, strict=True)
        ]
        if marks[0] != marks[1]:
            return False
    outside = [*first.detached, *second.detached]
    return canonical_json(blanked(bodies[0], outside)) == canonical_json(blanked(bodies[1], outside))


def _mark(value: object) -> JsonObject:
    rendered = canonical_json(value)
    return {"digest": f"sha256:{hashlib.sha256(rendered).hexdigest()}", "size": len(rendered)}


def open_history(history: History, values: Values) -> History:
    """The history with its records before and after, in which the disclosed values stand in their places.

    Raises VerificationError when a value that stands outside its entry is not at hand.
    """
    revisions: list[Revision] = []
    for entry in history.entries:
        whole = _open(entry, values)
        # Before an event stands what the one before left; only the first shown has a record before of its own.
        before = revisions[-1].after if revisions else whole["before"]
        revisions.append(Revision(entry, before, whole["after"], whole["edges"] or []))
    return replace(history, revisions=tuple(revisions))


def _open(entry: Entry, values: Values) -> JsonObject:
    private = {place: values.personal[entry.id, place] for place in entry.body["private"] if (entry.id, place) in values.personal}
    outside = {
        place: values.outside_by_digest[mark["digest"]]
        for place, mark in entry.body["detached"].items()
        if mark["digest"] in values.outside_by_digest
    }
    for place in entry.body["detached"]:
        # What stood before belongs to an entry that may be in an earlier shard.
        if place not in outside and not place.startswith("/before/"):
            raise VerificationError(
                f"the value at {place[:80]!r} of entry {entry.index} stands outside it and is not in the bundle"
            )
    try:
        return opened(entry.body, private, outside)
    except ValueError:
        raise VerificationError(f"entry {entry.index} names a place that no record has") from None
