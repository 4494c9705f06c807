"""The definitions that are shipped: sound, true to the documents that clients send, and fit for what people have to say."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import jsonschema_rs
import pytest

from studbook.client.capture.code import capture_code
from studbook.client.capture.environment import EnvironmentCapture
from studbook.domain import documents as sent
from studbook.domain.types import TEXT_LIMIT
from studbook.domain.validation import read_document
from studbook.schemas.checking import find_attribute_faults
from studbook.schemas.definition import Attribute, Definition, Describes, Store, ValueType
from studbook.schemas.paths import ROOTS
from studbook.schemas.standards import STANDARD_PREFIX, UnknownStandardError, find_property, list_standards, load_standard
from studbook.schemas.storage_map import compile_map
from studbook.schemas.values import INDEXED_TEXT_LIMIT
from tests.schemas import documents

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "src/studbook/schemas/standard").iterdir())
VERSION = "studbook.model-version"
SHIPPED = [load_standard(name, version) for name, versions in list_standards().items() for version in versions]
each_shipped = pytest.mark.parametrize("definition", SHIPPED, ids=lambda definition: definition.name)

WRITTEN = {
    "tumour-classifier": (VERSION, documents.TUMOUR_CLASSIFIER),
    "zephyr": (VERSION, documents.ZEPHYR),
    "credit-score": (VERSION, documents.CREDIT_SCORE),
    "nothing": (VERSION, {}),
    "census": ("studbook.dataset-version", documents.CENSUS),
    "run": ("studbook.run", documents.RUN),
    "deployment": ("studbook.deployment", documents.DEPLOYMENT),
    "model": ("studbook.model", documents.MODEL),
    "evaluation": ("studbook.evaluation", documents.EVALUATION),
}
SENT_AS = {
    "studbook.model": sent.ModelPart,
    VERSION: sent.VersionPart,
    "studbook.run": sent.RunPart,
    "studbook.dataset-version": sent.DatasetPart,
    "studbook.evaluation": sent.NewEvaluation,
    "studbook.deployment": sent.NewDeployment,
}
# What an attribute of each type is in JSON Schema.
TYPES = {
    ValueType.STRING: {"type": "string"},
    ValueType.INTEGER: {"type": "integer"},
    ValueType.NUMBER: {"type": "number"},
    ValueType.BOOLEAN: {"type": "boolean"},
    ValueType.TIMESTAMP: {"type": "string", "format": "date-time"},
    ValueType.DATE: {"type": "string", "format": "date"},
    ValueType.DURATION: {"type": "string", "format": "duration"},
}
# Where anything may stand: what other systems describe, and the one open place of each definition.
OPEN = {"schema", "run", "extra"}


def schema_of(definition: Definition) -> dict[str, Any]:
    assert isinstance(definition.json_schema, dict)
    return definition.json_schema


def faults(name: str, document: Any) -> list[str]:
    """Where a document breaks a definition; formats count."""
    validator = jsonschema_rs.Draft202012Validator(schema_of(load_standard(name)), validate_formats=True)
    return sorted("/" + "/".join(str(step) for step in error.instance_path) for error in validator.iter_errors(document))


def properties(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property anywhere in a schema."""
    if isinstance(schema, dict):
        if isinstance(members := schema.get("properties"), dict) and "type" in schema:
            yield from members.items()
        for value in schema.values():
            yield from properties(value)


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from objects(value)


def wanted(attribute: Attribute) -> dict[str, Any]:
    return TYPES[attribute.type]


def test_the_files_are_what_is_shipped() -> None:
    names = {f"{definition.name.removeprefix(STANDARD_PREFIX)}.1.json" for definition in SHIPPED}
    assert {path.name for path in FILES} == names
    assert {definition.describes for definition in SHIPPED} == set(Describes)
    assert [d.name for d in SHIPPED if d.name != STANDARD_PREFIX + d.describes.value.replace("_", "-")] == []


@each_shipped
def test_a_definition_is_sound(definition: Definition) -> None:
    jsonschema_rs.meta.validate(schema_of(definition))
    assert schema_of(definition)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert find_attribute_faults(definition) == []
    assert definition.description
    if definition.describes is not Describes.MODEL_VERSION:
        assert {attribute.store for attribute in definition.attributes} <= {Store.DOCUMENT, Store.PRIVATE}


