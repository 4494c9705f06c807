"""One picture out of what the files of a model say, with the file that each part comes from.

Files differ in what they know best: the card in what people decide (license, task), configurations in how the model is built,
the weights in how many there are. Where two files contradict each other the one that knows best is taken, and it is told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from studbook.formats.model_files.finding import Hazard
from studbook.formats.model_files.hub import find_hub_name
from studbook.formats.model_files.json_yaml import clean
from studbook.formats.model_files.licenses import same_license
from studbook.formats.model_files.walking import Warned
from studbook.formats.model_files.weighing import Weighed, weigh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from studbook.formats.model_files.finding import Base, Finding, Measured

# The lower, the more a file's word counts; files nearer to the top of the folder come first among equals.
_RANKS: Final = {
    "model-card": 0, "sentence-transformers": 1, "diffusers-pipeline": 1, "peft-adapter": 2, "mlflow": 2,
    "transformers-config": 3, "diffusers-config": 3, "mergekit-config": 3, "training-arguments": 4, "trainer-state": 5,
}  # fmt: skip
_LAST_RANK: Final = 6
_FIELDS: Final = ("title", "description", "license", "task", "library", "architecture", "quantization")


@dataclass(frozen=True, slots=True)
class Told:
    """A value, and the file that says so."""

    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class Parentage:
    """A base, the relation to it, the file that names it, and whether the relation was concluded rather than told."""

    base: Base
    relation: str
    source: str
    concluded: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """What all files together say of the model."""

    # By the names of the fields of a finding: title, description, license, task, library, architecture, quantization.
    told: Mapping[str, Told]
    weighed: Weighed
    formats: tuple[str, ...] = ()
    parents: tuple[Parentage, ...] = ()
    datasets: tuple[Told, ...] = ()
    metrics: tuple[tuple[Measured, str], ...] = ()
    parameters: Mapping[str, Told] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    identifiers: Mapping[str, Told] = field(default_factory=dict)
    facts: Mapping[str, Told] = field(default_factory=dict)
    hazards: tuple[Hazard, ...] = ()

    def find(self, name: str) -> Any:  # noqa: ANN401 - a value of any field
        """What is told under the name of a field, or of a fact; None where nothing is."""
        told = self.told.get(name) or self.facts.get(name)
        return told.value if told else None


def merge(findings: Sequence[Finding]) -> tuple[Picture, tuple[Warned, ...]]:
    """The picture, and where the files contradict each other."""
    ordered = sorted(findings, key=_rank)
    weighed = weigh(findings)
    parents, contradictions = _list_parents(ordered, quantized=weighed.quantized or any(f.quantization for f in ordered))
    warnings = [
        *weighed.warnings,
        *_iter_disagreements(ordered, "license", same_license),
        *_iter_disagreements(ordered, "task", lambda one, other: one.lower() == other.lower()),
        *_iter_disagreements([each for each in ordered if "/" not in each.path], "architecture", _alike),
        *contradictions,
    ]
    picture = Picture(
        told={name: told for name in _FIELDS if (told := _find_first(ordered, name))},
        weighed=weighed,
        formats=weighed.formats,
        parents=tuple(parents),
        datasets=_list_datasets(ordered),
        metrics=tuple(_iter_metrics(ordered)),
        parameters=_join((each.path, each.parameters) for each in ordered),
        tags=tuple(dict.fromkeys(tag for each in ordered for tag in each.tags)),
        identifiers=_join((each.path, each.identifiers) for each in ordered),
        facts=_join((each.path, each.facts) for each in ordered),
        hazards=tuple(dict.fromkeys(_clean(hazard) for each in findings for hazard in each.hazards)),
    )
    return picture, tuple(warnings)


def _clean(hazard: Hazard) -> Hazard:
    """The hazard in text that can be stored, whatever names a file gave it."""
    return Hazard(clean(hazard.code), clean(hazard.place), clean(hazard.message))


def _rank(finding: Finding) -> tuple[int, int, str]:
    # A checkpoint's or a component's card says less of the whole than anything that stands at the top.
    return finding.path.count("/"), _RANKS.get(finding.format, _LAST_RANK), finding.path


def _find_first(ordered: Iterable[Finding], name: str) -> Told | None:
    return next((Told(value, each.path) for each in ordered if (value := getattr(each, name))), None)


def _join(parts: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Told]:
    joined: dict[str, Told] = {}
    for source, values in parts:
        for name, value in values.items():
            joined.setdefault(name, Told(value, source))
    return joined


def _list_datasets(ordered: Iterable[Finding]) -> tuple[Told, ...]:
    named: dict[str, Told] = {}
    for each in ordered:
        for dataset in each.datasets:
            named.setdefault(dataset.lower(), Told(dataset, each.path))
    return tuple(named.values())


def _iter_metrics(ordered: Sequence[Finding]) -> Iterator[tuple[Measured, str]]:
    """All metrics; of a training's checkpoints those of the last one."""
    states = [each for each in ordered if each.format == "trainer-state"]
    last = max(states, key=lambda each: (each.facts.get("steps") or 0, -each.path.count("/")), default=None)
    for each in ordered:
        if each.format != "trainer-state" or each is last:
            yield from ((measured, each.path) for measured in each.metrics)


def _iter_disagreements(ordered: Sequence[Finding], name: str, agree: Callable[[str, str], bool]) -> Iterator[Warned]:
    """A warning for each file whose word differs from that of the file that counts."""
    first = _find_first(ordered, name)
    for each in ordered:
        value = getattr(each, name)
        if first and value and not agree(first.value, value):
            yield Warned(each.path, f"{name}: it says {value}, {first.source} says {first.value}; the latter is taken")


def _alike(one: str, other: str) -> bool:
    """Whether two names of an architecture may mean the same: `llama` and `LlamaForCausalLM`."""
    short, long = sorted(("".join(filter(str.isalnum, name.lower())) for name in (one, other)), key=len)
    return short in long


def _list_parents(ordered: Sequence[Finding], *, quantized: bool) -> tuple[list[Parentage], list[Warned]]:
    """Each base once, with the relation that a file tells, or else the one that follows from the files.

    The Hub concludes likewise: an adapter's base is what it adapts, several bases were merged, and what is quantized was
    quantized from its base (https://huggingface.co/docs/hub/model-cards#specifying-a-base-model).
    """
    named: dict[str, list[tuple[Base, str]]] = {}
    for each in ordered:
        for base in each.bases:
            key = (find_hub_name(base.reference) or base.reference).lower()
            named.setdefault(key, []).append((base, each.path))
    adapter = any(each.format == "peft-adapter" for each in ordered)
    several = "merged-from" if len(named) > 1 else "quantized-from" if quantized else "finetuned-from"
    fallback = "adapter-of" if adapter else several
    parents, warnings = [], []
    for sayings in named.values():
        told = [(base, source) for base, source in sayings if base.relation]
        base, source = told[0] if told else sayings[0]
        revised = next((other for other, _ in sayings if other.revision), base)
        parents.append(Parentage(revised, base.relation or fallback, source, concluded=not told))
        warnings += [
            Warned(place, f"{other.reference}: it says {other.relation}, {source} says {base.relation}; the latter is taken")
            for other, place in told
            if other.relation != base.relation
        ]
    adapted = [parent for parent in parents if parent.relation == "adapter-of"]
    if len(adapted) > 1:
        names = ", ".join(f"{parent.base.reference} ({parent.source})" for parent in adapted)
        warnings.append(Warned(adapted[0].source, f"an adapter has one base, and the files name several: {names}"))
    return parents, warnings
