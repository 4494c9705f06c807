"""The storage map: a definition's attributes compiled into where each is kept, and how it is taken out of a record.

A map covers all published versions of a definition, since the records under all of them stand in one table. An attribute is
known by its permanent id; its column is named after the id, so that another name costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from studbook.domain.canonical import scalar_text
from studbook.domain.errors import Violation
from studbook.domain.pointers import pointer
from studbook.schemas.definition import Aggregate, Attribute, Describes, Store, ValueType
from studbook.schemas.paths import AttributePath, parse_path
from studbook.schemas.values import EXPECTED, read_value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from uuid import UUID

    from studbook.domain.canonical import JsonObject


@dataclass(frozen=True, slots=True)
class StoredAttribute:
    """An attribute with its place: the newest published account of its id."""

    id: int
    names: tuple[str, ...]
    path: AttributePath
    type: ValueType
    store: Store
    described: Attribute
    since: int

    @property
    def index(self) -> bool:
        """Whether its column has an index; one that is unique has."""
        return self.described.index or self.described.unique

    @property
    def unique(self) -> bool:
        """Whether no two versions may have one value of it."""
        return self.described.unique

    @property
    def facet(self) -> bool:
        """Whether its values are counted."""
        return self.described.facet

    @property
    def aggregate(self) -> Aggregate:
        """Which of several metrics its column keeps."""
        return self.described.aggregate or Aggregate.LAST

    @property
    def name(self) -> str:
        """The name that is shown; the others are asked for alike."""
        return self.names[0]

    @property
    def column(self) -> str:
        """Its column in the definition's table."""
        return f"a{self.id}"


@dataclass(frozen=True, slots=True)
class OpenValue:
    """A member of an open set: a scalar as JSON text, and as a number where it is one."""

    attribute: int
    key: str
    value: str
    number: float | None


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a record's attributes put beside it."""

    columns: dict[str, Any]
    open_values: list[OpenValue]
    texts: list[str]
    # Attribute, URI, digest.
    artifacts: list[tuple[int, str | None, str | None]]


@dataclass(frozen=True, slots=True, eq=False)
class StorageMap:
    """Where the attributes of a definition are kept. `number` names its table, `schema_<number>`."""

    schema_id: UUID
    schema: str
    number: int
    attributes: tuple[StoredAttribute, ...]
    by_name: dict[str, StoredAttribute] = field(init=False)
    _groups: dict[Store, tuple[StoredAttribute, ...]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {name: stored for stored in self.attributes for name in stored.names})
        groups = {store: tuple(stored for stored in self.attributes if stored.store is store) for store in Store}
        object.__setattr__(self, "_groups", groups)

    def stored_as(self, store: Store) -> tuple[StoredAttribute, ...]:
        """The attributes with this location."""
        return self._groups[store]

    @property
    def columns(self) -> tuple[StoredAttribute, ...]:
        """The attributes that are columns of the definition's table."""
        return self._groups[Store.COLUMN]

    def extract(self, document: JsonObject, hidden: Collection[str] = ()) -> Extracted:
        """What a described document puts beside its record; nothing at or under a place in `hidden` (personal)."""
        return Extracted(
            columns={
                stored.column: None if hidden and _overlaps(stored.path, hidden) else column_value(stored, document)
                for stored in self.columns
            },
            open_values=[value for stored in self._groups[Store.KEY_VALUE] for value in _open_values(stored, document, hidden)],
            texts=[text for _, text in self.iter_texts(document, hidden)],
            artifacts=[
                (stored.id, found.get("uri"), found.get("digest"))
                for stored in self._groups[Store.ARTIFACT]
                if isinstance(found := stored.path.find(document), dict) and not (hidden and _overlaps(stored.path, hidden))
            ],
        )

    def iter_texts(self, document: JsonObject, hidden: Collection[str] = ()) -> Iterator[tuple[str, str]]:
        """The texts whose words are searched, each with its JSON Pointer; nothing at or under a place in `hidden` (personal)."""
        for stored in self._groups[Store.FULL_TEXT]:
            for place, text in _strings(stored.path.steps, stored.path.find(document)):
                if not _is_within(place, hidden):
                    yield place, text

    def find_private(self, document: JsonObject) -> Iterator[str]:
        """The places of the document that the definition calls personal and that hold something."""
        for stored in self._groups[Store.PRIVATE]:
            if stored.path.find(document) is not None:
                yield stored.path.pointer

    def find_faults(self, document: JsonObject, prefix: tuple[str | int, ...]) -> list[Violation]:
        """The values that their columns cannot hold."""
        faults = []
        for stored in self._groups[Store.COLUMN]:
            value = None if stored.path.metric else stored.path.find(document)
            if value is not None and read_value(stored.type, value) is None:
                message = f"{stored.name!r} is {EXPECTED[stored.type]} by its definition {self.schema!r}"
                faults.append(Violation(pointer((*prefix, *stored.path.steps)), "wrong_type", message))
        return faults


