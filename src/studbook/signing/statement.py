"""The statement that is signed: an in-toto Statement v1 with the predicate of OpenSSF model signing, as JSON.

Sources: in-toto Attestation Framework, "Statement layer specification" v1; OpenSSF Model Signing specification (OMS) 1.0,
"Predicate".
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from studbook.signing.errors import SigningError
from studbook.signing.manifest import ALGORITHMS, RESOURCES_LIMIT, Manifest, Resource, check_name
from studbook.signing.reading import member, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://model_signing/signature/v1.0"

_HEX: Final = re.compile(r"(?:[0-9a-f]{2})+")


def render_statement(manifest: Manifest) -> bytes:
    """The bytes of the statement about a manifest."""
    serialization: dict[str, Any] = {
        "method": "files",
        "hash_type": manifest.algorithm,
        "allow_symlinks": manifest.allow_symlinks,
    }
    if manifest.ignored:
        serialization["ignore_paths"] = list(manifest.ignored)
    resources = [
        {"name": resource.name, "algorithm": resource.algorithm, "digest": resource.digest.hex()}
        for resource in manifest.resources
    ]
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": manifest.name, "digest": {"sha256": manifest.root_digest}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {"serialization": serialization, "resources": resources},
    }
    return json.dumps(statement).encode()


def read_statement(payload: bytes) -> Manifest:
    """The manifest that a statement is about.

    Raises SigningError when it is of another type, names a file twice or outside the folder, or when its root digest is not the
    one of its files.
    """
    statement = read_json(payload, "the statement")
    _check_type(statement, "_type", STATEMENT_TYPE)
    _check_type(statement, "predicateType", PREDICATE_TYPE)
    subjects = member(statement, "subject", list, "the statement")
    if len(subjects) != 1:
        message = f"the statement has {len(subjects)} subjects where a signed model has one"
        raise SigningError(message)
    name = member(subjects[0], "name", str, "the subject")
    root = member(member(subjects[0], "digest", dict, "the subject"), "sha256", str, "the subject's digest")
    predicate = member(statement, "predicate", dict, "the statement")
    serialization = member(predicate, "serialization", dict, "the predicate")
    if (method := member(serialization, "method", str, "serialization")) != "files":
        message = f"the model was signed by {method[:40]!r}; only a signature over whole files can be verified here"
        raise SigningError(message)
    ignored = member(serialization, "ignore_paths", list, "serialization") if "ignore_paths" in serialization else []
    manifest = Manifest(
        name,
        tuple(_iter_resources(member(predicate, "resources", list, "the predicate"))),
        tuple(check_name(path, "an ignored path") for path in ignored),
        member(serialization, "allow_symlinks", bool, "serialization"),
    )
    if manifest.root_digest != root:
        message = f"the statement contradicts itself: its root digest is {root[:64]!r}, its files' is {manifest.root_digest}"
        raise SigningError(message)
    return manifest


def _check_type(statement: Any, name: str, expected: str) -> None:  # noqa: ANN401 - any JSON value
    found = member(statement, name, str, "the statement")
    if found != expected:
        message = f"the statement's {name} is {found[:80]!r}; a signed model's is {expected!r}"
        raise SigningError(message)


def _iter_resources(entries: list[Any]) -> Iterator[Resource]:
    if len(entries) > RESOURCES_LIMIT:
        message = f"the statement names more than {RESOURCES_LIMIT:,} files"
        raise SigningError(message)
    seen: set[str] = set()
    for entry in entries:
        name = check_name(member(entry, "name", str, "a resource"))
        if name in seen:
            message = f"the statement names {name[:80]!r} twice"
            raise SigningError(message)
        seen.add(name)
        algorithm = member(entry, "algorithm", str, f"the resource {name[:80]!r}")
        digest = member(entry, "digest", str, f"the resource {name[:80]!r}")
        if algorithm not in ALGORITHMS:
            message = f"{name[:80]!r} was hashed with {algorithm[:40]!r}; known here: {', '.join(ALGORITHMS)}"
            raise SigningError(message)
        if len(digest) != 2 * ALGORITHMS[algorithm] or not _HEX.fullmatch(digest):
            message = f"the digest of {name[:80]!r} is no {algorithm} digest in hexadecimal digits"
            raise SigningError(message)
        yield Resource(name, bytes.fromhex(digest), algorithm)
