"""Schema definitions: drafted, published, adopted, deprecated; documents tried against them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studbook.client.addressing import Addressing
from studbook.client.body import Body
from studbook.client.definitions import (
    SchemaCompatibility,
    SchemaDefinition,
    SchemaVersion,
    StandardSchema,
    StorageMap,
    Validation,
)
from studbook.client.names import path_of

if TYPE_CHECKING:
    from collections.abc import Iterator


class SchemaCalls(Addressing):
    """The calls about schema definitions. Each raises UnreachableError and RefusedError.

    A version of a definition is meant by its number, or as `latest`. `if_match` takes the `etag` of the version as it was
    read; if it has changed since, nothing is stored and StaleError is raised.
    """

    def list_schemas(self, *, page_size: int | None = None) -> Iterator[SchemaDefinition]:
        """The namespace's schema definitions by name."""
        return (SchemaDefinition.read(entry) for entry in self._connection.pages(("schemas",), {"page_size": page_size}))

    def list_standard_schemas(self) -> list[StandardSchema]:
        """The definitions that Studbook ships, and whether the namespace has adopted them."""
        return [StandardSchema.read(entry) for entry in self._connection.call("GET", ("standard-schemas",))["items"]]

    def get_schema(self, name: str) -> SchemaDefinition:
        """The schema definition of that name."""
        return SchemaDefinition.read(self._connection.call("GET", ("schemas", name)))

    def list_schema_versions(self, name: str, *, page_size: int | None = None) -> Iterator[SchemaVersion]:
        """The versions of a definition, newest first, drafts and deprecated ones among them."""
        entries = self._connection.pages(("schemas", name, "versions"), {"page_size": page_size})
        return (SchemaVersion.read(entry) for entry in entries)

    def get_schema_version(self, name: str, version: int | str = "latest") -> SchemaVersion:
        """A version of a definition; its `definition` may be changed and drafted again."""
        return SchemaVersion.read(self._connection.call("GET", ("schemas", name, "versions", str(version))))

    def draft_schema(
        self,
        definition: Mapping[str, Any] | str | os.PathLike[str] | bytes,
        *,
        media_type: str = "application/json",
        if_match: str | None = None,
    ) -> SchemaVersion:
        """Keep a definition as a draft: the next version of its name, or in place of the draft there is.

        `definition` is a mapping, the path of a JSON or YAML file, or the bytes of a document of the given media type.

        Raises InvalidDocumentError (its `errors` name every fault), FileNotFoundError and other OSErrors.
        """
        # The same draft again changes nothing.
        body = _definition_body(definition, media_type)
        answer = self._connection.call("POST", ("schemas",), body=body, headers=_matching(if_match), safe_to_repeat=True)
        return SchemaVersion.read(answer)

    def publish_schema(self, name: str, version: int | str = "latest", *, if_match: str | None = None) -> SchemaVersion:
        """Publish a draft: it never changes again, and holds for the models that have the definition.

        Raises ConflictError when it breaks what the definition promises, with documents that show it.
        """
        return SchemaVersion.read(self._act(name, version, "publish", if_match))

    def deprecate_schema(self, name: str, version: int | str, *, if_match: str | None = None) -> SchemaVersion:
        """Deprecate a published version: it holds only where a model's range leaves no other."""
        return SchemaVersion.read(self._act(name, version, "deprecate", if_match))

    def adopt_schema(self, name: str) -> SchemaVersion:
        """Take up a definition that Studbook ships, and return its newest version; doing so again takes up what is new."""
        return SchemaVersion.read(self._connection.call("POST", f"{_place(name)}:adopt", safe_to_repeat=True))

    def validate_document(self, name: str, document: object, version: int | str | None = None) -> Validation:
        """Hold a document against a version of a definition (by default the newest published one); nothing is stored.

        The document is what the definition describes: for a model version the `version` part of an ingestion document,
        without `parents`. A definition that Studbook ships need not be adopted for this.
        """
        params = {"version": None if version is None else str(version)}
        path = f"{_place(name)}:validate"
        answer = self._connection.call("POST", path, body=Body.of(document), params=params, safe_to_repeat=True)
        return Validation.read(answer)

    def schema_compatibility(self, name: str, version: int | str = "latest") -> SchemaCompatibility:
        """What publishing a version would break, and which stored versions it would refuse."""
        path = ("schemas", name, "versions", str(version), "compatibility")
        return SchemaCompatibility.read(self._connection.call("GET", path))

    def storage_map(self, name: str) -> StorageMap:
        """Where each attribute of a definition is kept, and what a search by it runs.

        Raises ConflictError while no version of the definition is published.
        """
        return StorageMap.read(self._connection.call("GET", ("schemas", name, "storage-map")))

    def infer_schema(self, model: str, name: str | None = None) -> dict[str, Any]:
        """A definition that the versions of a model satisfy, to be corrected by a person and drafted; nothing is stored."""
        wanted = {"model": model, **({} if name is None else {"name": name})}
        answer = self._connection.call("POST", "schemas:infer", body=Body.of(wanted), safe_to_repeat=True)
        return dict(answer)

    def _act(self, name: str, version: int | str, action: str, if_match: str | None) -> Any:  # noqa: ANN401 - JSON
        path = f"{_place(name)}/versions/{path_of([str(version)])}:{action}"
        return self._connection.call("POST", path, headers=_matching(if_match))


def _place(name: str) -> str:
    # The colon before an action is part of the address and stays as it is.
    return f"schemas/{path_of([name])}"


def _definition_body(definition: object, media_type: str) -> Body:
    if isinstance(definition, bytes):
        return Body(definition, media_type)
    if isinstance(definition, Mapping):
        return Body.of(dict(definition))
    if not isinstance(definition, str | os.PathLike):
        message = f"a definition is a mapping, the path of a file, or bytes, not {type(definition).__name__}"
        raise TypeError(message)
    path = Path(definition)
    return Body(path.read_bytes(), "application/json" if path.suffix.lower() == ".json" else "application/yaml")


def _matching(if_match: str | None) -> dict[str, str] | None:
    return None if if_match is None else {"If-Match": if_match}
