"""Datasets and artifacts as they stand in a document, digested from the files or data themselves."""

from __future__ import annotations

import mimetypes
import operator
import os
from pathlib import Path
from typing import Any, Final, Literal

from studbook.client.data_digests import digest_data, find_rows
from studbook.client.digests import Digested, digest_path
from studbook.client.notices import warn
from studbook.client.values import clean_text

Role = Literal["training", "validation", "test", "evaluation", "calibration", "source", "other"]
Sensitivity = Literal["public", "internal", "confidential", "personal", "restricted"]
PathLike = str | os.PathLike[str]

_NO_PROFILES: Final = "Parquet and Arrow files are recorded without a profile: pyarrow is missing; pip install 'studbook[data]'"
# What mimetypes does not know; registered with IANA or used by the format's own project.
_MEDIA_TYPES: Final = {".onnx": "application/onnx", ".parquet": "application/vnd.apache.parquet"}


def artifact_entry(path: PathLike, uri: str | None, name: str | None, media_type: str | None) -> dict[str, Any]:
    """An entry of `version.artifacts`, with the digest and size of the file or folder.

    Raises FileNotFoundError, ValueError for a URL. If the path cannot be read for another reason, the entry has no digest
    and a warning is given.
    """
    place = _local(path)
    digested = _digest(place)
    return {
        "uri": clean_text(uri or place.resolve().as_uri()),
        "name": clean_text(name or place.resolve().name),
        "digest": digested.digest if digested else None,
        "size": digested.size if digested else None,
        "media_type": media_type or (None if place.is_dir() else _guess_media_type(place)),
    }


def dataset_digest(path: object, data: object, digest: object) -> str | None:
    """The digest of a dataset from whichever was given: the digest itself, a file or folder, or data in memory.

    Raises TypeError, FileNotFoundError, ValueError for a URL in place of a path.
    """
    if digest is not None:
        if not isinstance(digest, str):
            message = f"digest is text such as 'sha256:…', not {type(digest).__name__}"
            raise TypeError(message)
        plain = digest.strip().lower()
        return plain if ":" in plain else f"sha256:{plain}"
    if path is not None:
        if not isinstance(path, str | os.PathLike):
            message = f"path is a file or folder, not {type(path).__name__}; give data in memory as data="
            raise TypeError(message)
        digested = _digest(_local(path))
        return digested.digest if digested else None
    if data is not None:
        try:
            return digest_data(data)
        except TypeError:
            raise
        except Exception as error:  # noqa: BLE001 - the data's own methods may raise anything, and a run must go on
            warn(f"the data could not be digested, and is recorded without: {error}")
    return None


def profile_entry(path: PathLike | None) -> dict[str, Any]:
    """The members of a dataset that tell what is in a file; empty, with a warning, where that cannot be told."""
    if path is None:
        warn("only files are profiled: the data is recorded without; write it to a file and give that as path=")
        return {}
    # Imported here: few runs profile, and the extra may not be there.
    from studbook.formats.datasets.profile import profile_file  # noqa: PLC0415

    try:
        return profile_file(_local(path)).as_entry()
    except ImportError:
        warn(_NO_PROFILES)
    except Exception as error:  # noqa: BLE001 - a run must go on, whatever its data is
        warn(f"{path} could not be profiled, and is recorded without: {error}")
    return {}


def count_rows(rows: int | None, data: object) -> int | None:
    """The number of rows: as given, else the length of the data.

    Raises TypeError.
    """
    if rows is not None:
        return operator.index(rows)
    return None if data is None else find_rows(data)


def location(path: PathLike | None, uri: str | None) -> str | None:
    """Where a dataset lies: the URI as given, else that of the file."""
    if uri is not None or path is None:
        return uri
    return clean_text(Path(path).resolve().as_uri())


def _local(path: PathLike) -> Path:
    if isinstance(path, str) and "://" in path:
        message = f"path is a file or folder on this machine; give {path!r} as uri="
        raise ValueError(message)
    return Path(path)


def _digest(path: Path) -> Digested | None:
    try:
        return digest_path(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        warn(f"{path} could not be read, and is recorded without a digest: {error}")
        return None


def _guess_media_type(path: Path) -> str | None:
    return _MEDIA_TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0]
