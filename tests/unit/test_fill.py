"""The background behind the subject: unmixing is exact, a fill is smooth, in range and calm."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from trackmatte.numerics.fill import fill, known, unmix

F32 = NDArray[np.float32]


def disc(size: tuple[int, int], x: float, y: float, r: float, soft: float = 3) -> F32:
    """A soft disc, (H, W)."""
    yy, xx = np.mgrid[: size[1], : size[0]] + 0.5
    return np.clip((r - np.hypot(xx - x, yy - y)) / soft + 0.5, 0, 1).astype(np.float32)


def texture(size: tuple[int, int], seed: int = 0) -> F32:
    """Smooth noise between about 0.2 and 0.6, (H, W, 3)."""
    noise = np.random.default_rng(seed).standard_normal((size[1], size[0], 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    return np.asarray(0.4 + 0.1 * smooth / smooth.std(), np.float32)


def test_unmix_gives_the_background_back() -> None:
    rng = np.random.default_rng(0)
    fore, back = rng.random((20, 30, 3), np.float32), rng.random((20, 30, 3), np.float32)
    alpha = rng.random((20, 30), np.float32) * np.float32(0.9)
    alpha[:5], alpha[5:10] = 0, 1
    a = alpha[..., None]
    mixed = a * fore + (1 - a) * back
    found = unmix(mixed, fore, alpha)
    np.testing.assert_array_equal(found[:5], mixed[:5])
    np.testing.assert_array_equal(found[5:10], 0)
    np.testing.assert_allclose(found[10:], back[10:], atol=2e-6)


def test_unmix_is_never_negative_but_for_the_plate_itself() -> None:
    mixed = np.full((1, 2, 3), -0.1, np.float32)
    found = unmix(mixed, np.ones_like(mixed), np.array([[0, 0.5]], np.float32))
    np.testing.assert_array_equal(found[0, 0], mixed[0, 0])
    np.testing.assert_array_equal(found[0, 1], 0)


def test_known_falls_with_alpha_and_keeps_away_by_the_guard() -> None:
    alpha = np.zeros((21, 21), np.float32)
    alpha[10, 10] = 1
    assert known(alpha)[10, 11] == 1
    near = known(alpha, guard=3)
    distance = np.hypot(*(np.mgrid[:21, :21] - 10))
    assert not near[distance <= 2.5].any()
    assert (near[distance >= 4] == 1).all()
    np.testing.assert_allclose(known(np.array([[0, 0.5, 1]], np.float32)), [[1, 0.25, 0]])


def test_what_is_known_stays_bit_for_bit() -> None:
    image, alpha = texture((97, 61)), disc((97, 61), 40, 30, 18)
    made = fill(image, known(alpha))
    np.testing.assert_array_equal(made[alpha == 0], image[alpha == 0])
    assert not np.array_equal(made[alpha == 1], image[alpha == 1])


def test_a_fill_continues_what_surrounds_it() -> None:
    """On a ramp, the middle of the hole takes the middle of the ramp, far better than one mean for all."""
    ramp = np.broadcast_to(np.linspace(0, 1, 128, dtype=np.float32)[None, :, None], (96, 128, 3))
    hole = (disc((128, 96), 40, 48, 24) > 0).astype(np.float32)
    made = fill(np.where(hole[..., None] > 0, np.float32(9), ramp), known(hole))
    error = np.abs(made - ramp)[hole > 0]
    one_mean = np.abs(ramp[hole == 0].mean(0) - ramp)[hole > 0]
    assert error.mean() < 0.25 * one_mean.mean()
    steps = np.abs(np.diff(made[48, :, 0]))
    assert steps.max() < 6 / 128  # smooth, also across the rim


def test_a_fill_invents_no_colour() -> None:
    image, hole = texture((90, 70)), disc((90, 70), 50, 40, 25)
    made = fill(image, known(hole))
    seen = image[hole < 1]
    assert (made >= seen.min(0) - 1e-6).all()
    assert (made <= seen.max(0) + 1e-6).all()


def test_a_lamp_beside_the_subject_does_not_light_the_fill() -> None:
    image, hole = np.full((80, 120, 3), 0.2, np.float32), disc((120, 80), 60, 40, 25)
    image[40, 88:90] = 800
    made = fill(image, known(hole))
    assert made[36:44, 56:64].max() < 0.3


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_broken_pixels_are_filled(bad: float) -> None:
    image = texture((40, 30))
    image[10:12, 10:12, 1] = bad
    made = fill(image, np.ones((30, 40), np.float32))
    assert np.isfinite(made).all()
    assert np.abs(made[10:12, 10:12] - 0.4).max() < 0.3
    np.testing.assert_array_equal(made[20:], image[20:])


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1), (2, 3), (33, 31)])
def test_odd_sizes_and_nothing_known(size: tuple[int, int]) -> None:
    image = np.full((size[1], size[0], 3), 0.3, np.float32)
    np.testing.assert_array_equal(fill(image, np.zeros(image.shape[:2], np.float32)), 0)
    faint = np.full(image.shape[:2], 1e-3, np.float32)
    np.testing.assert_allclose(fill(image, faint), 0.3, rtol=1e-4)


def test_a_moving_subject_does_not_make_the_fill_flicker() -> None:
    """At 0.7 px a frame over a still background; the control takes the nearest known pixel, and jumps."""
    size = (160, 120)
    image = texture(size)
    centre = (slice(50, 70), slice(70, 90))
    ours, nearest = [], []
    for i in range(12):
        alpha = disc(size, 76 + 0.7 * i, 60, 30)
        ours.append(fill(image, known(alpha, 1))[centre])
        hidden = (alpha > 0).astype(np.uint8)
        labels = cv2.distanceTransformWithLabels(hidden, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)[1]
        by_label = np.zeros((labels.max() + 1, 3), np.float32)
        by_label[labels[hidden == 0]] = image[hidden == 0]
        nearest.append(by_label[labels][centre])
    ours_moves, nearest_moves = (np.abs(np.diff(np.array(x), axis=0)).mean() for x in (ours, nearest))
    assert ours_moves < 0.004  # of light where white is 1
    assert ours_moves < 0.1 * nearest_moves
