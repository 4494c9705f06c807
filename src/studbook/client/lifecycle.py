"""What a run knows of itself: when it began, in which code and environment, and how it ended."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from studbook.client.clock import now, rfc3339
from studbook.client.draft import label
from studbook.client.ids import new_id
from studbook.client.notices import warn
from studbook.client.values import clean_text

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

    from studbook.client.capture.environment import EnvironmentCapture

RunKind = Literal["training", "evaluation", "data-preparation"]
# Of a failure's traceback: its last lines and characters, where the cause stands.
_TRACEBACK_LINES: Final = 20
_TRACEBACK_LIMIT: Final = 8_000
_SAFE_INTEGER: Final = 2**53 - 1


@dataclass(slots=True)
class Lifecycle:
    """The part of a run's document that is not logged by its script."""

    kind: RunKind
    job: str | None
    name: str | None
    experiment: str | None
    seed: int | None
    capture: bool
    id: str = field(default_factory=lambda: str(new_id()))
    started_at: datetime = field(default_factory=now)
    _began: bool = False
    _code: dict[str, Any] | None = None
    _environment: EnvironmentCapture | None = None

    def begin(self) -> None:
        """Start the clock and look at code and environment; a second call does nothing."""
        if self._began:
            return
        self._began = True
        self.started_at = now()
        if self.capture:
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - a training must not fail because its surroundings are odd
                warn(f"not everything about this run's surroundings could be found out: {error!r}")

    def _look(self) -> None:
        # Imported here: a program that imports studbook without starting a run needs none of it.
        from studbook.client.capture.code import capture_code  # noqa: PLC0415
        from studbook.client.capture.environment import EnvironmentCapture  # noqa: PLC0415

        self._environment = EnvironmentCapture()
        self._code = capture_code()

    def identity(self) -> dict[str, Any]:
        """What every account of this run must say alike."""
        return {
            "kind": self.kind,
            "name": label(self.name),
            "job": label(self.job),
            "experiment": label(self.experiment),
            "code": self._code,
            "environment": self._surroundings(),
            "seed": self.seed if self.seed is None or abs(self.seed) <= _SAFE_INTEGER else None,
            "started_at": rfc3339(self.started_at),
        }

    def outcome(self, error: str | None = None) -> dict[str, Any]:
        """How the run stands if it ends now."""
        # A clock that was set back in the meantime must not make the run end before it began.
        ended = max(self.started_at, now())
        return {"status": "failed" if error else "completed", "error": error, "ended_at": rfc3339(ended)}

    def _surroundings(self) -> dict[str, Any] | None:
        environment: dict[str, Any] = {}
        if self._environment is not None:
            try:
                environment = dict(self._environment.result())
            except Exception as error:  # noqa: BLE001 - as above
                warn(f"the environment of this run could not be found out: {error!r}")
                self._environment = None
        if self.seed is not None and abs(self.seed) > _SAFE_INTEGER:
            environment["seed"] = str(self.seed)  # larger than a document's integers
        return environment or None


def describe_failure(kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> str | None:
    """A failure's type, message and the last lines of its traceback, secrets masked; None when nothing failed.

    `sys.exit()` and `sys.exit(0)` say that all went well.
    """
    if kind is None or (isinstance(error, SystemExit) and not error.code):
        return None
    from studbook.client.capture.secrets import mask_text  # noqa: PLC0415 - a failure is rare

    try:
        lines = "".join(traceback.format_exception(kind, error, trace)).splitlines()
        headline = "".join(traceback.format_exception_only(kind, error)).strip()
    except Exception:  # noqa: BLE001 - an exception's own __str__ may raise
        return kind.__qualname__
    text = "\n".join([headline, *lines[-_TRACEBACK_LINES:]])
    return clean_text(mask_text(text), _TRACEBACK_LIMIT) or kind.__qualname__
