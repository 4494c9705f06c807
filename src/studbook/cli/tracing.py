"""`studbook graph …`: questions about the lineage, and edges that are declared or withdrawn."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studbook.cli import screen
from studbook.cli.faults import CommandError
from studbook.cli.options import AsJson, Reference, new_app
from studbook.cli.session import open_registry
from studbook.cli.text import moment, safe, short_name
from studbook.client.exporting import whole_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from studbook.client import EdgeMoment, LineageHealth, Redrawn

app = new_app("Ask the lineage: why, by which way, what would be reached; declare and withdraw edges.")

_Source = Annotated[str, typer.Argument(metavar="SOURCE", help="The record that came first.")]
_Target = Annotated[str, typer.Argument(metavar="TARGET", help="The record that came of it.")]
_First = Annotated[str, typer.Argument(metavar="A", help="A record.")]
_Second = Annotated[str, typer.Argument(metavar="B", help="Another record.")]
_Other = Annotated[str | None, typer.Argument(metavar="[B]", help="Another record; the same one unless given.")]
_All = Annotated[bool, typer.Option("--all", help="All ways, not the shortest alone.")]
_Limit = Annotated[int, typer.Option("--limit", min=1, max=100, help="At most so many ways.")]
_Csv = Annotated[bool, typer.Option("--csv", help="As CSV, on standard output.")]
_Relation = Annotated[str, typer.Option("--relation", help="How the target comes from the source, such as finetuned-from.")]
_OnlyRelation = Annotated[str | None, typer.Option("--relation", help="Only edges of this relation.")]
_OnlyBasis = Annotated[str | None, typer.Option("--basis", help="Only edges that are known so: declared, derived, …")]
_Reason = Annotated[str | None, typer.Option("--reason", help="Why; it stays in the log, so name nobody.")]
_MustReason = Annotated[str, typer.Option("--reason", help="Why; it stays in the log, so name nobody.")]
_Was = Annotated[str | None, typer.Option("--from-as-of", metavar="TIME", help="A at a time, or at a size of the log.")]
_Is = Annotated[str | None, typer.Option("--to-as-of", metavar="TIME", help="B at a time, or at a size of the log.")]


class Written(StrEnum):
    """The formats, as Typer offers them."""

    mermaid = "mermaid"
    dot = "dot"
    graphml = "graphml"
    prov = "prov"
    openlineage = "openlineage"
    csv_nodes = "csv-nodes"
    csv_edges = "csv-edges"


class Way(StrEnum):
    """The directions, as Typer offers them."""

    upstream = "upstream"
    downstream = "downstream"
    both = "both"


_Written = Annotated[Written, typer.Option("--format", help="Drawings, a graph, W3C PROV-JSON, OpenLineage events, or tables.")]
_Way = Annotated[Way, typer.Option("--direction", help="Where it comes from, what came of it, or both.")]
_Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="By default standard output.")]
_AsOf = Annotated[str | None, typer.Option("--as-of", metavar="TIME", help="As it was: at a time, or at a size of the log.")]


@app.command("why")
def why(context: typer.Context, source: _Source, target: _Target, *, as_json: AsJson = False) -> None:
    """Say how it is known that one record came of another: by whom or what, since when, in which entry of the log."""
    with open_registry(context) as registry:
        found = registry.explain_edges(source, target)
    if as_json:
        screen.write_json(found.raw)
        return
    table = screen.columns("relation", "known by", "since", "event", "by", "entry", "withdrawn")
    for edge in found.edges:
        relation = f"{edge.relation} ({edge.role})" if edge.role else edge.relation
        since, event, by, entry = _moment(edge.since)
        table.add_row(safe(relation), edge.basis, since, event, safe(by), entry, _moment(edge.until)[0])
    screen.print_table(table, none="No edge leads from the one to the other; see studbook graph path.")


def _moment(known: EdgeMoment | None) -> tuple[str, str, str, str]:
    if known is None:
        return "", "", "", ""
    return moment(known.time), known.action or "", known.by or "", "" if known.index is None else str(known.index)


@app.command("path")
def path(
    context: typer.Context,
    first: _First,
    second: _Second,
    *,
    every: _All = False,
    limit: _Limit = 20,
    as_json: AsJson = False,
) -> None:
    """Show the shortest way from one record to another in the direction of time, or all of them."""
    with open_registry(context) as registry:
        found = registry.lineage_paths(first, second, every=every, limit=limit)
    if as_json:
        screen.write_json(found.raw)
        return
    if not found.paths:
        words = "Neither came of the other." if not found.truncated else "No way was found, and not everything was looked at."
        screen.output().print(words)
        return
    for way in found.paths:
        screen.output().print(screen.styled(" → ".join(safe(short_name(name)) for name in way)))
    if found.truncated:
        screen.output().print(screen.styled("There are more ways; see --all and --limit.", screen.CAUTION))


@app.command("impact")
def impact(context: typer.Context, reference: Reference, *, as_csv: _Csv = False, as_json: AsJson = False) -> None:
    """List the versions and deployments that a change of a record would reach, and who answers for them."""
    with open_registry(context) as registry:
        if as_csv:
            typer.echo(registry.impact_csv(reference), nl=False)
            return
        found = registry.impact(reference)
    if as_json:
        screen.write_json(found.raw)
        return
    table = screen.columns("what", "distance", "owners", "aliases", "where", "status", right=["distance"])
    for one in found.reached:
        style = screen.GOOD if one.kind == "deployment" and one.status == "active" else ""
        what = screen.styled(safe(short_name(one.version)) if one.target else safe(short_name(one.name)), screen.NAME)
        where = safe(one.target or "")
        owners, aliases = safe(", ".join(one.owners)), " ".join(f"@{alias}" for alias in one.aliases)
        table.add_row(what, str(one.distance), owners, safe(aliases), where, screen.styled(one.status or "", style))
    screen.print_table(table, none="Nothing came of it.", truncated=found.truncated)


@app.command("export")
def export(
    context: typer.Context,
    reference: Reference,
    *,
    written: _Written,
    direction: _Way = Way.both,
    output: _Output = None,
    as_of: _AsOf = None,
) -> None:
    """Write all that a record comes from and all that came of it: a drawing, a graph, provenance, events or a table.

    A file is there whole or not at all. In CSV, a text that a spreadsheet would take for a formula gets a ' in front.
    """
    with open_registry(context) as registry:
        found = registry.export_lineage(reference, written.value, direction=direction.value, as_of=as_of)
    if output is None:
        sys.stdout.buffer.write(found.content)
        sys.stdout.buffer.flush()
    else:
        try:
            with whole_file(output) as file:
                file.write(found.content)
        except OSError as error:
            raise CommandError(f"{output}: {error.strerror or error}") from error
        screen.confirm((str(output), screen.NAME), f"  {len(found.content):,} bytes")
    if found.truncated:
        words = "! This is a part: there is more than the registry writes at once. Ask for one direction, or for less."
        screen.notices().print(screen.styled(words, screen.CAUTION))


@app.command("shared")
def shared(context: typer.Context, first: _First, second: _Second, *, as_json: AsJson = False) -> None:
    """List what two records both come from, nearest first."""
    with open_registry(context) as registry:
        found = registry.shared_ancestors(first, second)
    if as_json:
        screen.write_json(found.raw)
        return
    table = screen.columns("ancestor", "kind", "from A", "from B", "nearest", right=["from A", "from B"])
    for one in found.ancestors:
        name = screen.styled(safe(short_name(one.name)), screen.NAME)
        table.add_row(name, one.kind, *(str(distance) for distance in one.distances), "yes" if one.nearest else "")
    screen.print_table(table, none="They have no ancestor in common.", truncated=found.truncated)


@app.command("inherited")
def inherited(context: typer.Context, reference: Reference, *, as_json: AsJson = False) -> None:
    """List the licenses and sensitivities of all that a record comes from, and the origins that nobody can check."""
    with open_registry(context) as registry:
        found = registry.inherited(reference)
    if as_json:
        screen.write_json(found.raw)
        return
    table = screen.columns("what", "of", "by way of")
    for entry in found.licenses:
        table.add_row(f"license {safe(entry['license'])}", safe(short_name(entry["node"])), _way(entry))
    for entry in found.sensitivities:
        for data in entry["datasets"]:
            table.add_row(f"{safe(entry['sensitivity'])} data", safe(short_name(data["name"])), _way(data))
    for entry in found.unverified:
        table.add_row(screen.styled(safe(entry["reason"]), screen.CAUTION), safe(short_name(entry["node"])), _way(entry))
    screen.print_table(table, none="Nothing flows down to it.", truncated=found.truncated)


def _way(entry: Mapping[str, list[str]]) -> str:
    return safe(" ← ".join(short_name(name) for name in entry["path"]))


@app.command("compare")
def compare(
    context: typer.Context,
    first: _First,
    second: _Other = None,
    *,
    was: _Was = None,
    now: _Is = None,
    as_json: AsJson = False,
) -> None:
    """Compare what two records come from, or one record at two times."""
    with open_registry(context) as registry:
        found = registry.compare_lineages(first, second, a_as_of=was, b_as_of=now)
    if as_json:
        screen.write_json(found.raw)
        return
    table = screen.columns("", "record or edge")
    for sign, style, part in (("-", screen.BAD, "removed"), ("+", screen.GOOD, "added")):
        for node in found.nodes[part]:
            table.add_row(screen.styled(sign, style), safe(short_name(node["name"])))
        for edge in found.edges[part]:
            words = f"{short_name(edge['source'])} → {short_name(edge['target'])}  {edge['relation']} ({edge['basis']})"
            table.add_row(screen.styled(sign, style), safe(words))
    screen.print_table(table, none="They come from the same, in the same way.", truncated=found.truncated)


@app.command("health")
def health(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List versions that come from nothing, references that mean nothing yet, and edges that only a word stands for."""
    with open_registry(context) as registry:
        found = registry.lineage_health(limit=20)
    if as_json:
        screen.write_json(found.raw)
        return
    orphans = (safe(short_name(item["name"])) for item in found.orphans["items"])
    _list("versions that come from nothing", found, "orphans", orphans)
    waiting = (f"{safe(short_name(item['name']))}  {safe(item['ref'])}" for item in found.references["items"])
    _list("references that mean nothing yet", found, "references", waiting)
    told = (f"{safe(short_name(one['source']))} → {safe(short_name(one['target']))}" for one in found.only_told["items"])
    _list("edges that are told by somebody or by a file, and that nothing else shows", found, "only_told", told)


