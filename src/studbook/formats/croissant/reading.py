"""Reads Croissant 1.0 and 1.1 into a dataset of an ingestion document.

What is read is the compact form that the specification prescribes, where words of schema.org and Croissant may carry their
prefix. No context is fetched and no `@id` followed, so a document that refers to itself leads nowhere.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from studbook.formats.croissant.words import CROISSANT, RAI_LISTS, RAI_TEXTS, SCHEMA_ORG, TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

# The largest documents of public catalogues, with examples in them, have a few megabytes.
SIZE_LIMIT: Final = 16 * 2**20
_DEPTH: Final = 64
_FIELDS: Final = 10_000
_FILES: Final = 1_000
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)
_SIZE: Final = re.compile(r"([0-9]{1,15}) ?B?")
_SPDX: Final = re.compile(r"https?://spdx\.org/licenses/([A-Za-z0-9.+-]+?)(?:\.html)?/?")
_PREFIXES: Final = ("sc:", "schema:", "cr:", SCHEMA_ORG, "http://schema.org/", CROISSANT, "https://mlcommons.org/croissant/")
_KINDS: Final = {word.removeprefix("sc:").lower(): kind for kind, word in TYPES.items()} | {
    **{f"{sign}int{bits}": "integer" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": "number" for bits in (16, 32, 64)},
    "number": "number",
    "url": "text",
}


class CroissantError(ValueError):
    """The text is no Croissant that can be read; the message says what is wrong."""


def read_croissant(text: bytes) -> dict[str, Any]:
    """A dataset of an ingestion document; what has no place in its profile stands under `profile.extra.croissant`.

    The digest is that of the data where it is a single file with a SHA-256; of several files there is none, as the document gives
    no digest of the whole.

    Raises CroissantError.
    """
    document = _plain(_parse(text))
    kind = document.get("@type")
    if "Dataset" not in {_bare(name) for name in (kind if isinstance(kind, list) else [kind]) if isinstance(name, str)}:
        raise CroissantError("the document is no Croissant: its @type is not sc:Dataset")
    name = _text(document.get("name"))
    if not name:
        raise CroissantError("the document has no name; Croissant requires one")
    files = [_plain(entry) for entry in _objects(document.get("distribution"), _FILES, "distribution")]
    only = files[0] if len(files) == 1 else {}
    digest = _text(only.get("sha256")) or ""
    entry = {
        "name": name,
        "digest": f"sha256:{digest.lower()}" if _SHA256.fullmatch(digest) else None,
        "uri": _text(only.get("contentUrl")) or _text(document.get("url")),
        "license": _license(document.get("license")),
        "description": _text(document.get("description")),
        "schema": _schema(document),
        "profile": _profile(document, files),
    }
    return {member: value for member, value in entry.items() if value is not None}


def _parse(text: bytes) -> dict[str, Any]:
    if len(text) > SIZE_LIMIT:
        raise CroissantError(f"the document has {len(text)} bytes; at most {SIZE_LIMIT} are read")
    try:
        document = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise CroissantError(f"the document is no JSON that can be read: {str(error)[:200]}") from error
    if not isinstance(document, dict):
        raise CroissantError("the document is not a JSON object")
    layer = [document]
    for _ in range(_DEPTH):
        layer = [inner for outer in layer for inner in (outer.values() if isinstance(outer, dict) else outer)]
        layer = [inner for inner in layer if isinstance(inner, dict | list)]
        if not layer:
            return document
    raise CroissantError(f"the document is nested more than {_DEPTH} deep")


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def _plain(entry: dict[str, Any]) -> dict[str, Any]:
    """The members under their words without prefix; the RAI vocabulary keeps its own."""
    return {_bare(name): value for name, value in entry.items()}


def _bare(word: str) -> str:
    if word.startswith(f"{CROISSANT}RAI/"):
        return "rai:" + word.removeprefix(f"{CROISSANT}RAI/")
    return next((word.removeprefix(prefix) for prefix in _PREFIXES if word.startswith(prefix)), word)


def _objects(value: Any, limit: int, what: str) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any JSON value
    listed = value if isinstance(value, list) else [value]
    if len(listed) > limit:
        raise CroissantError(f"{what} has {len(listed)} entries; at most {limit} are read")
    return (entry for entry in listed if isinstance(entry, dict))


def _texts(value: Any) -> list[str]:  # noqa: ANN401 - any JSON value
    """The texts of a value: one, several, or of language-tagged values."""
    listed = value if isinstance(value, list) else [value]
    found = [entry.get("@value", entry.get("url")) if isinstance(entry, dict) else entry for entry in listed]
    return [text for text in found if isinstance(text, str) and text]


def _text(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    return next(iter(_texts(value)), None)


def _license(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    text = _text(value)
    match = _SPDX.fullmatch(text) if text else None
    return match[1] if match else text


def _schema(document: dict[str, Any]) -> dict[str, Any] | None:
    sets = [_plain(entry) for entry in _objects(document.get("recordSet"), _FIELDS, "recordSet")]
    columns = [column for entry in sets for column in _columns(entry, several=len(sets) > 1)]
    if len(columns) > _FIELDS:
        raise CroissantError(f"the record sets have {len(columns)} fields; at most {_FIELDS} are read")
    return {"columns": columns} if columns else None


def _columns(entry: dict[str, Any], *, several: bool) -> Iterator[dict[str, Any]]:
    """The fields of a record set, named after it too where there are several."""
    prefix = f"{_text(entry.get('name')) or _text(entry.get('@id')) or ''}/" if several else ""
    for field in map(_plain, _objects(entry.get("field"), _FIELDS, "field")):
        name = _text(field.get("name")) or _text(field.get("@id"))
        if name:
            words = [_bare(word) for word in _texts(field.get("dataType"))]
            kind = next((_KINDS[word.lower()] for word in words if word.lower() in _KINDS), words[0] if words else None)
            yield {"name": prefix + name} | ({"type": kind} if kind else {})


def _profile(document: dict[str, Any], files: list[dict[str, Any]]) -> dict[str, Any]:
    profile: dict[str, Any] = {"citation": _text(document.get("citeAs"))}
    profile |= {name: _text(document.get(word)) for name, word in RAI_TEXTS.items()}
    profile |= {name: _texts(document.get(word)) or None for name, word in RAI_LISTS.items()}
    if len(files) == 1 and (size := _SIZE.fullmatch(_text(files[0].get("contentSize")) or "")):
        profile["size_bytes"] = int(size[1])
    live = document.get("isLiveDataset")
    kept = {
        "conforms_to": _text(document.get("conformsTo")),
        "version": _text(document.get("version")),
        "url": _text(document.get("url")),
        "published": _text(document.get("datePublished")),
        "live": live if isinstance(live, bool) else None,
        "files": [_file(entry) for entry in files] or None,
    }
    profile["extra"] = {"croissant": {name: value for name, value in kept.items() if value is not None}}
    return {name: value for name, value in profile.items() if value is not None}


def _file(entry: dict[str, Any]) -> dict[str, str]:
    members = ("@type", "@id", "name", "contentUrl", "encodingFormat", "sha256", "includes")
    return {member.strip("@"): text for member in members if (text := _text(entry.get(member)))}
