"""Random damage: nothing but VerificationError ever comes out, and nothing that was proved verifies once its bytes are others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.evidence.format import read_bundle
from studbook.evidence.verifying import verify_bundle
from studbook.merkle.errors import VerificationError
from studbook.merkle.policy import parse_policy
from tests.evidence.making import files_of, tell_story, zipped

if TYPE_CHECKING:
    from studbook.evidence.verifying import Report

STORY = tell_story()
POLICY = parse_policy(STORY.log.policy.encode())
GOOD = STORY.bundle()
FILES = files_of(GOOD)
# The page and its text are long, and nothing of them is proved: the manifest that names their digests is not signed.
PROVED = sorted(name for name in FILES if name.startswith(("entries/", "proofs/")) or name in {"checkpoint", "consistency"})
READ = sorted(name for name in FILES if name not in {"verify.html", "README.txt"})


def verified(data: bytes) -> Report | None:
    try:
        return verify_bundle(read_bundle(data), [], POLICY)
    except VerificationError:
        return None


@st.composite
def damaged(draw: st.DrawFn, names: list[str]) -> tuple[str, bytes]:
    """A file with some of its bytes changed, cut out, doubled or put in."""
    name = draw(st.sampled_from(names))
    data = FILES[name]
    start = draw(st.integers(0, len(data) - 1))
    end = draw(st.integers(start, min(len(data), start + 40)))
    new = draw(st.one_of(st.binary(max_size=40), st.just(b""), st.just(data[start:end] * 2), st.sampled_from(TOKENS)))
    return name, data[:start] + new + data[end:]


TOKENS = [b"null", b"{}", b"[]", b"-1", b"1e400", b"9" * 400, b'"\\ud800"', b"\n\n", b"\xe2\x80\x94 ", b"\x00", b'":{"', b"true"]


@settings(max_examples=400, deadline=None)
@given(damaged(PROVED))
def test_what_is_proved_verifies_unchanged_only(change: tuple[str, bytes]) -> None:
    name, data = change
    report = verified(zipped({**FILES, name: data}))
    assert (report is not None) == (data == FILES[name])


@settings(max_examples=400, deadline=None)
@given(damaged(READ))
def test_no_damage_to_a_file_leaks_another_exception(change: tuple[str, bytes]) -> None:
    name, data = change
    verified(zipped({**FILES, name: data}, honest_manifest=name != "manifest.json"))


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_no_damage_to_the_zip_leaks_another_exception(data: st.DataObject) -> None:
    # Nearly all of a zip's own structure stands in its last bytes.
    near_end = st.integers(max(0, len(GOOD) - 2000), len(GOOD) - 1)
    changed = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.one_of(near_end, st.integers(0, len(GOOD) - 1)))
        changed[place] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        changed = changed[: data.draw(st.integers(0, len(changed)))]
    report = verified(bytes(changed))
    if report is not None:
        # What still verifies says the same: bytes of the zip that mean nothing were hit.
        assert read_bundle(bytes(changed)).files == read_bundle(GOOD).files


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_leak_another_exception(data: bytes) -> None:
    with pytest.raises(VerificationError):
        read_bundle(data)
    with pytest.raises(VerificationError):
        read_bundle(b"PK" + data)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["manifest.json", "disclosures.json", "snapshot.json", "entries/1.json"]),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["format", "files", "subjects", "id", "personal", "entry", "leaves"]), inner)
            ),
            max_leaves=8,
        ),
        min_size=1,
    )
)
def test_json_of_any_shape_leaks_no_other_exception(values: dict[str, object]) -> None:
    from studbook.domain.canonical import canonical_json

    shaped = {}
    for name, value in values.items():
        try:
            shaped[name] = canonical_json(value)
        except ValueError:
            continue
    verified(zipped({**FILES, **shaped}, honest_manifest="manifest.json" not in shaped))
