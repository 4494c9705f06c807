"""A small log with everything that a bundle can hold, and bundles of it, whole or altered."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from studbook.domain.canonical import canonical_json
from studbook.domain.entries import NOTHING, Happening, after_of, read_entry, render_entry
from studbook.domain.entries import Side as EntrySide
from studbook.domain.privacy import blanked, seal
from studbook.evidence.format import Earlier, OutsideValue, PersonalValue, Subject, make_earlier, write_bundle
from studbook.evidence.snapshots import Snapshot, SnapshotLeaf
from studbook.merkle.checkpoint import Checkpoint
from studbook.merkle.hashing import leaf_hash
from studbook.merkle.notes import Ed25519Cosigner, Ed25519Signer, Note
from studbook.merkle.receipt import Receipt
from studbook.merkle.tiles import Tile, TileReader, consistency_proof, inclusion_proof
from studbook.merkle.tree import root_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from studbook.domain.canonical import JsonObject

NAMESPACE = "default"
ORIGIN = "registry.example.org/default"
COSIGNED_AT = 1_790_000_000
MODEL, VERSION, LOG, LATE = (str(UUID(int=number)) for number in (0xA1, 0xB2, 0xC3, 0xD4))


@dataclass(slots=True)
class Log:
    """A log that grows entry by entry. `rewrite` may alter the bytes of an entry before it is logged."""

    origin: str = ORIGIN
    signer: Ed25519Signer = field(default_factory=lambda: Ed25519Signer.generate(ORIGIN))
    witness: Ed25519Cosigner = field(default_factory=lambda: Ed25519Cosigner.generate("witness.example.org/w1"))
    entries: list[bytes] = field(default_factory=list)
    personal: list[PersonalValue] = field(default_factory=list)
    outside: list[OutsideValue] = field(default_factory=list)
    heads: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    events: int = 0

    def add(self, action: str, record: JsonObject, *, detail: JsonObject | None = None, **changes: Any) -> str:
        """Log an event of a record; `changes` are members of the entry that are to be otherwise. Returns the event's id."""
        self.events += 1
        event = str(UUID(int=0x5000 + self.events))
        revision, last = self.heads.get(record["id"], (0, None))
        public, hidden = seal(record, canonical_json(record))
        happening = Happening(
            id=UUID(event),
            action=action,
            actor="tokens/ci",
            authenticated_by="token",
            occurred_at=f"2026-03-{self.events:02d}T09:30:00.000000Z",
            subject_id=UUID(record["id"]),
            subject=record["name"],
            revision=revision + 1,
            previous=leaf_hash(last) if last is not None else None,
            detail=detail,
        )
        before = after_of(read_entry(last)) if last is not None else NOTHING
        body, outside = render_entry(happening, before, EntrySide(public, {value.pointer: value.commitment for value in hidden}))
        if changes:
            body = canonical_json({**read_entry(body), **changes})
        self.append(body)
        self.heads[record["id"]] = (revision + 1, body)
        self.personal += [PersonalValue(event, f"/after{value.pointer}", value.salt, value.value) for value in hidden]
        self.outside += [OutsideValue(event, value.pointer, value.value) for value in outside]
        return event

    def append(self, body: bytes) -> None:
        self.entries.append(body)

    def erase(self, record: JsonObject, event: str, pointer: str) -> None:
        """Log that a personal value was erased, and forget it."""
        detail = {"reason": "asked for", "values": [{"event": event, "pointer": pointer}]}
        self.add("privacy.erased", record, detail=detail)
        self.personal = [value for value in self.personal if (value.event, value.pointer) != (event, pointer)]

    def leaves(self) -> list[SnapshotLeaf]:
        return [SnapshotLeaf(key, revision, leaf_hash(body), 0, ()) for key, (revision, body) in sorted(self.heads.items())]

    def snapshot(self, record: JsonObject) -> Snapshot:
        """Log a snapshot; what a bundle needs of it, for all subjects."""
        leaves = self.leaves()
        hashes = [leaf.hash for leaf in leaves]
        root = root_of(hashes)
        self.add(
            "log.snapshot", record, detail={"root": f"sha256:{root.hex()}", "subjects": len(leaves), "upto": len(self.entries)}
        )
        proved = [
            SnapshotLeaf(
                leaf.subject_id, leaf.revision, leaf.head, place, tuple(inclusion_proof(place, len(hashes), reader(hashes)))
            )
            for place, leaf in enumerate(leaves)
        ]
        return Snapshot(len(self.entries) - 1, len(leaves), tuple(proved))

    @property
    def hashes(self) -> list[bytes]:
        return [leaf_hash(body) for body in self.entries]

    def checkpoint(self, size: int | None = None, *, cosigned: bool = True) -> bytes:
        """The signed checkpoint of the first so many entries."""
        hashes = self.hashes[:size]
        text = Checkpoint(self.origin, len(hashes), root_of(hashes)).text
        signatures = [self.signer.sign(text)]
        if cosigned:
            signatures.append(self.witness.cosign(text, COSIGNED_AT))
        return Note(text, tuple(signatures)).encode()

    def receipt(self, index: int, checkpoint: bytes) -> bytes:
        proof = inclusion_proof(index, len(self.entries), reader(self.hashes))
        return Receipt(index, tuple(proof), checkpoint).encode()

    def earlier(self, size: int, checkpoint: bytes) -> Earlier:
        proof = consistency_proof(size, len(self.entries), reader(self.hashes))
        return make_earlier(self.checkpoint(size), proof, checkpoint)

    @property
    def policy(self) -> str:
        return f"log {self.signer.verifier_key}\nwitness w1 {self.witness.verifier_key}\nquorum w1\n"


