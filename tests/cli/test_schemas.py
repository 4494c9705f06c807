"""`studbook schema …`: what each command prints for people and for scripts, what it refuses, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from studbook.testing import make_document

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from tests.cli.conftest import Command

DEFINITION = """\
name: tabular
description: What is to be said of tabular models.
json_schema:
  type: object
  properties:
    attributes:
      type: object
      properties: {license: {enum: [MIT, Apache-2.0]}, energy: {type: number}}
      required: [license]
      additionalProperties: false
  required: [attributes]
attributes:
  - {id: 1, name: license, path: /attributes/license, type: string, store: column, facet: true}
  - {id: 2, name: energy, path: /attributes/energy, type: number, store: column, index: false}
  - {id: 3, name: licence, alias_of: license}
"""


@pytest.fixture
def folder(folder: Path) -> Path:
    """A working directory with a definition, and a registry that has recorded nothing."""
    (folder / "tabular.yaml").write_text(DEFINITION)
    return folder


def succeed(result: Result) -> str:
    assert result.exit_code == 0, (result.stdout, result.stderr, result.exception)
    text: str = result.stdout
    return text


def write_document(folder: Path, name: str, license_: str, **model: Any) -> str:
    document = make_document("churn")
    document["model"] |= model
    document["version"] |= {"attributes": {"license": license_}, "parents": []}
    (folder / name).write_text(json.dumps(document) if name.endswith(".json") else yaml.safe_dump(document))
    return name


def test_a_definition_goes_from_draft_to_deprecated(command: Command, folder: Path) -> None:
    nothing = command("schema", "list")
    assert nothing.exit_code == 0
    assert "--standard" in nothing.stderr
    assert "tabular/1  is drafted" in succeed(command("schema", "draft", "tabular.yaml"))
    assert "draft" in succeed(command("schema", "show", "tabular"))
    assert "tabular/1  is published" in succeed(command("schema", "publish", "tabular"))
    assert "model version" in succeed(command("schema", "list"))
    before = succeed(command("schema", "show", "tabular/1", "--json"))
    assert "tabular/1  is published" in succeed(command("schema", "publish", "tabular/1"))
    assert "tabular/1  is published" in succeed(command("schema", "publish", "tabular.yaml"))
    assert "says the same" in succeed(command("schema", "draft", "tabular.yaml"))
    assert succeed(command("schema", "show", "tabular/1", "--json")) == before
    shown = succeed(command("schema", "show", "schemas/tabular/versions/1"))
    assert "/attributes/energy" in shown
    assert "is license" in shown
    assert command("schema", "deprecate", "tabular").exit_code == 2
    assert "deprecated" in succeed(command("schema", "deprecate", "tabular/1"))
    assert json.loads(succeed(command("schema", "show", "tabular", "--json")))["status"] == "deprecated"


def test_a_file_is_drafted_and_published_at_once(command: Command, folder: Path) -> None:
    assert "tabular/1" in succeed(command("schema", "publish", "tabular.yaml"))
    (folder / "narrow.yaml").write_text(DEFINITION.replace("MIT, Apache-2.0", "MIT"))
    refused = command("schema", "publish", "narrow.yaml")
    assert refused.exit_code == 1
    assert "Apache-2.0" in refused.stderr
    assert "tabular/2 stays a draft" in refused.stderr
    assert json.loads(succeed(command("schema", "show", "tabular/2", "--json")))["status"] == "draft"
    stale = command("schema", "publish", "tabular/2", "--if-match", '"99"')
    assert stale.exit_code == 1
    assert command("schema", "publish", "not-there.yaml").exit_code == 2
    assert command("schema", "publish", "not-there").exit_code == 3


def test_the_yaml_of_a_definition_can_be_drafted_again(command: Command, folder: Path) -> None:
    succeed(command("schema", "publish", "tabular.yaml"))
    written = succeed(command("schema", "show", "tabular", "--yaml"))
    assert yaml.safe_load(written)["attributes"] == yaml.safe_load(DEFINITION)["attributes"]
    same = json.loads(succeed(command("schema", "draft", "-", "--json", input=written)))
    assert (same["number"], same["status"]) == (1, "published")
    other = json.dumps(yaml.safe_load(written) | {"description": "Another"})
    drafted = json.loads(succeed(command("schema", "draft", "-", "--json", input=other)))
    assert drafted["digest"] == json.loads(succeed(command("schema", "show", "tabular/1", "--json")))["digest"]
    assert (drafted["number"], drafted["status"]) == (2, "draft")
    assert command("schema", "show", "tabular", "--yaml", "--json").exit_code == 2


def test_every_fault_of_a_definition_is_told(command: Command, folder: Path) -> None:
    (folder / "bad.json").write_text('{"name": "bad", "json_schema": {"type": "objekt"}, "attributes": [{"id": 0}]}')
    refused = command("schema", "draft", "bad.json")
    assert refused.exit_code == 1
    assert "/attributes/0/id" in refused.stderr
    (folder / "bad.yaml").write_text("name: [")
    assert "not YAML" in command("schema", "draft", "bad.yaml").stderr
    assert command("schema", "show", "a/b/c").exit_code == 2
    assert command("schema", "list").stdout == ""


@pytest.mark.parametrize("name", ["document.json", "document.yaml"])
def test_an_ingestion_document_is_tried_by_its_version(command: Command, folder: Path, name: str) -> None:
    succeed(command("schema", "publish", "tabular.yaml"))
    file = write_document(folder, name, "MIT")
    assert "satisfies tabular/1" in succeed(command("schema", "test", file, "--against", "tabular"))
    write_document(folder, name, "GPL")
    refused = command("schema", "test", file, "--against", "tabular/1")
    assert refused.exit_code == 1
    assert "/version/attributes/license" in refused.stderr
    assert "'GPL'" in refused.stderr
    answer = command("schema", "test", file, "--against", "tabular", "--json")
    assert answer.exit_code == 1
    assert [error["pointer"] for error in json.loads(answer.stdout)["errors"]] == ["/version/attributes/license"]
    assert command("show", "churn").exit_code == 3


def test_what_is_tried_is_what_is_judged_at_registration(command: Command, folder: Path) -> None:
    closed = yaml.safe_load(DEFINITION)
    closed["json_schema"] |= {"additionalProperties": False}
    # What a person leaves empty, and the lineage, are no part of what a definition describes.
    closed["json_schema"]["properties"] |= {
        "metrics": {"items": {"additionalProperties": False, "properties": {"name": {}, "value": {}}}}
    }
    (folder / "closed.json").write_text(json.dumps(closed))
    succeed(command("schema", "publish", "closed.json"))
    document = {
        "model": {"name": "churn", "schema": "tabular"},
        "version": {
            "attributes": {"license": "MIT"},
            "metrics": [{"name": "auc", "value": 0.9, "split": None}],
            "tags": {},
            "parents": [],
        },
    }
    (folder / "document.json").write_text(json.dumps(document))
    succeed(command("schema", "test", "document.json", "--against", "tabular"))
    succeed(command("ingest", "document.json"))


def test_the_described_document_itself_is_tried(command: Command, folder: Path) -> None:
    succeed(command("schema", "publish", "tabular.yaml"))
    assert succeed(command("schema", "test", "-", "--against", "tabular", input='{"attributes": {"license": "MIT"}}'))
    refused = command("schema", "test", "-", "--against", "tabular", input="attributes: {license: MIT, colour: red}\n")
    assert refused.exit_code == 1
    assert "/attributes/colour" in refused.stderr
    succeed(command("schema", "test", "-", "--against", "studbook.run", input="kind: training\n"))
    file = write_document(folder, "document.json", "MIT")
    other = command("schema", "test", file, "--against", "studbook.run")
    assert other.exit_code == 2
    assert "ingestion document" in other.stderr
    assert command("schema", "test", file, "--against", "not-there").exit_code == 3
    assert command("schema", "test", "not-there.json", "--against", "tabular").exit_code == 2
    twice = command("schema", "test", "-", "--against", "tabular", input='{"a": 1, "a": 2}')
    assert twice.exit_code == 2
    assert "stands twice" in twice.stderr


def test_a_version_is_checked_against_what_there_is(command: Command, folder: Path) -> None:
    succeed(command("schema", "publish", "tabular.yaml"))
    succeed(command("ingest", write_document(folder, "document.json", "Apache-2.0", schema="tabular")))
    (folder / "narrow.yaml").write_text(DEFINITION.replace("MIT, Apache-2.0", "MIT"))
    succeed(command("schema", "draft", "narrow.yaml"))
    broken = command("schema", "check", "tabular")
    assert broken.exit_code == 1
    assert "backward of version 1" in broken.stdout
    assert '{"license": "Apache-2.0"}' in broken.stdout
    assert "1 of 1 stored versions would be refused" in broken.stdout
    assert "churn/1" in broken.stdout
    assert json.loads(command("schema", "check", "tabular/2", "--json").stdout)["compatible"] is False
    assert "none of 1 stored versions" in succeed(command("schema", "check", "tabular/1"))


def test_places_are_explained(command: Command, folder: Path) -> None:
    succeed(command("schema", "draft", "tabular.yaml"))
    early = command("schema", "explain", "tabular")
    assert early.exit_code == 1
    assert "published" in early.stderr
    succeed(command("schema", "publish", "tabular"))
    rows = succeed(command("schema", "explain", "tabular")).splitlines()
    by_license = next(row for row in rows if row.startswith("license (licence)"))
    assert "/attributes/license" in by_license
    assert "schema_1.a1" in by_license
    assert "ix_schema_1_a1" in by_license
    assert by_license.rstrip().endswith("ready")
    assert "ix_" not in next(row for row in rows if row.startswith("energy"))
    assert "SELECT" not in "".join(rows)
    assert "SELECT" in succeed(command("schema", "explain", "tabular", "--sql"))
    assert json.loads(succeed(command("schema", "explain", "tabular", "--json")))["table"] == "schema_1"


def test_a_model_may_require_a_definition(command: Command, folder: Path) -> None:
    succeed(command("ingest", write_document(folder, "first.json", "GPL")))
    succeed(command("schema", "publish", "tabular.yaml"))
    succeed(command("schema", "require", "churn", "tabular", "--min-version", "1"))
    assert "tabular from version 1" in succeed(command("show", "churn"))
    refused = command("ingest", write_document(folder, "second.yaml", "GPL"))
    assert refused.exit_code == 1
    assert "/version/attributes/license" in refused.stderr
    succeed(command("ingest", write_document(folder, "third.yaml", "MIT")))
    assert "tabular/1" in succeed(command("show", "churn/2"))
    succeed(command("schema", "require", "churn", "--none"))
    assert command("schema", "require", "churn").exit_code == 2
    assert command("schema", "require", "churn", "not-there").exit_code == 1
    succeed(command("ingest", "second.yaml"))


def test_a_definition_is_inferred(command: Command, folder: Path) -> None:
    succeed(command("ingest", write_document(folder, "document.json", "MIT")))
    written = succeed(command("schema", "infer", "churn", "--name", "guess"))
    assert yaml.safe_load(written)["name"] == "guess"
    assert written.index("name:") < written.index("json_schema:") < written.index("attributes:")
    (folder / "guess.yaml").write_text(written)
    assert "guess/1" in succeed(command("schema", "publish", "guess.yaml"))
    assert command("schema", "infer", "not-there").exit_code == 3


def test_shipped_definitions_are_adopted(command: Command) -> None:
    assert "studbook.model-version" in succeed(command("schema", "list", "--standard"))
    assert "studbook.run/1  is adopted" in succeed(command("schema", "adopt", "studbook.run"))
    items = json.loads(succeed(command("schema", "list", "--standard", "--json")))["items"]
    assert [item["name"] for item in items if item["adopted"]] == ["studbook.run"]
    assert command("schema", "adopt", "tabular").exit_code == 3
    taken = command("schema", "draft", "-", input="name: studbook.mine\njson_schema: true\n")
    assert taken.exit_code == 1
    assert "studbook." in taken.stderr
