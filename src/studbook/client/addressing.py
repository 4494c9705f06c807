"""Where a reference is to be found: the address of a record, asked of the registry where the text alone does not say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studbook.client.names import find_place, find_uuid
from studbook.client.records import Link

if TYPE_CHECKING:
    from studbook.client.connection import Connection


class Addressing:
    """Turns references into address paths."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def resolve(self, ref: str) -> list[Link]:
        """Every record that a reference or identifier means, each with kind, name and id.

        Raises NotFoundError when there is none, UnreachableError.
        """
        answer = self._connection.call("GET", ("resolve",), params={"identifier": ref})
        return [Link.read(entry) for entry in answer["items"]]

    def _version_path(self, ref: str) -> tuple[str, ...]:
        return self._path_of_version(ref, "models", "model_version")

    def _dataset_version_path(self, ref: str) -> tuple[str, ...]:
        return self._path_of_version(ref, "datasets", "dataset_version")

    def _path_of_version(self, ref: str, family: str, kind: str) -> tuple[str, ...]:
        place = find_place(ref)
        if place is None:
            place = find_place(self._resolve_one(ref, kind).name)
        if place is None or place.family != family:
            message = f"{ref!r} is no {kind.replace('_', ' ')}"
            raise LookupError(message)
        return (place.family, place.name, "versions", place.version)

    def _path_by_id(self, family: str, ref: str) -> tuple[str, ...]:
        uuid = find_uuid(ref) or self._resolve_one(ref, family.removesuffix("s")).id
        return (family, uuid)

    def _resolve_one(self, ref: str, kind: str) -> Link:
        found = self.resolve(ref)
        fitting = [link for link in found if link.kind == kind]
        if len(fitting) == 1:
            return fitting[0]
        noun = kind.replace("_", " ")
        names = ", ".join(link.name for link in (fitting or found)[:4])
        message = f"{ref!r} means several {noun}s: {names}" if fitting else f"{ref!r} is no {noun}; it means {names}"
        raise LookupError(message)
