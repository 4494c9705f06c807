"""Policies (c2sp.org/tlog-policy): whose signatures and cosignatures make a checkpoint valid."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from studbook.merkle.checkpoint import Checkpoint, open_checkpoint
from studbook.merkle.errors import VerificationError
from studbook.merkle.notes import Algorithm, VerifierKey, parse_vkey

if TYPE_CHECKING:
    from collections.abc import Collection

POLICY_LIMIT: Final = 100_000
_NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness by its name in the policy, its key, and where it is asked."""

    name: str
    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class _Group:
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Logs, witnesses, and the quorum that a checkpoint needs."""

    logs: tuple[tuple[VerifierKey, str | None], ...] = ()
    witnesses: tuple[Witness, ...] = ()
    quorum: str = _NONE
    groups: dict[str, _Group] = field(default_factory=dict)

    @property
    def keys(self) -> list[VerifierKey]:
        """Every key that the policy names."""
        return [key for key, _ in self.logs] + [witness.key for witness in self.witnesses]

    def is_satisfied(self, verified: Collection[VerifierKey]) -> bool:
        """Whether these keys make up the quorum."""
        names = {witness.name for witness in self.witnesses if witness.key in verified}
        for name, group in self.groups.items():
            if sum(member in names for member in group.members) >= group.threshold:
                names.add(name)
        return self.quorum == _NONE or self.quorum in names


def parse_policy(data: bytes) -> Policy:
    """Read a policy file.

    Raises VerificationError that names the line.
    """
    if len(data) > POLICY_LIMIT:
        raise VerificationError("the policy is too large")
    reading = _Reading()
    for number, raw in enumerate(data.split(b"\n"), 1):
        try:
            words = [word for word in re.split("[ \t]+", raw.decode().strip(" \t")) if word]
            if words and not words[0].startswith("#"):
                reading.take(words)
        except UnicodeDecodeError:
            raise VerificationError(f"line {number} of the policy is not UTF-8") from None
        except VerificationError as error:
            raise VerificationError(f"line {number} of the policy: {error}") from None
    if reading.quorum is None:
        raise VerificationError("the policy has no quorum line; write 'quorum none' to need no witness")
    return Policy(tuple(reading.logs), tuple(reading.witnesses), reading.quorum, reading.groups)


class _Reading:
    """A policy as far as it is read."""

    def __init__(self) -> None:
        self.logs: list[tuple[VerifierKey, str | None]] = []
        self.witnesses: list[Witness] = []
        self.groups: dict[str, _Group] = {}
        self.quorum: str | None = None
        self._names: set[str] = set()
        self._members: set[str] = set()

    def take(self, words: list[str]) -> None:
        """Read one line."""
        match words:
            case ["log", vkey, *rest] if len(rest) <= 1:
                key = _parse_key(vkey, {Algorithm.ED25519, Algorithm.ML_DSA_44}, [known for known, _ in self.logs])
                self.logs.append((key, rest[0] if rest else None))
            case ["witness", name, vkey, *rest] if len(rest) <= 1:
                self._declare(name)
                known = [witness.key for witness in self.witnesses]
                key = _parse_key(vkey, {Algorithm.COSIGNATURE_ED25519, Algorithm.ML_DSA_44}, known)
                self.witnesses.append(Witness(name, key, rest[0] if rest else None))
            case ["group", name, threshold, *members] if members:
                self._use(members)
                self._declare(name)
                self.groups[name] = _Group(_parse_threshold(threshold, len(members)), tuple(members))
            case ["quorum", name] if self.quorum is None and (name == _NONE or name in self._names):
                self.quorum = name
            case _:
                raise VerificationError("is not a log, a witness, a group of names above it, or the one quorum")

    def _declare(self, name: str) -> None:
        if name == _NONE or name in self._names:
            raise VerificationError(f"the name {name!r} is taken")
        self._names.add(name)

    def _use(self, members: list[str]) -> None:
        for member in members:
            if member not in self._names or member in self._members:
                raise VerificationError(f"{member!r} is not defined above, or is a member already")
            self._members.add(member)


def _parse_key(vkey: str, algorithms: set[Algorithm], known: list[VerifierKey]) -> VerifierKey:
    key = parse_vkey(vkey)
    if key.algorithm not in algorithms:
        raise VerificationError("the key is of another algorithm than this line takes")
    if any(other.key == key.key for other in known):
        raise VerificationError("the same key stands there twice")
    return key


def _parse_threshold(text: str, count: int) -> int:
    threshold = {"all": count, "any": 1}.get(text) or (int(text) if re.fullmatch("[1-9][0-9]{0,3}", text) else 0)
    if not 1 <= threshold <= count:
        raise VerificationError(f"a group of {count} has no threshold {text!r}")
    return threshold


def check_checkpoint(data: bytes, policy: Policy) -> Checkpoint:
    """Verify a signed checkpoint as the policy says: signed by a listed log under its own name, cosigned by the quorum.

    Raises VerificationError.
    """
    checkpoint, opened = open_checkpoint(data, policy.keys)
    if not any(key in opened.verified and key.name == checkpoint.origin for key, _ in policy.logs):
        raise VerificationError(f"no log key of the policy has signed this checkpoint of {checkpoint.origin}")
    if not policy.is_satisfied(opened.verified):
        raise VerificationError(f"the checkpoint lacks the cosignatures of the quorum {policy.quorum!r}")
    return checkpoint
