"""PROV-JSON (W3C Member Submission, 24 April 2013): the entities, activities and agents of PROV-DM, and what joins them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from studbook.formats.lineage.graph import DEPLOYMENT, RUN, in_pieces

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from studbook.formats.lineage.graph import Edge, Graph, Node, Origin

# What happens; every other kind of node is a thing.
_ACTIVITIES: Final = frozenset({RUN, DEPLOYMENT})
# Relations by whether the source and the target of an edge are activities, with the words for target and source.
_RELATIONS: Final = {
    (False, True): ("used", "prov:activity", "prov:entity"),
    (True, False): ("wasGeneratedBy", "prov:entity", "prov:activity"),
    (False, False): ("wasDerivedFrom", "prov:generatedEntity", "prov:usedEntity"),
    (True, True): ("wasInformedBy", "prov:informed", "prov:informant"),
}


def write_prov(graph: Graph, origin: Origin) -> Generator[bytes, None, None]:
    """One document. Versions are entities; runs and deployments are activities; whoever recorded something is an agent.

    Names of records are percent-encoded already, and complete the origin's base. The root tells whether the graph is a part, in
    `studbook:truncated`. When an edge became known is in `studbook:since`, not `prov:time`: that would be when it came about.
    """
    return in_pieces(_document(graph, origin))


def _document(graph: Graph, origin: Origin) -> Iterator[str]:
    prefixes = {"record": origin.base, "agent": f"{origin.base}agents/", "studbook": f"{origin.producer}terms/"}
    yield f'{{"prefix":{_json(prefixes)}'
    things = [node for node in graph.nodes if node.kind not in _ACTIVITIES]
    activities = [node for node in graph.nodes if node.kind in _ACTIVITIES]
    yield from _section("entity", ((_name(node.name), _of_thing(node, graph)) for node in things))
    yield from _section("activity", ((_name(node.name), _of_activity(node, graph)) for node in activities))
    agents = dict.fromkeys(node.facts.by for node in graph.nodes if node.facts.by)
    yield from _section("agent", ((_agent(by), {"prov:label": by}) for by in agents))
    kinds = {node.name: node.kind in _ACTIVITIES for node in graph.nodes}
    numbered = list(enumerate(graph.edges))
    for ends, (relation, *words) in _RELATIONS.items():
        chosen = ((number, edge) for number, edge in numbered if (kinds[edge.source], kinds[edge.target]) == ends)
        yield from _section(relation, ((f"_:e{number}", _of_edge(edge, words)) for number, edge in chosen))
    yield from _section("wasAttributedTo", _recorded(things, "prov:entity", "t"))
    yield from _section("wasAssociatedWith", _recorded(activities, "prov:activity", "a"))
    yield "}\n"


def _section(name: str, members: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[str]:
    """A member of the document, unless it would be empty."""
    opening = f',"{name}":{{'
    for key, value in members:
        yield f"{opening}\n{_json(key)}:{_json(value)}"
        opening = ","
    if opening == ",":
        yield "}"


def _of_node(node: Node, graph: Graph) -> dict[str, Any]:
    shown: dict[str, Any] = {"prov:label": node.name, "studbook:kind": node.kind, "studbook:id": node.id}
    shown["studbook:recorded"] = _time(node.facts.created)
    if node.name == graph.root:
        shown["studbook:truncated"] = graph.truncated
    return shown


def _of_thing(node: Node, graph: Graph) -> dict[str, Any]:
    digests = [digest for _, digest in node.facts.digests]
    return _known({**_of_node(node, graph), "studbook:digest": digests or None})


def _of_activity(node: Node, graph: Graph) -> dict[str, Any]:
    facts = node.facts
    times = {"prov:startTime": facts.started, "prov:endTime": facts.ended}
    return _known({**times, **_of_node(node, graph), "studbook:job": facts.job, "studbook:status": facts.status})


def _of_edge(edge: Edge, words: list[str]) -> dict[str, Any]:
    target, source = words
    said = {"studbook:relation": edge.relation, "studbook:role": edge.role, "studbook:basis": edge.basis}
    times = {"studbook:since": _time(edge.since), "studbook:until": _time(edge.until)}
    known = _known({**said, **times, "studbook:event": edge.event})
    return {target: _name(edge.target), source: _name(edge.source), **known}


def _recorded(nodes: Iterable[Node], word: str, mark: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, node in enumerate(nodes):
        if node.facts.by:
            yield f"_:{mark}{number}", {word: _name(node.name), "prov:agent": _agent(node.facts.by), "studbook:role": "recorder"}


def _name(name: str) -> str:
    return f"record:{quote(name, safe='/%', errors='replace')}"


def _agent(by: str) -> str:
    return f"agent:{quote(by, safe='', errors='replace')}"


def _time(moment: str | None) -> dict[str, str] | None:
    return {"$": moment, "type": "xsd:dateTime"} if moment else None


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _json(value: Any) -> str:  # noqa: ANN401 - a JSON value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
