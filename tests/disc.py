"""A small synthetic shot: a soft orange disc drifting over a textured, moving, blue-green background."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np


def alpha_at(i: int, size: tuple[int, int]) -> np.ndarray:
    """Exact alpha of frame ``i``, (H, W) float32."""
    w, h = size
    r, x, y = h / 5, w * (0.35 + 0.01 * i), h * (0.5 + 0.05 * np.sin(i / 3))
    yy, xx = np.mgrid[:h, :w] + 0.5
    return np.clip((r - np.hypot(xx - x, yy - y)) / 3 + 0.5, 0, 1).astype(np.float32)


def plate_at(i: int, size: tuple[int, int]) -> np.ndarray:
    """Plate of frame ``i``, (H, W, 3) uint8."""
    w, h = size
    rng = np.random.default_rng(7)
    noise = cv2.GaussianBlur(rng.random((h + 64, w + 64, 3), np.float32), (0, 0), 2)
    noise = (noise - noise.min()) / (noise.max() - noise.min())
    back = noise[:h, i % 32 : i % 32 + w] * (60, 110, 130) + (10, 40, 60)
    spots = noise[32 : 32 + h, 32 : 32 + w] * (60, 60, 30) + (180, 90, 10)
    a = alpha_at(i, size)[..., None]
    return np.rint(spots * a + back * (1 - a)).astype(np.uint8)


def write_movie(path: Path, frames: int, size: tuple[int, int] = (160, 96)) -> Path:
    """Encode the shot as lossless-enough H.264."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=24, options={"crf": "12", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = (*size, "yuv420p")
        for i in range(frames):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(plate_at(i, size), format="rgb24")))
        out.mux(stream.encode(None))
    return path


def write_frames(folder: Path, frames: int, size: tuple[int, int] = (160, 96), first: int = 1001) -> Path:
    """Write the shot as PNG files and return the pattern."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(frames):
        bgr = cv2.cvtColor(plate_at(i, size), cv2.COLOR_RGB2BGR)
        assert cv2.imwrite(str(folder / f"plate.{first + i:04d}.png"), bgr)
    return folder / "plate.####.png"


def write_mask(path: Path, i: int, size: tuple[int, int] = (160, 96)) -> Path:
    """Write the binarised truth of frame ``i``."""
    assert cv2.imwrite(str(path), (alpha_at(i, size) > 0.5).astype(np.uint8) * 255)
    return path