def _overlaps(path: AttributePath, hidden: Collection[str]) -> bool:
    """Whether a value is personal, or has something personal in it."""
    place = path.pointer
    return _is_within(place, hidden) or any(other.startswith(f"{place}/") for other in hidden)


def _is_within(place: str, hidden: Collection[str]) -> bool:
    return any(place == other or place.startswith(f"{other}/") for other in hidden)


def column_value(stored: StoredAttribute, document: JsonObject) -> Any:  # noqa: ANN401 - what a column keeps
    """What an attribute's column keeps for a document."""
    if stored.path.metric is None:
        return read_value(stored.type, stored.path.find(document))
    values = [entry["value"] for entry in document.get("metrics") or () if measures(entry, stored.path.metric)]
    if not values:
        return None
    if stored.aggregate is Aggregate.LAST:
        return read_value(stored.type, values[-1])
    return read_value(stored.type, max(values) if stored.aggregate is Aggregate.MAX else min(values))


def measures(entry: JsonObject, wanted: tuple[str, str | None, str | None]) -> bool:
    """Whether a metric of a record is one that a path means: measured on the whole, not on a slice."""
    name, dataset, split = wanted
    if entry["name"] != name or entry.get("slice") or (split is not None and entry.get("split") != split):
        return False
    measured = entry.get("dataset")
    return dataset is None or (measured is not None and measured.startswith(f"datasets/{dataset}/versions/"))


def _open_values(stored: StoredAttribute, document: JsonObject, hidden: Collection[str]) -> Iterator[OpenValue]:
    members = stored.path.find(document)
    for key, value in members.items() if isinstance(members, dict) else ():
        if value is None or isinstance(value, dict | list) or _is_within(pointer((*stored.path.steps, key)), hidden):
            continue
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        yield OpenValue(stored.id, key, scalar_text(value), number)


def _strings(place: tuple[str | int, ...], value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any JSON value
    """A text, or the texts of a list, with their places."""
    if isinstance(value, str):
        yield pointer(place), value
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _strings((*place, index), member)


def compile_map(schema_id: UUID, schema: str, number: int, versions: Sequence[tuple[int, Sequence[Attribute]]]) -> StorageMap:
    """The map of a definition of model versions from its published versions (number, attributes), oldest first."""
    newest: dict[int, Attribute] = {}
    since: dict[int, int] = {}
    taken: dict[str, int] = {}
    for version, attributes in versions:
        by_name = {attribute.name: attribute for attribute in attributes}
        for attribute in attributes:
            if attribute.alias_of is None:
                newest[attribute.id] = attribute
                since.setdefault(attribute.id, version)
                taken[attribute.name] = attribute.id
        for attribute in attributes:
            if attribute.alias_of is not None:
                taken[attribute.name] = by_name[attribute.alias_of].id
    stored = [_stored(attribute, since[attribute.id], taken) for attribute in newest.values()]
    return StorageMap(schema_id, schema, number, tuple(sorted(stored, key=lambda item: item.id)))


def _stored(attribute: Attribute, since: int, taken: dict[str, int]) -> StoredAttribute:
    others = [name for name, holder in taken.items() if holder == attribute.id and name != attribute.name]
    return StoredAttribute(
        id=attribute.id,
        names=(attribute.name, *others) if taken[attribute.name] == attribute.id else tuple(others) or (f"a{attribute.id}",),
        path=parse_path(attribute.path or "", Describes.MODEL_VERSION),
        type=attribute.type,
        store=attribute.store,
        described=attribute,
        since=since,
    )


def described_version(record: JsonObject) -> JsonObject:
    """What a writer said of a model version, as its definition describes it: nothing is null, what is empty is left out."""
    described: JsonObject = {name: record[name] for name in ("parameters", "tags", "attributes", "identifiers") if record[name]}
    if record["description"] is not None:
        described["description"] = record["description"]
    for name in ("metrics", "artifacts"):
        if record[name]:
            described[name] = [said(entry) for entry in record[name]]
    return described


def said(entry: JsonObject) -> JsonObject:
    """What a writer said of a metric or an artifact; when it was recorded the registry says, too."""
    return {key: value for key, value in entry.items() if value is not None and key != "recorded_at"}
