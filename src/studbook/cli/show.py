"""`studbook show`: one record on a page."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from studbook.cli import screen
from studbook.cli.listing import version_rows
from studbook.cli.options import AsJson, Reference, new_app
from studbook.cli.records import get_record
from studbook.cli.session import open_registry
from studbook.cli.sheet import Sheet
from studbook.cli.text import day, duration, metric_scope, number, safe, scalar, short_digest, short_name, size, tags
from studbook.client import Dataset, DatasetVersion, Deployment, Model, ModelVersion, RunRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.table import Table

    from studbook.client import DatasetUse
    from studbook.client.registry import Registry

app = new_app()

_AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="TIME|SIZE", help="As it was at a time, or when the audit log had so many entries."),
]

# As many of a model's versions, or of a mapping's entries, as fit a page.
_ROWS: Final = 20


@app.command()
def show(context: typer.Context, reference: Reference, *, as_of: _AsOf = None, as_json: AsJson = False) -> None:
    """Show a model, version, run, dataset or deployment; with --as-of, as it was."""
    with open_registry(context) as registry:
        record = get_record(registry, reference, as_of)
        if as_json:
            screen.write_json(record.raw)
            return
        match record:
            case Model():
                sheet = _model(registry, record, with_versions=as_of is None)
            case ModelVersion():
                sheet = _version(record)
            case RunRecord():
                sheet = _run(record)
            case Dataset():
                sheet = _dataset(registry, record)
            case DatasetVersion():
                sheet = _dataset_version(record)
            case Deployment():
                sheet = _deployment(record)
        sheet.print()


def _model(registry: Registry, model: Model, *, with_versions: bool) -> Sheet:
    sheet = Sheet(model.name, *_archived(model.archived_at), description=model.description)
    sheet.fact("owners", ", ".join(f"{o.name} <{o.email}>" if o.email else o.name for o in model.owners))
    sheet.fact("aliases", ", ".join(f"{alias} → {number}" for alias, number in sorted(model.aliases.items())))
    sheet.fact("tags", tags(model.tags))
    sheet.fact("must satisfy", _schema_range(model))
    sheet.time("created", model.created_at, model.created_by)
    if not with_versions:
        return sheet
    shown = list(islice(registry.versions(model.model, page_size=_ROWS), _ROWS))
    rest = (model.latest_version or 0) - len(shown)
    sheet.section("Versions" if rest <= 0 else f"Versions (the last {_ROWS}; {rest} more)", version_rows(shown))
    return sheet


def _schema_range(model: Model) -> str | None:
    """The definition that versions of a model must satisfy: `tabular`, `tabular from version 2`."""
    chosen = model.schema
    if chosen is None:
        return None
    bounds = [("from", chosen.min_version), ("to", chosen.max_version)]
    return " ".join([chosen.name, *(f"{word} version {number}" for word, number in bounds if number is not None)])


def _version(version: ModelVersion) -> Sheet:
    marks = (*(f"@{alias}" for alias in version.aliases), *_archived(version.archived_at))
    sheet = Sheet(version.name, *marks, description=version.description)
    sheet.time("created", version.created_at, version.created_by)
    for parent in version.parents:
        sheet.fact(parent.relation, short_name(parent.name))
    sheet.fact("run", version.run.name if version.run else None)
    sheet.fact("satisfies", f"{version.schema.name}/{version.schema.version}" if version.schema else None)
    sheet.fact("tags", tags(version.tags))
    _add_identifiers(sheet, version.identifiers)
    sheet.section("Datasets", _inputs(version.datasets))
    sheet.section("Parameters", _mapping(version.parameters))
    sheet.section("Metrics", _metrics(version))
    sheet.section("Artifacts", _artifacts(version))
    sheet.section("Attributes", _mapping(version.attributes))
    return sheet


def _run(run: RunRecord) -> Sheet:
    sheet = Sheet(run.name, run.status, description=run.title)
    sheet.fact("kind", run.run_kind)
    sheet.fact("job", run.job)
    sheet.fact("experiment", run.experiment)
    sheet.fact("seed", run.seed)
    sheet.time("started", run.started_at)
    sheet.fact("took", duration(run.started_at, run.ended_at))
    sheet.time("recorded", run.created_at, run.created_by)
    sheet.fact("error", run.error)
    _add_identifiers(sheet, run.identifiers)
    sheet.section("Inputs", _inputs(run.inputs))
    sheet.section("Code", _mapping({key: value for key, value in (run.code or {}).items() if value is not None}))
    sheet.section("Environment", _mapping(run.environment or {}))
    return sheet


def _dataset(registry: Registry, dataset: Dataset) -> Sheet:
    sheet = Sheet(dataset.name)
    sheet.time("created", dataset.created_at, dataset.created_by)
    table = screen.columns("version", "rows", "digest", "created", right=["version", "rows"])
    for version in islice(registry.dataset_versions(dataset.dataset, page_size=_ROWS), _ROWS):
        rows = f"{version.rows:,}" if version.rows is not None else ""
        table.add_row(str(version.number), rows, short_digest(version.digest), day(version.created_at))
    sheet.section("Versions", table)
    return sheet


def _dataset_version(version: DatasetVersion) -> Sheet:
    sheet = Sheet(version.name, description=version.description)
    sheet.fact("digest", version.digest)
    sheet.fact("uri", version.uri)
    sheet.fact("rows", f"{version.rows:,}" if version.rows is not None else None)
    sheet.fact("license", version.license)
    sheet.fact("sensitivity", version.sensitivity)
    sheet.time("created", version.created_at, version.created_by)
    _add_identifiers(sheet, version.identifiers)
    sheet.section("Schema", _mapping(version.schema or {}))
    sheet.section("Profile", _mapping(version.profile or {}))
    return sheet


def _deployment(deployment: Deployment) -> Sheet:
    sheet = Sheet(deployment.name, deployment.status)
    sheet.fact("version", short_name(deployment.version.name) if deployment.version else None)
    sheet.fact("target", deployment.target)
    sheet.fact("url", deployment.url)
    sheet.time("started", deployment.started_at, deployment.created_by)
    sheet.time("ended", deployment.ended_at)
    sheet.section("Attributes", _mapping(deployment.attributes))
    return sheet


def _archived(archived_at: object) -> tuple[str, ...]:
    return ("archived",) if archived_at else ()


def _add_identifiers(sheet: Sheet, identifiers: Mapping[str, str]) -> None:
    for scheme, value in sorted(identifiers.items()):
        sheet.fact("identifier", f"{scheme}:{value}")


def _inputs(uses: Iterable[DatasetUse]) -> Table:
    table = screen.grid()
    for use in uses:
        table.add_row(screen.styled(use.role, screen.QUIET), safe(use.name), safe(short_digest(use.digest)))
    return table


def _mapping(values: Mapping[str, Any]) -> Table:
    table = screen.grid()
    for key, value in islice(sorted(values.items()), _ROWS):
        entries = f"{{{len(value)} entries}}" if isinstance(value, dict) and len(value) > 1 else scalar(value)
        table.add_row(screen.styled(key, screen.QUIET), screen.styled(entries))
    if len(values) > _ROWS:
        table.add_row(screen.styled(f"… {len(values) - _ROWS} more; --json shows all", screen.QUIET))
    return table


def _metrics(version: ModelVersion) -> Table:
    table = screen.columns("name", "value", "measured on", "dataset", right=["value"])
    for metric in version.metrics:
        step = f" step {metric.step}" if metric.step is not None else ""
        table.add_row(safe(metric.name), number(metric.value), f"{metric_scope(metric)}{step}", safe(metric.dataset or ""))
    return table


def _artifacts(version: ModelVersion) -> Table:
    table = screen.grid()
    for artifact in version.artifacts:
        words = [part for part in (artifact.name, size(artifact.size), artifact.media_type) if part]
        # Whole digests and addresses, as they are there to be copied: however narrow the terminal, nothing is cut.
        for text, style in (("   ".join(words), ""), (artifact.digest, screen.QUIET), (artifact.uri, screen.QUIET)):
            if text:
                table.add_row(screen.line((text, style)))
    return table
