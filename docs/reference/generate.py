"""Writes the reference pages from the code: `make docs`. A test fails when a page is stale."""

from __future__ import annotations

import functools
import inspect
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer.main

import studbook
from studbook.cli.main import COMMANDS, app
from studbook.config import Settings
from studbook.domain import errors
from studbook.domain.documents import IngestDocument
from studbook.domain.events import Action
from studbook.governance.growth import ALLOWED
from studbook.governance.library import list_frameworks, list_packs, load_framework, load_pack
from studbook.governance.policy import Policy
from studbook.governance.shapes import AROUND, version_shape
from studbook.http.app import create_app
from studbook.schemas.definition import Attribute, Definition, Store
from studbook.schemas.standards import find_property, list_standards, load_standard

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
NOTE = "<!-- Written by docs/reference/generate.py; change the code instead. -->"


def settings_page() -> str:
    """Every setting of the server."""
    lines = ["# Settings of the server", "", "| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "the platform's folder for user data" if name == "home" else f"`{field.default}`"
        lines.append(f"| `STUDBOOK_{name.upper()}` | {default} | {field.description} |")
    lines += [
        "",
        "The SDK and the command line read `STUDBOOK_URL`, `STUDBOOK_TOKEN`, `STUDBOOK_NAMESPACE`, `STUDBOOK_SPOOL` and",
    ]
    return "\n".join([*lines, "`STUDBOOK_HOME`."])


def errors_page() -> str:
    """Every kind of refusal."""
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, errors.StudbookError)]
    rows = sorted((kind.status, kind.code, (kind.__doc__ or "").splitlines()[0]) for kind in kinds)
    lines = [
        "# Refusals",
        "",
        "A refusal is an RFC 9457 problem document. `errors` names every fault: `pointer` (RFC 6901), `code`,",
        "`message`.",
    ]
    return "\n".join(
        [
            *lines,
            "",
            "| status | code | meaning |",
            "|---|---|---|",
            *(f"| {status} | `{code}` | {text} |" for status, code, text in rows),
        ]
    )


def events_page() -> str:
    """Every action."""
    intro = "Each change is an event, stored in the transaction of the change as canonical JSON (RFC 8785): `id`, `action`, `actor`,\n`authenticated_by`, `occurred_at`, `subject`, `subject_id`, `rev` (gapless for each subject), `before` and `after`."
    return "\n".join(["# Events", "", intro, "", *(f"- `{action.value}`" for action in Action)])


def api_page() -> str:
    """Every route, from the OpenAPI document."""
    described = create_app(None, Settings()).openapi()  # type: ignore[arg-type] - describing needs no registry
    lines = [
        "# API",
        "",
        "`/openapi.json` is the whole description. Lists take `page_size` and `page_token` and answer `next_page_token`.",
    ]
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            lines += [
                "",
                f"## {method.upper()} {path.replace('/api/v1/namespaces/{namespace}', '…')}",
                "",
                operation["description"],
            ]
            for parameter in operation.get("parameters", ()):
                if parameter["name"] != "namespace":
                    lines += list(_parameter(parameter))
            lines += list(_bodies(operation))
    return "\n".join([*lines, "", "`…` stands for `/api/v1/namespaces/{namespace}`."])


def _parameter(parameter: dict[str, Any]) -> Iterator[str]:
    text = parameter.get("description") or parameter["schema"].get("description") or ""
    yield f"- {parameter['in']} `{parameter['name']}`{': ' + text if text else ''}"


def _bodies(operation: dict[str, Any]) -> Iterator[str]:
    content = operation.get("requestBody", {}).get("content", {})
    for media_type, body in content.items():
        yield f"- body `{media_type}`: {_type_name(body['schema'])}"
    for status, answer in operation["responses"].items():
        names = [_type_name(body["schema"]) for body in answer.get("content", {}).values() if "schema" in body]
        if status != "default":
            yield f"- answers {status}{': ' + names[0] if names else ''}"


def _type_name(schema: dict[str, Any]) -> str:
    return f"`{schema['$ref'].rpartition('/')[2]}`" if "$ref" in schema else schema.get("type", "object")


def document_page() -> str:
    """Every field of the ingestion document."""
    lines = [
        "# The ingestion document",
        "",
        IngestDocument.__doc__ or "",
        "",
        "`schema` is `studbook.dev/ingest/v1`; other fields than these are refused.",
    ]
    return "\n".join([*lines, *_fields_of(IngestDocument.model_json_schema())])


