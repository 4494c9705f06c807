"""Schema definitions by the SDK, against the real registry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import studbook
from studbook.client.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from studbook import Registration, Registry


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("described")
    with studbook.connect(folder / "studbook.db", spool=folder / "spool") as opened:
        yield opened


@pytest.fixture
def name() -> str:
    """A definition's name that nobody else uses."""
    return f"tabular-{new_id()}"


def definition(name: str, *licenses: str, **attributes: Any) -> dict[str, Any]:
    described = {"license": {"enum": list(licenses or ("MIT", "Apache-2.0"))}, "energy": {"type": "number"}, **attributes}
    return {
        "name": name,
        "description": "What is to be said.",
        "json_schema": {
            "type": "object",
            "properties": {"attributes": {"type": "object", "properties": described, "required": ["license"]}},
            "required": ["attributes"],
        },
        "attributes": [
            {"id": 1, "name": "license", "path": "/attributes/license", "type": "string", "store": "column", "facet": True},
            {"id": 2, "name": "energy", "path": "/attributes/energy", "type": "number", "store": "column", "index": False},
            {"id": 3, "name": "licence", "alias_of": "license"},
        ],
    }


def register(registry: Registry, model: str, license_: str, **changes: Any) -> Registration:
    with registry.run(capture=False) as run:
        run.set_attributes({"license": license_, "energy": 2.5})
        return run.register(model, **changes)


def test_a_definition_is_drafted_published_and_deprecated(shared: Registry, name: str, tmp_path: Path) -> None:
    drafted = shared.draft_schema(definition(name))
    assert (drafted.status, drafted.number, drafted.schema, drafted.describes) == ("draft", 1, name, "model_version")
    assert drafted.receipts
    (tmp_path / "definition.json").write_text(json.dumps(definition(name, "MIT", "Apache-2.0", "BSD")))
    again = shared.draft_schema(tmp_path / "definition.json")
    assert again.number == 1
    assert again.digest != drafted.digest
    with pytest.raises(studbook.StaleError):
        shared.draft_schema(definition(name), if_match=drafted.etag)
    with pytest.raises(studbook.StaleError):
        shared.publish_schema(name, 1, if_match=drafted.etag)
    published = shared.publish_schema(name, 1, if_match=again.etag)
    assert published.status == "published"
    assert published.published_at is not None
    assert published.receipts
    assert shared.publish_schema(name).etag == published.etag
    (tmp_path / "definition.yaml").write_text(f"name: {name}\njson_schema: true\n")
    assert shared.draft_schema(str(tmp_path / "definition.yaml")).number == 2
    assert [version.number for version in shared.list_schema_versions(name, page_size=1)] == [2, 1]
    assert shared.get_schema(name).latest_version == 2
    assert shared.get_schema_version(name).status == "draft"
    assert shared.deprecate_schema(name, 1).deprecated_at is not None
    with pytest.raises(studbook.ConflictError):
        shared.publish_schema(name, 1)
    assert name in [schema.schema for schema in shared.list_schemas(page_size=1)]


def test_a_version_is_read_as_a_definition_that_can_be_drafted_again(shared: Registry, name: str) -> None:
    shared.draft_schema(definition(name))
    published = shared.publish_schema(name)
    written = published.definition
    assert written["attributes"] == definition(name)["attributes"]
    assert shared.draft_schema(written).digest == published.digest
    with pytest.raises(TypeError, match="mapping"):
        shared.draft_schema(3)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        shared.draft_schema("not-there.yaml")


def test_every_fault_of_a_definition_is_named(shared: Registry, name: str) -> None:
    wrong = {**definition(name), "json_schema": {"type": "objekt"}}
    wrong["attributes"][1]["id"] = 1
    with pytest.raises(studbook.InvalidDocumentError) as refused:
        shared.draft_schema(wrong)
    assert {error.pointer for error in refused.value.errors} == {"/json_schema/type", "/attributes/1/id"}
    body = json.dumps(wrong).encode()
    with pytest.raises(studbook.InvalidDocumentError):
        shared.draft_schema(body, media_type="application/yaml")


def test_versions_must_satisfy_the_definition_of_their_model(shared: Registry, name: str) -> None:
    shared.draft_schema(definition(name))
    shared.publish_schema(name)
    refused = register(shared, name, "GPL", schema=name)
    assert refused.status == "refused"
    assert isinstance(refused.error, studbook.RefusedError)
    assert [error.pointer for error in refused.error.errors] == ["/version/attributes/license"]
    made = register(shared, name, "MIT", schema={"name": name, "min_version": 1})
    version = shared.version(made.name or "")
    assert version.schema is not None
    assert (version.schema.name, version.schema.version) == (name, 1)
    chosen = shared.model(name).schema
    assert chosen is not None
    assert (chosen.name, chosen.min_version, chosen.max_version) == (name, 1, None)
    assert [each.name for each in shared.search(filter=f'license@{name} = "MIT" and energy@{name} > 2')] == [made.name]
    with shared.run(capture=False) as run, pytest.raises(TypeError, match="definition"):
        run.register(name, schema=3)  # type: ignore[arg-type]


