"""Who vouches for a checkpoint: keys and a policy that come from outside the bundle."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from studbook.merkle.checkpoint import Checkpoint, open_checkpoint
from studbook.merkle.errors import VerificationError
from studbook.merkle.notes import Algorithm, cosigned_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from studbook.merkle.notes import OpenedNote, VerifierKey
    from studbook.merkle.policy import Policy

# The last second that has a year of four digits.
_LAST_TIME: Final = 253_402_300_799


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A witness whose cosignature verified, and when it says that it was made (None for a time that cannot be)."""

    key: VerifierKey
    at: datetime | None

    def __str__(self) -> str:
        """The witness's name and the time."""
        return f"{self.key.name} ({self.at:%Y-%m-%d %H:%M} UTC)" if self.at else self.key.name


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint with the log's own keys that signed it, and the witnesses that cosigned it."""

    checkpoint: Checkpoint
    log_keys: tuple[VerifierKey, ...]
    witnesses: tuple[Cosigned, ...]

    @property
    def verified(self) -> list[VerifierKey]:
        """Every known key whose signature verified."""
        return [*self.log_keys, *(witness.key for witness in self.witnesses)]


def known_keys(keys: Sequence[VerifierKey], policy: Policy | None) -> list[VerifierKey]:
    """The keys from outside the bundle.

    Raises VerificationError when there is none.
    """
    known = list(dict.fromkeys([*keys, *(policy.keys if policy else ())]))
    if not known:
        raise VerificationError("no key was given: those in the bundle prove nothing, so the log's key must come from elsewhere")
    return known


def open_signed(data: bytes, keys: Sequence[VerifierKey], origin: str) -> Signed:
    """The checkpoint, signed by a known key of that log: one that is named like it.

    Raises VerificationError.
    """
    checkpoint, opened = open_checkpoint(data, keys, origin)
    log_keys = tuple(key for key in opened.verified if _is_log_key(key, origin))
    if not log_keys:
        raise VerificationError(f"no known key of the log {origin} has signed the checkpoint")
    return Signed(checkpoint, log_keys, _list_cosigned(opened, log_keys))


def _is_log_key(key: VerifierKey, origin: str) -> bool:
    return key.name == origin and key.algorithm is not Algorithm.COSIGNATURE_ED25519


def _list_cosigned(opened: OpenedNote, log_keys: Sequence[VerifierKey]) -> tuple[Cosigned, ...]:
    found = []
    for key in opened.verified:
        if key in log_keys:
            continue
        times = [
            cosigned_at(signature)
            for signature in opened.note.signatures
            if (signature.name, signature.key_id) == (key.name, key.key_id) and key.algorithm is not Algorithm.ED25519
        ]
        at = datetime.fromtimestamp(times[0], UTC) if times and 0 < times[0] <= _LAST_TIME else None
        found.append(Cosigned(key, at))
    return tuple(found)
