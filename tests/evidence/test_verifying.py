"""What a good bundle is found to show, and every way of tampering with one: it fails, with a sentence that names the fault."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from studbook.evidence.format import read_bundle
from studbook.evidence.snapshots import Snapshot
from studbook.evidence.verifying import is_first_shard, verify_bundle
from studbook.merkle.errors import VerificationError
from studbook.merkle.notes import Ed25519Signer, MlDsa44Signer, Note, VerifierKey, parse_note
from studbook.merkle.policy import parse_policy
from tests.evidence.making import MODEL, VERSION, Log, Story, edited, log_record, tell_story, zipped
from tests.evidence.tamperings import LOGGED, TAMPERINGS, Files, logged

if TYPE_CHECKING:
    from studbook.evidence.verifying import Report
    from studbook.merkle.policy import Policy


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
