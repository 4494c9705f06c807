"""A document held against a JSON Schema (2020-12): whether it is valid, and if not, every fault with a way to mend it.

Nothing is fetched, patterns run on an engine without backtracking, and formats are checked. A fault's pointer leads to the
value that is wrong; for a member that is missing, to where it should stand; for one that is unknown, to the member.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs

from studbook.domain.errors import Violation
from studbook.domain.pointers import pointer
from studbook.schemas.sentences import Speaker
from studbook.schemas.subschemas import Subschemas, iter_subschemas
from studbook.schemas.workload import count_faults

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from studbook.schemas.subschemas import JsonSchema

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
# A pattern compiles to at most 4 MiB; `^.{1,1024}$` takes three. The engine never backtracks.
PATTERN_OPTIONS: Final = jsonschema_rs.RegexOptions(size_limit=4 << 20)
# How schemas are compared: as documents are judged.
CANONICAL_OPTIONS: Final[dict[str, Any]] = {
    "draft": jsonschema_rs.Draft202012,
    "offline": True,
    "validate_formats": True,
    "pattern_options": PATTERN_OPTIONS,
}
# The library copies the faulty value, and what would have been allowed, for each fault. A document and a schema whose copies
# could take more characters than this (measured: five bytes for each) are told their first fault alone.
_LISTING_LIMIT: Final = 16 << 20
_MASK: Final = "…"
# Keywords whose value is copied with each fault that they find.
_CHOICES: Final = ("enum", "const", "not")


@dataclass(frozen=True, slots=True)
class Validator:
    """A compiled JSON Schema. Threads may share it."""

    json_schema: JsonSchema
    compiled: jsonschema_rs.Validator
    # How many faults the values along one way can have; whether each name may have one more; the characters of the longest
    # list of allowed values.
    possible_faults: int
    judges_names: bool
    longest_choice: int

    def is_valid(self, document: Any) -> bool:  # noqa: ANN401 - any JSON value
        """Whether the document satisfies the schema."""
        return self.compiled.is_valid(document)

    def find_faults(
        self,
        document: Any,  # noqa: ANN401 - any JSON value
        prefix: tuple[str | int, ...] = (),
        limit: int = 100,
        *,
        hidden: Collection[str] = (),
    ) -> list[Violation]:
        """What is wrong with the document, at most `limit` faults; their pointers begin with `prefix`.

        At and beneath a pointer in `hidden` (with the prefix; the personal places) no value and no name is repeated.
        """
        if self.compiled.is_valid(document):
            return []
        complete = self._weigh(document) <= _LISTING_LIMIT
        errors = self.compiled.iter_errors(document) if complete else self._first(document)
        speaker = Speaker(self.json_schema, document, prefix, tuple(hidden))
        found: dict[Violation, None] = {}
        for violation in itertools.chain.from_iterable(speaker.tell(error) for error in errors):
            found[violation] = None
            if len(found) >= limit:
                break
        return list(found) if complete else [*found, Violation(pointer(prefix), "more_faults", _MORE_FAULTS)]

    def _weigh(self, document: Any) -> int:  # noqa: ANN401 - any JSON value
        """How many characters the library would copy at most."""
        values, most_members = 0, 0
        pending = [document]
        while pending:
            value = pending.pop()
            values += 1
            if isinstance(value, dict | list):
                most_members = max(most_members, len(value))
                pending.extend(value.values() if isinstance(value, dict) else value)
        faults = self.possible_faults + (most_members if self.judges_names else 0)
        return len(json.dumps(document)) * faults + values * self.longest_choice

    def _first(self, document: Any) -> Iterable[jsonschema_rs.ValidationError]:  # noqa: ANN401 - any JSON value
        try:
            self.compiled.validate(document)
        except jsonschema_rs.ValidationError as error:
            return [error]
        return []


_MORE_FAULTS: Final = "the document is too large to list every fault; mend this one and send it again"


def compile_validator(json_schema: JsonSchema) -> Validator:
    """The validator of a JSON Schema that `find_schema_faults` finds nothing wrong with.

    Raises ValueError for some of those it would refuse.
    """
    schemas = [schema for _, schema in iter_subschemas(json_schema) if isinstance(schema, dict)]
    choices = [len(json.dumps(schema[keyword])) for schema in schemas for keyword in _CHOICES if keyword in schema]
    return Validator(
        json_schema,
        compile_schema(json_schema),
        possible_faults=count_faults(Subschemas.of(json_schema), _LISTING_LIMIT),
        judges_names=any("propertyNames" in schema for schema in schemas),
        longest_choice=max(choices, default=0),
    )


def compile_schema(json_schema: JsonSchema) -> jsonschema_rs.Validator:
    """The library's validator, as Studbook sets it up. Raises ValueError where the schema cannot be compiled."""
    return jsonschema_rs.Draft202012Validator(
        json_schema, offline=True, validate_formats=True, pattern_options=PATTERN_OPTIONS, mask=_MASK
    )


def canonicalize(json_schema: JsonSchema) -> jsonschema_rs.CanonicalSchema:
    """The schema as a set of documents that can be compared. Raises ValueError where it cannot be read."""
    return jsonschema_rs.canonicalize(json_schema, **CANONICAL_OPTIONS)
