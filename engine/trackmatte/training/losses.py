"""What a matte is judged by in training, and where.

Losses, their weights and the areas they count in follow Matting Anything's published training (Li, Jain and
Shi, 2023), which has them from Mask Guided Matting (Yu et al., 2021); the Laplacian loss is the one of
Hou and Liu, "Context-Aware Image Matting for Simultaneous Foreground and Alpha Estimation", 2019.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from trackmatte.refiners.mam_decoder import Scales
from trackmatte.refiners.mam_merge import CERTAIN

LEVELS = 5
"""Of the Laplacian pyramid."""
SHARES = {"os8": 1 / 5, "os4": 1 / 5, "os1": 2 / 5}
"""How much each scale's losses count; they do not sum to 1 in the published code either."""
RIMS = {"os4": 30, "os1": 15}
"""The rim around what the coarser scale is unsure of is an ellipse of 1 px to one less than this wide."""
SMALLEST = 64
"""Least side of a picture, px: the pyramid reflects 2 px at its coarsest level."""


def weighted_l1(given: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Return the mean absolute difference where ``weight`` is 1; all (b, 1, h, w), in float32."""
    return ((given - truth) * weight).abs().sum() / (weight.sum() + 1e-8)


def laplacian_pyramid(x_b1hw: Tensor) -> list[Tensor]:
    """Return the `LEVELS` bands of a Laplacian pyramid, finest first, without what is left below them.

    Binomial filter of 5 x 5, borders mirrored about the outermost pixels (Burt and Adelson, 1983).
    """
    row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=x_b1hw.device) / 16
    kernel = torch.outer(row, row)[None, None]
    bands = []
    for _ in range(LEVELS):
        down = _smooth(x_b1hw, kernel)[..., ::2, ::2]
        spread = torch.zeros_like(x_b1hw)
        spread[..., ::2, ::2] = down
        bands.append(x_b1hw - _smooth(spread, 4 * kernel))
        x_b1hw = down
    return bands


def _smooth(x_b1hw: Tensor, kernel: Tensor) -> Tensor:
    return F.conv2d(F.pad(x_b1hw, (2, 2, 2, 2), mode="reflect"), kernel)


def laplacian_loss(given: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Return the sum of the weighted L1 of each band, times 2 to the power of its level; all (b, 1, h, w)."""
    total = torch.zeros((), device=given.device)
    for i, band in enumerate(laplacian_pyramid(given - truth)):  # the pyramid is linear
        total = total + 2**i * weighted_l1(band, torch.zeros_like(band), weight)
        weight = weight[..., ::2, ::2]
    return total


def matting_losses(scales: Scales, truth: Tensor, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return every part of the loss by name, e.g. ``l1_os8`` or ``lap_os1``; the loss is their sum.

    Parameters
    ----------
    scales, truth : mattes (b, 1, s, s) in [0, 1].
    weights : scale -> (b, 1, s, s), 1 where it counts.
    """
    parts = {}
    with torch.autocast(truth.device.type, enabled=False):
        for name, share in SHARES.items():
            given = getattr(scales, name).float()
            parts[f"l1_{name}"] = share * weighted_l1(given, truth, weights[name])
            parts[f"lap_{name}"] = share * laplacian_loss(given, truth, weights[name])
    return parts


def loss_weights(
    step: int, warmup: int, scales: Scales, guide: Tensor, unknown: Tensor, rng: np.random.Generator
) -> dict[str, Tensor]:
    """Return where each scale counts at a step.

    The coarse scale counts everywhere. The finer ones do in the warm-up; until three times that, inside the
    guide or in the trimap's unknown band, as a coin falls; from then on in the unknown band, or where the
    next coarser scale is unsure and a rim of random width around it, as the merge will ask of them.

    Parameters
    ----------
    guide, unknown : (b, 1, s, s) float 0 or 1.
    rng : of this step.
    """
    all_ = torch.ones_like(unknown)
    coin = bool(rng.integers(2))
    if step < warmup:
        return {"os8": all_, "os4": all_, "os1": all_}
    if step < 3 * warmup:
        band = guide if coin else unknown
        return {"os8": all_, "os4": band, "os1": band}
    if coin:
        return {"os8": all_, "os4": unknown, "os1": unknown}
    return {
        "os8": all_,
        "os4": unsure(scales.os8, RIMS["os4"], rng),
        "os1": unsure(scales.os4, RIMS["os1"], rng),
    }


def unsure(alpha: Tensor, limit: int, rng: np.random.Generator) -> Tensor:
    """Return where a matte (b, 1, s, s) is neither 0 nor 1, and a rim of random width below ``limit`` px."""
    found = []
    for plane in alpha.detach()[:, 0].float().cpu().numpy():
        side = int(rng.integers(1, limit))
        ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        between = (plane >= CERTAIN) & (plane <= 1 - CERTAIN)
        found.append(cv2.dilate(between.astype(np.uint8), ellipse))
    return torch.from_numpy(np.stack(found)[:, None]).float().to(alpha.device)
