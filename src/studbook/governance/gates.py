"""Gates: the actions at which policies are asked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Gate(StrEnum):
    """An action that policies may refuse."""

    REGISTER = "register"
    CHANGE = "change"
    PROMOTE = "promote"
    DEPLOY = "deploy"
    ARCHIVE = "archive"
    ERASE = "erase"
    POLICY = "policy"
    SCHEMA = "schema"


@dataclass(frozen=True, slots=True)
class Passage:
    """A gate and what lies behind it: the alias of a promotion, the target of a deployment, the state a policy shall have."""

    gate: Gate
    target: str = ""

    def __str__(self) -> str:
        return f"{self.gate}:{self.target}" if self.target else self.gate.value

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `promote:champion`, `deploy:prod/eu`, `archive`.

        Raises ValueError with a sentence for the writer.
        """
        name, _, target = text.partition(":")
        if name not in set(Gate):
            message = f"{name[:40]!r} is no gate; there are {', '.join(Gate)}, with a target as in promote:champion"
            raise ValueError(message)
        gate = Gate(name)
        if gate in _AIMED and not target:
            message = f"write where to: {gate}:{_AIMED[gate]}"
            raise ValueError(message)
        return cls(gate, target)


# What a gate's target is, where it needs one.
_AIMED = {Gate.PROMOTE: "ALIAS", Gate.DEPLOY: "TARGET"}
