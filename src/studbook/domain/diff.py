"""What differs between two model versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from studbook.domain.canonical import JsonObject


def diff_versions(
    first: JsonObject, second: JsonObject, first_run: JsonObject | None, second_run: JsonObject | None
) -> JsonObject:
    """The differences from the first version's record (and its run's) to the second's."""
    differences = {
        "parameters": _changes(first["parameters"], second["parameters"]),
        "metrics": _changes(_metrics(first), _metrics(second)),
        "datasets": _changes(_datasets(first), _datasets(second)),
        "artifacts": _changes(_artifacts(first), _artifacts(second)),
        "parents": _changes(_parents(first), _parents(second)),
        "tags": _changes(first["tags"], second["tags"]),
        "attributes": _changes(_flat(first["attributes"]), _flat(second["attributes"])),
        "code": _changes(_part(first_run, "code"), _part(second_run, "code")),
        "environment": _changes(_part(first_run, "environment"), _part(second_run, "environment")),
        "seed": _changes(_seed(first_run), _seed(second_run)),
    }
    causes = [name for name in CAUSES if any(differences[name].values())]
    return {"from": first["name"], "to": second["name"], "causes": causes, **differences}


# What makes a version what it is; the rest follows from it, or is said of it later.
CAUSES: Final = ("datasets", "code", "parameters", "environment", "seed", "parents")


def _changes(first: JsonObject, second: JsonObject) -> JsonObject:
    return {
        "added": {key: value for key, value in second.items() if key not in first},
        "removed": {key: value for key, value in first.items() if key not in second},
        "changed": {
            key: {"from": value, "to": second[key]} for key, value in first.items() if key in second and second[key] != value
        },
    }


def metric_label(metric: JsonObject) -> str:
    """What a metric measures, in one line: `auc on datasets/x/versions/1 (test) where region=south`."""
    label: str = metric["name"]
    if metric["dataset"]:
        label += f" on {metric['dataset']}"
    if metric["split"]:
        label += f" ({metric['split']})"
    if metric["slice"]:
        label += " where " + ", ".join(f"{key}={value}" for key, value in sorted(metric["slice"].items()))
    return label


def _metrics(record: JsonObject) -> JsonObject:
    """The latest value of each metric: later entries replace earlier ones."""
    return {metric_label(metric): metric["value"] for metric in record["metrics"]}


def _datasets(record: JsonObject) -> JsonObject:
    """By role and dataset, which version: so that another version of the same data shows as a change."""
    entries: JsonObject = {}
    for entry in record["datasets"]:
        dataset, _, _ = entry["name"].partition("/versions/")
        entries.setdefault(f"{entry['role']}: {dataset}", []).append(entry["name"])
    return {key: names[0] if len(names) == 1 else names for key, names in entries.items()}


def _artifacts(record: JsonObject) -> JsonObject:
    return {item["name"] or item["uri"]: item["digest"] or item["uri"] for item in record["artifacts"]}


def _parents(record: JsonObject) -> JsonObject:
    return {parent["name"]: parent["relation"] for parent in record["parents"]}


def _part(run: JsonObject | None, name: str) -> JsonObject:
    return _flat(run[name]) if run and run[name] else {}


def _seed(run: JsonObject | None) -> JsonObject:
    return {"seed": run["seed"]} if run and run["seed"] is not None else {}


def _flat(value: Any, path: str = "") -> JsonObject:  # noqa: ANN401 - any JSON value
    """Nested objects as one level of dotted keys."""
    if not isinstance(value, dict):
        return {path: value}
    flat: JsonObject = {}
    for key, member in value.items():
        flat |= _flat(member, f"{path}.{key}" if path else key)
    return flat
