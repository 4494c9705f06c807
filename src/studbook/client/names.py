"""Resource names and references, as far as the client must understand them to find an address.

The registry reads every form of reference itself; here only those are told apart that are an address already,
so that `NAME/3` costs one request and `sha256:…` two (resolve, then read).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable

_VERSION_NAME: Final = re.compile(r"(models|datasets)/([^/]+)/versions/([^/]+)")
_SHORTHAND: Final = re.compile(r"([^/@]+)(?:/(latest|[1-9][0-9]{0,9})|(@[^/@]+))")
_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_BY_ID: Final = re.compile(rf"(?:runs|deployments|tokens)/({_UUID.pattern})", re.IGNORECASE)
_IDENTIFIER: Final = re.compile(r"[a-z][a-z0-9_.+-]{0,31}:.+")


class Place(NamedTuple):
    """The address of a version: the family (`models` or `datasets`), the name, and number, `latest` or `@alias`."""

    family: str
    name: str
    version: str


def path_of(segments: Iterable[str]) -> str:
    """An address path: each segment percent-encoded once, slashes of a name included."""
    return "/".join(quote(segment, safe="") for segment in segments)


def reference_path(reference: str) -> str:
    """A reference as the end of an address. A resource name keeps the percent-encoding that its names have already."""
    if reference.startswith(("models/", "datasets/", "runs/", "deployments/")):
        return quote(reference, safe="/%@:+,;=!$'()*~")
    return path_of(reference.split("/"))


def find_place(reference: str) -> Place | None:
    """Where the version of a reference stands, or None when only the registry can tell."""
    if match := _VERSION_NAME.fullmatch(reference):
        family, name, version = match.groups()
        return Place(family, unquote(name), unquote(version))
    if _IDENTIFIER.fullmatch(reference):
        return None
    if match := _SHORTHAND.fullmatch(reference):
        name, version, alias = match.groups()
        return Place("models", unquote(name), version or unquote(alias))
    return None


def find_uuid(reference: str) -> str | None:
    """The UUID in `runs/UUID`, `deployments/UUID` or a bare UUID, or None."""
    if _UUID.fullmatch(reference):
        return reference
    match = _BY_ID.fullmatch(reference)
    return match[1] if match else None


def is_reference(text: str) -> bool:
    """Whether the text has the form of a reference rather than of a bare name."""
    return bool(find_place(text) or find_uuid(text) or _IDENTIFIER.fullmatch(text))
