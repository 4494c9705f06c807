"""skops' files: a zip file with a schema of the model's objects instead of a pickle.

Format: https://skops.readthedocs.io/en/stable/persistence.html. Only types that skops trusts are made without being asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from studbook.formats.model_files.archives import open_archive
from studbook.formats.model_files.finding import Finding, Hazard, ModelFileError
from studbook.formats.model_files.imports import is_dangerous
from studbook.formats.model_files.json_yaml import JSON_LIMIT, find_object, find_text, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OBJECTS: Final = 500_000
_TYPES: Final = 200
_TRUSTED: Final = frozenset({"builtins", "numpy", "scipy", "sklearn", "collections", "datetime", "re"})


def read_skops(path: Path, shown: str) -> Finding | None:
    """The model's class, and types that loading would have to trust; None for other zip files. Raises ModelFileError."""
    with open_archive(path, shown) as archive:
        if "schema.json" not in archive.names:
            return None
        content = archive.read("schema.json", JSON_LIMIT)
        hazards = list(archive.hazards())
    if len(content) > JSON_LIMIT:
        raise ModelFileError(shown, f"its schema is larger than {JSON_LIMIT:,} bytes, more than is read")
    schema = find_object(parse_json(content, shown))
    types = dict.fromkeys(_iter_types(schema))
    for module, name in types:
        if is_dangerous(module, name):
            hazards.append(Hazard("dangerous-import", shown, f"it names {module}.{name}, which can run anything"))
        elif module.partition(".")[0] not in _TRUSTED:
            hazards.append(Hazard("untrusted-type", shown, f"loading it takes trust in {module}.{name}"))
    package, kind = find_text(schema.get("__module__"), 200), find_text(schema.get("__class__"), 200)
    facts: dict[str, Any] = {
        "library_version": find_text(schema.get("_skops_version"), 50),
        "types": [f"{module}.{name}" for module, name in types][:_TYPES],
    }
    return Finding(
        format="skops",
        path=shown,
        architecture=f"{package}.{kind}" if package and kind else kind,
        library="scikit-learn" if (package or "").startswith("sklearn.") else None,
        facts={name: value for name, value in facts.items() if value},
        hazards=tuple(hazards[:100]),
    )


def _iter_types(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The module and name of every type. A stack rather than recursion: hostile files nest deep."""
    waiting: list[Any] = [schema]
    seen = 0
    while waiting and seen < _OBJECTS:
        value = waiting.pop()
        seen += 1
        if isinstance(value, dict):
            module, name = find_text(value.get("__module__"), 200), find_text(value.get("__class__"), 200)
            if module and name:
                yield module, name
            waiting += reversed(value.values())
        elif isinstance(value, list):
            waiting += reversed(value)
