"""The steady pass: flicker taken off the mattes, from their neighbours in time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from trackmatte.media import FrameSource, decode_ahead
from trackmatte.numerics.steady import Steady
from trackmatte.progress import Progress
from trackmatte.shot.cache import FrameCache
from trackmatte.writers.behind import WriteBehind


def steady_frames(
    clip: FrameSource, cache: FrameCache, strength: float, wanted: Mapping[int, Mapping[str, str]]
) -> Iterator[Progress]:
    """Filter the wanted mattes into the cache, yielding after each frame.

    Parameters
    ----------
    strength : (0, 1], see `Steady`.
    wanted : frame index -> object -> hash of the steady matte to be made.
    """
    if not wanted:
        return
    begin, worked = time.monotonic(), 0
    room = cache.room(sum(map(len, wanted.values())))

    def keep(obj: str, index: int, alpha: NDArray[np.float32]) -> None:
        key = wanted.get(index, {}).get(obj)
        if key is not None:
            write = partial(cache.write, "steady", obj, clip.numbers[index], alpha, {"key": key})
            writes.put(room.guard(write), alpha.nbytes)

    with WriteBehind() as writes:
        for first, last in stretches(sorted(wanted), clip.length):
            filters: dict[str, Steady] = {}
            ready: list[int] = []
            for frame in decode_ahead(clip.frames(first, last + 1)):
                rgb = frame.display()
                objects = {o for i in (-1, 0, 1) for o in wanted.get(frame.index + i, ())}
                for obj in sorted(objects):
                    found = cache.read("matte", obj, frame.number)
                    if found is None:
                        room.check_there()
                    else:
                        steady = filters.setdefault(obj, Steady(strength))
                        for index, alpha in steady.push(frame.index, rgb, found[0]):
                            keep(obj, index, alpha)
                if frame.index - 1 in wanted:
                    ready.append(frame.index - 1)
                for index in ready:
                    worked += 1
                    number = clip.numbers[index]
                    yield Progress("steady", worked, len(wanted), number, time.monotonic() - begin, worked)
                ready.clear()
            for obj, steady in filters.items():
                for index, alpha in steady.finish():
                    keep(obj, index, alpha)
            if last in wanted:
                worked += 1
                number = clip.numbers[last]
                yield Progress("steady", worked, len(wanted), number, time.monotonic() - begin, worked)


def stretches(wanted: list[int], length: int) -> list[tuple[int, int]]:
    """Return (first, last) of the frames to be seen: the wanted ones and their neighbours."""
    result: list[tuple[int, int]] = []
    for i in wanted:
        low, high = max(0, i - 1), min(length - 1, i + 1)
        if result and low <= result[-1][1] + 1:
            result[-1] = result[-1][0], high
        else:
            result.append((low, high))
    return result
