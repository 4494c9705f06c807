"""What a search needs to know besides its filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from studbook.filters.tree import Field
    from studbook.schemas.storage_map import StorageMap, StoredAttribute


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute that can be asked for, and the map it stands in; `ready` once all that is stored is in its place."""

    map: StorageMap
    stored: StoredAttribute
    ready: bool = True


@dataclass(frozen=True, slots=True)
class Scope:
    """The namespace, the time that `now` means, and the attributes of its definitions by name and by `name@definition`."""

    namespace_id: int
    now: datetime
    attributes: Mapping[str, Attribute]

    def find(self, field: Field) -> Attribute | None:
        """The attribute that a field means; of an open set, that of the set."""
        suffix = f"@{field.qualifier}" if field.qualifier else ""
        return self.attributes.get(".".join(field.name) + suffix) or self.attributes.get(".".join(field.name[:-1]) + suffix)
