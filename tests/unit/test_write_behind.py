"""Writing in the background: order, overlap, back-pressure, errors. Nothing here looks at a clock."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from threading import Barrier, Event, Thread

import numpy as np
import pytest

from trackmatte.errors import OutputError, ShotError
from trackmatte.writers.behind import MILDER, WriteBehind

LONG = 30
"""Seconds after which a test has failed, not a measure of anything."""


def test_writing_and_computing_happen_at_the_same_time() -> None:
    both = Barrier(2)  # passes only when writer and caller are inside at once
    with WriteBehind() as writes:
        for _ in range(5):
            writes.put(lambda: both.wait(LONG))
            both.wait(LONG)


def test_jobs_run_in_order_on_one_other_thread() -> None:
    seen: list[tuple[int, int]] = []
    with WriteBehind() as writes:
        for i in range(50):
            writes.put(lambda i=i: seen.append((i, threading.get_ident())))
    assert [i for i, _ in seen] == list(range(50))
    assert len({thread for _, thread in seen}) == 1
    assert seen[0][1] != threading.get_ident()


def waits(writes: WriteBehind, size: int, gate: Event) -> bool:
    """Whether one more put waits for the gate."""
    passed = Event()
    caller = Thread(target=lambda: (writes.put(lambda: None, size), passed.set()))
    caller.start()
    while not passed.is_set() and not writes._changed._waiters:  # type: ignore[attr-defined]
        pass  # either it has passed or it sleeps on the condition
    blocked = not passed.is_set()
    gate.set()
    caller.join(LONG)
    assert passed.is_set()
    return blocked


@pytest.mark.parametrize(
    ("sizes", "last", "blocks"),
    [
        ([0, 0, 0], 0, True),  # three jobs are pending
        ([0, 0], 0, False),
        ([60], 60, True),  # more bytes than the limit
        ([60], 40, False),
        ([500], 0, True),  # a single large one runs, but alone
        ([], 500, False),
    ],
)
def test_the_caller_waits_for_jobs_and_for_bytes(sizes: list[int], last: int, blocks: bool) -> None:
    gate = Event()
    with WriteBehind(depth=3, limit=100) as writes:
        for size in sizes:
            writes.put(lambda: gate.wait(LONG), size)
        assert waits(writes, last, gate) == blocks


def test_no_more_is_ever_held_than_allowed() -> None:
    held: list[weakref.ref[np.ndarray]] = []
    most = 0
    with WriteBehind(depth=10, limit=3000) as writes:
        for _ in range(40):
            picture = np.zeros(1000, np.uint8)
            held.append(weakref.ref(picture))
            writes.put(lambda p=picture: p.sum(), picture.nbytes)
            del picture
            most = max(most, sum(r() is not None for r in held))
    assert most <= 3
    assert not any(r() is not None for r in held)


def test_a_failed_write_is_raised_once_and_nothing_is_written_after_it() -> None:
    def fail() -> None:
        raise OutputError("full")

    written: list[int] = []
    with WriteBehind() as writes:
        writes.put(fail)
        with pytest.raises(OutputError, match="full"):
            writes.flush()
        writes.put(lambda: written.append(1))
        writes.flush()
    assert written == []


def test_a_failed_write_is_raised_at_the_end_at_the_latest() -> None:
    def fail() -> None:
        raise OutputError("full")

    with pytest.raises(OutputError, match="full"), WriteBehind() as writes:
        writes.put(fail)


@pytest.mark.parametrize(
    ("raised", "seen"),
    [(ShotError("no matte"), OutputError), (KeyboardInterrupt(), KeyboardInterrupt)],
)
def test_a_failed_write_explains_another_error_but_hides_no_interruption(
    raised: BaseException, seen: type[BaseException]
) -> None:
    def fail() -> None:
        raise OutputError("gone")

    def go() -> None:
        with WriteBehind() as writes:
            writes.put(fail)
            raise raised

    with pytest.raises(seen):
        go()


def test_an_error_of_the_caller_lets_queued_writes_finish() -> None:
    gate, written = Event(), []

    def go() -> None:
        with WriteBehind() as writes:
            writes.put(lambda: gate.wait(LONG))
            writes.put(lambda: written.append(1))
            gate.set()
            raise KeyError

    with pytest.raises(KeyError):
        go()
    assert written == [1]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
def test_writing_is_nicer_than_the_work_beside_it() -> None:
    before, found = os.getpriority(os.PRIO_PROCESS, 0), []
    with WriteBehind() as writes:
        writes.put(lambda: found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))
    assert found == [min(before + MILDER, 19)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
