"""`studbook list …`: records of one kind, a row each."""

from __future__ import annotations

from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from studbook.cli import screen
from studbook.cli.options import AsJson, Everything, Limit, ModelName, new_app
from studbook.cli.session import open_registry
from studbook.cli.text import day, duration, headline, number, safe, short_name, tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.table import Table
    from rich.text import Text

    from studbook.client import ModelVersion
    from studbook.client.answers import Record

RecordT = TypeVar("RecordT", bound="Record")

app = new_app("List records of one kind.")

_LIMIT: Final = 50
# The registry's own limit of a page.
_PAGE_LIMIT: Final = 1000
# Metrics shown in a row; the rest is on the version's page.
_METRICS: Final = 3

_Prefix = Annotated[str | None, typer.Option("--prefix", help="Only names that begin so.")]
_Tag = Annotated[str | None, typer.Option("--tag", metavar="KEY=VALUE", help="Only those with this tag.")]
_Archived = Annotated[bool, typer.Option("--archived", help="Archived models too.")]
_Experiment = Annotated[str | None, typer.Option("--experiment", help="Only runs of this experiment.")]
_RunStatus = Annotated[str | None, typer.Option("--status", help="running, completed or failed.")]
_Job = Annotated[str | None, typer.Option("--job", help="Only runs of this job.")]
_Version = Annotated[str | None, typer.Option("--version", metavar="VERSION", help="Only those of this model version.")]
_DeploymentStatus = Annotated[str | None, typer.Option("--status", help="active or ended.")]


@app.command("models")
def list_models(
    context: typer.Context,
    *,
    prefix: _Prefix = None,
    tag: _Tag = None,
    archived: _Archived = False,
    limit: Limit = _LIMIT,
    everything: Everything = False,
    as_json: AsJson = False,
) -> None:
    """List registered models by name."""
    with open_registry(context) as registry:
        found = registry.models(prefix=prefix, tag=tag_filter(tag), archived=archived or None, page_size=page_size(limit))
        models, truncated = take(found, limit, everything=everything)
    if as_json:
        write_list(models, truncated=truncated)
        return
    table = screen.columns("model", "latest", "aliases", "tags", "description", right=["latest"])
    for model in models:
        aliases = ", ".join(f"{alias}={number}" for alias, number in sorted(model.aliases.items()))
        latest = str(model.latest_version or "")
        table.add_row(_name(model.model), latest, safe(aliases), tags(model.tags), _first_line(model.description))
    screen.print_table(table, none="No models yet.", truncated=truncated)


@app.command("versions")
def list_versions(
    context: typer.Context,
    model: ModelName,
    *,
    limit: Limit = _LIMIT,
    everything: Everything = False,
    as_json: AsJson = False,
) -> None:
    """List the versions of a model, newest first."""
    with open_registry(context) as registry:
        versions, truncated = take(registry.versions(model, page_size=page_size(limit)), limit, everything=everything)
    if as_json:
        write_list(versions, truncated=truncated)
        return
    screen.print_table(version_rows(versions), none="No versions yet.", truncated=truncated)


