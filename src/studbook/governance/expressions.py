"""Expressions of rules, in CEL: compiled against declared types, evaluated within bounds. The one module that knows the engine.

The engine is cel-expr-python (Google's C++ implementation, 0.1.3). What it bounds: nesting (32 levels), 10,000 rounds of all
loops of an evaluation, regular expressions in linear time (RE2). What it does not bound is told by `growth`. It holds the
interpreter's lock while it works, so evaluations never overlap. An error comes back from it as a value whose text would be true
in Python, so nothing but the real boolean true ever counts as true here.

Declared types serve the checker alone: values are plain Python ones, read by their names, whatever type they turn out to have.
Parameters and variables are bound around an expression, as in `cel.bind(params, parameters.p1, …)`: so one conversion of the
facts serves many policies, and a variable is computed when it is first read, and once for all that is evaluated with it.
"""

from __future__ import annotations

import difflib
import functools
import itertools
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cel_expr_python import cel
from cel_expr_python.ext import ext_bindings, ext_math, ext_optional, ext_strings
from google.protobuf import descriptor_pb2, descriptor_pool, struct_pb2

from studbook.governance.growth import ROOM, TIME, USUAL_BYTES, USUAL_LENGTH, Growth, Need, UnboundedError
from studbook.governance.shapes import ANY, AROUND, Shape
from studbook.governance.syntax import Comprehension, Select, free_names, place_of, read_tree, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from studbook.domain.canonical import JsonObject
    from studbook.governance.syntax import Tree

BOOL: Final = "bool"
STRING: Final = "string"
ANYTHING: Final = "anything"
_WANTED: Final = {BOOL: ("true or false", {"BOOL", "DYN"}), STRING: ("a text", {"STRING", "DYN"})}
FACTS: Final = frozenset({"object", "old", "current", *AROUND})
# Names that expressions may read, and that no loop may take for its own.
_TAKEN: Final = FACTS | {"params", "variables", "parameters"}
_OWN: Final = "__"
_PACKAGE: Final = "studbook"
_EXTENSIONS: Final = (ext_strings.ExtStrings(), ext_bindings.ExtBindings(), ext_math.ExtMath(), ext_optional.ExtOptional())
# Up to here canonical JSON has integers (RFC 8785).
_EXACT: Final = 2**53
# Macros that write out twice what they are given: twenty, each in the next, hold the engine's parser for half a minute.
_DOUBLING: Final = re.compile("optMap|optFlatMap")
_DOUBLINGS: Final = 8
_TREE_LIMIT: Final = 512 * 1024
_KEYS: Final = itertools.count(1)


