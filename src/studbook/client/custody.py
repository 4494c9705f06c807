"""Care for the audit log: snapshots, keys, shards; erasure, legal holds, retention. All of it needs an admin's token."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from studbook.client.addressing import Addressing
from studbook.client.answers import TEXTS, TIME, Record, reads_many
from studbook.client.body import Body
from studbook.client.findings import EventLink

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

KeyAlgorithm = Literal["ed25519", "ml-dsa-44"]


@dataclass(frozen=True, kw_only=True)
class LogKey(Record):
    """A key that signs (`active`) or signed (`retired`) the checkpoints of a shard; `vkey` is for whoever verifies them."""

    id: str = ""
    vkey: str = ""
    fingerprint: str = ""
    algorithm: str = ""
    status: str = ""


@dataclass(frozen=True, kw_only=True)
class LogShard(Record):
    """A shard of the log: `open`, `frozen`, or `lost` after a loss; `size` in entries."""

    shard: int = 1
    origin: str = ""
    status: str = ""
    size: int = 0
    checkpoint_size: int | None = None
    checkpoint_at: datetime | None = field(default=None, metadata=TIME)
    keys: tuple[LogKey, ...] = field(default=(), metadata=reads_many(LogKey))


@dataclass(frozen=True, kw_only=True)
class Erased(Record):
    """What was erased: how many values of how many records, and the events that say so."""

    values: int = 0
    subjects: int = 0
    events: tuple[EventLink, ...] = field(default=(), metadata=reads_many(EventLink))


@dataclass(frozen=True, kw_only=True)
class LegalHold(Record):
    """A legal hold: nothing of its subject is erased or purged until it is released."""

    id: str = ""
    subject: str = ""
    reason: str = ""
    created_at: datetime | None = field(default=None, metadata=TIME)
    released_at: datetime | None = field(default=None, metadata=TIME)


@dataclass(frozen=True, kw_only=True)
class RetentionClass(Record):
    """How many days the entries about records of these kinds are kept."""

    name: str = field(default="", metadata={"key": "class"})
    days: int = 0
    kinds: tuple[str, ...] = field(default=(), metadata=TEXTS)


class LogCare(Addressing):
    """The calls that look after the audit log. Each raises UnreachableError and RefusedError."""

    def shards(self) -> Iterator[LogShard]:
        """The shards of the namespace's log, oldest first, with their keys."""
        return (LogShard.read(entry) for entry in self._connection.pages(("audit", "shards")))

    def policy(self) -> bytes:
        """The log's keys and witnesses (C2SP tlog-policy), as the registry tells them."""
        return self._connection.content(("audit", "policy"))

    def log_file(self, path: str) -> bytes:
        """A file of the log's open shard: `checkpoint`, `tile/0/000`, `tile/entries/000.p/12` (C2SP tlog-tiles)."""
        return self._connection.content(("audit", "log", *path.split("/")))

    def bundle(self, ref: str, *, since: int | None = None, disclose: bool = False) -> bytes:
        """The evidence for a record as a zip; `since` is the size of an earlier checkpoint that it shall build on.

        With `disclose`, the personal values that still are there are opened in it.
        """
        params = {"subject": ref, "since": since, "disclose": "true" if disclose else None}
        return self._connection.content(("audit", "bundle"), params)

    def take_snapshot(self) -> LogShard:
        """Log how far every record has come, so that a bundle can show that nothing was left out."""
        return LogShard.read(self._post("snapshots", {}))

    def freeze_log(self, reason: str) -> LogShard:
        """Freeze the open shard of the log and open the next one under a new name; returns the new one."""
        return LogShard.read(self._post("shards", {"reason": reason}))

    def add_log_key(self, algorithm: KeyAlgorithm = "ed25519") -> LogKey:
        """Make a further key; checkpoints carry its signature beside those of the others from now on."""
        return LogKey.read(self._post("keys", {"algorithm": algorithm}))

    def retire_log_key(self, key_id: str) -> LogKey:
        """Let a key sign no further checkpoint."""
        body = Body.of({"status": "retired"})
        return LogKey.read(self._connection.call("PATCH", ("audit", "keys", key_id), body=body))

    def erase(self, reason: str, *, subject: str | None = None, value: str | None = None) -> Erased:
        """Erase personal values for good: those of a record, those equal to a text (an e-mail address), or both."""
        given = {"reason": reason, "subject": subject, "value": value}
        return Erased.read(self._post("erasures", {name: text for name, text in given.items() if text is not None}))

    def place_hold(self, subject: str, reason: str) -> LegalHold:
        """Forbid that anything of a record, or (`*`) of the whole namespace, is erased or purged."""
        return LegalHold.read(self._post("holds", {"subject": subject, "reason": reason}))

    def release_hold(self, hold_id: str, reason: str) -> LegalHold:
        """End a legal hold."""
        body = Body.of({"released": True, "reason": reason})
        return LegalHold.read(self._connection.call("PATCH", ("audit", "holds", hold_id), body=body))

    def holds(self) -> Iterator[LegalHold]:
        """Legal holds, newest first."""
        return (LegalHold.read(entry) for entry in self._connection.pages(("audit", "holds")))

    def set_retention(self, name: str, days: int, kinds: Iterable[str]) -> RetentionClass:
        """Say how many days the entries about records of some kinds are kept."""
        body = Body.of({"days": days, "kinds": list(kinds)})
        return RetentionClass.read(self._connection.call("PUT", ("audit", "retention", name), body=body))

    def retention(self) -> Iterator[RetentionClass]:
        """Retention classes by name."""
        return (RetentionClass.read(entry) for entry in self._connection.pages(("audit", "retention")))

    def purge(self, shard: int, reason: str) -> LogShard:
        """Remove the bytes of those entries of a frozen shard that outlived their retention period."""
        return LogShard.read(self._post("purges", {"shard": shard, "reason": reason}))

    def _post(self, place: str, document: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        # A snapshot says nothing; any other call says what it wants.
        return self._connection.call("POST", ("audit", place), body=Body.of(document) if document else None)
