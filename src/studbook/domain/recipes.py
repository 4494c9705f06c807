"""What it takes to make a model version again, as far as it was recorded, and how complete that is.

A recipe is a JSON object in the shape `studbook.dev/recipe/v1`: `code`, `environment`, `parameters`, `seeds`, `inputs`,
`parents`, `artifacts` and `metrics` of a version and its run, and `completeness`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.completeness import assess
from studbook.domain.diff import metric_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from studbook.domain.canonical import JsonObject

RECIPE_SCHEMA: Final = "studbook.dev/recipe/v1"
# Of each parent. A version may have a thousand parents with ten thousand files each; `artifact_count` tells how many there are.
PARENT_ARTIFACTS: Final = 100

_CODE: Final = ("repository", "commit", "branch", "dirty", "entry_point", "command")
_ENVIRONMENT: Final = ("python", "implementation", "packages", "packages_digest", "container", "os", "hardware")
# `seed`, `data_seed`, `trainer.random_state`: names under which libraries take the seeds of their generators.
_SEED: Final = re.compile(r"(.*[._-])?(seed|random_state)", re.IGNORECASE)


def make_recipe(
    version: JsonObject, run: JsonObject | None, data: Mapping[str, JsonObject], parents: Mapping[str, JsonObject]
) -> JsonObject:
    """The recipe of a version's record, with its run's.

    `data` and `parents` hold the records of the dataset versions and model versions that it names, by name.
    """
    recipe: JsonObject = {
        "schema": RECIPE_SCHEMA,
        "version": version["name"],
        "run": None if run is None else run["name"],
        "job": run and run["job"],
        "code": _part(run, "code", _CODE),
        "environment": _part(run, "environment", _ENVIRONMENT),
        "parameters": version["parameters"],
        "seeds": _seeds(version, run),
        "inputs": [_input(entry, data.get(entry["name"])) for entry in find_inputs(version, run)],
        "parents": [_parent(entry, parents.get(entry["name"])) for entry in find_parents(version)],
        "artifacts": version["artifacts"],
        "metrics": _metrics(version),
    }
    return {**recipe, "completeness": assess(recipe)}


def find_inputs(version: JsonObject, run: JsonObject | None) -> list[JsonObject]:
    """What the version and its run name as read: each dataset version once for each role."""
    entries = [*version["datasets"], *(run["inputs"] if run else ())]
    return list({(entry["name"], entry["role"]): entry for entry in entries}.values())


def find_parents(version: JsonObject) -> list[JsonObject]:
    """What the version was made from: name and relation of each, and whether it is recorded itself.

    A parent that was named by an identifier has that as its name until a record carries it.
    """
    found = [{"name": entry["name"], "relation": entry["relation"], "recorded": True} for entry in version["parents"]]
    for entry in version.get("references", ()):
        meant = entry["resolved"]
        name = meant["name"] if meant else entry["ref"]
        found.append({"name": name, "relation": entry["relation"], "recorded": meant is not None})
    return found


def _part(run: JsonObject | None, name: str, members: tuple[str, ...]) -> JsonObject:
    recorded = (run and run[name]) or {}
    return {member: recorded.get(member) for member in members}


def _seeds(version: JsonObject, run: JsonObject | None) -> JsonObject:
    """The run's seed, and the parameters that are seeds by their name."""
    found: JsonObject = {} if run is None or run["seed"] is None else {"run": run["seed"]}
    named = {f"parameters.{name}": value for name, value in version["parameters"].items() if _SEED.fullmatch(name)}
    return found | {name: value for name, value in named.items() if value is not None}


def _input(entry: JsonObject, record: JsonObject | None) -> JsonObject:
    recorded = record or {}
    return {
        "name": entry["name"],
        "role": entry["role"],
        "digest": entry["digest"] or recorded.get("digest"),
        "uri": recorded.get("uri"),
        "rows": recorded.get("rows"),
    }


def _parent(entry: JsonObject, record: JsonObject | None) -> JsonObject:
    artifacts = record["artifacts"] if record else []
    return {**entry, "artifacts": artifacts[:PARENT_ARTIFACTS], "artifact_count": len(artifacts)}


def _metrics(version: JsonObject) -> list[JsonObject]:
    """The latest value of each metric: later entries replace earlier ones."""
    latest: dict[str, Any] = {metric_label(metric): metric for metric in version["metrics"]}
    return [{"label": label, "name": metric["name"], "value": metric["value"]} for label, metric in latest.items()]
