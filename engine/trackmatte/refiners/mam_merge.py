"""The iterative merge of mattes decoded at several scales.

Coarse scales are right about where the subject is, fine ones about its edge. From the coarse matte on, every
finer one replaces what is not yet certain, and a rim around it (Yu et al., "Mask Guided Matting via
Progressive Refinement Network", 2021; Li, Jain and Shi, "Matting Anything", 2023).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import UsageError

F32 = NDArray[np.float32]

CERTAIN = 1 / 255
"""Alpha below it is certainly background, above 1 - it certainly subject."""
WIDTHS = (10, 20, 10)
"""Of the rims where the scales 8, 4 and 1 come in: twice the diameters of the ellipses, px."""


def merge(
    os8: F32,
    os4: F32,
    os1: F32,
    mask: NDArray[Any],
    *,
    box: tuple[int, int, int, int] | None = None,
    widths: tuple[int, int, int] = WIDTHS,
    twoside: bool = False,
) -> F32:
    """Join three mattes of one picture, from coarse to fine.

    The rims have a fixed width, so the picture should be at the scale at which the decoder works.

    Parameters
    ----------
    os8, os4, os1 : (h, w) float in [0, 1], the mattes from coarse to fine; they are not changed.
    mask : (h, w), the tracked mask: above 0 = subject.
    box : x0, y0, x1, y1 in px, the last two exclusive. With it, the start is ``os8`` within the box and the
        mask outside. Without, it is the mask, with ``os8`` only on a rim around it.
    widths : twice the diameters in px of the ellipses that the rims of ``os8``, ``os4`` and ``os1`` are
        dilated by, at least 2.
    twoside : let the rims reach into what is certainly subject, too, and not only into the background.

    Returns
    -------
    (h, w) float32 in [0, 1].

    Raises
    ------
    UsageError : the shapes differ, or a width is below 2.
    """
    shapes = [x.shape for x in (os8, os4, os1, mask)]
    if len(set(shapes)) > 1 or len(shapes[0]) != 2:
        raise UsageError("mattes and mask must be of one shape (h, w), not {}, {}, {}, {}".format(*shapes))
    if min(widths) < 2:
        raise UsageError(f"the widths {widths} of the merge must be at least 2")
    inside = (mask > 0).astype(np.uint8)
    alpha = inside.astype(np.float32)
    if not alpha.size:
        return alpha
    if box is None:
        outside = 1 - inside
        rim = _dilate(inside, widths[0]) & (_dilate(outside, widths[0]) if twoside else outside)
        np.copyto(alpha, os8, where=rim.view(np.bool_))
    else:
        x0, y0, x1, y1 = (max(0, n) for n in box)
        alpha[y0:y1, x0:x1] = os8[y0:y1, x0:x1]
    for finer, width in zip((os4, os1), widths[1:], strict=True):
        np.copyto(alpha, finer, where=_uncertain(alpha, width, twoside=twoside))
    return alpha


def _uncertain(alpha: F32, width: int, *, twoside: bool) -> NDArray[np.bool_]:
    """Say where the next finer scale is to decide, (h, w)."""
    below = alpha <= np.float32(1 - CERTAIN)
    above = alpha >= np.float32(CERTAIN)
    if twoside:
        return _dilate((above & below).view(np.uint8), width).view(np.bool_)
    return _dilate(above.view(np.uint8), width).view(np.bool_) & below


def _dilate(area: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    side = width // 2
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    grown: NDArray[np.uint8] = cv2.dilate(area, ellipse)
    return grown
