"""Clicks and strokes that correct a mask: they change it around themselves and nowhere else."""

from __future__ import annotations

import cv2
import numpy as np

from trackmatte.numerics.maxflow import grid_cut
from trackmatte.select.evidence import Bool, Odds, colour_evidence, colour_features, to_lab
from trackmatte.select.geodesic import geodesic_distance

_REACH = 0.15  # of the frame's diagonal: how far a correction may change the mask
_SMOOTHNESS = 6.0
_TRUST = 3.0  # bound of the earlier mask's log-odds
_PULL = 6.0  # log-odds of a correction at its own place
_WORKING = 420  # px of the working window's longer side


def correct(
    rgb: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], mask: Odds, add: Bool, remove: Bool
) -> Bool:
    """Return the corrected labels.

    Parameters
    ----------
    rgb : (H, W, 3) uint8.
    mask : (H, W) logits of the earlier mask.
    add, remove : (H, W) marked pixels.

    Returns
    -------
    (H, W) bool; differs from ``mask > 0`` only in pieces that touch a mark that contradicts it.
    """
    labels = mask > 0
    wrong = (add & ~labels) | (remove & labels)
    if not wrong.any():
        return labels
    height, width = labels.shape
    reach = max(3.0, _REACH * float(np.hypot(height, width)))
    rows, columns = np.flatnonzero(wrong.any(1)), np.flatnonzero(wrong.any(0))
    window = (
        slice(max(0, int(rows[0] - reach)), min(height, int(rows[-1] + reach) + 1)),
        slice(max(0, int(columns[0] - reach)), min(width, int(columns[-1] + reach) + 1)),
    )
    labels = labels.copy()
    labels[window] = _solve(rgb[window], mask[window], add[window], remove[window], wrong[window], reach)
    labels |= add
    labels &= ~remove
    return labels


def _solve(
    rgb: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    mask: Odds,
    add: Bool,
    remove: Bool,
    wrong: Bool,
    reach: float,
) -> Bool:
    """Cut in a window at working scale; earlier labels count less near the marks that contradict them."""
    before = mask > 0
    height, width = before.shape
    scale = min(1.0, _WORKING / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    lab = to_lab(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
    plus, minus, seeds = (shrink(m, size) for m in (add, remove, wrong))
    minus &= ~plus
    prior = cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR)
    labels = prior > 0
    away = cv2.distanceTransform((~seeds).astype(np.uint8), cv2.DIST_L2, 5) / (reach * scale)
    smooth = cv2.GaussianBlur(lab, (0, 0), 1.0)
    unary = np.clip(prior, -_TRUST, _TRUST) * (0.1 + 0.9 * np.minimum(1, away * 2))
    for marks, sign in ((plus & seeds, 1), (minus & seeds, -1)):
        if marks.any():
            near = geodesic_distance(marks, smooth, contrast=1.0) / (reach * scale)
            unary += sign * _PULL * np.exp(-((near / 0.5) ** 2))
    if labels.any() and not labels.all():
        sides = (labels & (away > 0.1) & ~minus) | plus, (~labels & (away > 0.1) & ~plus) | minus
        if sides[0].any() and sides[1].any():
            unary += colour_evidence(colour_features(lab), *sides, clip=2.0)
    unary[plus], unary[minus] = 60.0, -60.0
    free = (away < 1) & ~plus & ~minus
    fixed = np.where(free | plus | minus, unary, np.where(labels, np.float32(60), np.float32(-60)))
    cut = grid_cut(fixed.astype(np.float32), lab, smoothness=_SMOOTHNESS, free=free)
    changed = cv2.resize((cut != labels).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return _touched(before, (changed > 0.5) | wrong, add, remove)


def _touched(before: Bool, changed: Bool, add: Bool, remove: Bool) -> Bool:
    """Apply the changed pieces that touch a mark of their own kind; pieces are split by their direction."""
    after = before.copy()
    for region, marks, value in ((changed & ~before, add, True), (changed & before, remove, False)):
        _, index = cv2.connectedComponents(region.astype(np.uint8), connectivity=8)
        hit = np.unique(index[marks & region])
        after[np.isin(index, hit[hit > 0])] = value
    return after


def shrink(marks: Bool, size: tuple[int, int]) -> Bool:
    """Return marks at a smaller (width, height); none disappears."""
    if (marks.shape[1], marks.shape[0]) == size:
        return marks.copy()
    small: Bool = cv2.resize(marks.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.3
    rows, columns = np.nonzero(marks)
    if rows.size and not small.any():
        small[rows * size[1] // marks.shape[0], columns * size[0] // marks.shape[1]] = True
    return small
