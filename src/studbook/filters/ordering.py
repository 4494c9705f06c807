"""By which field answers are sorted: `created_at`, `-metrics.auc@holdout`, `params.lr`, `license@tabular`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from studbook.domain.errors import MalformedInputError
from studbook.filters.catalogue import FieldFaultError, FieldType, resolve_field
from studbook.filters.faults import SyntaxFaultError, place, refuse
from studbook.filters.literals import show
from studbook.filters.parsing import read_field
from studbook.filters.printing import format_field

if TYPE_CHECKING:
    from studbook.filters.catalogue import Catalogue
    from studbook.filters.tree import Field

ORDER_LIMIT: Final = 1_024


@dataclass(frozen=True, slots=True)
class Order:
    """A field to sort by; `descending` means the greatest first."""

    field: Field
    descending: bool = False


def parse_order(text: str, catalogue: Catalogue) -> Order:
    """The order that a text names: a field, after `-` for the greatest first.

    Raises MalformedInputError with one sentence that says what to write.
    """
    try:
        return _read_order(text, catalogue)
    except SyntaxFaultError as error:
        raise MalformedInputError.at("/order_by", "bad_order", str(error)) from None


def format_order(order: Order) -> str:
    """The text from which `parse_order` makes an equal order."""
    return f"{'-' if order.descending else ''}{format_field(order.field)}"


def _read_order(text: str, catalogue: Catalogue) -> Order:
    _check_form(text)
    descending = text.lstrip().startswith("-")
    # A blank in the place of the sign keeps the columns.
    asked = read_field(text.replace("-", " ", 1) if descending else text)
    try:
        field, kind = resolve_field(asked, catalogue)
    except FieldFaultError as error:
        raise SyntaxFaultError(place(asked.column, str(error))) from None
    if kind is FieldType.SET:
        refuse(asked.column, f"{show(format_field(asked))} holds several values, so nothing can be sorted by it")
    return Order(field, descending)


def _check_form(text: str) -> None:
    if len(text) > ORDER_LIMIT:
        refuse(0, f"the order has {len(text):,} characters; one field of at most {ORDER_LIMIT:,} is read")
    if not text.strip().strip("-").strip():
        refuse(0, "the order names no field; write one such as created_at, or -created_at for the newest first")
    if text.lstrip().startswith("+"):
        refuse(text.index("+") + 1, "the smallest comes first without a sign; leave out `+`")
    field, *direction = text.rsplit(maxsplit=1)
    named = field.strip().lstrip("-")
    if named and direction and direction[0].lower() in {"asc", "desc"}:
        written = f"-{named}" if direction[0].lower() == "desc" else named
        refuse(len(text.rstrip()) - len(direction[0]) + 1, f"{show(direction[0])} is written as a sign: {show(written)}")
    if "," in text and not any(mark in text for mark in "{\"'"):
        refuse(text.index(",") + 1, "answers are sorted by one field; leave out the others")
