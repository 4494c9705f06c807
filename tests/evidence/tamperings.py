"""Every way of tampering with a bundle, by name: what is changed, and what must be said of it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from studbook.domain.canonical import canonical_json
from tests.evidence.making import MODEL, Log, model_record, tell_story

if TYPE_CHECKING:
    from collections.abc import Callable

    from studbook.merkle.notes import VerifierKey

Files = dict[str, bytes]


def _edit(name: str, change: Callable[[Any], Any]) -> Callable[[Files], Files]:
    def apply(files: Files) -> Files:
        value = json.loads(files[name])
        change(value)
        return {**files, name: canonical_json(value)}

    return apply


def _without(*gone: str) -> Callable[[Files], Files]:
    return lambda files: {name: data for name, data in files.items() if name not in gone}


def _swapped(first: str, second: str) -> Callable[[Files], Files]:
    return lambda files: {**files, first: files[second], second: files[first]}


def _copied(source: str, target: str) -> Callable[[Files], Files]:
    return lambda files: {**files, target: files[source]}


def _replaced(name: str, old: bytes, new: bytes) -> Callable[[Files], Files]:
    def apply(files: Files) -> Files:
        assert old in files[name]
        return {**files, name: files[name].replace(old, new, 1)}

    return apply


def _both(*changes: Callable[[Files], Files]) -> Callable[[Files], Files]:
    def apply(files: Files) -> Files:
        for change in changes:
            files = change(files)
        return files

    return apply


def _salted(disclosures: Any) -> None:
    disclosures["personal"][0]["salt"] = base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()


TAMPERINGS: dict[str, tuple[Callable[[Files], Files], str]] = {
    "an edited entry": (_replaced("entries/3.json", b"0.913", b"0.993"), "entry 3 is not proved to stand in the log"),
    "an entry in another's place": (_swapped("entries/3.json", "entries/6.json"), "entry 3 is not proved"),
    "a doubled entry": (
        _both(_copied("entries/3.json", "entries/2.json"), _copied("proofs/3.tlog-proof", "proofs/2.tlog-proof")),
        "the receipt of entry 2 is that of entry 3",
    ),
    "a receipt with another index": (
        _both(
            _copied("entries/3.json", "entries/2.json"),
            _copied("proofs/3.tlog-proof", "proofs/2.tlog-proof"),
            _replaced("proofs/2.tlog-proof", b"index 3", b"index 2"),
        ),
        "entry 2 is not proved",
    ),
    "an index beyond the tree": (
        _both(
            _copied("entries/3.json", "entries/9223372036854775807.json"),
            _copied("proofs/3.tlog-proof", "proofs/9223372036854775807.tlog-proof"),
            _replaced("proofs/9223372036854775807.tlog-proof", b"index 3", b"index 9223372036854775807"),
        ),
        "a tree of 9 entries has none",
    ),
    "swapped proofs": (_swapped("proofs/3.tlog-proof", "proofs/6.tlog-proof"), "the receipt of entry 3 is that of entry 6"),
    "an entry without a receipt": (_without("proofs/3.tlog-proof"), "the entry alone"),
    "a receipt without its entry": (_without("entries/3.json"), "the receipt alone"),
    "no entry at all": (
        lambda files: {name: data for name, data in files.items() if not name.startswith(("entries/", "proofs/"))},
        "holds no entry",
    ),
    "a receipt with an older checkpoint": (
        lambda files: {
            **files,
            "proofs/3.tlog-proof": files["proofs/3.tlog-proof"].replace(files["checkpoint"], files["checkpoint.prev"]),
        },
        "under another checkpoint",
    ),
    "a receipt with something to it": (_replaced("proofs/3.tlog-proof", b"index", b"extra AAAA\nindex"), "nothing vouches for"),
    "a cut receipt": (lambda files: {**files, "proofs/3.tlog-proof": files["proofs/3.tlog-proof"][:-40]}, "."),
    "an empty receipt": (lambda files: {**files, "proofs/3.tlog-proof": b""}, "a receipt begins with"),
    "a receipt with a huge index": (_replaced("proofs/3.tlog-proof", b"index 3", b"index " + b"9" * 5000), "decimal number"),
    "the middle of a history left out": (_without("entries/4.json", "proofs/4.tlog-proof"), "revision 3 comes after revision 1"),
    "the beginning of a history left out": (
        _without("entries/1.json", "proofs/1.tlog-proof"),
        "the first ones are missing|which is not in the bundle",
    ),
    "a history left out up to the snapshot": (
        _both(
            _without("entries/4.json", "proofs/4.tlog-proof", "entries/7.json", "proofs/7.tlog-proof"),
            _edit("disclosures.json", lambda all_of: all_of.update(personal=[], detached=all_of["detached"])),
        ),
        "the bundle shows revisions 1 to 1 only: some were left out",
    ),
    "a subject without its entries": (
        _edit("manifest.json", lambda manifest: manifest["subjects"].append({"id": str(MODEL)[:-2] + "ff", "name": "models/x"})),
        "the bundle holds no entry of models/x",
    ),
    "entries of a subject that is not named": (
        _edit("manifest.json", lambda manifest: manifest["subjects"].pop()),
        "of a subject that the manifest does not name",
    ),
    "a subject under another name": (
        _edit("manifest.json", lambda manifest: manifest["subjects"][0].update(name="models/fraud/versions/3")),
        "what the log calls models/churn/versions/3",
    ),
    "another namespace": (_edit("manifest.json", lambda manifest: manifest.update(namespace="other")), "of another namespace"),
    "another origin": (_edit("manifest.json", lambda manifest: manifest.update(origin="log.example.org/x")), "is of the log"),
    "another size": (_edit("manifest.json", lambda manifest: manifest.update(size=8)), "of another size"),
    "a changed personal value": (
        _edit("disclosures.json", lambda all_of: all_of["personal"][0].update(value='"Eve"')),
        "is not the one committed to",
    ),
    "another salt": (_edit("disclosures.json", _salted), "is not the one committed to"),
    "a short salt": (_edit("disclosures.json", lambda all_of: all_of["personal"][0].update(salt="AAAA")), "has not 32 bytes"),
    "a personal value that is disclosed twice": (
        _edit("disclosures.json", lambda all_of: all_of["personal"].append(all_of["personal"][0])),
        "is disclosed twice",
    ),
    "a personal value of no event": (
        _edit("disclosures.json", lambda all_of: all_of["personal"][0].update(event=str(MODEL))),
        "which is not in the bundle",
    ),
    "a personal value at no place": (
        _edit("disclosures.json", lambda all_of: all_of["personal"][0].update(pointer="/after/tags")),
        "which has none there",
    ),
    "a changed detached value": (
        _edit("disclosures.json", lambda all_of: all_of["detached"][0].update(value='{"a":1}')),
        "has another digest than it says",
    ),
    "a missing detached value": (
        _edit("disclosures.json", lambda all_of: all_of.update(detached=[])),
        "stands outside it and is not in the bundle",
    ),
    "a removed snapshot leaf": (
        _edit("snapshot.json", lambda snapshot: snapshot["leaves"].pop()),
        "its leaf is missing",
    ),
    "a snapshot leaf of another revision": (
        _edit("snapshot.json", lambda snapshot: snapshot["leaves"][0].update(rev=1)),
        "does not stand in the snapshot",
    ),
    "a snapshot leaf with another head": (
        _edit("snapshot.json", lambda snapshot: snapshot["leaves"][0].update(head="00" * 32)),
        "does not stand in the snapshot",
    ),
    "a snapshot leaf at another place": (
        _edit("snapshot.json", lambda snapshot: snapshot["leaves"][0].update(index=2**53 - 1)),
        "does not stand in the snapshot",
    ),
    "a snapshot leaf of a stranger": (
        _edit("snapshot.json", lambda snapshot: snapshot["leaves"][0].update(subject_id=str(MODEL)[:-2] + "ff")),
        "that the manifest does not name",
    ),
    "a snapshot leaf twice": (
        _edit("snapshot.json", lambda snapshot: snapshot["leaves"].append(snapshot["leaves"][0])),
        "two leaves of the same subject",
    ),
    "a snapshot of another size": (
        _edit("snapshot.json", lambda snapshot: snapshot.update(size=5)),
        "another number of subjects",
    ),
    "an entry for a snapshot that is none": (
        _edit("snapshot.json", lambda snapshot: snapshot.update(entry=4)),
        "of a subject that the manifest does not name|is no snapshot",
    ),
    "a snapshot whose entry is missing": (_without("entries/5.json", "proofs/5.tlog-proof"), "is not in the bundle"),
    "a consistency proof of another size": (_replaced("consistency", b"old 5", b"old 4"), "at another size"),
    "a consistency proof of a huge size": (_replaced("consistency", b"old 5", b"old " + b"9" * 5000), "decimal number"),
    "a shorter consistency proof": (
        lambda files: {
            **files,
            "consistency": b"\n".join(files["consistency"].split(b"\n")[:1] + files["consistency"].split(b"\n")[2:]),
        },
        "consistency proof|does not follow",
    ),
    "a consistency proof with an overlong list": (
        _replaced("consistency", b"old 5\n", b"old 5\n" + b"AAAA\n" * 64),
        "is not an old size",
    ),
    "a consistency proof to another checkpoint": (
        lambda files: {**files, "consistency": files["consistency"].replace(files["checkpoint"], files["checkpoint.prev"])},
        "leads to another checkpoint",
    ),
    "a consistency proof that is no text": (lambda files: {**files, "consistency": b"old \xff\n\n"}, "not ASCII"),
    "an earlier checkpoint with another root": (
        lambda files: {**files, "checkpoint.prev": files["checkpoint"].replace(b"\n9\n", b"\n5\n")},
        "the earlier checkpoint does not verify",
    ),
    "a changed checkpoint": (_replaced("checkpoint", b"\n9\n", b"\n8\n"), "does not verify"),
    "a checkpoint without a signature": (
        lambda files: {**files, "checkpoint": files["checkpoint"].split(b"\n\n")[0] + b"\n"},
        "has no signatures",
    ),
    "an empty checkpoint": (lambda files: {**files, "checkpoint": b""}, "has no signatures"),
}


def logged(change: Callable[[Log], object]) -> tuple[bytes, VerifierKey]:
    """A bundle of a log that itself says something wrong, signed as usual: what only the entries' own rules find."""
    log = Log()
    story = tell_story(log)
    change(log)
    return story.bundle(), log.signer.verifier_key


