"""Expressions of rules, in CEL: compiled against declared types, evaluated within bounds. The one module that knows the engine.

The engine is cel-expr-python (Google's C++ implementation). What it bounds: 10,000 iterations an evaluation, nesting, regular
expressions in linear time (RE2). What it does not bound is told by `growth`. An error comes back from it as a value whose text
would be true in Python, so nothing but the real boolean true ever counts as true here.
"""

from __future__ import annotations

import difflib
import functools
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cel_expr_python import cel
from cel_expr_python.ext import ext_bindings, ext_math, ext_optional, ext_strings
from google.protobuf import descriptor_pb2, descriptor_pool, struct_pb2, timestamp_pb2

from studbook.governance.growth import ROOM, Growth, Size, UnboundedError, find_reads, measure
from studbook.governance.shapes import ANY, AROUND, Shape
from studbook.governance.syntax import read_tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from studbook.governance.syntax import Tree

BOOL: Final = "bool"
STRING: Final = "string"
ANYTHING: Final = "anything"
_WANTED: Final = {BOOL: {"BOOL", "DYN"}, STRING: {"STRING", "DYN"}}
_PLACE: Final = re.compile(r"<input>:(\d+):(\d+): (.*)", re.DOTALL)
_UNDEFINED: Final = re.compile(r"undefined field '([^']*)' not found in struct '([^']*)'")
_UNDECLARED: Final = re.compile(r"undeclared reference to '([^']*)'")
_PACKAGE: Final = "studbook"
_BASIC: Final = {
    "str": cel.Type.STRING,
    "int": cel.Type.INT,
    "float": cel.Type.DOUBLE,
    "bool": cel.Type.BOOL,
    "time": cel.Type.TIMESTAMP,
    ANY: cel.Type.DYN,
}
_EXTENSIONS: Final = (ext_strings.ExtStrings(), ext_bindings.ExtBindings(), ext_math.ExtMath(), ext_optional.ExtOptional())


