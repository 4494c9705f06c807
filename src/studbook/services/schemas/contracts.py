"""What the versions of a model must satisfy: the version of a definition that holds for them, compiled.

A published version never changes, so what is compiled from it is kept for the life of the process.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import UUID

from studbook.domain.canonical import read_canonical
from studbook.domain.errors import ConflictError, InvalidDocumentError
from studbook.schemas.definition import Attribute, Describes
from studbook.schemas.standards import list_standards
from studbook.schemas.storage_map import StorageMap, compile_map, described_version, said
from studbook.schemas.validation import Validator, compile_validator
from studbook.storage import schemas as storage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Sequence

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.domain.documents import SchemaChoice, VersionPart
    from studbook.domain.errors import Violation
    from studbook.storage.schemas import PublishedVersion

_KEPT: Final = 1000
# A model's choice of a definition that leaves every version open.
ANY_VERSION: Final = {"min_version": None, "max_version": None}
ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class Contract:
    """A version of a definition, and the places of the attributes of all its versions."""

    schema: str
    number: int
    validator: Validator
    storage_map: StorageMap

    def as_json(self) -> JsonObject:
        """As it stands in the record of a version that was held against it."""
        return {"name": self.schema, "id": str(self.storage_map.schema_id), "version": self.number}


class _Compiled:
    """What was compiled last, by what it was compiled from."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, object] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], ValueT]) -> ValueT:
        """The value of a key, made when it is not there."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]  # type: ignore[return-value]
        value = make()
        with self._lock:
            self._kept[key] = value
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return value


_compiled: Final = _Compiled()


def load_maps(
    connection: Connection, namespace_id: int, schema_ids: Collection[UUID] | None = None, *, lock: bool = False
) -> dict[UUID, StorageMap]:
    """The storage maps of definitions that have a published version (of all, without `schema_ids`)."""
    published = storage.list_published(connection, namespace_id, schema_ids, lock=lock)
    return {schema_id: _load_map(connection, namespace_id, versions) for schema_id, versions in _by_definition(published).items()}


def find_map(connection: Connection, namespace_id: int, model: str) -> StorageMap | None:
    """The storage map of the definition that a model has, which stays as it is until the transaction ends."""
    schema_id = storage.find_models_schema(connection, namespace_id, model)
    return load_maps(connection, namespace_id, [schema_id], lock=True).get(schema_id) if schema_id else None


def find_choices(connection: Connection, namespace_id: int, choices: dict[str, SchemaChoice]) -> dict[str, JsonObject | None]:
    """What the record of each model will say of the definition it is to have; None where there is no such definition."""
    names = {choice.name for choice in choices.values()}
    rows = {name: storage.find_definition(connection, namespace_id, name) for name in names}
    ids = {
        name: str(row.id)
        for name, row in rows.items()
        if row is not None and read_canonical(row.record)["describes"] == Describes.MODEL_VERSION
    }
    return {
        model: {**choice.model_dump(), "id": ids[choice.name]} if choice.name in ids else None
        for model, choice in choices.items()
    }


def unknown_schema(name: str) -> str:
    """What to say of a definition that a model cannot have."""
    known = f"; adopt it first: studbook schema adopt {name}" if name in list_standards() else ""
    return f"there is no schema definition of model versions called {name[:80]!r} in this namespace{known}"


def load_contracts(
    connection: Connection, namespace_id: int, choices: dict[str, JsonObject]
) -> dict[str, Contract | ConflictError]:
    """The contract of each model from what its record says of its definition; an error where no version is in its range."""
    wanted = {UUID(chosen["id"]) for chosen in choices.values()}
    published = _by_definition(storage.list_published(connection, namespace_id, wanted, lock=True))
    contracts: dict[str, Contract | ConflictError] = {}
    for model, chosen in choices.items():
        versions = published.get(UUID(chosen["id"]), [])
        held = choose_version(versions, chosen)
        if held is None:
            contracts[model] = no_version(chosen)
        else:
            contracts[model] = _contract(connection, namespace_id, held, versions)
    return contracts


def find_contract(connection: Connection, namespace_id: int, schema_id: UUID, number: int) -> Contract | None:
    """The contract of a version of a definition, if it is published."""
    versions = storage.list_published(connection, namespace_id, [schema_id])
    held = next((version for version in versions if version.number == number), None)
    return _contract(connection, namespace_id, held, versions) if held else None


def choose_version(versions: Sequence[PublishedVersion], chosen: JsonObject) -> PublishedVersion | None:
    """The newest version in a model's range; one that is deprecated only where no other is."""
    low, high = chosen["min_version"] or 1, chosen["max_version"] or 2**31
    within = [version for version in versions if low <= version.number <= high]
    current = [version for version in within if version.status == storage.PUBLISHED]
    return (current or within or [None])[-1]  # type: ignore[list-item]


