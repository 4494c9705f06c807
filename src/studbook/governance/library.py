"""The packs of policies and the frameworks that Studbook ships, as data."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Annotated, Any, Final

from pydantic import Field

from studbook.domain.parsing import parse_yaml
from studbook.domain.types import Document, Label, Text
from studbook.governance.policy import Control, Policy

_FOLDER: Final = resources.files("studbook.governance")
_SUFFIX: Final = ".yaml"
_Date = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]


class Pack(Document):
    """Policies that belong together, off until they are adopted."""

    pack: Label
    title: Label
    description: Text
    # What it is made from: a standard, a regulation, or the practice of the field.
    source: Text
    policies: Annotated[tuple[Policy, ...], Field(strict=False, min_length=1, max_length=20)]


class Provision(Document):
    """One thing that a framework asks for."""

    id: Control
    title: Label
    # Where it stands in the framework.
    reference: Label
    # In our own words.
    demand: Text
    # From when on it holds; absent where the framework gives no date.
    applies_from: _Date | None = None
    # Who usually answers for it.
    owner: Label
    # Which fields and records show it.
    evidence: Annotated[tuple[Label, ...], Field(strict=False, min_length=1, max_length=50)]
    # Where it was read, if not in the sources of the whole framework.
    source: Text | None = None
    # What is not certain about it.
    note: Text | None = None


class Framework(Document):
    """A regulation, standard or guideline, as of a day."""

    framework: Label
    title: Label
    version: Label
    status: Text
    retrieved: _Date
    sources: Annotated[tuple[Text, ...], Field(strict=False, min_length=1, max_length=50)]
    note: Text | None = None
    controls: Annotated[tuple[Provision, ...], Field(strict=False, min_length=1, max_length=500)]


def list_packs() -> list[str]:
    """The names of the packs."""
    return _names("packs")


def list_frameworks() -> list[str]:
    """The names of the frameworks."""
    return _names("frameworks")


@functools.cache
def load_pack(name: str) -> Pack:
    """A pack by its name; KeyError for one that is not shipped."""
    return Pack.model_validate(_read("packs", name))


@functools.cache
def load_framework(name: str) -> Framework:
    """A framework by its name; KeyError for one that is not shipped."""
    return Framework.model_validate(_read("frameworks", name))


@functools.cache
def _names(folder: str) -> list[str]:
    names = [entry.name for entry in (_FOLDER / folder).iterdir()]
    return sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))


def _read(folder: str, name: str) -> Any:  # noqa: ANN401 - any YAML value
    if name not in _names(folder):
        raise KeyError(name)
    return parse_yaml((_FOLDER / folder / f"{name}{_SUFFIX}").read_bytes())
