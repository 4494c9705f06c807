"""What is signed of a model: the names and digests of its files, and the root digest over them.

Source: OpenSSF Model Signing specification (OMS) 1.0, as model-signing 1.x computes it: the root is the SHA-256 over the digests'
bytes one after another, in the order of the files' names, which are compared part by part ("a/b" stands before "a-b").
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from studbook.signing.errors import SigningError

# A manifest of more files would be a data set, not a model; it bounds what a bundle from a stranger may cost.
RESOURCES_LIMIT: Final = 100_000
_NAME_LIMIT: Final = 4096

# Digest sizes in bytes, by the names that a resource's `algorithm` may have.
ALGORITHMS: Final = {"sha256": 32, "blake2b": 64}
# What git keeps beside a model is not part of it.
GIT_PATHS: Final = (".git", ".gitattributes", ".github", ".gitignore")


@dataclass(frozen=True, slots=True)
class Resource:
    """A file: its name relative to the folder with `/` between the parts, and its digest."""

    name: str
    digest: bytes
    algorithm: str = "sha256"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a model in their order, and what was left out. `name` is the folder's own name, and no part of the root."""

    name: str
    resources: tuple[Resource, ...]
    ignored: tuple[str, ...] = ()
    allow_symlinks: bool = False

    @property
    def root_digest(self) -> str:
        """The SHA-256 over all digests, as 64 hexadecimal digits."""
        return hashlib.sha256(b"".join(resource.digest for resource in self.resources)).hexdigest()

    @property
    def algorithm(self) -> str:
        """What the files were hashed with; SHA-256 for a folder without files."""
        return self.resources[0].algorithm if self.resources else "sha256"


def ordering(name: str) -> list[str]:
    """The key by which names are sorted."""
    return name.split("/")


def check_name(name: object, what: str = "the name of a file") -> str:
    """The name, if it leads to a place within the folder and is spelt in the one way that it can be.

    Raises SigningError.
    """
    if not isinstance(name, str) or not name or len(name) > _NAME_LIMIT:
        message = f"{what} is no text of 1 to {_NAME_LIMIT} characters"
        raise SigningError(message)
    if "\x00" in name or any(part in ("", ".", "..") for part in name.split("/")):
        message = f"{what}, {name[:80]!r}, does not lead to a place within the folder"
        raise SigningError(message)
    try:
        name.encode()
    except UnicodeEncodeError:
        message = f"{what}, {name[:80]!r}, is not Unicode"
        raise SigningError(message) from None
    return name
