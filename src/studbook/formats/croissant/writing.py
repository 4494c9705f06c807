"""Writes a dataset version as Croissant 1.0."""

from __future__ import annotations

import mimetypes
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from studbook.formats.croissant.words import CONTEXT, CROISSANT, RAI_LISTS, RAI_TEXTS, TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE: Final = "data"
_ROWS: Final = "rows"
_MEDIA_TYPES: Final = {".parquet": "application/x-parquet", ".pq": "application/x-parquet", ".csv": "text/csv"}


def write_croissant(record: Mapping[str, Any]) -> dict[str, Any]:
    """A dataset version's record, as the API answers it, as a Croissant document.

    The data is one file where the record has both a URI and a SHA-256, which Croissant asks of a file; without, the document
    describes the data alone, and its columns, which must say of which file they are, are left out.
    """
    profile = record.get("profile") or {}
    document: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": f"{CROISSANT}1.0",
        "name": record["dataset"],
        "description": record.get("description") or "",
        "license": record.get("license"),
        "url": record.get("uri"),
        "version": f"{record['number']}.0.0",
        "datePublished": record.get("created_at"),
        "citeAs": profile.get("citation"),
        **{word: profile.get(name) for name, word in (RAI_TEXTS | RAI_LISTS).items()},
    }
    document = {name: value for name, value in document.items() if value is not None}
    digest = record.get("digest") or ""
    if record.get("uri") and digest.startswith("sha256:"):
        document["distribution"] = [_file(record["uri"], digest.removeprefix("sha256:"), profile.get("size_bytes"))]
        fields = _fields(record.get("schema"))
        if fields:
            document["recordSet"] = [{"@type": "cr:RecordSet", "@id": _ROWS, "name": _ROWS, "field": fields}]
    return document


def _file(uri: str, digest: str, size: int | None) -> dict[str, Any]:
    suffix = PurePosixPath(urlsplit(uri).path).suffix.lower()
    media_type = _MEDIA_TYPES.get(suffix) or mimetypes.guess_type(f"x{suffix}")[0] or "application/octet-stream"
    found = {
        "@type": "cr:FileObject",
        "@id": _FILE,
        "name": _FILE,
        "contentUrl": uri,
        "encodingFormat": media_type,
        "sha256": digest,
    }
    return found if size is None else {**found, "contentSize": f"{size} B"}


def _fields(schema: object) -> list[dict[str, Any]]:
    columns = schema.get("columns") if isinstance(schema, dict) else None
    if not isinstance(columns, list):
        return []
    named = [column for column in columns if isinstance(column, dict) and isinstance(column.get("name"), str)]
    return [
        {
            "@type": "cr:Field",
            "@id": f"{_ROWS}/{column['name']}",
            "name": column["name"],
            "dataType": TYPES.get(str(column.get("type")), "sc:Text"),
            "source": {"fileObject": {"@id": _FILE}, "extract": {"column": column["name"]}},
        }
        for column in named
    ]
