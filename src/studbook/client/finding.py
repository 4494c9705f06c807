"""Questions about records: comparison, files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studbook.client.addressing import Addressing
from studbook.client.findings import Difference, Recognised
from studbook.client.recognising import recognise

if TYPE_CHECKING:
    import os


class Questions(Addressing):
    """The calls that tell what files are, and what differs between records. Each raises UnreachableError and RefusedError."""

    def whatis(self, *paths: str | os.PathLike[str]) -> list[Recognised]:
        """Which model versions and dataset versions files and folders are, by their digests.

        Of a folder: the folder as a whole, the folders in it that are known, and every file in it.

        Raises FileNotFoundError and other OSErrors.
        """
        return recognise(paths, self.resolve_many)

    def diff(self, a: str, b: str) -> Difference:
        """What differs from model version `a` to model version `b`, their runs and environments included."""
        return Difference.read(self._connection.call("GET", ("diff",), params={"from": a, "to": b}))
