"""A small synthetic matting set: soft discs with hairs on textures, with exact alpha."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def texture(
    rng: np.random.Generator, size: tuple[int, int], low: tuple[int, ...], high: tuple[int, ...]
) -> np.ndarray:
    """Return blurred noise between two colours, (h, w, 3) uint8."""
    w, h = size
    noise = cv2.GaussianBlur(rng.random((h, w, 3), np.float32), (0, 0), 2)
    noise = (noise - noise.min()) / np.ptp(noise)
    return np.rint(np.asarray(low) + noise * (np.asarray(high) - low)).astype(np.uint8)


def cutout(rng: np.random.Generator, side: int) -> np.ndarray:
    """Return a disc with a soft edge and hairs, straight RGBA (side, side, 4) uint8."""
    yy, xx = np.mgrid[:side, :side] + 0.5
    r, soft = side * rng.uniform(0.24, 0.32), side * rng.uniform(0.03, 0.1)
    alpha = np.clip((r - np.hypot(xx - side / 2, yy - side / 2)) / soft + 0.5, 0, 1)
    fine = np.zeros((4 * side, 4 * side), np.uint8)
    for angle in rng.uniform(0, 2 * np.pi, 24):
        way = np.array([np.cos(angle), np.sin(angle)])
        a, b = (4 * (side / 2 + n * r * way) for n in (0.8, rng.uniform(1.2, 1.5)))
        cv2.line(fine, [int(n) for n in a], [int(n) for n in b], 255, int(rng.integers(2, 6)), cv2.LINE_AA)
    hairs = cv2.resize(fine, (side, side), interpolation=cv2.INTER_AREA) / 255
    rgb = texture(rng, (side, side), (150, 60, 10), (255, 150, 60))
    return np.dstack([rgb, np.rint(np.maximum(alpha, hairs) * 255)]).astype(np.uint8)


def write(folder: Path, fg: int = 4, bg: int = 3, side: int = 160, seed: int = 0) -> Path:
    """Write a data set and return its folder."""
    rng = np.random.default_rng(seed)
    for name in ("fg", "bg"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for i in range(fg):
        rgba = cv2.cvtColor(cutout(rng, side), cv2.COLOR_RGBA2BGRA)
        assert cv2.imwrite(str(folder / "fg" / f"{i}.png"), rgba)
    for i in range(bg):
        back = texture(rng, (side * 3 // 2, side), (10, 40, 60), (70, 150, 190))
        assert cv2.imwrite(str(folder / "bg" / f"{i}.png"), back[..., ::-1])
    return folder
