"""What the writers of lineage graphs take: nodes, edges, and whether that is all there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

# Kinds of nodes that the writers tell apart; any other kind is drawn as a record.
MODEL_VERSION: Final = "model_version"
DATASET_VERSION: Final = "dataset_version"
RUN: Final = "run"
DEPLOYMENT: Final = "deployment"

# What a reader is told, where a format has a place for it, when the graph is only a part.
NOT_ALL: Final = "This graph is a part: there is more than the bounds of the export let in."
_PIECE_CHARACTERS: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a node besides its place; formats without a word for a fact leave it out. Times are RFC 3339 text."""

    created: str | None = None
    # Who recorded it.
    by: str | None = None
    # Each with what it is of: an artifact's name or address, or "data".
    digests: Sequence[tuple[str, str]] = ()
    # Of runs alone.
    job: str | None = None
    # Of runs and deployments.
    started: str | None = None
    ended: str | None = None
    status: str | None = None


_NOTHING: Final = Facts()


@dataclass(frozen=True, slots=True)
class Node:
    """A record; `distance` is its distance from the root in edges, negative upstream, None where it was not reckoned."""

    id: str
    kind: str
    name: str
    distance: int | None = None
    facts: Facts = _NOTHING


@dataclass(frozen=True, slots=True)
class Edge:
    """That the target came of the source; both are names of nodes."""

    source: str
    target: str
    relation: str
    role: str | None = None
    # How it is known: declared, observed, derived, matched or verified.
    basis: str | None = None
    since: str | None = None
    until: str | None = None
    run: str | None = None
    event: str | None = None


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph around a root. Every edge leads from one of the nodes to another; names of nodes are unique."""

    root: str
    nodes: Sequence[Node]
    edges: Sequence[Edge]
    # Whether something was left out.
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a graph comes from, for formats whose names mean something to the whole world.

    `base` is the IRI that the names of the records complete, with a slash at its end; `producer` that of the software.
    """

    base: str
    producer: str


def in_pieces(parts: Iterable[str]) -> Generator[bytes, None, None]:
    """Text as UTF-8, some 64 KiB at once; what cannot be encoded (half a surrogate pair) becomes `?`."""
    waiting: list[str] = []
    size = 0
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size >= _PIECE_CHARACTERS:
            yield "".join(waiting).encode(errors="replace")
            waiting, size = [], 0
    if waiting:
        yield "".join(waiting).encode(errors="replace")


def printable(text: str) -> str:
    """Text on one line: spaces for control characters, line breaks and marks that turn the direction of writing."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
