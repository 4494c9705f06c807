"""The writer of a process, whatever becomes of those who wait for it; on both engines."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studbook.services.registry import Registry
    from studbook.storage.unit_of_work import Transaction


def test_who_gives_up_waiting_does_not_stop_the_writer(registry: Registry) -> None:
    work = registry.database.work
    begun, go_on = threading.Event(), threading.Event()
    done: list[str] = []

    def slow(transactions: Transaction, items: list[str]) -> list[str]:
        begun.set()
        assert go_on.wait(10)
        done.extend(items)
        return items

    first = work.submit(slow, "first", joint="first")
    assert begun.wait(10)
    second = work.submit(slow, "second", joint="second")
    assert second.cancel()
    assert not first.cancel()
    go_on.set()
    assert first.result(10) == "first"
    assert work.submit(slow, "third", joint="third").result(10) == "third"
    assert done == ["first", "third"]