class ExpressionError(Exception):
    """An expression that cannot be used; `line` and `column` begin at 1."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column

    def __str__(self) -> str:
        """The message with its place."""
        return f"line {self.line}, column {self.column}: {self.message}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an expression came to: a value, or why there is none."""

    value: Any = None
    error: str | None = None

    @property
    def is_true(self) -> bool:
        """Whether it is the real boolean true: no text, no number, no error."""
        return self.error is None and self.value is True


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression ready to be evaluated. `reads` are facts, `variables` those of the policy that it names."""

    text: str
    reads: frozenset[str]
    variables: frozenset[str]
    growth: Growth
    tree: Tree
    type: Any
    program: Any

    def evaluate(self, activation: Any, size: int, length: int) -> Outcome:  # noqa: ANN401 - of the engine
        """The outcome over facts of so many bytes, with a longest list of so many elements; never raises."""
        if self.growth.at(size, length) > ROOM:
            return Outcome(error="the expression could need more memory than its budget with a document of this size")
        try:
            value = self.program.eval(activation=activation)
            if value.type() == cel.Type.ERROR:
                return Outcome(error=_plain(str(value.value())))
            return Outcome(value.plain_value())
        except Exception as error:  # noqa: BLE001 - whatever the engine raises is the expression's error
            return Outcome(error=_plain(str(error)))


def activate(facts: Mapping[str, Any]) -> Any:  # noqa: ANN401 - of the engine
    """The facts as the engine takes them; it converts what is read, when it is read."""
    return _evaluating().Activation(dict(facts))


def join_all(conditions: Sequence[Compiled]) -> Compiled | None:
    """One expression for all of these conditions, true when each is; None when they are too much for one."""
    text = " && ".join(f"({condition.text})" for condition in conditions)
    try:
        program = _evaluating().compile(text)
    except RuntimeError:
        return None
    total = Size()
    for condition in conditions:
        total += condition.growth.total
    growth = Growth(Size(), total, any(condition.growth.makes_lists for condition in conditions))
    reads = frozenset().union(*(condition.reads for condition in conditions))
    variables = frozenset().union(*(condition.variables for condition in conditions))
    return Compiled(text, reads, variables, growth, conditions[0].tree, cel.Type.BOOL, program)


class Language:
    """The types that the expressions of one policy are checked against; variables are added as they are defined."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self._shapes = dict(shapes)
        self._pool, types = _messages(json.dumps({name: shape for name, shape in shapes.items() if name != "params"}))
        params = shapes.get("params") or {}
        assert isinstance(params, dict)  # noqa: S101 - see shapes.declared; for the type checker
        self._types = {**types, **{f"params.{name}": _type_of_value(shape) for name, shape in params.items()}}
        self._sizes: dict[str, Size] = {}
        self._env: Any = None

    def define(self, name: str, compiled: Compiled) -> None:
        """Add a variable."""
        self._types[f"variables.{name}"] = compiled.type
        self._sizes[f"variables.{name}"] = compiled.growth.result
        self._env = None

    def compile(self, text: str, want: str = BOOL) -> Compiled:
        """An expression of the wanted type.

        Raises ExpressionError.
        """
        if self._env is None:
            self._env = cel.NewEnv(descriptor_pool=self._pool, variables=self._types, extensions=list(_EXTENSIONS))
        try:
            checked = self._env.compile(text)
            program = _evaluating().compile(text)
        except (RuntimeError, UnicodeError, ValueError) as error:
            raise self._explain(str(error)) from None
        kind = checked.return_type()
        if want in _WANTED and kind.name() not in _WANTED[want]:
            noun = "true or false" if want == BOOL else "a text"
            message = f"this gives {kind.name().lower()}, and {noun} is expected"
            raise ExpressionError(message)
        tree = read_tree(checked.serialize())
        try:
            growth = measure(tree, self._sizes)
        except UnboundedError as error:
            raise ExpressionError(str(error), *_place(text, tree.positions.get(error.node, 0))) from None
        if growth.is_excessive:
            message = "this could need more memory than its budget; do not join texts or lists within loops again and again"
            raise ExpressionError(message)
        names = find_reads(tree)
        reads = frozenset(_facts_of(names))
        variables = frozenset(name.removeprefix("variables.") for name in names if name.startswith("variables."))
        return Compiled(text, reads, variables, growth, tree, kind, program)

    def _explain(self, text: str) -> ExpressionError:
        """The engine's message in our words."""
        text = text.removeprefix("INVALID_ARGUMENT: ").removesuffix("[INVALID_ARGUMENT]").split("\n |")[0]
        match = _PLACE.search(text)
        if match is None:
            return ExpressionError(_plain(text))
        line, column, message = int(match[1]), int(match[2]), match[3].strip()
        if found := _UNDEFINED.search(message):
            fields = _FIELDS.get(found[2], ())
            message = f"there is no field {found[1]!r} here{_near(found[1], fields)}; there are {', '.join(fields)}"
        elif found := _UNDECLARED.search(message):
            name = found[1]
            message = f"nothing is called {name!r}{_near(name, self._types)}"
        elif "found no matching overload" in message:
            message = message.replace("found no matching overload for", "no such operation:").replace("applied to", "of")
        return ExpressionError(message, line, column)


