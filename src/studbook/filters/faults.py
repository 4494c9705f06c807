"""From a place where the parser stopped to a sentence that its writer can act on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from studbook.filters.literals import KEYWORDS, show
from studbook.filters.tree import Operator

if TYPE_CHECKING:
    from collections.abc import Callable

OPERATORS: Final = "=, !=, >, >=, <, <=, contains, startswith, in or exists"
_SIGNS: Final = frozenset(operator.value for operator in Operator)
_OTHER_SIGNS: Final = {
    **dict.fromkeys(("==", "==="), "="),
    **dict.fromkeys(("<>", "!==", "=!", "!", "~="), "!="),
    "=>": ">=",
    "=<": "<=",
    **dict.fromkeys(("~", "=~", "~~"), "contains` or `startswith"),
}
# What other languages write where an operator stands, and how it is said here.
_OTHER_WORDS: Final = {
    **dict.fromkeys(("equals", "equal", "eq", "is"), "write `=`, or `exists` to ask whether there is a value"),
    **dict.fromkeys(("ne", "neq"), "write `!=`"),
    "gt": "write `>`",
    "lt": "write `<`",
    **dict.fromkeys(("ge", "gte"), "write `>=`"),
    **dict.fromkeys(("le", "lte"), "write `<=`"),
    **dict.fromkeys(("like", "ilike", "matches", "has", "includes"), "write `contains` or `startswith`"),
    **dict.fromkeys(("begins", "starts", "startswith"), 'write `field startswith "text"`'),
    "between": "write `field >= low and field <= high`",
    "not": "write `not` before the field, as in `not field in (a, b)`",
}
_SIGNS_BETWEEN: Final = {"&": "write `and`", "|": "write `or`", ",": "write `and` or `or` between conditions", ";": "write `and`"}
_JOINING: Final = KEYWORDS - {"not", "exists"}
_CURLY: Final = frozenset("\u201c\u201d\u201e\u2018\u2019\u201a\u00ab\u00bb")
_STRING = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""", re.DOTALL)
_PIECE = re.compile(_STRING.pattern + r"|[\w./:@+%-]+|[=!<>~]+|&+|\|+|.", re.DOTALL)
_OPEN_PART = re.compile(r"""[.@]["']""")
_FIGURE = re.compile(r"-?[0-9]")
_PLAIN = re.compile(r"[\w./:@+%-]+")


class SyntaxFaultError(ValueError):
    """The text is no filter; the message says where, why and what to write."""


def refuse(column: int, sentence: str) -> NoReturn:
    """Refuse the text at a column; 0 when the place is not known."""
    raise SyntaxFaultError(place(column, sentence))


def place(column: int, sentence: str) -> str:
    """The sentence with its place before it."""
    return f"column {column}: {sentence}" if column else sentence


def check_operator(sign: str, column: int, *, label: bool) -> None:
    """Refuse a sign that compares nothing, and any but `=` in the braces of a slice."""
    if sign == "=":
        return
    if label:
        refuse(column, f"the labels of a slice are given with `=` only, not {show(sign)}: write metrics.auc{{region=south}}")
    if sign.lower() not in _SIGNS:
        written = f"write `{_OTHER_SIGNS[sign]}`" if sign in _OTHER_SIGNS else f"expected {OPERATORS}"
        refuse(column, f"{show(sign)} is no operator; {written}")


class _Stop(NamedTuple):
    """Where the parser stopped: the text before, the piece it could not take, and what it would have taken."""

    before: str
    piece: str
    accepted: frozenset[str]

    @property
    def last(self) -> str:
        """The piece before."""
        return _last_piece(self.before)

    @property
    def touches(self) -> bool:
        """Whether the piece stands directly behind the one before."""
        return bool(self.before) and not self.before[-1].isspace()

    @property
    def expected(self) -> str:
        return _describe(self.accepted)


def explain(text: str, position: int, accepted: frozenset[str]) -> str:
    """Why the parser could not read on at `position`, where it would have accepted these kinds of words."""
    if position >= len(text):
        at_end = _explain_end(text, accepted)
        return place(len(text) + 1, at_end) if text.strip() else at_end
    if _OPEN_PART.match(text, position):
        # A name ended where its quoted part is not closed: the quote is at fault, not the dot before it.
        position += 1
    found = _PIECE.match(text, position)
    piece = found[0] if found else text[position]
    stop = _Stop(text[:position], piece, accepted)
    for find_fault in (
        _find_foreign_sign,
        _find_fault_of_value,
        _find_fault_of_operator,
        _find_fault_between,
        _find_fault_of_name,
    ):
        if sentence := find_fault(stop):
            return place(position + 1, sentence)
    return place(position + 1, f"{show(piece)} is not expected here; expected {stop.expected}")


def _explain_end(text: str, accepted: frozenset[str]) -> str:
    if not text.strip():
        return "the filter is empty; write a condition such as `model = churn`"
    last = show(_last_piece(text))
    if "WORD" in accepted:
        return f"a value is missing after {last}; expected a value such as churn, 0.9 or 2026-11-25"
    if "_RPAR" in accepted and (opened := _find_open_parenthesis(text)):
        return f"the parenthesis at column {opened} is not closed; write `)`"
    if "_RBRACE" in accepted:
        return "the braces of the slice are not closed; write `}`"
    if "OPERATOR" in accepted:
        return f"an operator is missing after {last}; expected {OPERATORS}"
    return f"nothing follows {last}; expected {_describe(accepted)}"


