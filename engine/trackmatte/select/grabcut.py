"""Iterated colour models and graph cuts, coarse first, then the contour's band at finer scale.

After Rother, Kolmogorov & Blake, "GrabCut", SIGGRAPH 2004; coarse to fine as in Lombaert et al., "A
multilevel banded graph cuts method", ICCV 2005.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.numerics.maxflow import grid_cut
from trackmatte.select.evidence import Bool, Odds, colour_evidence, colour_features

_HARD = 60.0  # log-odds of a pixel that was pinned down
_BAND = 3.0  # half width of the fine band, in coarse pixels


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One selection at one scale; all arrays (h, w)."""

    lab: Odds
    """(h, w, 3) float32 Lab."""
    subject: Bool
    """Pixels that must be subject."""
    background: Bool
    """Pixels that must be background."""
    prior: Odds
    """Log-odds of everything but colour; stays in all iterations."""
    smoothness: float
    """Weight of the contrast term, in log-odds per pixel of contour."""
    clip: float
    """Bound of the colour term's log-odds."""
    components: int = 5
    """Of each colour model."""
    begin: tuple[Bool, Bool] | None = None
    """Samples of the first colour models (subject, background); None = first cut by the prior alone."""
    sure: float = -np.inf
    """Log-odds for its label that a pixel needs to be a sample of the next colour models: what only the
    smoothness put on a side, such as a spill between two marked limbs, must not teach its colour."""


def solve(task: Task, *, iterations: int = 3) -> tuple[Bool, Odds]:
    """Alternate cuts and colour models.

    Returns
    -------
    labels : (h, w) bool, hard pixels honoured.
    unary : (h, w) log-odds that the last cut saw.
    """
    free = ~(task.subject | task.background)
    pinned = np.where(task.subject, np.float32(_HARD), np.float32(-_HARD))
    features = colour_features(task.lab)
    labels: Bool | None = None
    unary = np.where(free, task.prior, pinned)
    for _ in range(iterations):
        samples = task.begin
        if labels is not None:
            samples = labels & (unary > task.sure), ~labels & (unary < -task.sure)
        if samples is not None and samples[0].any() and samples[1].any():
            colour = colour_evidence(
                features, *samples, clip=task.clip, components=task.components, where=free
            )
            unary = np.where(free, task.prior + colour, pinned)
        cut = grid_cut(unary, task.lab, smoothness=task.smoothness, free=free)
        settled = labels is not None and float((cut != labels).mean()) < 1e-3
        labels = cut
        if settled:
            break
    assert labels is not None
    return labels, unary


def refine(task: Task, labels: Bool, unary: Odds) -> tuple[Bool, Odds]:
    """Cut again in a band around the contour of a coarser solution.

    Parameters
    ----------
    task : at the fine scale; its prior is not used.
    labels, unary : (h', w') of the coarser solution, same field of view.

    Returns
    -------
    labels, unary : (h, w) at the fine scale.
    """
    height, width = task.lab.shape[:2]
    ratio = max(width / labels.shape[1], 1.0)
    wide = cv2.resize(unary, (width, height), interpolation=cv2.INTER_LINEAR)
    inside = cv2.resize(labels.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    band = np.abs(signed_distance(inside)) <= _BAND * ratio
    pinned = task.subject | task.background
    known = (inside & ~band, ~inside & ~band)
    if known[0].any() and known[1].any():
        features = colour_features(task.lab)
        colour = colour_evidence(
            features, inside, ~inside, clip=task.clip, components=task.components, where=band
        )
        wide = np.where(band, 0.5 * wide + 0.5 * colour, wide)
    sign = np.where(inside, np.float32(1), np.float32(-1))
    fixed = np.where(band, wide, sign * np.maximum(np.abs(wide), 1))
    fixed = np.where(pinned, np.where(task.subject, np.float32(_HARD), np.float32(-_HARD)), fixed)
    fine: Odds = fixed.astype(np.float32)
    cut = grid_cut(fine, task.lab, smoothness=task.smoothness * ratio, free=band & ~pinned)
    return cut, fine


def signed_distance(labels: Bool) -> Odds:
    """Return (h, w) px to the contour, +-0.5 beside it, > 0 inside; +-large without a contour."""
    inside = labels.astype(np.uint8)
    if not inside.any() or inside.all():
        return np.where(labels, np.float32(1e4), np.float32(-1e4))
    into = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    out = cv2.distanceTransform(1 - inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    distance: NDArray[np.float32] = np.where(labels, into - 0.5, 0.5 - out).astype(np.float32)
    return distance