def no_version(chosen: JsonObject) -> ConflictError:
    """What to say when a definition has no version in a model's range."""
    low, high = chosen["min_version"], chosen["max_version"]
    span = "" if low is None and high is None else f" between {low or 1} and {high or 'the newest'}"
    message = f"the definition {chosen['name']!r} has no published version{span}; publish one (studbook schema publish)"
    return ConflictError.at("/schema", "schema_unpublished", message)


def described_part(part: VersionPart) -> JsonObject:
    """What a document says of a version, as a definition describes it; the counterpart of `described_version`."""
    described: JsonObject = {
        name: value for name in ("parameters", "tags", "attributes", "identifiers") if (value := getattr(part, name))
    }
    if part.description is not None:
        described["description"] = part.description
    for name in ("metrics", "artifacts"):
        if entries := getattr(part, name):
            described[name] = [said(entry.__dict__) for entry in entries]
    return described


def find_breaches(
    contract: Contract, described: JsonObject, prefix: tuple[str | int, ...], personal: Sequence[str]
) -> list[Violation]:
    """Everything in a described document that breaks a contract; nothing personal is repeated."""
    if contract.validator.is_valid(described):
        return contract.storage_map.find_faults(described, prefix)
    return contract.validator.find_faults(described, prefix, hidden=personal)


def check_change(connection: Connection, namespace_id: int, before: JsonObject, after: JsonObject) -> None:
    """Raise InvalidDocumentError when a version would break by a change what it satisfied when it was registered."""
    held = after.get("schema")
    described = described_version(after)
    if held is None or described == described_version(before):
        return
    contract = find_contract(connection, namespace_id, UUID(held["id"]), held["version"])
    if contract is not None and (faults := find_breaches(contract, described, (), after["personal"])):
        message = f"the version would no longer satisfy version {contract.number} of the definition {contract.schema!r}"
        raise InvalidDocumentError(message, faults)


def _by_definition(published: Sequence[PublishedVersion]) -> dict[UUID, list[PublishedVersion]]:
    found: dict[UUID, list[PublishedVersion]] = {}
    for version in published:
        found.setdefault(version.schema_id, []).append(version)
    return found


def _contract(
    connection: Connection, namespace_id: int, held: PublishedVersion, versions: Sequence[PublishedVersion]
) -> Contract:
    def compile_held() -> Validator:
        record = storage.find_schema_records(connection, namespace_id, [held.id])[held.id]
        return compile_validator(read_canonical(record)["json_schema"])

    validator = _compiled.get(("validator", held.id, held.revision), compile_held)
    return Contract(held.schema, held.number, validator, _load_map(connection, namespace_id, versions))


def _load_map(connection: Connection, namespace_id: int, versions: Sequence[PublishedVersion]) -> StorageMap:
    ids = [version.id for version in versions]

    def compile_versions() -> StorageMap:
        records = storage.find_schema_records(connection, namespace_id, ids)
        first = versions[0]
        read = [(version.number, read_canonical(records[version.id])) for version in versions]
        # Of other records nothing is searched by attribute.
        searched = read[0][1]["describes"] == Describes.MODEL_VERSION
        described = [(number, read_attributes(record)) for number, record in read] if searched else []
        return compile_map(first.schema_id, first.schema, first.table_number, described)

    return _compiled.get(("map", *((version.id, version.revision) for version in versions)), compile_versions)


def read_attributes(record: JsonObject) -> list[Attribute]:
    """The attributes of a stored version of a definition."""
    return [Attribute.model_validate(attribute) for attribute in record["attributes"]]
