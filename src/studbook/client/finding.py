"""Questions about records: lineage, comparison, files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from studbook.client.addressing import Addressing
from studbook.client.findings import Difference, Lineage, Recognised
from studbook.client.names import reference_path
from studbook.client.recognising import recognise

if TYPE_CHECKING:
    import os

Direction = Literal["upstream", "downstream", "both"]


class Questions(Addressing):
    """The calls that tell what files are, and how records hang together. Each raises UnreachableError and RefusedError."""

    def whatis(self, *paths: str | os.PathLike[str]) -> list[Recognised]:
        """Which model versions and dataset versions files and folders are, by their digests.

        Of a folder: the folder as a whole, the folders in it that are known, and every file in it.

        Raises FileNotFoundError and other OSErrors.
        """
        return recognise(paths, self.resolve_many)

    def lineage(self, ref: str, *, direction: Direction = "both", depth: int | None = None, limit: int | None = None) -> Lineage:
        """The graph around a record: at most `depth` edges away and `limit` nodes in each direction.

        `upstream` is where it came from, `downstream` what was made of it. Look at `truncated`.
        """
        params = {"direction": direction, "depth": depth, "limit": limit}
        return Lineage.read(self._connection.call("GET", f"lineage/{reference_path(ref)}", params=params))

    def diff(self, a: str, b: str) -> Difference:
        """What differs from model version `a` to model version `b`, their runs and environments included."""
        return Difference.read(self._connection.call("GET", ("diff",), params={"from": a, "to": b}))
