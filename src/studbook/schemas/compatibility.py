"""What a new version of a definition breaks: documents that one version accepts and the other refuses, and attributes.

*Backward* means that the new version reads what the earlier one accepts; *forward* that the earlier one reads what the new
one accepts. The library proves either, or its opposite, or leaves it open; what is open counts as broken, unless the schemas
are the same. A break is shown by a document wherever one is found, and a document settles what was open.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jsonschema_rs.canonical import Containment

from studbook.domain.canonical import canonical_json
from studbook.domain.errors import Violation
from studbook.domain.pointers import pointer
from studbook.schemas.changes import describe_changes
from studbook.schemas.definition import Attribute, Mode, Store, ValueType
from studbook.schemas.examples import iter_examples
from studbook.schemas.subschemas import ANNOTATIONS, APPLICATORS, Subschemas
from studbook.schemas.validation import Validator, canonicalize, compile_validator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jsonschema_rs import CanonicalSchema

    from studbook.schemas.subschemas import JsonSchema

BACKWARD: Final = "backward"
FORWARD: Final = "forward"
_DIRECTIONS: Final = {
    Mode.BACKWARD: (BACKWARD,),
    Mode.BACKWARD_TRANSITIVE: (BACKWARD,),
    Mode.FORWARD: (FORWARD,),
    Mode.FORWARD_TRANSITIVE: (FORWARD,),
    Mode.FULL: (BACKWARD, FORWARD),
    Mode.FULL_TRANSITIVE: (BACKWARD, FORWARD),
    Mode.NONE: (),
}
_TRANSITIVE: Final = frozenset({Mode.BACKWARD_TRANSITIVE, Mode.FORWARD_TRANSITIVE, Mode.FULL_TRANSITIVE})
# How many proposals for a witness are tried.
_PROPOSALS: Final = 400


@dataclass(frozen=True, slots=True)
class Break:
    """What a mode promises and the new version does not keep, towards one earlier version."""

    version: int
    # 'backward' or 'forward'.
    direction: str
    # False where it is not proven, only not disproven.
    certain: bool
    message: str
    # A document that one version accepts and the other refuses, where one was found.
    witness: Any = None


@dataclass(frozen=True, slots=True)
class Compatibility:
    """Whether a new version keeps what its mode promises; and, in words, what differs from the version before it."""

    compatible: bool
    breaks: tuple[Break, ...]
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Compared:
    """A JSON Schema in the two forms that a comparison needs."""

    json_schema: JsonSchema
    validator: Validator
    canonical: CanonicalSchema | None

    @classmethod
    def of(cls, json_schema: JsonSchema) -> _Compared:
        try:
            canonical = canonicalize(json_schema)
        except ValueError:
            canonical = None
        return cls(json_schema, compile_validator(json_schema), canonical)


def check_compatibility(new: JsonSchema, earlier: Sequence[tuple[int, JsonSchema]], mode: Mode) -> Compatibility:
    """Hold a new JSON Schema against earlier versions (number, schema; the newest last), as the mode asks.

    The plain modes look at the newest earlier version, those that are transitive at each. All schemas are such that
    `find_schema_faults` finds nothing wrong with them.
    """
    if not earlier:
        return Compatibility(compatible=True, breaks=())
    changes = tuple(describe_changes(earlier[-1][1], new))
    read = _Compared.of(new)
    breaks: list[Break] = []
    for number, json_schema in (earlier if mode in _TRANSITIVE else earlier[-1:]) if _DIRECTIONS[mode] else ():
        if _rules(json_schema) != _rules(new):
            old = _Compared.of(json_schema)
            found = (_find_break(read, old, number, direction) for direction in _DIRECTIONS[mode])
            breaks.extend(broken for broken in found if broken is not None)
    return Compatibility(compatible=not breaks, breaks=tuple(breaks), changes=changes)


def _rules(json_schema: JsonSchema) -> bytes:
    """What a schema says, apart from what it says to people: schemas of the same rules accept the same documents."""
    judging = {
        place: schema
        if isinstance(schema, bool)
        else {keyword: value for keyword, value in schema.items() if keyword not in ANNOTATIONS | APPLICATORS}
        for place, schema in Subschemas.of(json_schema).by_pointer.items()
    }
    return canonical_json(judging)


def _find_break(new: _Compared, old: _Compared, number: int, direction: str) -> Break | None:
    reader, writer = (new, old) if direction == BACKWARD else (old, new)
    covered = _covers(reader, writer)
    if covered == Containment.YES:
        return None
    witness = _find_witness(reader, writer)
    writes, reads = (
        (f"version {number}", "the new version") if direction == BACKWARD else ("the new version", f"version {number}")
    )
    if witness is None:
        certain = covered == Containment.NO
        message = f"{writes} accepts documents that {reads} refuses"
        if not certain:
            message = f"it is not proven that {reads} accepts every document that {writes} does, so it counts as incompatible"
        return Break(number, direction, certain, message)
    faults = reader.validator.find_faults(witness.document, limit=3)
    reasons = "; ".join(f"at {fault.pointer or 'the top'}: {fault.message}" for fault in faults)
    message = f"{writes} accepts documents that {reads} refuses: {reasons}"
    return Break(number, direction, certain=True, message=message, witness=witness.document)


@dataclass(frozen=True, slots=True)
class _Witness:
    """A document, which may be null."""

    document: Any


def _covers(reader: _Compared, writer: _Compared) -> Containment:
    if reader.canonical is None or writer.canonical is None:
        return Containment.UNKNOWN
    try:
        return reader.canonical.covers(writer.canonical)
    except ValueError:
        return Containment.UNKNOWN


def _find_witness(reader: _Compared, writer: _Compared) -> _Witness | None:
    """A document that the writer accepts and the reader refuses, as both validators say."""
    for proposal in itertools.islice(_proposals(reader, writer), _PROPOSALS):
        if writer.validator.is_valid(proposal) and not reader.validator.is_valid(proposal):
            return _Witness(proposal)
    return None


def _proposals(reader: _Compared, writer: _Compared) -> Iterator[Any]:
    """Examples of the difference of both schemas where the library can reckon it, then examples of what is written."""
    difference: Any = False
    if reader.canonical is not None and writer.canonical is not None:
        try:
            difference = writer.canonical.subtract(reader.canonical).to_json_schema()
        except ValueError:
            difference = False
    yield from itertools.islice(iter_examples(difference), _PROPOSALS // 2)
    yield from iter_examples(writer.json_schema)


def find_attribute_faults(new: Sequence[Attribute], earlier: Sequence[Sequence[Attribute]]) -> list[Violation]:
    """What new attributes do to the ids of earlier versions (the newest last).

    An id keeps its path, its type (unless that is `any`) and which of several values it takes, and is never given to another
    path, not even after it was left out. Its name may change.
    """
    known: dict[int, Attribute] = {}
    for attributes in earlier:
        known |= {attribute.id: attribute for attribute in attributes}
    current = {attribute.id for attribute in earlier[-1]} if earlier else set()
    faults: list[Violation] = []
    names: dict[str, int] = {}
    for index, attribute in enumerate(new):
        found = list(_moved(attribute, known[attribute.id], gone=attribute.id not in current)) if attribute.id in known else []
        first = names.setdefault(attribute.name, index)
        if first != index and new[first].id != attribute.id:
            found.append(
                ("name", "duplicate_name", f"{attribute.name!r} is the name of the id {new[first].id} too; choose another")
            )
        faults.extend(Violation(pointer(("attributes", index, field)), code, message) for field, code, message in found)
    return faults


def _moved(new: Attribute, old: Attribute, *, gone: bool) -> Iterator[tuple[str, str, str]]:
    """Field, code and message of what an id may not become."""
    if new.path != old.path:
        was = f"the id {new.id} {'was once' if gone else 'is'} that of {old.path or f'the alias {old.name!r}'}"
        yield "path", "path_changed", f"{was}, and an id keeps its path for ever; give the attribute an id that was never used"
        return
    # What was never typed has no column yet, so it may get one.
    if new.type is not old.type and old.type is not ValueType.ANY:
        message = f"the id {new.id} has the type {old.type.value!r}, and keeps it for ever; give {new.type.value!r} a new id"
        yield "type", "type_changed", message
    if new.aggregate is not old.aggregate:
        had = (
            f"takes the {old.aggregate.value!r} of several values"
            if old.aggregate
            else "does not say which of several values it takes"
        )
        yield "aggregate", "aggregate_changed", f"the id {new.id} {had}, and that stays; take a new id for another choice"
    if (new.store is Store.PRIVATE) is not (old.store is Store.PRIVATE):
        # What was searched once stands in tables that an erasure does not reach, and what was erased cannot be searched.
        message = f"the id {new.id} is {'not ' if new.store is Store.PRIVATE else ''}private, and that stays; take a new id"
        yield "store", "privacy_changed", message
    if new.unique and not old.unique:
        message = f"values of the id {new.id} may be stored more than once already; take a new id for one that is unique"
        yield "unique", "unique_added", message
