"""Per-pixel descriptors of the flow tracker: the plug, and the weight-free descriptor."""

from __future__ import annotations

from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]


class Descriptor(Protocol):
    """What turns a frame into features; learnt encoders plug in here.

    A descriptor must be a pure function of the image. The tracker resizes its map to the analysis grid
    and learns from the prompted frames which directions of it tell places apart (`Metric`).
    """

    def __call__(self, rgb: U8) -> F32:
        """Return an (h, w, c) feature map, of any size, of an (H, W, 3) uint8 sRGB image."""
        ...


class JetDescriptor:
    """Gaussian derivative jets of Lab colour at several scales, computed at half resolution.

    A local jet (Koenderink and van Doorn, "Representation of Local Geometry in the Visual System",
    Biol. Cybern. 1987) is the Taylor expansion of the blurred image: colour, slope and curvature.

    Parameters
    ----------
    scales : Gaussian sigmas in half-resolution pixels.
    """

    def __init__(self, scales: tuple[float, ...] = (1.0, 2.2, 5.0)) -> None:
        self.scales = scales

    def __call__(self, rgb: U8) -> F32:
        """Return (ceil(H / 2), ceil(W / 2), 12 per scale) float32, scale-normalised Lab derivatives."""
        h, w = rgb.shape[:2]
        half = cv2.resize(rgb, ((w + 1) // 2, (h + 1) // 2), interpolation=cv2.INTER_AREA)
        lab = cv2.cvtColor(half.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2Lab)
        planes: list[F32] = []
        for sigma in self.scales:
            g, dx, dxx = _kernels(sigma)
            for c in range(3):
                plane = np.ascontiguousarray(lab[..., c])
                pairs = [(g, g), (dx, g), (g, dx)]
                if c == 0:
                    pairs += [(dxx, g), (dx, dx), (g, dxx)]
                planes += [
                    cv2.sepFilter2D(plane, cv2.CV_32F, kx, ky, borderType=cv2.BORDER_REPLICATE)
                    for kx, ky in pairs
                ]
        return np.moveaxis(np.stack(planes), 0, -1)


class Metric:
    """A linear map of descriptors after which Euclidean distance means "another place".

    Relevant component analysis (Bar-Hillel et al., ICML 2003) with every pixel as its own class: the
    same place seen under small rotations, scalings, blur and gain gives the within-class covariance W,
    all places give the total covariance T; the leading solutions of T v = lambda W v are kept with
    v' W v = 1, so that distances are in units of nuisance.

    Attributes
    ----------
    mean : (c,) float32.
    project : (c, d) float32.
    """

    def __init__(self, mean: F32, project: F32) -> None:
        self.mean = mean
        self.project = project

    def __call__(self, features: F32, size: tuple[int, int]) -> F32:
        """Project an (h, w, c) map and bring it to ``size`` (rows, columns); returns (rows, columns, d)."""
        rows, cols = size
        planar = np.moveaxis(features, -1, 0).reshape(features.shape[-1], -1)
        flat = self.project.T @ planar - (self.mean @ self.project)[:, None]
        out = np.moveaxis(flat.reshape(-1, *features.shape[:2]), 0, -1).astype(np.float32)
        if out.shape[:2] != size:
            out = _resize_channels(out, rows, cols)
        return np.ascontiguousarray(out, dtype=np.float32)


def fit_metric(describe: Descriptor, frames: list[U8], *, dims: int = 16) -> Metric:
    """Learn the metric from prompted frames.

    Parameters
    ----------
    describe : the descriptor.
    frames : (H, W, 3) uint8 images at working scale.
    dims : channels to keep; rounded down when the descriptor has fewer.
    """
    total: list[F32] = []
    within: list[F32] = []
    for rgb in frames:
        h, w = rgb.shape[:2]
        base = describe(rgb)
        rows, cols = base.shape[:2]
        step = max(1, int(np.sqrt(rows * cols / 6000)))
        yy, xx = (a.ravel() for a in np.mgrid[0:rows:step, 0:cols:step])
        here = base[yy, xx]
        total.append(here)
        for angle, scale, blur, gain in _NUISANCES:
            m = cv2.getRotationMatrix2D((w / 2 - 0.5, h / 2 - 0.5), angle, scale)
            seen = cv2.warpAffine(rgb, m, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
            if blur > 0:
                seen = cv2.GaussianBlur(seen, (0, 0), blur)
            seen = np.clip(seen.astype(np.float32) * np.float32(gain), 0, 255).astype(np.uint8)
            fy, fx = h / rows, w / cols
            px, py = (xx + 0.5) * fx - 0.5, (yy + 0.5) * fy - 0.5
            qx = (m[0, 0] * px + m[0, 1] * py + m[0, 2] + 0.5) / fx - 0.5
            qy = (m[1, 0] * px + m[1, 1] * py + m[1, 2] + 0.5) / fy - 0.5
            ok = (qx >= 0) & (qx <= cols - 1) & (qy >= 0) & (qy <= rows - 1)
            there = describe(seen)[np.rint(qy[ok]).astype(int), np.rint(qx[ok]).astype(int)]
            within.append(there - here[ok])
    mean: F32 = np.concatenate(total).mean(0).astype(np.float32)
    spread = np.concatenate(total).astype(np.float64) - mean
    t = spread.T @ spread / len(spread)
    diff = np.concatenate(within).astype(np.float64)
    w_cov = diff.T @ diff / max(1, len(diff))
    ridge = 1e-3 * (np.trace(w_cov) + np.trace(t)) / mean.size + 1e-6
    w_cov[np.diag_indices_from(w_cov)] += ridge
    values, vectors = eigh(np.nan_to_num(t), w_cov)
    keep = np.argsort(values)[::-1][: min(dims, mean.size)]
    project = vectors[:, keep]
    project *= np.where(np.take_along_axis(project, np.abs(project).argmax(0)[None], 0) < 0, -1.0, 1.0)
    return Metric(mean, project.astype(np.float32))


_NUISANCES: tuple[tuple[float, float, float, float], ...] = (
    (20.0, 1.0, 0.0, 1.0),
    (-20.0, 1.0, 0.0, 1.1),
    (0.0, 1.25, 0.0, 0.9),
    (0.0, 0.8, 0.0, 1.0),
    (8.0, 1.0, 3.0, 1.0),
)
"""(degrees, scale, blur sigma in px, gain): how the same place may look a moment later."""


def _kernels(sigma: float) -> tuple[F32, F32, F32]:
    r = max(1, round(3 * sigma))
    x = np.arange(-r, r + 1, dtype=np.float64)
    g = np.exp(-0.5 * (x / sigma) ** 2)
    g /= g.sum()
    dx = sigma * (x / sigma**2) * g
    dxx = sigma**2 * ((x**2 - sigma**2) / sigma**4) * g
    dxx -= dxx.mean()
    return g.astype(np.float32), dx.astype(np.float32), dxx.astype(np.float32)


def _resize_channels(a: F32, rows: int, cols: int) -> F32:
    planes: list[Any] = [
        cv2.resize(np.ascontiguousarray(a[..., i]), (cols, rows), interpolation=cv2.INTER_LINEAR)
        for i in range(a.shape[-1])
    ]
    return np.stack(planes, axis=-1).astype(np.float32)
