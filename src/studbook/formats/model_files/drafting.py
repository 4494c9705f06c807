"""The ingestion document (`studbook.dev/ingest/v1`) that follows from what a folder says of its model.

Attributes have the names of the standard definition `studbook.model-version`; what that has no name for stands in `extra`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from studbook.formats.model_files.hub import find_hub_name
from studbook.formats.model_files.licenses import to_spdx

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from studbook.formats.model_files.folder import FileRead, FolderFindings
    from studbook.formats.model_files.merging import Parentage, Picture, Told

INGEST_SCHEMA: Final = "studbook.dev/ingest/v1"
_NAME_LIMIT: Final = 256
_LABEL_LIMIT: Final = 256
_URI_LIMIT: Final = 4096
_PARAMETERS: Final = 10_000
_METRICS: Final = 10_000
_TAGS: Final = 100
_DATASETS: Final = 1000
_HAZARDS: Final = 100
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_ARXIV: Final = re.compile(r"arxiv:(\d{4}\.\d{4,5})", re.IGNORECASE)
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
# Facts that a field of the definition stands for already, or that only the reader itself needs.
_PLACED: Final = frozenset(
    {
        "model_type", "context_length", "languages", "license_name", "license_link", "inputs", "outputs", "library_version",
        "loaded_from", "shards", "dtype", "python",
    }
)  # fmt: skip


def make_name(text: str) -> str:
    """A name that a record may have, as near to the text as can be; `unnamed` where nothing of it can stand."""
    visible = "".join(char for char in unicodedata.normalize("NFC", text) if unicodedata.category(char) not in _INVISIBLE)
    name = visible.strip().lstrip("@").strip()[:_NAME_LIMIT].strip()
    return name if name not in {"", ".", ".."} else "unnamed"


def draft_document(
    findings: FolderFindings,
    *,
    model: str | None = None,
    identifiers: Mapping[str, str] | None = None,
    uri_prefix: str | None = None,
) -> dict[str, Any]:
    """The document that registers a version of `model`, by default named as the folder is.

    The same folder gives the same document, on any machine: it holds no times and no paths but those within the folder. An
    artifact's address is `uri_prefix` and its path there; without a prefix, the folder's name and its path. `identifiers`
    come beside those that the folder says are its own, and in their place where they have the same scheme.
    """
    picture = findings.picture
    roles = _list_datasets(picture)
    version: dict[str, Any] = {
        "description": picture.find("description") or picture.find("title"),
        "parents": list(_iter_parents(picture)),
        "parameters": {name[:_LABEL_LIMIT]: told.value for name, told in list(picture.parameters.items())[:_PARAMETERS] if name},
        "metrics": list(_iter_metrics(picture, roles)),
        "artifacts": list(_iter_artifacts(findings, uri_prefix)),
        "tags": _draft_tags(picture),
        "attributes": _draft_attributes(picture),
        "identifiers": _draft_identifiers(findings, identifiers or {}),
    }
    document: dict[str, Any] = {
        "schema": INGEST_SCHEMA,
        "model": {"name": model or make_name(findings.name)},
        "version": _filled(version),
    }
    datasets = [_draft_dataset(name, role) for name, role in roles.items()]
    return {**document, "datasets": datasets} if datasets else document


def _iter_parents(picture: Picture) -> Iterator[dict[str, Any]]:
    """The bases that can be found by an identifier, whether or not they are registered yet."""
    seen = set()
    for parent in picture.parents:
        reference = _find_reference(parent)
        if reference and reference not in seen:
            seen.add(reference)
            yield {"ref": reference, "relation": parent.relation, "external": True, "basis": "derived"}


def _find_reference(parent: Parentage) -> str | None:
    if re.fullmatch(r"sha256:[0-9a-f]{64}", parent.base.reference):
        return parent.base.reference
    name = find_hub_name(parent.base.reference)
    # A branch moves; only a commit says which version it was.
    revision = parent.base.revision if parent.base.revision and _COMMIT.fullmatch(parent.base.revision) else None
    return f"huggingface:{name}@{revision}" if name and revision else f"huggingface:{name}" if name else None


def _iter_metrics(picture: Picture, roles: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The metrics; a dataset that one was measured on must stand in the document too, and the document has room for so many."""
    for measured, _ in picture.metrics[:_METRICS]:
        dataset = make_name(measured.dataset) if measured.dataset else None
        if dataset is None or dataset in roles:
            split = measured.split[:_LABEL_LIMIT] if measured.split else None
            yield _filled({"name": measured.name[:_LABEL_LIMIT], "value": measured.value, "dataset": dataset, "split": split})


