"""Video object segmentation metrics: region overlap J and boundary measure F.

Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

BoolMask = NDArray[np.bool_]


def jaccard(mask: BoolMask, truth: BoolMask) -> float:
    """Intersection over union of two (H, W) masks; 1 when both are empty."""
    union = int(np.count_nonzero(mask | truth))
    return 1.0 if union == 0 else int(np.count_nonzero(mask & truth)) / union


def boundary(mask: BoolMask) -> BoolMask:
    """Return the one-pixel contour map of a (H, W) mask.

    A pixel is on the contour when its right, lower or lower-right neighbour has another label; the
    last row looks only to the right, the last column only down, so the frame's edge is no contour.
    """
    east, south, corner = mask.copy(), mask.copy(), mask.copy()
    east[:, :-1] = mask[:, 1:]
    south[:-1] = mask[1:]
    corner[:-1, :-1] = mask[1:, 1:]
    edge = (mask ^ east) | (mask ^ south) | (mask ^ corner)
    edge[-1] = mask[-1] ^ east[-1]
    edge[:, -1] = mask[:, -1] ^ south[:, -1]
    edge[-1, -1] = False
    return edge


def boundary_f(mask: BoolMask, truth: BoolMask, *, tolerance: float = 0.008) -> float:
    """Return the F-measure of the contours of two (H, W) masks.

    Parameters
    ----------
    mask, truth : (H, W) bool.
    tolerance : matching distance as a fraction of the image diagonal, rounded up to whole pixels.
    """
    radius = math.ceil(tolerance * math.hypot(*mask.shape))
    grid = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk = (np.hypot(grid[0], grid[1]) <= radius).astype(np.uint8)
    ours, theirs = boundary(mask), boundary(truth)
    n_ours, n_theirs = int(ours.sum()), int(theirs.sum())
    if n_ours == 0 or n_theirs == 0:
        return 1.0 if n_ours == n_theirs else 0.0
    near_truth = cv2.dilate(theirs.astype(np.uint8), disk).astype(bool)
    near_ours = cv2.dilate(ours.astype(np.uint8), disk).astype(bool)
    precision = int((ours & near_truth).sum()) / n_ours
    recall = int((theirs & near_ours).sum()) / n_theirs
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)
