"""How a text is read that somebody looks for records with."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.domain.identifiers import ByDigestPrefix, ByIdRange, ByImage, ByUri, read_reference, read_sought
from studbook.domain.names import ByIdentifier, ByNumber, Kind

DIGEST = "ab" * 32
ID = "0198c1de-1234-7abc-8def-000000000001"


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (f"sha256:{DIGEST}", ByIdentifier("sha256", DIGEST)),
        (DIGEST.upper(), ByIdentifier("sha256", DIGEST)),
        (f"sha256:{DIGEST[:12]}", ByDigestPrefix(f"sha256:{DIGEST[:12]}")),
        (f"sha256:{DIGEST[:63]}...", ByDigestPrefix(f"sha256:{DIGEST[:63]}")),
        (ID, ByIdRange(UUID(ID), UUID(ID))),
        (ID[:8], ByIdRange(UUID(ID[:8] + "0" * 24), UUID(ID[:8] + "f" * 24))),
        (ID[:9], ByIdRange(UUID(ID[:8] + "0" * 24), UUID(ID[:8] + "f" * 24))),
        (f"runs/{ID[:11]}", ByIdRange(UUID("0198c1de12" + "0" * 22), UUID("0198c1de12" + "f" * 22), Kind.RUN)),
        (f"oci:sha256:{DIGEST}", ByImage(f"sha256:{DIGEST}")),
        (f"localhost:5000/a/b:tag@sha256:{DIGEST}", ByImage(f"sha256:{DIGEST}")),
        (f"docker://r.example/a@sha256:{DIGEST}", ByUri(f"oci://r.example/a@sha256:{DIGEST}")),
        ("s3://bucket/x", ByUri("s3://bucket/x")),
        ("churn/3", ByNumber(Kind.MODEL_VERSION, "churn", 3)),
        ("2024-05/3", ByNumber(Kind.MODEL_VERSION, "2024-05", 3)),
    ],
)
def test_every_form_is_read(text: str, form: object) -> None:
    sought = read_sought(text)
    assert form in sought.forms
    assert sought.fault is None


@pytest.mark.parametrize(
    "text",
    ["", "x" * 4097, "sha256:", f"sha256:{DIGEST[:11]}", f"sha256:{DIGEST}0", "0198c1d", "churn", "2024-05", f"{ID}0", "-"],
)
def test_what_is_no_form_has_a_fault(text: str) -> None:
    assert read_sought(text).fault


@pytest.mark.parametrize("text", [f"sha256:{DIGEST[:20]}%", "0198c1de%", "0198c1de_", "0198_c1de", "%" * 8])
def test_a_wildcard_begins_no_range(text: str) -> None:
    assert not any(isinstance(form, ByIdRange | ByDigestPrefix) for form in read_sought(text).forms)


@given(st.text(max_size=80))
def test_any_text_is_read(text: str) -> None:
    sought = read_sought(text)
    assert sought.forms or sought.fault


@given(st.uuids(), st.integers(8, 32))
def test_an_id_lies_in_the_range_of_its_beginning(value: UUID, length: int) -> None:
    (found,) = [form for form in read_sought(value.hex[:length]).forms if isinstance(form, ByIdRange)]
    assert found.low <= value <= found.high
    assert (found.low == found.high) == (length == 32)


def test_a_reference_is_exact() -> None:
    assert read_reference(f"sha256:{DIGEST[:20]}").forms == (ByIdentifier("sha256", DIGEST[:20]),)
    assert read_reference(ID[:8]).fault
