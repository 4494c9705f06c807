"""Words, as full text is searched: the same on both engines, since neither is left to find them.

A word is a run of letters and digits, without case, accents and marks (Unicode NFKD). In an index each carries its namespace,
so that no search sees, or is slowed down by, the words of another.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

from studbook.domain.names import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from studbook.domain.canonical import JsonObject

WORD_LIMIT: Final = 64
# Different words of one document; what comes after them is not found.
WORDS_LIMIT: Final = 4000
_WORD: Final = re.compile(r"[^\W_]+")


def iter_words(text: str) -> Iterator[tuple[str, int, int]]:
    """The words of a text, each with where it begins and ends in the text."""
    for match in _WORD.finditer(text):
        if word := normal_word(match[0]):
            yield word, match.start(), match.end()


def normal_word(text: str) -> str:
    """A word without case, accents and marks."""
    if text.isascii():
        return text.lower()[:WORD_LIMIT]
    plain = "".join(part for part in unicodedata.normalize("NFKD", text).casefold() if not unicodedata.combining(part))
    return "".join(_WORD.findall(plain))[:WORD_LIMIT]


def words_of(*texts: str) -> dict[str, None]:
    """The different words of texts, in their order."""
    return {word: None for text in texts for word, _, _ in iter_words(text)}


def marked(namespace_id: int, words: Iterable[str]) -> list[str]:
    """Words as an index holds them."""
    return [f"n{namespace_id}x{word}" for word in words]


def words_of_record(namespace_id: int, record: JsonObject, texts: Iterable[str] = ()) -> dict[str, str]:
    """The words by which a model or a version is found: of its name, its tags, its description, and further texts.

    `words` are all of them as an index holds them; `name_words` and `tag_words` say where some stood. None is personal.
    """
    names = words_of(record["model"], str(record["number"]) if record["kind"] == Kind.MODEL_VERSION else "")
    tags = words_of(*record["tags"], *record["tags"].values())
    hidden = record.get("personal") or ()
    description = "" if record["description"] is None or "/description" in hidden else record["description"]
    every = [*(names | tags | words_of(description, *texts))][:WORDS_LIMIT]
    return {"words": " ".join(marked(namespace_id, every)), "name_words": " ".join(names), "tag_words": " ".join(tags)}
