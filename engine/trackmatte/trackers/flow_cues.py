"""What one frame says about the objects: shared observations, and per-object log-odds."""

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
class Scene:
    """One frame as all objects share it; maps are (rows, cols) on the analysis grid."""

    rgb: U8
    """(h, w, 3) working image."""
    features: F32
    motion: Motion
    planes: dict[int, F32]
    """Per object the (h, w) prediction in [0, 1] at working scale."""
    halves: dict[int, F32]
    """The same on the analysis grid."""
    trust: F32
    gap: F32
    """(rows, cols, 2) flow relative to the camera's motion, px."""
    rest: F32
    """1 where no object is predicted."""
    active: Bool
    """Where objects are looked for."""
    ys: I32
    xs: I32
    last: tuple[Remembered, Votes]
    keys: list[tuple[Remembered, Votes]]


def observe(
    rgb: U8, features: F32, motion: Motion, back: F32, planes: dict[int, F32], last: Remembered,
    keys: list[Remembered],
) -> Scene:  # fmt: skip
    """Match the surroundings of all predictions against the remembered frames.

    Parameters
    ----------
    rgb, features : the frame and its (rows, cols, d) descriptor.
    motion, back : flow at working scale and its (rows, cols, 2) copy on the analysis grid.
    planes : per object the (h, w) prediction in [0, 1].
    last, keys : remembered frames; the chains of ``keys`` are corrected by what is found.
    """
    size = features.shape[:2]
    halves = {o: resize_map(p, size) for o, p in planes.items()}
    union: F32 = np.max(list(halves.values()), axis=0)
    active = dilate(union > 0.3, PAD)
    ys, xs = (a.astype(np.int32) for a in np.nonzero(active))
    rest = (~dilate(union > 0.1, 4)).astype(np.float32)

    def ask(r: Remembered, radius: int, stride: int) -> Votes:
        where = np.ascontiguousarray(r.where[ys, xs])
        return vote(
            features, r.features, r.labels, ys, xs, where,
            radius=radius, stride=stride, temperature=1.0, leash=0.1,
        )  # fmt: skip

    said = [(k, ask(k, 20, 4)) for k in keys]
    for k, v in said:
        k.correct(ys, xs, v.shift, v.cost)
    return Scene(
        rgb, features, motion, planes, halves, resize_map(motion.trust, size),
        background_residual(back, rest), rest, active, ys, xs, (last, ask(last, 4, 1)), said,
    )  # fmt: skip


def evidence(scene: Scene, o: int, look: F32) -> tuple[F32, F32]:
    """Sum up the log-odds of object ``o`` at the active pixels.

    Parameters
    ----------
    look : (n,) log-odds of the appearance.

    Returns
    -------
    (n,) all evidence, and (n,) the part that does not depend on the last frame's result.
    """
    ys, xs = scene.ys, scene.xs
    trust = scene.trust[ys, xs]
    fresh = BIAS + LOOK * look * (1 + 1.5 * (1 - trust))
    fresh += MOVE * motion_cue(scene.gap, scene.trust, scene.halves[o], scene.rest)[ys, xs]
    said = np.zeros(len(ys), np.float32)
    total = np.full(len(ys), 1e-6, np.float32)
    for key, v in scene.keys:
        if key.known[o]:
            quality = (1 + v.cost) ** -1.3
            said += quality**2 * logit(v.prob[:, o], 3.0)
            total += quality
    fresh += KEY * said / total
    carried = FLOW * trust * logit(scene.halves[o][ys, xs], 3.0)
    last, v = scene.last
    if last.known[o]:
        usual = max(1.0, float(np.median(v.cost)) if len(ys) else 1.0)
        carried += LAST * logit(v.prob[:, o], 3.0) / (1 + v.cost / usual)
    return (fresh + carried).astype(np.float32), fresh.astype(np.float32)


def spread_out(scene: Scene, values: F32, *, outside: float) -> F32:
    """Bring (n,) values of the active pixels to an (h, w) map at working scale."""
    grid = np.full(scene.active.shape, outside, np.float32)
    grid[scene.ys, scene.xs] = values
    h, w = scene.rgb.shape[:2]
    out: F32 = cv2.resize(grid, (w, h), interpolation=cv2.INTER_LINEAR)
    return out
