"""Which frames need the artist: signs of doubt per frame, the worst places, and the report file."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Any

from trackmatte.shot.tracking import LOST

FORMAT = "trackmatte-qc"
VERSION = 1
DOUBTFUL = 0.25
"""From this doubt on a frame is listed."""
WINDOW = 5
"""Frames, on the side the track comes from, that say what an area should be."""
_AROUND = 12
"""Frames on either side that say which agreement with the motion is usual."""
_USUAL = 0.7
"""An agreement that is lower than this everywhere is a fault, not a habit of the subject."""
_BRIDGE = 3
"""Doubtful frames at most this many apart are one place."""
_SPECK = 1e-4
"""Share of the frame that counts as no area at all: below it, areas say nothing."""

Info = Callable[[str, int], Mapping[str, Any] | None]
"""(object, source number) -> what the cached mask says of itself; None = not tracked."""


@dataclass(frozen=True, slots=True)
class FrameQuality:
    """How far one mask is to be trusted; None = the track pass said nothing of it."""

    object: str
    number: int
    """Source frame number."""
    score: float | None
    """The tracker's confidence, in [0, 1]."""
    area: float | None
    """Share of the frame that the mask covers, in [0, 1]."""
    drift: float | None
    """Agreement (IoU, in [0, 1]) with the mask before it in the pass, carried along by the motion."""
    iou: float | None
    """The model's own guess of its mask's IoU, in [0, 1]."""
    visible: bool | None
    """Whether the model says that the subject is to be seen."""
    doubt: float = 0.0
    """In [0, 1], 0 = nothing speaks against the mask."""
    reasons: tuple[str, ...] = ()
    """What speaks against it, strongest first."""
    settled: bool = False
    """Prompted or locked: the artist's own word, never in doubt."""

    @property
    def lost(self) -> bool:
        """Whether there is no subject in the mask."""
        return self.visible is False or self.area == 0 or (self.score is not None and self.score < LOST)


@dataclass(frozen=True, slots=True)
class Place:
    """Neighbouring doubtful frames of one object."""

    worst: FrameQuality
    """The most doubtful frame; the earliest of several."""
    first: int
    last: int
    """First and last source number."""


def quality(
    objects: Sequence[str],
    numbers: Sequence[int],
    info: Info,
    prompted: Mapping[str, Collection[int]],
    locked: Mapping[str, Collection[int]],
) -> list[FrameQuality]:
    """Judge every tracked mask by what the track pass wrote down of it; no pixel is read.

    A frame is compared with its neighbours on the side of the nearest prompt, which is where the track
    comes from. Several signs add up: ``1 - (1 - a)(1 - b)...``. A value that is missing says nothing.

    Parameters
    ----------
    numbers : source numbers of the frames to judge, ascending.
    info : looks up a mask's ``score``, ``area``, ``drift``, ``iou`` and ``object`` (log-odds of visibility).
    prompted, locked : source numbers by object; these frames have doubt 0.

    Returns
    -------
    One record per object and tracked frame, by object and number.
    """
    records = []
    for obj in objects:
        said = sorted(prompted.get(obj, ()))
        settled = {*said, *locked.get(obj, ())}
        found = [(n, info(obj, n)) for n in numbers]
        bare = [_record(obj, n, values, n in settled) for n, values in found if values is not None]
        records += [_judged(bare, i, said) for i in range(len(bare))]
    return records


def worst(records: Sequence[FrameQuality], count: int | None = None) -> list[Place]:
    """Return the places that need the artist, most doubtful first; equals by object and number.

    Doubtful frames with at most two good ones between them are one place, unless the artist settled one
    of those.

    Parameters
    ----------
    records : as `quality` returns them.
    count : how many at most; None = all.
    """
    steps = [b.number - a.number for a, b in pairwise(records) if a.object == b.object]
    reach = _BRIDGE * min(steps, default=1)
    places: list[Place] = []
    joined = False
    for r in records:
        if r.settled:
            joined = False
        elif r.doubt >= DOUBTFUL:
            last = places[-1] if joined else None
            if last is not None and last.worst.object == r.object and r.number - last.last <= reach:
                places[-1] = Place(r if r.doubt > last.worst.doubt else last.worst, last.first, r.number)
            else:
                places.append(Place(r, r.number, r.number))
            joined = True
    return sorted(places, key=lambda p: -p.worst.doubt)[:count]


