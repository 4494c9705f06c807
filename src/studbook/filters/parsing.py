"""From the text of a filter to its tree."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedInput, UnexpectedToken

from studbook.domain.errors import MalformedInputError
from studbook.filters.bounds import SEGMENT_LIMIT, Bounds, check_length
from studbook.filters.faults import SyntaxFaultError, explain, refuse
from studbook.filters.grammar import GRAMMAR
from studbook.filters.literals import BadLiteralError, read_string, read_word, show
from studbook.filters.tree import (
    Comparison,
    Direction,
    Exists,
    Field,
    Membership,
    Not,
    Operator,
    Related,
    all_of,
    any_of,
)

if TYPE_CHECKING:
    from studbook.filters.tree import Expression, Scalar, Value

_PART = re.compile(
    r"""([.@]?)("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?<=@)[\w.-]+|[\w-]+)""",
    re.DOTALL,
)


class _Builder(Transformer[Token, "Expression"]):
    """Makes the nodes of the tree while the parser reads on: each method is named after a rule of the grammar."""

    def disjunction(self, parts: list[Expression]) -> Expression:
        return any_of(parts)

    def conjunction(self, parts: list[Expression]) -> Expression:
        return all_of(parts)

    def negation(self, parts: tuple[Token, Expression]) -> Expression:
        sign, part = parts
        return Not(part, _column(sign))

    def comparison(self, parts: tuple[Field, Token, Value]) -> Expression:
        field, sign, value = parts
        return Comparison(field, Operator(sign.lower()), value, field.column)

    def membership(self, parts: list[Any]) -> Expression:
        return Membership(parts[0], tuple(parts[1:]), parts[0].column)

    def existence(self, parts: list[Field]) -> Expression:
        return Exists(parts[0], parts[0].column)

    def relation(self, parts: list[Token]) -> Expression:
        function, reference = parts
        text = _read_text(reference)
        if not text:
            refuse(_column(reference), "the reference is empty; write one such as churn/3 or datasets/churn-train")
        return Related(Direction(function.lower()), text, _column(function))

    def field(self, parts: list[Any]) -> Field:
        token, labels = parts[0], sorted(parts[1:], key=lambda label: label[0])
        column = _column(token)
        for (name, _), (following, _) in pairwise(labels):
            if name == following:
                refuse(column, f"the label {show(name)} stands twice in one slice; keep one")
        name, qualifier = _read_name(token, column)
        return Field(name, qualifier, tuple(labels), column)

    def label(self, parts: tuple[Token, Value]) -> tuple[str, Scalar]:
        name, value = parts
        text = _read_text(name)
        if not isinstance(value, str | int | float | bool):
            refuse(_column(name), f"a label is text, a number, true or false; put the value of {show(text)} in quotes")
        return text, value

    def value(self, parts: list[Token]) -> Value:
        (token,) = parts
        try:
            return read_word(str(token)) if token.type == "WORD" else read_string(token)
        except BadLiteralError as error:
            refuse(_column(token), str(error))


def _column(token: Token) -> int:
    return (token.start_pos or 0) + 1


def _read_text(token: Token) -> str:
    if token[0] not in "\"'":
        return str(token)
    try:
        return read_string(token)
    except BadLiteralError as error:
        refuse(_column(token), str(error))


def _read_name(token: Token, column: int) -> tuple[tuple[str, ...], str | None]:
    segments: list[str] = []
    qualifier = None
    for mark, part in _PART.findall(token):
        try:
            text = read_string(part) if part[0] in "\"'" else part
        except BadLiteralError as error:
            refuse(column, str(error))
        if not text:
            refuse(column, "a part of the name is empty; write what it is called, or leave it out")
        if mark == "@":
            qualifier = text
        else:
            segments.append(text)
    if len(segments) > SEGMENT_LIMIT:
        refuse(column, f"the name has more than {SEGMENT_LIMIT} parts; a key that has dots itself is quoted")
    return tuple(segments), qualifier


@cache
def _get_parser() -> Lark:
    return Lark(
        GRAMMAR,
        parser="lalr",
        lexer="contextual",
        start=["filter", "field"],
        transformer=_Builder(),
        postlex=Bounds(),
        maybe_placeholders=False,
    )


def _read(text: str, start: str) -> Any:  # noqa: ANN401 - what the rule named by `start` makes
    check_length(text)
    try:
        return _get_parser().parse(text, start=start)
    except UnexpectedInput as error:
        at_end = isinstance(error, UnexpectedToken) and error.token.type == "$END"
        position = len(text) if at_end else error.pos_in_stream or 0
        accepted = frozenset(error.interactive_parser.accepts())  # type: ignore[no-untyped-call]
        if start == "filter" and "$END" in accepted:
            # The parser may have put the filter together already, and could have read on before that.
            accepted |= {"_AND", "_OR"}
    raise SyntaxFaultError(explain(text, position, accepted))


# The same few filters are asked again and again, and a tree never changes.
@lru_cache(maxsize=256)
def parse_filter(text: str) -> Expression:
    """The tree of a filter.

    Raises MalformedInputError with one sentence that names the column, what was expected there, and how to write it.
    """
    try:
        tree: Expression = _read(text, "filter")
    except SyntaxFaultError as error:
        raise MalformedInputError.at("/filter", "bad_filter", str(error)) from None
    return tree


@lru_cache(maxsize=256)
def read_field(text: str) -> Field:
    """A field alone, as an order names it.

    Raises SyntaxFaultError.
    """
    field: Field = _read(text, "field")
    return field
