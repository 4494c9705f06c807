"""What a definition must be to be stored: every fault of its attributes, each at its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from studbook.domain.errors import Violation
from studbook.domain.pointers import pointer
from studbook.schemas.definition import Attribute, Definition, Describes, Store, ValueType
from studbook.schemas.paths import AttributePath, BadPathError, parse_path

if TYPE_CHECKING:
    from collections.abc import Callable

# What begins a field of the filter language already.
RESERVED: Final = frozenset(
    {
        "model", "number", "description", "created_at", "created_by", "archived", "alias", "owner", "schema", "run", "tags",
        "params", "metrics", "now", "true", "false", "and", "or", "not", "in", "contains", "startswith", "exists", "upstream",
        "downstream",
    }
)  # fmt: skip
_SEARCHED: Final = frozenset({Store.COLUMN, Store.KEY_VALUE, Store.FULL_TEXT, Store.ARTIFACT})


def find_attribute_faults(definition: Definition) -> list[Violation]:
    """The faults of a definition's attributes, apart from those of its JSON Schema."""
    faults: list[Violation] = []
    ids: dict[int, int] = {}
    names: dict[str, int] = {}
    own = {attribute.name for attribute in definition.attributes if attribute.alias_of is None}
    for index, attribute in enumerate(definition.attributes):

        def fault(field: str, code: str, message: str, index: int = index) -> None:
            faults.append(Violation(pointer(("attributes", index, field)), code, message))

        if ids.setdefault(attribute.id, index) != index:
            fault("id", "duplicate_id", f"the id {attribute.id} stands at /attributes/{ids[attribute.id]} too; ids are permanent")
        if names.setdefault(attribute.name, index) != index:
            fault("name", "duplicate_name", f"{attribute.name!r} stands at /attributes/{names[attribute.name]} too")
        if attribute.name.partition(".")[0] in RESERVED:
            first = attribute.name.partition(".")[0]
            fault("name", "reserved_name", f"{first!r} means something else in a filter; choose another first word")
        if attribute.alias_of is not None:
            _check_alias(attribute, own, fault)
        else:
            _check_place(attribute, definition.describes, fault)
    return faults


def _check_alias(attribute: Attribute, own: set[str], fault: Callable[[str, str, str], None]) -> None:
    if attribute.alias_of not in own:
        fault(
            "alias_of", "unknown_attribute", f"{attribute.alias_of!r} is no attribute of this definition with a place of its own"
        )
    if attribute.path is not None:
        fault("path", "alias_with_path", "an alias has no path of its own; remove it")


def _check_place(attribute: Attribute, describes: Describes, fault: Callable[[str, str, str], None]) -> None:
    if attribute.path is None:
        fault("path", "missing_field", "say where the attribute stands, as a JSON Pointer such as /attributes/license")
        return
    try:
        path = parse_path(attribute.path, describes)
    except BadPathError as error:
        fault("path", "bad_path", str(error))
        return
    if attribute.store in _SEARCHED and describes is not Describes.MODEL_VERSION:
        message = "only attributes of model versions are searched; here 'document' and 'private' are the locations there are"
        fault("store", "not_searchable", message)
    _check_options(attribute, path, fault)


def _check_options(attribute: Attribute, path: AttributePath, fault: Callable[[str, str, str], None]) -> None:
    if path.every != (attribute.store is Store.KEY_VALUE):
        message = "'key-value' goes with a path that ends in '/*', and the other way round"
        fault("store", "bad_store", message)
    if attribute.store is Store.COLUMN and attribute.type is ValueType.ANY:
        fault("type", "untyped_column", "a column has one type; say which")
    if path.metric is not None and (attribute.store is not Store.COLUMN or attribute.type is not ValueType.NUMBER):
        fault("store", "bad_store", "a metric is a number in a column: store: column, type: number")
    if attribute.aggregate is not None and path.metric is None:
        fault("aggregate", "bad_aggregate", "only a metric has several values to choose from (/metrics[name=…]/value)")
    if attribute.store is not Store.COLUMN and (attribute.unique or attribute.facet):
        fault("unique" if attribute.unique else "facet", "bad_option", "only a column can be unique or a facet")
    if attribute.unique and path.metric is not None:
        fault("unique", "bad_option", "a measured value cannot be unique")
    if attribute.store is Store.PRIVATE and path.steps[0] not in ("attributes", "description"):
        fault("path", "bad_path", "what is private stands under /attributes or is /description")
