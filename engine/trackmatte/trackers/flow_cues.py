"""What one frame says about an object: log-odds of flow, matches, appearance and motion."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.trackers.flow_memory import Remembered, dilate
from trackmatte.trackers.flow_motion import Motion, background_residual, motion_cue
from trackmatte.trackers.flow_scale import logit, resize_map
from trackmatte.trackers.flow_vote import Votes, vote

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
U8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]

PAD = 24
"""How far from a prediction its object is looked for, analysis pixels."""
BIAS, FLOW, LAST, KEY, LOOK, MOVE = -0.25, 0.1, 0.6, 3.6, 0.15, 0.9
"""Weights of the log-odds: one logistic regression over all development sequences gave their order of
magnitude; cues that only carry the last result on (flow, last) are kept small, so that errors die out."""


@dataclass(frozen=True, slots=True, eq=False)
class Present:
    """The present frame, as all objects share it."""

    index: int
    rgb: U8
    """(h, w, 3) working image."""
    motion: Motion
    """Flow from the last frame at working scale."""
    back: F32
    """(rows, cols, 2) the same flow on the analysis grid."""
    trust: F32
    """(rows, cols) in [0, 1], its consistency."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The surroundings of one object on the present frame; maps are on the analysis grid."""

    present: Present
    features: F32
    """(rows, cols, d)."""
    plane: F32
    """(h, w) prediction in [0, 1] at working scale."""
    half: F32
    """(rows, cols) the same."""
    active: Bool
    """(rows, cols) where the object is looked for."""
    ys: I32
    xs: I32
    """(n,) the active pixels."""


def view(present: Present, features: F32, plane: F32) -> View:
    """Choose where to look for an object that is predicted at ``plane``."""
    half = resize_map(plane, features.shape[:2])
    active = dilate(half > 0.3, PAD)
    ys, xs = (a.astype(np.int32) for a in np.nonzero(active))
    return View(present, features, plane, half, active, ys, xs)


def evidence(seen: View, look: F32, last: Remembered, keys: list[Remembered]) -> tuple[F32, F32]:
    """Sum up the log-odds of an object at the active pixels.

    Parameters
    ----------
    look : (n,) log-odds of the appearance.
    last, keys : remembered frames; the chains of ``keys`` are corrected by what is found.

    Returns
    -------
    (n,) all evidence, and (n,) the part that does not depend on the last frame's result.
    """
    ys, xs = seen.ys, seen.xs
    trust = seen.present.trust[ys, xs]
    rest = (~dilate(seen.half > 0.1, 4)).astype(np.float32)
    gap = background_residual(seen.present.back, rest)
    fresh = BIAS + LOOK * look * (1 + 1.5 * (1 - trust))
    fresh += MOVE * motion_cue(gap, seen.present.trust, seen.half, rest)[ys, xs]
    said = np.zeros(len(ys), np.float32)
    total = np.full(len(ys), 1e-6, np.float32)
    for key in keys:
        v = _ask(seen, key, 20, 4)
        key.correct(ys, xs, v.shift, v.cost)
        quality = (1 + v.cost) ** -1.3
        said += quality**2 * logit(v.prob, 3.0)
        total += quality
    fresh += KEY * said / total
    v = _ask(seen, last, 4, 1)
    usual = max(1.0, float(np.median(v.cost)))
    carried = FLOW * trust * logit(seen.half[ys, xs], 3.0)
    carried += LAST * logit(v.prob, 3.0) / (1 + v.cost / usual)
    return (fresh + carried).astype(np.float32), fresh.astype(np.float32)


def _ask(seen: View, r: Remembered, radius: int, stride: int) -> Votes:
    where = np.ascontiguousarray(r.where[seen.ys, seen.xs])
    return vote(
        seen.features,
        r.features,
        r.labels,
        seen.ys,
        seen.xs,
        where,
        radius=radius,
        stride=stride,
        temperature=1.0,
        leash=0.1,
    )


def spread_out(seen: View, values: F32, *, outside: float) -> F32:
    """Bring (n,) values of the active pixels to an (h, w) map at working scale."""
    grid = np.full(seen.active.shape, outside, np.float32)
    grid[seen.ys, seen.xs] = values
    h, w = seen.present.rgb.shape[:2]
    out: F32 = cv2.resize(grid, (w, h), interpolation=cv2.INTER_LINEAR)
    return out