def _iter_artifacts(findings: FolderFindings, uri_prefix: str | None) -> Iterator[dict[str, Any]]:
    single = len(findings.files) == 1 and "/" not in findings.files[0].path
    prefix = uri_prefix or ("" if single else quote(findings.name))
    for file in findings.files:
        uri = f"{prefix.rstrip('/')}/{quote(file.path)}" if prefix else quote(file.path)
        yield _filled(
            {
                "uri": uri if len(uri) <= _URI_LIMIT else f"{file.digest}",
                "name": _shorten(file),
                "digest": file.digest,
                "size": file.size,
                "media_type": file.media_type,
            }
        )


def _shorten(file: FileRead) -> str:
    """The path, or its end where it is longer than a name may be."""
    return file.path if len(file.path) <= _LABEL_LIMIT else f"…{file.path[-_LABEL_LIMIT + 1 :]}"


def _draft_tags(picture: Picture) -> dict[str, str]:
    tags = {tag[:_LABEL_LIMIT]: "true" for tag in picture.tags[:_TAGS] if tag.strip()}
    hazards = sorted({hazard.code for hazard in picture.hazards})
    return {**tags, "hazards": ", ".join(hazards)[:1000]} if hazards else tags


def _draft_attributes(picture: Picture) -> dict[str, Any]:
    license_ = picture.find("license")
    library = picture.find("library")
    library_version = picture.find("library_version")
    python = picture.find("python")
    datasets = [{"dataset": name, "role": role} for name, role in _list_datasets(picture).items()]
    return _filled(
        {
            "license": to_spdx(license_) if license_ else None,
            "license_name": picture.find("license_name"),
            "license_link": picture.find("license_link"),
            "task": picture.find("task"),
            "framework": library,
            "framework_version": library_version if library else None,
            "format": ", ".join(picture.formats)[:512] or None,
            "architecture": picture.find("architecture"),
            "architecture_family": picture.find("model_type"),
            "parameter_count": picture.weighed.weights,
            "context_length": picture.find("context_length"),
            "precision": picture.weighed.precision or _find_precision(picture),
            "quantization": picture.find("quantization"),
            "languages": picture.find("languages"),
            "references": [f"https://arxiv.org/abs/{match[1]}" for tag in picture.tags if (match := _ARXIV.fullmatch(tag))],
            "inputs": picture.find("inputs"),
            "outputs": picture.find("outputs"),
            "software": {"python": python} if python else None,
            "data": {"datasets": datasets} if datasets else None,
            "extra": _draft_extra(picture),
        }
    )


def _find_precision(picture: Picture) -> str | None:
    dtype = picture.find("dtype")
    return dtype.removeprefix("torch.") if isinstance(dtype, str) else None


def _draft_extra(picture: Picture) -> dict[str, Any]:
    """What the definition has no name for, and from which file the rest is."""
    sources = {name: told.source for name, told in picture.told.items()}
    sources |= {"parameter_count": picture.weighed.source} if picture.weighed.source else {}
    hazards = [{"code": hazard.code, "place": hazard.place, "message": hazard.message} for hazard in picture.hazards[:_HAZARDS]]
    concluded = [reference for parent in picture.parents if parent.concluded and (reference := _find_reference(parent))]
    return _filled(
        {
            "title": picture.find("title"),
            "dtypes": dict(picture.weighed.dtypes),
            "hazards": hazards,
            "relations_concluded": concluded,
            "facts": {name: told.value for name, told in picture.facts.items() if name not in _PLACED},
            "sources": sources,
        }
    )


def _draft_identifiers(findings: FolderFindings, given: Mapping[str, str]) -> dict[str, str]:
    from_files: Mapping[str, Told] = findings.picture.identifiers
    return {**{scheme: told.value for scheme, told in from_files.items()}, **findings.identifiers, **given}


def _list_datasets(picture: Picture) -> dict[str, str]:
    """Each dataset once, with its role: what the model was trained on, and what else it was measured on."""
    training = {make_name(told.value): "training" for told in picture.datasets}
    measured = {make_name(measured.dataset): "evaluation" for measured, _ in picture.metrics if measured.dataset}
    return dict(list({**training, **{name: role for name, role in measured.items() if name not in training}}.items())[:_DATASETS])


def _draft_dataset(name: str, role: str) -> dict[str, Any]:
    """A dataset by its name, and its address on the Hub where the name is `org/name`; a bare word may be anybody's."""
    dataset = {"name": name, "role": role}
    return {**dataset, "uri": f"https://huggingface.co/datasets/{name}"} if "/" in name and find_hub_name(name) else dataset


def _filled(part: dict[str, Any]) -> dict[str, Any]:
    """The part without what is empty."""
    return {name: value for name, value in part.items() if value not in (None, "", [], {}, ())}
