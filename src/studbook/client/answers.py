"""How the registry's answers are read into frozen values.

A newer registry may send fields that this client does not know: they are ignored here, and `raw` holds the whole
answer. A field that an older registry does not send keeps its default.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, kw_only=True)
class Record:
    """What every answer has: `raw`, the whole of it as the registry sent it.

    The answer to a write has `receipts`, too: by event id a text (C2SP tlog-proof) that proves the event logged, to be
    verified without the registry. It is empty for `wait="none"`, and when no checkpoint was signed in time.
    """

    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    receipts: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

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


# How a field is read from an answer: the `metadata` of the field.
TIME: Final = {"read": datetime.fromisoformat}
TEXTS: Final = {"read": tuple}


def reads(kind: type[Record]) -> dict[str, Callable[[Any], Any]]:
    """For a field that is another value, or None."""
    return {"read": kind.read}


def reads_many(kind: type[Record]) -> dict[str, Callable[[Any], Any]]:
    """For a field that is a list of values."""
    return {"read": lambda entries: tuple(kind.read(entry) for entry in entries)}