class ExpressionError(Exception):
    """An expression that cannot be used; `line` and `column` begin at 1, `more` are further faults of it."""

    def __init__(self, message: str, line: int = 1, column: int = 1, more: Sequence[ExpressionError] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.more = tuple(more)

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

    @property
    def is_false(self) -> bool:
        """Whether it is the real boolean false."""
        return self.error is None and self.value is False


_TRUE: Final = Outcome(value=True)
_FALSE: Final = Outcome(value=False)
OVER_BUDGET: Final = Outcome(
    error="it could need more memory or time than its budget with a record of this size; "
    "gathering with map() or filter() is dear for long lists, exists() and all() are not"
)


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression ready to be evaluated. `reads` are facts, through its variables too; of the lineage, which part."""

    text: str
    reads: frozenset[str]
    growth: Growth
    # As written; and its type as the checker has it, if it was asked.
    tree: Tree
    type: Any
    # The text in which variables have names of their own, those it reads in order, and whether it reads parameters.
    body: str
    variables: tuple[str, ...]
    reads_params: bool
    program: Any

    def evaluate(
        self,
        activation: Any,  # noqa: ANN401 - of the engine
        size: int,
        length: int,
        find: Callable[[str], Any] | None = None,
    ) -> Outcome:
        """The outcome over facts of so many bytes, with a longest list of so many elements; never raises.

        With a way to find the facts, its need is told more exactly before it is refused.
        """
        try:
            if not (self.growth.fits(size, length) or (find is not None and self.growth.fits_exactly(find))):
                return OVER_BUDGET
            found = self.program.eval(activation=activation)
            value = found.value()
            # The value of an error is its text.
            if value is True:
                return _TRUE
            if value is False:
                return _FALSE
            if found.type() == cel.Type.ERROR:
                return Outcome(error=_plain(str(value)))
            return Outcome(found.plain_value())
        except Exception as error:  # noqa: BLE001 - whatever the engine raises is the expression's error
            return Outcome(error=_plain(str(error)))


def activate(facts: Mapping[str, Any], parameters: Mapping[str, JsonObject] | None = None) -> Any:  # noqa: ANN401 - of the engine
    """Facts, and parameters by the keys of their languages, as the engine takes them.

    It converts a fact as a whole when it is first read, and keeps it: so one activation serves all that is asked about the same.
    """
    return _evaluating().Activation({**facts, "parameters": parameters or {}})


class Language:
    """The expressions of one policy: its parameters, its variables as they are defined, and the types that are checked.

    Without shapes nothing is checked but that it can be read: for what was checked when it was saved.
    """

    def __init__(self, shapes: Mapping[str, Shape] | None, params: JsonObject | None = None) -> None:
        self.params = _stored(params or {})
        self.key = f"p{next(_KEYS)}"
        self._defined: dict[str, Compiled] = {}
        self._checker = _Checker(shapes) if shapes is not None else None

    def define(self, name: str, compiled: Compiled) -> None:
        """Add a variable, which later expressions may read."""
        self._defined[name] = compiled
        if self._checker is not None:
            self._checker.define(name, compiled.type)

    def compile(self, text: str, want: str = BOOL) -> Compiled:
        """An expression of the wanted type.

        Raises ExpressionError.
        """
        if len(_DOUBLING.findall(text)) > _DOUBLINGS:
            message = (
                f"optMap() and optFlatMap() may be used {_DOUBLINGS} times in an expression, for each doubles what it is given"
            )
            raise ExpressionError(message)
        kind = self._checker.check(text, want) if self._checker is not None else None
        try:
            program, tree = _assemble(text)
            return self._bounded(self._bound(text, tree, kind, program), checked=self._checker is not None)
        except (RuntimeError, UnicodeError, ValueError) as error:
            raise _explain(str(error), text, (), {}) from None
        except RecursionError:
            raise ExpressionError(_TOO_DEEP) from None

    def join(self, conditions: Sequence[Compiled]) -> Compiled | None:
        """One expression for all of these conditions, true when each is; None when they are too much for one."""
        read = {name for condition in conditions for name in condition.variables}
        variables = tuple(name for name in self._defined if name in read)
        reads_params = any(condition.reads_params for condition in conditions)
        body = " && ".join(f"({condition.body}\n)" for condition in conditions)
        try:
            program, tree = _assemble(self._around(body, variables, reads_params=reads_params)[0])
        except (RuntimeError, ValueError, RecursionError):
            return None
        reads = frozenset().union(*(condition.reads for condition in conditions))
        growth = Growth(tree, {"parameters": {self.key: self.params}})
        return Compiled(body, reads, growth, tree, cel.Type.BOOL, body, variables, reads_params, program)

    def _bound(self, text: str, tree: Tree, kind: Any, program: Any) -> tuple[Compiled, int]:  # noqa: ANN401 - of the engine
        """The expression with parameters and variables bound around it, and how far into that its own text begins."""
        places, direct, reads_params = _names_of(text, tree)
        if unknown := sorted(direct - set(self._defined)):
            message = f"there is no variable {unknown[0]!r} before this"
            raise ExpressionError(message)
        # Offsets count characters, as Python does.
        body, end = "", 0
        for offset in sorted(places):
            body += text[end:offset] + f"{_OWN}{places[offset]}"
            end = offset + len("variables")
        body += text[end:]
        read = direct.union(*(self._defined[name].variables for name in direct))
        variables = tuple(name for name in self._defined if name in read)
        reads_params = reads_params or any(self._defined[name].reads_params for name in variables)
        begin = 0
        bound = tree
        if variables or reads_params:
            whole, begin = self._around(body, variables, reads_params=reads_params)
            program, bound = _assemble(whole)
        growth = Growth(bound, {"parameters": {self.key: self.params}})
        reads = _facts_in(bound)
        return Compiled(text, reads, growth, tree, kind, body, variables, reads_params, program), begin

    def _around(self, body: str, variables: Iterable[str], *, reads_params: bool) -> tuple[str, int]:
        before = f"cel.bind(params, parameters.{self.key}, " if reads_params else ""
        after = ")" if reads_params else ""
        for name in variables:
            # Each a map of its own, so that it is computed only when it is read itself; a line may end in a comment.
            before += f"cel.bind({_OWN}{name}, {{'{name}': dyn({self._defined[name].body}\n)}}, "
            after += ")"
        return f"{before}({body}\n){after}", len(before) + 1

    def _bounded(self, bound: tuple[Compiled, int], *, checked: bool) -> Compiled:
        compiled, begin = bound
        try:
            need, is_excessive = compiled.growth.usual()
        except UnboundedError as error:
            places = read_tree(compiled.program.serialize()).positions
            raise ExpressionError(str(error), *self._origin(compiled, places.get(error.node, 0) - begin)) from None
        if checked and is_excessive:
            message = (
                f"with a record of {USUAL_BYTES // 1024} KiB and lists of {USUAL_LENGTH} this could need {_amount(need)}, "
                f"and rules have {_amount(Need(ROOM, TIME))}; do not join texts or lists again and again, and do not go "
                "through a whole record in every round of a loop"
            )
            raise ExpressionError(message)
        return compiled

    @staticmethod
    def _origin(compiled: Compiled, place: int) -> tuple[int, int]:
        """The place in the text as written of an offset in its body."""
        places, _, _ = _names_of(compiled.text, compiled.tree)
        for offset in sorted(places):
            if place > offset:
                place = max(offset, place - len(f"{_OWN}{places[offset]}") + len("variables"))
        return place_of(compiled.text, max(0, place))


def _amount(need: Need) -> str:
    return f"{need.room / 2**20:,.0f} MiB of memory and {need.time / 1e9:,.1f} seconds"


def _assemble(text: str) -> tuple[Any, Tree]:
    program = _evaluating().compile(text)
    serialized = program.serialize()
    if len(serialized) > _TREE_LIMIT:
        message = "it is too large when its macros are written out"
        raise ValueError(message)
    return program, read_tree(serialized)


def _names_of(text: str, tree: Tree) -> tuple[dict[int, str], set[str], bool]:
    """Where which variable is named, the variables that are read, and whether parameters are.

    Raises ExpressionError for names that are not offered, or taken twice.
    """
    for node in walk(tree.root):
        if isinstance(node, Comprehension):
            for name in (node.variable, node.accumulator):
                if name in _TAKEN or name.startswith(_OWN):
                    message = f"{name!r} is taken; call the loop's variable otherwise"
                    raise ExpressionError(message, *place_of(text, tree.positions.get(node.id, 0)))
    places: dict[int, str] = {}
    reads_params = False
    for node, owner in free_names(tree.root):
        offset = tree.positions.get(node.id, 0)
        name = getattr(node, "name", "")
        if name == "params":
            reads_params = True
        elif name == "variables":
            if not isinstance(owner, Select) or text[offset : offset + len(name)] != name:
                message = "variables are read one by one, as in variables.name"
                raise ExpressionError(message, *place_of(text, offset))
            places[offset] = owner.field
        elif name not in FACTS and name not in _TYPES:
            message = f"nothing is called {name!r}{_near(name, _TAKEN - {'parameters'})}"
            raise ExpressionError(message, *place_of(text, offset))
    return places, set(places.values()), reads_params


# Names of types, which are values too: type(object.x) == int.
_TYPES: Final = frozenset(
    {
        "bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint",
        "google.protobuf.Timestamp", "google.protobuf.Duration",
    }
)  # fmt: skip


def _facts_in(tree: Tree) -> frozenset[str]:
    """The facts that an expression reads; of the lineage which part."""
    found = set()
    lineage = AROUND["lineage"]
    for node, owner in free_names(tree.root):
        name = getattr(node, "name", "")
        if name == "lineage" and isinstance(owner, Select):
            found.add(f"lineage.{owner.field}")
        elif name == "lineage":
            found.update(f"lineage.{part}" for part in lineage)
        elif name in FACTS:
            found.add(name)
    return frozenset(found)


@functools.cache
def _evaluating() -> Any:  # noqa: ANN401 - of the engine
    """Where expressions are evaluated: over plain values, whatever they are declared to be."""
    variables = {name: cel.Type.TIMESTAMP if name == "now" else cel.Type.DYN for name in _TAKEN}
    return cel.NewEnv(variables=variables, extensions=list(_EXTENSIONS))


def _stored(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A parameter as it is read again from storage: canonical JSON writes 1.0 as 1. What is null is absent, as in facts."""
    if isinstance(value, dict):
        return {name: _stored(member) for name, member in value.items() if member is not None}
    if isinstance(value, list | tuple):
        return [_stored(element) for element in value if element is not None]
    return int(value) if isinstance(value, float) and abs(value) < _EXACT and value.is_integer() else value


_TOO_DEEP: Final = "it nests too deep: there may be 32 levels, those of its variables included"
# What the engine says of an expression that it cannot use.
_FAULT: Final = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*?)(?=\n \||\nERROR:|\s*\[[A-Z_]+\]$|$)", re.DOTALL)
_UNDEFINED: Final = re.compile(r"undefined field '([^']*)' not found in struct '([^']*)'")
_UNDECLARED: Final = re.compile(r"undeclared reference to '([^']*)'")
_NO_OVERLOAD: Final = re.compile(r"found no matching overload for '([^']*)' applied to '(.*)'", re.DOTALL)
_WELL_KNOWN: Final = re.compile(r"google\.protobuf\.(\w+)")
_RECORD: Final = re.compile(rf"{_PACKAGE}\.\w+")
_MIXED_NUMBERS: Final = ({"int", "double"}, {"uint", "double"})


