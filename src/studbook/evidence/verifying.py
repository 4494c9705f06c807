"""Verification of an evidence bundle, step by step, with keys that come from elsewhere. It needs nothing but the bundle."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from studbook.evidence.consistency import check_consistency
from studbook.evidence.entries import read_entry
from studbook.evidence.histories import chain_histories, open_history
from studbook.evidence.signatures import known_keys, open_signed
from studbook.evidence.snapshots import check_snapshot
from studbook.evidence.values import check_values
from studbook.merkle.checkpoint import parse_decimal
from studbook.merkle.errors import VerificationError
from studbook.merkle.hashing import leaf_hash
from studbook.merkle.proofs import verify_inclusion
from studbook.merkle.receipt import parse_receipt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from studbook.evidence.entries import Entry
    from studbook.evidence.format import Bundle
    from studbook.evidence.histories import History
    from studbook.evidence.signatures import Signed
    from studbook.evidence.values import Values
    from studbook.merkle.checkpoint import Checkpoint
    from studbook.merkle.notes import VerifierKey
    from studbook.merkle.policy import Policy


@dataclass(frozen=True, slots=True)
class Step:
    """What was checked, in one word, and a sentence on what was found."""

    name: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a verified bundle shows. `notes` are sentences on what it does not show."""

    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    signed: Signed
    histories: tuple[History, ...]
    values: Values


def verify_bundle(bundle: Bundle, keys: Sequence[VerifierKey], policy: Policy | None = None) -> Report:
    """Check everything that a bundle holds; its checkpoint must be signed by one of `keys`, or a log key of `policy`.

    With a policy its quorum must have cosigned, too. Raises VerificationError at the first thing that is wrong.
    """
    known = known_keys(keys, policy)
    steps = [_check_files(bundle)]
    signed = _check_signature(bundle, known, steps)
    notes = _check_quorum(signed, policy, steps)
    steps.append(_check_receipts(bundle, signed.checkpoint))
    entries = _read_entries(bundle, steps)
    histories = _check_chains(bundle, entries, steps)
    values = _check_values(bundle, entries, steps)
    histories = [open_history(history, values) for history in histories]
    histories = _check_snapshot(bundle, entries, histories, steps)
    if bundle.earlier is not None:
        earlier = check_consistency(bundle.earlier, known, signed.checkpoint, bundle.checkpoint)
        steps.append(
            Step(
                "consistency",
                f"The log continues its earlier checkpoint of {earlier.size} entries: nothing in it was changed since.",
            )
        )
    notes += _list_gaps(bundle, histories, values)
    return Report(tuple(steps), tuple(notes), signed, tuple(histories), values)


def _check_files(bundle: Bundle) -> Step:
    for name, data in bundle.files.items():
        if name not in bundle.digests:
            raise VerificationError(f"the manifest does not name the file {name}")
        if hashlib.sha256(data).digest() != bundle.digests[name]:
            raise VerificationError(f"the file {name} is not the one that the manifest names: its digest differs")
    for name in bundle.digests:
        if name not in bundle.files:
            raise VerificationError(f"the manifest names the file {name[:80]}, and it is missing")
    return Step("files", f"All {len(bundle.files)} files are those that the manifest names, by their SHA-256 digests.")


def _check_signature(bundle: Bundle, known: Sequence[VerifierKey], steps: list[Step]) -> Signed:
    signed = open_signed(bundle.checkpoint, known, bundle.origin)
    if signed.checkpoint.size != bundle.size:
        raise VerificationError("the checkpoint is of another size than the manifest says")
    fingerprints = " and ".join(key.fingerprint for key in signed.log_keys)
    steps.append(
        Step(
            "signature",
            f"The log {bundle.origin} has signed the checkpoint of its {bundle.size} entries; key fingerprint: {fingerprints}.",
        )
    )
    return signed


def _check_quorum(signed: Signed, policy: Policy | None, steps: list[Step]) -> list[str]:
    """Check the policy's quorum; without one, that is worth a note."""
    witnesses = ", ".join(str(witness) for witness in signed.witnesses)
    if policy is None:
        if witnesses:
            steps.append(Step("witnesses", f"These witnesses have cosigned the checkpoint: {witnesses}."))
            return []
        return ["No witness was asked for: that the log shows everybody the same is the word of the log alone."]
    if not policy.is_satisfied(signed.verified):
        raise VerificationError(f"the checkpoint lacks the cosignatures of the policy's quorum {policy.quorum!r}")
    if policy.quorum == "none":
        return ["The policy asks for no witness: that the log shows everybody the same is the word of the log alone."]
    steps.append(Step("witnesses", f"The quorum {policy.quorum!r} of the policy has cosigned the checkpoint: {witnesses}."))
    return []


