"""What a new version of a definition would do to the records there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from studbook.domain.canonical import JsonObject, canonical_json
from studbook.domain.errors import ConflictError, Violation
from studbook.schemas.compatibility import Compatibility, check_compatibility
from studbook.schemas.compatibility import find_attribute_faults as find_evolution_faults
from studbook.schemas.definition import Mode
from studbook.schemas.storage_map import described_version
from studbook.schemas.validation import Validator, compile_validator
from studbook.services.ingestion.resolution import load_record
from studbook.services.schemas.contracts import read_attributes
from studbook.storage import schemas as storage

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.engine import Connection

# The newest versions that are looked at, and how many are listed: the answer says when it was cut.
SCAN_LIMIT: Final = 200_000
_LISTED: Final = 20


@dataclass(frozen=True, slots=True)
class Judged:
    """How many stored versions a definition would refuse, of how many that were looked at; some of them by name."""

    looked_at: int
    invalid: int
    names: tuple[str, ...]
    complete: bool

    def as_json(self) -> JsonObject:
        """As it stands in an answer."""
        return {"looked_at": self.looked_at, "invalid": self.invalid, "versions": list(self.names), "complete": self.complete}

    def sentence(self) -> str:
        """The same in words."""
        if not self.invalid:
            return f"none of the {self.looked_at:,} stored versions would become invalid"
        named = ", ".join(self.names[:5]) + (", …" if self.invalid > len(self.names[:5]) else "")
        return f"{self.invalid:,} of {self.looked_at:,} stored versions would become invalid: {named}"


def judge_stored(connection: Connection, namespace_id: int, schema_id: UUID, number: int, validator: Validator) -> Judged:
    """Hold the versions of the models that a definition's version `number` would apply to against it."""
    models = []
    for model in storage.list_schema_models(connection, namespace_id, schema_id):
        chosen = load_record(model.record)["schema"]
        if (chosen["min_version"] or 1) <= number <= (chosen["max_version"] or 2**31):
            models.append(model.id)
    looked_at, invalid = 0, 0
    names: list[str] = []
    for rows in storage.iter_versions_of(connection, namespace_id, models, SCAN_LIMIT):
        for row in rows:
            looked_at += 1
            record = load_record(row.record)
            if not validator.is_valid(described_version(record)):
                invalid += 1
                if len(names) < _LISTED:
                    names.append(record["name"])
    return Judged(looked_at, invalid, tuple(names), looked_at < SCAN_LIMIT)


def compare(connection: Connection, namespace_id: int, record: JsonObject) -> tuple[Compatibility, list[Violation], UUID | None]:
    """A version of a definition against the published ones before it: what breaks, and what is wrong with its attributes."""
    head = storage.find_definition(connection, namespace_id, record["schema"])
    published = storage.list_published(connection, namespace_id, [head.id]) if head else []
    earlier = [version for version in published if version.number < record["number"]]
    records = storage.find_schema_records(connection, namespace_id, [version.id for version in earlier])
    loaded = [(version.number, load_record(records[version.id])) for version in earlier]
    # The promise that holds is the one made last; a version that promises less binds the one after it.
    mode = Mode(loaded[-1][1]["compatibility"]) if loaded else Mode.NONE
    compatibility = check_compatibility(record["json_schema"], [(number, one["json_schema"]) for number, one in loaded], mode)
    faults = find_evolution_faults(read_attributes(record), [read_attributes(one) for _, one in loaded])
    return compatibility, faults, head.id if head else None


def check_evolution(connection: Connection, namespace_id: int, record: JsonObject, *, counting: bool = True) -> None:
    """Raise ConflictError when a draft breaks what the definition promises.

    With `counting` the error says which stored versions would become invalid.
    """
    compatibility, faults, schema_id = compare(connection, namespace_id, record)
    if compatibility.compatible and not faults:
        return
    violations = list(faults)
    for broken in compatibility.breaks:
        shown = "" if broken.witness is None else f"; for example {canonical_json(broken.witness).decode()[:500]}"
        violations.append(Violation("/json_schema", "incompatible_schema", broken.message + shown))
    if counting and compatibility.breaks and schema_id is not None:
        judged = judge_stored(connection, namespace_id, schema_id, record["number"], compile_validator(record["json_schema"]))
        violations.append(Violation("/json_schema", "stored_versions", judged.sentence()))
    message = f"version {record['number']} of {record['schema']!r} cannot be published as it stands; nothing was changed"
    raise ConflictError(message, violations)
