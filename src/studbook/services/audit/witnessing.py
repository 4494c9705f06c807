"""Asks witnesses to cosign a checkpoint (c2sp.org/tlog-witness), as the policy file says (c2sp.org/tlog-policy).

A witness that knows a later or another state of the log than ours is the strongest alarm there is: signing stops.
"""

from __future__ import annotations

import base64
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from studbook.merkle.errors import VerificationError
from studbook.merkle.notes import Note, Signature, parse_note
from studbook.merkle.policy import Policy, parse_policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from studbook.merkle.checkpoint import Checkpoint
    from studbook.merkle.policy import Witness

_log = logging.getLogger(__name__)

_OK: Final = 200
_CONFLICT: Final = 409
_UNPROCESSABLE: Final = 422
_SIZE_TYPE: Final = "text/x.tlog.size"
_ANSWER_LIMIT: Final = 64 * 1024


class RollbackError(Exception):
    """A witness has seen a state of the log that ours does not follow from."""


class QuorumError(Exception):
    """Too few witnesses cosigned in time; it is tried again."""


class Witnesses:
    """The witnesses of a registry's logs, each with the size that it cosigned last as far as is known here."""

    def __init__(self, policy: Policy, timeout: float) -> None:
        self._policy = policy
        self._timeout = timeout
        self._sizes: dict[tuple[str, str], int] = {}
        self._asked = [witness for witness in policy.witnesses if witness.url]

    @classmethod
    def from_policy(cls, path: Path | None, timeout: float) -> Witnesses:
        """The witnesses that a policy file names; without one there are none, and none is needed.

        Raises ValueError when the file cannot be read or is no policy.
        """
        if path is None:
            return cls(Policy(), timeout)
        try:
            return cls(parse_policy(path.read_bytes()), timeout)
        except (OSError, VerificationError) as error:
            message = f"STUDBOOK_LOG_POLICY: {path}: {error}"
            raise ValueError(message) from error

    def cosigned(self, note: Note, checkpoint: Checkpoint, prove: Callable[[int], list[bytes]]) -> Note:
        """The note with the cosignatures of the witnesses that answered in time; `prove` gives a consistency proof from a size.

        Raises QuorumError, RollbackError.
        """
        if not self._asked:
            if not self._policy.is_satisfied(()):
                message = "the policy needs witnesses and names no address of one"
                raise QuorumError(message)
            return note
        signatures = list(note.signatures)
        verified = []
        with ThreadPoolExecutor(len(self._asked)) as pool:
            answers = pool.map(lambda witness: self._ask(witness, note, checkpoint, prove), self._asked)
            for witness, signature in zip(self._asked, answers, strict=True):
                if signature is not None:
                    signatures.append(signature)
                    verified.append(witness.key)
        if not self._policy.is_satisfied(verified):
            message = f"{len(verified)} of {len(self._asked)} witnesses cosigned, which is less than the policy's quorum"
            raise QuorumError(message)
        return Note(note.text, tuple(signatures))

    def _ask(self, witness: Witness, note: Note, checkpoint: Checkpoint, prove: Callable[[int], list[bytes]]) -> Signature | None:
        """The witness's cosignature, or None when it gave none in time."""
        import httpx  # noqa: PLC0415 - a tenth of a server's memory, which most need for nothing

        known = (witness.name, checkpoint.origin)
        for _ in range(2):
            old = self._sizes.get(known, 0)
            proof = "".join(base64.b64encode(value).decode() + "\n" for value in prove(old))
            body = f"old {old}\n{proof}\n".encode() + note.encode()
            try:
                answer = httpx.post(f"{witness.url}/add-checkpoint", content=body, timeout=self._timeout)
            except httpx.HTTPError as error:
                _log.warning("the witness %s did not answer: %s", witness.name, type(error).__name__)
                return None
            if answer.status_code == _OK:
                return self._take(witness, answer.content[:_ANSWER_LIMIT], note, checkpoint)
            if answer.status_code == _UNPROCESSABLE:
                message = f"the witness {witness.name} refuses the checkpoint of {checkpoint.size} entries as inconsistent"
                raise RollbackError(message)
            if answer.status_code != _CONFLICT or not answer.headers.get("content-type", "").startswith(_SIZE_TYPE):
                _log.warning("the witness %s refused with status %s", witness.name, answer.status_code)
                return None
            self._sizes[known] = size = _read_size(answer.text)
            if size > checkpoint.size:
                message = f"the witness {witness.name} cosigned {size} entries, and the log has {checkpoint.size}"
                raise RollbackError(message)
        return None

    def _take(self, witness: Witness, answer: bytes, note: Note, checkpoint: Checkpoint) -> Signature | None:
        try:
            lines = parse_note(note.text + b"\n" + answer).signatures
            for signature in lines:
                if (signature.name, signature.key_id) == (witness.key.name, witness.key.key_id):
                    witness.key.verify(note.text, signature.value)
                    self._sizes[witness.name, checkpoint.origin] = checkpoint.size
                    return signature
        except VerificationError as error:
            _log.warning("the witness %s answered what does not verify: %s", witness.name, error)
        return None


def _read_size(text: str) -> int:
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 19 else 0  # noqa: PLR2004 - below 2^63
