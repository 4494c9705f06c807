"""Zip files that hold a model: of torch, Keras, skops and NumPy. Whatever else they are, pickles in them are listed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from studbook.formats.model_files.archives import open_archive
from studbook.formats.model_files.finding import Finding, worst_first
from studbook.formats.model_files.keras_files import read_keras
from studbook.formats.model_files.numpy_arrays import read_npz
from studbook.formats.model_files.pickles import describe_pickles, list_pickled, read_torch
from studbook.formats.model_files.skops_files import read_skops

if TYPE_CHECKING:
    from pathlib import Path

_READERS: Final = (read_keras, read_skops, read_torch, read_npz)


def read_zip(path: Path, shown: str) -> Finding | None:
    """What a zip file says of its model; None for one of other things. Raises ModelFileError."""
    with open_archive(path, shown) as archive:
        found = next((finding for reader in _READERS if (finding := reader(archive)) is not None), None)
        pickled = list_pickled(archive)
        if found is None and not pickled.members:
            return None
        found = found or Finding("zip", shown)
        facts, hazards = describe_pickles(shown, pickled)
        return replace(
            found, facts={**found.facts, **facts}, hazards=worst_first([*found.hazards, *hazards, *archive.iter_hazards()])
        )