def reader(hashes: Sequence[bytes]) -> TileReader:
    """Tiles of a tree of fewer than 256 leaves."""
    assert len(hashes) < 256

    def read(tile: Tile) -> bytes:
        assert tile.level == 0
        return b"".join(hashes[: tile.width])

    return read


def heading(kind: str, record_id: str, name: str) -> JsonObject:
    return {"kind": kind, "id": record_id, "name": name, "namespace": NAMESPACE}


def model_record(**members: Any) -> JsonObject:
    owners = [{"name": "Ada Quant", "email": "ada@example.org"}]
    return {**heading("model", MODEL, "models/churn"), "owners": owners, "tags": {}, "description": None, **members}


def version_record(**members: Any) -> JsonObject:
    record = {
        **heading("model_version", VERSION, "models/churn/versions/3"),
        "description": "gradient boosting, <b>March</b> data",
        "metrics": [{"name": "auc", "value": 0.913}, {"name": "loss", "value": 1e-7}],
        "parameters": {"learning_rate": 0.1, "max_depth": 6, "ratio": 1e21, "seed": -0.0, "épée": "ü𝄞"},
        "attributes": {"reviewer": "Grace Auditor", "notes": "x" * 70_000},
        "personal": ["/attributes/reviewer"],
        "tags": {},
    }
    return {**record, **members}


def log_record() -> JsonObject:
    return heading("log", LOG, "logs/1")


@dataclass(slots=True)
class Story:
    """A log in which a model is registered, changed, snapshotted, and loses a personal value to erasure."""

    log: Log
    snapshot: Snapshot
    early_size: int

    def bundle(self, **parts: Any) -> bytes:
        """A bundle of the model version and its model; `parts` replace what would be in it."""
        checkpoint = parts.get("checkpoint") or self.log.checkpoint()
        wanted = {MODEL, VERSION}
        indexes = [
            index
            for index, body in enumerate(self.log.entries)
            if json.loads(body)["subject_id"] in wanted or index == self.snapshot.entry
        ]
        events = {json.loads(self.log.entries[index])["id"] for index in indexes}
        leaves = tuple(leaf for leaf in self.snapshot.leaves if leaf.subject_id in wanted)
        usual: dict[str, Any] = {
            "namespace": NAMESPACE,
            "subjects": [Subject(VERSION, "models/churn/versions/3"), Subject(MODEL, "models/churn")],
            "checkpoint": checkpoint,
            "policy": self.log.policy.encode(),
            "entries": {index: self.log.entries[index] for index in indexes},
            "proofs": {index: self.log.receipt(index, checkpoint) for index in indexes},
            "personal": [value for value in self.log.personal if value.event in events],
            "outside": [value for value in self.log.outside if value.event in events],
            "snapshot": Snapshot(self.snapshot.entry, self.snapshot.size, leaves),
            "earlier": self.log.earlier(self.early_size, checkpoint),
        }
        return write_bundle(**{**usual, **parts})


def tell_story(log: Log | None = None) -> Story:
    """The usual log: twelve entries, of which the two subjects have six."""
    log = log or Log()
    log.add("log.opened", log_record())
    first = log.add("model.registered", model_record())
    log.add("run.recorded", {**heading("run", str(UUID(int=0xE5)), "runs/1"), "status": "completed"})
    log.add("model_version.registered", version_record())
    log.add("alias.set", model_record(tags={"champion": "3"}))
    early_size = len(log.entries)
    snapshot = log.snapshot(log_record())
    log.add("model_version.changed", version_record(tags={"approved": "yes"}))
    log.erase(blanked(model_record(tags={"champion": "3"}), ["/owners/0/email"]), first, "/after/owners/0/email")
    log.add("deployment.recorded", {**heading("deployment", LATE, "deployments/1"), "environment": "production"})
    return Story(log, snapshot, early_size)


def files_of(bundle: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: dict[str, bytes], *, honest_manifest: bool = True) -> bytes:
    """These files as a bundle; the manifest tells their digests, as whoever forges a bundle would see to."""
    if honest_manifest and "manifest.json" in files:
        manifest = json.loads(files["manifest.json"])
        manifest["files"] = {name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != "manifest.json"}
        files = {**files, "manifest.json": canonical_json(manifest)}
    return packed(*files.items(), method=zipfile.ZIP_STORED)


def packed(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these files as they are, two of the same name included."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as written:
        for name, data in members:
            written.writestr(name, data)
    return buffer.getvalue()


def edited(files: dict[str, bytes], name: str, change: dict[str, Any]) -> dict[str, bytes]:
    """The files with other members in one JSON file."""
    return {**files, name: canonical_json({**json.loads(files[name]), **change})}
