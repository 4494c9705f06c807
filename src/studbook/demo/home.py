"""The demo's folder: where its files lie, and the file that tells a shell how to reach its registry."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import platformdirs

from studbook.domain.tokens import is_token, make_token

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN: Final = re.compile(r"STUDBOOK_TOKEN=(\S+)")


class BusyError(Exception):
    """Another demo is at work in the folder."""


@dataclass(frozen=True, slots=True)
class Home:
    """`STUDBOOK_HOME`, by default the platform's folder for user data."""

    root: Path

    @classmethod
    def of_environment(cls) -> Home:
        """The folder that the environment names."""
        named = os.environ.get("STUDBOOK_HOME")
        return cls(Path(named).expanduser().absolute() if named else platformdirs.user_data_path("studbook"))

    @property
    def folder(self) -> Path:
        """What the demo makes, all of it: database, data, models, log."""
        return self.root / "demo"

    @property
    def environment(self) -> Path:
        """A file to `source`: the demo's URL and token."""
        return self.root / "env"

    @property
    def database(self) -> Path:
        """The demo's database file."""
        return self.folder / "studbook.db"

    def clear(self) -> None:
        """Throw away what an earlier demo made."""
        for entry in self.folder.iterdir() if self.folder.is_dir() else ():
            if entry.name == ".lock":
                continue
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        self.environment.unlink(missing_ok=True)

    def token(self) -> str:
        """The token of an earlier demo, or a new one."""
        with contextlib.suppress(OSError):
            if (match := _TOKEN.search(self.environment.read_text())) and is_token(match[1]):
                return match[1]
        return make_token()

    def write_environment(self, url: str, token: str) -> None:
        """Tell a shell how to reach the demo's registry; the file is for its owner alone."""
        temporary = self.environment.with_name(".env.tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"# The registry of `studbook demo`, for as long as it runs.\nexport STUDBOOK_URL={shlex.quote(url)}\n")
            file.write(f"export STUDBOOK_TOKEN={shlex.quote(token)}\n")
        temporary.replace(self.environment)

    @contextlib.contextmanager
    def occupied(self) -> Iterator[None]:
        """Be the only demo in the folder; it is made if need be.

        Raises BusyError. The kernel lets go of the lock when its holder dies.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.folder / ".lock").open("w") as lock:
            if os.name == "posix":
                import fcntl  # noqa: PLC0415 - not there on every platform

                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise BusyError from None
            yield
