"""How much of what a re-run needs was recorded: a weighted checklist.

The score is the sum of the weights of what is present, divided by the sum of the weights of what applies; parents apply only to a
version that has any. The weights say how much a re-run suffers from a gap: without the commit it is another program, without the
container's name it mostly runs all the same. They are a judgement, and the answer shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from studbook.domain.canonical import JsonObject

FORMULA: Final = "the weights of what is present, divided by the weights of what applies"


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the checklist.

    `find_gaps` tells what of a recipe is missing: None when the item does not apply, nothing when all is there. `remedy` says how
    it is recorded next time.
    """

    name: str
    weight: int
    find_gaps: Callable[[JsonObject], list[str] | None]
    remedy: str


def assess(recipe: JsonObject) -> JsonObject:
    """The checklist of a recipe, with its score between 0 and 1, and the names of what is missing, heaviest first."""
    lines: list[JsonObject] = []
    for item in CHECKLIST:
        gaps = item.find_gaps(recipe)
        state = "not_applicable" if gaps is None else "missing" if gaps else "present"
        line = {"name": item.name, "weight": item.weight, "state": state, "gaps": gaps or []}
        lines.append({**line, "remedy": item.remedy if gaps else None})
    applying = [line for line in lines if line["state"] != "not_applicable"]
    present = sum(line["weight"] for line in applying if line["state"] == "present")
    missing = sorted((line for line in lines if line["state"] == "missing"), key=lambda line: -line["weight"])
    return {
        "score": round(present / sum(line["weight"] for line in applying), 4),
        "formula": FORMULA,
        "missing": [line["name"] for line in missing],
        "items": lines,
    }


def _any_of(part: str, *members: str) -> Callable[[JsonObject], list[str]]:
    """A check that at least one of the members is recorded."""
    return lambda recipe: [] if any(recipe[part][name] for name in members) else [f"{part}.{members[0]}"]


def _unchanged(recipe: JsonObject) -> list[str]:
    # Where git could not tell, nobody knows whether the commit is what ran.
    return [] if recipe["code"]["dirty"] is False else ["code.dirty"]


def _filled(part: str) -> Callable[[JsonObject], list[str]]:
    return lambda recipe: [] if recipe[part] else [part]


def _inputs_with(member: str) -> Callable[[JsonObject], list[str]]:
    """A check that there are inputs, and that each has the member; those that lack it are named."""
    return lambda recipe: [entry["name"] for entry in recipe["inputs"] if not entry[member]] if recipe["inputs"] else ["inputs"]


def _parents_at_hand(recipe: JsonObject) -> list[str] | None:
    """The parents whose files cannot be told from others, as no digests of them are recorded."""
    if not recipe["parents"]:
        return None
    known = (entry["artifacts"] and all(artifact["digest"] for artifact in entry["artifacts"]) for entry in recipe["parents"])
    return [entry["name"] for entry, whole in zip(recipe["parents"], known, strict=True) if not whole]


# The weights add up to 100.
CHECKLIST: Final = (
    Item(
        "commit",
        20,
        _any_of("code", "commit"),
        "train from a git work tree, so that the run captures the commit; or give run.code.commit in the document",
    ),
    Item(
        "repository",
        8,
        _any_of("code", "repository"),
        "give the work tree a remote with git remote add origin URL; or give run.code.repository in the document",
    ),
    Item(
        "clean",
        7,
        _unchanged,
        "commit all changes before the run; a document says so with run.code.dirty: false",
    ),
    Item(
        "command",
        10,
        _any_of("code", "command", "entry_point"),
        "start the training as a script, so that the run captures its command; or give run.code.command in the document",
    ),
    Item(
        "python",
        3,
        _any_of("environment", "python"),
        "let the run capture its environment (capture=True); or give run.environment.python in the document",
    ),
    Item(
        "packages",
        10,
        _any_of("environment", "packages", "packages_digest"),
        "let the run capture its environment (capture=True); or give run.environment.packages in the document",
    ),
    Item(
        "container",
        2,
        _any_of("environment", "container"),
        "give run.environment.container in the document: the image with its digest; it is not captured",
    ),
    Item(
        "hardware",
        2,
        _any_of("environment", "hardware"),
        "let the run capture its environment (capture=True); or give run.environment.hardware in the document",
    ),
    Item(
        "parameters",
        8,
        _filled("parameters"),
        "call run.log_parameters before run.register; or give version.parameters in the document",
    ),
    Item(
        "seeds",
        10,
        _filled("seeds"),
        "give registry.run(seed=…), or a parameter whose name ends in seed or random_state; or run.seed in the document",
    ),
    Item(
        "inputs",
        3,
        _filled("inputs"),
        "call run.use_dataset for all that the run reads; or give datasets in the document",
    ),
    Item(
        "input digests",
        8,
        _inputs_with("digest"),
        "give run.use_dataset a path=, data= or digest=; or give datasets a digest in the document",
    ),
    Item(
        "input locations",
        4,
        _inputs_with("uri"),
        "give run.use_dataset a path= or uri=; or give datasets a uri in the document",
    ),
    Item(
        "parents' artifacts",
        5,
        _parents_at_hand,
        "record the parents with their artifacts and digests: run.log_artifact(PATH), or version.artifacts in their document",
    ),
)
