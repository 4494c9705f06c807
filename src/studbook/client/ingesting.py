"""The main act: ingestion documents, one, many, or those that waited."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from studbook.client.addressing import Addressing
from studbook.client.body import Body, encode
from studbook.client.delivery import Delivery, SyncReport
from studbook.client.errors import UnreachableError
from studbook.client.findings import BatchOutcome, Ingested
from studbook.client.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from studbook.client.connection import Connection
    from studbook.client.spool import Spool, SpooledDocument

# Documents in one batch request: enough that the round trip hardly counts, few enough that the answers, which the
# registry streams while it still reads, fit into the socket's buffers (a client that only writes would stall it).
_BATCH: Final = 200
_BATCH_BYTES: Final = 2 * 1024 * 1024


class Ingestion(Addressing):
    """The calls that hand over ingestion documents."""

    def __init__(self, connection: Connection, spool: Spool) -> None:
        super().__init__(connection)
        self._spool = spool

    def ingest(
        self,
        document: Mapping[str, Any] | bytes,
        idempotency_key: str | None = None,
        *,
        media_type: str = "application/json",
    ) -> Ingested:
        """Record one ingestion document, all or nothing.

        `document` is a mapping, or the bytes of a document of the given media type (`application/json` or
        `application/yaml`). With the same `idempotency_key` the same document is recorded only once; without one the
        call makes a key of its own, so that it may try again after a broken connection.

        Raises RefusedError (its `errors` name every fault), UnreachableError; nothing goes to the spool.
        """
        body = Body(document, media_type) if isinstance(document, bytes) else Body.of(document)
        headers = {"Idempotency-Key": idempotency_key or str(new_id())}
        return Ingested.read(self._connection.call("POST", ("ingest",), body=body, headers=headers, safe_to_repeat=True))

    def ingest_many(self, documents: Iterable[Mapping[str, Any]]) -> Iterator[BatchOutcome]:
        """Record many documents, each all or nothing; gives an outcome for each, in their order.

        Documents are sent while the outcomes are read, a few hundred at a time: read them all. A document may be
        `{"idempotency_key": …, "document": …}`. One that is refused has its `refusal` and does not hold up the others.

        Raises UnreachableError; the documents whose outcomes were given before that are recorded.
        """
        position = 0
        for chunk in _chunks(documents):
            answers = self._connection.lines(("ingest", "batch"), chunk)
            if len(answers) != len(chunk):
                message = f"the registry answered {len(answers)} of {len(chunk)} documents; the rest may not be recorded"
                raise UnreachableError(message)
            for answer in sorted(answers, key=lambda line: int(line["line"])):
                yield BatchOutcome.read(position, answer)
                position += 1

    def sync(self, *, any_registry: bool = False, wait: bool = True) -> SyncReport:
        """Deliver what waits in the spool: oldest first, and each document exactly once.

        Documents that runs meant for another registry or namespace stay, unless `any_registry` says that they belong
        here (the registry has moved). With `wait` false, nothing is done when another process is delivering.
        A document that is refused goes to the spool's `refused` folder and does not hold up those behind it.

        Never raises for the registry's sake: see `stopped_by` of the report. Raises OSError if the folder is unusable.
        """
        return self._deliver_spooled(any_registry=any_registry, wait=wait)

    def _deliver_spooled(self, *, any_registry: bool = False, wait: bool, seconds: float | None = None) -> SyncReport:
        target = self._connection.target

        def belongs(spooled: SpooledDocument) -> bool:
            return any_registry or (spooled.registry, spooled.namespace) == (target.label, target.namespace)

        return Delivery(self._spool, self.ingest, belongs, seconds).run(wait=wait)


def _chunks(documents: Iterable[Mapping[str, Any]]) -> Iterator[list[bytes]]:
    lines = (_line(document) for document in documents)
    while chunk := _take(lines):
        yield chunk


def _take(lines: Iterator[bytes]) -> list[bytes]:
    chunk: list[bytes] = []
    size = 0
    for line in islice(lines, _BATCH):
        chunk.append(line)
        size += len(line)
        if size >= _BATCH_BYTES:
            break
    return chunk


def _line(document: Mapping[str, Any]) -> bytes:
    keyed = document if "document" in document else {"idempotency_key": str(new_id()), "document": document}
    if not keyed.get("idempotency_key"):
        keyed = {**keyed, "idempotency_key": str(new_id())}
    return encode(keyed)