@each_shipped
def test_each_attribute_stands_in_the_schema_and_is_of_its_type(definition: Definition) -> None:
    for attribute in definition.attributes:
        found = find_property(definition, attribute.path or "")
        assert found is not None, attribute.path
        if attribute.type is ValueType.ANY:
            # A scalar type would be known, except in an open set.
            assert attribute.store is Store.KEY_VALUE or found["type"] in {"array", "object"}, attribute.name
        else:
            expected = wanted(attribute)
            assert {key: found.get(key) for key in ("type", "format") if key in {*expected, *found}} == expected, attribute.name


def test_each_location_fits_what_stands_there() -> None:
    definition = load_standard(VERSION)
    for attribute in definition.attributes:
        found = find_property(definition, attribute.path or "")
        assert found is not None
        if attribute.store is Store.COLUMN and attribute.type is ValueType.STRING:
            assert "enum" in found or found["maxLength"] == INDEXED_TEXT_LIMIT, attribute.name
        elif attribute.store is Store.FULL_TEXT:
            text = found.get("items", found)
            assert text["type"] == "string", attribute.name
            assert "enum" in text or text["maxLength"] <= TEXT_LIMIT, attribute.name
        elif attribute.store is Store.ARTIFACT:
            assert {"uri", "digest"} <= found["properties"].keys(), attribute.name
    # Nothing that names a person is kept anywhere else.
    people = {attribute.name for attribute in definition.attributes if "person" in json.dumps(raw(definition, attribute))}
    private = {attribute.name for attribute in definition.attributes if attribute.store is Store.PRIVATE}
    assert people == private == {"contacts", "human_oversight.persons"}


def raw(definition: Definition, attribute: Attribute) -> Any:
    """What the schema refers to at an attribute's path."""
    found = find_property(definition, attribute.path or "") or {}
    return found.get("items", found).get("$ref", "")


def test_everything_that_can_be_said_of_a_version_has_an_attribute() -> None:
    definition = load_standard(VERSION)
    places = {(attribute.path or "").removesuffix("/*") for attribute in definition.attributes}

    def unreached(schema: dict[str, Any], place: str) -> Iterator[str]:
        for name, member in schema["properties"].items():
            if f"{place}/{name}" not in places:
                yield from unreached(member, f"{place}/{name}") if "properties" in member else [f"{place}/{name}"]

    assert list(unreached(schema_of(definition), "")) == []


@each_shipped
def test_every_property_is_explained_and_every_structure_closed(definition: Definition) -> None:
    schema = schema_of(definition)
    found = list(properties(schema))
    assert found
    assert [name for name, member in found if not member.get("title") or not member.get("description", "").endswith(".")] == []
    assert [entry for entry in objects(schema) if entry.get("additionalProperties") is not False] == []
    assert {name for name, member in found if member.get("additionalProperties") is True} <= OPEN
    assert [name for name, member in found if member.get("type") == "object" and "additionalProperties" not in member] == []


@each_shipped
def test_examples_are_examples(definition: Definition) -> None:
    schema = schema_of(definition)
    for name, member in properties(schema):
        for example in member.get("examples", ()):
            alone = {**member, "$defs": schema.get("$defs", {})}
            assert jsonschema_rs.Draft202012Validator(alone, validate_formats=True).is_valid(example), (name, example)


def test_what_has_one_name_is_one_thing() -> None:
    parts: dict[str, Any] = {}
    for definition in SHIPPED:
        for name, part in schema_of(definition).get("$defs", {}).items():
            assert parts.setdefault(name, part) == part, name
    profile = schema_of(load_standard("studbook.dataset-version"))["properties"]["profile"]["properties"]
    use = parts["dataset_use"]["properties"]
    assert {name for name in profile if use.get(name) != profile[name]} == {"extra"}


@each_shipped
def test_the_members_are_those_of_the_document_that_is_sent(definition: Definition) -> None:
    schema = schema_of(definition)
    assert set(schema["properties"]) == set(ROOTS[definition.describes])
    fields = SENT_AS[definition.name].model_fields
    assert set(schema["properties"]) <= {field.alias or name for name, field in fields.items()}
    # What a client must send, and no more, except the name by which a model is found.
    needed = {name for name, field in fields.items() if field.is_required()} - {"name"}
    needed -= {name for name in needed if fields[name].default_factory is not None}
    assert set(schema.get("required", ())) == needed


