"""Lazy Snapping: Li, Sun, Tang & Shum, "Lazy snapping", SIGGRAPH 2004.

    E(x) = sum_i E1(x_i) + lambda sum_(i,j) E2(x_i, x_j)
    E1(subject) = d_F / (d_F + d_B),  E1(background) = d_B / (d_F + d_B)
    E2 = [x_i != x_j] g(|C_i - C_j|^2),  g(e) = 1 / (1 + e)

``d_F``, ``d_B`` are distances to the nearest of 64 k-means colours of the marks. First on watershed pieces,
where E1 counts a piece's pixels and E2 is summed over the pixel sides that two pieces share: the pixels' own
E2 of labellings that keep pieces whole (the paper takes the pieces' mean colours, which differ more than
neighbouring pixels do, and both stages then ask for different contours). Then on pixels in a band around a
polygon, with ``E2 = g((1 - b) C + b eta g(D^2))``, D the distance to the polygon.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from trackmatte.numerics.cuts import DIRECTIONS, arc_cut, graph_energy, shifted, sparse_cut
from trackmatte.numerics.gmm import kmeans
from trackmatte.numerics.superpixels import Labels, neighbours, segment_means, watershed_segments
from trackmatte.select.evidence import Bool
from trackmatte.select.grabcut import signed_distance
from trackmatte.select.seeded import Cut, need_both

_CLUSTERS = 64
_MARKS = 1000  # pixels of one side's marks that are clustered, at most
# Chosen on breakdance, car-shadow, dance-twirl, drift-straight of DAVIS; docs/benchmarks.md has the others.
_LAMBDA = 0.075  # per px of the picture's longer side: areas grow faster than borders
_COLOUR = 1 / 16  # squared code values to the unit of C
_RIGHT, _DOWN = 4, 6  # of `DIRECTIONS`
_BLUR = 2.2  # px before the watershed: 4,000 to 9,000 pieces at 540p
_ETA = 10.0  # the paper's
_BAND = 7.0  # px, half width of what boundary editing decides
_VERTEX = 2.0  # px, how far the contour may leave its polygon

_KEPT = 1_000_000  # pixels; pieces of pictures up to there are kept for the next stroke, about 12 MB each

Floats = NDArray[np.float64]
Polygon = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """An image cut into watershed pieces, made once; strokes are answered on it."""

    rgb: NDArray[np.uint8]
    labels: Labels
    """(h, w), 0..n-1."""
    means: Floats
    """(n, 3) colours."""
    areas: Floats
    """(n,) pixels."""
    pairs: NDArray[np.int64]
    """(m, 2) pieces that touch."""
    weights: Floats
    """(m,) lambda E2 of each pair."""

    @property
    def coupling(self) -> float:
        """The lambda."""
        return _coupling(self.rgb)


def prepare(rgb: NDArray[np.uint8]) -> Pieces:
    """Cut an (h, w, 3) image into pieces."""
    labels = watershed_segments(rgb, sigma=_BLUR)
    means = segment_means(rgb, labels)
    arcs = _arcs(rgb, _coupling(rgb))
    pairs, weights = neighbours(labels, arcs[:, :-1, _RIGHT], arcs[:-1, :, _DOWN])
    areas = np.bincount(labels.ravel()).astype(np.float64)
    return Pieces(rgb, labels, means, areas, pairs, weights)


def prepared(rgb: NDArray[np.uint8]) -> Pieces:
    """Return the pieces of an (h, w, 3) image, at once where it is one of the last two asked for."""
    height, width = rgb.shape[:2]
    if height * width > _KEPT:
        return prepare(rgb)
    return _kept(rgb.tobytes(), height, width)


@lru_cache(maxsize=2)
def _kept(pixels: bytes, height: int, width: int) -> Pieces:
    return prepare(np.frombuffer(pixels, np.uint8).reshape(height, width, 3).copy())


def stroke(pieces: Pieces, subject: Bool, background: Bool) -> Cut:
    """Answer marks on pieces; a piece marked for both sides goes to the one that marks more of it.

    Raises
    ------
    PromptError : see `need_both`.
    """
    need_both(subject, background, "lazy")
    odds = likelihood(pieces.means, pieces.rgb[subject], pieces.rgb[background])
    count = pieces.areas.size
    ours, theirs = (np.bincount(pieces.labels[m], minlength=count) for m in (subject, background))
    unary = np.where(ours > theirs, np.inf, np.where(theirs > 0, -np.inf, pieces.areas * odds))
    labels, _ = sparse_cut(unary, pieces.pairs, pieces.weights)
    own = np.where(np.isfinite(unary), unary, 0)
    trace = tuple(graph_energy(x, own, pieces.pairs, pieces.weights) for x in (unary > 0, labels))
    return Cut(labels[pieces.labels], odds[pieces.labels].astype(np.float32), trace)


def likelihood(
    colours: NDArray[np.floating], subject: NDArray[np.uint8], background: NDArray[np.uint8]
) -> Floats:
    """Return ``E1(background) - E1(subject)``, in [-1, 1], of (n, 3) colours, from the marks' (k, 3) ones."""
    some = [marks[:: len(marks) // _MARKS + 1].astype(np.float64) for marks in (subject, background)]
    near = [cKDTree(kmeans(marks, _CLUSTERS)).query(colours)[0] for marks in some]
    total = near[0] + near[1]
    odds: Floats = np.where(total > 0, (near[1] - near[0]) / np.maximum(total, 1e-12), 0.0)
    return odds


def pixel_cut(rgb: NDArray[np.uint8], subject: Bool, background: Bool) -> Bool:
    """Return the cut of all pixels by the same energy, without pieces (4 neighbours)."""
    need_both(subject, background, "lazy")
    odds = likelihood(rgb.reshape(-1, 3).astype(np.float64), rgb[subject], rgb[background]).reshape(
        subject.shape
    )
    return arc_cut(_pinned(odds, subject, background), _arcs(rgb, _coupling(rgb)))


def polygons_of(labels: Bool) -> list[Polygon]:
    """Return the contours of a labelling as (k, 2) vertices (x, y) in px, for a user to move."""
    contours, _ = cv2.findContours(labels.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return [np.asarray(cv2.approxPolyDP(c, _VERTEX, True)[:, 0], np.int32) for c in contours]


def edit_boundary(
    pieces: Pieces,
    labels: Bool,
    subject: Bool,
    background: Bool,
    *,
    polygons: list[Polygon] | None = None,
    pull: float = 0.1,
) -> Bool:
    """Cut pixels in a band around polygons that bound the subject.

    Parameters
    ----------
    pieces : of the image.
    labels : (h, w) answer to the strokes; without ``polygons`` its own contours are them.
    subject, background : (h, w) marks, hard.
    polygons : of `polygons_of`, with vertices moved; where they enclose the subject, even-odd.
    pull : the paper's beta in [0, 1]: how much the polygon counts beside the picture's edges.
    """
    lines = polygons_of(labels) if polygons is None else polygons
    inside, drawn = labels, np.ones(labels.shape, np.uint8)
    if polygons is not None:
        filled = np.zeros(labels.shape, np.uint8)
        cv2.fillPoly(filled, polygons, 1)
        inside = filled > 0
    cv2.polylines(drawn, lines, True, 0)
    band = np.abs(signed_distance(inside)) <= _BAND
    if not band.any():
        return (inside | subject) & ~background
    rows, columns = np.flatnonzero(band.any(1)), np.flatnonzero(band.any(0))
    part = (slice(max(rows[0] - 1, 0), rows[-1] + 2), slice(max(columns[0] - 1, 0), columns[-1] + 2))
    away = cv2.distanceTransform(drawn, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[part]
    rgb = np.ascontiguousarray(pieces.rgb[part])
    odds = np.where(inside[part], np.inf, -np.inf)
    free = band[part]
    odds[free] = likelihood(rgb[free].astype(np.float64), pieces.rgb[subject], pieces.rgb[background])
    result = inside.copy()
    result[part] = arc_cut(
        _pinned(odds, subject[part], background[part]), _arcs(rgb, pieces.coupling, away, pull)
    )
    return (result | subject) & ~background


def _coupling(rgb: NDArray[np.uint8]) -> float:
    return _LAMBDA * float(max(rgb.shape[:2]))


def _g(e: NDArray[np.floating]) -> Floats:
    return 1 / (1 + np.asarray(e, np.float64))


def _pinned(odds: Floats, subject: Bool, background: Bool) -> Floats:
    return np.where(subject, np.inf, np.where(background, -np.inf, odds))


def _arcs(
    rgb: NDArray[np.uint8], coupling: float, away: NDArray[np.floating] | None = None, pull: float = 0.0
) -> Floats:
    """(h, w, 8) lambda E2 of 4-neighbours; a pair's distance to the polygon is the mean of its pixels'."""
    height, width = rgb.shape[:2]
    image = rgb.astype(np.float32)
    arcs = np.zeros((height, width, 8))
    for d in (1, 3, 4, 6):
        here, there = shifted(height, width, *DIRECTIONS[d])
        inner = (1 - pull) * _COLOUR * ((image[here] - image[there]) ** 2).sum(-1)
        if away is not None:
            inner = inner + pull * _ETA * _g(((away[here] + away[there]) / 2) ** 2)
        arcs[(*here, d)] = coupling * _g(inner)
    return arcs
