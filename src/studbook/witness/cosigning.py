"""The answer to `add-checkpoint` (c2sp.org/tlog-witness@v1.0.0): when a checkpoint is cosigned, and how it is refused."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from studbook.merkle.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, parse_decimal
from studbook.merkle.errors import VerificationError
from studbook.merkle.hashing import EMPTY_ROOT, HASH_SIZE
from studbook.merkle.notes import Note, Signature, decode_base64, parse_note
from studbook.merkle.proofs import verify_consistency
from studbook.witness.evidence import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from studbook.merkle.notes import VerifierKey
    from studbook.witness.folder import WitnessFolder
    from studbook.witness.state import Cosigned, LogState

_log = logging.getLogger(__name__)

PROOF_LIMIT: Final = 63


@dataclass(frozen=True, slots=True)
class Request:
    """A checkpoint that is to be cosigned, with the proof that it follows from one of an older size."""

    old: int
    proof: tuple[str, ...]
    note: bytes
    checkpoint: Checkpoint

    @property
    def hashes(self) -> list[bytes]:
        """The proof's hashes."""
        return [decode_base64(line, "a hash of the proof") for line in self.proof]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status with its body."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


def parse_request(body: bytes) -> Request:
    """Read a request; nothing is verified.

    Raises VerificationError.
    """
    head, blank, note = body.partition(b"\n\n")
    if not blank:
        raise VerificationError("a request is an old size, a proof, a blank line and a checkpoint")
    try:
        first, *proof = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise VerificationError("the request's head is not ASCII text") from None
    if not first.startswith("old "):
        raise VerificationError("a request begins with the line 'old SIZE'")
    if len(proof) > PROOF_LIMIT:
        raise VerificationError(f"a proof has at most {PROOF_LIMIT} hashes")
    old = parse_decimal(first.removeprefix("old "), "the old size")
    request = Request(old, tuple(proof), note, parse_checkpoint(parse_note(note).text))
    if any(len(value) != HASH_SIZE for value in request.hashes):
        raise VerificationError(f"a hash of the proof has not {HASH_SIZE} bytes")
    return request


class Cosigning:
    """Cosigns what follows from what was cosigned before, and nothing else. Threads and processes may share a folder."""

    def __init__(self, folder: WitnessFolder, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer a request. What is answered with a cosignature survives whatever happens afterwards.

        Raises FolderError and OSError when the witness's own state cannot be read or written; then nothing is cosigned.
        """
        try:
            request = parse_request(body)
        except VerificationError as error:
            return _refuse(400, str(error))
        checkpoint = request.checkpoint
        log = self._folder.find_log(checkpoint.origin)
        if log is None:
            return _refuse(404, f"the log {checkpoint.origin} is not witnessed here")
        try:
            _, opened = open_checkpoint(request.note, log.keys)
        except VerificationError as error:
            return _refuse(403, str(error))
        if request.old > checkpoint.size:
            return _refuse(400, "the old size is larger than the checkpoint's")
        if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
            return _refuse(422, "the tree without entries has another root")
        with log.locked():
            return self._cosign(log, request, _trimmed(opened.note, opened.verified))

    def _cosign(self, log: LogState, request: Request, note: Note) -> Answer:
        """Compare with what was cosigned before. Looking and remembering happen under one lock, or an older one might win."""
        last, checkpoint = log.load(), request.checkpoint
        if last is not None and (found := find_contradiction(log, last, checkpoint)) is not None:
            log.evidence.keep(*found, note)
        known, root = (last.checkpoint.size, last.checkpoint.root) if last else (0, EMPTY_ROOT)
        if request.old != known:
            return Answer(409, b"%d\n" % known, "text/x.tlog.size")
        try:
            verify_consistency(known, root, checkpoint.size, checkpoint.root, request.hashes)
        except VerificationError as error:
            if last is not None and checkpoint.size > known > 0:
                log.evidence.keep(Kind.UNPROVEN, last.note, note, request.proof)
            return _refuse(422, str(error))
        cosignature = self._folder.cosigner.cosign(note.text, int(self._clock()))
        if last is None or checkpoint.size > known:
            log.advance(last, note, cosignature)
        _log.info("cosigned %s at %s entries", checkpoint.origin, checkpoint.size)
        return Answer(200, f"{cosignature.line}\n".encode())


def find_contradiction(log: LogState, last: Cosigned, checkpoint: Checkpoint) -> tuple[Kind, Note] | None:
    """What a checkpoint contradicts by its size and root alone, whatever proof comes with it: the kind, and the cosigned note.

    A smaller one that was cosigned once is a mere replay, and the empty tree is the beginning of every other. Of a smaller one
    that never was, nobody can say without a proof; it is what a log signs after a rollback, so it is kept.
    """
    if checkpoint.size > last.checkpoint.size or checkpoint.size == 0:
        return None
    cosigned = last.note if checkpoint.size == last.checkpoint.size else log.history.find(checkpoint.size)
    if cosigned is None:
        return Kind.UNPROVEN, last.note
    return None if parse_checkpoint(cosigned.text).root == checkpoint.root else (Kind.FORK, cosigned)


def _trimmed(note: Note, verified: tuple[VerifierKey, ...]) -> Note:
    """The note with the log's own signatures only: what strangers added is not kept."""
    trusted = {(key.name, key.key_id) for key in verified}
    kept: dict[tuple[str, bytes], Signature] = {}
    for line in note.signatures:
        if (line.name, line.key_id) in trusted:
            kept.setdefault((line.name, line.key_id), line)
    return Note(note.text, tuple(kept.values()))


def _refuse(status: int, reason: str) -> Answer:
    return Answer(status, f"{reason}\n".encode())
