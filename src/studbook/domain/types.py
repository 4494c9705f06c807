"""The building blocks of documents: each type says what it accepts, in words its writer can act on."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from studbook.domain.names import (
    IDENTIFIER_LIMIT,
    BadReferenceError,
    find_name_fault,
    find_scheme_fault,
    parse_reference,
)

TEXT_LIMIT: Final = 65_536
KEY_LIMIT: Final = 256
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


class Document(BaseModel):
    """A part of a request: frozen, strict about types, and closed (an unknown field is a mistake)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds: of fixed width, so that text order is time order."""
    # Not strftime, which writes a year before 1000 with fewer digits on some platforms.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _read_name(text: str) -> str:
    if fault := find_name_fault(text):
        raise PydanticCustomError("bad_name", "{fault}", {"fault": fault})
    return text


def _read_reference(text: str) -> str:
    try:
        parse_reference(text)
    except BadReferenceError as error:
        raise PydanticCustomError("bad_reference", "{fault}", {"fault": str(error)}) from None
    return text


def _read_digest(text: str) -> str:
    if not _DIGEST.fullmatch(text):
        raise PydanticCustomError(
            "bad_digest", "a digest is 'sha256:' and 64 lower-case hexadecimal digits (sha256sum prints them)"
        )
    return text


def _read_time(text: Any) -> str:  # noqa: ANN401 - whatever stood in the document
    if not isinstance(text, str) or not _RFC3339.fullmatch(text):
        raise PydanticCustomError("bad_time", "a time is RFC 3339 with its zone, such as 2026-03-01T12:00:00Z")
    try:
        return format_time(datetime.fromisoformat(text.upper()))
    except (ValueError, OverflowError):
        raise PydanticCustomError("bad_time", "no such moment; a time is RFC 3339, such as 2026-03-01T12:00:00Z") from None


def _read_identifiers(identifiers: dict[str, str]) -> dict[str, str]:
    for scheme in identifiers:
        if fault := find_scheme_fault(scheme):
            raise PydanticCustomError("bad_scheme", "{scheme}: {fault}", {"scheme": scheme[:80], "fault": fault})
        if scheme in RESERVED_SCHEMES:
            raise PydanticCustomError(
                "reserved_scheme",
                "{scheme}: this scheme is filled from the record itself (digests of artifacts and datasets, commits of runs)",
                {"scheme": scheme},
            )
    return identifiers


def _read_scalar(value: Any) -> Any:  # noqa: ANN401 - whatever stood in the document
    if value is not None and not isinstance(value, str | bool | int | float):
        raise PydanticCustomError(
            "not_a_scalar", "text, a number, true, false or null is expected here; write nested values as 'outer.inner'"
        )
    return value


def _read_place(value: Any) -> str:  # noqa: ANN401 - whatever stood in the document
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**31:
        return str(value)
    if isinstance(value, str) and (value == "latest" or (value.startswith("@") and len(value) > 1)):
        return value
    raise PydanticCustomError("bad_version", "a version is a number from 1, 'latest', or '@alias'")


# Resolved from columns of the records themselves, so they cannot be claimed by anyone.
RESERVED_SCHEMES: Final = frozenset({"sha256", "git"})

Name = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_read_name)]
Reference = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_read_reference)]
Digest = Annotated[str, AfterValidator(_read_digest), Field(json_schema_extra={"pattern": _DIGEST.pattern})]
Timestamp = Annotated[str, BeforeValidator(_read_time), Field(json_schema_extra={"format": "date-time"})]
Key = Annotated[str, StringConstraints(min_length=1, max_length=KEY_LIMIT)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=KEY_LIMIT)]
Text = Annotated[str, StringConstraints(max_length=TEXT_LIMIT)]
Uri = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Scalar = Annotated[
    Any,
    AfterValidator(_read_scalar),
    WithJsonSchema({"type": ["string", "number", "boolean", "null"]}),
]
Place = Annotated[
    Any,
    AfterValidator(_read_place),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^(latest|@.+)$"}]}),
]
Tags = Annotated[dict[Key, Annotated[str, StringConstraints(max_length=4096)]], Field(max_length=500)]
Identifiers = Annotated[
    dict[str, Annotated[str, StringConstraints(min_length=1, max_length=IDENTIFIER_LIMIT)]],
    Field(max_length=50),
    AfterValidator(_read_identifiers),
]
Attributes = dict[str, Any]
# What a person acts as where decisions are made: validator, risk-officer.
RoleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
Count = Annotated[int, Field(ge=0)]
