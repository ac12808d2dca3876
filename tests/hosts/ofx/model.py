"""What the plug-in should make of a picture and its matte, in numpy and by its documents alone."""

from __future__ import annotations

import numpy as np

from tests.hosts.ofx.driver import OPAQUE, PREMULTIPLIED

ALPHA, RGB, CUTOUT, BLUR, SOURCE = range(5)
F = np.float32


def to_float(pixels: np.ndarray) -> np.ndarray:
    """Return (H, W, C) samples as float32, full scale 1."""
    scale = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}.get(pixels.dtype)
    return pixels.astype(F) / F(scale) if scale else pixels.astype(F)


def from_float(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return float32 values in a sample type: rounded and held in range, or converted."""
    scale = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}.get(dtype)
    if not scale:
        with np.errstate(over="ignore"):
            return values.astype(dtype)
    return np.floor(np.clip(values, 0, 1).astype(F) * F(scale) + F(0.5)).astype(dtype)


def shown(source: np.ndarray, matte: np.ndarray, output: int, alpha: str) -> np.ndarray:
    """Return the picture for an output choice.

    Parameters
    ----------
    source : (H, W, C) samples.
    matte : (H, W) float32.
    alpha : what the source's colours are: one of the host's three words.
    """
    x, m = to_float(source), matte.astype(F)[..., None]
    if output == SOURCE:
        return source
    count = source.shape[2]
    colour = x[..., :3] if count > 1 else np.zeros((*x.shape[:2], 3), F)
    own = x[..., 3:] if count == 4 else x if count == 1 else np.ones_like(m)
    a = np.ones_like(own) if alpha == OPAQUE or count == 3 else own
    if output == RGB:
        colour, own = np.repeat(m, 3, 2), np.ones_like(m) if count > 1 else m
    elif output == ALPHA:
        if alpha == PREMULTIPLIED:
            with np.errstate(divide="ignore", invalid="ignore"):
                colour = np.where(a == 1, colour, np.where(a > 0, colour / a, F(0)))
        own = m
    elif output == CUTOUT:
        colour = colour * (m if alpha == PREMULTIPLIED else a * m)
        own = a * m
    values = {1: own, 3: colour, 4: np.concatenate([colour, own], 2)}[count]
    return from_float(values, source.dtype)


def hash_of(picture: np.ndarray) -> str:
    """Return the hash of docs/protocol-ofx.md of (H, W, 3 or 4) samples."""
    x = to_float(picture).astype(np.float64)
    luma = x[..., 0] * 0.2126 + x[..., 1] * 0.7152 + x[..., 2] * 0.0722
    h, w = luma.shape
    rows = [slice(j * h // 8, max((j + 1) * h // 8, j * h // 8 + 1)) for j in range(8)]
    columns = [slice(i * w // 9, max((i + 1) * w // 9, i * w // 9 + 1)) for i in range(9)]
    cells = np.array([[luma[r, c].mean() for c in columns] for r in rows])
    bits = cells[:, :-1] - cells[:, 1:] > np.abs(cells).max() / 1024
    return np.packbits(bits).tobytes().hex()
