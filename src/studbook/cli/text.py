"""Values as a person reads them; none of it needs Rich."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from studbook.client import Metric

# What a terminal obeys instead of showing; a record's text must not move the cursor or rename the window.
_CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_VERSION: Final = re.compile(r"models/([^/@:]+)/versions/(\d+)")
_DIGEST_DIGITS: Final = 12
_THOUSAND: Final = 1000


def safe(value: object) -> str:
    """The value as text that holds no control characters but line breaks and tabs."""
    return _CONTROLS.sub("\ufffd", value if isinstance(value, str) else str(value))


def scalar(value: object) -> str:
    """A parameter's value; nested values as JSON."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float):
        return f"{value:.10g}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else safe(value)


def number(value: float) -> str:
    """A measured value with five significant digits."""
    return f"{value:.5g}" if abs(value) < 1e5 or abs(value) >= 1e15 else f"{value:,.0f}"  # noqa: PLR2004 - readable range


def moment(time: datetime | None) -> str:
    """A time to the second, in UTC."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if time else ""


def day(time: datetime | None) -> str:
    """A time to the minute, in UTC."""
    return f"{time:%Y-%m-%d %H:%M}" if time else ""


def duration(start: datetime | None, end: datetime | None) -> str:
    """How long something took."""
    if start is None or end is None:
        return ""
    seconds = (end - start).total_seconds()
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"


def size(count: int | None) -> str:
    """A number of bytes."""
    if count is None:
        return ""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < _THOUSAND:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= _THOUSAND
    return f"{amount:.1f} TB"


def plural(count: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def short_digest(digest: str | None) -> str:
    """The beginning of a digest, enough to tell it from others."""
    scheme, colon, digits = (digest or "").partition(":")
    return f"{scheme}{colon}{digits[:_DIGEST_DIGITS]}…" if len(digits) > _DIGEST_DIGITS else safe(digest or "")


def short_name(name: str) -> str:
    """`churn/3` for a model version, the name itself otherwise; either is a reference that every command takes."""
    match = _VERSION.fullmatch(name)
    return f"{match[1]}/{match[2]}" if match else name


def bare_name(name: str) -> str:
    """`churn` for `models/churn`."""
    return unquote(name.partition("/")[2])


def tags(values: Any) -> str:  # noqa: ANN401 - a mapping of texts
    """`team=growth, tier=1`."""
    return ", ".join(f"{safe(key)}={safe(value)}" for key, value in sorted(values.items()))


def metric_scope(metric: Metric) -> str:
    """What a metric was measured on besides its dataset: `test, sex=female`."""
    parts = [metric.split] if metric.split else []
    parts += [f"{key}={scalar(value)}" for key, value in (metric.slice or {}).items()]
    return safe(", ".join(parts))


def headline(metrics: Iterable[Metric]) -> dict[str, Metric]:
    """By name, the value to show where there is room for one: of the whole data rather than a slice, held out if it can be."""
    chosen: dict[str, Metric] = {}
    for metric in metrics:
        if metric.slice:
            continue
        known = chosen.get(metric.name)
        if known is None or _rank(metric) >= _rank(known):
            chosen[metric.name] = metric
    return chosen


def _rank(metric: Metric) -> int:
    order = ["train", "training", "validation", "", "test"]
    return order.index(metric.split or "") if (metric.split or "") in order else order.index("")
