"""A folder of a model, or a single model file, as `studbook ingest` takes it: read, shown, and made a document."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from studbook.cli import screen
from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError
from studbook.cli.sheet import Sheet
from studbook.cli.text import number, plural, size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rich.table import Table

    from studbook.formats.model_files.folder import FolderFindings
    from studbook.formats.model_files.merging import Picture

# Files of these suffixes are documents, unless they are clearly models.
_DOCUMENTS: Final = frozenset({".yaml", ".yml", ".json", ".ndjson", ".jsonl"})
_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """What the command line says about folders and model files."""

    model: str | None = None
    identifiers: Mapping[str, str] = field(default_factory=dict)
    uri_prefix: str | None = None
    dry_run: bool = False

    @property
    def given(self) -> bool:
        """Whether any of them was given."""
        return bool(self.model or self.identifiers or self.uri_prefix or self.dry_run)


@dataclass(frozen=True, slots=True)
class Drafted:
    """What was found, and the document that follows from it."""

    findings: FolderFindings
    document: dict[str, Any]


def read_identifiers(written: Iterable[str]) -> dict[str, str]:
    """`SCHEME:VALUE` by its scheme.

    Raises CommandError.
    """
    identifiers: dict[str, str] = {}
    for text in written:
        scheme, colon, value = text.partition(":")
        if not (scheme and colon and value):
            raise CommandError(f"--identifier {text!r}: write SCHEME:VALUE, such as huggingface:org/name", Exit.USAGE)
        if scheme in identifiers:
            raise CommandError(f"--identifier {text!r}: the scheme {scheme} is given twice", Exit.USAGE)
        identifiers[scheme] = value
    return identifiers


def is_model(name: str) -> bool:
    """Whether an argument is a folder, or a file that is a model rather than a document."""
    from studbook.formats.model_files.finding import ModelFileError
    from studbook.formats.model_files.folder import find_finding
    from studbook.formats.model_files.weighing import is_description

    path = Path(name)
    if path.is_dir():
        return True
    if name == "-" or not path.is_file():
        return False
    try:
        finding = find_finding(path, path.name)
    except ModelFileError:
        # A broken model is to be told as one; a broken document is told by the registry.
        return path.suffix.lower() not in _DOCUMENTS
    return finding is not None and not is_description(finding)


def draft_model(name: str, options: ModelOptions) -> Drafted:
    """Read a folder or a model file.

    Raises CommandError, for a document too.
    """
    from studbook.formats.model_files.drafting import draft_document
    from studbook.formats.model_files.finding import ModelFileError
    from studbook.formats.model_files.folder import read_folder, read_model_file

    path = Path(name)
    if not path.exists():
        raise CommandError("there is no such file or folder", Exit.NOT_FOUND)
    if not is_model(name):
        raise CommandError("is no folder and no model file", Exit.USAGE)
    try:
        with screen.notices().status(screen.styled(f"{name} …")) as status:
            tell_read = _progress(lambda words: status.update(screen.styled(words)), name)
            findings = (read_folder if path.is_dir() else read_model_file)(path, tell_read=tell_read)
    except ModelFileError as error:
        where = "" if error.path in {name, str(path), "."} else f"{error.path}: "
        raise CommandError(f"{where}{error.message}") from error
    document = draft_document(findings, model=options.model, identifiers=options.identifiers, uri_prefix=options.uri_prefix)
    return Drafted(findings, document)


def show_findings(drafted: Drafted) -> None:
    """Print what was found; warnings go to standard error."""
    findings, document = drafted.findings, drafted.document
    picture = findings.picture
    attributes = document["version"].get("attributes", {})
    sheet = Sheet(findings.name, description=document["version"].get("description"))
    total = sum(file.size for file in findings.files)
    sheet.fact("files", f"{plural(len(findings.files), 'file')}, {size(total)}")
    sheet.fact("format", attributes.get("format"))
    sheet.fact("architecture", attributes.get("architecture"))
    sheet.fact("library", attributes.get("framework"))
    sheet.fact("task", attributes.get("task"))
    sheet.fact("parameters", _count(picture.weighed.weights))
    sheet.fact("numbers", ", ".join(f"{kind} {_count(count)}" for kind, count in list(picture.weighed.dtypes.items())[:_SHOWN]))
    sheet.fact("precision", attributes.get("precision"))
    sheet.fact("quantization", attributes.get("quantization"))
    sheet.fact("license", attributes.get("license"))
    sheet.fact("languages", _list(attributes.get("languages", [])))
    sheet.fact("datasets", _list([entry["name"] for entry in document.get("datasets", [])]))
    sheet.fact(
        "identifiers", _list([f"{scheme}:{value}" for scheme, value in document["version"].get("identifiers", {}).items()])
    )
    sheet.section("Bases", _bases(picture))
    sheet.section("Metrics", _metrics(picture))
    sheet.section("Hazards", _hazards(picture))
    sheet.print()
    for warning in findings.warnings:
        words = f"  {warning.message}"
        screen.notices().print(screen.line(("  ! ", screen.CAUTION), (warning.place, screen.NAME), words))


def _progress(update: Callable[[str], None], name: str) -> Callable[[str, int], None]:
    read = 0

    def tell_read(shown: str, count: int) -> None:
        nonlocal read
        read += count
        update(f"{name}  {size(read)} read  {shown}")

    return tell_read


def _bases(picture: Picture) -> Table:
    table = screen.columns("base", "relation", "told by")
    for parent in picture.parents:
        source = f"{parent.source} (the relation is concluded)" if parent.concluded else parent.source
        revision = f"@{parent.base.revision}" if parent.base.revision else ""
        table.add_row(screen.styled(f"{parent.base.reference}{revision}"), parent.relation, screen.styled(source))
    return table


def _metrics(picture: Picture) -> Table:
    table = screen.columns("metric", "value", "measured on", right={"value"})
    for measured, _ in picture.metrics[:_SHOWN]:
        place = ", ".join(part for part in (measured.dataset, measured.split) if part)
        table.add_row(screen.styled(measured.name), number(measured.value), screen.styled(place))
    if len(picture.metrics) > _SHOWN:
        table.add_row(screen.styled(f"and {len(picture.metrics) - _SHOWN:,} more", screen.QUIET))
    return table


def _hazards(picture: Picture) -> Table:
    table = screen.columns("hazard", "where", "what")
    for hazard in picture.hazards[:_SHOWN]:
        table.add_row(screen.styled(hazard.code, screen.BAD), screen.styled(hazard.place), screen.styled(hazard.message))
    if len(picture.hazards) > _SHOWN:
        table.add_row(screen.styled(f"and {len(picture.hazards) - _SHOWN:,} more", screen.QUIET))
    return table


def _list(values: list[str]) -> str:
    more = f" and {len(values) - _SHOWN:,} more" if len(values) > _SHOWN else ""
    return ", ".join(values[:_SHOWN]) + more


def _count(count: int | None) -> str | None:
    """`22.7 million`, as people say it."""
    if count is None:
        return None
    for unit, amount in (("trillion", 10**12), ("billion", 10**9), ("million", 10**6)):
        if count >= amount:
            return f"{count / amount:.3g} {unit}"
    return f"{count:,}"
