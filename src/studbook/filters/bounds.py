"""How large a filter may be, kept while its words are read: a hostile one is refused before it costs anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from studbook.filters.faults import SyntaxFaultError, check_operator, refuse
from studbook.filters.literals import KEYWORDS, show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lark import Token

TEXT_LIMIT: Final = 8_192
CONDITION_LIMIT: Final = 200
DEPTH_LIMIT: Final = 50
VALUE_LIMIT: Final = 1_000
LABEL_LIMIT: Final = 20
# Attributes have at most eight; the key of an open set may have more.
SEGMENT_LIMIT: Final = 32


def check_length(text: str) -> None:
    """Refuse a text that is too long."""
    if len(text) > TEXT_LIMIT:
        raise SyntaxFaultError(
            f"the filter has {len(text):,} characters; at most {TEXT_LIMIT:,} are read: ask in several steps, or by a tag"
        )


@dataclass(slots=True)
class _Count:
    """What was read of one filter so far."""

    conditions: int = 0
    # The `not` before the operand that is being read, and those before each parenthesis that is open around it.
    negations: int = 0
    around: list[int] = field(default_factory=list)
    # What the list that is being read belongs to: `in`, a function, or a field's braces. Lists do not nest.
    inside: str = ""
    commas: int = 0
    before: str = ""

    def read(self, token: Token) -> None:
        kind, column = token.type, (token.start_pos or 0) + 1
        if kind in {"FIELD", "FUNCTION"}:
            self.conditions += 1
            if self.conditions > CONDITION_LIMIT:
                refuse(column, f"the filter has more than {CONDITION_LIMIT} conditions; `field in (a, b)` counts as one")
        elif kind in {"OPERATOR", "_LABEL_IS"}:
            check_operator(token, column, label=kind == "_LABEL_IS")
        elif kind == "WORD" and token.lower() in KEYWORDS:
            # Said here, before the parser stumbles over what follows.
            refuse(column, f'a value is missing before {show(token)}; a text that is a keyword is quoted, "{token}"')
        elif kind == "_COMMA":
            self._count_comma(column)
        elif kind in {"_LBRACE", "_RBRACE"} or (kind == "_LPAR" and self.before in {"_IN", "FUNCTION"}):
            self.inside, self.commas = ("" if kind == "_RBRACE" else self.before), 0
        elif kind == "_RPAR" and self.inside:
            self.inside = ""
        else:
            self._nest(kind, column)
        self.before = kind

    def _nest(self, kind: str, column: int) -> None:
        if kind == "NOT":
            self.negations += 1
        elif kind == "_LPAR":
            self.around.append(self.negations)
            self.negations = 0
        elif kind == "_RPAR" and self.around:
            self.negations = self.around.pop()
        elif kind in {"_AND", "_OR"}:
            self.negations = 0
        if len(self.around) + sum(self.around) + self.negations > DEPTH_LIMIT:
            refuse(column, f"parentheses and `not` nest deeper than {DEPTH_LIMIT} levels; leave out those that change nothing")

    def _count_comma(self, column: int) -> None:
        self.commas += 1
        if self.inside == "_IN" and self.commas >= VALUE_LIMIT:
            refuse(column, f"`in` takes at most {VALUE_LIMIT:,} values; ask in several steps")
        if self.inside == "FIELD" and self.commas >= LABEL_LIMIT:
            refuse(column, f"a slice has at most {LABEL_LIMIT} labels; keep those that tell it apart")


class Bounds:
    """Stands between Lark's lexer and its parser."""

    always_accept: tuple[str, ...] = ()

    @staticmethod
    def process(stream: Iterator[Token]) -> Iterator[Token]:
        """The tokens as they come, until one is too many."""
        count = _Count()
        for token in stream:
            count.read(token)
            yield token
