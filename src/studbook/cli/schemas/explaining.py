"""`studbook schema explain`: where each attribute of a definition is kept, and what a search for it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from studbook.cli import screen
from studbook.cli.options import AsJson
from studbook.cli.schemas.places import SchemaName
from studbook.cli.session import open_registry
from studbook.cli.text import safe

if TYPE_CHECKING:
    from rich.table import Table

    from studbook.client import PlacingWork, StorageMap, StoredAttribute

_WithSql = Annotated[bool, typer.Option("--sql", help="A filter by each attribute, too, and the SQL that it becomes.")]


def explain(context: typer.Context, name: SchemaName, *, sql: _WithSql = False, as_json: AsJson = False) -> None:
    """Say where each attribute of a definition is kept, what indexes it, and whether its values are all in place."""
    with open_registry(context) as registry:
        found = registry.storage_map(name)
    if as_json:
        screen.write_json(found.raw)
        return
    screen.print_table(
        _rows(found), none=f"{name} keeps nothing in a place of its own; only attributes of model versions are searched."
    )
    for work in found.work:
        _show_work(work)
    if sql:
        for attribute in found.attributes:
            _show_sql(attribute)


def _rows(found: StorageMap) -> Table:
    progress = _progress(found)
    table = screen.columns("attribute", "path", "type", "where", "index", "state")
    for attribute in found.attributes:
        others = [other for other in attribute.names if other != attribute.name]
        name = screen.line((attribute.name, screen.NAME), (f" ({', '.join(others)})" if others else "", screen.QUIET))
        marks = [*(["unique"] if attribute.unique else []), *(["facet"] if attribute.facet else [])]
        marks += [f"the {attribute.aggregate}"] if attribute.aggregate else []
        kind = ", ".join([attribute.type, *marks])
        ready = attribute.state == "ready"
        state = screen.styled(
            attribute.state if ready else f"{attribute.state}{progress}", screen.GOOD if ready else screen.CAUTION
        )
        table.add_row(name, safe(attribute.path), safe(kind), _where(attribute), safe(attribute.index or ""), state)
    return table


def _where(attribute: StoredAttribute) -> str:
    columns = ", ".join(f"{attribute.table}.{column}" for column in attribute.column.split(", "))
    return safe(f"{columns} {attribute.column_type}" if attribute.column_type else columns)


def _progress(found: StorageMap) -> str:
    done, total = sum(work.done for work in found.work), sum(work.total for work in found.work)
    return f" {done / total:.0%}" if total else ""


def _show_work(work: PlacingWork) -> None:
    words = f"values of {work.done:,} of {work.total:,} stored versions are in place"
    screen.notices().print(screen.styled(words, screen.QUIET))
    if work.fault:
        screen.notices().print(screen.line(("✗ ", screen.BAD), work.fault))


def _show_sql(attribute: StoredAttribute) -> None:
    if attribute.filter is None or attribute.sql is None:
        return
    console = screen.output()
    console.print()
    console.print(screen.styled(attribute.filter, screen.HEADING), soft_wrap=True)
    console.print(screen.indented(screen.styled(attribute.sql.strip())))
