"""Whether a re-run made the same model version again: its recipe beside that of the original.

Each check is `same`, `different` or `unknown` (not enough was recorded to tell). A re-run has reproduced the original when no
check that decides is different or unknown; what only `notes` tell decides nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation, localcontext
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.errors import InvalidDocumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from studbook.domain.canonical import JsonObject

SAME: Final = "same"
DIFFERENT: Final = "different"
UNKNOWN: Final = "unknown"

# The answer tells tolerances as JSON numbers.
_MOST: Final = Decimal("1e300")

# What decides of an environment: the same packages on another machine are the same environment.
_DECIDING: Final = ("python", "implementation", "packages_digest", "container")
_NOTED: Final = (
    ("code", "repository"),
    ("code", "entry_point"),
    ("code", "command"),
    ("environment", "os"),
    ("environment", "hardware"),
)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a metric may lie from the original's: an absolute difference, of all metrics and of some by name or label."""

    usual: Decimal = Decimal(0)
    named: Mapping[str, Decimal] = field(default_factory=dict)

    def of(self, metric: JsonObject) -> Decimal:
        """What is allowed for a metric; its label (`auc (test)`) says more than its name."""
        return self.named.get(metric["label"], self.named.get(metric["name"], self.usual))


def parse_tolerance(texts: Iterable[str], pointer: str = "/tolerance") -> Tolerance:
    """Read `0.01` (of all metrics) and `auc=0.005` (of one); a later text replaces an earlier one.

    Raises InvalidDocumentError.
    """
    usual, named = Decimal(0), {}
    for text in texts:
        name, equals, number = text.rpartition("=")
        try:
            value = Decimal(number.strip())
        except InvalidOperation:
            value = Decimal("NaN")
        if not value.is_finite() or not 0 <= value <= _MOST or (equals and not name.strip()):
            message = f"{text[:120]!r} is no tolerance; write a number from 0 on, such as 0.01, or auc=0.005 for one metric"
            raise InvalidDocumentError.at(pointer, "bad_tolerance", message)
        if equals:
            named[name.strip()] = value
        else:
            usual = value
    return Tolerance(usual, named)


def compare_recipes(original: JsonObject, rerun: JsonObject, tolerance: Tolerance) -> JsonObject:
    """How the recipe of a re-run stands to that of the original.

    Raises InvalidDocumentError for a tolerance of a metric that the original does not have.
    """
    metrics = _compare_metrics(original["metrics"], rerun["metrics"], tolerance)
    artifacts = _compare_artifacts(original["artifacts"], rerun["artifacts"])
    checks = {
        "inputs": _compare_inputs(original["inputs"], rerun["inputs"]),
        "parents": _compare_parents(original["parents"], rerun["parents"]),
        "code": _compare_code(original["code"], rerun["code"]),
        "parameters": _compare_values(original["parameters"], rerun["parameters"]),
        "seeds": _compare_values(original["seeds"], rerun["seeds"], required=True),
        "environment": _compare_environment(original["environment"], rerun["environment"]),
        "metrics": metrics,
    }
    # The same bytes measure the same: where no metric was recorded, they are proof enough.
    excused = {"metrics"} if not original["metrics"] and artifacts["verdict"] == "identical" else set()
    failed = [name for name, check in checks.items() if check["verdict"] != SAME and name not in excused]
    return {
        "original": original["version"],
        "rerun": rerun["version"],
        "reproduced": not failed,
        "failed": failed,
        "checks": checks,
        "artifacts": artifacts,
        "notes": _notes(original, rerun),
    }


def _check(verdict: str, differences: Sequence[JsonObject] = (), reason: str | None = None) -> JsonObject:
    return {"verdict": verdict, "reason": reason, "differences": list(differences)}


def _change(name: str, before: Any, after: Any) -> JsonObject:  # noqa: ANN401 - any JSON value
    return {"name": name, "original": before, "rerun": after}


def _compare_values(before: JsonObject, after: JsonObject, *, required: bool = False) -> JsonObject:
    if required and not before and not after:
        return _check(UNKNOWN, reason="neither version has any recorded")
    changes = [
        _change(name, before.get(name), after.get(name))
        for name in sorted({*before, *after})
        if (name in before, before.get(name)) != (name in after, after.get(name)) or _kind(before, name) != _kind(after, name)
    ]
    return _check(DIFFERENT if changes else SAME, changes)


def _kind(values: JsonObject, name: str) -> bool:
    # To Python, true equals 1; to whoever trains they are two settings.
    return isinstance(values.get(name), bool)


def _compare_inputs(before: Sequence[JsonObject], after: Sequence[JsonObject]) -> JsonObject:
    """By role and digest, whatever the datasets are called."""
    if not before and not after:
        return _check(UNKNOWN, reason="neither version names what its run read")
    changes = _unlike(_input_keys(before), _input_keys(after))
    if changes:
        return _check(DIFFERENT, changes)
    bare = sorted({entry["name"] for entry in before if not entry["digest"]})
    if bare:
        return _check(UNKNOWN, reason=f"no digest is recorded of {_listing(bare)}")
    return _check(SAME)


def _input_keys(entries: Iterable[JsonObject]) -> dict[str, str]:
    """What tells inputs apart, with how they are called."""
    return {f"{entry['role']} {entry['digest'] or entry['name']}": entry["name"] for entry in entries}


