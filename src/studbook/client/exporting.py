"""Searches as files: all that is found, streamed from the registry, in constant memory here too."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args, overload

from studbook.client.addressing import Addressing
from studbook.client.ids import new_id

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from typing import BinaryIO

ExportFormat = Literal["jsonl", "csv", "arrow", "parquet"]

FORMATS: Final[tuple[ExportFormat, ...]] = get_args(ExportFormat)
_ENDINGS: Final[dict[str, ExportFormat]] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".parquet": "parquet",
}


class Exports(Addressing):
    """The call that takes all away that a search finds."""

    @overload
    def export(
        self,
        path: str | os.PathLike[str],
        *,
        filter: str | None = None,
        text: str | None = None,
        order_by: str | None = None,
        format: ExportFormat | None = None,
    ) -> Path: ...

    @overload
    def export(
        self,
        path: None = None,
        *,
        filter: str | None = None,
        text: str | None = None,
        order_by: str | None = None,
        format: ExportFormat | None = None,
    ) -> Iterator[bytes]: ...

    def export(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        filter: str | None = None,  # noqa: A002 - the word of the API
        text: str | None = None,
        order_by: str | None = None,
        format: ExportFormat | None = None,  # noqa: A002 - as above
    ) -> Path | Iterator[bytes]:
        """All model versions that a search finds, written to a file, whose path is returned; without a path, its bytes.

        `filter`, `text` and `order_by` are those of `search`; without an order the newest come first. `format` is jsonl (the
        records), csv, arrow (an IPC stream) or parquet (tables), by default what the path ends in, else jsonl. The file is
        there whole or not at all. The bytes come piece by piece, and UnreachableError says when they are not complete.

        Raises ValueError for an unknown ending, UnreachableError, RefusedError, OSError.
        """
        target = None if path is None else Path(path)
        written = format or ("jsonl" if target is None else format_of(target))
        params = {"filter": filter, "q": text, "order_by": order_by, "format": written}
        pieces = self._connection.pieces(("search", "export"), params)
        if target is None:
            return pieces
        with whole_file(target) as file:
            for piece in pieces:
                file.write(piece)
        return target


def format_of(path: Path) -> ExportFormat:
    """The format that a file's name ends in.

    Raises ValueError.
    """
    found = _ENDINGS.get(path.suffix.lower())
    if found is None:
        message = (
            f"{path.name!r} ends in no known format; end it in {', '.join(_ENDINGS)}, or name a format: {', '.join(FORMATS)}"
        )
        raise ValueError(message)
    return found


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its name once it is complete; what is no file, such as a pipe, is written as it is. Raises OSError."""
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    fresh = path.with_name(f".{path.name}.{new_id()}.new")
    try:
        with fresh.open("xb") as file:
            yield file
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
