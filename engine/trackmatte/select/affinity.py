"""What pieces of a picture have in common: links between superpixels, and the features they are judged by.

Aksoy, Oh, Paris, Pollefeys and Matusik, "Semantic soft segmentation", SIGGRAPH 2018.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import erf

from trackmatte.numerics.guided import guided_filter
from trackmatte.numerics.superpixels import neighbours, segment_means

COLOUR, SEMANTIC = 0.01, 0.01
"""Weights of both affinities beside the matting affinity."""
RADIUS = 0.2
"""Colours are compared up to this share of the picture's longer side."""
FEATURES = 3
"""Dimensions that features are reduced to."""
SCALES = (1.0, 3.0, 8.0)
"""Blurs of the weight-free descriptor, px of a 640-wide picture."""
PLACE = 0.35
"""Weight of the place in it; 1 would count a whole side of the picture as much as white and black."""

F32 = NDArray[np.float32]


def links(rgb: F32, features: F32, labels: NDArray[np.int32]) -> tuple[sp.csr_array, NDArray[np.int64]]:
    """Return the Laplacian of the links between superpixels, and the pixel that stands for each.

    Parameters
    ----------
    rgb : (H, W, 3) in [0, 1].
    features : (H, W, d) in [0, 1].
    labels : (H, W) superpixels 0..n-1.

    Returns
    -------
    (n, n) Laplacian, and (n, 2) row and column of each superpixel's representative.

    Notes
    -----
    Non-local colour: ``(erf(50 (.05 - |c_s - c_t|)) + 1) / 2`` between all superpixels within 20 % of the
    picture. Semantic: ``max(erf(20 (.2 - |f_s - f_t|)), 0)`` between those that touch. The paper lets it push
    apart as well, down to -1; that gives the Laplacian negative eigenvalues, whose vectors are specks, and
    layers were worse for it.
    """
    height, width = labels.shape
    place = np.moveaxis(np.indices((height, width)), 0, -1).astype(np.float64)
    centres, n = segment_means(place, labels), int(labels.max()) + 1
    near = cKDTree(centres).query_pairs(RADIUS * max(height, width), output_type="ndarray").reshape(-1, 2)
    colours, means = segment_means(rgb, labels), segment_means(features, labels)
    apart = np.linalg.norm(colours[near[:, 0]] - colours[near[:, 1]], axis=1)
    alike = COLOUR * (erf(50 * (0.05 - apart)) + 1) / 2
    near, alike = near[alike > 1e-6 * COLOUR], alike[alike > 1e-6 * COLOUR]
    touching = neighbours(labels)[0] if n > 1 else np.empty((0, 2), np.int64)
    apart = np.linalg.norm(means[touching[:, 0]] - means[touching[:, 1]], axis=1)
    same = SEMANTIC * np.maximum(erf(20 * (0.2 - apart)), 0)
    rows, columns = np.concatenate([near, touching]).T
    half = sp.coo_array((np.concatenate([alike, same]), (rows, columns)), shape=(n, n)).tocsr()
    weights = half + half.T
    laplacian = sp.csr_array(sp.diags_array(np.asarray(weights.sum(axis=1)).ravel()) - weights)
    return laplacian, representatives(labels, centres)


def representatives(labels: NDArray[np.int32], centres: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return (n, 2) row and column of the pixel of each superpixel that is nearest to its centre."""
    height, width = labels.shape
    flat = labels.ravel()
    y, x = np.divmod(np.arange(height * width), width)
    far = (y - centres[flat, 0]) ** 2 + (x - centres[flat, 1]) ** 2
    order = np.lexsort((far, flat))
    first = order[np.concatenate([[True], np.diff(flat[order]) > 0])]
    return np.stack(np.divmod(first, width), 1)


def describe(rgb: F32) -> F32:
    """Return the weight-free descriptor of a picture, (H, W, 13).

    Lab at three blurs (what a place looks like from near and from far), the energy of the brightness gradient
    at two (how textured it is), and the place. It knows regions, not objects: where a learnt encoder is
    installed, use that.

    Parameters
    ----------
    rgb : (H, W, 3) float32 in [0, 1].
    """
    height, width = rgb.shape[:2]
    unit = max(height, width) / 640
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB) / np.float32(100)
    parts: list[NDArray[Any]] = [cv2.GaussianBlur(lab, (0, 0), max(0.3, s * unit)) for s in SCALES]
    steps = [cv2.Sobel(lab[..., 0], -1, *d, scale=1 / 8) for d in ((1, 0), (0, 1))]
    energy = steps[0] ** 2 + steps[1] ** 2
    for s in SCALES[1:]:
        parts.append(4 * np.sqrt(cv2.GaussianBlur(energy, (0, 0), max(0.3, s * unit)))[..., None])
    y, x = np.mgrid[:height, :width].astype(np.float32) / np.float32(max(height, width))
    parts.append(PLACE * np.stack([y, x], -1))
    return np.asarray(np.concatenate(parts, -1), np.float32)


def reduce_features(features: F32, rgb: F32) -> F32:
    """Return the features aligned to the picture's edges and reduced to three dimensions in [0, 1].

    Parameters
    ----------
    features : (h, w, d) of the same picture at any scale, finite.
    rgb : (H, W, 3) float32 in [0, 1].

    Returns
    -------
    (H, W, min(3, d)); a guided filter of each of the main components (principal component analysis: both
    steps are linear but for the guide, and so all d need not be filtered).
    """
    h, w, d = features.shape
    flat = features.reshape(-1, d).astype(np.float64)
    flat = flat - flat.mean(0)
    _, axes = np.linalg.eigh(flat.T @ flat)
    kept = (flat @ axes[:, ::-1][:, :FEATURES]).reshape(h, w, -1)
    height, width = rgb.shape[:2]
    out = np.empty((height, width, kept.shape[2]), np.float32)
    radius = max(2.0, 0.75 * width / w, 0.015 * max(height, width))
    for i in range(kept.shape[2]):
        plane = cv2.resize(kept[..., i].astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
        size = max(1e-12, float(np.abs(plane).max()))
        out[..., i] = size * guided_filter(rgb, plane / np.float32(size), radius, 1e-2, 1)
    low, high = out.min(axis=(0, 1)), out.max(axis=(0, 1))
    return np.asarray((out - low) / max(1e-12, float((high - low).max())), np.float32)