def _compare_parents(before: Sequence[JsonObject], after: Sequence[JsonObject]) -> JsonObject:
    changes = _unlike(_parent_keys(before), _parent_keys(after))
    return _check(DIFFERENT if changes else SAME, changes)


def _parent_keys(entries: Iterable[JsonObject]) -> dict[str, str]:
    return {f"{entry['relation']} {entry['name']}": entry["name"] for entry in entries}


def _unlike(before: Mapping[str, str], after: Mapping[str, str]) -> list[JsonObject]:
    lost = [_change(key, name, None) for key, name in before.items() if key not in after]
    return lost + [_change(key, None, name) for key, name in after.items() if key not in before]


def _compare_code(before: JsonObject, after: JsonObject) -> JsonObject:
    first, second = before["commit"], after["commit"]
    if not first or not second:
        return _check(UNKNOWN, reason=f"no commit is recorded of the {'re-run' if first else 'original'}")
    # A document may shorten a commit.
    if not (first.startswith(second) or second.startswith(first)):
        return _check(DIFFERENT, [_change("commit", first, second)])
    changed = [who for who, code in (("original", before), ("re-run", after)) if code["dirty"]]
    if changed:
        return _check(UNKNOWN, reason=f"the {' and the '.join(changed)} ran with changes that were not committed")
    return _check(SAME)


def _compare_environment(before: JsonObject, after: JsonObject) -> JsonObject:
    first, second = ({name: side[name] for name in _DECIDING} for side in (before, after))
    # Without a digest of the list, the list itself.
    if first["packages_digest"] is None or second["packages_digest"] is None:
        first["packages_digest"], second["packages_digest"] = before["packages"], after["packages"]
    changes = [
        _change("packages" if name == "packages_digest" else name, first[name], second[name])
        for name in _DECIDING
        if first[name] != second[name]
    ]
    if changes:
        return _check(DIFFERENT, _packages_apart(changes, before["packages"], after["packages"]))
    if first["container"] is None and (first["python"] is None or first["packages_digest"] is None):
        return _check(UNKNOWN, reason="neither version has Python and packages recorded, or a container")
    return _check(SAME)


def _packages_apart(changes: list[JsonObject], before: JsonObject | None, after: JsonObject | None) -> list[JsonObject]:
    """The changes with the packages that differ in place of two digests, where both lists are known."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return changes
    apart = [_change(name, before.get(name), after.get(name)) for name in sorted({*before, *after})]
    others = [change for change in changes if change["name"] != "packages"]
    listed = [change for change in apart if change["original"] != change["rerun"]]
    return others + (listed if len(others) < len(changes) and listed else changes[len(others) :])


def _compare_metrics(before: Sequence[JsonObject], after: Sequence[JsonObject], tolerance: Tolerance) -> JsonObject:
    known = {name for metric in before for name in (metric["label"], metric["name"])}
    if strange := sorted(set(tolerance.named) - known):
        message = f"the original has no metric {strange[0][:120]!r}; it has {_listing(sorted({item['name'] for item in before}))}"
        raise InvalidDocumentError.at("/tolerance", "unknown_metric", message)
    if not before:
        return _check(UNKNOWN, reason="the original has no metrics recorded") | {"values": []}
    found = {metric["label"]: metric["value"] for metric in after}
    values = [_compare_metric(metric, found.get(metric["label"]), tolerance.of(metric)) for metric in before]
    apart = [_change(value["name"], value["original"], value["rerun"]) for value in values if not value["within"]]
    return _check(DIFFERENT if apart else SAME, apart) | {"values": values}


def _compare_metric(metric: JsonObject, value: float | None, allowed: Decimal) -> JsonObject:
    distance = None if value is None else _distance(metric["value"], value)
    return {
        "name": metric["label"],
        "original": metric["value"],
        "rerun": value,
        "distance": None if distance is None or not math.isfinite(float(distance)) else float(distance),
        "tolerance": float(allowed),
        "within": distance is not None and distance <= allowed,
    }


def _distance(first: float, second: float) -> Decimal:
    """The difference of two numbers as they are written: in binary, 0.91 lies further from 0.9 than 0.01."""
    with localcontext() as context:
        # The shortest text of a double has 17 digits and an exponent of up to 308.
        context.prec = 700
        return abs(Decimal(repr(first)) - Decimal(repr(second)))


def _compare_artifacts(before: Sequence[JsonObject], after: Sequence[JsonObject]) -> JsonObject:
    """By digest, wherever the files lie and however they are called."""
    if not before or not after or not all(entry["digest"] for entry in (*before, *after)):
        return {"verdict": UNKNOWN, "only_original": [], "only_rerun": []}
    first, second = (Counter(entry["digest"] for entry in entries) for entries in (before, after))
    lost, gained = first - second, second - first
    verdict = DIFFERENT if lost or gained else "identical"
    return {"verdict": verdict, "only_original": sorted(lost.elements()), "only_rerun": sorted(gained.elements())}


def _notes(original: JsonObject, rerun: JsonObject) -> list[JsonObject]:
    """What differs and decides nothing."""
    return [
        _change(f"{part}.{name}", original[part][name], rerun[part][name])
        for part, name in _NOTED
        if original[part][name] != rerun[part][name]
    ]


def _listing(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(names[:most]) or "none"
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
