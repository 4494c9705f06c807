"""How the registry's answers are read into frozen values.

A newer registry may send fields that this client does not know: they are ignored here, and `raw` holds the whole
answer. A field that an older registry does not send keeps its default.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, kw_only=True)
class Record:
    """What every answer has: `raw`, the whole of it as the registry sent it."""

    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """The value of an answer; unknown fields are only in `raw`."""
        values: dict[str, Any] = {"raw": data}
        for entry in fields(cls):
            value = data.get(entry.metadata.get("key", entry.name))
            if entry.name == "raw" or value is None:
                continue
            convert: Callable[[Any], Any] | None = entry.metadata.get("read")
            values[entry.name] = convert(value) if convert else value
        return cls(**values)


# These four stand where a field's default stands; as with `dataclasses.field`, the type is the annotation's.


def moment() -> Any:  # noqa: ANN401 - see above
    """A field that is a time."""
    return field(default=None, metadata={"read": datetime.fromisoformat})


def one(kind: type[Record], key: str | None = None) -> Any:  # noqa: ANN401 - see above
    """A field that is another value, or None."""
    return field(default=None, metadata={"read": kind.read, **({"key": key} if key else {})})


def many(kind: type[Record]) -> Any:  # noqa: ANN401 - see above
    """A field that is a list of values."""
    return field(default=(), metadata={"read": lambda entries: tuple(kind.read(entry) for entry in entries)})


def strings() -> Any:  # noqa: ANN401 - see above
    """A field that is a list of texts."""
    return field(default=(), metadata={"read": tuple})
