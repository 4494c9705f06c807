"""Where a reference is to be found: the address of a record, asked of the registry where the text alone does not say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from studbook.client.body import Body
from studbook.client.findings import Resolved
from studbook.client.names import find_place, find_uuid
from studbook.client.records import Link

if TYPE_CHECKING:
    from collections.abc import Iterable

    from studbook.client.connection import Connection

_RESOLVED_AT_ONCE: Final = 1000


class Addressing:
    """Turns references into address paths."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def resolve(self, ref: str, *, exact: bool = False) -> list[Link]:
        """Every record that an identifier means, each with kind, name and id, the first recorded first; at most 100.

        Besides every reference: a URI, an OCI image (`oci:sha256:…`, `registry/repository@sha256:…`), the first 8 or more
        digits of an id, `sha256:` and the first 12 or more of a digest; none of these with `exact`.

        Raises NotFoundError when there is none, UnreachableError.
        """
        params = {"identifier": ref, "exact": "true" if exact else None}
        answer = self._connection.call("GET", ("resolve",), params=params)
        return [Link.read(entry) for entry in answer["items"]]

    def resolve_many(self, identifiers: Iterable[str]) -> list[Resolved]:
        """What each identifier means, in their order; 1,000 are asked for at once. One that means nothing has no matches.

        Raises UnreachableError.
        """
        wanted = list(identifiers)
        answers: list[Resolved] = []
        for start in range(0, len(wanted), _RESOLVED_AT_ONCE):
            body = Body.of({"identifiers": wanted[start : start + _RESOLVED_AT_ONCE]})
            answer = self._connection.call("POST", ("resolve",), body=body, safe_to_repeat=True)
            answers += [Resolved.read(entry) for entry in answer["items"]]
        return answers

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
        # What a call is about must not change when another record is made: no beginnings of ids here.
        found = self.resolve(ref, exact=True)
        fitting = [link for link in found if link.kind == kind]
        if len(fitting) == 1:
            return fitting[0]
        noun = kind.replace("_", " ")
        names = ", ".join(link.name for link in (fitting or found)[:4])
        message = f"{ref!r} means several {noun}s: {names}" if fitting else f"{ref!r} is no {noun}; it means {names}"
        raise LookupError(message)