def _fields_of(described: dict[str, Any]) -> list[str]:
    """A table for each part of a document, and the values of its enumerations."""
    lines: list[str] = []
    parts = {
        "": described,
        **{name: described["$defs"][name] for name in described["$defs"] if "properties" in described["$defs"][name]},
    }
    for name, part in parts.items():
        lines += ["", f"## {name or 'The whole'}", "", *([part["description"], ""] if name else [])]
        lines += ["| field | type | needed |", "|---|---|---|"]
        for field, schema in part["properties"].items():
            needed = "yes" if field in part.get("required", ()) else ""
            lines.append(f"| `{field}` | {_describe(schema)} | {needed} |")
    kinds = {name: part for name, part in described["$defs"].items() if "enum" in part}
    for name, part in kinds.items():
        lines += ["", f"## {name}", "", f"{part['description']} One of {', '.join(f'`{value}`' for value in part['enum'])}."]
    return lines


def policies_page() -> str:
    """Every field of a policy, and all that its rules may read."""
    lines = [
        "# Policies",
        "",
        "A policy is a document in YAML or JSON; its rules are written in [CEL](https://github.com/google/cel-spec). How to write one:",
        "[Write policies](../howto/write-policies.md). `schema` is `studbook.dev/policy/v1`; other fields than these are refused.",
        *_fields_of(Policy.model_json_schema()),
        "",
        "## What rules may read",
        "",
        "What is not known is absent, so rules ask `has(…)`. Times are RFC 3339 text (`timestamp(object.created_at)`); only `now` is a",
        "timestamp. `old` is the version before a change, `current` the one that the alias or target has now; both have nothing in",
        "them where there is none. For the gates `policy`, `schema` and `erase`, `object` is what the act is about, as it comes.",
        "",
        "| place | type |",
        "|---|---|",
    ]
    for place, kind in _shape_rows({"object": version_shape(), **AROUND}, ""):
        lines.append(f"| `{place}` | {kind} |")
    lines += [
        "| `old`, `current` | as `object` |",
        "| `params.NAME` | as the policy's parameter |",
        "| `variables.NAME` | as the policy's variable |",
        "",
        "## Functions",
        "",
        "The operators of CEL, `has`, `in`, `all`, `exists`, `exists_one`, `filter`, `map`, `cel.bind`, optional access (`.?name`, `orValue`), `math.*`, and:",
        "",
        ", ".join(f"`{name}`" for name in sorted(ALLOWED) if name[0].isalpha()) + ".",
        "",
        "Others are refused when a policy is saved: their results may grow without bound.",
    ]
    return "\n".join(lines)


