"""`studbook dataset …`: what is in data, how it drifted, and which rows two versions share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from studbook.cli import screen
from studbook.cli.exits import Exit
from studbook.cli.options import AsJson, new_app
from studbook.cli.session import open_registry
from studbook.cli.text import plural, safe, short_name

app = new_app("Profile data, and compare dataset versions: how columns drifted, which rows two share.")

_File = Annotated[Path, typer.Argument(metavar="FILE", help="CSV, Parquet or Arrow; or a folder of Parquet files.")]
_Version = Annotated[str, typer.Argument(metavar="NAME/3", help="A dataset version: NAME/3, NAME/latest, sha256:…")]
_Second = Annotated[str, typer.Argument(metavar="OTHER/2", help="The dataset version that it is compared with.")]
_Against = Annotated[str | None, typer.Option("--against", metavar="REF", help="Compare with this version, not the one before.")]
_Values = Annotated[bool, typer.Option("--values", help="Tell the first and last text of columns too, which may be personal.")]
_NoSketch = Annotated[
    bool, typer.Option("--no-sketch", help="No sketch of the rows: rows that can be guessed betray themselves.")
]
_Croissant = Annotated[Path, typer.Argument(metavar="FILE", help="A Croissant file.")]
_Name = Annotated[str | None, typer.Option("--name", help="Name the dataset so, not as the file does.")]
_Fail = Annotated[bool, typer.Option("--exit-code", help="Exit with 1 if something drifted or is shared.")]


@app.command("profile")
def profile(file: _File, *, values: _Values = False, no_sketch: _NoSketch = False, as_json: AsJson = False) -> None:
    """Say what is in data: rows, columns, missing values, ranges. With --json, as a dataset of a document says it."""
    from studbook.formats.datasets.errors import DataError
    from studbook.formats.datasets.profile import profile_file

    try:
        found = profile_file(file, values=values, sketch=not no_sketch)
    except (DataError, OSError) as error:
        raise typer.BadParameter(str(error)) from error
    except ImportError as error:
        message = f"{file.name} is read by pyarrow, which is not installed; pip install 'studbook[data]'"
        raise typer.BadParameter(message) from error
    if as_json:
        screen.write_json(found.as_entry())
        return
    table = screen.columns("column", "type", "missing", "distinct", "from", "to", right=("missing", "distinct"))
    for column in found.columns:
        ends = ("" if end is None else safe(end) for end in (column.minimum, column.maximum))
        table.add_row(safe(column.name), safe(column.type), str(column.missing), str(column.distinct), *ends)
    screen.output().print(plural(found.rows, "row"))
    screen.print_table(table, none="It has no columns.")


@app.command("drift")
def drift(
    context: typer.Context, version: _Version, *, against: _Against = None, fail: _Fail = False, as_json: AsJson = False
) -> None:
    """Show how the columns of a dataset version differ from those of the version before."""
    with open_registry(context) as registry:
        found = registry.dataset_drift(version, against=against)
    if as_json:
        screen.write_json(found.raw)
    else:
        console = screen.output()
        console.print(screen.line((short_name(found.from_), screen.NAME), "  →  ", (short_name(found.to), screen.NAME)))
        for what in ("columns", "statistics"):
            if what not in found.compared:
                console.print(screen.styled(f"Not compared: {what}, which are not recorded of both.", screen.CAUTION))
        table = screen.columns("what", "column", "from", "to")
        for what in ("added", "removed"):
            for name, kind in found.raw[what].items():
                table.add_row(what, safe(name), *(["", safe(kind)] if what == "added" else [safe(kind), ""]))
        for what in ("types", "nullability", "ranges", "missing"):
            for name, step in found.raw[what].items():
                table.add_row(what, safe(name), _words(step["from"]), _words(step["to"]))
        screen.print_table(table, none="No drift.")
    if found.drifted and fail:
        raise typer.Exit(Exit.REFUSED)


@app.command("overlap")
def overlap(context: typer.Context, first: _Version, second: _Second, *, fail: _Fail = False, as_json: AsJson = False) -> None:
    """Say how many distinct rows two dataset versions share, such as training and test data."""
    with open_registry(context) as registry:
        found = registry.dataset_overlap(first, second)
    rows = found.rows
    if as_json:
        screen.write_json(found.raw)
    else:
        console = screen.output()
        names = (short_name(found.first), screen.NAME), "  and  ", (short_name(found.second), screen.NAME)
        console.print(screen.line(*names))
        bounds = "" if rows.exact else f" (between {rows.at_least} and {rows.at_most}, in 99 of 100 cases)"
        console.print(f"{plural(rows.shared, 'distinct row')} shared{bounds}, of {rows.first} and {rows.second}.")
    if rows.at_least and fail:
        raise typer.Exit(Exit.REFUSED)


def _words(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return " … ".join(safe(part) for part in value) if isinstance(value, list) else safe(value)


@app.command("croissant")
def croissant(context: typer.Context, version: _Version) -> None:
    """Write a dataset version as Croissant (JSON-LD of MLCommons) on standard output."""
    from studbook.formats.croissant.writing import write_croissant

    with open_registry(context) as registry:
        found = registry.dataset_version(_whole_name(version))
    screen.write_json(write_croissant(found.raw))


@app.command("import")
def import_file(context: typer.Context, file: _Croissant, *, name: _Name = None) -> None:
    """Record the dataset that a Croissant file describes; the data itself is not fetched."""
    from studbook.formats.croissant.reading import SIZE_LIMIT, CroissantError, read_croissant

    try:
        with file.open("rb") as stream:
            entry = read_croissant(stream.read(SIZE_LIMIT + 1))
    except (CroissantError, OSError) as error:
        raise typer.BadParameter(f"{file.name}: {error}") from error
    with open_registry(context) as registry:
        made = registry.ingest({"datasets": [{**entry, "role": "source", "name": name or entry["name"]}]})
    for use in made.datasets:
        screen.confirm((short_name(use.name), screen.NAME))


def _whole_name(version: str) -> str:
    """`NAME/3` as the name of a dataset's version; another reference as it is."""
    name, slash, number = version.rpartition("/")
    short = slash and "/" not in name and (number == "latest" or number.isdecimal())
    return f"datasets/{name}/versions/{number}" if short else version
