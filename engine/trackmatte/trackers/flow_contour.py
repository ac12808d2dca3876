"""From per-pixel log-odds to a clean contour, and from a mask to logits that upsample well."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Bool = NDArray[np.bool_]

FAR = 12.0
"""Largest magnitude of a logit."""
HOLE_EVIDENCE = -2.0
"""Mean log-odds below which a hole that opens in a solid subject is believed."""
SLOPE = 1.0
"""Logits per pixel of distance from the contour."""


def distance_logits(mask: Bool, certainty: F32 | None = None) -> F32:
    """Signed distance of an (h, w) mask as logits: smooth, +-.5 px next to the contour, capped.

    Parameters
    ----------
    mask : (h, w) bool.
    certainty : (h, w) in (0, 1], scales the logits where the evidence is weak.
    """
    if not mask.any():
        return np.full(mask.shape, -FAR, np.float32)
    if mask.all():
        return np.full(mask.shape, FAR, np.float32)
    m = mask.astype(np.uint8)
    inside = cv2.distanceTransform(m, cv2.DIST_L2, 5)
    outside = cv2.distanceTransform(1 - m, cv2.DIST_L2, 5)
    signed = SLOPE * (np.maximum(inside - 0.5, 0) - np.maximum(outside - 0.5, 0)) + 0.25 * (2.0 * m - 1)
    out = np.clip(signed, -FAR, FAR).astype(np.float32)
    return out if certainty is None else np.asarray(out * certainty, np.float32)


def soft_logits(mask: F32) -> F32:
    """Log-odds of a soft (h, w) mask in [0, 1], kept within the distance to its contour where saturated.

    The sign is that of ``mask > 0.5`` exactly.
    """
    hard = mask > 0.5
    limit = np.abs(distance_logits(hard))
    p = np.clip(mask.astype(np.float64), 1e-7, 1 - 1e-7)
    log_odds = np.log(p / (1 - p))
    sign = np.where(hard, 1.0, -1.0)
    magnitude = np.clip(np.abs(log_odds), 1e-3, np.maximum(limit, 0.25))
    return np.asarray(sign * magnitude, np.float32)


def drop_specks(mask: Bool, keep: F32, *, share: float) -> Bool:
    """Remove 8-connected pieces smaller than ``share`` of the mask that touch nothing of ``keep`` > .5."""
    n, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if n <= 2:
        return mask
    area = stats[:, cv2.CC_STAT_AREA]
    backed = np.bincount(pieces.ravel(), weights=(keep > 0.5).ravel(), minlength=n) > 0.3 * area
    good = (area >= share * area[1:].sum()) | (backed & (area >= 0.1 * share * area[1:].sum()))
    good[0] = False
    return np.asarray(good[pieces], dtype=np.bool_)


def fill_new_holes(mask: Bool, before: F32, evidence: F32) -> Bool:
    """Close enclosed holes that open in a solid subject, unless the evidence for them is strong.

    Background comes into a subject from outside, or where limbs join around it; a hole in the middle of
    what was solid is more often a part seen for the first time.

    Parameters
    ----------
    before : (h, w) in [0, 1], the prediction from the last frame.
    evidence : (h, w) log-odds that do not depend on the last frame's result.
    """
    n, pieces = cv2.connectedComponents((~mask).astype(np.uint8), connectivity=4)
    if n <= 2:
        return mask
    area = np.maximum(np.bincount(pieces.ravel(), minlength=n), 1)
    solid = np.bincount(pieces.ravel(), weights=before.ravel(), minlength=n) / area
    against = np.bincount(pieces.ravel(), weights=evidence.ravel(), minlength=n) / area
    fill = (solid > 0.5) & (against > HOLE_EVIDENCE)
    fill[0] = False
    rim = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
    fill[rim] = False
    return np.asarray(mask | fill[pieces], dtype=np.bool_)


def drop_strangers(mask: Bool, evidence: F32) -> Bool:
    """Remove 8-connected pieces, but the best, that only inertia holds: their mean ``evidence`` is negative.

    Parameters
    ----------
    mask : (h, w) bool.
    evidence : (h, w) log-odds that do not depend on the previous frame's result.
    """
    n, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if n <= 2:
        return mask
    area = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    total = np.bincount(pieces.ravel(), weights=evidence.ravel(), minlength=n)
    good = total > 0
    good[0] = False
    total[0] = -np.inf
    if not good.any():
        good[int(np.argmax(total / area))] = True
    return np.asarray(good[pieces], dtype=np.bool_)
