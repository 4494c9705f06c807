"""Who carries what no document may refer by: an address, the digest of an image, the beginning of an id or digest.

Each function takes many at once. A beginning becomes a range of its index, so that no character of it means anything else
than itself.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from studbook.domain.identifiers import ByDigestPrefix, ByIdRange, ByImage, ByUri, Form
from studbook.domain.names import ByIdentifier
from studbook.storage.references import MATCH_LIMIT, NAMED, Found, find_nodes, find_records, first_of_each
from studbook.storage.table_parts import INDEXED_TEXT, head_of
from studbook.storage.tables import artifacts, attribute_artifacts, dataset_versions, identifiers, lineage_nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from uuid import UUID

    from sqlalchemy.engine import Connection

# Ranges that one statement looks up: SQLite joins at most 500 selections.
_RANGES: Final = 100
# Behind every hexadecimal digit.
_AFTER_DIGITS: Final = "g"
_IMAGE_DIGEST_LENGTH: Final = len("sha256:") + 64


def find_carriers(connection: Connection, namespace_id: int, forms: Iterable[Form]) -> dict[Form, list[Found]]:
    """The records that each form means, the oldest first; at most one more than `MATCH_LIMIT` of each kind."""
    by_kind: dict[type, list[Any]] = {}
    for form in dict.fromkeys(forms):
        by_kind.setdefault(type(form), []).append(form)
    uris, images = by_kind.pop(ByUri, []), by_kind.pop(ByImage, [])
    beginnings, ranges = by_kind.pop(ByDigestPrefix, []), by_kind.pop(ByIdRange, [])
    references = [reference for group in by_kind.values() for reference in group]
    found: dict[Form, list[Found]] = dict(find_records(connection, namespace_id, references).items())
    if ranges:
        found |= _in_ranges(connection, namespace_id, ranges)
    ids: dict[Form, list[UUID]] = {}
    if uris:
        ids |= _at_uris(connection, namespace_id, uris)
    if images:
        ids |= _of_images(connection, namespace_id, images)
    if beginnings:
        ids |= _by_beginning(connection, namespace_id, beginnings)
    if digests := [form for form in references if isinstance(form, ByIdentifier) and form.scheme == "sha256"]:
        ids |= _by_attribute(connection, namespace_id, digests)
    nodes = find_nodes(connection, namespace_id, {record_id for matches in ids.values() for record_id in matches})
    for form, matches in ids.items():
        found.setdefault(form, []).extend(nodes[record_id] for record_id in matches if record_id in nodes)
    return found


def _at_uris(connection: Connection, namespace_id: int, forms: Sequence[ByUri]) -> dict[Form, list[UUID]]:
    found: dict[Form, list[UUID]] = {form: [] for form in forms}
    uris = [form.uri for form in forms]
    heads = list({uri[:INDEXED_TEXT] for uri in uris})
    for uri, record_id in connection.execute(_kept_at(), {"namespace": namespace_id, "heads": heads, "keys": uris}):
        found[ByUri(uri)].append(record_id)
    return found


@functools.cache
def _kept_at() -> sa.Select[Any]:
    """Versions of models by the URIs of their artifacts, and versions of datasets by their own."""
    wanted: sa.BindParameter[Any] = sa.bindparam("keys", expanding=True)
    heads: sa.BindParameter[Any] = sa.bindparam("heads", expanding=True)
    parts = [
        sa.select(uri.label("key"), record.label("id")).where(
            uri.table.c.namespace_id == sa.bindparam("namespace"), head_of(uri).in_(heads), uri.in_(wanted)
        )
        for uri, record in ((artifacts.c.uri, artifacts.c.version_id), (dataset_versions.c.uri, dataset_versions.c.id))
    ]
    return first_of_each(sa.union(*parts))


def _of_images(connection: Connection, namespace_id: int, forms: Sequence[ByImage]) -> dict[Form, list[UUID]]:
    """Claims under the scheme `oci` whose value is the digest or ends in it: every claim of that scheme is looked at."""
    found: dict[Form, list[UUID]] = {form: [] for form in forms}
    parameters = {"namespace": namespace_id, "keys": [form.digest for form in forms]}
    for digest, record_id in connection.execute(_CLAIMS, parameters):
        found[ByImage(digest)].append(record_id)
    return found


_END: Final = sa.func.substr(identifiers.c.value, sa.func.length(identifiers.c.value) - (_IMAGE_DIGEST_LENGTH - 1))
_CLAIMS: Final = (
    sa.select(_END, identifiers.c.record_id)
    .where(
        identifiers.c.namespace_id == sa.bindparam("namespace"),
        identifiers.c.scheme == "oci",
        sa.func.length(identifiers.c.value) >= _IMAGE_DIGEST_LENGTH,
        _END.in_(sa.bindparam("keys", expanding=True)),
    )
    .order_by(identifiers.c.record_id)
    .distinct()
)


def _by_attribute(connection: Connection, namespace_id: int, forms: Sequence[ByIdentifier]) -> dict[Form, list[UUID]]:
    """Versions with a large attribute of this digest."""
    found: dict[Form, list[UUID]] = {form: [] for form in forms}
    parameters = {"namespace": namespace_id, "keys": [f"sha256:{form.value}" for form in forms]}
    for digest, record_id in connection.execute(_attributes_with(), parameters):
        found[ByIdentifier("sha256", digest.removeprefix("sha256:"))].append(record_id)
    return found


@functools.cache
def _attributes_with() -> sa.Select[Any]:
    rows = sa.select(attribute_artifacts.c.digest.label("key"), attribute_artifacts.c.version_id.label("id")).where(
        attribute_artifacts.c.namespace_id == sa.bindparam("namespace"),
        attribute_artifacts.c.digest.in_(sa.bindparam("keys", expanding=True)),
    )
    return first_of_each(rows.distinct())


def _by_beginning(connection: Connection, namespace_id: int, forms: Sequence[ByDigestPrefix]) -> dict[Form, list[UUID]]:
    found: dict[Form, list[UUID]] = {form: [] for form in forms}
    for column, record_id in (
        (artifacts.c.digest, artifacts.c.version_id),
        (attribute_artifacts.c.digest, attribute_artifacts.c.version_id),
        (dataset_versions.c.digest, dataset_versions.c.id),
    ):
        ranges = [(form.digest, form.digest + _AFTER_DIGITS) for form in forms]
        for position, match in _search_ranges(connection, namespace_id, column, ranges, record_id):
            found[forms[position]].append(match)
    return found


def _in_ranges(connection: Connection, namespace_id: int, forms: Sequence[ByIdRange]) -> dict[Form, list[Found]]:
    ranges = [(form.low, form.high) for form in forms]
    matches = list(_search_ranges(connection, namespace_id, lineage_nodes.c.id, ranges, lineage_nodes.c.id))
    nodes = find_nodes(connection, namespace_id, {record_id for _, record_id in matches})
    found: dict[Form, list[Found]] = {form: [] for form in forms}
    for position, record_id in matches:
        form, node = forms[position], nodes[record_id]
        if form.kind in {None, node.kind}:
            found[form].append(node)
    for kind, (table, resource_name) in NAMED.items():
        for position, record_id, name in _search_ranges(connection, namespace_id, table.c.id, ranges, table.c.id, table.c.name):
            if forms[position].kind is None:
                found[forms[position]].append(Found(record_id, kind, resource_name(name)))
    return found


def _search_ranges(
    connection: Connection,
    namespace_id: int,
    column: sa.Column[Any],
    ranges: Sequence[tuple[Any, Any]],
    *shown: sa.Column[Any],
) -> Iterator[Any]:
    """What lies in each range of a column: the range's position, and the columns that are shown."""
    for start in range(0, len(ranges), _RANGES):
        parts = [
            sa.select(sa.literal(position).label("position"), *shown)
            .where(column.table.c.namespace_id == namespace_id, column >= low, column <= high)
            .distinct()
            .order_by(shown[0])
            .limit(MATCH_LIMIT + 1)
            .subquery()
            for position, (low, high) in enumerate(ranges[start : start + _RANGES], start)
        ]
        yield from connection.execute(sa.union_all(*(sa.select(part) for part in parts)))
