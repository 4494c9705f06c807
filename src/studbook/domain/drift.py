"""What differs between the tables of two dataset versions, by what was recorded of them; the data itself is not needed.

What is compared are `schema.columns` (`[{"name": …, "type": …, "nullable": …}]`; or an object from name to type) and
`profile.statistics.columns`. A column that has another name is one removed and one added: whether they are the same is never
guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from studbook.domain.canonical import JsonObject


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What counts as moved.

    `range_share`: an end of a range moved by more than this share of the range's former width. `missing_share`: the share of rows
    without a value moved by more than this.
    """

    range_share: float = 0.1
    missing_share: float = 0.05


USUAL: Final = Thresholds()


def compare_schemas(before: JsonObject, after: JsonObject, thresholds: Thresholds = USUAL) -> JsonObject:
    """What differs from one dataset version's record to another's.

    `compared` names what both have recorded, of `columns` and `statistics`: what is not named there was not compared. `missing`
    and `ranges` tell only what moved by more than the thresholds.
    """
    columns, statistics = (_columns(before), _columns(after)), (_statistics(before), _statistics(after))
    found: JsonObject = {"added": {}, "removed": {}, "types": {}, "nullability": {}, "ranges": {}, "missing": {}}
    compared = []
    if columns[0] is not None and columns[1] is not None:
        compared.append("columns")
        found |= _compare_columns(columns[0], columns[1])
    if statistics[0] is not None and statistics[1] is not None:
        compared.append("statistics")
        found |= _compare_statistics(before, after, statistics[0], statistics[1], thresholds)
    return {
        "from": before.get("name"),
        "to": after.get("name"),
        "compared": compared,
        "drifted": any(found.values()),
        "rows": {"from": before.get("rows"), "to": after.get("rows")},
        **found,
        "thresholds": {"range_share": thresholds.range_share, "missing_share": thresholds.missing_share},
    }


def _columns(record: JsonObject) -> dict[str, JsonObject] | None:
    """Columns by name, or None where the schema is in a form that is not known here."""
    schema = record.get("schema")
    listed = schema.get("columns") if isinstance(schema, dict) else None
    if isinstance(listed, dict) and all(isinstance(kind, str) for kind in listed.values()):
        return {name: {"type": kind} for name, kind in listed.items()}
    if isinstance(listed, list) and all(isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in listed):
        return {entry["name"]: entry for entry in listed}
    return None


def _statistics(record: JsonObject) -> dict[str, JsonObject] | None:
    found: Any = record.get("profile")
    for step in ("statistics", "columns"):
        found = found.get(step) if isinstance(found, dict) else None
    if not isinstance(found, dict):
        return None
    return {name: entry for name, entry in found.items() if isinstance(entry, dict)}


def _compare_columns(before: dict[str, JsonObject], after: dict[str, JsonObject]) -> JsonObject:
    both = [name for name in before if name in after]
    return {
        "added": {name: _kind(entry) for name, entry in after.items() if name not in before},
        "removed": {name: _kind(entry) for name, entry in before.items() if name not in after},
        "types": _changed(before, after, both, "type"),
        "nullability": _changed(before, after, both, "nullable"),
    }


def _kind(column: JsonObject) -> str | None:
    kind = column.get("type")
    return kind if isinstance(kind, str) else None


def _changed(before: dict[str, JsonObject], after: dict[str, JsonObject], names: list[str], member: str) -> JsonObject:
    """Where a member differs that both tell."""
    pairs = {name: (before[name].get(member), after[name].get(member)) for name in names}
    return {name: _step(*pair) for name, pair in pairs.items() if None not in pair and pair[0] != pair[1]}


def _compare_statistics(
    before: JsonObject, after: JsonObject, first: dict[str, JsonObject], second: dict[str, JsonObject], thresholds: Thresholds
) -> JsonObject:
    ranges, missing = {}, {}
    for name in (name for name in first if name in second):
        old, new = first[name], second[name]
        if _range_moved(old, new, thresholds.range_share):
            ranges[name] = _step([old["minimum"], old["maximum"]], [new["minimum"], new["maximum"]])
        shares = _share(old, before.get("rows")), _share(new, after.get("rows"))
        if shares[0] is not None and shares[1] is not None and abs(shares[1] - shares[0]) > thresholds.missing_share:
            missing[name] = _step(*shares)
    return {"ranges": ranges, "missing": missing}


def _range_moved(old: JsonObject, new: JsonObject, share: float) -> bool:
    ends = [_position(entry.get(end)) for entry in (old, new) for end in ("minimum", "maximum")]
    if None in ends or len({type(end) for end in ends}) > 1:
        return False
    low, high, new_low, new_high = ends
    if isinstance(low, str):
        return (low, high) != (new_low, new_high)  # words have no distance
    allowed = (high - low) * share
    return bool(abs(new_low - low) > allowed or abs(new_high - high) > allowed)


def _position(value: Any) -> Any:  # noqa: ANN401 - a number or text of JSON
    """Where a value lies on its scale: a number for numbers and times, text for other text, None for what has no place."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if not isinstance(value, str):
        return float(value)
    try:
        return float(value) if value.lstrip("-").isdigit() else (datetime.fromisoformat(value) - _epoch(value)).total_seconds()
    except ValueError:
        return value


def _epoch(value: str) -> datetime:
    """The beginning of the scale, with an offset where the time has one."""
    return datetime.fromisoformat("0001-01-01T00:00:00" + ("Z" if datetime.fromisoformat(value).tzinfo else ""))


def _share(entry: JsonObject, rows: Any) -> float | None:  # noqa: ANN401 - a member of a record
    missing = entry.get("missing")
    if isinstance(rows, bool) or not isinstance(rows, int) or rows <= 0 or not isinstance(missing, int):
        return None
    return round(missing / rows, 6)


def _step(before: Any, after: Any) -> JsonObject:  # noqa: ANN401 - any JSON value
    return {"from": before, "to": after}
