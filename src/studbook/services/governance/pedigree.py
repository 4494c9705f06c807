"""What lies upstream of a version as rules see it: each fact with the way that led there."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.canonical import read_canonical
from studbook.domain.names import Kind
from studbook.storage import governance as storage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject

# More than any pedigree that a person can account for; what is cut short can be judged by no rule.
NODE_LIMIT: Final = 10_000
_EDGE_LIMIT: Final = 8 * NODE_LIMIT
_EXTERNAL: Final = ("origin", "external")


@dataclass(frozen=True, slots=True)
class Node:
    """A record upstream: how it was reached first, and what it was used for there."""

    id: UUID
    kind: str
    name: str
    role: str
    path: tuple[str, ...]


class TruncatedPedigreeError(Exception):
    """More lies upstream than is looked at, so nothing can be said of all of it."""


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
    sources: Sequence[Node] = ()
    fresh: Sequence[JsonObject] = ()
    # Called before the database is read: what a transaction holds back is to be found there.
    prepare: Callable[[], None] = _nothing
    truncated: bool = field(default=False, init=False)

    @cached_property
    def nodes(self) -> dict[UUID, Node]:
        """Every record upstream by its id, nearest first."""
        roots = [self.own] if self.own else [node.id for node in self.sources]
        if not roots:
            return {}
        self.prepare()
        rows = storage.list_upstream(self.connection, self.namespace_id, roots, _EDGE_LIMIT + 1)
        leading: dict[UUID, list[Any]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: (row.name, row.role)):
            leading[row.near].append(row)
        self.truncated = len(rows) > _EDGE_LIMIT
        found = {node.id: node for node in self.sources}
        waiting = deque((root, found[root].path if root in found else ()) for root in roots)
        while waiting:
            near, path = waiting.popleft()
            for row in leading[near]:
                if row.far in found:
                    continue
                if len(found) >= NODE_LIMIT:
                    self.truncated = True
                    return found
                found[row.far] = Node(row.far, row.kind, row.name, row.role, (*path, row.name))
                waiting.append((row.far, found[row.far].path))
        return found

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
            "lineage.depth": lambda: max((len(node.path) for node in self.nodes.values()), default=int(bool(self.fresh))),
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
                raise TruncatedPedigreeError(message)
            return compute()

        return checked

    def _of(self, kind: Kind) -> dict[UUID, Node]:
        return {node.id: node for node in self.nodes.values() if node.kind == kind}

    @cached_property
    def _versions(self) -> dict[UUID, Node]:
        return self._of(Kind.MODEL_VERSION)

    @cached_property
    def _tag_rows(self) -> list[Any]:
        return list(storage.list_tags(self.connection, self.namespace_id, self._versions))

    @cached_property
    def _sayings(self) -> dict[UUID, Any]:
        rows = storage.list_licenses(self.connection, self.namespace_id, self._versions)
        return {row.id: row for row in rows}

    @cached_property
    def _dataset_records(self) -> list[tuple[JsonObject, str, tuple[str, ...]]]:
        """The dataset versions upstream: record, role and path."""
        nodes = self._of(Kind.DATASET_VERSION)
        found = {
            row.id: read_canonical(row.record) for row in storage.list_dataset_records(self.connection, self.namespace_id, nodes)
        }
        stored = [(found[node.id], node.role, node.path) for node in nodes.values() if node.id in found]
        return [*((record, record.get("role", ""), (record["name"],)) for record in self.fresh), *stored]

    @cached_property
    def _artifact_rows(self) -> dict[UUID, list[JsonObject]]:
        found: dict[UUID, list[JsonObject]] = defaultdict(list)
        for row in storage.list_artifacts(self.connection, self.namespace_id, self._versions):
            found[row.version_id].append({"uri": row.uri, "digest": row.digest, "media_type": row.media_type})
        return found

    def _tags(self) -> list[JsonObject]:
        found = []
        for row in self._tag_rows:
            node = self._versions[row.version_id]
            found.append({"key": row.key, "value": row.value, "node": node.name, "path": list(node.path)})
        return sorted(found, key=lambda tag: (tag["node"], tag["key"]))

    def _datasets(self) -> list[JsonObject]:
        return [
            {
                **{name: record.get(name) for name in ("name", "digest", "license", "sensitivity", "uri", "rows")},
                "role": role,
                "path": list(path),
            }
            for record, role, path in self._dataset_records
        ]

    def _licenses(self) -> list[JsonObject]:
        found = [
            {"license": saying.license, "node": node.name, "path": list(node.path)}
            for node in self._versions.values()
            if (saying := self._sayings.get(node.id)) is not None and saying.license
        ]
        return found + [
            {"license": record["license"], "node": record["name"], "path": list(path)}
            for record, _, path in self._dataset_records
            if record.get("license")
        ]

    def _models(self) -> list[JsonObject]:
        tags: dict[UUID, dict[str, str]] = defaultdict(dict)
        for row in self._tag_rows:
            tags[row.version_id][row.key] = row.value
        found = []
        for node in self._versions.values():
            saying, marks = self._sayings.get(node.id), tags[node.id]
            family, _, number = node.name.rpartition("/versions/")
            held = self._artifact_rows[node.id]
            key, value = _EXTERNAL
            found.append(
                {
                    "name": node.name,
                    "model": family.removeprefix("models/"),
                    "number": int(number),
                    "license": saying.license if saying is not None else None,
                    "supplier": (saying.supplier if saying is not None else None) or marks.get("supplier"),
                    "digest": next((item["digest"] for item in held if item["digest"]), None),
                    "tags": marks,
                    "external": marks.get(key) == value,
                    "artifacts": held,
                    "path": list(node.path),
                }
            )
        return found

    def _unverified(self) -> list[JsonObject]:
        found = [
            {"node": record["name"], "reason": "a dataset version without digest", "path": list(path)}
            for record, _, path in self._dataset_records
            if not record.get("digest")
        ]
        for node in self._versions.values():
            held = self._artifact_rows[node.id]
            if not held or any(not item["digest"] for item in held):
                reason = "an artifact without digest" if held else "a model version without artifacts"
                found.append({"node": node.name, "reason": reason, "path": list(node.path)})
        return found