LOGGED: dict[str, tuple[Callable[[Log], object], str]] = {
    "bytes that are not canonical": (
        lambda log: log.append(json.dumps({**json.loads(log.entries[4]), "rev": 4}).encode()),
        "canonical form",
    ),
    "a member too many": (lambda log: log.add("model.changed", model_record(), more=1), "has not exactly the members"),
    "a revision that stands twice": (lambda log: log.add("model.changed", model_record(), rev=3), "not gapless"),
    "a revision that is left out": (lambda log: log.add("model.changed", model_record(), rev=5), "not gapless"),
    "a revision of nought": (lambda log: log.add("model.changed", model_record(), rev=0), "does not fit its revision"),
    "a first revision that has one before": (
        lambda log: log.add("model.changed", model_record(), rev=1),
        "does not fit its revision",
    ),
    "a revision that follows from another": (
        lambda log: log.add("model.changed", model_record(), prev=base64.b64encode(bytes(32)).decode()),
        "does not follow from the entry",
    ),
    "a predecessor that is no hash": (lambda log: log.add("model.changed", model_record(), prev="AAAA"), "has not 32 bytes"),
    "a record before that was not": (
        lambda log: log.add("model.changed", model_record(), before=model_record(tags={"champion": "2"}), private={}),
        "shows the record before",
    ),
    "a record of another subject": (lambda log: log.add("model.changed", model_record(), subject="models/x"), "another record"),
    "a record that is none": (lambda log: log.add("model.changed", model_record(), after=None), "'after' of entry 9 is not"),
    "a record of another namespace": (lambda log: log.add("model.changed", model_record(namespace="other")), "another namespace"),
    "an event that is another's": (
        lambda log: log.add("model.changed", model_record(), id=json.loads(log.entries[4])["id"]),
        "two entries are of the same event",
    ),
    "an actor that is a number": (lambda log: log.add("model.changed", model_record(), actor=7), "'actor' of entry 9"),
    "edges that are none": (lambda log: log.add("model.changed", model_record(), edges=None), "'edges' of entry 9"),
    "a commitment that is none": (
        lambda log: log.add("model.changed", model_record(owners=[]), private={"/after/description": "AAAA"}),
        "has not 32 bytes",
    ),
    "a commitment beside the value": (
        lambda log: log.add("model.changed", model_record(owners=[]), private={"/after/name": "A" * 43}),
        "shows a value at '/after/name'",
    ),
    "a commitment outside the records": (
        lambda log: log.add("model.changed", model_record(owners=[]), private={"/detail": "A" * 43}),
        "outside its records",
    ),
    "a commitment at a place of strange digits": (
        lambda log: log.add("model.changed", model_record(), private={"/after/owners/\u00b2/name": "A" * 43}),
        "names a place that no record has",
    ),
    "a commitment at a place of endless digits": (
        lambda log: log.add("model.changed", model_record(), private={"/after/owners/" + "9" * 5000: "A" * 43}),
        "names a place that no record has",
    ),
    "a digest that is none": (
        lambda log: log.add(
            "model.changed", model_record(owners=[]), detached={"/after/description": {"digest": "x", "size": 1}}
        ),
        "not a digest of the form",
    ),
    "an erasure that names nothing": (
        lambda log: log.add("privacy.erased", model_record(), detail={"values": "all"}),
        "what entry 9 says was erased is not a JSON list",
    ),
}