def _explain(text: str, source: str, names: Iterable[str], fields: Mapping[str, tuple[str, ...]]) -> ExpressionError:
    """The engine's message in our words: its first fault, and the others with it."""
    if "recursion" in text:
        return ExpressionError(_TOO_DEEP)
    # The engine says some things twice.
    said = dict.fromkeys(
        _said_of(found[3].strip(), source, max(1, int(found[1])), max(1, int(found[2])), names, fields)
        for found in _FAULT.finditer(text)
    )
    if not said:
        return ExpressionError(_plain(text))
    first, *others = said
    return ExpressionError(*first, [ExpressionError(*other) for other in others])


def _said_of(
    message: str, source: str, line: int, column: int, names: Iterable[str], fields: Mapping[str, tuple[str, ...]]
) -> tuple[str, int, int]:
    if found := _UNDEFINED.search(message):
        known = fields.get(found[2], ())
        if found[2].startswith(f"{_PACKAGE}.Params_"):
            message = f"nothing is called 'params.{found[1]}'{_near(found[1], known)}; declare it in 'params'"
        else:
            message = f"there is no field {found[1]!r} here{_near(found[1], known)}; there are {', '.join(known)}"
    elif found := _UNDECLARED.search(message):
        name = found[1]
        # The engine points to the last dot of a name.
        begin = column - max(0, name.rfind("."))
        lines = source.split("\n")
        if begin > 0 and line <= len(lines) and lines[line - 1].startswith(name, begin - 1):
            column = begin
        message = f"nothing is called {name!r}{_near(name, names)}"
    elif found := _NO_OVERLOAD.search(message):
        given = _WELL_KNOWN.sub(lambda known: known[1].lower(), _RECORD.sub("record", found[2]))
        message = f"no such operation: {found[1]!r} of {given!r}"
        if set(re.findall(r"\w+", found[2])) in _MIXED_NUMBERS:
            message += "; beside a double a whole number is written 1.0, or made one with double(…)"
    else:
        message = re.sub(r" expecting .*", "", message, flags=re.DOTALL).replace("'<EOF>'", "the end of the expression")
    return message, line, column


