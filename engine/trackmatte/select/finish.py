"""From a cut to the mask that is handed on: components, holes, and smooth logits."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.select.evidence import Bool, Odds
from trackmatte.select.grabcut import signed_distance

_LARGE = 0.1  # share of the largest kept component that makes another one worth keeping
_HOLE = 0.002  # share of the subject below which a hole is closed
_LIMIT = 8.0  # largest logit


def keep_components(labels: Bool, subject: Bool, *, reach: float) -> Bool:
    """Keep what the positive marks touch, and large pieces nearby.

    Parameters
    ----------
    labels : (h, w) cut.
    subject : (h, w) positive marks; without any, the largest component counts as touched.
    reach : px; a piece of at least a tenth of the largest kept one stays when it comes so near. 0 = none.
    """
    count, index, stats, _ = cv2.connectedComponentsWithStats(labels.astype(np.uint8), connectivity=8)
    if count <= 2 and not subject.any():
        return labels
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.int64)
    areas[0] = 0
    kept = np.zeros(count, np.bool_)
    touched = np.unique(index[subject & labels])
    kept[touched if touched.size else areas.argmax()] = True
    kept[0] = False
    largest = int(areas[kept].max(initial=0))
    if reach > 0 and kept.any():
        away = cv2.distanceTransform((~kept[index]).astype(np.uint8), cv2.DIST_L2, 5)
        near = np.zeros(count, np.bool_)
        near[np.unique(index[away <= reach])] = True
        kept |= near & (areas >= _LARGE * largest)
        kept[0] = False
    result: Bool = kept[index]
    return result


def fill_holes(labels: Bool, background: Bool) -> Bool:
    """Close holes that are tiny beside the subject and hold no background mark."""
    count, index, stats, _ = cv2.connectedComponentsWithStats((~labels).astype(np.uint8), connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < _HOLE * labels.sum()
    small[0] = False
    small[np.unique(index[background])] = False
    at_border = np.unique(np.concatenate([index[0], index[-1], index[:, 0], index[:, -1]]))
    small[at_border] = False
    closed: Bool = labels | small[index] if count > 1 else labels
    return closed


def to_logits(labels: Bool, unary: Odds | None = None) -> Odds:
    """Return logits that grow with the distance from the contour and with the evidence there.

    Parameters
    ----------
    labels : (H, W); the logits' sign.
    unary : (H, W) log-odds seen by the cut, or None for full confidence.

    Returns
    -------
    (H, W) float32, never 0, at most 8 in magnitude, about 1 per pixel beside the contour.
    """
    distance = signed_distance(labels)
    if unary is not None:
        agreeing = np.where(labels, unary, -unary)
        trust = 0.4 + 0.6 / (1 + np.exp(-cv2.GaussianBlur(agreeing, (0, 0), 2.0)))
        distance = distance * trust
    logits: NDArray[np.float32] = np.clip(distance, -_LIMIT, _LIMIT).astype(np.float32)
    return logits
