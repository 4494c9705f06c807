"""Strategies for every tree that the parser can make."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from hypothesis import strategies as st

from studbook.filters.literals import DURATION_LIMIT, KEYWORDS
from studbook.filters.tree import (
    Comparison,
    Direction,
    Duration,
    Exists,
    Expression,
    Field,
    Membership,
    Moment,
    Not,
    Now,
    Operator,
    Related,
    Scalar,
    Value,
    all_of,
    any_of,
)

characters = st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00")
texts = st.one_of(
    st.text(characters, max_size=8),
    st.text(r"""ab1.-/:@+%"'\ """, max_size=8),
    st.sampled_from(
        [*KEYWORDS, "NOT", "true", "False", "null", "now", "now-7d", "now-", "2026-11-25", "2026-13-45", "7d", "1e5"]
    ),
    st.from_regex(re.compile(r"-?[0-9.]{1,4}", re.ASCII), fullmatch=True),
)
names = texts.filter(bool)
moments = st.datetimes(timezones=st.just(UTC)).map(Moment)
days = st.dates().map(lambda day: Moment(datetime(day.year, day.month, day.day, tzinfo=UTC), whole_day=True))
seconds = st.integers(0, DURATION_LIMIT)
scalars: st.SearchStrategy[Scalar] = st.one_of(
    texts, st.booleans(), st.integers(-(10**30), 10**30), st.floats(allow_nan=False, allow_infinity=False)
)
values: st.SearchStrategy[Value] = st.one_of(
    scalars, moments, days, seconds.map(Duration), st.integers(-DURATION_LIMIT, DURATION_LIMIT).map(Now)
)
labels = st.dictionaries(names, scalars, max_size=3).map(lambda pairs: tuple(sorted(pairs.items(), key=lambda pair: pair[0])))
fields = st.builds(
    Field, st.lists(names, min_size=1, max_size=3).map(tuple), st.none() | names, st.one_of(st.just(()), st.just(()), labels)
)
conditions: st.SearchStrategy[Expression] = st.one_of(
    st.builds(Comparison, fields, st.sampled_from(Operator), values),
    st.builds(Membership, fields, st.lists(values, min_size=1, max_size=4).map(tuple)),
    st.builds(Exists, fields),
    st.builds(Related, st.sampled_from(Direction), names),
)


def _joined(parts: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    several = st.lists(parts, min_size=2, max_size=3)
    return several.map(all_of) | several.map(any_of) | parts.map(Not)


trees: st.SearchStrategy[Expression] = st.recursive(conditions, _joined, max_leaves=8)
