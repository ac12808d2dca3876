"""Blur by a lens: every point of light becomes the shape of the aperture, in linear light.

The aperture's picture is its exact area in every pixel, so that a size between two whole pixels lies between
their pictures and a changing size never jumps. It is applied by the convolution theorem (a product of
spectra), at a cost that hardly depends on the radius.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from trackmatte.errors import UsageError

F32 = NDArray[np.float32]

Shape = Literal["disc", "hexagon"]
"""The aperture: wide open, or of six blades."""
Edge = Literal["mirror", "replicate"]
"""What is taken to lie outside the picture: its reflection, or its border pixels drawn out."""
SAMPLES = 32
"""Lines per column of pixels along which the aperture's area is summed."""
THREADS = min(4, os.cpu_count() or 1)

_BORDERS = {"mirror": cv2.BORDER_REFLECT, "replicate": cv2.BORDER_REPLICATE}


def aperture(radius: float, shape: Shape = "disc", rotation: float = 0.0) -> NDArray[np.float64]:
    """Return the picture of the aperture: (2 n + 1, 2 n + 1), its sum 1.

    Parameters
    ----------
    radius : of the disc, or of the circle through the hexagon's corners, in px; below a half the picture is
        a single pixel.
    rotation : degrees counter-clockwise; a hexagon of 0 has a corner to the right.

    Raises
    ------
    UsageError : the radius is negative or not finite, or there is no such shape.
    """
    if not (np.isfinite(radius) and radius >= 0):
        raise UsageError(f"the radius of a lens is a number of pixels from 0 up, not {radius}")
    if shape not in get_args(Shape):
        raise UsageError(f"{shape!r} is no aperture; there are {', '.join(get_args(Shape))}")
    n = max(0, int(np.ceil(radius - 0.5)))
    if n == 0:
        return np.ones((1, 1))
    reach, bounds = _disc(radius) if shape == "disc" else _hexagon(radius, np.deg2rad(rotation))
    edges = np.arange(-n, n + 2) - 0.5
    lines = (np.arange(SAMPLES) + 0.5) / SAMPLES
    picture = np.zeros((2 * n + 1, 2 * n + 1))
    for column in range(2 * n + 1):
        left, right = max(edges[column], -reach), min(edges[column + 1], reach)
        if left >= right:
            continue
        low, high = bounds(left + (right - left) * lines)
        below = np.clip(edges[:, None], low, high).mean(1)
        picture[:, column] = np.diff(below)[::-1] * (right - left)  # rows run down
    return np.asarray(picture / picture.sum())


Bounds = Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]]


def _disc(radius: float) -> tuple[float, Bounds]:
    """Return half the width, and the function from places x to the lowest and highest y there."""

    def bounds(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        high = np.sqrt(np.maximum(radius**2 - x**2, 0))
        return -high, high

    return radius, bounds


def _hexagon(radius: float, turn: float) -> tuple[float, Bounds]:
    corners = turn + np.arange(6) * np.pi / 3
    normals = corners + np.pi / 6
    across, up = np.cos(normals), np.sin(normals)
    side = radius * np.cos(np.pi / 6)
    rising, falling = up > 1e-9, up < -1e-9

    def bounds(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        def y(k: NDArray[np.bool_]) -> NDArray[np.float64]:
            return np.asarray((side - across[k] * x[:, None]) / up[k])

        return y(falling).max(1), y(rising).min(1)

    return float(radius * np.abs(np.cos(corners)).max()), bounds


class Lens:
    """One aperture, applied to any number of pictures; not for several threads at once."""

    def __init__(self, radius: float, shape: Shape = "disc", rotation: float = 0.0) -> None:
        self.picture = aperture(radius, shape, rotation)
        """(2 n + 1, 2 n + 1), its sum 1; see `aperture`."""
        self._spectrum: tuple[tuple[int, int], NDArray[Any]] | None = None

    def blur(self, image: NDArray[Any], *, edge: Edge = "mirror") -> F32:
        """Return the picture as the lens shows it.

        Parameters
        ----------
        image : (H, W, C) linear light, finite, any range: highlights are not clipped.
        edge : what lies outside the picture; neither rule darkens the border.

        Returns
        -------
        (H, W, C) float32, within the range of each channel.

        Notes
        -----
        One channel is transformed at a time: beside image and result, about four float32 planes of
        (H + 2 n) x (W + 2 n).
        """
        out = np.empty(image.shape, np.float32)
        for c in range(image.shape[2]):
            plane = np.ascontiguousarray(image[..., c], np.float32)
            # Rounding in a transform goes with the largest value: a mean stays between what it is of.
            np.clip(self._plane(plane, edge), plane.min(), plane.max(), out=out[..., c])
        return out

    def _plane(self, plane: F32, edge: Edge) -> F32:
        """Return (H, W) convolved with the aperture."""
        n, (h, w) = len(self.picture) // 2, plane.shape
        if n == 0:
            return plane.copy()
        size = (fft.next_fast_len(h + 2 * n, real=True), fft.next_fast_len(w + 2 * n, real=True))
        # The transform is periodic: what wraps around lands in the borders, which are cut off.
        grown = cv2.copyMakeBorder(plane, n, size[0] - h - n, n, size[1] - w - n, _BORDERS[edge])
        spectrum = fft.rfft2(grown, overwrite_x=True, workers=THREADS)
        spectrum *= self._of(size)
        full = fft.irfft2(spectrum, size, overwrite_x=True, workers=THREADS)
        return np.asarray(full[n : n + h, n : n + w], np.float32)

    def _of(self, size: tuple[int, int]) -> NDArray[Any]:
        """Return the aperture's spectrum for pictures of a size; the last one is kept."""
        if self._spectrum is None or self._spectrum[0] != size:
            n = len(self.picture) // 2
            placed = np.zeros(size, np.float32)
            placed[: 2 * n + 1, : 2 * n + 1] = self.picture
            placed = np.roll(placed, (-n, -n), (0, 1))
            self._spectrum = size, fft.rfft2(placed, overwrite_x=True, workers=THREADS)
        return self._spectrum[1]