def _shape_rows(shape: Any, place: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - a shape is of several types
    """A row for each place of a shape, and its type."""
    names = {
        "str": "text",
        "int": "whole number",
        "float": "number",
        "bool": "true or false",
        "any": "anything",
        "time": "timestamp",
    }
    if isinstance(shape, str):
        yield place, names[shape]
    elif isinstance(shape, list):
        if isinstance(shape[0], str):
            yield place, f"list of {names[shape[0]]}"
        else:
            yield from _shape_rows(shape[0], f"{place}[]")
    elif "*" in shape:
        yield place, f"map of {names[shape['*']]}"
    else:
        for name, inner in shape.items():
            yield from _shape_rows(inner, f"{place}.{name}" if place else name)


def packs_page() -> str:
    """The packs that are shipped, with their rules, and the frameworks with their controls."""
    lines = [
        "# Policy packs and frameworks",
        "",
        "Packs that Studbook ships; none is asked before it is adopted (`studbook policy adopt NAME`). They help to keep records in order.",
        "They are no legal advice, and meeting a rule is no proof of conformity.",
    ]
    for name in list_packs():
        pack = load_pack(name)
        lines += ["", f"## {name}", "", f"{pack.title}. {pack.description}", "", f"Source: {pack.source}"]
        for policy in pack.policies:
            gates = ", ".join(policy.match.gates)
            lines += ["", f"### {policy.name}", "", f"{policy.title or ''}; asked at {gates}."]
            if policy.params:
                lines += [
                    "",
                    f"Parameters: {', '.join(f'`{key}` ({json.dumps(value)})' for key, value in policy.params.items())}.",
                ]
            if policy.approvals:
                quorum = " and ".join(f"{entry.count} {entry.role}" for entry in policy.approvals.quorum)
                lines += ["", f"Approvals: {quorum}{', signed' if policy.approvals.signed else ''}."]
            if policy.rules:
                lines += ["", "| rule | what is said when it is not met | how to mend it | controls |", "|---|---|---|---|"]
            for rule in policy.rules:
                said = (rule.message or f"`{rule.message_expression}`").replace("|", "\\|")
                effect = f" ({rule.effect})" if rule.effect else ""
                lines.append(f"| `{rule.id}`{effect} | {said} | {rule.remediation} | {', '.join(rule.controls)} |")
    for name in list_frameworks():
        framework = load_framework(name)
        lines += ["", f"## {framework.title}", "", f"{framework.version}, as of {framework.retrieved}. {framework.status}"]
        lines += ["", f"{framework.note}"] if framework.note else []
        lines += ["", *(f"- {source}" for source in framework.sources)]
        lines += ["", "| control | where | what it asks | applies from | answers for it |", "|---|---|---|---|---|"]
        for control in framework.controls:
            when = control.applies_from or ""
            lines.append(f"| `{control.id}` | {control.reference} | {control.demand} | {when} | {control.owner} |")
    return "\n".join(lines)


def _describe(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_describe(option) for option in schema["anyOf"] if option.get("type") != "null")
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if schema.get("type") == "array":
        return f"list of {_describe(schema['items'])}"
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        return f"object of {_describe(inner)}" if isinstance(inner, dict) else "object"
    kind = schema.get("type", "any JSON")
    text = " or ".join(kind) if isinstance(kind, list) else str(schema.get("const", kind))
    return f"{text}, {schema['format']}" if "format" in schema else text


def cli_page() -> str:
    """Every command with its own help."""
    root = typer.main.get_command(app)
    lines = ["# Command line", "", "Options before the command: `--url`, `--token`, `--namespace`. Exit codes:"]
    from studbook.cli.exits import MEANINGS  # noqa: PLC0415 - beside its use

    lines += ["", *(f"- {int(code)}: {meaning}" for code, meaning in dict(MEANINGS).items())]
    for group, commands in COMMANDS.items():
        lines += ["", f"## {group}"]
        for name, entry in commands.items():
            lines += ["", f"### studbook {name}", "", entry.summary, "", *_usage(root, name)]
    return "\n".join(lines)


def _usage(root: Any, name: str) -> Iterator[str]:  # noqa: ANN401 - Click's types are Typer's own
    context = typer.Context(root, info_name="studbook")
    command = root.get_command(context, name)
    inner = typer.Context(command, info_name=name, parent=context)
    children = getattr(command, "list_commands", None)
    if children is not None:
        for child in children(inner):
            found = command.get_command(inner, child)
            yield f"- `studbook {name} {child}`: {found.get_short_help_str(200)}"
        return
    for parameter in command.params:
        text = getattr(parameter, "help", None) or ""
        label = ", ".join(parameter.opts) if parameter.param_type_name == "option" else parameter.name.upper()
        if label != "--help":
            yield f"- `{label}`{': ' + ' '.join(text.split()) if text else ''}"


def sdk_page() -> str:
    """Every public name of the package."""
    lines = ["# Python SDK", "", (inspect.getdoc(studbook) or "").strip()]
    for name in sorted(studbook.__all__):
        value = getattr(studbook, name)
        lines += ["", f"## {name}", "", f"```text\n{name}{_signature(value)}\n```" if callable(value) else "", "", _text(value)]
        if name in {"Registry", "Run"}:
            for method, function in inspect.getmembers(value):
                if not method.startswith("_") and inspect.getdoc(function):
                    lines += [
                        "",
                        f"### {name}.{method}",
                        "",
                        f"```text\n{method}{_signature(function)}\n```",
                        "",
                        _text(function),
                    ]
    return "\n".join(lines)


def _signature(value: Any) -> str:  # noqa: ANN401 - any public name
    if inspect.isclass(value) and issubclass(value, Exception):
        return ""
    try:
        return re.sub(r"'([^']*)'", r"\1", str(inspect.signature(value)))
    except (TypeError, ValueError):
        return ""


def _text(value: Any) -> str:  # noqa: ANN401 - any public name
    """A docstring as Markdown: its indented parts are excerpts."""
    parts = re.split(r"\n\s*\n", inspect.getdoc(value) or "")
    return "\n\n".join(f"```text\n{inspect.cleandoc(part)}\n```" if part.startswith("    ") else part for part in parts)


KEPT = {
    Store.COLUMN: "in a typed column of the definition's own table: filters compare it, lists are sorted by it. *Indexed* ones are found without reading the others; *facets* are counted by value",
    Store.KEY_VALUE: "as a row for each key, so that every key can be filtered by, though nobody foresaw it",
    Store.FULL_TEXT: "in the index of words: a search finds it by any word in it",
    Store.ARTIFACT: "elsewhere: the record holds the address and the SHA-256 digest, and is found by that digest",
    Store.PRIVATE: "where it can be erased: the audit log holds a salted hash of it, never the value",
    Store.DOCUMENT: "in the record alone: shown, not searched through this name",
}
FORMATS = {"date": "day", "date-time": "time", "duration": "length of time"}
TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
# Text, a number, true, false or null.
SCALAR = {"string", "number", "boolean", "null"}


def standards_page() -> str:
    """The schema definitions that are shipped."""
    lines = [
        "# Standard schemas",
        "",
        "Schema definitions that Studbook ships. Each is a JSON Schema (2020-12) of what a writer says of a record, and a list of",
        "*attributes*: names for places in it, with where each value is kept. Nothing is required that a record can do without;",
        "what must be there for a purpose is for policies to say. Names that begin with `studbook.` are kept for these.",
        "",
        "| definition | versions | attributes | what it is for |",
        "|---|---|---|---|",
    ]
    for name, versions in list_standards().items():
        shown = load_standard(name)
        numbers = ", ".join(str(version) for version in versions)
        lines.append(f"| [{name}](schemas/{name}.md) | {numbers} | {len(shown.attributes)} | {shown.description} |")
    return "\n".join(lines)


def standard_page(name: str) -> str:
    """The newest version of a definition: its attributes, and its JSON Schema."""
    shown = load_standard(name)
    document: Any = shown.json_schema
    stores = dict.fromkeys(
        attribute.store for attribute in sorted(shown.attributes, key=lambda item: list(Store).index(item.store))
    )
    lines = [
        f"# {name}",
        "",
        f"{shown.description} Version {list_standards()[name][-1]}; one of the [standard schemas](../standard-schemas.md).",
        "",
        "## Attributes",
        "",
        "*Place* is a JSON Pointer into the document below; `*` stands for every member. A value is kept",
        "",
        *(f"- `{store.value}`: {KEPT[store]}." for store in stores),
        "",
        "The last column says what other formats and laws call it; a law is given by its paragraph (`ai-act` and `annex-…`: EU AI Act).",
        "",
        "| name | place | type | kept | meaning | elsewhere |",
        "|---|---|---|---|---|---|",
        *(_attribute_row(shown, attribute) for attribute in shown.attributes),
        "",
        "## The document",
        "",
        *_members_table(document),
    ]
    for part, schema in document.get("$defs", {}).items():
        lines += ["", f"### {part}", "", *_members_table(schema)]
    return "\n".join(lines)


def _attribute_row(definition: Definition, attribute: Attribute) -> str:
    described = find_property(definition, attribute.path or "") or {}
    # Of an open set the members have a type, the set has a meaning.
    whole = find_property(definition, (attribute.path or "").removesuffix("/*")) or {}
    kept = [f"`{attribute.store.value}`"]
    if attribute.store is Store.COLUMN:
        kept += ["indexed"] * attribute.index + ["facet"] * attribute.facet
    elsewhere = "<br>".join(f"{name}: `{term}`" for name, term in attribute.export.items())
    cells = [f"`{attribute.name}`", f"`{attribute.path}`", _kind(described), ", ".join(kept), whole["description"], elsewhere]
    return f"| {' | '.join(cells)} |"


def _members_table(schema: dict[str, Any]) -> Iterator[str]:
    yield from ("| member | type | needed | meaning |", "|---|---|---|---|")
    for place, member, needed in _members(schema, ""):
        examples = ", ".join(f"`{json.dumps(example, ensure_ascii=False)}`" for example in member.get("examples", ()))
        meaning = f"{member['description']}{f' For example {examples}.' if examples else ''}"
        yield f"| `{place}` | {_kind(member)} | {'yes' if needed else ''} | {meaning} |"


def _members(schema: dict[str, Any], place: str) -> Iterator[tuple[str, dict[str, Any], bool]]:
    for name, member in schema["properties"].items():
        yield f"{place}/{name}", member, name in schema.get("required", ())
        if "properties" in member:
            yield from _members(member, f"{place}/{name}")


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name})"
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_kind(schema['items'])}"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"object of {_kind(inner)}" if isinstance(inner, dict) else "object"
    if isinstance(kind, list):
        return "scalar" if set(kind) == SCALAR else " or ".join(TYPES[option] for option in kind)
    return FORMATS.get(schema.get("format", ""), TYPES.get(kind, kind))


PAGES = {
    "settings.md": settings_page,
    "errors.md": errors_page,
    "events.md": events_page,
    "api.md": api_page,
    "ingestion-document.md": document_page,
    "cli.md": cli_page,
    "sdk.md": sdk_page,
    "standard-schemas.md": standards_page,
    "policies.md": policies_page,
    "policy-packs.md": packs_page,
    **{f"schemas/{name}.md": functools.partial(standard_page, name) for name in list_standards()},
}


def render(name: str) -> str:
    """A page's text."""
    text = "\n".join(line.rstrip() for line in PAGES[name]().splitlines())
    return re.sub(r"\n{3,}", "\n\n", f"{NOTE}\n\n{text}").rstrip() + "\n"


def main() -> None:
    """Write every page."""
    for name in PAGES:
        (HERE / name).parent.mkdir(exist_ok=True)
        (HERE / name).write_text(render(name))
        sys.stdout.write(f"docs/reference/{name}\n")


if __name__ == "__main__":
    main()
