"""From a JSON value to a document, with every fault named at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import ValidationError

from studbook.domain.errors import ImmutableFieldError, InvalidDocumentError, Violation
from studbook.domain.parsing import FAULT_LIMIT
from studbook.domain.pointers import pointer
from studbook.domain.types import Document

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


DocumentT = TypeVar("DocumentT", bound=Document)

_MESSAGES: Final = {
    "extra_forbidden": "this field is not known here; remove it or look for a misspelling",
    "missing": "this field is required; add it",
    "finite_number": "the number must be finite; leave the value out or write a string",
    "model_type": "an object is expected here",
    "dict_type": "an object is expected here",
    "tuple_type": "a list is expected here",
    "string_type": "text is expected here; put the value in quotes",
    "int_type": "a whole number is expected here, without quotes",
    "float_type": "a number is expected here, without quotes",
    "bool_type": "true or false is expected here, without quotes",
}
_CODES: Final = {"extra_forbidden": "unknown_field", "missing": "missing_field"}
# Pydantic names an object's faulty key by one step more than the document has.
_KEY_STEP: Final = "[key]"


def read_document(kind: type[DocumentT], value: Any) -> DocumentT:  # noqa: ANN401 - any JSON value
    """The value as a document of the given kind.

    Raises InvalidDocumentError with one violation for each fault.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        violations = _violations(error)
    raise InvalidDocumentError(f"the document has {len(violations)} fault(s)", violations)


def read_patch(kind: type[DocumentT], value: Any, fixed: frozenset[str], noun: str) -> DocumentT:  # noqa: ANN401
    """The value as a document of later facts; a field that is fixed at registration is a conflict (invariant I5)."""
    if isinstance(value, dict) and (named := sorted(fixed & value.keys())):
        raise ImmutableFieldError(
            f"what identifies a {noun} is fixed when it is registered; register a new one instead",
            [
                Violation(
                    pointer((field,)),
                    ImmutableFieldError.code,
                    f"{field!r} is part of the {noun}'s identity and cannot be edited",
                )
                for field in named
            ],
        )
    return read_document(kind, value)


def _violations(error: ValidationError) -> list[Violation]:
    found: dict[Violation, None] = {}
    for detail in error.errors(include_url=False, include_context=False)[:FAULT_LIMIT]:
        place = tuple(step for step in detail["loc"] if step != _KEY_STEP)
        found[Violation(pointer(place), _CODES.get(detail["type"], detail["type"]), _message(detail))] = None
    return list(found)


def _message(detail: ErrorDetails) -> str:
    return _MESSAGES.get(detail["type"], detail["msg"])
