"""Layers by what a picture shows alone: against scikit-learn, the modules beneath, and known layers."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from trackmatte.errors import UsageError
from trackmatte.select.parts import PARTS, colour_layers

COLOURS = np.array([[0.85, 0.2, 0.15], [0.2, 0.5, 0.9], [0.3, 0.75, 0.3]])


def picture(height: int = 48, width: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Three flat colours with grain, (h, w, 3) uint8, and which one is where, (h, w)."""
    y, x = np.mgrid[:height, :width]
    where = np.where(x < 0.4 * width, 0, np.where(y < 0.6 * height, 1, 2))
    grain = np.random.default_rng(3).normal(0, 0.02, (height, width, 3))
    return np.rint(255 * np.clip(COLOURS[where] + grain, 0, 1)).astype(np.uint8), where


@pytest.mark.parametrize("method", PARTS)
def test_three_colours_are_three_layers_the_largest_first(method: str) -> None:
    rgb, where = picture()
    found = colour_layers(method, rgb, 3)
    assert found.shape == (*where.shape, 3)
    assert found.dtype == np.float32
    assert np.abs(found.sum(2) - 1).max() < 1e-5
    assert (np.diff(found.sum((0, 1))) <= 0).all()
    order = np.argsort([-(where == k).sum() for k in range(3)])
    for layer, k in enumerate(order):
        assert np.abs(found[..., layer] - (where == k)).mean() < 0.03


def test_gaussian_colours_are_scikit_learns() -> None:
    rgb = picture()[0]
    pixels = rgb.reshape(-1, 3).astype(float)
    shares = GaussianMixture(3, random_state=0, reg_covar=1e-9).fit(pixels).predict_proba(pixels)
    shares = shares[:, np.argsort(-shares.sum(0))]
    np.testing.assert_allclose(colour_layers("gmm", rgb, 3).reshape(-1, 3), shares, atol=0.02)


def test_neighbours_agree_in_regions_and_not_in_gaussian_colours() -> None:
    rgb, where = picture()
    noise = np.random.default_rng(0).normal(0, 70, rgb.shape)
    rgb = np.clip(rgb + noise, 0, 255).astype(np.uint8)
    order = np.argsort([-(where == k).sum() for k in range(3)])
    wrong = {m: (order[colour_layers(m, rgb, 3).argmax(2)] != where).mean() for m in ("gmm", "mrf")}
    assert wrong["mrf"] < 0.05 < wrong["gmm"]


@pytest.mark.parametrize("method", PARTS)
def test_large_pictures_are_split_reduced(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make = PARTS[method][0]
    made: list[np.ndarray] = []

    def small(rgb: Any, *rest: Any) -> Any:
        made.append(make(rgb, *rest))
        return made[0]

    monkeypatch.setitem(PARTS, method, (small, 3072))
    told: list[float] = []
    found = colour_layers(method, picture(144, 192)[0], 3, told.append)
    assert found.shape == (144, 192, 3)
    (small_layers,) = made
    assert small_layers.shape == (48, 64, 3)
    assert np.abs(found.sum(2) - 1).max() < 1e-5
    back = cv2.resize(found, (64, 48), interpolation=cv2.INTER_AREA)
    assert np.abs(back - small_layers).mean() < 0.05
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)


@pytest.mark.parametrize("method", PARTS)
def test_what_a_watch_raises_ends_the_split(method: str) -> None:
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        colour_layers(method, picture()[0], 3, stop)


@pytest.mark.parametrize("method", PARTS)
@pytest.mark.parametrize("shape", [(1, 6), (7, 40), (8, 8), (9, 300)])
def test_constant_and_thin_pictures_have_layers(method: str, shape: tuple[int, int]) -> None:
    found = colour_layers(method, np.full((*shape, 3), 90, np.uint8), 5)
    assert found.shape == (*shape, 5)
    np.testing.assert_allclose(found.sum(2), 1, atol=1e-5)
    assert found[..., 0].mean() > 0.19


@pytest.mark.parametrize("method", PARTS)
@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((1, 1, 3), np.uint8), "5 layers of 1x1 pixels"),
        (np.full((20, 20, 3), np.nan, np.float32), "finite"),
        (np.broadcast_to(np.uint8(0), (10_000, 10_000, 3)), "megapixels"),
    ],
)
def test_what_cannot_be_is_refused(method: str, image: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        colour_layers(method, image, 5)