@pytest.mark.parametrize(
    ("name", "path", "kind"),
    [
        (VERSION, "metric", sent.Metric),
        (VERSION, "artifact", sent.Artifact),
        ("studbook.model", "owner", sent.Owner),
        ("studbook.run", "series_point", sent.SeriesPoint),
    ],
)
def test_the_parts_are_those_of_the_document_that_is_sent(name: str, path: str, kind: Any) -> None:
    part = schema_of(load_standard(name))["$defs"][path]
    assert set(part["properties"]) == set(kind.model_fields)
    assert set(part["required"]) == {field for field, value in kind.model_fields.items() if value.is_required()}


def test_the_words_are_those_of_the_document_that_is_sent() -> None:
    run = schema_of(load_standard("studbook.run"))["properties"]
    assert set(run["code"]["properties"]) == set(sent.Code.model_fields)
    assert run["kind"]["enum"] == [kind.value for kind in sent.RunKind]
    assert run["status"]["enum"] == [status.value for status in sent.RunStatus]
    dataset = schema_of(load_standard("studbook.dataset-version"))["properties"]
    assert dataset["role"]["enum"] == [role.value for role in sent.Role]
    assert dataset["sensitivity"]["enum"] == [level.value for level in sent.Sensitivity]


@pytest.mark.parametrize("written", WRITTEN)
def test_what_people_have_to_say_fits(written: str) -> None:
    name, document = WRITTEN[written]
    assert faults(name, document) == []
    named = {"name": "tumour-classifier", **document} if name == "studbook.model" else document
    read_document(SENT_AS[name], named)


def test_what_the_sdk_finds_out_of_a_run_fits() -> None:
    assert faults("studbook.run", {"code": capture_code(), "environment": EnvironmentCapture().result()}) == []
    assert faults("studbook.run", {"environment": {"seed": str(2**70)}}) == []


def test_a_text_that_the_registry_takes_empty_may_be_empty() -> None:
    assert faults(VERSION, {"description": ""}) == []
    assert faults("studbook.model", {"description": ""}) == []
    assert faults("studbook.dataset-version", {"description": ""}) == []
    assert faults("studbook.run", {"error": "", "code": {"entry_point": "", "command": ""}}) == []