def _near(name: str, names: Iterable[str]) -> str:
    first, dot, rest = name.partition(".")
    # A misspelt fact with a field of it; else the whole, as variables are declared.
    close = [f"{near}.{rest}" for near in difflib.get_close_matches(first, names, 1) if dot and near != first]
    close = close or difflib.get_close_matches(name, names, 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


_SAYINGS: Final = (
    (re.compile(r'Key not found in map : "(.*)"', re.DOTALL), r"there is no '\1'; ask has(…) first"),
    (re.compile(r"Iteration budget exceeded"), "its loops ran more than the 10,000 rounds that they may"),
    (re.compile(r"No matching overloads found : (.*)", re.DOTALL), r"no such operation: \1"),
    (re.compile(r"(?s)Unable to convert function return value.*"), "it gives an optional value; end it with orValue(…)"),
)


def _plain(text: str) -> str:
    """A message of the engine without its codes, in our words where they are clearer."""
    text = re.sub(r"^[A-Z_]+: |\s*\[[A-Z_]+\]$", "", text.strip())
    for pattern, saying in _SAYINGS:
        text = pattern.sub(saying, text)
    return text[:500]


class _Checker:
    """Checks expressions against declared types."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self._pool, types, self._fields = _messages(json.dumps(shapes))
        self._types = dict(types)
        self._env: Any = None

    def define(self, name: str, kind: Any) -> None:  # noqa: ANN401 - of the engine
        """Declare a variable of the policy; the engine takes optional values for variables of no type that it can check."""
        self._types[f"variables.{name}"] = cel.Type.DYN if kind.name().startswith("optional_type") else kind
        self._env = None

    def check(self, text: str, want: str) -> Any:  # noqa: ANN401 - of the engine
        """The type of an expression.

        Raises ExpressionError.
        """
        if self._env is None:
            self._env = cel.NewEnv(descriptor_pool=self._pool, variables=self._types, extensions=list(_EXTENSIONS))
        try:
            kind = self._env.compile(text).return_type()
        except (RuntimeError, UnicodeError, ValueError) as error:
            raise _explain(str(error), text, self._types, self._fields) from None
        if want in _WANTED:
            noun, names = _WANTED[want]
            if kind.name() not in names:
                got = "a record" if kind.is_message() else kind.name().lower()
                message = f"this gives {got}, and {noun} is expected"
                raise ExpressionError(message)
        return kind


@functools.lru_cache(maxsize=64)
def _messages(text: str) -> tuple[Any, dict[str, Any], dict[str, tuple[str, ...]]]:
    """For these shapes (as JSON): a pool of message types, the type of each fact, and the fields of each message."""
    pool = descriptor_pool.DescriptorPool()
    described = descriptor_pb2.FileDescriptorProto()
    struct_pb2.DESCRIPTOR.CopyToProto(described)
    pool.AddSerializedFile(described.SerializeToString())
    builder = _Builder(described.name)
    types = {name: builder.type_of(shape, name.capitalize()) for name, shape in json.loads(text).items()}
    pool.AddSerializedFile(builder.file.SerializeToString())
    return pool, types, builder.fields


_BASIC: Final = {
    "str": cel.Type.STRING,
    "int": cel.Type.INT,
    "float": cel.Type.DOUBLE,
    "bool": cel.Type.BOOL,
    "time": cel.Type.TIMESTAMP,
    ANY: cel.Type.DYN,
}


class _Builder:
    """Makes messages of shapes. A list of lists or of maps is one of any: Protocol Buffers has none of those."""

    def __init__(self, of_any: str) -> None:
        self.file = descriptor_pb2.FileDescriptorProto(name="studbook.proto", package=_PACKAGE, syntax="proto3")
        self.file.dependency.append(of_any)
        # The fields of each message, for whoever misspells one.
        self.fields: dict[str, tuple[str, ...]] = {}
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
        key = json.dumps(shape)
        if key in self._made:
            return self._made[key]
        full = self._made[key] = f"{_PACKAGE}.{name}_{len(self._made)}"
        message = self.file.message_type.add(name=full.removeprefix(f"{_PACKAGE}."))
        self.fields[full] = tuple(shape)
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
            # Protocol Buffers wants the entry's name to be the field's in camel case.
            entry = message.nested_type.add(name="".join(part[:1].upper() + part[1:] for part in name.split("_")) + "Entry")
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, type=kinds.TYPE_STRING, label=kinds.LABEL_OPTIONAL)
            self._set_kind(entry.field.add(name="value", number=2, label=kinds.LABEL_OPTIONAL), shape["*"], name)
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
