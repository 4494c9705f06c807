"""How many weights a model has, by its files: shards are summed, copies in another format are not."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Final

from studbook.formats.model_files.walking import Warned

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from studbook.formats.model_files.finding import Finding

# Files that describe the weights rather than being them.
_DESCRIPTIONS: Final = frozenset(
    {
        "model-card", "transformers-config", "diffusers-config", "diffusers-pipeline", "peft-adapter", "tokenizer",
        "preprocessor", "generation-config", "shard-index", "sentence-transformers", "trainer-state", "training-arguments",
        "mergekit-config", "mlflow",
    }
)  # fmt: skip
# Which format's count is taken where a folder holds the same model in several: the first knows every tensor by its type.
_ORDER: Final = ("safetensors", "gguf", "pytorch", "pickle", "onnx", "openvino")
_SHARD: Final = re.compile(r"(.*)-\d{5}-of-\d{5}(\.[a-z]+)")
_QUANTIZED: Final = re.compile(r"I?Q\d.*|U?INT[48]|NF4|FP8|F8.*|[IU][48]", re.IGNORECASE)
# The names that configurations have for the types of numbers.
_DTYPES: Final = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


@dataclass(frozen=True, slots=True)
class Weighed:
    """The weights of a model: their number, how many there are of each type, and the file or files that say so."""

    weights: int | None = None
    dtypes: Mapping[str, int] = field(default_factory=dict)
    source: str | None = None
    formats: tuple[str, ...] = ()
    warnings: tuple[Warned, ...] = ()

    @property
    def precision(self) -> str | None:
        """The type that most of the weights have, as configurations call it: `bfloat16`, `q4_k`."""
        if not self.dtypes:
            return None
        most = max(self.dtypes.items(), key=lambda pair: pair[1])[0]
        return _DTYPES.get(most.upper(), most.lower())

    @property
    def quantized(self) -> bool:
        """Whether most of the weights have a type of few bits."""
        few = sum(count for name, count in self.dtypes.items() if _QUANTIZED.fullmatch(name))
        return few * 2 > sum(self.dtypes.values())


def is_description(finding: Finding) -> bool:
    """Whether the file describes a model rather than being one."""
    return finding.format in _DESCRIPTIONS


def weigh(findings: Sequence[Finding]) -> Weighed:
    """The weights of the files nearest to the top of the folder, of the format that knows them best."""
    files = [each for each in findings if not is_description(each)]
    formats = tuple(dict.fromkeys(each.format for each in sorted(files, key=_order)))
    counted = sorted((each for each in files if each.weights is not None), key=_order)
    if not counted:
        index = next((each for each in findings if each.format == "shard-index" and each.weights), None)
        return Weighed(index.weights if index else None, {}, index.path if index else None, formats)
    _, first = next(groupby(counted, key=lambda each: (each.path.count("/"), each.format)))
    whole = _sum_shards(first)
    (source, (weights, dtypes)) = max(whole.items(), key=lambda pair: pair[1][0])
    warnings = _compare(findings, weights, dtypes, source)
    if len({count for count, _ in whole.values()}) > 1:
        words = ", ".join(f"{path} has {count:,}" for path, (count, _) in whole.items())
        warnings.append(Warned(source, f"files of one format differ in their number of weights ({words}); the largest is taken"))
    return Weighed(weights, dict(dtypes.most_common()), source, formats, tuple(warnings))


def _order(finding: Finding) -> tuple[int, int, str, str]:
    known = _ORDER.index(finding.format) if finding.format in _ORDER else len(_ORDER)
    return finding.path.count("/"), known, finding.format, finding.path


def _sum_shards(files: Iterable[Finding]) -> dict[str, tuple[int, Counter[str]]]:
    """By path, or by the pattern of the paths of shards, the number of weights and of each type.

    Components of one pipeline lie in folders of their own (`unet/`, `vae/`) and are summed too.
    """
    whole: dict[str, tuple[int, Counter[str]]] = {}
    for each in files:
        match = _SHARD.fullmatch(each.path)
        name = f"{match[1]}-*{match[2]}" if match else each.path
        count, dtypes = whole.get(name, (0, Counter()))
        whole[name] = (count + (each.weights or 0), dtypes + Counter(each.dtypes))
    folders = {name.rpartition("/")[0] for name in whole}
    if len(folders) == len(whole) > 1 and all(folders):
        joined: Counter[str] = sum((dtypes for _, dtypes in whole.values()), Counter())
        return {", ".join(sorted(whole))[:400]: (sum(count for count, _ in whole.values()), joined)}
    return whole


def _compare(findings: Sequence[Finding], weights: int, dtypes: Mapping[str, int], source: str) -> list[Warned]:
    """Hold the count against what an index and a configuration at the top say."""
    warnings = []
    for each in findings:
        if each.format == "shard-index" and each.weights and "/" not in each.path and each.weights != weights:
            warnings.append(Warned(each.path, f"it says {each.weights:,} weights, {source} has {weights:,}; the latter is taken"))
        said = each.facts.get("dtype") if each.format == "transformers-config" and "/" not in each.path else None
        found = Weighed(weights, dtypes).precision
        if said and found in _DTYPES.values() and said.removeprefix("torch.") != found:
            warnings.append(Warned(each.path, f"it says {said}, and most weights of {source} are {found}; the latter is taken"))
    return warnings
