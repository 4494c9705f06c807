"""What became of a document that a run handed over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from studbook.client.errors import Notice, StudbookError
    from studbook.client.findings import EventLink
    from studbook.client.graph import Edge

Status = Literal["stored", "spooled", "refused", "lost"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """What became of a document, and the document itself.

    `status` is `stored` (the registry has it), `spooled` (it waits in the file `path`; `studbook sync` delivers it),
    `refused` (the registry said no; `path` keeps it and `error` says why) or `lost` (neither the registry nor a disk
    would take it; `document` is all there is).

    `name` (`models/churn/versions/3`), `number` and `id` are the version's, and None unless it is stored.
    `receipts` prove, by event id, that the registry has logged it: keep them, and nobody can undo that unseen
    (`studbook audit verify`).
    A registration may stand as a parent of the next one, stored or not.
    """

    status: Status
    document: Mapping[str, Any] = field(repr=False)
    idempotency_key: str
    run_id: str | None = None
    name: str | None = None
    number: int | None = None
    id: str | None = None
    warnings: tuple[Notice, ...] = ()
    edges: tuple[Edge, ...] = field(default=(), repr=False)
    events: tuple[EventLink, ...] = field(default=(), repr=False)
    receipts: Mapping[str, str] = field(default_factory=dict, repr=False)
    path: Path | None = None
    error: StudbookError | None = None

    @property
    def reference(self) -> str | None:
        """What refers to the version: its name, or, before the registry has given it one, its own identifier."""
        if self.name is not None:
            return self.name
        version = self.document.get("version") or {}
        for scheme, value in version.get("identifiers", {}).items():
            if scheme == REGISTRATION_SCHEME:
                return f"{scheme}:{value}"
        return None


# Every version that a run registers carries an identifier of this scheme, made by the client: so that a later document
# can name it as a parent while it still waits in the spool and has no number.
REGISTRATION_SCHEME = "registration"
