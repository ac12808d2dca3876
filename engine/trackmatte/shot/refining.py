"""The matte pass: every tracked mask refined at plate resolution."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.mask import Mask
from trackmatte.media import FrameSource, decode_ahead
from trackmatte.progress import Progress
from trackmatte.prompt import Prompt
from trackmatte.refiners import Refiner
from trackmatte.refiners.region import Bounds, Region, bounds_of
from trackmatte.select.raster import draw_stroke
from trackmatte.shot.cache import FrameCache
from trackmatte.writers.behind import WriteBehind


@dataclass(frozen=True, slots=True)
class Hair:
    """Hair brush strokes of one frame and where the subject was when they were drawn."""

    index: int
    prompt: Prompt
    bounds: Bounds | None

    def on(self, size: tuple[int, int], bounds: Bounds | None) -> NDArray[np.bool_]:
        """Return the strokes as an (H, W) map, moved and scaled with the subject's bounds."""
        w, h = size
        hair = np.zeros((h, w), np.bool_)
        for stroke in self.prompt.scribbles:
            if stroke.mode == "hair":
                hair |= draw_stroke(stroke, size)
        if self.bounds is None or bounds is None or self.bounds == bounds:
            return hair
        (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = self.bounds, bounds
        sx, sy = (bx1 - bx0) / (ax1 - ax0), (by1 - by0) / (ay1 - ay0)
        move = np.array([[sx, 0, (bx0 - ax0 * sx) * w], [0, sy, (by0 - ay0 * sy) * h]])
        moved = cv2.warpAffine(hair.astype(np.uint8), move, (w, h), flags=cv2.INTER_NEAREST)
        return np.asarray(moved > 0)


def refine_frames(
    clip: FrameSource,
    cache: FrameCache,
    refiner: Refiner,
    wanted: Mapping[int, Mapping[str, str]],
    hair: Mapping[str, list[Hair]],
    rivals: Sequence[str],
    regions: Mapping[str, Region | None],
) -> Iterator[Progress]:
    """Refine the wanted frames into the cache, yielding after each.

    Parameters
    ----------
    wanted : frame index -> object -> hash of the matte to be made.
    hair : object -> its brushed frames; the nearest in time counts.
    rivals : objects that share no pixel; on a tie the first of them has it.
    regions : object -> the part of the plate that holds it on all frames.
    """
    if not wanted:
        return
    begin, worked = time.monotonic(), 0
    frames = clip.frames(min(wanted), max(wanted) + 1)
    room = cache.room(sum(map(len, wanted.values())))
    with WriteBehind() as writes:
        for frame in decode_ahead(f for f in frames if f.index in wanted):
            for obj, key in wanted[frame.index].items():
                mask = read_mask(cache, obj, frame.index, frame.number)
                if mask is None:
                    room.check_there()
                    continue
                if obj in rivals:
                    others = {o: read_mask(cache, o, frame.index, frame.number) for o in rivals if o != obj}
                    for other, theirs in others.items():
                        if theirs is not None:
                            mask = without(mask, theirs, tie=rivals.index(other) < rivals.index(obj))
                strokes = min(hair.get(obj, ()), key=lambda s: abs(s.index - frame.index), default=None)
                brushed = strokes.on(frame.size, bounds_of(mask)) if strokes else None
                matte = refiner.refine(frame, mask, brushed, regions.get(obj))
                write = partial(cache.write, "matte", obj, frame.number, matte.alpha, {"key": key})
                writes.put(room.guard(write), matte.alpha.nbytes)
            worked += 1
            yield Progress("refine", worked, len(wanted), frame.number, time.monotonic() - begin, worked)


def read_mask(cache: FrameCache, obj: str, index: int, number: int) -> Mask | None:
    """Return the tracked mask of a frame, or None when it was not tracked."""
    found = cache.read("track", obj, number)
    if found is None:
        return None
    return Mask(index, obj, found[0], float(found[1].get("score", 0.0)))


def without(mask: Mask, other: Mask, *, tie: bool) -> Mask:
    """Return the mask without the pixels where another object's is surer, or with ``tie`` as sure.

    As in SAM 2, what is taken away gets logits of at most -10.
    """
    h, w = mask.logits.shape
    rival = cv2.resize(other.logits, (w, h), interpolation=cv2.INTER_LINEAR)
    lost = rival >= mask.logits if tie else rival > mask.logits
    logits = np.where(lost, np.minimum(mask.logits, -10), mask.logits)
    return replace(mask, logits=logits.astype(np.float32))
