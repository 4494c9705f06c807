"""Model cards as people write them, and as nobody should."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.formats.model_files.finding import Base, Finding, Measured, ModelFileError
from studbook.formats.model_files.licenses import to_spdx
from studbook.formats.model_files.model_card import read_model_card

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Read = Callable[[str | bytes], Any]

CARD = """---
license: apache-2.0
language:
- en
- no
base_model: org/base-7b
base_model_relation: finetune
datasets:
- org/instructions
- my own notes
pipeline_tag: text-generation
library_name: transformers
tags: [conversational, "arxiv:2106.09685"]
model-index:
- name: tuned
  results:
  - task: {type: text-generation}
    dataset: {name: GLUE, type: glue, config: sst2, split: validation}
    metrics:
    - {type: accuracy, value: 0.93}
    - {type: accuracy, name: accuracy without negations, value: 0.95}
    - {type: loss, value: .nan}
    - {type: f1, value: "0.9"}
---
# Tuned

[![badge](x)](y)

A model that was tuned
on instructions.

## Use
"""


@pytest.fixture(name="read")
def _read(tmp_path: Path) -> Read:
    def read(text: str | bytes) -> Finding | None:
        path = tmp_path / "README.md"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_model_card(path, "README.md")

    return read


def test_a_card_says_what_people_decided(read: Read) -> None:
    card = read(CARD)
    assert card.title == "Tuned"
    assert card.description == "A model that was tuned on instructions."
    assert (card.license, card.task, card.library) == ("apache-2.0", "text-generation", "transformers")
    assert card.bases == (Base("org/base-7b", "finetuned-from"),)
    assert card.datasets == ("org/instructions", "my own notes")
    assert card.tags == ("conversational", "arxiv:2106.09685")
    # By YAML 1.1 the Norwegian language would be false.
    assert card.facts["languages"] == ["en", "no"]


def test_results_keep_apart_what_has_one_type_and_leave_out_what_is_no_number(read: Read) -> None:
    place = ("glue (sst2)", "validation", "text-generation")
    assert read(CARD).metrics == (
        Measured("accuracy", 0.93, *place),
        Measured("accuracy without negations", 0.95, *place),
        Measured("f1", 0.9, *place),
    )


@pytest.mark.parametrize("ending", ["\r\n", "\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_line_ends_and_marks_of_editors_do_not_matter(read: Read, ending: str, start: str) -> None:
    assert read((start + CARD).replace("\n", ending)).license == "apache-2.0"


@pytest.mark.parametrize(
    ("written", "license_"),
    [
        ("license: other\nlicense_name: my-terms", "LicenseRef-my-terms"),
        ("license: [mit, cc-by-4.0]", "MIT AND CC-BY-4.0"),
        ("license: unknown", None),
        ("license_name: my-terms", "my-terms"),
        ("license: {a: b}", None),
        ("license: 4.0", "4.0"),
    ],
)
def test_licenses(read: Read, written: str, license_: str | None) -> None:
    assert read(f"---\n{written}\n---\n").license == license_


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("apache-2.0", "Apache-2.0"),
        ("Apache License 2.0", "Apache-2.0"),
        ("gpl-3.0", "GPL-3.0-only"),
        ("llama3.1", "LicenseRef-llama3.1"),
        ("MIT AND CC-BY-4.0", "MIT AND CC-BY-4.0"),
        ("Who knows; really!", "LicenseRef-Who-knows-really"),
        ("***", "LicenseRef-unnamed"),
    ],
)
def test_licenses_become_expressions(name: str, expression: str) -> None:
    assert to_spdx(name) == expression


@pytest.mark.parametrize(
    ("relation", "known"), [("adapter", "adapter-of"), ("merge", "merged-from"), ("Quantized", "quantized-from"), ("x", None)]
)
def test_relations_of_the_hub_are_relations_here(read: Read, relation: str, known: str | None) -> None:
    card = read(f"---\nbase_model: [a/b, c/d]\nbase_model_relation: {relation}\n---\n")
    assert card.bases == (Base("a/b", known), Base("c/d", known))


@pytest.mark.parametrize("text", ["", "# Only a page", "---", "--- \n---\n# Empty"])
def test_a_page_without_front_matter_is_no_card(read: Read, text: str) -> None:
    assert read(text) is None


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("front", "message"),
    [
        ("license: mit", "does not end"),
        (f"{LAUGHS}\n---", "written out"),
        ("a: &a [*a]\n---", "part of"),
        (f"a: {'[' * 200}{']' * 200}\n---", "deeper"),
        ("a: !!python/object/apply:os.system [x]\n---", "asks the reader"),
        ("a: !!set {b, c}\n---", "asks the reader"),
        ("license: mit\nlicense: gpl-3.0\n---", "twice"),
        ("a: [\n---", "not YAML"),
        ("- a\n---", "no mapping"),
        (f"a: {'9' * 5000}\n---", "cannot be read"),
        ("a: {[b]: c}\n---", "not YAML"),
    ],
)
def test_a_bad_card_is_refused_at_once(read: Read, front: str, message: str) -> None:
    before = time.perf_counter()
    with pytest.raises(ModelFileError, match=message):
        read(f"---\n{front}\n")
    assert time.perf_counter() - before < 1


def test_bytes_that_are_no_text_are_refused(read: Read) -> None:
    with pytest.raises(ModelFileError, match="UTF-8"):
        read(b"---\nlicense: \xff\xfe\n---\n")


def test_modest_aliases_are_followed(read: Read) -> None:
    assert read("---\ntags: &t [a, b]\nlanguage: *t\n---\n").facts["languages"] == ["a", "b"]


def test_a_card_larger_than_the_bound_is_refused(read: Read) -> None:
    with pytest.raises(ModelFileError, match="larger than"):
        read(b"---\n" + b"# x\n" * (3 * 2**20) + b"---\n")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from([*CARD.splitlines(), "a: *b", "? [", "- - -", "\x07", "!!int x", "<<: {a: b}", "%YAML 1.1"]), max_size=30
    )
)
def test_any_lines_are_a_card_or_refused(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.md"
    path.write_text("---\n" + "\n".join(lines) + "\n---\n")
    try:
        found = read_model_card(path, "fuzzed.md")
    except ModelFileError:
        return
    assert found is None or isinstance(found, Finding)
