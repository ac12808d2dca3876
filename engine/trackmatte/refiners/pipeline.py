"""The one way from a tracked mask to a matte: crop, core, guard, paste. Refiners differ in the core alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.matte import Matte
from trackmatte.numerics.samples import nearest
from trackmatte.refiners.region import Region, guard, resample

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

CERTAIN = 8.0
"""Log-odds beyond it say no more."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The part of a plate and of its mask that a core works on."""

    frame: Frame
    """The whole plate, (H, W)."""
    mask: F32
    """(mh, mw) log-odds at the tracker's scale, finite, within `CERTAIN`."""
    region: Region
    """The part worked on, (h, w) plate pixels."""
    logits: F32
    """(h, w) log-odds at the plate's scale."""
    hair: NDArray[np.bool_] | None
    """(h, w) where the artist brushed hair, if anywhere."""

    @property
    def pixel(self) -> float:
        """Plate pixels that one pixel of the mask spans, across."""
        return float(self.frame.size[0] / self.mask.shape[1])

    def shown(self) -> U8:
        """Return the plate as (h, w, 3) uint8 sRGB, pixels that are not numbers `filled`."""
        crop: NDArray[Any] = self.region.crop(self.frame.rgb)
        return np.ascontiguousarray(self.frame.colour.display(filled(crop)))


class Found(NamedTuple):
    """What a core makes of a view."""

    alpha: F32
    """(h, w) in [0, 1]."""
    free: NDArray[np.bool_] | None = None
    """(h, w) where alpha may go far from the mask, because the tracker doubts it; besides brushed hair."""


Core = Callable[[View], Found]


def refine_in(
    region: Region | None, core: Core, frame: Frame, mask: Mask, hair: NDArray[np.bool_] | None
) -> Matte:
    """Return the matte of a mask, worked on by ``core`` within ``region``.

    An empty mask gives alpha 0 and a full one alpha 1; neither asks the core. Outside the region, and
    further from the contour than `guard` lets it, alpha is the mask.

    Parameters
    ----------
    region : the part of the plate to work on; None = there is no contour to work on.
    core : what this refiner does.
    frame : the plate, (H, W).
    mask : soft mask at any scale of the same picture; log-odds that are not numbers count as background.
    hair : (H, W) bool, where alpha may go far from the mask. Optional.
    """
    inside, (width, height) = mask.binary, frame.size
    if region is None or not inside.any() or inside.all():
        full = bool(inside.size) and bool(inside.all())
        return Matte(mask.index, mask.object, np.full((height, width), float(full), np.float32))
    sure = np.nan_to_num(mask.logits, nan=-CERTAIN, posinf=CERTAIN, neginf=-CERTAIN)
    sure = np.clip(sure, -CERTAIN, CERTAIN).astype(np.float32)
    brushed = None if hair is None else np.asarray(region.crop(hair), np.bool_)
    view = View(frame, sure, region, resample(sure, frame.size, region), brushed)
    area = float(inside.sum()) * view.pixel * height / len(inside)
    alpha, free = core(view)
    if brushed is not None:
        free = brushed if free is None else free | brushed
    alpha = guard(alpha, view.logits, area=area, width=width, pixel=view.pixel, free=free)
    whole = cv2.resize(inside.astype(np.uint8), frame.size, interpolation=cv2.INTER_NEAREST)
    out = whole.astype(np.float32)
    region.crop(out)[:] = alpha
    return Matte(mask.index, mask.object, out)


def filled(rgb: NDArray[Any]) -> NDArray[Any]:
    """Return (h, w, c) pixels, those with a channel that is not a number as a nearest one that is whole.

    Infinite values stay: they are light and dark beyond the range.
    """
    if not np.issubdtype(rgb.dtype, np.floating):
        return rgb
    known = ~np.isnan(rgb).any(axis=2)
    if known.all():
        return rgb
    if not known.any():
        return np.zeros_like(rgb)
    rows, columns = nearest(known)
    return np.asarray(rgb[rows, columns])
