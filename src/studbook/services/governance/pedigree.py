"""What lies upstream of a version as rules see it: each fact with the way that led there."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote
from uuid import UUID

from studbook.domain.canonical import read_canonical
from studbook.domain.names import Kind
from studbook.domain.privacy import blanked
from studbook.governance.evaluation import FactError
from studbook.storage import governance as storage
from studbook.storage import graph
from studbook.storage.dialects import bare, id_text
from studbook.storage.graph import Reach
from studbook.storage.graph_health import list_pending_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.storage.dialects import BareId

# More than any pedigree that a person can account for; what is cut short can be judged by no rule.
NODE_LIMIT: Final = 10_000
_EDGE_LIMIT: Final = 8 * NODE_LIMIT
_DATASET_FIELDS: Final = ("name", "digest", "license", "sensitivity", "uri", "rows", "profile")
# Of a way that is longer than twice this, only the ends are shown.
_SHOWN_AT_ENDS: Final = 4
# What the same job made before is no origin: nothing need have flowed.
_ORIGINS: Final = Reach(upstream=True, successions=False, short=True)
_EXTERNAL: Final = ("origin", "external")


@dataclass(eq=False)
class Way:
    """How a record was reached: the names on the way, of which only the beginning and the end of a long one are kept."""

    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    length: int = 0

    def to(self, name: str) -> Way:
        """The way one record further."""
        first = (*self.first, name) if self.length < _SHOWN_AT_ENDS else self.first
        return Way(first, (*self.last, name)[-_SHOWN_AT_ENDS:], self.length + 1)

    @cached_property
    def shown(self) -> list[str]:
        """The names; for a long way it says how many are left out."""
        hidden = self.length - 2 * _SHOWN_AT_ENDS
        if hidden > 0:
            return [*self.first, f"… {hidden} more …", *self.last]
        # The ends of a shorter way overlap.
        return [*self.first, *self.last[2 * _SHOWN_AT_ENDS - self.length :]] if self.length > _SHOWN_AT_ENDS else [*self.first]


@dataclass(eq=False, slots=True)
class Node:
    """A record upstream: how it was reached first, and what it was used for, there and elsewhere on the way."""

    kind: str
    name: str
    role: str
    way: Way
    roles: set[str] = field(default_factory=set)

    @property
    def path(self) -> list[str]:
        """The way that led there, nearest first; one list for all facts about the record."""
        return self.way.shown


def _fresh_node(record: JsonObject) -> Node:
    """How a dataset version is reached that the version itself brings along."""
    role = record.get("role") or ""
    return Node(Kind.DATASET_VERSION, record["name"], role, Way().to(record["name"]), {role})


def _text(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    return value if isinstance(value, str) and value else None


@dataclass(frozen=True, slots=True)
class Saying:
    """What a version upstream says of itself, as far as rules may read it."""

    attributes: JsonObject = field(default_factory=dict)
    artifacts: list[JsonObject] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)


_decode: Final = json.JSONDecoder().raw_decode
_ARTIFACTS: Final = ',"artifacts":'
_ATTRIBUTES: Final = ',"attributes":'
_PERSONAL: Final = ',"personal":['
_TAGS: Final = ',"tags":'


def read_saying(record: bytes) -> Saying:
    """Of a stored version its artifacts, tags and attributes (but for personal ones), without reading the rest.

    A record is canonical JSON, its members in order, so that these words are found where they are looked for: within a text their
    quotes would be escaped; before `attributes`, and between it and `personal`, nothing has such a member; `tags` is the last.
    """
    text = record.decode()
    artifacts, end = _decode(text, text.index(_ARTIFACTS) + len(_ARTIFACTS))
    attributes, end = _decode(text, text.index(_ATTRIBUTES, end) + len(_ATTRIBUTES))
    start = text.index(_PERSONAL, end) + len(_PERSONAL)
    personal = () if text[start] == "]" else _decode(text, start - 1)[0]
    tags, _ = _decode(text, text.rindex(_TAGS) + len(_TAGS))
    hidden = [place.removeprefix("/attributes") for place in personal if place.startswith("/attributes")]
    return Saying((blanked(attributes, hidden) if hidden else attributes) or {}, artifacts, tags)


def _nothing() -> None:
    pass


@dataclass
class Pedigree:
    """The records upstream of a version.

    `own` is the id of a stored version. A version that is yet to be stored has `sources` instead: the parents, inputs and run
    that it names, and of inputs that are new as well `fresh`, their records.
    """

    connection: Connection
    namespace_id: int
    own: UUID | None = None
    sources: Mapping[UUID, Node] = field(default_factory=dict)
    fresh: Sequence[JsonObject] = ()
    # Called before the database is read: what a transaction holds back is to be found there.
    prepare: Callable[[], None] = _nothing
    truncated: bool = field(default=False, init=False)

    @cached_property
    def nodes(self) -> dict[BareId, Node]:
        """Every record upstream by its id, as `bare_id` gives it, nearest first."""
        found = {bare(self.connection, record_id): node for record_id, node in self.sources.items()}
        roots = [bare(self.connection, self.own)] if self.own else list(found)
        if not roots:
            return {}
        self.prepare()
        rows = graph.walk(self.connection, self.namespace_id, roots, _ORIGINS, _EDGE_LIMIT + 1)
        self.truncated = len(rows) > _EDGE_LIMIT
        known = graph.find_bare_nodes(self.connection, self.namespace_id, {far for far, _, _ in rows})
        leading: dict[BareId, list[tuple[str, str, BareId]]] = defaultdict(list)
        for far, near, role in rows:
            leading[near].append((known[far].name, role, far))
        waiting = deque((root, found[root].way if root in found else Way()) for root in roots)
        while waiting:
            near, way = waiting.popleft()
            for name, role, far in sorted(leading.get(near, ())):
                if far in found:
                    found[far].roles.add(role)
                    continue
                if len(found) >= NODE_LIMIT:
                    self.truncated = True
                    return found
                found[far] = Node(known[far].kind, name, role, way.to(name), {role})
                waiting.append((far, found[far].way))
        return found

    def find(self, record_id: UUID) -> Node | None:
        """A record, if it lies upstream."""
        return self.nodes.get(bare(self.connection, record_id))

    def list_ids(self) -> list[UUID]:
        """The ids of the records upstream, nearest first."""
        return [UUID(id_text(found)) for found in self.nodes]

    def facts(self) -> dict[str, Callable[[], Any]]:
        """The facts of `lineage`, each computed when a rule reads it."""
        whole: dict[str, Callable[[], Any]] = {
            "tags": self._tags,
            "datasets": self._datasets,
            "licenses": self._licenses,
            "models": self._models,
            "unverified": self._unverified,
        }
        return {
            "lineage.ancestors": lambda: len(self.nodes) + len(self.fresh),
            "lineage.depth": lambda: max((node.way.length for node in self.nodes.values()), default=int(bool(self.fresh))),
            "lineage.truncated": lambda: bool(self.nodes) and self.truncated,
            **{f"lineage.{name}": self._complete(compute) for name, compute in whole.items()},
        }

    @staticmethod
    def none() -> dict[str, Callable[[], Any]]:
        """The facts of `lineage` for what comes of nothing."""
        lists: dict[str, Callable[[], Any]] = {
            f"lineage.{name}": list for name in ("tags", "datasets", "licenses", "models", "unverified")
        }
        return {"lineage.ancestors": int, "lineage.depth": int, "lineage.truncated": bool, **lists}

    def _complete(self, compute: Callable[[], Any]) -> Callable[[], Any]:
        """What is said of all that lies upstream is said only when all of it was looked at."""

        def checked() -> Any:  # noqa: ANN401 - any fact
            if self.nodes and self.truncated:
                message = f"more than {NODE_LIMIT:,} records lie upstream; they cannot all be looked at"
                raise FactError(message)
            return compute()

        return checked

    def _of(self, kind: Kind) -> dict[BareId, Node]:
        return {found: node for found, node in self.nodes.items() if node.kind == kind}

    @cached_property
    def _versions(self) -> dict[BareId, Node]:
        return self._of(Kind.MODEL_VERSION)

    @cached_property
    def _sayings(self) -> dict[BareId, Saying]:
        """What the versions upstream say of themselves."""
        records = storage.find_bare_records(self.connection, Kind.MODEL_VERSION, self.namespace_id, self._versions)
        return defaultdict(Saying, {found: read_saying(record) for found, record in records.items()})

    @cached_property
    def _dataset_records(self) -> list[tuple[JsonObject, Node]]:
        """The dataset versions upstream, each with how it was reached."""
        nodes = self._of(Kind.DATASET_VERSION)
        records = storage.find_bare_records(self.connection, Kind.DATASET_VERSION, self.namespace_id, nodes)
        stored = [(read_canonical(records[found]), node) for found, node in nodes.items() if found in records]
        return [*((record, _fresh_node(record)) for record in self.fresh), *stored]

    def _tags(self) -> list[JsonObject]:
        return [
            {"key": key, "value": value, "node": node.name, "path": node.path}
            for found, node in sorted(self._versions.items(), key=lambda pair: pair[1].name)
            for key, value in self._sayings[found].tags.items()
        ]

    def _datasets(self) -> list[JsonObject]:
        return [
            {
                **{name: record.get(name) for name in _DATASET_FIELDS},
                "role": node.role,
                "roles": sorted(role for role in node.roles if role),
                "path": node.path,
            }
            for record, node in self._dataset_records
        ]

    def _licenses(self) -> list[JsonObject]:
        found = [
            {"license": license_, "node": node.name, "path": node.path}
            for version_id, node in self._versions.items()
            if (license_ := _text(self._sayings[version_id].attributes.get("license")))
        ]
        return found + [
            {"license": record["license"], "node": record["name"], "path": node.path}
            for record, node in self._dataset_records
            if record.get("license")
        ]

    def _models(self) -> list[JsonObject]:
        found = []
        for version_id, node in self._versions.items():
            said = self._sayings[version_id]
            family, _, number = node.name.rpartition("/versions/")
            provider = said.attributes.get("provider")
            key, value = _EXTERNAL
            found.append(
                {
                    "name": node.name,
                    "model": unquote(family.removeprefix("models/")),
                    "number": int(number),
                    "license": _text(said.attributes.get("license")),
                    "supplier": _text(provider.get("name") if isinstance(provider, dict) else None) or said.tags.get("supplier"),
                    "digest": next((item["digest"] for item in said.artifacts if item["digest"]), None),
                    "tags": said.tags,
                    "external": said.tags.get(key) == value,
                    "artifacts": [{name: item[name] for name in ("uri", "digest", "media_type")} for item in said.artifacts],
                    "path": node.path,
                }
            )
        return found

    def _unverified(self) -> list[JsonObject]:
        found = [
            {"node": record["name"], "reason": "a dataset version without digest", "path": node.path}
            for record, node in self._dataset_records
            if not record.get("digest")
        ]
        own = [bare(self.connection, self.own)] if self.own else []
        for record_id, name, scheme, value in list_pending_of(self.connection, self.namespace_id, [*own, *self.nodes]):
            path = self.nodes[record_id].path if record_id in self.nodes else []
            found.append({"node": name, "reason": f"comes from {scheme}:{value}, which is not recorded", "path": path})
        for version_id, node in self._versions.items():
            held = self._sayings[version_id].artifacts
            if not held or any(not item["digest"] for item in held):
                reason = "an artifact without digest" if held else "a model version without artifacts"
                found.append({"node": node.name, "reason": reason, "path": node.path})
        return found
