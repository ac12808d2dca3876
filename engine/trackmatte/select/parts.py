"""Other ways to split a picture into layers that sum to one, beside semantic soft segmentation.

Each is a method of its own module, on a reduced picture; the layers are brought to full size as those of
`soft_layers` are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import UsageError
from trackmatte.numerics.gmm import fit_mixture
from trackmatte.numerics.mrf import segment_mrf
from trackmatte.numerics.rgb8 import rgb8
from trackmatte.numerics.spectral import EXACT, as_layers, spectral_components
from trackmatte.numerics.watch import Watch, part_of, unwatched
from trackmatte.select.layers import LARGEST, SMALLEST, Making, at_most, padded, to_full

F32 = NDArray[np.float32]
Rgb = NDArray[np.uint8]

_FLOOR = 1.0  # least variance of a colour, code values squared
_SAMPLES = 20_000


def _spectral(small: Rgb, count: int, watch: Watch) -> F32:
    return spectral_components(small, count, watch=watch)


def _gmm(small: Rgb, count: int, watch: Watch) -> F32:
    pixels = small.reshape(-1, 3).astype(np.float64)
    model = fit_mixture(pixels[:: max(1, len(pixels) // _SAMPLES)], components=count, floor=_FLOOR)
    watch(0.5)
    return _layers(model.responsibilities(pixels), small)


def _mrf(small: Rgb, count: int, watch: Watch) -> F32:
    labels, _ = segment_mrf(small, count, watch=watch)
    return _layers(labels.reshape(-1, 1) == np.unique(labels), small)


def _layers(shares: NDArray[Any], small: Rgb) -> F32:
    return as_layers(shares.astype(np.float32)).reshape(*small.shape[:2], -1)


PARTS: dict[str, tuple[Callable[[Rgb, int, Watch], F32], int]] = {
    "spectral": (_spectral, EXACT),
    "gmm": (_gmm, Making().pixels),
    "mrf": (_mrf, EXACT),
}
"""Of each method what makes its layers, and the pixels to which larger pictures are reduced before."""


def colour_layers(method: str, image: NDArray[Any], count: int, watch: Watch = unwatched) -> F32:
    """Split a picture by what it shows alone.

    Parameters
    ----------
    method : ``spectral``: components of the matting Laplacian. ``gmm``: what each of ``count`` Gaussian
        colours has of a pixel. ``mrf``: regions of Gaussian colour whose neighbours agree, with hard edges
        where the picture is not reduced.
    image : (H, W, 3) uint8, or floating in [0, 1]; display code.
    count : layers.
    watch : called with the part that is done; what it raises ends the work.

    Returns
    -------
    (H, W, count) float32 in [0, 1], every pixel summing to 1, the largest layer first; as in `soft_layers`
    layers without use are 0, and a picture with a side below `SMALLEST` is one layer.

    Raises
    ------
    UsageError
        When the picture is empty, too large or not finite, or has fewer pixels than layers.
    """
    shown = rgb8(image, most=LARGEST)
    height, width = shown.shape[:2]
    if count < 1 or count > height * width:
        raise UsageError(f"{count} layers of {width}x{height} pixels cannot be; ask for 1 or a few more")
    if min(height, width) < SMALLEST:
        return padded(np.ones((height, width, 1), np.float32), count)
    make, pixels = PARTS[method]
    small = at_most(shown, pixels)
    large = small.shape != shown.shape
    watch(0)
    layers = make(small, count, part_of(watch, 0, 0.9 if large else 1))
    if large:
        layers = to_full(layers, shown, part_of(watch, 0.9, 1))
    return padded(layers, count)