def to_json(shot: str, records: Sequence[FrameQuality]) -> dict[str, Any]:
    """Return the report: ``format``, ``version``, ``shot`` (file name), ``places`` and ``frames``.

    A place has ``object``, ``frame`` (the worst), ``first``, ``last``, ``doubt`` and ``reasons``; a frame the
    fields of `FrameQuality`, its number as ``frame``, null = unknown. Keys and entries keep their order:
    places as `worst` gives them, frames by object and number. docs/qc.md describes it.
    """
    places = [
        {
            "object": p.worst.object,
            "frame": p.worst.number,
            "first": p.first,
            "last": p.last,
            "doubt": p.worst.doubt,
            "reasons": list(p.worst.reasons),
        }
        for p in worst(records)
    ]
    frames = [
        {
            "object": r.object,
            "frame": r.number,
            "doubt": r.doubt,
            "reasons": list(r.reasons),
            "settled": r.settled,
            "score": r.score,
            "area": r.area,
            "drift": r.drift,
            "iou": r.iou,
            "visible": r.visible,
        }
        for r in records
    ]
    return {"format": FORMAT, "version": VERSION, "shot": shot, "places": places, "frames": frames}


def _record(obj: str, number: int, values: Mapping[str, Any], settled: bool) -> FrameQuality:
    """Return the record of a mask before it is compared with its neighbours."""
    logit = _value(values, "object")
    parts = {k: _value(values, k) for k in ("score", "area", "drift", "iou")}
    score, area, drift, iou = (None if v is None else min(max(v, 0.0), 1.0) for v in parts.values())
    visible = None if logit is None else logit > 0
    return FrameQuality(obj, number, score, area, drift, iou, visible, settled=settled)


def _value(values: Mapping[str, Any], key: str) -> float | None:
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _judged(records: Sequence[FrameQuality], i: int, prompted: Sequence[int]) -> FrameQuality:
    """Return record ``i`` of an object with its doubt and the reasons."""
    r = records[i]
    if r.settled:
        return r
    signs = [(1.0, "subject lost")] if r.lost else _signs(records, i, prompted)
    signs = sorted((s for s in signs if s[0] > 0), key=lambda s: -s[0])
    doubt = 1 - math.prod(1 - weight for weight, _ in signs)
    return replace(r, doubt=round(doubt, 3), reasons=tuple(reason for _, reason in signs))


def _signs(records: Sequence[FrameQuality], i: int, prompted: Sequence[int]) -> list[tuple[float, str]]:
    """Return (weight in [0, 1], phrase) of all that speaks against a mask that is not lost."""
    r = records[i]
    before = _before(records, i, prompted)
    beside_lost = any(a.lost for a in records[max(0, i - 1) : i + 2])
    signs = [(0.6, "subject reappears")] if i and records[i - 1].lost else []
    if r.score is not None:
        signs.append((_ramp(r.score, 0.5, LOST), f"tracker unsure (score {r.score:.2f})"))
    if r.iou is not None:
        signs.append((_ramp(r.iou, 0.7, 0.3), f"model doubts its edge ({r.iou:.2f})"))
    if r.drift is not None and not beside_lost:
        around = records[max(0, i - _AROUND) : i + _AROUND + 1]
        usual = max(_USUAL, median(a.drift for a in around if a.drift is not None and not a.lost))
        signs.append((_ramp(1 - r.drift / usual, 0.08, 0.35), f"edge jumps (drift {r.drift:.2f})"))
    if r.area is not None and not beside_lost:
        ratio = _surprise(r.area, [b.area for b in before if b.area is not None and not b.lost])
        signs.append((_ramp(abs(math.log(ratio)), math.log(1.25), math.log(2)), _change(ratio)))
    return signs


def _before(records: Sequence[FrameQuality], i: int, prompted: Sequence[int]) -> Sequence[FrameQuality]:
    """Return the frames that the track passed just before record ``i``, the nearest first."""
    n = records[i].number
    at = bisect_left(prompted, n)
    left = n - prompted[at - 1] if at else math.inf
    right = prompted[at] - n if at < len(prompted) else math.inf
    if right < left:
        return records[i + 1 : i + 1 + WINDOW]
    return records[max(0, i - WINDOW) : i][::-1]


def _surprise(area: float, before: Sequence[float]) -> float:
    """Return the ratio of an area to what the areas before it, nearest first, lead one to expect.

    Each of them is extrapolated by their median growth per frame and the median of that is taken, so that
    steady growth is no surprise and one odd neighbour is no yardstick.
    """
    logs = [math.log(a + _SPECK) for a in before]
    if not logs:
        return 1.0
    growth = median(a - b for a, b in pairwise(logs)) if len(logs) > 2 else 0.0
    expected = median(a + growth * steps for steps, a in enumerate(logs, 1))
    return math.exp(math.log(area + _SPECK) - expected)


def _change(ratio: float) -> str:
    """Return a phrase for an area that is ``ratio`` times what it should be."""
    if ratio < 0.6:
        return "area halves" if ratio > 0.4 else f"area falls to {ratio:.0%}"
    if ratio > 1.7:
        return "area doubles" if ratio < 2.5 else f"area grows {ratio:.0f} times"
    return f"area {'grows' if ratio > 1 else 'shrinks'} by {abs(ratio - 1):.0%}"


def _ramp(value: float, start: float, full: float) -> float:
    """Return 0 at ``start``, 1 at ``full``, linear between them."""
    return min(1.0, max(0.0, (value - start) / (full - start)))
