"""Pickles, read as a list of instructions and never carried out: which names they would import.

A pickle is a program. Whoever loads one runs what it says, so each is a hazard, and an import of what runs commands is another.
Format: https://docs.python.org/3/library/pickletools.html; of torch, a zip file with `data.pkl`, or several pickles one after
another; of joblib, a pickle that may be compressed, with the bytes of arrays between its instructions: they end the list, and
that is told.
"""

from __future__ import annotations

import bz2
import io
import lzma
import pickletools
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from studbook.formats.model_files.bounded import opened
from studbook.formats.model_files.finding import Finding, Hazard, worst_first
from studbook.formats.model_files.imports import is_dangerous, is_known
from studbook.formats.model_files.json_yaml import clean

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from studbook.formats.model_files.archives import Archive

# Suffixes that say that a file is a pickle.
SUFFIXES: Final = frozenset({".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle"})
# Instructions of a model of torch take some megabytes; beside them may stand the weights.
BYTES_LIMIT: Final = 64 * 2**20
_INSTRUCTIONS: Final = 5_000_000
# Old files of torch have five pickles one after another.
_PICKLES: Final = 20
# They begin with this number, and end with the bytes of the weights.
_TORCH_NUMBER: Final = 0x1950A86A20F9469CFC6C
_TORCH_PICKLES: Final = 5
# Members of a zip file that are read as pickles, and their bytes together.
_MEMBERS: Final = 100
_MEMORY: Final = 256 * 2**20
_NAMES: Final = 200
_MEMO: Final = 1_000_000
_STRINGS: Final = frozenset(
    {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING"}
)
_PUTS: Final = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_GETS: Final = frozenset({"GET", "BINGET", "LONG_BINGET"})
# They neither take a text from the stack nor put one there between the two texts of a name.
_PASSIVE: Final = frozenset({"PROTO", "FRAME"})


@dataclass(slots=True)
class Instructions:
    """What the instructions of a pickle import, each with the byte at which it stands first."""

    imports: dict[tuple[str, str], int] = field(default_factory=dict)
    # Why the instructions were not read to their end.
    cut: str | None = None


@dataclass(slots=True)
class Pickled:
    """The members of a zip file that are pickles."""

    members: list[tuple[str, Instructions]] = field(default_factory=list)
    # How many more there are than were read.
    unread: int = 0


def read_pickle(path: Path, shown: str) -> Finding | None:
    """A plain or compressed pickle; None for what looks like one, and is none by its name. Raises ModelFileError."""
    with opened(path, shown) as file:
        content = file.take(min(file.size, BYTES_LIMIT), "the pickle")
        whole = file.size <= BYTES_LIMIT
    unpacked, complete = _unpack(content)
    found = list_instructions(unpacked, whole=whole and complete)
    if not found.imports and found.cut and SUFFIXES.isdisjoint(suffix.lower() for suffix in path.suffixes):
        return None
    facts, hazards = describe_pickles(shown, Pickled([("", found)]))
    return Finding("pickle", shown, library=_guess_library(found), facts=facts, hazards=worst_first(hazards))


def read_torch(archive: Archive) -> Finding | None:
    """A zip file as torch writes it; None for another."""
    if archive.find("data.pkl") is None:
        return None
    # TorchScript keeps the model's code beside it, and runs it in its own interpreter.
    scripted = any("/code/" in name for name in archive.names)
    return Finding("torchscript" if scripted else "pytorch", archive.shown, library="pytorch")


def list_pickled(archive: Archive) -> Pickled:
    """What the pickles in a zip file import, first the one that torch loads. Raises ModelFileError."""
    names = [name for name in dict.fromkeys(archive.names) if name.lower().endswith(tuple(SUFFIXES))]
    names.sort(key=lambda name: name.rpartition("/")[2] != "data.pkl")
    found, room = Pickled(), _MEMORY
    for name in names:
        if len(found.members) == _MEMBERS or room <= 0:
            break
        content = archive.read(name, BYTES_LIMIT)
        room -= len(content)
        found.members.append((name, list_instructions(content[:BYTES_LIMIT], whole=len(content) <= BYTES_LIMIT)))
    found.unread = len(names) - len(found.members)
    return found


def list_instructions(content: bytes, *, whole: bool) -> Instructions:
    """The imports of all pickles that stand one after another; what cannot be read ends the list.

    `whole` says whether the content is all that there is.
    """
    found = Instructions()
    _read_all(content, found)
    if not whole and found.cut is None:
        found.cut = f"only its first {BYTES_LIMIT:,} bytes were read"
    return found


def _read_all(content: bytes, found: Instructions) -> None:
    stream = io.BytesIO(content)
    first: Any = None
    for number in range(_PICKLES):
        try:
            value = _read_one(stream, found)
            first = value if number == 0 else first
        # The library raises all kinds of errors for what is no pickle.
        except (ValueError, IndexError, KeyError, OverflowError, MemoryError, EOFError, UnicodeError, AttributeError) as error:
            found.cut = f"its instructions end at byte {stream.tell():,}: {str(error)[:100]}"
        whole_torch = first == _TORCH_NUMBER and number + 1 == _TORCH_PICKLES
        if found.cut or stream.tell() >= len(content) or whole_torch:
            return
    found.cut = f"only its first {_PICKLES} pickles were read"


def _read_one(stream: io.BytesIO, found: Instructions) -> Any:  # noqa: ANN401 - whatever the pickle holds
    """Follow the texts on the stack, as far as names of imports are made of them; returns the first value of the pickle."""
    first: Any = None
    texts: list[str | None] = []
    memo: dict[Any, str | None] = {}
    for number, (opcode, argument, position) in enumerate(pickletools.genops(stream)):
        if number >= _INSTRUCTIONS or len(memo) > _MEMO:
            found.cut = f"only its first {number:,} instructions were read"
            break
        first = argument if first is None and opcode.name == "LONG1" else first
        name = opcode.name
        if name in {"GLOBAL", "INST"}:
            module, _, attribute = str(argument).partition(" ")
            _note(found, module, attribute, position or 0)
            texts.append(None)
        elif name == "STACK_GLOBAL":
            module, attribute = [text or "?" for text in ["", "", *texts][-2:]]
            _note(found, module, attribute, position or 0)
            texts.append(None)
        elif name == "MEMOIZE":
            memo[len(memo)] = texts[-1] if texts else None
        elif name in _PUTS:
            memo[argument] = texts[-1] if texts else None
        elif name in _GETS:
            texts.append(memo.get(argument))
        elif name not in _PASSIVE:
            texts.append(str(argument) if name in _STRINGS else None)
        del texts[:-2]
    return first


def _note(found: Instructions, module: str, name: str, position: int) -> None:
    found.imports.setdefault((clean(module)[:200], clean(name)[:200]), position)


def describe_pickles(shown: str, pickled: Pickled) -> tuple[dict[str, Any], list[Hazard]]:
    """What the pickles of a file import, as facts, and what is dangerous in that."""
    if not pickled.members:
        return {}, []
    names = list(dict.fromkeys(f"{module}.{name}" for _, part in pickled.members for module, name in part.imports))
    hazards = [Hazard("unsafe-serialisation", shown, "it is a pickle: whoever loads it runs what it says")]
    hazards += _iter_hazards(shown, pickled.members)
    if pickled.unread:
        hazards.append(Hazard("not-read-to-the-end", shown, f"{pickled.unread:,} more pickles in it were not read"))
    return {"imports": names[:_NAMES]} if names else {}, hazards


def _iter_hazards(shown: str, parts: list[tuple[str, Instructions]]) -> Iterator[Hazard]:
    for member, part in parts:
        place = f"{shown}:{member}" if member else shown
        for (module, name), position in part.imports.items():
            if module == "?" or name == "?":
                yield Hazard("hidden-import", place, f"at byte {position:,} it imports a name that is made up as it is loaded")
            elif is_dangerous(module, name):
                yield Hazard(
                    "dangerous-import", place, f"at byte {position:,} it imports {module}.{name}, which can run anything"
                )
            elif not is_known(module, name):
                message = f"at byte {position:,} it imports {module}.{name}, of which it is not known what it does"
                yield Hazard("unknown-import", place, message)
        if part.cut:
            yield Hazard("not-read-to-the-end", place, part.cut)


def _guess_library(found: Instructions) -> str | None:
    """The library whose classes the pickle makes, where there is one that makes models."""
    tops = {module.partition(".")[0] for module, _ in found.imports}
    known = {"sklearn": "scikit-learn", "torch": "pytorch", "xgboost": "xgboost", "lightgbm": "lightgbm", "catboost": "catboost"}
    return next((library for top, library in known.items() if top in tops), None)


def _unpack(content: bytes) -> tuple[bytes, bool]:
    """The content, decompressed where joblib compressed it, up to the limit; and whether that was all of it."""
    if content[:1] == b"\x78" or content[:2] == b"\x1f\x8b":
        return _decompress(zlib.decompressobj(47), content)
    if content[:3] == b"BZh":
        return _decompress(bz2.BZ2Decompressor(), content)
    if content[:6] == b"\xfd7zXZ\x00" or content[:3] == b"\x5d\x00\x00":
        return _decompress(lzma.LZMADecompressor(memlimit=_MEMORY), content)
    return content, True


def _decompress(decompressor: Any, content: bytes) -> tuple[bytes, bool]:  # noqa: ANN401 - one of three
    try:
        unpacked: bytes = decompressor.decompress(content, BYTES_LIMIT)
    except (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError, MemoryError):
        return content, True
    return unpacked, bool(decompressor.eof)
