"""Semantic soft segmentation: a picture as a few soft layers that sum to one.

Aksoy, Oh, Paris, Pollefeys and Matusik, "Semantic soft segmentation", SIGGRAPH 2018. One Laplacian joins
matting, colours that are alike from afar, and features that say what belongs together. Its smallest
eigenvectors are combined into 40 components that are nearly 0 or 1, these are grouped by their features, and
the groups are sharpened pixel by pixel but for the places where the picture itself is soft.

What makes it quick: eigenvectors and the first stage on a picture of a quarter of the size, with links
weighed so that they count there as they do on all pixels; the groups, not the hundred vectors, brought to
full size along the picture's colours and smoothed there by a polynomial of the Laplacian; components that
fade dropped early; and float32 where sums are short.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from trackmatte.errors import UsageError
from trackmatte.numerics.blas import single_blas
from trackmatte.numerics.eigen import enlarge, smallest_eigenvectors, smoothed
from trackmatte.numerics.guided import guided_filter
from trackmatte.numerics.laplacian import Operator, full_laplacian
from trackmatte.numerics.relax import relax, softness
from trackmatte.numerics.rgb8 import rgb8
from trackmatte.numerics.spectral import as_layers, clusters, embedding, sparse_components
from trackmatte.numerics.superpixels import slic_segments
from trackmatte.numerics.watch import Watch, part_of, unwatched
from trackmatte.select.affinity import describe, links, reduce_features

F32 = NDArray[np.float32]

LARGEST = 64_000_000
"""Pixels of a picture at most; a hundred bytes are held for each."""
SMALLEST = 8
"""Pictures with a side below this are one layer."""


@dataclass(frozen=True, slots=True)
class Making:
    """What decides the layers."""

    count: int = 5
    """Layers."""
    pixels: int = 307_200
    """Larger pictures are worked on reduced to this many pixels, 640x480."""
    coarse: int = 19_200
    """Pixels of the picture on which eigenvectors and components are sought: a quarter of 640x480."""
    superpixels: int = 2500
    eigenvectors: int = 100
    components: int = 40
    """That the first stage begins with."""
    gamma: float = 0.8
    """Of its sparsity."""
    rounds: int = 20
    """Of its optimisation."""
    epsilon: float = 1e-7
    """Regularisation of the matting Laplacian's colour covariance."""


def soft_layers(
    image: NDArray[Any],
    features: F32 | None = None,
    how: Making | None = None,
    watch: Watch = unwatched,
    before: F32 | None = None,
) -> F32:
    """Split a picture into soft layers.

    Parameters
    ----------
    image : (H, W, 3) uint8, or floating in [0, 1]; display code.
    features : (h, w, d) of the same picture, such as an encoder's; None = `affinity.describe`.
    how : settings; None = the paper's.
    watch : called a few times a second with the part that is done; what it raises ends the work.
    before : (h, w, count) layers of the frame before, at any scale: components join the layer that covered
        most of them there, not those whose features they share.

    Returns
    -------
    (H, W, count) float32 in [0, 1], every pixel summing to 1, the largest layer first. Layers that a picture
    has no use for are 0.

    Raises
    ------
    UsageError
        When the picture is empty, too large or not finite, or has fewer pixels than layers.
    """
    how = how or Making()
    shown = rgb8(image, most=LARGEST)
    height, width = shown.shape[:2]
    if how.count < 1 or how.count > height * width:
        raise UsageError(f"{how.count} layers of {width}x{height} pixels cannot be; ask for 1 or a few more")
    if features is not None and (features.ndim != 3 or not np.isfinite(features).all()):
        raise UsageError(f"features of shape {features.shape} must be (h, w, d) and finite")
    if how.count == 1 or min(height, width) < SMALLEST:
        return padded(np.ones((height, width, 1), np.float32), how.count)
    work = at_most(shown, how.pixels).astype(np.float32) / np.float32(255)
    large = work.shape[:2] != (height, width)
    with single_blas():
        layers = _work(work, features, how, part_of(watch, 0, 0.9 if large else 1), before)
        if large:
            layers = to_full(layers, shown, part_of(watch, 0.9, 1))
    return padded(layers, how.count)


