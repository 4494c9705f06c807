"""Edges of the lineage graph: how they are called, and how they are known."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Basis(StrEnum):
    """How an edge is known."""

    # Somebody says so.
    DECLARED = "declared"
    # A run or an act of the registry shows it: what a run read, what it made, what was deployed.
    OBSERVED = "observed"
    # It was read from the files of a model.
    DERIVED = "derived"
    # Two records carry the same digest.
    MATCHED = "matched"
    # As `matched`, and a verified signature covers the digest.
    VERIFIED = "verified"


class DataRelation(StrEnum):
    """How a dataset version comes from another."""

    SUBSET_OF = "subset-of"
    JOINED_FROM = "joined-from"
    TRANSFORMED_FROM = "transformed-from"
    COPY_OF = "copy-of"


# What runs and acts of the registry draw.
OBSERVED_RELATIONS: Final = frozenset({"input", "output", "evaluated", "deployed"})


# The generation from which a record begins that waits for what it comes from: below it there is room for what arrives later.
HEADROOM: Final = 1_000_000


def usual_basis(relation: str) -> Basis:
    """How an edge is known where its event does not say: entries name the basis only where it is another."""
    return Basis.OBSERVED if relation in OBSERVED_RELATIONS else Basis.DECLARED