def _find_foreign_sign(stop: _Stop) -> str | None:
    piece = stop.piece
    if piece in {'"', "'"}:
        return f"the quote {piece} is not closed; write another {piece} at the end of the text, and \\{piece} for one inside it"
    if piece in _CURLY:
        return f"{show(piece)} is not a quote here; write straight quotes, \" or '"
    if piece[0] == "!" and "NOT" in stop.accepted:
        return "`!` is not read here; write `not`"
    sign = stop.last
    if piece[0] in "=<>!~" and "WORD" in stop.accepted and sign[0] in "=<>!~":
        return f"{show(sign)} and {show(piece)} are written together, without a blank: {show(sign + piece)}"
    return None


def _find_fault_of_value(stop: _Stop) -> str | None:
    accepted, piece = stop.accepted, stop.piece
    if "_LPAR" in accepted and "FIELD" not in accepted:
        return f"the values of `in` stand in parentheses: write in ({piece})" if stop.last.lower() == "in" else None
    if "WORD" not in accepted and "REFERENCE" not in accepted:
        return None
    if piece == ")" and stop.last == "(":
        return f"the parentheses are empty; expected {stop.expected}"
    if piece in {")", ",", "}", "("}:
        return f"a value is missing before {show(piece)}; expected {stop.expected}"
    return f"{show(piece)} cannot begin a value; put the text in quotes"


def _find_fault_of_operator(stop: _Stop) -> str | None:
    accepted, piece, last = stop.accepted, stop.piece, stop.last
    if "_LBRACE" in accepted and stop.touches and piece[0] not in ":=<>!~(,)}" and not piece[0].isspace():
        if piece in {".", "@"}:
            return f"a part of the name is missing after {show(piece)}"
        return (
            f"the name {show(last)} goes on with {show(piece)}; a part of a name that holds anything else than letters, "
            'digits, _ and - is put in quotes, as in tags."cost centre"'
        )
    if "OPERATOR" not in accepted:
        return None
    if written := _OTHER_WORDS.get(piece.lower()) or (piece[0] == ":" and "write `=`, as in `model = churn`"):
        return f"{show(piece)} is no operator; {written}"
    if piece == "(" or last.lower() in {"upstream", "downstream"}:
        return f"{show(last)} is followed by {show(piece)}; functions are upstream(reference) and downstream(reference)"
    return f"an operator is missing before {show(piece)}; expected {OPERATORS}"


def _find_fault_between(stop: _Stop) -> str | None:
    piece, last = stop.piece, stop.last
    if "_AND" not in stop.accepted:
        return None
    if piece == ")":
        return f"no parenthesis is open that `)` could close; expected {stop.expected}"
    if piece.lower() == "not":
        return "a condition is joined to the one before: write `and not` or `or not`"
    if piece[0] in _SIGNS_BETWEEN:
        return f"{show(piece)} joins nothing here; {_SIGNS_BETWEEN[piece[0]]}"
    return _find_fault_after_word(stop) if _PLAIN.fullmatch(last) else None


def _find_fault_after_word(stop: _Stop) -> str | None:
    piece = stop.piece
    if stop.last.lower() == "now" and piece[0] in "+-0123456789":
        return "an offset is written without blanks: now-7d or now+1h (in the address of a page, + is written %2B)"
    if _PLAIN.fullmatch(piece):
        return f'{show(piece)} is not expected here; expected {stop.expected}; a text of several words is quoted, "like this"'
    if stop.touches and piece[0] not in "([{}])=!<>\"'":
        return f"{show(piece)} cannot stand in a word; put the text in quotes"
    return None


def _find_fault_of_name(stop: _Stop) -> str | None:
    piece = stop.piece
    if "NOT" not in stop.accepted:
        return None
    if piece.lower() == "exists":
        return "the field stands before `exists`: write `model exists`"
    if piece.lower() in _JOINING or piece[0] in "=<>~&|),;":
        after = f" after {show(stop.last)}" if stop.before.strip() else ""
        quoted = f'; a field of that name is written "{piece}"' if piece.lower() in _JOINING else ""
        return f"a condition is missing{after}, before {show(piece)}; expected {stop.expected}{quoted}"
    if _FIGURE.match(piece):
        return f"{show(piece)} is not a field; a condition begins with a field: write `number = 3`, not `3 = number`"
    return None


_WORDS_FOR: Final[tuple[tuple[str, Callable[[frozenset[str]], str]], ...]] = (
    ("WORD", lambda _: "a value such as churn, 0.9 or 2026-11-25"),
    ("REFERENCE", lambda _: "a reference such as churn/3 or datasets/churn-train"),
    ("NOT", lambda _: "a condition such as `model = churn`"),
    ("FIELD", lambda _: "a field such as created_at"),
    ("OPERATOR", lambda _: OPERATORS),
    ("_AND", lambda accepted: "`and`, `or` or " + ("`)`" if "_RPAR" in accepted else "the end")),
    ("_COMMA", lambda accepted: "`,` or " + ("`}`" if "_RBRACE" in accepted else "`)`")),
    ("KEY", lambda _: "a label such as region"),
    ("_LABEL_IS", lambda _: "`=`"),
    ("_RPAR", lambda _: "`)`"),
    ("_LPAR", lambda _: "`(`"),
)


def _describe(accepted: frozenset[str]) -> str:
    return next((words(accepted) for kind, words in _WORDS_FOR if kind in accepted), "the end")


def _last_piece(text: str) -> str:
    pieces = _PIECE.findall(text.rstrip())
    return pieces[-1] if pieces else text


def _find_open_parenthesis(text: str) -> int | None:
    """The column of the innermost parenthesis that nothing closes."""
    opened: list[int] = []
    for match in _PIECE.finditer(text):
        if match[0] == "(":
            opened.append(match.start() + 1)
        elif match[0] == ")" and opened:
            opened.pop()
    return opened[-1] if opened else None
