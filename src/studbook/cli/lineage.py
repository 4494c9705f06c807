"""`studbook lineage`: where a record comes from and what came of it, as a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text
from rich.tree import Tree

from studbook.cli import screen
from studbook.cli.options import AsJson, Reference, new_app
from studbook.cli.pedigree import Direction, Pedigree, plant
from studbook.cli.session import open_registry
from studbook.cli.text import short_name

if TYPE_CHECKING:
    from studbook.cli.pedigree import Twig
    from studbook.client import Lineage
    from studbook.client.registry import Registry

app = new_app()

# Enough for the pedigree of most models; the tree says when it was cut short.
DEPTH: Final = 12
_NODES: Final = 1000
# Records that are asked for a word more readable than their UUID.
_TITLES: Final = 30

_Direction = Annotated[Direction, typer.Option("--direction", help="upstream: where it comes from; downstream: what came of it.")]
_Depth = Annotated[int, typer.Option("--depth", min=0, max=1000, help="How many edges to follow.")]
_Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many records in each direction.")]
_Runs = Annotated[bool, typer.Option("--runs", help="Show runs too, between their inputs and outputs.")]

_Relations = Annotated[list[str] | None, typer.Option("--relation", help="Follow this relation alone; may be given again.")]
_Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", help="Show these records, walk through others: model_version, dataset_version, run, deployment."),
]
_AsOf = Annotated[str | None, typer.Option("--as-of", metavar="TIME", help="As it was: at a time, or with so many log entries.")]


@app.command()
def lineage(
    context: typer.Context,
    reference: Reference,
    *,
    direction: _Direction = Direction.BOTH,
    depth: _Depth = DEPTH,
    limit: _Limit = _NODES,
    runs: _Runs = False,
    relations: _Relations = None,
    kinds: _Kinds = None,
    as_of: _AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Draw the lineage of a record as a tree; a record that stands in several places is drawn out once."""
    with open_registry(context) as registry:
        graph = registry.lineage(
            reference,
            direction=direction.value,
            depth=depth,
            limit=limit,
            relations=relations or (),
            kinds=kinds or (),
            as_of=as_of,
        )
        if as_json:
            screen.write_json(graph.raw)
            return
        print_lineage(registry, graph, direction, fold_runs=not runs)


def print_lineage(registry: Registry, graph: Lineage, direction: Direction, *, fold_runs: bool = True) -> None:
    """Print the tree of a lineage answer, and whether something was left out."""
    console = screen.output()
    pedigree = Pedigree(graph, _titles(registry, graph), fold_runs=fold_runs)
    trunk = plant(pedigree, direction)
    console.print(_draw(trunk))
    if not trunk.twigs:
        console.print(screen.styled("Nothing is recorded before or after it.", screen.QUIET))
    if graph.truncated:
        words = f"Cut short: there is more beyond depth {graph.depth} or the limit of records; see --depth and --limit."
        console.print(screen.styled(words, screen.CAUTION))


def _draw(trunk: Twig) -> Tree:
    tree = Tree(_label(trunk), guide_style=screen.QUIET)
    # A stack rather than recursion: a pedigree may be deeper than Python's stack.
    waiting = [(tree, trunk)]
    while waiting:
        branch, twig = waiting.pop()
        waiting += [(branch.add(_label(grown)), grown) for grown in twig.twigs]
    return tree


def _label(twig: Twig) -> Text:
    if not twig.name:
        return screen.styled(twig.note, f"{screen.QUIET} italic")
    style = {"model_version": screen.NAME, "deployment": screen.GOOD, "dataset_version": "yellow"}.get(twig.kind, "")
    parts: list[tuple[object, str] | str] = [(short_name(twig.name), f"{style} dim" if twig.shown_before else style)]
    if twig.note:
        parts.append((f"  {twig.note}", screen.QUIET))
    if twig.title:
        parts.append(f"  {twig.title}")
    if twig.shown_before:
        parts.append(("  ↑ drawn above", screen.QUIET))
    return screen.line(*parts)


def _titles(registry: Registry, graph: Lineage) -> dict[str, str]:
    """What a deployment or run is called, where the answer itself does not tell."""
    titles = {node.name: node.title for node in graph.nodes if node.title}
    nameless = [node for node in graph.nodes if node.name not in titles and node.kind == "deployment"]
    for node in nameless[:_TITLES]:
        deployment = registry.deployment(node.name)
        titles[node.name] = f"on {deployment.target}" + (", ended" if deployment.status == "ended" else "")
    return titles