def _list(words: str, found: LineageHealth, part: str, lines: Iterable[str]) -> None:
    console, count = screen.output(), getattr(found, part)["count"]
    more = " or more" if count == found.counted_to else ""
    console.print(screen.line(f"{words}: ", (f"{count:,}{more}", screen.NAME)))
    for line in lines:
        console.print(screen.styled(f"  {line}", screen.QUIET))


@app.command("declare")
def declare(
    context: typer.Context,
    source: _Source,
    target: _Target,
    *,
    relation: _Relation,
    reason: _Reason = None,
    as_json: AsJson = False,
) -> None:
    """Declare that one record comes from another."""
    with open_registry(context) as registry:
        _confirm(registry.declare_edge(source, target, relation, reason=reason), "drawn", as_json=as_json)


@app.command("withdraw")
def withdraw(
    context: typer.Context,
    source: _Source,
    target: _Target,
    *,
    reason: _MustReason,
    relation: _OnlyRelation = None,
    basis: _OnlyBasis = None,
    as_json: AsJson = False,
) -> None:
    """Withdraw what is said of two records; it is kept for questions about the past. This takes an administrator."""
    with open_registry(context) as registry:
        _confirm(registry.withdraw_edge(source, target, reason, relation=relation, basis=basis), "withdrawn", as_json=as_json)


def _confirm(redrawn: Redrawn, done: str, *, as_json: bool) -> None:
    if as_json:
        screen.write_json(redrawn.raw)
        return
    for edge in redrawn.edges:
        ends = f"{short_name(edge.source)} → {short_name(edge.target)}"
        screen.confirm((ends, screen.NAME), f"  {edge.relation} ({edge.basis}) is {done}")
    if not redrawn.edges:
        screen.confirm("it is declared already")
