"""What the cache says of a session: its state, and the matte of one frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import ShotError
from trackmatte.refiners import REFINERS
from trackmatte.server.listing import ListedCache, locked_numbers, spans
from trackmatte.server.ofx.messages import Put, Status
from trackmatte.server.ofx.picture import alike
from trackmatte.server.ofx.session import Session
from trackmatte.server.shots import OpenShot
from trackmatte.server.state import doubtful, doubts
from trackmatte.shot import Shot
from trackmatte.shot.cache import FrameCache
from trackmatte.shot.keys import Keys
from trackmatte.shot.status import object_status

DOUBTFUL = 64
"""Frames named as doubtful at most."""


class Counted:
    """Frames between two numbers, by how far all objects are there."""

    def __init__(self, opened: OpenShot, first: int | None = None, last: int | None = None) -> None:
        with opened.lock:
            shot, cache = opened.shot, opened.listed
            cache.refresh()
            numbers = shot.clip.numbers
            low, high = numbers[0] if first is None else first, numbers[-1] if last is None else last
            self.stale: set[int] = set()
            each = [self._of(shot, cache, obj, low, high) for obj in shot.objects]
        self.tracked = set.intersection(*(t for t, _ in each)) if each else set()
        self.matted = set.intersection(*(m for _, m in each)) if each else set()

    def _of(self, shot: Shot, cache: ListedCache, obj: str, low: int, high: int) -> tuple[set[int], set[int]]:
        keys = _keys(shot, cache)
        locked = locked_numbers(shot, obj)
        every = [n for n in sorted(cache.numbers("track", obj)) if n in shot.known]
        found = [n for n in every if low <= n <= high]
        prompted = [p.frame for p in shot.prompts.of(obj)]
        masks = keys.masks(obj, sorted({*found, *locked, *prompted}), locked)
        mattes = {n: key for n, key in keys.mattes(obj, every, locked).items() if low <= n <= high}
        status = object_status(
            obj, cache, found, prompted=prompted, locked=locked, masks=masks, mattes=mattes
        )
        there = {n for n in found if cache.info("matte", obj, n) is not None}
        stale = set(status.stale)
        matted = set(status.matted) - stale
        self.stale |= stale | (there - matted)
        return set(status.tracked), matted


def status_of(session: Session) -> Status:
    """Return where a session stands."""
    opened = session.sync()
    lacking = session.unmet(opened)
    notes = []
    if lacking:
        listed = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans(lacking)[:20])
        notes.append(f"The engine has no frame {listed}: prompts there do not count yet.")
    if opened is None:
        state: Literal["empty", "prompted"] = "prompted" if session.said_anything else "empty"
        return Status(state, 0, 0, 0, 0, -1, 0.0, " ".join(notes))
    counted, clip = Counted(opened), opened.shot.clip
    notes += clip.notes if not opened.shot.doc.growing else ()
    reached = (
        "matted" if counted.matted else "tracked" if counted.tracked else
        "prompted" if session.said_anything or opened.shot.doc.prompts else "empty"
    )  # fmt: skip
    return Status(
        reached,  # type: ignore[arg-type]
        len(counted.tracked),
        len(counted.matted),
        len(counted.stale),
        clip.numbers[0],
        clip.numbers[-1],
        float(clip.rate),
        " ".join(notes),
    )


def doubtful_frames(opened: OpenShot, first: int, last: int) -> list[int]:
    """Return the frames of a range that need the artist most, ascending."""
    try:
        with opened.lock:
            places = doubtful(doubts(opened.shot, opened.listed))
    except ShotError:
        return []
    return sorted([p.frame for p in places if first <= p.frame <= last][:DOUBTFUL])


def find_matte(
    session: Session, key: int, look: str, busy: Callable[[OpenShot], bool]
) -> tuple[Put, NDArray[np.float32] | None]:
    """Return what is to be said of a frame's matte, and the matte, (H, W), if there is one.

    Parameters
    ----------
    look : hash of the plate that the plugin sees, or nothing.
    busy : whether a job may be about to write it.
    """
    opened = session.sync()
    if opened is None:
        return Put("miss", note="no frame was sent yet"), None
    shot = opened.shot
    if key not in shot.known:
        first, last = shot.clip.numbers[0], shot.clip.numbers[-1]
        return Put("miss", note=f"the engine has the frames {first} to {last}, not {key}"), None
    if not shot.objects:
        return Put("miss", note="nothing is selected; add a point or a box"), None
    try:
        planes = [shot.read_matte(obj, key).alpha for obj in shot.objects]
    except ShotError:
        return _lacking(opened, key, busy), None
    stale = not all(_is_current(opened, obj, key) for obj in shot.objects)
    note = f"frame {key} was made from other prompts or settings" if stale else ""
    if look and (own := session.look(opened, key)) is not None and not alike(own, look):
        stale, note = True, f"frame {key} shows another picture than the one that was tracked"
    total = planes[0] if len(planes) == 1 else np.minimum(np.add.reduce(planes), np.float32(1))
    return Put("hit", stale, note), total


def _lacking(opened: OpenShot, key: int, busy: Callable[[OpenShot], bool]) -> Put:
    if busy(opened):
        return Put("busy", note=f"frame {key} is being worked on")
    if all(opened.shot.matte_file(obj, key).exists() for obj in opened.shot.objects):
        return Put("error", note=f"the matte of frame {key} is damaged; press Matte again")
    return Put("miss", note=f"frame {key} has no matte yet")


def _is_current(opened: OpenShot, obj: str, number: int) -> bool:
    """Whether a matte was made from the present prompts, settings and frames."""
    shot = opened.shot
    locked = locked_numbers(shot, obj)
    if number in locked:
        return True
    regional = REFINERS.get(shot.doc.refiner.name).regional
    with opened.lock:
        cache: FrameCache = opened.listed if regional or shot.doc.steady else shot.cache
        keys, numbers = _keys(shot, cache), [number]
        if isinstance(cache, ListedCache):
            cache.refresh()
            numbers = [n for n in sorted(cache.numbers("track", obj)) if n in shot.known]
        every = sorted({number, *locked, *(p.frame for p in shot.prompts.of(obj))})
        mask = keys.masks(obj, every, locked)[number]
        if not mask.met_by(cache.key("track", obj, number)):
            return False
        if keys.mattes(obj, numbers, locked).get(number) != cache.key("matte", obj, number):
            return False
        if not shot.doc.steady:
            return True
        return keys.steadies(obj, numbers, locked).get(number) == cache.key("steady", obj, number)


def _keys(shot: Shot, cache: FrameCache) -> Keys:
    return Keys(shot.doc, shot.prompts, cache, shot.clip.colour, shot.keys.contents)
