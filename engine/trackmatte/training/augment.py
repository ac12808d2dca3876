"""Random composites, guides and trimaps.

What is drawn is like Mask Guided Matting's published loader (Yu et al., 2021): affine, flip, colour jitter,
masks with random threshold, erosion and dilation. New is the squash that SAM 2 gives a wide picture, and the
guide at SAM 2's low resolution.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

TRIES = 8
"""Placements tried before the subject is put into the middle."""
LEAST = 0.02
"""Share of the picture that the subject has to cover."""
SQUASH = 16 / 9
"""Widest picture that is squashed into the square, or highest."""


def composite(rgb: U8, alpha: F32, back: U8, size: int, rng: np.random.Generator) -> tuple[U8, F32]:
    """Put a jittered subject somewhere over a crop of a background.

    Colours are blended as sRGB code values, as all published composition sets do.

    Parameters
    ----------
    rgb, alpha : straight sRGB (H, W, 3) and alpha (H, W) of the subject.
    back : (h, w, 3) sRGB.
    size : side of the result, px.

    Returns
    -------
    (size, size, 3) uint8 and (size, size) float32.
    """
    held = np.dstack([jitter(rgb, rng).astype(np.float32) * alpha[..., None], alpha])
    held = _around(held)
    for left in range(TRIES, -1, -1):
        move = placement(held.shape[:2], size, rng) if left else _middle(held.shape[:2], size)
        placed = _warp(held, move, size)
        if (placed[..., 3] > 0.5).mean() >= LEAST:
            break
    truth = np.clip(placed[..., 3], 0, 1)
    plate = placed[..., :3] + (1 - truth[..., None]) * crop(back, size, rng)
    return np.rint(np.clip(plate, 0, 255)).astype(np.uint8), truth


def jitter(rgb: U8, rng: np.random.Generator) -> U8:
    """Turn the hue by up to 40 degrees and scale saturation and value a little."""
    hsv = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV).astype(np.float32)
    hsv[..., 0] = (hsv[..., 0] + rng.uniform(-20, 20)) % 180  # OpenCV counts in steps of 2 degrees
    hsv[..., 1:] = np.clip(hsv[..., 1:] * rng.uniform(0.8, 1.2, 2), 0, 255)
    return np.asarray(cv2.cvtColor(np.rint(hsv).astype(np.uint8), cv2.COLOR_HSV2RGB), np.uint8)


def placement(shape: tuple[int, int], size: int, rng: np.random.Generator) -> F32:
    """Return a random affine map (2, 3) of subject pixels to the picture's.

    Rotation up to 30 degrees, shear up to 10, flip, longer side of 0.4 to 1.4 of the picture, squash of up to
    `SQUASH` either way, centre in the middle half of the picture.
    """
    h, w = shape
    scale = size * rng.uniform(0.4, 1.4) / max(h, w)
    squash = SQUASH ** (rng.uniform(-1, 1) / 2)
    turn, lean = np.deg2rad(rng.uniform(-30, 30)), np.tan(np.deg2rad(rng.uniform(-10, 10)))
    flip = rng.choice((-1.0, 1.0))
    rotate = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    # the squash comes last: it is the camera's picture that is squashed, not the subject
    linear = np.diag([squash, 1 / squash]) @ rotate @ [[1, lean], [0, 1]] @ np.diag([flip, 1]) * scale
    centre = size * rng.uniform(0.25, 0.75, 2)
    return _about(linear, shape, centre)


def _middle(shape: tuple[int, int], size: int) -> F32:
    return _about(np.eye(2) * 0.9 * size / max(shape), shape, np.full(2, size / 2))


def _about(linear: NDArray[np.float64], shape: tuple[int, int], centre: NDArray[np.float64]) -> F32:
    """Complete a map so that the subject's middle comes to ``centre``."""
    offset = centre - linear @ [shape[1] / 2, shape[0] / 2]
    return np.column_stack([linear, offset]).astype(np.float32)


def _warp(held: F32, move: F32, size: int) -> F32:
    """Map premultiplied pixels; reduced by areas first where they shrink, so that hair does not alias."""
    shrink = max(1, int(1 / max(1e-6, np.sqrt(abs(np.linalg.det(move[:, :2]))))))
    if shrink > 1:
        h, w = held.shape[:2]
        small = cv2.resize(held, (max(1, w // shrink), max(1, h // shrink)), interpolation=cv2.INTER_AREA)
        move = move.copy()
        move[:, 0] *= w / small.shape[1]
        move[:, 1] *= h / small.shape[0]
        held = small
    pixel = move.copy()  # OpenCV's coordinates count from the middle of the first pixel
    pixel[:, 2] += move[:, :2] @ [0.5, 0.5] - 0.5
    return np.asarray(cv2.warpAffine(held, pixel, (size, size), flags=cv2.INTER_LINEAR), np.float32)


def _around(held: F32) -> F32:
    """Cut off the empty space around the subject."""
    solid = held[..., 3] > 0
    ys, xs = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    return np.ascontiguousarray(held[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1])


def crop(back: U8, size: int, rng: np.random.Generator) -> U8:
    """Return a random part of a picture, at least half of each side, scaled to (size, size, 3)."""
    h, w = back.shape[:2]
    ch, cw = (max(1, round(n * rng.uniform(0.5, 1))) for n in (h, w))
    y, x = int(rng.integers(h - ch + 1)), int(rng.integers(w - cw + 1))
    part = back[y : y + ch, x : x + cw]
    if rng.integers(2):
        part = part[:, ::-1]
    mode = cv2.INTER_AREA if min(ch, cw) >= size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(part), (size, size), interpolation=mode), np.uint8)


def guide_of(alpha: F32, rng: np.random.Generator) -> F32:
    """Return a mask as a tracker might give it, (s/4, s/4) 0 or 1.

    Alpha at a quarter of the size, blurred by up to 2 px, cut at 0.25 to 0.75, then grown or eaten by an
    ellipse of up to 5 % of the side.
    """
    side = alpha.shape[0] // 4
    low = cv2.resize(alpha, (side, side), interpolation=cv2.INTER_AREA)
    sigma = rng.uniform(0, 2 * side / 256)
    if sigma > 0.1:
        low = cv2.GaussianBlur(low, (0, 0), sigma)
    mask = (low > rng.uniform(0.25, 0.75)).astype(np.uint8)
    width = 1 + int(rng.integers(max(2, round(0.05 * side))))
    change = cv2.dilate if rng.integers(2) else cv2.erode
    changed = change(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))
    if not changed.any():
        changed = (low >= low.max()).astype(np.uint8) if not mask.any() else mask
    return np.asarray(changed, np.float32)


def unknown_of(alpha: F32, rng: np.random.Generator) -> F32:
    """Return the unknown band of a trimap (s, s), 0 or 1.

    What is neither 0 nor 1 to 8 bits, grown inwards and outwards by ellipses of 1 to 29 px at 640 px.
    """
    limit = max(2, round(30 * alpha.shape[0] / 640))
    inner, outer = (
        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (n, n)) for n in map(int, rng.integers(1, limit, 2))
    )
    solid = cv2.erode((alpha > 1 - 0.5 / 255).astype(np.uint8), inner)
    empty = cv2.erode((alpha < 0.5 / 255).astype(np.uint8), outer)
    return np.asarray(1 - solid - empty, np.float32)
