"""JSON and YAML that anybody may have written: bounded in bytes, values and depth before anything is built of them."""

from __future__ import annotations

import functools
import json
import math
import re
from typing import TYPE_CHECKING, Any, Final

from studbook.formats.model_files.finding import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

# A configuration has a few kilobytes; the index of a model in hundreds of shards, or a long training's log, a few megabytes.
JSON_LIMIT: Final = 16 * 2**20
YAML_LIMIT: Final = 2 * 2**20
# An empty list takes three bytes of JSON and 64 of memory: what may be built is bounded, not only what is read.
_VALUES: Final = 2_000_000
_NODES: Final = 200_000
DEPTH_LIMIT: Final = 64
_SAFE_INTEGER: Final = 2**53 - 1
_FLOAT: Final = (
    r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)


def read_bytes(path: Path, shown: str, limit: int) -> bytes:
    """The whole of a file of at most `limit` bytes.

    Raises ModelFileError.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise ModelFileError(shown, f"cannot be read: {error.strerror or error}") from error
    if len(content) > limit:
        raise ModelFileError(shown, f"it is larger than {limit:,} bytes, more than is read of such a file")
    return content


def read_object(path: Path, shown: str, *, limit: int = JSON_LIMIT, values: int = _VALUES) -> dict[str, Any]:
    """The JSON object that a file holds.

    Raises ModelFileError.
    """
    value = read_json(path, shown, limit=limit, values=values)
    if not isinstance(value, dict):
        raise ModelFileError(shown, "it holds no JSON object")
    return value


def read_json(path: Path, shown: str, *, limit: int = JSON_LIMIT, values: int = _VALUES) -> Any:  # noqa: ANN401 - any JSON value
    """The JSON value that a file holds; NaN and the infinities, which Python programs write, are read as such.

    Raises ModelFileError.
    """
    return parse_json(read_bytes(path, shown, limit), shown, values=values)


def parse_json(content: bytes, shown: str, *, values: int = _VALUES) -> Any:  # noqa: ANN401 - any JSON value
    """The JSON value in UTF-8 that was read from a file.

    Raises ModelFileError.
    """
    if sum(content.count(mark) for mark in (b",", b"[", b"{")) > values:
        raise ModelFileError(shown, f"it holds more than {values:,} values, more than is read of such a file")
    try:
        return json.loads(content.decode("utf-8-sig"), object_pairs_hook=functools.partial(_without_duplicates, shown))
    except UnicodeDecodeError as error:
        raise ModelFileError(shown, f"it is not UTF-8 (byte {error.start})") from error
    except RecursionError as error:
        raise ModelFileError(shown, "it nests too deep") from error
    except ValueError as error:
        raise ModelFileError(shown, f"it is not JSON: {error}") from error


def _without_duplicates(shown: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ModelFileError(shown, f"the key {twice[:80]!r} stands twice in one object; programs differ in which they take")
    return value


def read_yaml(path: Path, shown: str) -> Any:  # noqa: ANN401 - any YAML value
    """The value of a YAML file of one document.

    Raises ModelFileError.
    """
    return parse_yaml(read_bytes(path, shown, YAML_LIMIT), shown)


def parse_yaml(content: bytes, shown: str) -> Any:  # noqa: ANN401 - any YAML value
    """The value of a YAML 1.2 document: `no` is a word and a date a text, as the Hugging Face Hub reads model cards.

    Aliases are followed as long as what they stand for, written out, stays within bounds. Raises ModelFileError.
    """
    try:
        import yaml  # noqa: PLC0415 - an optional library
    except ImportError as error:
        raise ModelFileError(shown, 'YAML is not read without PyYAML: pip install "studbook[files]"') from error
    try:
        text = content.decode("utf-8-sig")
        size = _Size(shown)
        for event in yaml.parse(text, Loader=_loader()):
            size.add(event)
        return yaml.load(text, Loader=_loader())  # noqa: S506 - a safe loader, and explicit tags are refused before
    except UnicodeDecodeError as error:
        raise ModelFileError(shown, f"it is not UTF-8 (byte {error.start})") from error
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise ModelFileError(shown, f"it is not YAML: {problem[:200]}") from error
    # What PyYAML's constructors raise for scalars that resolve to a type but hold no value of it, such as `0b_`.
    except (ValueError, OverflowError, RecursionError) as error:
        raise ModelFileError(shown, f"a value of it cannot be read: {str(error)[:200]}") from error


@functools.cache
def _loader() -> Any:  # noqa: ANN401 - a class that exists only with PyYAML
    import yaml  # noqa: PLC0415 - an optional library

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        """Scalars by the core schema of YAML 1.2 (chapter 10.3) rather than by YAML 1.1; no key twice."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - as PyYAML has it
            names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if len(set(names)) != len(names):
                twice = next(name for name in names if names.count(name) > 1)
                problem = f"the key {twice[:80]!r} stands twice in one mapping; programs differ in which they take"
                raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
            return super().construct_mapping(node, deep=deep)

    Loader.yaml_implicit_resolvers = {}
    core = [
        ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
        ("tag:yaml.org,2002:int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
        (
            "tag:yaml.org,2002:float",
            _FLOAT,
            list("-+0123456789."),
        ),
        ("tag:yaml.org,2002:merge", "<<", ["<"]),
    ]
    for tag, pattern, firsts in core:
        Loader.add_implicit_resolver(tag, re.compile(f"^(?:{pattern})$"), firsts)
    return Loader


class _Size:
    """How many values a document has, those that aliases stand for counted as if they were written out."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._total = 0
        self._of_anchors: dict[str, int] = {}
        # For each open sequence or mapping its anchor, and the total before it.
        self._open: list[tuple[str | None, int]] = []

    def add(self, event: Any) -> None:  # noqa: ANN401 - an event of PyYAML
        """Count an event. Raises ModelFileError for what would grow, nest or run beyond bounds."""
        kind, anchor = type(event).__name__, getattr(event, "anchor", None)
        if getattr(event, "tag", None) not in {None, "!"}:
            raise ModelFileError(self._shown, f"it holds the tag {str(event.tag)[:80]}, which asks the reader to make an object")
        if kind == "AliasEvent":
            if anchor not in self._of_anchors:
                raise ModelFileError(self._shown, f"the alias *{str(anchor)[:80]} stands for what it is part of, or for nothing")
            self._total += self._of_anchors[anchor]
        elif kind == "ScalarEvent":
            self._total += 1
            self._close(anchor, self._total - 1)
        elif kind in {"SequenceStartEvent", "MappingStartEvent"}:
            self._open.append((anchor, self._total))
            self._total += 1
        elif kind in {"SequenceEndEvent", "MappingEndEvent"}:
            self._close(*self._open.pop())
        if len(self._open) > DEPTH_LIMIT:
            raise ModelFileError(self._shown, f"it nests deeper than {DEPTH_LIMIT} levels")
        if self._total > _NODES:
            raise ModelFileError(self._shown, f"it holds more than {_NODES:,} values once its aliases are written out")

    def _close(self, anchor: str | None, before: int) -> None:
        if anchor is not None:
            self._of_anchors[anchor] = self._total - before


def plain(value: Any, *, depth: int = 6, members: int = 100, text: int = 1000) -> Any:  # noqa: ANN401 - from and to any JSON value
    """The value as JSON that is small and that every reader understands alike; what is not, is left out.

    NaN, infinities and integers beyond 2^53 - 1 become None, long texts are cut, and so are lists and objects.
    """
    if isinstance(value, str):
        return clean(value)[:text]
    if isinstance(value, int | float) and not isinstance(value, bool):
        # Comparing with NaN is false, too.
        return value if -_SAFE_INTEGER <= value <= _SAFE_INTEGER or (isinstance(value, float) and math.isfinite(value)) else None
    if not isinstance(value, list | tuple | dict):
        return value if isinstance(value, bool) else None
    if depth == 0:
        return None
    further = {"depth": depth - 1, "members": members, "text": text}
    if isinstance(value, dict):
        kept = list(value.items())[:members]
        return {clean(str(key))[:200]: plain(member, **further) for key, member in kept if isinstance(key, str)}
    return [plain(member, **further) for member in value[:members]]


def clean(text: str) -> str:
    """The text without NUL and halves of surrogate pairs, which cannot be stored."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def find_text(value: Any, limit: int = 1000) -> str | None:  # noqa: ANN401 - whatever stood there
    """The value where it is a text of at least a character, cut to `limit`; numbers as they are written."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        text = clean(str(value)).strip()
    # An integer of thousands of digits.
    except ValueError:
        return None
    return text[:limit] or None


def list_texts(value: Any, *, members: int = 1000, limit: int = 1000) -> tuple[str, ...]:  # noqa: ANN401 - whatever stood there
    """The texts of a list, or the one text that stands in place of a list; each once."""
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(dict.fromkeys(text for member in values[:members] if (text := find_text(member, limit))))


def find_number(value: Any) -> float | None:  # noqa: ANN401 - whatever stood there
    """The value where it is a finite number, or a text that is one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def find_count(value: Any) -> int | None:  # noqa: ANN401 - whatever stood there
    """The value where it is a whole number from 0 to 2^53 - 1."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _SAFE_INTEGER else None


def find_object(value: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever stood there
    """The value where it is an object, otherwise an empty one."""
    return value if isinstance(value, dict) else {}


# Values that are walked over within one file.
_WALKED: Final = 500_000


class Objects:
    """All objects in a JSON value, in the order of their text. A stack rather than recursion: hostile files nest deep."""

    def __init__(self, value: Any) -> None:  # noqa: ANN401 - any JSON value
        self._value = value
        # Whether there are more than were walked over.
        self.cut = False

    def __iter__(self) -> Iterator[dict[str, Any]]:
        waiting, seen = [self._value], 0
        while waiting:
            if seen == _WALKED:
                self.cut = True
                return
            value = waiting.pop()
            seen += 1
            if isinstance(value, dict):
                yield value
                waiting += reversed(value.values())
            elif isinstance(value, list):
                waiting += reversed(value)


def list_objects(value: Any, members: int = 10_000) -> list[dict[str, Any]]:  # noqa: ANN401 - whatever stood there
    """The objects of a list."""
    return [member for member in value[:members] if isinstance(member, dict)] if isinstance(value, list) else []


def scalars(value: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Of an object the members with these names that are JSON scalars, texts cut; null, NaN and the like are left out."""
    found = {name: plain(value[name]) for name in names if name in value and not isinstance(value[name], dict | list)}
    return {name: member for name, member in found.items() if member is not None}
