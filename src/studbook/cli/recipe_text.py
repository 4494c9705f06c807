"""A recipe, and the verification of a re-run, as lines for a person."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from studbook.cli.text import number, plural, safe, scalar, short_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NOTHING: Final = "not recorded"
# An environment may hold hundreds of packages; --json and --script tell all.
_ROWS: Final = 20


def recipe_lines(recipe: Mapping[str, Any]) -> Iterator[str]:
    """The whole recipe; headings are not indented."""
    yield f"Recipe of {short_name(recipe['version'])}"
    yield f"  run: {recipe['run'] or NOTHING}" + (f" ({one_line(recipe['job'])})" if recipe["job"] else "")
    for heading, part in (("Code", "code"), ("Environment", "environment"), ("Parameters", "parameters"), ("Seeds", "seeds")):
        yield heading
        yield from _values(recipe[part])
    yield "Inputs"
    for entry in recipe["inputs"]:
        yield f"  {one_line(entry['name'])} ({entry['role']})"
        yield f"    digest: {entry['digest'] or NOTHING}"
        yield f"    at: {one_line(entry['uri'] or NOTHING)}"
    if not recipe["inputs"]:
        yield f"  {NOTHING}"
    if recipe["parents"]:
        yield "Parents"
        for entry in recipe["parents"]:
            yield f"  {one_line(short_name(entry['name']))} ({entry['relation']})" + (
                "" if entry["recorded"] else ", not here yet"
            )
            yield from _artifacts(entry["artifacts"], entry["artifact_count"], "    ")
    yield "Artifacts"
    yield from _artifacts(recipe["artifacts"], len(recipe["artifacts"]), "  ")
    yield from _completeness(recipe["completeness"])


def verification_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What became of each check, and what differs; headings are not indented."""
    answer = "reproduces" if found["reproduced"] else "does not reproduce"
    yield f"{short_name(found['rerun'])} {answer} {short_name(found['original'])}"
    for name, check in found["checks"].items():
        yield f"  {name}: {check['verdict']}" + (f" ({one_line(check['reason'])})" if check["reason"] else "")
        if name == "metrics":
            yield from (f"    {_metric(value)}" for value in check["values"])
        else:
            yield from _differences(check["differences"])
    artifacts = found["artifacts"]
    yield f"  artifacts: {artifacts['verdict']}"
    yield from (f"    only in the original: {digest}" for digest in artifacts["only_original"][:_ROWS])
    yield from (f"    only in the re-run: {digest}" for digest in artifacts["only_rerun"][:_ROWS])
    if found["notes"]:
        yield "Differs, and decides nothing"
        yield from _differences(found["notes"], "  ")


def one_line(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """The value on one line, whatever breaks it holds: a name must not pass for a line of the answer."""
    text = value if isinstance(value, str) else scalar(value)
    return safe(json.dumps(text, ensure_ascii=False)[1:-1] if set(text) & set("\n\t\r\u2028\u2029") else text)


def _values(values: Mapping[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        if name == "packages" and isinstance(value, dict):
            yield f"  packages: {plural(len(value), 'package')}"
        else:
            yield f"  {one_line(name)}: {NOTHING if value is None else one_line(value)}"
    if not values:
        yield f"  {NOTHING}"


def _artifacts(artifacts: list[Any], count: int, indent: str) -> Iterator[str]:
    for entry in artifacts[:_ROWS]:
        yield f"{indent}{one_line(entry['name'] or entry['uri'])}: {entry['digest'] or 'no digest'} at {one_line(entry['uri'])}"
    if count > _ROWS:
        yield f"{indent}… {count - _ROWS} more"
    if not count:
        yield f"{indent}no artifacts recorded"


def _completeness(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"Complete to {found['score']:.0%}: {found['formula']}"
    marks = {"present": "✓", "missing": "✗", "not_applicable": "·"}
    for line in found["items"]:
        yield f"  {marks[line['state']]} {line['name']} ({line['weight']})"
        if line["state"] == "missing":
            yield f"      missing: {', '.join(one_line(gap) for gap in line['gaps'][:_ROWS])}"
            yield f"      next time: {line['remedy']}"


def _differences(differences: list[Any], indent: str = "    ") -> Iterator[str]:
    for change in differences[:_ROWS]:
        before, after = ("nothing" if value is None else one_line(value) for value in (change["original"], change["rerun"]))
        yield f"{indent}{one_line(change['name'])}: {before} → {after}"
    if len(differences) > _ROWS:
        yield f"{indent}… {len(differences) - _ROWS} more; --json tells all"


def _metric(value: Mapping[str, Any]) -> str:
    mark, name = "✓" if value["within"] else "✗", one_line(value["name"])
    if value["rerun"] is None:
        return f"{mark} {name}: {number(value['original'])} → nothing"
    # All digits: what lies apart by a hair would look the same.
    return f"{mark} {name}: {value['original']!r} → {value['rerun']!r} (tolerance {value['tolerance']:g})"