def test_a_model_is_given_another_definition_or_none(shared: Registry, name: str) -> None:
    shared.draft_schema(definition(name))
    shared.publish_schema(name)
    register(shared, name, "MIT", schema=name)
    kept = shared.update_model(name, description="says nothing of its definition").schema
    assert kept is not None
    assert shared.update_model(name, schema=None).schema is None
    assert register(shared, name, "GPL").status == "stored"
    assert shared.update_model(name, schema=kept).schema == kept
    bounded = shared.update_model(name, schema={"name": name, "max_version": 1}, tags={"a": "b"})
    assert bounded.schema is not None
    assert (bounded.schema.max_version, bounded.tags) == (1, {"a": "b"})
    with pytest.raises(studbook.RefusedError):
        shared.update_model(name, schema="not-there")


def test_documents_are_tried_without_being_stored(shared: Registry, name: str) -> None:
    shared.draft_schema(definition(name))
    assert shared.validate_document(name, {"attributes": {"license": "MIT"}}).valid
    outcome = shared.validate_document(name, {"attributes": {"license": "GPL", "energy": "much"}}, version=1)
    assert (outcome.valid, outcome.schema, outcome.version) == (False, name, 1)
    assert {error.pointer for error in outcome.errors} == {"/attributes/license", "/attributes/energy"}
    assert not shared.validate_document(name, [], "latest").valid
    assert shared.validate_document("studbook.run", {"kind": "training"}).valid
    with pytest.raises(studbook.NotFoundError):
        shared.validate_document("not-there", {})


def test_a_new_version_shows_what_it_breaks(shared: Registry, name: str) -> None:
    shared.draft_schema(definition(name))
    shared.publish_schema(name)
    made = register(shared, name, "Apache-2.0", schema=name)
    shared.draft_schema(definition(name, "MIT"))
    report = shared.schema_compatibility(name)
    assert (report.version, report.compatible) == (2, False)
    (broken,) = report.breaks
    assert (broken.version, broken.direction, broken.certain) == (1, "backward", True)
    assert broken.witness["attributes"]["license"] == "Apache-2.0"
    assert report.stored is not None
    assert (report.stored.looked_at, report.stored.invalid, report.stored.versions) == (1, 1, (made.name,))
    with pytest.raises(studbook.ConflictError) as refused:
        shared.publish_schema(name, 2)
    assert {error.code for error in refused.value.errors} == {"incompatible_schema", "stored_versions"}
    assert shared.schema_compatibility(name, 1).compatible


def test_where_attributes_are_kept(shared: Registry, name: str) -> None:
    shared.draft_schema(definition(name))
    with pytest.raises(studbook.ConflictError):
        shared.storage_map(name)
    shared.publish_schema(name)
    found = shared.storage_map(name)
    by_license, by_energy = found.attributes
    assert by_license.names == ("license", "licence")
    assert (by_license.table, by_license.store, by_license.facet, by_license.state) == (found.table, "column", True, "ready")
    assert by_license.index
    assert by_energy.index is None
    assert "SELECT" in (by_energy.sql or "")
    assert found.work == ()


def test_a_definition_is_inferred_and_adopted(shared: Registry, name: str) -> None:
    register(shared, name, "MIT")
    inferred = shared.infer_schema(name, f"{name}-x")
    assert inferred["name"] == f"{name}-x"
    drafted = shared.draft_schema(inferred)
    version = shared.version(f"{name}/1")
    described = {"attributes": dict(version.attributes), "identifiers": dict(version.identifiers)}
    assert shared.validate_document(drafted.schema, described).valid
    assert not shared.validate_document(drafted.schema, {**described, "attributes": {"license": 3}}).valid
    assert shared.infer_schema(name)["name"] == name
    standard = {schema.name: schema for schema in shared.list_standard_schemas()}["studbook.evaluation"]
    assert not standard.adopted
    adopted = shared.adopt_schema("studbook.evaluation")
    assert (adopted.status, adopted.number) == ("published", standard.versions[-1])
    assert adopted.receipts
    assert shared.adopt_schema("studbook.evaluation").id == adopted.id
    assert [schema.name for schema in shared.list_standard_schemas() if schema.adopted] == ["studbook.evaluation"]


def test_a_write_that_waits_for_nothing_has_no_receipts(tmp_path: Path, name: str) -> None:
    with studbook.connect(tmp_path / "studbook.db", spool=tmp_path / "spool", wait="none") as registry:
        assert registry.draft_schema(definition(name)).receipts == {}


def test_names_stand_encoded_in_addresses_and_the_action_does_not(fake: Any, sdk: Registry) -> None:
    fake.script = [(200, {}, {})] * 4
    sdk.publish_schema("a/b c", "latest")
    sdk.adopt_schema("a:b")
    sdk.validate_document("a?", {}, 3)
    sdk.infer_schema("m")
    places = [request["path"].partition("/namespaces/default/")[2].partition("?")[0] for request in fake.requests]
    assert places == [
        "schemas/a%2Fb%20c/versions/latest:publish",
        "schemas/a%3Ab:adopt",
        "schemas/a%3F:validate",
        "schemas:infer",
    ]
    assert "version=3" in fake.requests[2]["query"]
