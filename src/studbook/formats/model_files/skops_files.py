"""skops' files: a zip file with a schema of the model's objects instead of a pickle.

Format: https://skops.readthedocs.io/en/stable/persistence.html. Only types that skops trusts are made without being asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from studbook.formats.model_files.finding import Finding, Hazard, ModelFileError
from studbook.formats.model_files.imports import is_dangerous
from studbook.formats.model_files.json_yaml import JSON_LIMIT, Objects, find_object, find_text, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from studbook.formats.model_files.archives import Archive

_TYPES: Final = 200
_TRUSTED: Final = frozenset({"builtins", "numpy", "scipy", "sklearn", "collections", "datetime", "re"})


def read_skops(archive: Archive) -> Finding | None:
    """The model's class, and types that loading would have to trust; None for other zip files. Raises ModelFileError."""
    if "schema.json" not in archive.names:
        return None
    shown = archive.shown
    content = archive.read("schema.json", JSON_LIMIT)
    if len(content) > JSON_LIMIT:
        raise ModelFileError(shown, f"its schema is larger than {JSON_LIMIT:,} bytes, more than is read")
    schema = find_object(parse_json(content, shown))
    objects = Objects(schema)
    types = dict.fromkeys(named for value in objects for named in _iter_types(value))
    hazards = []
    for module, name in types:
        if is_dangerous(module, name):
            hazards.append(Hazard("dangerous-import", shown, f"it names {module}.{name}, which can run anything"))
        elif module.partition(".")[0] not in _TRUSTED:
            hazards.append(Hazard("untrusted-type", shown, f"loading it takes trust in {module}.{name}"))
    if objects.cut:
        hazards.append(Hazard("not-read-to-the-end", shown, "its schema has more values than were looked at"))
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
        hazards=tuple(hazards),
    )


def _iter_types(value: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The module and name of the type that an object of the schema is of, and of the function that it names."""
    for place, key in (("__module__", "__class__"), ("module_path", "function")):
        module, name = find_text(value.get(place), 200), find_text(value.get(key), 200)
        if module and name:
            yield module, name
