"""The guided filter: a picture explained as a local linear function of another."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


def guided_filter(guide: F32, image: F32, radius: float, epsilon: float, scale: int) -> F32:
    """Filter ``image`` along the colours of ``guide`` (He, Sun and Tang, PAMI 2013; fast form of 2015).

    Parameters
    ----------
    guide : (h, w, 3) in [0, 1].
    image : (h, w).
    radius : half width of the window, px.
    epsilon : regularisation of the colour covariance.
    scale : the linear functions are fitted on pictures smaller by this factor.

    Returns
    -------
    (h, w), not clipped.
    """
    h, w = image.shape
    size = (max(1, w // scale), max(1, h // scale))
    i = cv2.resize(guide, size, interpolation=cv2.INTER_AREA)
    p = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    side = 2 * max(1, round(radius / scale)) + 1

    def mean(x: F32) -> F32:
        return np.asarray(cv2.blur(x, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)

    mean_i, mean_p = mean(i), mean(p)
    covariance = mean(i * p[..., None]) - mean_i * mean_p[..., None]
    spread = np.empty((*p.shape, 3, 3), np.float32)
    for a in range(3):
        for b in range(a, 3):
            spread[..., a, b] = spread[..., b, a] = (
                mean(i[..., a] * i[..., b]) - mean_i[..., a] * mean_i[..., b]
            )
    spread += np.float32(epsilon) * np.eye(3, dtype=np.float32)
    slope = np.linalg.solve(spread, covariance[..., None])[..., 0].astype(np.float32)
    offset = mean_p - (slope * mean_i).sum(-1)
    slope = cv2.resize(mean(slope), (w, h), interpolation=cv2.INTER_LINEAR).reshape(h, w, 3)
    offset = cv2.resize(mean(offset), (w, h), interpolation=cv2.INTER_LINEAR)
    return np.asarray((slope * guide).sum(-1) + offset, np.float32)
