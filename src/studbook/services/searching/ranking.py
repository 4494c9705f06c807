"""How well a version fits the words that were looked for, and where they stand in it; the same on both engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from studbook.domain.words import iter_words, marked

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from studbook.domain.canonical import JsonObject
    from studbook.storage.searching.finding import Candidate

# A word in the name weighs more than one in a tag, and that more than one in a text; the whole word more than its beginning.
_NAME: Final = (8, 6)
_TAG: Final = (4, 3)
_TEXT: Final = (2, 1)
_FRAGMENTS: Final = 5
_AROUND: Final = 60


def score(words: Sequence[str], namespace_id: int, candidate: Candidate) -> int:
    """The sum of the best place of each word."""
    names, tags, every = (f" {text} " for text in (candidate.name_words, candidate.tag_words, candidate.words))
    mark = marked(namespace_id, words)
    return sum(
        max(_weight(word, names, _NAME), _weight(word, tags, _TAG), _weight(inside, every, _TEXT))
        for word, inside in zip(words, mark, strict=True)
    )


def _weight(word: str, text: str, weights: tuple[int, int]) -> int:
    """What a word is worth among words with blanks between and around them."""
    if f" {word}" not in text:
        return 0
    return weights[0] if f" {word} " in text else weights[1]


def highlights(words: Sequence[str], texts: Iterable[tuple[str, str]]) -> list[JsonObject]:
    """Where the words stand in these texts (JSON Pointer, text): fragments, each with ranges of characters in it."""
    found: list[JsonObject] = []
    for place, text in texts:
        ranges = [(begin, end) for other, begin, end in iter_words(text) if any(other.startswith(word) for word in words)]
        if ranges:
            found.append(_fragment(place, text, ranges))
        if len(found) == _FRAGMENTS:
            break
    return found


def _fragment(place: str, text: str, ranges: list[tuple[int, int]]) -> JsonObject:
    begin = max(ranges[0][0] - _AROUND, 0)
    end = min(ranges[0][1] + 2 * _AROUND, len(text))
    shown = [[first - begin, last - begin] for first, last in ranges if last <= end]
    return {"pointer": place, "fragment": text[begin:end], "ranges": shown}
