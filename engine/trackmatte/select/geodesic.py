"""Geodesic distances over an image: how much colour change lies between a pixel and a set of seeds.

Raster sweeps after Toivanen 1996, as used for editing by Criminisi, Sharp & Blake, "GeoS", ECCV 2008.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray


def geodesic_distance(
    seeds: NDArray[np.bool_], image: NDArray[np.float32], *, contrast: float, sweeps: int = 2
) -> NDArray[np.float32]:
    """Return the least cost of a path from each pixel to the seeds.

    A step costs ``sqrt(|step|^2 + contrast^2 |dz|^2)`` with z the image and the step in pixels.

    Parameters
    ----------
    seeds : (h, w).
    image : (h, w, c).
    contrast : pixels that one unit of colour difference is worth.
    sweeps : pairs of forward and backward sweeps; 2 are close to exact on photographs.

    Returns
    -------
    (h, w) float32 in pixels; infinite when there are no seeds.
    """
    distance = np.where(seeds, np.float32(0), np.float32(np.inf))
    distances: NDArray[np.float32] = _sweep(
        distance, np.ascontiguousarray(image, np.float32), np.float32(contrast**2), sweeps
    )
    return distances


@numba.njit(cache=True)
def _sweep(distance, image, contrast2, sweeps):  # type: ignore[no-untyped-def]
    height, width, channels = image.shape
    for turn in range(2 * sweeps):
        forward = turn % 2 == 0
        sign = -1 if forward else 1
        for row in range(height):
            y = row if forward else height - 1 - row
            for column in range(width):
                x = column if forward else width - 1 - column
                best = distance[y, x]
                for k in range(4):
                    if k == 3:
                        v, u, step2 = y, x + sign, np.float32(1)
                    else:
                        v, u, step2 = y + sign, x + k - 1, np.float32(1 + (k != 1))
                    if not (0 <= v < height and 0 <= u < width):
                        continue
                    if distance[v, u] >= best:
                        continue
                    change = np.float32(0)
                    for c in range(channels):
                        change += (image[y, x, c] - image[v, u, c]) ** 2
                    best = min(best, distance[v, u] + np.sqrt(step2 + contrast2 * change))
                distance[y, x] = best
    return distance


def barrier_distance(
    seeds: NDArray[np.bool_], image: NDArray[np.float32], *, sweeps: int = 2
) -> NDArray[np.float32]:
    """Return the minimum barrier distance to the seeds, summed over the channels.

    The barrier of a path is the highest minus the lowest value on it; texture, which a geodesic distance
    adds up, costs it once. Raster approximation of Zhang et al., "Minimum barrier salient object detection
    at 80 fps", ICCV 2015.

    Parameters
    ----------
    seeds : (h, w), at least one pixel.
    image : (h, w, c).
    sweeps : pairs of forward and backward sweeps.

    Returns
    -------
    (h, w) float32 in units of the image.
    """
    total = np.zeros(seeds.shape, np.float32)
    for c in range(image.shape[2]):
        distance = np.where(seeds, np.float32(0), np.float32(np.inf))
        total += _barrier_sweep(distance, np.ascontiguousarray(image[:, :, c], np.float32), sweeps)
    return total


@numba.njit(cache=True)
def _barrier_sweep(distance, image, sweeps):  # type: ignore[no-untyped-def]
    height, width = image.shape
    high, low = image.copy(), image.copy()
    for turn in range(2 * sweeps):
        forward = turn % 2 == 0
        sign = -1 if forward else 1
        for row in range(height):
            y = row if forward else height - 1 - row
            for column in range(width):
                x = column if forward else width - 1 - column
                for k in range(2):
                    v, u = (y + sign, x) if k == 0 else (y, x + sign)
                    if not (0 <= v < height and 0 <= u < width) or distance[v, u] >= distance[y, x]:
                        continue
                    top, bottom = max(high[v, u], image[y, x]), min(low[v, u], image[y, x])
                    if top - bottom < distance[y, x]:
                        distance[y, x], high[y, x], low[y, x] = top - bottom, top, bottom
    return distance
