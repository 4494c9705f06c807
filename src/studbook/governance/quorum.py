"""Whether decisions make a quorum: so many distinct people of each role."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from studbook.governance.policy import RoleQuorum


def find_missing(quorum: Sequence[RoleQuorum], people: Mapping[str, AbstractSet[str]]) -> dict[str, int]:
    """How many people each role still lacks, when everybody who approved counts once; empty when the quorum is there.

    `people` are those who approved, with the roles that they have. Whoever has several roles fills the place that is best for
    the quorum: a largest matching of places to people (augmenting paths; Kuhn 1955).
    """
    places = [entry.role for entry in quorum for _ in range(entry.count)]
    filled: dict[str, int] = {}

    def fill(place: int, tried: set[str]) -> bool:
        for person, roles in people.items():
            if places[place] not in roles or person in tried:
                continue
            tried.add(person)
            if person not in filled or fill(filled[person], tried):
                filled[person] = place
                return True
        return False

    missing: dict[str, int] = {}
    for place, role in enumerate(places):
        if not fill(place, set()):
            missing[role] = missing.get(role, 0) + 1
    return missing
