"""Alpha of one picture from a trimap or from scribbles, by the classical methods."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import UsageError
from trackmatte.numerics.bayes import Sampling, bayesian_matte
from trackmatte.numerics.laplacian import band_laplacian
from trackmatte.numerics.solve import solve_exactly

MOST_UNKNOWN = 2_000_000
"""Unknown pixels that the closed form solves at most: it takes about 3 kB for each."""
MOST_PIXELS = 40_000_000
"""Pixels of the smallest rectangle around them, at most: each method takes about 100 bytes for each."""


def solve_trimap(rgb: NDArray[Any], trimap: NDArray[Any], *, epsilon: float = 1e-7) -> NDArray[np.float64]:
    """Closed-form matting of a trimap (Levin, Lischinski and Weiss, PAMI 2008), solved on its band only.

    Scribbles are a trimap as well, one that knows little: see `scribbled`.

    Parameters
    ----------
    rgb : (H, W, 3) uint8, uint16 or floating in [0, 1], display code; NaN counts as 0.
    trimap : (H, W) uint8 or floating in [0, 1]; below .1 background, above .9 foreground, between unknown.
    epsilon : regularisation of the colour covariance, colour in [0, 1].

    Returns
    -------
    (H, W) float64 alpha; 0 and 1 exactly where the trimap knows.

    Raises
    ------
    UsageError
        When the shapes differ, the trimap knows no pixel, or too many are unknown.
    """
    foreground, background = known(rgb, trimap)
    unknown = ~(foreground | background)
    if unknown.all():
        raise UsageError("the trimap knows no pixel; mark some as foreground or background")
    alpha = foreground.astype(np.float64)
    if not unknown.any():
        return alpha
    if (many := int(np.count_nonzero(unknown))) > MOST_UNKNOWN:
        raise UsageError(
            f"{many / 1e6:.1f} million pixels are unknown and {MOST_UNKNOWN / 1e6:g} fit into memory; "
            "narrow the unknown band or reduce the picture"
        )
    box = _around(unknown, 2)
    image, band, fixed = (_three_wide(a) for a in (_in_unit(rgb[box]), unknown[box], alpha[box]))
    fixed[band] = np.clip(solve_exactly(band_laplacian(image, band, fixed, epsilon)), 0, 1)
    alpha[box] = fixed[: alpha[box].shape[0], : alpha[box].shape[1]]
    return alpha


def bayes_trimap(rgb: NDArray[Any], trimap: NDArray[Any], how: Sampling | None = None) -> NDArray[np.float32]:
    """Bayesian matting of a trimap: `bayesian_matte`; parameters and errors as of `solve_trimap`.

    Raises
    ------
    UsageError
        Also when pixels are unknown and one side has no sure pixel.
    """
    foreground, background = known(rgb, trimap)
    unknown = ~(foreground | background)
    alpha = foreground.astype(np.float32)
    if not unknown.any():
        return alpha
    how = how or Sampling()
    box = _around(unknown, how.reach)
    image = _in_unit(rgb[box]).astype(np.float32)
    alpha[box] = bayesian_matte(image, foreground[box], background[box], how).alpha
    return alpha


def scribbled(foreground: NDArray[np.bool_], background: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the trimap of scribbles: 1 and 0 under them, .5 elsewhere.

    Parameters
    ----------
    foreground, background : (H, W) bool, marked pixels.

    Raises
    ------
    UsageError
        When a pixel is marked as both, or nothing is marked on one side.
    """
    if both := int(np.count_nonzero(foreground & background)):
        raise UsageError(f"{both} pixels are marked as both foreground and background; erase a stroke")
    for name, side in (("foreground", foreground), ("background", background)):
        if not side.any():
            raise UsageError(f"no pixel is marked as {name}; draw a stroke there as well")
    return np.where(foreground, 1, np.where(background, 0, 0.5)).astype(np.float32)


def known(rgb: NDArray[Any], trimap: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the (H, W) foreground and background that a trimap is sure of.

    Raises
    ------
    UsageError
        When its shape is not the picture's.
    """
    if rgb.shape != (*trimap.shape, 3):
        raise UsageError(
            f"an image of shape {rgb.shape} needs a trimap of {rgb.shape[:2]}, not {trimap.shape}"
        )
    level = trimap / np.iinfo(trimap.dtype).max if np.issubdtype(trimap.dtype, np.integer) else trimap
    return np.asarray(level > 0.9), np.asarray(level < 0.1)


def _around(unknown: NDArray[np.bool_], margin: int) -> tuple[slice, slice]:
    """Return rows and columns of the rectangle around the true pixels, at least one, and a margin.

    Raises
    ------
    UsageError
        When it is too large.
    """
    rows, columns = np.flatnonzero(unknown.any(1)), np.flatnonzero(unknown.any(0))
    box = (
        slice(max(0, rows[0] - margin), rows[-1] + 1 + margin),
        slice(max(0, columns[0] - margin), columns[-1] + 1 + margin),
    )
    if (many := unknown[box].size) > MOST_PIXELS:
        raise UsageError(
            f"the unknown pixels spread over {many / 1e6:.0f} megapixels and {MOST_PIXELS / 1e6:g} fit into "
            "memory; reduce the picture or crop it around the subject"
        )
    return box


def _in_unit(rgb: NDArray[Any]) -> NDArray[np.float64]:
    scale = np.iinfo(rgb.dtype).max if np.issubdtype(rgb.dtype, np.integer) else 1
    return np.nan_to_num(rgb.astype(np.float64) / scale, posinf=1.0, neginf=0.0)


def _three_wide(image: NDArray[Any]) -> NDArray[Any]:
    """Repeat the last row and column until one 3 x 3 window fits."""
    short = [(0, max(0, 3 - n)) for n in image.shape[:2]] + [(0, 0)] * (image.ndim - 2)
    return np.pad(image, short, mode="edge")
