"""Turns a lineage graph into a tree that can be read: pure, no I/O."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from studbook.client import Edge, Lineage

_DIGITS: Final = re.compile(r"(\d+)")
_KIND_ORDER: Final = {"model_version": 0, "run": 1, "dataset_version": 2, "deployment": 3}


class Direction(StrEnum):
    """Which way the graph is walked."""

    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"
    BOTH = "both"


@dataclass(slots=True)
class Twig:
    """A place in the tree: a record (or, without a name, a heading), how it hangs on the one above, and what hangs on it."""

    name: str
    kind: str = ""
    title: str = ""
    note: str = ""
    shown_before: bool = False
    twigs: list[Twig] = field(default_factory=list)


class Pedigree:
    """The edges of a lineage answer by their ends; with `fold_runs`, a run's inputs hang on its outputs directly."""

    def __init__(self, graph: Lineage, titles: Mapping[str, str] | None = None, *, fold_runs: bool = True) -> None:
        self.root = graph.root
        self._kinds = {node.name: node.kind for node in graph.nodes}
        self._titles = dict(titles or {})
        self._signed = {node.name for node in graph.nodes if node.signed}
        self._fold_runs = fold_runs
        self._into: dict[str, list[Edge]] = defaultdict(list)
        self._out_of: dict[str, list[Edge]] = defaultdict(list)
        for edge in graph.edges:
            self._into[edge.target].append(edge)
            self._out_of[edge.source].append(edge)

    def twig(self, name: str, note: str = "") -> Twig:
        """A record as a twig, with nothing on it yet."""
        titles = (self._titles.get(name), "signed" if name in self._signed else None)
        return Twig(name, self._kinds.get(name, ""), "  ".join(filter(None, titles)), note)

    def neighbours(self, name: str, *, upstream: bool) -> list[Twig]:
        """What hangs on a record in one direction, each once, with every relation it has to it."""
        notes: dict[str, list[str]] = {}
        for neighbour, note in self._upstream(name) if upstream else self._downstream(name):
            known = notes.setdefault(neighbour, [])
            if note not in known:
                known.append(note)
        ordered = sorted(notes, key=lambda other: self._order(other, notes[other]))
        return [self.twig(other, ", ".join(notes[other])) for other in ordered]

    def _upstream(self, name: str) -> Iterator[tuple[str, str]]:
        for edge in self._into[name]:
            if self._is_folded(edge.source):
                yield from ((before.source, _data(before)) for before in self._into[edge.source])
            else:
                yield edge.source, _data(edge)

    def _downstream(self, name: str) -> Iterator[tuple[str, str]]:
        for edge in self._out_of[name]:
            outputs = [after.target for after in self._out_of[edge.target]] if self._is_folded(edge.target) else []
            for target in outputs or [edge.target]:
                yield target, _use(edge)

    def _is_folded(self, name: str) -> bool:
        return self._fold_runs and name != self.root and self._kinds.get(name) == "run"

    def _order(self, name: str, notes: list[str]) -> tuple[int, bool, list[tuple[int, str]]]:
        """Versions before data, training data before other data, and `churn/9` before `churn/10`."""
        parts = [(int(part), "") if part.isdigit() else (-1, part) for part in _DIGITS.split(name)]
        return _KIND_ORDER.get(self._kinds.get(name, ""), len(_KIND_ORDER)), not any("training" in note for note in notes), parts


def plant(pedigree: Pedigree, direction: Direction) -> Twig:
    """The tree around the root; what hangs on a record is drawn where it is first met, and referred to after that."""
    trunk = pedigree.twig(pedigree.root)
    branches = []
    for upstream, wanted in ((True, Direction.UPSTREAM), (False, Direction.DOWNSTREAM)):
        if direction in {wanted, Direction.BOTH}:
            branch = Twig("", note=wanted.value)
            _grow(pedigree, branch, upstream=upstream)
            branches.append(branch)
    if direction is not Direction.BOTH:
        trunk.twigs = branches[0].twigs
    else:
        trunk.twigs = [branch for branch in branches if branch.twigs]
    return trunk


def _grow(pedigree: Pedigree, branch: Twig, *, upstream: bool) -> None:
    seen = {pedigree.root}
    branch.twigs = pedigree.neighbours(pedigree.root, upstream=upstream)
    waiting = branch.twigs[::-1]
    # A stack rather than recursion: a pedigree may be deeper than Python's stack.
    while waiting:
        twig = waiting.pop()
        grown = pedigree.neighbours(twig.name, upstream=upstream)
        if twig.name in seen:
            twig.shown_before = bool(grown)
            continue
        seen.add(twig.name)
        twig.twigs = grown
        waiting += grown[::-1]


def _data(edge: Edge) -> str:
    """Of what is upstream, what it was."""
    return f"{edge.role} data" if edge.relation == "input" and edge.role else edge.relation


def _use(edge: Edge) -> str:
    """Of what is downstream, what it did."""
    return f"used it as {edge.role} data" if edge.relation == "input" and edge.role else edge.relation