def _check_receipts(bundle: Bundle, checkpoint: Checkpoint) -> Step:
    if not bundle.entries:
        raise VerificationError("the bundle holds no entry")
    for index in bundle.entries.keys() ^ bundle.proofs.keys():
        raise VerificationError(
            f"of entry {index} the bundle holds the {'entry' if index in bundle.entries else 'receipt'} alone"
        )
    for index, body in bundle.entries.items():
        data = bundle.proofs[index]
        receipt = parse_receipt(data)
        if receipt.index != index:
            raise VerificationError(f"the receipt of entry {index} is that of entry {receipt.index}")
        if receipt.checkpoint != bundle.checkpoint:
            raise VerificationError(f"the receipt of entry {index} is under another checkpoint than that of the bundle")
        if receipt.extra is not None or receipt.encode() != data:
            raise VerificationError(f"the receipt of entry {index} holds something that nothing vouches for")
        try:
            verify_inclusion(leaf_hash(body), index, checkpoint.size, receipt.proof, checkpoint.root)
        except VerificationError as error:
            raise VerificationError(f"entry {index} is not proved to stand in the log: {error}") from None
    return Step("receipts", f"Each of the {len(bundle.entries)} entries stands in the log at its index, under that checkpoint.")


def _read_entries(bundle: Bundle, steps: list[Step]) -> list[Entry]:
    entries = [read_entry(index, body) for index, body in sorted(bundle.entries.items())]
    if len({entry.id for entry in entries}) != len(entries):
        raise VerificationError("two entries are of the same event")
    for entry in entries:
        if entry.body["after"].get("namespace") != bundle.namespace:
            raise VerificationError(f"entry {entry.index} is of another namespace than the manifest says")
    steps.append(Step("entries", "Each entry is complete and in the one canonical form (RFC 8785)."))
    return entries


def _check_chains(bundle: Bundle, entries: Sequence[Entry], steps: list[Step]) -> list[History]:
    apart = bundle.snapshot.entry if bundle.snapshot else None
    is_first = is_first_shard(bundle.origin, bundle.namespace)
    histories = chain_histories(bundle.subjects, entries, apart=apart, is_first_shard=is_first)
    for history in histories:
        first, last = history.entries[0].revision, history.entries[-1].revision
        told = f"revision {first} is" if first == last else f"revisions {first} to {last} are"
        steps.append(Step("chain", f"{history.name}: {told} there without a gap, each following from the one before it."))
    return histories


def is_first_shard(origin: str, namespace: str) -> bool:
    """Whether a log is the first of its namespace; later ones, opened when one was frozen, are numbered from 2.

    Raises VerificationError when the name is neither.
    """
    head, _, last = origin.rpartition("/")
    if last == namespace:
        return True
    if head.endswith(f"/{namespace}") and last.isascii() and last.isdecimal() and parse_decimal(last, "the shard") > 1:
        return False
    raise VerificationError(f"the log {origin} is not one of the namespace {namespace[:80]}")


def _check_values(bundle: Bundle, entries: Sequence[Entry], steps: list[Step]) -> Values:
    values = check_values(bundle, {entry.id: entry for entry in entries})
    opened, held = len(values.personal), len(values.erased) + len(values.withheld)
    if opened or held:
        sentence = f"{_count(opened, 'personal value')} disclosed, and what the log committed to; "
        sentence += f"{len(values.withheld)} not disclosed, {len(values.erased)} erased as the log says."
        steps.append(Step("personal values", sentence))
    if values.outside:
        steps.append(
            Step(
                "large values",
                f"{_count(len(values.outside), 'value')} kept outside the entries, with the digests that they name.",
            )
        )
    return values


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _check_snapshot(bundle: Bundle, entries: Sequence[Entry], histories: Sequence[History], steps: list[Step]) -> list[History]:
    if bundle.snapshot is None:
        return list(histories)
    by_index, by_subject = {entry.index: entry for entry in entries}, {history.subject_id: history for history in histories}
    upto = check_snapshot(bundle.snapshot, by_index, by_subject)
    for history in histories:
        later = sum(entry.index >= upto for entry in history.entries)
        sentence = (
            f"{history.name}: complete up to entry {upto} of the log, as its snapshot in entry {bundle.snapshot.entry} shows"
        )
        steps.append(Step("completeness", f"{sentence}; {_count(later, 'later revision')} shown." if later else f"{sentence}."))
    return [replace(history, complete_to=upto) for history in histories]


def _list_gaps(bundle: Bundle, histories: Sequence[History], values: Values) -> list[str]:
    """What the bundle leaves open."""
    notes = []
    reach = max((history.complete_to or 0 for history in histories), default=0)
    if bundle.snapshot is None:
        notes.append("There is no snapshot in the bundle: it does not show that the newest revisions were not left out.")
    elif reach < bundle.size:
        notes.append(
            f"After entry {reach} of the log there may be revisions that the bundle leaves out; a later snapshot would tell."
        )
    for history in histories:
        if not history.is_from_start:
            first = history.entries[0].revision
            notes.append(
                f"{history.name} begins here with revision {first}; an earlier log of the namespace has what was before."
            )
    if values.withheld:
        notes.append(f"{_count(len(values.withheld), 'personal value')} not disclosed to whoever got this bundle.")
    return notes
