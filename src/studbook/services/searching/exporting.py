"""Writes all that a search finds, in one of several formats and in constant memory."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from studbook.domain.errors import NotAcceptableError
from studbook.filters.parsing import parse_filter
from studbook.formats.arrow import check_arrow, write_arrow
from studbook.formats.comma_separated import write_csv
from studbook.formats.parquet import write_parquet
from studbook.services.reading import show
from studbook.services.searching.flattening import VersionTable
from studbook.services.searching.searching import iter_found
from studbook.storage.reading import find_aliases

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from studbook.services.searching.questions import Question
    from studbook.storage.database import Database
    from studbook.storage.graph import AnyRow


class ExportFormat(StrEnum):
    """How an export is written."""

    JSONL = "jsonl"
    CSV = "csv"
    ARROW = "arrow"
    PARQUET = "parquet"


_TABLES: Final = {ExportFormat.CSV: write_csv, ExportFormat.ARROW: write_arrow, ExportFormat.PARQUET: write_parquet}


def export(database: Database, namespace_id: int, question: Question, written: ExportFormat) -> Generator[bytes, None, None]:
    """All versions that are found, piece by piece; each piece is made when it is asked for, by whichever thread asks.

    JSONL has the records as they are shown one by one; the other formats have the columns of a `VersionTable`.

    What is wrong with the question, and a format that cannot be written here, is raised by this call: MalformedInputError,
    NotAcceptableError. Whatever is raised later leaves the document without its end.
    """
    if written in {ExportFormat.ARROW, ExportFormat.PARQUET}:
        _require_arrow(written)
    groups = iter_found(database, namespace_id, question)
    if written is ExportFormat.JSONL:
        return _iter_lines(database, namespace_id, groups)
    with database.read() as connection:
        asked = parse_filter(question.filter) if question.filter and not question.filter.isspace() else None
        table = VersionTable(connection, namespace_id, asked)
    return _TABLES[written](table.columns, ([table.row(json.loads(row.record)) for row in rows] for rows in groups))


def _require_arrow(written: ExportFormat) -> None:
    try:
        check_arrow()
    except ImportError as error:
        message = (
            f"this registry cannot write {written.value}: on its machine, run pip install 'studbook[arrow]'; "
            "jsonl and csv need nothing more"
        )
        raise NotAcceptableError(message) from error


def _iter_lines(database: Database, namespace_id: int, groups: Iterator[Sequence[AnyRow]]) -> Generator[bytes, None, None]:
    for rows in groups:
        with database.read() as connection:
            aliases = find_aliases(connection, namespace_id, [row.id for row in rows])
        yield b"".join(show(row, {"aliases": aliases.get(row.id, [])}).body + b"\n" for row in rows)
