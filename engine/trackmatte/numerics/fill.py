"""The background without the subject: unmixed where the matte is soft, filled where the subject hides it.

The fill is a pyramid of weighted means ("pull-push": Gortler, Grzeszczuk, Szeliski, Cohen, "The Lumigraph",
SIGGRAPH 1996, section 3.4.2): on the way up, each level holds the mean of what is known below it; on the way
down, what is not known takes the colour of the level above. It is smooth, fits to what surrounds it, and has
no texture: good under a blur, no clean plate.

It looks at one frame. The levels stay where they are in the picture and the weights change as smoothly as
the matte does, so the fill behind a moving subject does not jump; what was seen there on other frames is not
remembered.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

ENOUGH = 0.25
"""Share of known pixels from which on a pixel of a coarser level counts as known."""
LEAST = 1e-6
"""Share of background below which nothing can be told of it."""
TINY = np.float32(1e-12)
"""Instead of a weight of 0 in a division."""


def unmix(mixed: F32, foreground: F32, alpha: F32) -> F32:
    """Return B of ``mixed = alpha F + (1 - alpha) B``, not below 0; where alpha is 1, 0.

    Parameters
    ----------
    mixed : (H, W, 3) the plate, in the values in which it was mixed.
    foreground : (H, W, 3) straight, in the same values.
    alpha : (H, W) in [0, 1].

    Returns
    -------
    (H, W, 3) float32. Its noise grows as alpha does; the plate itself, untouched, where alpha is 0.
    """
    a, rest = alpha[..., None], 1 - alpha[..., None]
    with np.errstate(invalid="ignore"):  # a plate may hold infinities: they stay unknown
        found = np.divide(mixed - a * foreground, rest, out=np.zeros_like(mixed), where=rest > LEAST)
    return np.where(a > 0, np.maximum(found, 0), mixed).astype(np.float32)


def known(alpha: F32, guard: int = 0) -> F32:
    """Return how far each pixel's background can be trusted: (H, W) in [0, 1].

    The square of the background's share, as the error of `unmix` goes with its inverse.

    Parameters
    ----------
    alpha : (H, W) in [0, 1].
    guard : px around the subject that are not trusted: mattes end a little early, and video spreads colour.
    """
    if guard:
        alpha = cv2.dilate(alpha, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * guard + 1,) * 2))
    return np.asarray((1 - alpha) ** 2, np.float32)


def fill(image: F32, weight: F32) -> F32:
    """Return the picture with its unknown pixels filled from around them.

    Parameters
    ----------
    image : (H, W, 3) linear light, any range; pixels that are not finite are unknown.
    weight : (H, W) in [0, 1]; 1 keeps a pixel as it is, 0 ignores it.

    Returns
    -------
    (H, W, 3) float32, finite: a mean of known colours, each weighed down by how much it is brighter than
    white, so that a lamp beside the subject does not light up the fill. 0 where nothing is known.
    """
    with np.errstate(invalid="ignore"):
        finite = np.isfinite(image[..., 0] + image[..., 1] + image[..., 2])
    if not finite.all():
        image, weight = np.where(finite[..., None], image, np.float32(0)), np.where(finite, weight, 0)
    colour, have = image.astype(np.float32), weight.astype(np.float32)
    levels = [(colour, have)]
    while max(have.shape) > 1:
        say = have / _brightness(colour)
        total, said = cv2.pyrDown(colour * say[..., None]), cv2.pyrDown(say)[..., None]
        colour = total / np.maximum(said, TINY)
        have = np.minimum(cv2.pyrDown(have) / np.float32(ENOUGH), 1)
        levels.append((colour, have))
    colour, have = levels.pop()
    out = np.where(have[..., None] > 0, colour, np.float32(0))
    while levels:
        colour, have = levels.pop()
        above = cv2.pyrUp(out, dstsize=have.shape[::-1])
        out = np.asarray(above + have[..., None] * (colour - above), np.float32)
    np.copyto(out, image, where=(weight == 1)[..., None])
    return out


def _brightness(colour: F32) -> F32:
    """Return the largest channel of every pixel, by absolute value, or 1 where that is more: (h, w)."""
    high = np.maximum(np.maximum(colour[..., 0], colour[..., 1]), colour[..., 2])
    low = np.minimum(np.minimum(colour[..., 0], colour[..., 1]), colour[..., 2])
    return np.asarray(np.maximum(np.maximum(high, -low), np.float32(1)), np.float32)