def _near(name: str, names: Mapping[str, Any] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, list(names), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _place(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def _plain(text: str) -> str:
    """A message of the engine without its codes."""
    return re.sub(r"^[A-Z_]+: |\s*\[[A-Z_]+\]$", "", text.strip())[:500]


def _facts_of(names: frozenset[str]) -> set[str]:
    found = {name for name in names if name in _NAMES or name.startswith("lineage.")}
    if "lineage" in found:
        lineage = AROUND["lineage"]
        assert isinstance(lineage, dict)  # noqa: S101 - see shapes; for the type checker
        found = (found - {"lineage"}) | {f"lineage.{name}" for name in lineage}
    return found


_NAMES: Final = frozenset({"object", "old", "current", *AROUND})


@functools.cache
def _evaluating() -> Any:  # noqa: ANN401 - of the engine
    """Where expressions are evaluated: over plain values, whatever they are declared to be."""
    names = [*_NAMES, "params", "variables"]
    variables = {name: cel.Type.TIMESTAMP if name == "now" else cel.Type.DYN for name in names}
    return cel.NewEnv(variables=variables, extensions=list(_EXTENSIONS))


# The fields of each message, for messages to whoever misspells one.
_FIELDS: Final[dict[str, tuple[str, ...]]] = {}


@functools.lru_cache(maxsize=200)
def _messages(text: str) -> tuple[Any, dict[str, Any]]:
    """A pool of message types for these shapes (JSON), and the type of each fact."""
    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto(name="studbook.proto", package=_PACKAGE, syntax="proto3")
    for module in (struct_pb2, timestamp_pb2):
        described = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(described)
        pool.AddSerializedFile(described.SerializeToString())
        file.dependency.append(described.name)
    builder = _Builder(file)
    types = {name: builder.type_of(shape, name.capitalize()) for name, shape in json.loads(text).items()}
    pool.AddSerializedFile(file.SerializeToString())
    return pool, types


class _Builder:
    """Makes messages of shapes."""

    def __init__(self, file: Any) -> None:  # noqa: ANN401 - a message of protobuf
        self._file = file
        self._made: dict[str, str] = {}

    def type_of(self, shape: Shape, name: str) -> Any:  # noqa: ANN401 - of the engine
        """The type of a fact."""
        if isinstance(shape, str):
            return _BASIC[shape]
        if isinstance(shape, list):
            return cel.Type.List(self.type_of(shape[0], name))
        if "*" in shape:
            return cel.Type.Map(cel.Type.STRING, self.type_of(shape["*"], name))
        return cel.Type(self._message(shape, name))

    def _message(self, shape: dict[str, Shape], name: str) -> str:
        key = json.dumps(shape, sort_keys=True)
        if key in self._made:
            return self._made[key]
        full = self._made[key] = f"{_PACKAGE}.{name}{len(self._made)}"
        message = self._file.message_type.add(name=full.removeprefix(f"{_PACKAGE}."))
        _FIELDS[full] = tuple(shape)
        for number, (field, inner) in enumerate(shape.items(), 1):
            self._add_field(message, field, number, inner)
        return full

    def _add_field(self, message: Any, name: str, number: int, shape: Shape) -> None:  # noqa: ANN401 - a message of protobuf
        kinds = descriptor_pb2.FieldDescriptorProto
        field = message.field.add(name=name, number=number, label=kinds.LABEL_OPTIONAL)
        if isinstance(shape, list):
            field.label = kinds.LABEL_REPEATED
            shape = shape[0] if isinstance(shape[0], str) or (isinstance(shape[0], dict) and "*" not in shape[0]) else ANY
        if isinstance(shape, dict) and "*" in shape:
            inner = shape["*"]
            # Protocol Buffers wants the entry's name to be the field's in camel case.
            entry = message.nested_type.add(name="".join(part[:1].upper() + part[1:] for part in name.split("_")) + "Entry")
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, type=kinds.TYPE_STRING, label=kinds.LABEL_OPTIONAL)
            self._set_kind(entry.field.add(name="value", number=2, label=kinds.LABEL_OPTIONAL), inner, name)
            field.label = kinds.LABEL_REPEATED
            field.type, field.type_name = kinds.TYPE_MESSAGE, f".{_PACKAGE}.{message.name}.{entry.name}"
            return
        self._set_kind(field, shape, name)

    def _set_kind(self, field: Any, shape: Shape, name: str) -> None:  # noqa: ANN401 - a field of protobuf
        kinds = descriptor_pb2.FieldDescriptorProto
        basic = {"str": kinds.TYPE_STRING, "int": kinds.TYPE_INT64, "float": kinds.TYPE_DOUBLE, "bool": kinds.TYPE_BOOL}
        if isinstance(shape, str) and shape in basic:
            field.type = basic[shape]
        elif isinstance(shape, dict) and "*" not in shape:
            field.type, field.type_name = kinds.TYPE_MESSAGE, f".{self._message(shape, name.capitalize())}"
        else:
            field.type, field.type_name = kinds.TYPE_MESSAGE, ".google.protobuf.Value"


def _type_of_value(shape: Shape) -> Any:  # noqa: ANN401 - of the engine
    """The type of a parameter."""
    if isinstance(shape, str):
        return _BASIC[shape]
    if isinstance(shape, list):
        return cel.Type.List(_type_of_value(shape[0]))
    return cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
