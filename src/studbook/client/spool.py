"""Documents that could not be delivered, kept on disk until they are.

    spool/0198….json           waits; the names are UUIDv7s, so that their order is the order of writing
    spool/.0198….tmp           is being written, or was when its process died
    spool/.lock                held by whoever delivers
    spool/refused/0198….json   was refused by the registry; 0198….problem.json beside it says why

A document is written to the temporary file, fsynced, renamed, and the folder fsynced: once `put` returns, it outlives
a crash of the machine. It is removed only after the registry has answered. A crash between answer and removal delivers
it again, under the same idempotency key, which changes nothing. Folders are made with mode 0700 and files with 0600;
no token is ever written here.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from studbook.client.body import encode
from studbook.client.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SCHEMA: Final = "studbook.dev/spool/v1"
# Writing takes milliseconds; a temporary file this old (in seconds) belongs to a process that is gone.
_LEFTOVER_AGE: Final = 600.0


class UnreadableFileError(Exception):
    """A file in the spool is not one that the spool wrote."""


@dataclass(frozen=True, slots=True)
class SpooledDocument:
    """An ingestion document on its way: its idempotency key, and the registry and namespace it is meant for."""

    document: Mapping[str, Any]
    key: str
    registry: str
    namespace: str
    spooled_at: float

    def as_json(self) -> dict[str, Any]:
        """The content of the file."""
        return {
            "schema": _SCHEMA,
            "registry": self.registry,
            "namespace": self.namespace,
            "idempotency_key": self.key,
            "spooled_at": self.spooled_at,
            "document": self.document,
        }

    @classmethod
    def parse(cls, content: bytes) -> SpooledDocument:
        """The document in a file.

        Raises UnreadableFileError.
        """
        try:
            data = json.loads(content)
            if data["schema"] != _SCHEMA or not isinstance(data["document"], dict):
                message = f"not of the form {_SCHEMA}"
                raise UnreadableFileError(message)
            place = str(data["registry"]), str(data["namespace"])
            return cls(data["document"], str(data["idempotency_key"]), *place, float(data["spooled_at"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            message = f"not a spooled document: {type(error).__name__}: {error}"
            raise UnreadableFileError(message) from error


def default_folder() -> Path:
    """Where documents wait: `STUDBOOK_SPOOL`, else `spool` in `STUDBOOK_HOME` or in the platform's user data."""
    if folder := os.environ.get("STUDBOOK_SPOOL"):
        return Path(folder)
    if home := os.environ.get("STUDBOOK_HOME"):
        return Path(home) / "spool"
    import platformdirs  # noqa: PLC0415 - most programs set neither and need it, but importing studbook should not

    return platformdirs.user_data_path("studbook", appauthor=False) / "spool"


class Spool:
    """A spool folder; made when the first document is put there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().absolute()
        self.refused_folder = self.folder / "refused"

    def put(self, spooled: SpooledDocument) -> Path:
        """Keep a document until it is delivered; when this returns, it is safe on disk.

        Raises OSError.
        """
        _make_folder(self.folder)
        return _write(self.folder / f"{new_id()}.json", spooled.as_json())

    def put_refused(self, spooled: SpooledDocument, problem: Mapping[str, Any]) -> Path:
        """Keep a document that the registry has refused, with the reason beside it.

        Raises OSError.
        """
        _make_folder(self.refused_folder)
        path = self.refused_folder / f"{new_id()}.json"
        _write(path.with_suffix(".problem.json"), problem)
        return _write(path, spooled.as_json())

    def pending(self) -> list[Path]:
        """The files that wait, oldest first."""
        try:
            names = sorted(path.name for path in self.folder.iterdir() if path.suffix == ".json" and path.name[0] != ".")
        except FileNotFoundError:
            return []
        return [self.folder / name for name in names]

    def read(self, path: Path) -> SpooledDocument:
        """The document in a file that waits.

        Raises UnreadableFileError, FileNotFoundError when somebody else has delivered it.
        """
        return SpooledDocument.parse(path.read_bytes())

    def remove(self, path: Path) -> None:
        """Forget a document that was delivered."""
        path.unlink(missing_ok=True)
        _sync_folder(self.folder)

    def refuse(self, path: Path, problem: Mapping[str, Any]) -> Path:
        """Put a waiting file among the refused ones, the problem beside it. A crash in between leaves it waiting."""
        _make_folder(self.refused_folder)
        place = self.refused_folder / path.name
        _write(place.with_suffix(".problem.json"), problem)
        path.rename(place)
        _sync_folder(self.refused_folder)
        _sync_folder(self.folder)
        return place

    def adopt_leftovers(self) -> None:
        """Take over what a process had written but not yet renamed when it died; drop what it had not finished."""
        with contextlib.suppress(FileNotFoundError):
            for path in [*self.folder.glob(".*.tmp")]:
                self._adopt(path)

    def _adopt(self, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError):  # its writer was alive after all, and has renamed it
            if time.time() - path.stat().st_mtime < _LEFTOVER_AGE:
                return
            try:
                SpooledDocument.parse(path.read_bytes())
            except UnreadableFileError:
                path.unlink()
            else:
                _fsync(path)
                path.rename(self.folder / path.name.removeprefix(".").replace(".tmp", ".json"))
            _sync_folder(self.folder)

    @contextlib.contextmanager
    def lock(self, *, wait: bool) -> Iterator[bool]:
        """Be the only process that delivers; gives False when `wait` is false and another one does.

        The kernel lets go of the lock when its holder dies, so none is ever stale.
        """
        if sys.platform == "win32":
            # Without the lock two processes may deliver the same document; its key makes the second do nothing.
            yield True
            return
        import fcntl  # noqa: PLC0415 - not there on every platform

        _make_folder(self.folder)
        descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)


def _write(path: Path, value: Mapping[str, Any]) -> Path:
    temporary = path.with_name(f".{path.stem}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(encode(value))
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except FileNotFoundError:
        # This process slept so long that its file was adopted as a leftover: then it is where it should be.
        if not path.exists():
            raise
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)
    return path


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, each recorded in its parent on disk."""
    if folder.is_dir():
        return
    missing = [folder, *(parent for parent in folder.parents if not parent.exists())]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(path.parent)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    # Some network file systems and Windows cannot fsync a folder; the file itself is safe.
    with contextlib.suppress(OSError):
        _fsync(folder)
