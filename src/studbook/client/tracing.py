"""Questions about the lineage graph, and edges that are declared or withdrawn."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from studbook.client.addressing import Addressing
from studbook.client.body import Body
from studbook.client.graph import (
    Explanation,
    Impact,
    Inherited,
    Lineage,
    LineageDifference,
    LineageFile,
    LineageHealth,
    Paths,
    Redrawn,
    SharedAncestors,
)
from studbook.client.names import reference_path

if TYPE_CHECKING:
    from collections.abc import Sequence

Direction = Literal["upstream", "downstream", "both"]
LineageFormat = Literal["mermaid", "dot", "graphml", "prov", "openlineage", "csv-nodes", "csv-edges"]
Time = datetime | str


class LineageQuestions(Addressing):
    """How records hang together. Each call raises UnreachableError and RefusedError.

    `as_of` asks for the graph as it was: at a time, or when the log had so many entries (their number, as text).
    """

    def lineage(
        self,
        ref: str,
        *,
        direction: Direction = "both",
        depth: int | None = None,
        limit: int | None = None,
        relations: Sequence[str] = (),
        kinds: Sequence[str] = (),
        as_of: Time | None = None,
        edges: bool = True,
    ) -> Lineage:
        """The graph around a record: at most `depth` edges away and `limit` nodes in each direction.

        `upstream` is where it came from, `downstream` what was made of it. `relations` are followed alone; of `kinds` alone the
        records are shown, and ways through others become one edge, `through`. Without `edges` a walk with a depth of 1000 (as
        far as there is) tells no distances, and takes half the time. Look at `truncated`.
        """
        params = {
            "direction": direction,
            "depth": depth,
            "limit": limit,
            "relation": list(relations) or None,
            "kind": list(kinds) or None,
            "as_of": _text(as_of),
            "edges": None if edges else "false",
        }
        return Lineage.read(self._connection.call("GET", f"lineage/{reference_path(ref)}", params=params))

    def lineage_paths(self, a: str, b: str, *, every: bool = False, limit: int | None = None, as_of: Time | None = None) -> Paths:
        """The shortest way between two records in the direction of time; with `every` all ways, at most `limit`."""
        params = {"from": a, "to": b, "all": "true" if every else None, "limit": limit, "as_of": _text(as_of)}
        return Paths.read(self._connection.call("GET", ("lineage", "paths"), params=params))

    def shared_ancestors(self, a: str, b: str, *, as_of: Time | None = None) -> SharedAncestors:
        """What two records both come from, nearest first."""
        params = {"first": a, "second": b, "as_of": _text(as_of)}
        return SharedAncestors.read(self._connection.call("GET", ("lineage", "shared"), params=params))

    def impact(self, ref: str) -> Impact:
        """The versions and deployments downstream of a record, with the owners of their models."""
        return Impact.read(self._connection.call("GET", f"lineage/{reference_path(ref)}/impact"))

    def impact_csv(self, ref: str) -> str:
        """The same as CSV; several owners or aliases stand in one cell."""
        return self._connection.content(f"lineage/{reference_path(ref)}/impact", params={"format": "csv"}).decode()

    def export_lineage(
        self,
        ref: str,
        format: LineageFormat,  # noqa: A002 - the word of the API
        *,
        direction: Direction = "both",
        relations: Sequence[str] = (),
        kinds: Sequence[str] = (),
        as_of: Time | None = None,
    ) -> LineageFile:
        """All that a record comes from and all that came of it, as a file, up to 10,000 nodes in each direction.

        `mermaid` and `dot` are drawings, `graphml` and the two tables in CSV are for other programs, `prov` is W3C PROV-JSON and
        `openlineage` has an event a line. `relations` and `kinds` are those of `lineage`. Look at `truncated`.
        """
        params = {
            "format": format,
            "direction": direction,
            "relation": list(relations) or None,
            "kind": list(kinds) or None,
            "as_of": _text(as_of),
        }
        content, headers = self._connection.file(f"lineage/{reference_path(ref)}/export", params)
        return LineageFile(content, truncated=headers.get("Studbook-Truncated") == "true")

    def inherited(self, ref: str) -> Inherited:
        """The licenses and sensitivities of all that a record comes from."""
        return Inherited.read(self._connection.call("GET", f"lineage/{reference_path(ref)}/inherited"))

    def compare_lineages(
        self, a: str, b: str | None = None, *, a_as_of: Time | None = None, b_as_of: Time | None = None
    ) -> LineageDifference:
        """What differs upstream of two records, or of one at two times."""
        params = {"from": a, "to": b, "from_as_of": _text(a_as_of), "to_as_of": _text(b_as_of)}
        return LineageDifference.read(self._connection.call("GET", ("lineage", "diff"), params=params))

    def lineage_health(self, *, limit: int | None = None) -> LineageHealth:
        """Versions that come from nothing, references that mean nothing yet, edges that nothing but a word stands for."""
        return LineageHealth.read(self._connection.call("GET", ("lineage", "health"), params={"limit": limit}))

    def explain_edges(self, source: str, target: str) -> Explanation:
        """Every edge from one record to another: how it is known, since when, by which entry of the log."""
        params = {"source": source, "target": target}
        return Explanation.read(self._connection.call("GET", ("lineage", "edges"), params=params))

    def declare_edge(self, source: str, target: str, relation: str, *, reason: str | None = None) -> Redrawn:
        """Declare that the target comes from the source. What is declared already is left as it is."""
        body = Body.of({"source": source, "target": target, "relation": relation, "reason": reason})
        return Redrawn.read(self._connection.call("POST", ("lineage", "edges"), body=body))

    def withdraw_edge(
        self,
        source: str,
        target: str,
        reason: str,
        *,
        relation: str | None = None,
        role: str | None = None,
        basis: str | None = None,
    ) -> Redrawn:
        """Withdraw the edges from source to target, or only those of a relation, role or basis; this takes an administrator."""
        said = {"source": source, "target": target, "relation": relation, "role": role, "basis": basis, "reason": reason}
        return Redrawn.read(self._connection.call("POST", "lineage/edges:withdraw", body=Body.of(said)))


def _text(moment: Time | None) -> str | None:
    return moment.isoformat() if isinstance(moment, datetime) else moment
