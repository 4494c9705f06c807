"""What can be asked about, and what a name in a filter means."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from studbook.filters.literals import show
from studbook.filters.printing import format_field
from studbook.filters.tree import METRICS, Field

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_OFFERED: Final = 3
# The open sets that a bare key most likely belongs to come first.
_LIKELY: Final = (METRICS, "params", "tags")
# A longer name resembles nothing that a person misspelt, and comparing it would only cost time.
_COMPARED: Final = 80


class FieldType(StrEnum):
    """What a field holds, which says what it can be compared with."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"
    # A day without a clock.
    DATE = "date"
    DURATION = "duration"
    # Text, a number or a boolean: compared as the value of the filter is.
    SCALAR = "scalar"
    # Several texts, such as aliases or owners; a condition asks for one of them.
    SET = "set"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The fields that a filter may name.

    `fields` has exact dotted names, and names with their qualifier (`license@tabular`); `open_sets` has prefixes whose next
    segment is any key (`params`, `tags`, `metrics`), also with a qualifier; `refused` has names that cannot be asked, each
    with a sentence that says why, and what to do instead.
    """

    fields: Mapping[str, FieldType]
    open_sets: Mapping[str, FieldType] = field(default_factory=lambda: MappingProxyType({}))
    refused: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class FieldFaultError(ValueError):
    """The field cannot be asked; the message says why, and what may have been meant."""


def resolve_field(asked: Field, catalogue: Catalogue, *, suggest: bool = True) -> tuple[Field, FieldType]:
    """The field as it is stored, with the key of an open set as one segment, and what it holds.

    Raises FieldFaultError. `suggest` looks for names like one that is unknown, which takes milliseconds in a large catalogue.
    """
    _check_refused(asked, catalogue)
    found = _find_exact(asked, catalogue) or _find_in_open_set(asked, catalogue)
    if found is None:
        raise FieldFaultError(_find_qualifier_fault(asked, catalogue) or _explain_unknown(asked, catalogue, suggest=suggest))
    if asked.labels and found[0].name[0] != METRICS:
        bare = format_field(replace(asked, labels=()))
        raise FieldFaultError(f"{show(bare)} takes no labels in braces: only metrics are measured on slices")
    return found


def _check_refused(asked: Field, catalogue: Catalogue) -> None:
    dotted = ".".join(asked.name)
    prefixes = (".".join(asked.name[:length]) for length in range(len(asked.name), 0, -1))
    for name in (f"{dotted}@{asked.qualifier}", *prefixes):
        if name in catalogue.refused and dotted not in catalogue.fields:
            raise FieldFaultError(f"{show(format_field(asked))} cannot be asked: {catalogue.refused[name]}")


def _find_exact(asked: Field, catalogue: Catalogue) -> tuple[Field, FieldType] | None:
    # A quoted segment with a dot in it is one key, and no exact name has such.
    if any("." in segment for segment in asked.name):
        return None
    kind = catalogue.fields.get(".".join(asked.name) + _suffix(asked))
    return None if kind is None else (asked, kind)


def _find_in_open_set(asked: Field, catalogue: Catalogue) -> tuple[Field, FieldType] | None:
    for length in range(len(asked.name) - 1, 0, -1):
        prefix = ".".join(asked.name[:length])
        # The qualifier of a metric is the dataset it was measured on, so it may be anything.
        kind = catalogue.open_sets.get(prefix if prefix == METRICS else prefix + _suffix(asked))
        if kind is not None:
            return replace(asked, name=(*asked.name[:length], ".".join(asked.name[length:]))), kind
    return None


def _suffix(asked: Field) -> str:
    return "" if asked.qualifier is None else f"@{asked.qualifier}"


def _find_qualifier_fault(asked: Field, catalogue: Catalogue) -> str | None:
    bare = Field(asked.name)
    shown = show(format_field(bare))
    qualified = sorted(_qualifiers(".".join(asked.name), catalogue))
    if asked.qualifier is None:
        return f"{shown} is told apart by a qualifier; write {_offer(qualified)}" if qualified else None
    if qualified:
        return f"{shown} is not qualified by {show(asked.qualifier)}; write {_offer(qualified)}"
    if _find_exact(bare, catalogue) or _find_in_open_set(bare, catalogue):
        return f"{shown} takes no qualifier; write {shown} without `@`"
    return None


def _explain_unknown(asked: Field, catalogue: Catalogue, *, suggest: bool) -> str:
    shown = show(format_field(Field(asked.name)))
    dotted = ".".join(asked.name)
    if dotted in catalogue.open_sets:
        return f"{shown} is a set of keys; write the key after a dot, as in `{dotted}.key`"
    offered = list(dict.fromkeys(_resembling(asked, dotted, catalogue))) if suggest else []
    if offered or (offered := _places_of_key(asked, catalogue)):
        return f"{shown} is not a field; did you mean {_offer(offered)}?"
    if suggest and catalogue.fields:
        return f"{shown} is not a field; fields are {_offer(list(catalogue.fields), ', ')} and others"
    return f"{shown} is not a field"


def _qualifiers(dotted: str, catalogue: Catalogue) -> Iterator[str]:
    # With a key of an open set, the qualifiers are those of the set.
    for name in (*catalogue.fields, *catalogue.open_sets):
        before, mark, after = name.partition("@")
        if mark and (before == dotted or (name in catalogue.open_sets and dotted.startswith(f"{before}."))):
            yield f"{dotted}@{after}"


def _resembling(asked: Field, dotted: str, catalogue: Catalogue) -> Iterator[str]:
    """Names like the one that is asked: in other letters, with its beginning or its end left out, misspelt."""
    names = {name.lower(): name for name in catalogue.fields}
    lowered = dotted[:_COMPARED].lower()
    if lowered in names:
        yield names[lowered]
    yield from (name for name in catalogue.fields if name.partition("@")[0].endswith(f".{dotted}"))
    yield from (name for name in catalogue.fields if name.startswith(f"{dotted}."))
    prefixes = [prefix for prefix in catalogue.open_sets if prefix.isidentifier()]
    first, *others = asked.name
    for prefix in get_close_matches(first[:_COMPARED].lower(), prefixes, n=1):
        yield format_field(Field((prefix, ".".join(others) or "key")))
    yield from (names[name] for name in get_close_matches(lowered, names, n=_OFFERED, cutoff=0.7))


def _places_of_key(asked: Field, catalogue: Catalogue) -> list[str]:
    """Where a bare name would stand if it is the key of an open set."""
    if len(asked.name) > 1:
        return []
    return [format_field(Field((prefix, asked.name[0]))) for prefix in _LIKELY if prefix in catalogue.open_sets]


def _offer(names: Iterable[str], last: str = " or ") -> str:
    shown = [show(name) for name in list(names)[:_OFFERED]]
    return last.join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)
