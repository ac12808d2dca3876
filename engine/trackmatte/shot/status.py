"""Where the objects of a shot stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trackmatte.shot.cache import FrameCache, Stage
from trackmatte.shot.keys import MaskKey
from trackmatte.shot.tracking import LOST


@dataclass(frozen=True, slots=True)
class ObjectStatus:
    """Where one object stands; every tuple holds source frame numbers."""

    object: str
    prompted: tuple[int, ...]
    locked: tuple[int, ...]
    tracked: tuple[int, ...]
    """Masks that are up to date or locked."""
    stale: tuple[int, ...]
    """Masks made from other prompts or settings than the present ones."""
    matted: tuple[int, ...]
    """Mattes that are up to date or locked."""
    lost: tuple[int, ...]
    """Tracked frames on which the subject was not found."""


def object_status(
    obj: str,
    cache: FrameCache,
    numbers: Sequence[int],
    *,
    prompted: Sequence[int],
    locked: set[int],
    masks: dict[int, MaskKey],
    mattes: dict[int, str],
) -> ObjectStatus:
    """Return where an object stands on the frames ``numbers``.

    Parameters
    ----------
    masks, mattes : what its masks and mattes should carry, by number.
    """
    tracked: list[int] = []
    stale: list[int] = []
    matted: list[int] = []
    lost: list[int] = []
    for n in numbers:
        found = cache.info("track", obj, n)
        if found is None:
            continue
        (tracked if n in locked or masks[n].met_by(found.get("key")) else stale).append(n)
        if found.get("score", 1.0) < LOST:
            lost.append(n)
        if n in mattes and cache.key("matte", obj, n) == mattes[n]:
            matted.append(n)
    return ObjectStatus(
        obj, tuple(prompted), tuple(sorted(locked)), tuple(tracked), tuple(stale), tuple(matted), tuple(lost)
    )


def outdated(
    obj: str,
    cache: FrameCache,
    numbers: Sequence[int],
    *,
    locked: set[int],
    masks: Mapping[int, MaskKey],
    wanted: Mapping[Stage, Mapping[int, str]],
) -> list[int]:
    """Return the frames whose matte was made from other prompts, masks or settings than the present ones.

    Parameters
    ----------
    masks, wanted : what masks, and each stage of mattes, should carry, by number.
    """
    old = []
    for n in numbers:
        mask = cache.key("track", obj, n)
        current = n in locked or mask is None or masks[n].met_by(mask)
        made = {stage: cache.key(stage, obj, n) for stage in wanted}
        fits = all(wanted[stage].get(n, key) == key for stage, key in made.items() if key)
        if any(made.values()) and not (current and fits):
            old.append(n)
    return old
