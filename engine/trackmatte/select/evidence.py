"""What colours, boxes and seeds say about each pixel, as log-odds for the subject."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.numerics.gmm import Mixture, fit_mixture
from trackmatte.select.geodesic import barrier_distance, geodesic_distance

Bool = NDArray[np.bool_]
Odds = NDArray[np.float32]

_SAMPLES = 3000
_TEXTURE, _TEXTURE_SIGMA = 2.0, 2.0  # weight beside Lab; px at working scale
_COLOUR_FLOOR = 2.0  # variance of noise in Lab, units squared
# Weights of the box's cues: logistic regression on truth masks in tight boxes, leave-one-clip-out AUC
# .863 (centre alone .745, barrier .824, colour rarity .80).
_CENTRE, _BARRIER, _RARITY, _OFFSET = 1.2, 0.58, 0.51, -0.6


def to_lab(rgb: NDArray[np.uint8]) -> Odds:
    """Return (h, w, 3) float32 CIE Lab (L in 0..100) of an (h, w, 3) sRGB image."""
    lab: Odds = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return lab


def box_evidence(lab: Odds, box: tuple[float, float, float, float]) -> Odds:
    """Return log-odds inside a box from position, connection to the outside and colour rarity.

    * position: the subject is likelier at the centre than in the corners;
    * barrier: background inside the box is reached from outside without crossing strong edges;
    * rarity: how much more common a colour is inside the box than in the ring around it.

    Parameters
    ----------
    lab : (h, w, 3).
    box : (x0, y0, x1, y1) in pixels of ``lab``.
    """
    inside = box_pixels(lab.shape[:2], box)
    side = float(np.sqrt(inside.sum()))
    outside_at = cv2.distanceTransform(inside.astype(np.uint8) ^ 1, cv2.DIST_L2, 5)
    ring = ~inside & (outside_at <= max(2.0, 0.3 * side))
    rows = (np.arange(lab.shape[0]) + 0.5 - (box[1] + box[3]) / 2) / max((box[3] - box[1]) / 2, 0.5)
    columns = (np.arange(lab.shape[1]) + 0.5 - (box[0] + box[2]) / 2) / max((box[2] - box[0]) / 2, 0.5)
    odds = _CENTRE * (1 - np.hypot(rows[:, None], columns[None])) + _OFFSET
    if ring.any():
        smooth = cv2.GaussianBlur(lab, (0, 0), 1.0)
        odds += _BARRIER * _rank_odds(barrier_distance(~inside, smooth), inside)
        odds += _RARITY * colour_evidence(
            colour_features(lab), inside, ring, clip=5.0, components=6, where=inside
        )
    result: Odds = odds.astype(np.float32)
    return result


def box_pixels(shape: tuple[int, ...], box: tuple[float, float, float, float]) -> Bool:
    """Return the (h, w) bool pixels of a box; at least one."""
    x0, y0 = min(round(box[0]), shape[1] - 1), min(round(box[1]), shape[0] - 1)
    inside = np.zeros(shape[:2], np.bool_)
    inside[y0 : max(round(box[3]), y0 + 1), x0 : max(round(box[2]), x0 + 1)] = True
    return inside


def _rank_odds(values: Odds, where: Bool) -> Odds:
    """Return the log-odds of the values' ranks among ``where``; 0 elsewhere."""
    odds = np.zeros(values.shape, np.float32)
    order = np.argsort(values[where], kind="stable")
    rank = np.empty(order.size, np.float32)
    rank[order] = (np.arange(order.size) + 0.5) / order.size
    odds[where] = np.log((rank + 0.02) / (1.02 - rank))
    return odds


def seed_evidence(lab: Odds, subject: Bool, background: Bool, *, clip: float = 3.0) -> Odds:
    """Return the log ratio of the geodesic distances to background and subject seeds (Bai & Sapiro 2007).

    Parameters
    ----------
    lab : (h, w, 3).
    subject, background : (h, w), both with at least one pixel.
    clip : bound of the result.
    """
    smooth = cv2.GaussianBlur(lab, (0, 0), 1.0)
    near = geodesic_distance(subject, smooth, contrast=1.0)
    far = geodesic_distance(background, smooth, contrast=1.0)
    odds: Odds = np.clip(np.log((far + 1) / (near + 1)), -clip, clip).astype(np.float32)
    return odds


def reach_evidence(subject: Bool, background: Bool, *, strength: float = 2.0) -> Odds:
    """Return a penalty beyond the distance at which background was marked around the subject's seeds.

    Whoever draws background around a subject draws it near: a pixel much farther from the subject's seeds
    than the background strokes are belongs to the background, whatever its colour.

    Parameters
    ----------
    subject, background : (h, w) marked pixels; the subject has at least one.
    strength : log-odds per such distance.
    """
    away = cv2.distanceTransform((~subject).astype(np.uint8), cv2.DIST_L2, 5)
    usual = float(np.median(away[background])) if background.any() else float(np.sqrt(away.size)) / 4
    odds: Odds = -strength * np.clip(away / max(usual, 3.0) - 0.6, 0, 2).astype(np.float32)
    return odds


def colour_evidence(
    features: Odds,
    subject: Bool,
    background: Bool,
    *,
    clip: float,
    components: int = 5,
    where: Bool | None = None,
) -> Odds:
    """Return the clipped log-likelihood ratio of two mixtures fitted to two sets of pixels.

    Parameters
    ----------
    features : (h, w, d), from `colour_features`.
    subject, background : (h, w), both with at least one pixel.
    clip : bound of the result.
    components : of each mixture.
    where : (h, w) pixels to rate, the others get 0; None = all.
    """
    flat = features.reshape(-1, features.shape[2])
    ours, theirs = (_fit(flat, np.flatnonzero(s), components) for s in (subject, background))
    rated = np.ones(subject.shape, np.bool_) if where is None else where
    samples = features[rated].astype(np.float64)
    odds = np.zeros(subject.shape, np.float32)
    odds[rated] = np.clip(ours.log_density(samples) - theirs.log_density(samples), -clip, clip)
    return odds


def colour_features(lab: Odds) -> Odds:
    """Return (h, w, 4): Lab and the local standard deviation of L, which tells grass from a wall."""
    light = np.ascontiguousarray(lab[..., 0])
    apart = (light - cv2.GaussianBlur(light, (0, 0), _TEXTURE_SIGMA)) ** 2
    texture = _TEXTURE * np.sqrt(np.maximum(cv2.GaussianBlur(apart, (0, 0), _TEXTURE_SIGMA), 0))
    features: Odds = np.dstack([lab, texture]).astype(np.float32)
    return features


def _fit(flat: Odds, chosen: NDArray[np.intp], components: int) -> Mixture:
    if chosen.size > _SAMPLES:
        chosen = np.random.default_rng(0).choice(chosen, _SAMPLES, replace=False)
    return fit_mixture(flat[chosen], components=components, rounds=5, floor=_COLOUR_FLOOR)
