"""Events of OpenLineage 2-0-2 (https://openlineage.io/spec/2-0-2/OpenLineage.json), one a line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from studbook.formats.lineage.graph import DATASET_VERSION, DEPLOYMENT, MODEL_VERSION, RUN, in_pieces

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from studbook.formats.lineage.graph import Edge, Graph, Node, Origin

_SPEC: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"
_VERSION_FACET: Final = (
    "https://openlineage.io/spec/facets/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet"
)
# How a run that is over ended.
_ENDS: Final = {"completed": "COMPLETE", "failed": "FAIL"}


def write_openlineage(graph: Graph, origin: Origin) -> Generator[bytes, None, None]:
    """A dataset event for each version, then START and COMPLETE or FAIL for each run, and a job event for each deployment.

    Versions of models and of data are datasets under their full names. What leads into a run is its input, what leads out of it
    its output. Edges between versions, for which the specification has no event, are in the facet `studbook_origins` of the
    later one. The facet `studbook_graph` of the root tells whether the graph is a part. An event's time is when the run began or
    ended, else when it was recorded; of a node without any of these there is no event, since an event must have a time.
    """
    timed = (event for event in _Events(graph, origin).all() if event["eventTime"])
    return in_pieces(f"{json.dumps(event, ensure_ascii=False, separators=(',', ':'))}\n" for event in timed)


class _Events:
    """The events of a graph, with the edges sorted by the nodes at their ends."""

    def __init__(self, graph: Graph, origin: Origin) -> None:
        self._graph = graph
        self._origin = origin
        self._nodes = {node.name: node for node in graph.nodes}
        self._into: dict[str, list[Edge]] = {}
        self._out_of: dict[str, list[Edge]] = {}
        for edge in graph.edges:
            self._into.setdefault(edge.target, []).append(edge)
            self._out_of.setdefault(edge.source, []).append(edge)

    def all(self) -> Iterator[dict[str, Any]]:
        for node in self._graph.nodes:
            if _is_dataset(node):
                yield self._dataset_event(node)
        for node in self._graph.nodes:
            if node.kind == RUN:
                yield from self._run_events(node)
            elif node.kind == DEPLOYMENT:
                yield self._job_event(node)

    def _event(self, kind: str, time: str | None) -> dict[str, Any]:
        return {"eventTime": time, "producer": self._origin.producer, "schemaURL": f"{_SPEC}{kind}"}

    def _dataset_event(self, node: Node) -> dict[str, Any]:
        facts = node.facts
        dataset = self._dataset(node)
        word = "modelVersion" if node.kind == MODEL_VERSION else "datasetVersion"
        digests = [{"of": what, "digest": digest} for what, digest in facts.digests]
        known = {"id": node.id, "recordedAt": facts.created, "recordedBy": facts.by, "digests": digests}
        dataset["facets"][f"studbook_{word}"] = self._facet(word, known)
        origins = [self._said_of(edge) for edge in self._into.get(node.name, ()) if _is_dataset(self._nodes[edge.source])]
        if origins:
            dataset["facets"]["studbook_origins"] = self._facet("origins", {"origins": origins})
        dataset["facets"] |= self._of_root(node)
        return {**self._event("DatasetEvent", facts.created), "dataset": dataset}

    def _run_events(self, node: Node) -> Iterator[dict[str, Any]]:
        facts = node.facts
        known = {"name": node.name, "status": facts.status, "recordedAt": facts.created, "recordedBy": facts.by}
        facets = {"studbook_run": self._facet("run", known), **self._of_root(node)}
        # A run of no named job is a job of its own.
        job = {"namespace": self._origin.base, "name": facts.job or node.name}
        body = {"run": {"runId": node.id, "facets": facets}, "job": job, **self._ends(node)}
        yield {**self._event("RunEvent", facts.started or facts.created), "eventType": "START", **body}
        if facts.status in _ENDS:
            time = facts.ended or facts.started or facts.created
            yield {**self._event("RunEvent", time), "eventType": _ENDS[facts.status], **body}

    def _job_event(self, node: Node) -> dict[str, Any]:
        """A deployment is something that goes on with a version, and has no end that makes another."""
        facts = node.facts
        known = {"status": facts.status, "startedAt": facts.started, "endedAt": facts.ended, "recordedBy": facts.by}
        facets = {"studbook_deployment": self._facet("deployment", known), **self._of_root(node)}
        job = {"namespace": self._origin.base, "name": node.name, "facets": facets}
        return {**self._event("JobEvent", facts.started or facts.created), "job": job, **self._ends(node)}

    def _ends(self, node: Node) -> dict[str, Any]:
        read = dict.fromkeys(edge.source for edge in self._into.get(node.name, ()))
        made = dict.fromkeys(edge.target for edge in self._out_of.get(node.name, ()))
        ends = {"inputs": read, "outputs": made}
        return {
            word: [self._dataset(self._nodes[name]) for name in names if _is_dataset(self._nodes[name])]
            for word, names in ends.items()
        }

    def _dataset(self, node: Node) -> dict[str, Any]:
        """A version, with its one digest as the version of the dataset, or its number when there are several or none."""
        digests = node.facts.digests
        version = digests[0][1] if len(digests) == 1 else node.name.rpartition("/")[2]
        facet = {"_producer": self._origin.producer, "_schemaURL": _VERSION_FACET, "datasetVersion": version}
        return {"namespace": self._origin.base, "name": node.name, "facets": {"version": facet}}

    def _said_of(self, edge: Edge) -> dict[str, Any]:
        said = {"relation": edge.relation, "role": edge.role, "basis": edge.basis, "since": edge.since, "until": edge.until}
        return {"namespace": self._origin.base, "name": edge.source, **_known(said)}

    def _of_root(self, node: Node) -> dict[str, Any]:
        if node.name != self._graph.root:
            return {}
        return {"studbook_graph": self._facet("graph", {"root": node.name, "truncated": self._graph.truncated})}

    def _facet(self, name: str, values: dict[str, Any]) -> dict[str, Any]:
        schema = f"{self._origin.producer}openlineage/1-0-0/facets.json#/$defs/{name}"
        return {"_producer": self._origin.producer, "_schemaURL": schema, **_known(values)}


def _is_dataset(node: Node) -> bool:
    return node.kind in {MODEL_VERSION, DATASET_VERSION}


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
