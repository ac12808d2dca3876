"""Decode-ahead: bounded, exact, and gone when its consumer is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.counters import read_counter
from tests.engines import wait_for
from tests.media_maker import encode_counter
from trackmatte.errors import FrameError
from trackmatte.media import decode_ahead, open_clip


class Producer:
    """Counts upwards, remembers how far it was asked and whether it was closed."""

    def __init__(self, count: int, fails_at: int = -1) -> None:
        self.made = 0
        self.closed = False
        self.frames = self._run(count, fails_at)

    def _run(self, count: int, fails_at: int) -> Iterator[int]:
        try:
            for k in range(count):
                if k == fails_at:
                    raise FrameError("Frame broke.", k)
                self.made = k + 1
                yield k
        finally:
            self.closed = True


def settled(producer: Producer, least: int) -> int:
    """Wait until the producer made that much and rests, and return how much it made."""
    wait_for(lambda: producer.made >= least)
    before = -1
    while before != producer.made:
        before = producer.made
        time.sleep(0.03)
    return before


def ahead_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "decode-ahead"]


@pytest.mark.parametrize("depth", [1, 4])
def test_never_more_than_depth_ahead(depth: int) -> None:
    producer = Producer(20)
    frames = decode_ahead(producer.frames, depth)
    for taken in range(1, 6):
        assert next(frames) == taken - 1
        assert settled(producer, taken + depth) == taken + depth
    assert list(frames) == list(range(5, 20))
    assert producer.closed
    assert not ahead_threads()


@settings(max_examples=30, deadline=None)
@given(count=st.integers(0, 30), depth=st.integers(1, 8), taken=st.integers(0, 30))
def test_early_exit_closes_source_and_thread(count: int, depth: int, taken: int) -> None:
    producer = Producer(count)
    frames = decode_ahead(producer.frames, depth)
    got = [k for _, k in zip(range(taken), frames, strict=False)]
    frames.close()  # type: ignore[attr-defined]
    assert got == list(range(min(taken, count)))
    assert producer.made <= taken + depth + 1
    assert producer.closed or not taken
    assert not ahead_threads()


def test_errors_come_after_the_good_frames() -> None:
    producer = Producer(10, fails_at=3)
    got: list[int] = []
    with pytest.raises(FrameError, match="Frame broke") as error:
        got.extend(decode_ahead(producer.frames))
    assert (got, error.value.index) == ([0, 1, 2], 3)
    assert not ahead_threads()


def test_dropping_the_generator_ends_the_thread() -> None:
    producer = Producer(100)
    frames = decode_ahead(producer.frames)
    next(frames)
    del frames
    assert producer.closed
    assert not ahead_threads()


def test_depth_must_be_positive() -> None:
    with pytest.raises(ValueError, match="depth is 0"):
        decode_ahead(iter([1]), 0)


def test_with_a_movie(tmp_path: Path) -> None:
    with open_clip(encode_counter(tmp_path / "a.mp4", 30)) as clip:
        assert [read_counter(f.rgb) for f in decode_ahead(clip.frames())] == list(range(30))
        for frame in decode_ahead(clip.frames()):
            if frame.index == 4:
                break
    assert not ahead_threads()
