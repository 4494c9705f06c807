"""SHA-256 digests of data in memory.

The digest of data tells whether two runs saw the same data, so it must not depend on where the data lies or how it is
laid out in memory. What is hashed is defined here to the byte, so that others can compute it too:

- bytes, bytearray: the bytes themselves; equal to the digest of a file that holds them.
- text: its UTF-8 bytes.
- An array (numpy; anything with the buffer protocol, `__array__`, or `dtype`, `shape` and `tobytes`): the line
  `array DTYPE SHAPE`, then its elements in C order. DTYPE is numpy's, with the byte order (`<f8`) or `|O` for objects;
  SHAPE the lengths joined by `x` (`569x30`, nothing for a single value). Elements of an object array are hashed as a list.
- A list or tuple: the line `list LENGTH`, then of each member its digest and a line's end.
- A mapping: the line `map LENGTH`, then of each member, by key, the line `KEY-AS-JSON DIGEST`.
- A table (pandas, polars; anything with `columns` whose columns have `to_numpy`): as the list of its columns, each
  as a list of name and array. A pandas index is not part of it.
- None, true, false, numbers and times inside a list, a mapping or an object array: the line `value JSON`.
"""

from __future__ import annotations

import datetime as dt
import decimal
import hashlib
import json
from collections.abc import Mapping
from typing import Any


def digest_data(data: object) -> str:
    """The digest of data in memory, as `sha256:…`; the module says what is hashed.

    Raises TypeError for data of another kind.
    """
    hashed = hashlib.sha256()
    if isinstance(data, bytes | bytearray):
        hashed.update(data)
    elif isinstance(data, str):
        hashed.update(data.encode("utf-8", "surrogatepass"))
    elif isinstance(data, Mapping):
        hashed.update(f"map {len(data)}\n".encode())
        for key in sorted(data, key=str):
            hashed.update(f"{json.dumps(str(key))} {digest_data(data[key])}\n".encode())
    elif isinstance(data, list | tuple):
        hashed.update(f"list {len(data)}\n".encode())
        for member in data:
            hashed.update(f"{digest_data(member)}\n".encode())
    elif hasattr(data, "columns") and hasattr(data, "__getitem__"):
        return digest_data([[str(column), _column(data, column)] for column in data.columns])
    elif type(data).__name__ == "NAType":  # pandas' missing value
        return digest_data(None)
    elif data is None or isinstance(data, bool | int | float | decimal.Decimal | dt.date | dt.time):
        plain = data if data is None or isinstance(data, bool | int | float) else str(data)
        hashed.update(f"value {json.dumps(plain)}\n".encode())
    else:
        _hash_array(hashed, data)
    return f"sha256:{hashed.hexdigest()}"


def find_rows(data: object) -> int | None:
    """How many rows data has: the length of an array or table, of the first member of a tuple or mapping of these."""
    if isinstance(data, str | bytes | bytearray):
        return None
    if isinstance(data, Mapping):
        return find_rows(next(iter(data.values()))) if data else 0
    if isinstance(data, tuple) and data and hasattr(data[0], "__len__"):
        return find_rows(data[0])
    try:
        return len(data)  # type: ignore[arg-type]
    except TypeError:
        return None


def _column(table: Any, name: object) -> object:  # noqa: ANN401 - pandas and polars, without importing either
    column = table[name]
    if hasattr(column, "columns"):
        message = f"the table has several columns named {name!r}; give them distinct names"
        raise TypeError(message)
    return column.to_numpy() if hasattr(column, "to_numpy") else column


def _hash_array(hashed: Any, data: object) -> None:  # noqa: ANN401 - a hash of hashlib
    array = _as_array(data)
    if array is None:
        kind = type(data)
        message = (
            f"no digest can be made of {kind.__module__}.{kind.__qualname__}; give bytes, an array, a table, or a tuple or "
            "mapping of these, or the digest itself as digest="
        )
        raise TypeError(message)
    dtype = getattr(array.dtype, "str", None) or str(array.dtype)
    hashed.update(f"array {dtype} {'x'.join(str(length) for length in array.shape)}\n".encode())
    if getattr(array.dtype, "hasobject", False):
        # The bytes of such an array are addresses in memory; its elements are what it holds.
        hashed.update(digest_data(array.tolist()).encode())
        return
    try:
        hashed.update(array)  # no copy, where the elements lie in C order
    except (TypeError, ValueError, BufferError):
        hashed.update(array.tobytes())


def _as_array(data: object) -> Any:  # noqa: ANN401 - whatever has dtype, shape and tobytes
    """The data as something with `dtype`, `shape` and `tobytes`, or None."""
    if all(hasattr(data, name) for name in ("dtype", "shape", "tobytes")):
        return data
    if isinstance(data, memoryview):
        return _View(data)
    if hasattr(data, "detach"):  # a torch tensor that carries gradients, or lies on a device
        data = data.detach().cpu()
    if hasattr(data, "__array__"):
        return data.__array__()
    try:
        return _View(memoryview(data))  # type: ignore[arg-type]
    except TypeError:
        return None


class _View:
    """A memoryview (of an `array.array`, say) seen as an array."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self.dtype = view.format
        self.shape = view.shape

    def tobytes(self) -> bytes:
        """The elements in C order."""
        return self._view.tobytes()