def changed(document: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """A copy with another value at a place; what leads there is made."""
    result = copy.deepcopy(document)
    *way, last = place.split("/")[1:]
    parent = result
    for step in way:
        parent = parent.setdefault(step, {})
    parent[last] = value
    return result


@pytest.mark.parametrize(
    ("written", "place", "value", "fault"),
    [
        ("zephyr", "/attributes/risk_class", "harmless", "/attributes/risk_class"),
        ("zephyr", "/attributes/licence", "MIT", "/attributes"),
        ("zephyr", "/licence", "MIT", "/"),
        ("zephyr", "/attributes/license", ["MIT"], "/attributes/license"),
        ("zephyr", "/attributes/license", "x" * 513, "/attributes/license"),
        ("zephyr", "/attributes/parameter_count", "7B", "/attributes/parameter_count"),
        ("zephyr", "/attributes/parameter_count", 7.2, "/attributes/parameter_count"),
        ("zephyr", "/attributes/training/energy_kwh", -1, "/attributes/training/energy_kwh"),
        ("zephyr", "/attributes/training/started_at", "yesterday", "/attributes/training/started_at"),
        ("zephyr", "/attributes/release_date", "2026-02-30", "/attributes/release_date"),
        ("zephyr", "/attributes/expected_lifetime", "P5Y", "/attributes/expected_lifetime"),
        ("zephyr", "/attributes/expected_lifetime", "five years", "/attributes/expected_lifetime"),
        ("zephyr", "/attributes/limitations", "It fails.", "/attributes/limitations"),
        ("zephyr", "/attributes/instructions_for_use", {"digest": f"sha256:{'a' * 64}"}, "/attributes/instructions_for_use"),
        (
            "zephyr",
            "/attributes/instructions_for_use",
            {"uri": "x", "digest": "md5:1"},
            "/attributes/instructions_for_use/digest",
        ),
        ("zephyr", "/attributes/contacts", [{"name": "A", "phone": "1"}], "/attributes/contacts/0"),
        ("zephyr", "/attributes/modalities/input", ["smell"], "/attributes/modalities/input/0"),
        ("zephyr", "/attributes/evaluation/decision_thresholds", {"a": "high"}, "/attributes/evaluation/decision_thresholds/a"),
        ("zephyr", "/attributes/data/datasets", [{"role": "training"}], "/attributes/data/datasets/0"),
        ("zephyr", "/metrics", [{"name": "accuracy", "value": "high"}], "/metrics/0/value"),
        ("zephyr", "/parameters/layers", [1, 2], "/parameters/layers"),
        ("census", "/profile/personal_data", "yes", "/profile/personal_data"),
        ("census", "/profile/statistics/labels", {"a": -1}, "/profile/statistics/labels/a"),
        ("run", "/environment/hostname", "gpu-7", "/environment"),
        ("run", "/code/commit", "HEAD", "/code/commit"),
        ("deployment", "/attributes/traffic_share", 10, "/attributes/traffic_share"),
        ("model", "/owners", [{"email": "nobody"}], "/owners/0"),
        ("evaluation", "/metrics", [], "/metrics"),
    ],
)
def test_what_is_wrong_is_refused(written: str, place: str, value: Any, fault: str) -> None:
    name, document = WRITTEN[written]
    assert fault in faults(name, changed(document, place, value))


def test_a_later_version_can_say_more() -> None:
    for definition in SHIPPED:
        old = schema_of(definition)
        new = copy.deepcopy(old)
        new["properties"]["later"] = {"type": "string"}
        for part in new.get("$defs", {}).values():
            part["properties"]["later"] = {"type": "string"}
        assert str(jsonschema_rs.canonicalize(new).covers(jsonschema_rs.canonicalize(old))) == "yes", definition.name


def test_a_standard_is_found_by_name_and_version() -> None:
    assert list_standards()[VERSION][-1] == 1
    assert load_standard(VERSION).name == VERSION
    assert load_standard(VERSION) is load_standard(VERSION, 1)
    with pytest.raises(UnknownStandardError, match=r"no definition 'studbook.modle'; it ships studbook.dataset-version, "):
        load_standard("studbook.modle")
    with pytest.raises(UnknownStandardError, match=r"studbook.run has no version 7; it has 1"):
        load_standard("studbook.run", 7)


@pytest.mark.parametrize(
    "path", ["/attributes/licence", "/attributes/license/deeper", "/attributes/license/*", "/nothing", "/metrics/*"]
)
def test_what_stands_nowhere_is_not_found(path: str) -> None:
    assert find_property(load_standard(VERSION), path) is None


def test_a_reference_is_followed_and_keeps_its_own_words() -> None:
    found = find_property(load_standard(VERSION), "/attributes/evaluation/report")
    assert found is not None
    assert found["title"] == "Test report"
    assert found["properties"]["uri"]["title"] == "Address"
    deeper = find_property(load_standard(VERSION), "/attributes/evaluation/report/digest")
    assert deeper is not None
    assert deeper["title"] == "Digest"
    assert find_property(load_standard(VERSION), "/attributes/extra/*") == {}


def test_the_storage_map_finds_what_was_said() -> None:
    storage_map = compile_map(UUID(int=1), VERSION, 1, [(1, load_standard(VERSION).attributes)])
    for name, document in WRITTEN.values():
        assert name != VERSION or storage_map.find_faults(document, ()) == []
    kept = storage_map.extract(documents.CREDIT_SCORE)
    columns = {attribute.name: kept.columns[attribute.column] for attribute in storage_map.columns}
    assert columns["license"] == "LicenseRef-proprietary"
    assert columns["release_date"] == "2026-11-25"
    assert columns["expected_lifetime"] == 1095 * 86_400
    assert columns["training.flops"] == 1e25
    assert columns["training.started_at"] == "2026-11-01T07:00:00.000000Z"
    assert columns["task"] is None
    report = storage_map.by_name["evaluation.report"]
    assert kept.artifacts == [(report.id, "s3://evidence/report.pdf", f"sha256:{'a' * 64}")]
    assert "Each refusal is read by a clerk who can reverse it." in kept.texts
    assert {(value.key, value.number) for value in kept.open_values} == {("cost_centre", 4711)}
    assert list(storage_map.find_private(documents.CREDIT_SCORE)) == [
        "/attributes/contacts",
        "/attributes/human_oversight/persons",
    ]
    software = storage_map.extract(documents.TUMOUR_CLASSIFIER).open_values
    assert {(value.key, value.value) for value in software} >= {("python", '">=3.11"'), ("malignant", "0.5")}


def test_the_wheel_holds_them(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert {f"studbook/schemas/standard/{path.name}" for path in FILES} <= set(archive.namelist())
