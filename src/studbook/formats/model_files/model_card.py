"""Model cards of the Hugging Face Hub: a README.md that begins with YAML between two lines of three dashes.

The keys are those of https://huggingface.co/docs/hub/model-cards and, for `model-index`, of the results format of
Papers with Code that the Hub took over.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from studbook.formats.model_files.finding import Base, Finding, Measured, ModelFileError
from studbook.formats.model_files.hub import RELATIONS
from studbook.formats.model_files.json_yaml import (
    clean,
    find_number,
    find_object,
    find_text,
    list_objects,
    list_texts,
    parse_yaml,
    plain,
    read_bytes,
)
from studbook.formats.model_files.licenses import to_spdx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The cards of models that were measured on hundreds of tasks have more than a megabyte of results.
CARD_LIMIT: Final = 8 * 2**20
_BOUNDS: Final = 100
_METRICS: Final = 10_000
_OPENING: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*---[ \t]*\r?\n")
_CLOSING: Final = re.compile(rb"^---[ \t]*\r?$", re.MULTILINE)
_HEADING: Final = re.compile(r"#\s+(.+?)\s*#*")
_DESCRIPTION_LENGTH: Final = 2000
# Lines that describe nothing: further headings, pictures and badges, HTML, tables, quotations, lists and fences.
_NO_PROSE: Final = ("#", "!", "[!", "<", "|", ">", "- ", "* ", "```", "---", "===", "{%")


def read_model_card(path: Path, shown: str) -> Finding | None:
    """What a model card says; None for a README.md without front matter, which is no card.

    Raises ModelFileError, also where the front matter begins and does not end.
    """
    content = read_bytes(path, shown, CARD_LIMIT)
    opening = _OPENING.match(content)
    if opening is None:
        return None
    closing = _CLOSING.search(content, opening.end())
    if closing is None:
        raise ModelFileError(shown, "its front matter begins with --- and does not end; a second line of --- is missing")
    data = parse_yaml(content[opening.end() : closing.start()], shown)
    if data is None:
        return None
    if not isinstance(data, dict):
        raise ModelFileError(shown, "its front matter holds no mapping of names to values")
    title, description = _read_text(content[closing.end() :])
    return Finding(
        format="model-card",
        path=shown,
        title=find_text(data.get("model_name")) or title,
        description=description,
        license=_find_license(data),
        task=find_text(data.get("pipeline_tag"), 200),
        library=find_text(data.get("library_name"), 200),
        bases=_list_bases(data),
        datasets=list_texts(data.get("datasets"), limit=256),
        metrics=tuple(_iter_metrics(data)),
        tags=list_texts(data.get("tags"), limit=200),
        facts=_list_facts(data),
    )


def _find_license(data: dict[str, Any]) -> str | None:
    """The license; what is called `other` by its own name, and several as what must all be kept."""
    names = [name for name in list_texts(data.get("license"), limit=200) if name.lower() not in {"unknown", "unlicensed"}]
    own = find_text(data.get("license_name"), 200)
    if len(names) == 1:
        name = names[0]
        return f"LicenseRef-{own}" if name.lower() == "other" and own else name
    return " AND ".join(to_spdx(own if name.lower() == "other" and own else name) for name in names) or own


def _list_bases(data: dict[str, Any]) -> tuple[Base, ...]:
    relation = RELATIONS.get((find_text(data.get("base_model_relation")) or "").lower())
    return tuple(Base(name, relation) for name in list_texts(data.get("base_model"), members=_BOUNDS, limit=400))


def _list_facts(data: dict[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "languages": list(list_texts(data.get("language"), members=_BOUNDS, limit=200)),
        "license_name": find_text(data.get("license_name"), 200),
        "license_link": find_text(data.get("license_link"), 2000),
        "declared_metrics": list(list_texts(data.get("metrics"), members=_BOUNDS, limit=200)),
        "new_version": find_text(data.get("new_version"), 200),
        "co2_eq_emissions": plain(data.get("co2_eq_emissions"), depth=2, members=20),
        # A text of the card's body is no declaration; this one, which asks for an agreement before download, is.
        "gated": True if data.get("extra_gated_prompt") or data.get("extra_gated_fields") else None,
    }
    return {name: value for name, value in facts.items() if value not in (None, [], {})}


def _iter_metrics(data: dict[str, Any]) -> Iterator[Measured]:
    seen: set[tuple[str, str | None, str | None, str | None]] = set()
    for model in list_objects(data.get("model-index")):
        for result in list_objects(model.get("results")):
            task = find_object(result.get("task"))
            dataset = find_object(result.get("dataset"))
            place = (_find_dataset(dataset), find_text(dataset.get("split"), 200), find_text(task.get("type"), 200))
            for metric in list_objects(result.get("metrics")):
                measured = _find_measured(metric, place, seen)
                if measured is not None:
                    yield measured
                if len(seen) >= _METRICS:
                    return


def _find_measured(
    metric: dict[str, Any],
    place: tuple[str | None, str | None, str | None],
    seen: set[tuple[str, str | None, str | None, str | None]],
) -> Measured | None:
    """One result: by the metric's type, or by its own name where the type stands twice at this place."""
    value = find_number(metric.get("value"))
    names = [name for key in ("type", "name") if (name := find_text(metric.get(key), 200))]
    name = next((name for name in names if (name, *place) not in seen), None)
    if value is None or name is None:
        return None
    seen.add((name, *place))
    return Measured(name, value, *place)


def _find_dataset(dataset: dict[str, Any]) -> str | None:
    """The dataset's name on the Hub, with its configuration in brackets, as one writes it: `glue (sst2)`."""
    name = find_text(dataset.get("type"), 200) or find_text(dataset.get("name"), 200)
    config = find_text(dataset.get("config"), 200)
    return f"{name} ({config})" if name and config and config != "default" else name


def _read_text(body: bytes) -> tuple[str | None, str | None]:
    """The first heading, and the first paragraph of plain sentences behind it."""
    text = clean(body[: 64 * 1024].decode("utf-8", "replace")).replace("\r\n", "\n")
    title: str | None = None
    fenced = False
    for paragraph in re.split(r"\n\s*\n", text):
        lines = [line.strip() for line in paragraph.strip().split("\n")]
        if paragraph.count("```") % 2:
            fenced = not fenced
            continue
        if title is None and (match := _HEADING.fullmatch(lines[0])):
            title, lines = match[1][:200], lines[1:]
        prose = " ".join(line for line in lines if line)
        if prose and not fenced and not any(line.startswith(_NO_PROSE) for line in lines):
            return title, prose[:_DESCRIPTION_LENGTH]
    return title, None
