"""`studbook search`: model versions by words and by a filter; how many there are, and what values they have."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.cells import cell_len
from rich.text import Text

from studbook.cli import screen
from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError
from studbook.cli.listing import page_size, take, version_rows, write_list
from studbook.cli.options import AsJson, Everything, Limit, new_app
from studbook.cli.session import open_registry
from studbook.cli.text import safe, scalar
from studbook.client.errors import RefusedError
from studbook.client.searching import join_filter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from studbook.client import Facet, FoundVersion, Highlight, Total
    from studbook.client.registry import Registry

app = new_app()

_LIMIT: Final = 20
_COLUMN: Final = re.compile(r"column (\d+): ")
# Shown of a long question to the left and right of its fault.
_AROUND: Final = 60

_Words = Annotated[
    str | None,
    typer.Argument(metavar="[TEXT]", help="Words, or their beginnings, in names, tags, descriptions and searched attributes."),
]
_Filter = Annotated[
    str | None,
    typer.Option("--filter", "-f", metavar="FILTER", help="A condition, such as 'metrics.auc > 0.9 and tags.team = growth'."),
]
_Model = Annotated[str | None, typer.Option("--model", help="Only versions of this model.")]
_Tag = Annotated[list[str] | None, typer.Option("--tag", metavar="KEY=VALUE", help="Only versions with this tag; repeatable.")]
_Order = Annotated[
    str | None,
    typer.Option(
        "--order-by", metavar="FIELD", help="created_at, metrics.NAME, tags.KEY, an attribute …; -FIELD for the greatest first."
    ),
]
_Facets = Annotated[
    list[str] | None,
    typer.Option(
        "--facet", metavar="FIELD", help="Instead of versions, the values they have in this field, and how many; repeatable."
    ),
]
_Count = Annotated[bool, typer.Option("--count", help="Instead of versions, how many there are.")]
_Fields = Annotated[bool, typer.Option("--fields", help="List what a filter may ask for, and end.")]


@app.command()
def search(
    context: typer.Context,
    text: _Words = None,
    *,
    asked: _Filter = None,
    model: _Model = None,
    tag: _Tag = None,
    order_by: _Order = None,
    facet: _Facets = None,
    count: _Count = False,
    fields: _Fields = False,
    limit: Limit = _LIMIT,
    everything: Everything = False,
    as_json: AsJson = False,
) -> None:
    """Find model versions by words and by a filter; archived ones only by a filter that speaks of `archived`."""
    with open_registry(context) as registry:
        if fields:
            _show_fields(registry, as_json=as_json)
            return
        narrowed = join_filter(asked, model=model, tag=dict(_read_tag(each) for each in tag or ()))
        with _fault_shown(narrowed, order_by):
            if count or facet:
                _show_numbers(registry, text, narrowed, facet or [], count=count, as_json=as_json)
                return
            found = registry.search(text, filter=narrowed, order_by=order_by, page_size=page_size(limit))
            versions, truncated = take(found, limit, everything=everything)
    if as_json:
        write_list(versions, truncated=truncated)
    else:
        notes = [_highlighted(version) for version in versions] if text else ()
        screen.print_table(version_rows(versions, notes), none="Nothing found.", truncated=truncated)
    if found.truncated:
        words = "! more records have these words than were looked at, which are the newest; look for rarer words"
        screen.notices().print(screen.styled(words, screen.CAUTION))
    if found.building:
        names = ", ".join(found.building)
        words = f"! {names}: what was stored earlier is still put in place; nothing is missing here, but it took longer"
        screen.notices().print(screen.styled(words, screen.CAUTION))


def _read_tag(text: str) -> tuple[str, str]:
    """`key=value`, as tags are written everywhere on the command line, or the `key:value` of the API."""
    for sign in ("=", ":"):
        key, found, value = text.partition(sign)
        if key and found:
            return key, value
    message = f"{text!r} is no tag; write KEY=VALUE"
    raise CommandError(message, Exit.USAGE)


def _highlighted(version: FoundVersion) -> Text:
    """Where the words stand, a line each; the name is seen anyway."""
    lines = [_highlight(highlight) for highlight in version.highlights if highlight.pointer != "/model"]
    return Text("\n").join(lines)


def _highlight(highlight: Highlight) -> Text:
    # One character for each, so that the ranges stay where they are.
    fragment = re.sub(r"\s", " ", safe(highlight.fragment))
    place = highlight.pointer.removeprefix("/").replace("/", ".")
    line = screen.styled(f"{place}: ", screen.QUIET)
    begin = len(line)
    line.append(fragment, style=screen.QUIET)
    for first, last in highlight.ranges:
        line.stylize(f"not dim {screen.HEADING}", begin + first, begin + last)
    return line


def _show_numbers(
    registry: Registry, text: str | None, asked: str | None, fields: Sequence[str], *, count: bool, as_json: bool
) -> None:
    total = registry.count(text, filter=asked) if count else None
    facets = registry.facets(*fields, text=text, filter=asked)
    if as_json:
        answer: dict[str, Any] = {"total": total.raw} if total else {}
        if fields:
            answer["facets"] = {name: facet.raw for name, facet in facets.items()}
        screen.write_json(answer)
        return
    if total:
        screen.output().print(screen.styled(_total(total)))
    for name, facet in facets.items():
        _show_facet(name, facet)


def _total(total: Total) -> str:
    return f"{total.count:,}" if total.exact else f"more than {total.count:,}"


def _show_facet(name: str, facet: Facet) -> None:
    table = screen.columns(name, "versions", right=["versions"])
    for entry in facet.values:
        table.add_row(screen.styled(scalar(entry.value), screen.NAME), f"{entry.count:,}")
    screen.print_table(table, none=f"{name}: no values.")
    if not facet.complete:
        screen.notices().print(screen.styled(f"There are more values of {name}; a narrower --filter shows others.", screen.QUIET))
    if not facet.exact:
        words = f"So much is found that the values of {name} were counted in a part of it only."
        screen.notices().print(screen.styled(words, screen.QUIET))


def _show_fields(registry: Registry, *, as_json: bool) -> None:
    fields = registry.search_fields()
    if as_json:
        screen.write_json({"items": [field.raw for field in fields]})
        return
    table = screen.columns("field", "type", "schema", "", whole=["field"])
    for field in fields:
        marks = [*(["facet"] if field.facet else []), *([] if field.ready else ["being put in place"])]
        shown = f"{field.name}.…" if field.open else field.name
        table.add_row(screen.styled(shown, screen.NAME), safe(field.type), safe(field.schema or ""), ", ".join(marks))
    screen.print_table(table, none="Nothing can be asked.")


@contextmanager
def _fault_shown(asked: str | None, order_by: str | None) -> Iterator[None]:
    """Where the registry says at which column of a question the fault is, show the question with a mark there."""
    try:
        yield
    except RefusedError as error:
        questions = {"/filter": asked, "/order_by": order_by}
        for fault in error.errors:
            question, place = questions.get(fault.pointer), _COLUMN.match(fault.message)
            if question and place:
                _point_at(question, int(place[1]))
        raise


def _point_at(question: str, column: int) -> None:
    line = re.sub(r"\s", " ", safe(question))
    begin = max(column - 1 - _AROUND, 0)
    before = ("…" if begin else "") + line[begin : column - 1]
    shown = before + line[column - 1 : column - 1 + _AROUND] + ("…" if len(line) > column - 1 + _AROUND else "")
    console = screen.notices()
    console.print(screen.styled(f"  {shown}"), soft_wrap=True)
    console.print(screen.styled(f"  {' ' * cell_len(before)}^", screen.BAD), soft_wrap=True)