def _work(rgb: F32, features: F32 | None, how: Making, watch: Watch, before: F32 | None) -> F32:
    """Return (h, w, m) layers of a picture of moderate size, m at most the count."""
    height, width = rgb.shape[:2]
    seen = reduce_features(describe(rgb) if features is None else features, rgb)
    labels = slic_segments(rgb, min(how.superpixels, max(1, height * width // 4)))
    laplacian, at = links(rgb, seen, labels)
    watch(0.05)
    alpha, small = _components(rgb, laplacian, at, how, part_of(watch, 0.05, 0.8))
    small_shape = small[1], small[0]
    guide = seen if before is None else before
    planes = (np.ascontiguousarray(guide[..., i]) for i in range(guide.shape[2]))
    reduced = [cv2.resize(p, small, interpolation=cv2.INTER_AREA).ravel() for p in planes]
    told = np.stack(reduced, 1)
    first = group(alpha, told, how.count) if before is None else group_as(alpha, told)
    system = full_laplacian(rgb, how.epsilon, np.float32)
    operator = Operator(system, (laplacian, at[:, 0] * width + at[:, 1]))
    if small_shape != (height, width):
        first = enlarge(first, small_shape, rgb)
        watch(0.85)
        first = smoothed(operator, first, 0.02 * operator.largest(), operator.largest(), 12)
    first = as_layers(first)
    watch(0.9)
    final = relax(operator, first, softness(rgb).ravel(), watch=part_of(watch, 0.9, 1))
    return as_layers(final).reshape(height, width, -1)


def _components(
    rgb: F32,
    laplacian: sp.csr_array,
    at: NDArray[np.int64],
    how: Making,
    watch: Watch,
) -> tuple[F32, tuple[int, int]]:
    """Return (n, m) components of the coarse picture, and its (w, h)."""
    small = at_most(rgb, how.coarse)
    h, w = small.shape[:2]
    share = h * w / (rgb.shape[0] * rgb.shape[1])
    scale = np.array([h / rgb.shape[0], w / rgb.shape[1]])
    rows, columns = np.minimum(((at + 0.5) * scale).astype(np.int64), [h - 1, w - 1]).T
    n = len(at)
    spread = sp.csr_array((np.ones(n), (rows * w + columns, np.arange(n))), shape=(h * w, n))
    matting = full_laplacian(small, how.epsilon).matrix()
    joined = sp.csr_array(matting + share * (spread @ laplacian @ spread.T))
    sought = min(how.eigenvectors, h * w - 1)
    values, vectors = smallest_eigenvectors(joined, sought, part_of(watch, 0, 0.6))
    start = clusters(embedding(values, vectors), how.components)
    rest = part_of(watch, 0.6, 1)
    alpha = sparse_components(vectors, start, gamma=how.gamma, rounds=how.rounds, watch=rest)
    return alpha, (w, h)


def group(alpha: F32, features: F32, count: int) -> F32:
    """Join (n, m) components whose mean (n, d) features are alike into at most ``count``.

    k-means on the means, as in the paper; but a component counts by its area, so that specks do not become
    layers.
    """
    weight = np.clip(alpha, 0, 1)
    area = weight.sum(0)
    means = weight.T @ features / np.maximum(area, 1e-6)[:, None]
    times = np.maximum(1, np.rint(500 * area / max(float(area.sum()), 1e-6)).astype(np.int64))
    labels = clusters(np.repeat(means, times, axis=0), count)
    which = labels[np.cumsum(times) - 1]
    return np.stack([alpha[:, which == k].sum(1) for k in np.unique(which)], 1)


def group_as(alpha: F32, before: F32) -> F32:
    """Join (n, m) components into the (n, count) layers of the frame before, each where most of it was."""
    which = (np.clip(alpha, 0, 1).T @ before).argmax(1)
    return np.stack([alpha[:, which == k].sum(1) for k in range(before.shape[1])], 1)


def at_most(image: NDArray[Any], pixels: int) -> NDArray[Any]:
    """Shrink (h, w, 3) to at most ``pixels``, averaging."""
    h, w = image.shape[:2]
    factor = (pixels / (h * w)) ** 0.5
    if factor >= 1:
        return image
    size = (max(SMALLEST, round(w * factor)), max(SMALLEST, round(h * factor)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def to_full(layers: F32, shown: NDArray[np.uint8], watch: Watch) -> F32:
    """Bring (h, w, m) layers to the size of the picture, along its colours, strip by strip."""
    height, width = shown.shape[:2]
    scale = max(1, round(width / layers.shape[1]))
    out = np.empty((height, width, layers.shape[2]), np.float32)
    strip, margin = 64 * scale, 8 * scale
    for top in range(0, height, strip):
        a, b = max(0, top - margin), min(height, top + strip + margin)
        guide = shown[a:b].astype(np.float32) / np.float32(255)
        rows = (np.arange(a, b, dtype=np.float32) + np.float32(0.5)) * (layers.shape[0] / height) - 0.5
        columns = (np.arange(width, dtype=np.float32) + np.float32(0.5)) * (layers.shape[1] / width) - 0.5
        xs, ys = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
        kept = slice(top - a, min(height, top + strip) - a)
        for i in range(layers.shape[2]):
            rough = cv2.remap(
                np.ascontiguousarray(layers[..., i]),
                xs,
                ys,
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
            out[top : top + strip, :, i] = guided_filter(guide, rough, 2 * scale, 1e-5, scale)[kept]
            watch(min(1.0, (top + strip * (i + 1) / layers.shape[2]) / height))
    np.clip(out, 0, 1, out=out)
    out /= np.maximum(out.sum(-1, keepdims=True), 1e-6)
    return out


def padded(layers: F32, count: int) -> F32:
    """Add layers of 0 to (h, w, m) up to ``count``."""
    missing = count - layers.shape[2]
    return np.pad(layers, ((0, 0), (0, 0), (0, missing))) if missing > 0 else layers
