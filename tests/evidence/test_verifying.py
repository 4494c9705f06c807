"""What a good bundle is found to show, and every way of tampering with one: it fails, with a sentence that names the fault."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from studbook.domain.canonical import canonical_json
from studbook.evidence.format import read_bundle
from studbook.evidence.snapshots import Snapshot
from studbook.evidence.verifying import is_first_shard, verify_bundle
from studbook.merkle.errors import VerificationError
from studbook.merkle.notes import Ed25519Signer, MlDsa44Signer, Note, VerifierKey, parse_note
from studbook.merkle.policy import parse_policy
from tests.evidence.making import MODEL, VERSION, Log, Story, edited, log_record, model_record, tell_story, zipped

if TYPE_CHECKING:
    from collections.abc import Callable

    from studbook.evidence.verifying import Report
    from studbook.merkle.policy import Policy

Files = dict[str, bytes]


def refused(data: bytes, keys: list[VerifierKey], sentence: str, policy: Policy | None = None) -> None:
    with pytest.raises(VerificationError, match=sentence) as caught:
        verify_bundle(read_bundle(data), keys, policy)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="session")
def key(story: Story) -> VerifierKey:
    return story.log.signer.verifier_key


def names(report: Report) -> list[str]:
    return [step.name for step in report.steps]


def test_a_good_bundle_passes_every_step(story: Story, good: bytes, policy: Policy) -> None:
    report = verify_bundle(read_bundle(good), [], policy)
    assert names(report) == [
        *("files", "signature", "witnesses", "receipts", "entries", "chain", "chain", "personal values", "large values"),
        *("completeness", "completeness", "consistency"),
    ]
    assert all(step.sentence.endswith(".") for step in report.steps)
    assert story.log.signer.verifier_key.fingerprint in report.steps[1].sentence
    assert "witness.example.org/w1 (2026-09-21 14:13 UTC)" in report.steps[2].sentence
    assert report.notes == (
        "After entry 5 of the log there may be revisions that the bundle leaves out; a later snapshot would tell.",
    )


def test_the_histories_hold_what_was_disclosed(story: Story, good: bytes, policy: Policy) -> None:
    report = verify_bundle(read_bundle(good), [], policy)
    version, model = report.histories
    assert (version.name, version.complete_to) == ("models/churn/versions/3", 5)
    assert [revision.entry.body["action"] for revision in model.revisions] == ["model.registered", "alias.set", "privacy.erased"]
    first, second = version.revisions
    assert first.before is None
    assert first.after["attributes"] == {"reviewer": "Grace Auditor", "notes": "x" * 70_000}
    assert second.before == first.after
    assert second.after == {**first.after, "tags": {"approved": "yes"}}
    assert model.revisions[0].after["owners"] == [{"name": "Ada Quant", "email": None}]
    assert model.revisions[1].after["owners"] == [{"name": "Ada Quant", "email": "ada@example.org"}]
    assert report.values.erased == ((model.entries[0].id, "/after/owners/0/email"),)
    assert report.values.withheld == ()


def test_a_single_key_is_enough_and_a_missing_witness_is_noted(story: Story, key: VerifierKey) -> None:
    alone = verify_bundle(read_bundle(story.bundle(checkpoint=story.log.checkpoint(cosigned=False), earlier=None)), [key])
    assert "witnesses" not in names(alone)
    assert any("No witness was asked for" in note for note in alone.notes)
    unasked = parse_policy(f"log {key}\nquorum none\n".encode())
    assert any("asks for no witness" in note for note in verify_bundle(read_bundle(story.bundle()), [], unasked).notes)


def test_a_witness_that_is_known_by_key_is_told(story: Story, good: bytes, key: VerifierKey) -> None:
    report = verify_bundle(read_bundle(good), [key, story.log.witness.verifier_key])
    assert "witness.example.org/w1" in next(step.sentence for step in report.steps if step.name == "witnesses")


def test_a_second_signature_by_ml_dsa_is_verified_and_an_unknown_one_passed_over(story: Story) -> None:
    log = story.log
    post_quantum, stranger = MlDsa44Signer.generate(log.origin), Ed25519Signer.generate("stranger.example.org")
    note = parse_note(log.checkpoint())
    signed = Note(note.text, (*note.signatures, post_quantum.sign(note.text), stranger.sign(note.text))).encode()
    bundle = read_bundle(story.bundle(checkpoint=signed))
    report = verify_bundle(bundle, [log.signer.verifier_key, post_quantum.verifier_key], None)
    assert report.signed.log_keys == (log.signer.verifier_key, post_quantum.verifier_key)


def test_values_that_are_not_disclosed_are_listed(story: Story, key: VerifierKey) -> None:
    report = verify_bundle(read_bundle(story.bundle(personal=[])), [key])
    assert len(report.values.withheld) == 6
    assert len(report.values.erased) == 1
    assert "6 personal values not disclosed to whoever got this bundle." in report.notes
    assert report.histories[1].revisions[1].after["owners"] == [{"name": None, "email": None}]


def test_without_a_snapshot_the_bundle_says_what_it_does_not_show(story: Story, key: VerifierKey) -> None:
    wanted = {index: body for index, body in enumerate(story.log.entries) if json.loads(body)["subject_id"] in {MODEL, VERSION}}
    checkpoint = story.log.checkpoint()
    proofs = {index: story.log.receipt(index, checkpoint) for index in wanted}
    report = verify_bundle(read_bundle(story.bundle(snapshot=None, entries=wanted, proofs=proofs)), [key])
    assert "completeness" not in names(report)
    assert any("no snapshot" in note for note in report.notes)
    assert report.histories[0].complete_to is None


def test_a_later_shard_may_begin_with_a_later_revision_and_says_so(story: Story) -> None:
    log = Log(story.log.origin + "/2", Ed25519Signer.generate(story.log.origin + "/2"))
    log.heads, log.events = dict(story.log.heads), story.log.events
    later = tell_story(log)
    report = verify_bundle(read_bundle(later.bundle()), [log.signer.verifier_key])
    assert not report.histories[0].is_from_start
    assert any("models/churn/versions/3 begins here with revision 3" in note for note in report.notes)
    assert [revision.entry.revision for revision in report.histories[0].revisions] == [3, 4]


def test_a_snapshot_whose_last_revision_is_in_the_shard_before_fits_the_first_one_shown(story: Story) -> None:
    log = Log(story.log.origin + "/2", Ed25519Signer.generate(story.log.origin + "/2"))
    log.heads, log.events = dict(story.log.heads), story.log.events
    snapshot = log.snapshot(log_record())
    more = tell_story(log)
    bundle = read_bundle(more.bundle(snapshot=_only(snapshot, MODEL, VERSION), **_with(more, snapshot.entry)))
    report = verify_bundle(bundle, [log.signer.verifier_key])
    assert [history.complete_to for history in report.histories] == [0, 0]


def _only(snapshot: Snapshot, *subjects: str) -> Snapshot:
    return Snapshot(snapshot.entry, snapshot.size, tuple(leaf for leaf in snapshot.leaves if leaf.subject_id in subjects))


def _with(story: Story, index: int) -> dict[str, Any]:
    """Entries and receipts of the subjects, and of one more entry."""
    checkpoint = story.log.checkpoint()
    wanted = {
        at: body for at, body in enumerate(story.log.entries) if at == index or json.loads(body)["subject_id"] in {MODEL, VERSION}
    }
    return {"entries": wanted, "proofs": {at: story.log.receipt(at, checkpoint) for at in wanted}, "checkpoint": checkpoint}


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


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found(files: Files, key: VerifierKey, name: str) -> None:
    change, sentence = TAMPERINGS[name]
    refused(zipped(change(dict(files))), [key], sentence)


def test_a_manifest_of_other_digests_is_found(files: Files, key: VerifierKey) -> None:
    refused(zipped({**files, "policy": b"quorum none\n"}, honest_manifest=False), [key], "the file policy is not the one")
    stray = {**files, "entries/2.json": b"{}"}
    refused(zipped(stray, honest_manifest=False), [key], "does not name the file entries/2.json")
    missing = {name: data for name, data in files.items() if name != "README.txt"}
    refused(zipped(missing, honest_manifest=False), [key], "names the file README.txt, and it is missing")
    named = json.loads(files["manifest.json"])["files"]
    odd = edited(files, "manifest.json", {"files": {**named, "policy": "00"}})
    refused(zipped(odd, honest_manifest=False), [key], "not a SHA-256 digest")


def test_another_key_does_not_verify(story: Story, good: bytes) -> None:
    origin = story.log.origin
    refused(good, [Ed25519Signer.generate(origin).verifier_key], "no known key has signed")
    refused(good, [], "no key was given")
    refused(good, [story.log.witness.verifier_key], f"no known key of the log {origin} has signed")
    renamed = VerifierKey("other.example.org", story.log.signer.verifier_key.algorithm, story.log.signer.verifier_key.key)
    refused(good, [renamed], "no known key has signed")


def test_a_quorum_that_did_not_cosign_is_found(story: Story, key: VerifierKey, policy: Policy) -> None:
    refused(story.bundle(checkpoint=story.log.checkpoint(cosigned=False)), [], "lacks the cosignatures", policy)
    refused(story.bundle(checkpoint=story.log.checkpoint(cosigned=False)), [key], "lacks the cosignatures", policy)


def test_a_wrong_cosignature_of_a_known_witness_is_found(story: Story, policy: Policy) -> None:
    note = parse_note(story.log.checkpoint())
    log_signature, witness_signature = note.signatures
    later = type(witness_signature)(witness_signature.name, witness_signature.key_id, bytes(8) + witness_signature.value[8:])
    checkpoint = Note(note.text, (log_signature, later)).encode()
    refused(story.bundle(checkpoint=checkpoint), [], "signature of witness.example.org/w1 does not verify", policy)


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


@pytest.mark.parametrize("name", LOGGED)
def test_a_log_that_says_something_wrong_is_found(name: str) -> None:
    change, sentence = LOGGED[name]
    data, key = logged(change)
    refused(data, [key], sentence)


def test_a_snapshot_that_passes_over_a_revision_is_found() -> None:
    """A log that lies in its snapshot: it says that an entry which was there was not."""
    log = Log()
    story = tell_story(log)
    log.heads[MODEL] = (1, log.entries[1])
    snapshot = _only(log.snapshot(log_record()), MODEL, VERSION)
    refused(
        story.bundle(snapshot=snapshot, **_with(story, snapshot.entry)),
        [log.signer.verifier_key],
        "the snapshot passes over revision 2 of models/churn",
    )


@pytest.mark.parametrize(
    ("origin", "namespace", "is_first"),
    [("r.example/default", "default", True), ("r.example/default/2", "default", False), ("r.example/2", "2", True)],
)
def test_a_log_is_known_as_a_shard_by_its_name(origin: str, namespace: str, is_first: bool) -> None:
    assert is_first_shard(origin, namespace) is is_first


@pytest.mark.parametrize(
    "origin", ["r.example/other", "default/x", "r.example/default/1", "r.example/default/x", "2", "r/default/²"]
)
def test_a_log_of_another_namespace_is_refused(origin: str) -> None:
    with pytest.raises(VerificationError):
        is_first_shard(origin, "default")
