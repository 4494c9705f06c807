"""What somebody who looks for records may have in hand: any reference, and beside it what no document may refer by.

    s3://models/churn.onnx              an address: whoever has exactly this `uri`
    registry.example/churn@sha256:9f86…  an OCI image, also as oci:sha256:9f86…
    9f86d081… (64 digits)               a digest as sha256sum prints it
    sha256:9f86d081884c                 the beginning of a digest
    0198c1de, runs/0198c1de             the beginning of an id

A reference in a document must mean the same for good, so it stays exact: the beginning of an id that is unique today may be
none tomorrow. Who looks is shown every match instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from pydantic import Field

from studbook.domain.names import BadReferenceError, ByIdentifier, Kind, Reference, parse_reference
from studbook.domain.types import Document

# As long as the address of an artifact may be.
LENGTH_LIMIT: Final = 4096
LIST_LIMIT: Final = 1000
# Digits of an id: they tell its 65 seconds (a UUIDv7 begins with the time). Digits of a digest: as many as the tables show.
ID_DIGITS: Final = 8
DIGEST_DIGITS: Final = 12
_UUID_DIGITS: Final = 32
_SHA256_DIGITS: Final = 64

_SHA256 = re.compile(r"sha256:([0-9a-f]*)", re.IGNORECASE)
_BARE_DIGEST = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)
_IMAGE = re.compile(r"(?:(?:oci|docker)://|oci:)?(?P<repository>[^@\s]+)@(?P<digest>sha256:[0-9a-f]{64})")
_IMAGE_DIGEST = re.compile(r"oci:(?P<digest>sha256:[0-9a-f]{64})")
_ID_BEGINNING = re.compile(r"(?:(runs|deployments)/)?([0-9a-f]+(?:-[0-9a-f]*)*)", re.IGNORECASE)
_FAMILIES: Final = {"runs": Kind.RUN, "deployments": Kind.DEPLOYMENT}


class IdentifierList(Document):
    """Identifiers to be resolved at once."""

    identifiers: Annotated[tuple[str, ...], Field(strict=False, max_length=LIST_LIMIT)]


@dataclass(frozen=True, slots=True)
class ByUri:
    """What lies at exactly this address."""

    uri: str


@dataclass(frozen=True, slots=True)
class ByImage:
    """Whoever claims an OCI image with this digest, in whichever repository."""

    digest: str


@dataclass(frozen=True, slots=True)
class ByDigestPrefix:
    """Whatever has a digest that begins so; with its scheme, in lower case."""

    digest: str


@dataclass(frozen=True, slots=True)
class ByIdRange:
    """Records with an id from `low` to `high`; of one kind when the writer said which."""

    low: UUID
    high: UUID
    kind: Kind | None = None


Form = Reference | ByUri | ByImage | ByDigestPrefix | ByIdRange


@dataclass(frozen=True, slots=True)
class Sought:
    """What a text may mean, in as many ways as it can be read; `fault` says why it is no reference."""

    forms: tuple[Form, ...]
    fault: str | None = None


def read_reference(text: str) -> Sought:
    """What a text means in a document: one thing, or nothing."""
    try:
        return Sought((parse_reference(text),))
    except BadReferenceError as error:
        return Sought((), str(error))


def read_sought(text: str) -> Sought:
    """What a text may mean to somebody who looks for records."""
    if not text or len(text) > LENGTH_LIMIT:
        return Sought((), f"an identifier has 1 to {LENGTH_LIMIT:,} characters")
    shortened = text.removesuffix("…").removesuffix("...")
    if match := _SHA256.fullmatch(shortened):
        return _read_digest(match[1].lower())
    if _BARE_DIGEST.fullmatch(shortened):
        return _read_digest(shortened.lower())
    if match := _IMAGE_DIGEST.fullmatch(text) or _IMAGE.fullmatch(text):
        return _read_image(text, match)
    if match := _ID_BEGINNING.fullmatch(shortened):
        return _read_id(text, match[1], match[2].lower())
    found = read_reference(text)
    return Sought((*found.forms, ByUri(text)), found.fault)


def _read_digest(digits: str) -> Sought:
    if len(digits) < DIGEST_DIGITS:
        return Sought((), f"a digest may be shortened to {DIGEST_DIGITS} hexadecimal digits, not to {len(digits)}")
    if len(digits) < _SHA256_DIGITS:
        return Sought((ByDigestPrefix(f"sha256:{digits}"),))
    if len(digits) > _SHA256_DIGITS:
        return Sought((), f"a digest has {_SHA256_DIGITS} hexadecimal digits, not {len(digits)}")
    return Sought((ByIdentifier("sha256", digits),))


def _read_image(text: str, match: re.Match[str]) -> Sought:
    digest = match["digest"]
    by_digest = (ByImage(digest), ByIdentifier("sha256", digest.removeprefix("sha256:")))
    repository = match.groupdict().get("repository")
    if repository is None:
        return Sought(by_digest)
    addresses = dict.fromkeys([text, f"oci://{repository}@{digest}", f"{repository}@{digest}"])
    return Sought((*by_digest, *(ByUri(address) for address in addresses)))


def _read_id(text: str, family: str | None, written: str) -> Sought:
    digits = written.replace("-", "")
    if written not in {digits, _dashed(digits), f"{_dashed(digits)}-"} or len(digits) > _UUID_DIGITS:
        # Hexadecimal digits, but not those of an id: a name such as 2024-05, or a commit.
        found = read_reference(text)
        return Sought((*found.forms, ByUri(text)), found.fault)
    if len(digits) < ID_DIGITS:
        fault = f"an id may be shortened to {ID_DIGITS} hexadecimal digits, not to {len(digits)}"
        return Sought((ByUri(text),), fault)
    low, high = UUID(digits.ljust(_UUID_DIGITS, "0")), UUID(digits.ljust(_UUID_DIGITS, "f"))
    return Sought((ByIdRange(low, high, _FAMILIES.get(family or "")), ByUri(text)))


def _dashed(digits: str) -> str:
    """The digits of an id with the dashes that a UUID has among them."""
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "-".join(part for part in parts if part)