@app.command("runs")
def list_runs(
    context: typer.Context,
    *,
    experiment: _Experiment = None,
    status: _RunStatus = None,
    job: _Job = None,
    limit: Limit = _LIMIT,
    everything: Everything = False,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    with open_registry(context) as registry:
        found = registry.runs(experiment=experiment, status=status, job=job, page_size=page_size(limit))
        runs, truncated = take(found, limit, everything=everything)
    if as_json:
        write_list(runs, truncated=truncated)
        return
    table = screen.columns("run", "kind", "status", "job", "started", "took", whole=["run"])
    for run in runs:
        style = screen.BAD if run.status == "failed" else ""
        status_cell = screen.styled(run.status, style)
        took = duration(run.started_at, run.ended_at)
        table.add_row(_name(run.name), safe(run.run_kind), status_cell, safe(run.job or ""), day(run.started_at), took)
    screen.print_table(table, none="No runs.", truncated=truncated)


@app.command("datasets")
def list_datasets(
    context: typer.Context, *, limit: Limit = _LIMIT, everything: Everything = False, as_json: AsJson = False
) -> None:
    """List datasets by name."""
    with open_registry(context) as registry:
        datasets, truncated = take(registry.datasets(page_size=page_size(limit)), limit, everything=everything)
    if as_json:
        write_list(datasets, truncated=truncated)
        return
    table = screen.columns("dataset", "created")
    for dataset in datasets:
        table.add_row(_name(dataset.dataset), day(dataset.created_at))
    screen.print_table(table, none="No datasets yet.", truncated=truncated)


@app.command("deployments")
def list_deployments(
    context: typer.Context,
    *,
    version: _Version = None,
    status: _DeploymentStatus = None,
    limit: Limit = _LIMIT,
    everything: Everything = False,
    as_json: AsJson = False,
) -> None:
    """List deployments, newest first."""
    with open_registry(context) as registry:
        found = registry.deployments(version=version, status=status, page_size=page_size(limit))
        deployments, truncated = take(found, limit, everything=everything)
    if as_json:
        write_list(deployments, truncated=truncated)
        return
    table = screen.columns("target", "version", "status", "started", "ended", "deployment", whole=["deployment"])
    for deployment in deployments:
        served = short_name(deployment.version.name) if deployment.version else ""
        state = screen.styled(deployment.status, screen.GOOD if deployment.status == "active" else "")
        times = (day(deployment.started_at), day(deployment.ended_at))
        table.add_row(safe(deployment.target), _name(served), state, *times, safe(deployment.name))
    screen.print_table(table, none="No deployments.", truncated=truncated)


@app.command("experiments")
def list_experiments(
    context: typer.Context, *, limit: Limit = _LIMIT, everything: Everything = False, as_json: AsJson = False
) -> None:
    """List experiments by name."""
    with open_registry(context) as registry:
        experiments, truncated = take(registry.experiments(page_size=page_size(limit)), limit, everything=everything)
    if as_json:
        write_list(experiments, truncated=truncated)
        return
    table = screen.columns("experiment", "created")
    for experiment in experiments:
        table.add_row(_name(experiment.experiment), day(experiment.created_at))
    screen.print_table(table, none="No experiments yet.", truncated=truncated)


def version_rows(versions: Iterable[ModelVersion], notes: Sequence[Text] = ()) -> Table:
    """A table of versions, each with its foremost metrics, and with what `notes` says of each below its description."""
    table = screen.columns("version", "created", "aliases", "metrics", "description")
    for version, note in zip_longest(versions, notes):
        metrics = list(headline(version.metrics).values())[:_METRICS]
        shown = "  ".join(f"{safe(metric.name)} {number(metric.value)}" for metric in metrics)
        aliases = screen.styled(" ".join(f"@{alias}" for alias in version.aliases), screen.GOOD)
        archived = "(archived) " if version.archived_at else ""
        description = screen.styled(f"{archived}{_first_line(version.description)}")
        if note:
            description = description.append("\n" if description else "").append_text(note)
        table.add_row(_name(short_name(version.name)), day(version.created_at), aliases, shown, description)
    return table


def take(records: Iterator[RecordT], limit: int, *, everything: bool) -> tuple[list[RecordT], bool]:
    """As many records as are wanted, and whether there are more."""
    if everything:
        return list(records), False
    taken = list(islice(records, limit + 1))
    return taken[:limit], len(taken) > limit


def page_size(limit: int) -> int:
    """How many records to ask for at once."""
    return min(limit + 1, _PAGE_LIMIT)


def write_list(records: Sequence[Record], *, truncated: bool) -> None:
    """Print records as JSON."""
    entries: list[Any] = [record.raw for record in records]
    screen.write_json({"items": entries, "truncated": truncated})


def tag_filter(text: str | None) -> str | None:
    """`key=value`, as tags are written everywhere on the command line, as the `key:value` of the API."""
    if text is None or "=" not in text:
        return text
    key, _, value = text.partition("=")
    return text if ":" in key else f"{key}:{value}"


def _name(text: str) -> Any:  # noqa: ANN401 - Rich's Text, imported when needed
    return screen.styled(text, screen.NAME)


def _first_line(text: str | None) -> str:
    return safe((text or "").strip().partition("\n")[0])
