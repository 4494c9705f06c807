"""The folder that was signed by the real library, and its signatures."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

BUNDLES: Final = Path(__file__).parent / "bundles"
# What the library says of the folder; it stands in each bundle's statement, too.
ROOT_DIGEST: Final = "da5e5417ea625f7047621dd1cdebffd134847395bdd7bbaf8596b98d6f1f7f11"
CONTENTS: Final = {
    "weights.bin": "weights, in name only\n",
    "config.json": '{"layers": 2}\n',
    "tokenizer/vocabulary.txt": "a\nb\n",
    "empty": "",
    "a/b": "x",
    "a-b": "y",
    "a.txt": "z",
    "naïve.txt": "ü",
}
GIT: Final = {".git/HEAD": "ref", ".gitignore": "*.tmp\n"}


def write_model(folder: Path) -> Path:
    """Write the folder that was signed."""
    for name, text in {**CONTENTS, **GIT}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The folder that was signed, called `folder` as it was then."""
    return write_model(tmp_path / "folder")


def read(name: str) -> bytes:
    """A file of the real library's making."""
    return (BUNDLES / name).read_bytes()
