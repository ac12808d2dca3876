"""Bayesian matting against the six equations, against brute force, and where truth is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from trackmatte.errors import UsageError
from trackmatte.numerics.bayes import Sampling, _gather, _window, bayesian_matte, shells, solve_pair
from trackmatte.refiners.trimap import bayes_trimap, scribbled, solve_trimap

VARIANCE = 0.01**2


class Pair:
    """A pixel between two random clusters."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.mean_f, self.mean_b = rng.uniform(0.1, 0.9, (2, 3))
        roots = rng.normal(0, 0.05, (2, 3, 3))
        self.cov_f, self.cov_b = roots @ roots.transpose(0, 2, 1) + 1e-5 * np.eye(3)
        self.true = rng.uniform(0.1, 0.9)
        mixed = self.true * self.mean_f + (1 - self.true) * self.mean_b
        self.colour = mixed + rng.normal(0, 0.02, 3)

    def posterior(self, alpha: float, f: NDArray[Any], b: NDArray[Any]) -> float:
        """The lecture's sum of logarithms, with the 1/2 that its six equations imply."""
        left = self.colour - alpha * f - (1 - alpha) * b
        far_f, far_b = f - self.mean_f, b - self.mean_b
        return float(
            -left @ left / (2 * VARIANCE)
            - far_f @ np.linalg.solve(self.cov_f, far_f) / 2
            - far_b @ np.linalg.solve(self.cov_b, far_b) / 2
        )

    def six(self, alpha: float) -> tuple[NDArray[Any], NDArray[Any]]:
        """F and B by the lecture's 6 x 6 system."""
        eye, inv_f, inv_b = np.eye(3), np.linalg.inv(self.cov_f), np.linalg.inv(self.cov_b)
        cross = eye * alpha * (1 - alpha) / VARIANCE
        matrix = np.block(
            [
                [inv_f + eye * alpha**2 / VARIANCE, cross],
                [cross, inv_b + eye * (1 - alpha) ** 2 / VARIANCE],
            ]
        )
        right = np.concatenate(
            [
                inv_f @ self.mean_f + self.colour * alpha / VARIANCE,
                inv_b @ self.mean_b + self.colour * (1 - alpha) / VARIANCE,
            ]
        )
        found = np.linalg.solve(matrix, right)
        return found[:3], found[3:]

    def solve(self, start: float, rounds: int) -> tuple[float, float, NDArray[Any], NDArray[Any]]:
        f, b = np.empty(3), np.empty(3)
        clusters = self.mean_f, self.cov_f, self.mean_b, self.cov_b
        alpha, posterior = solve_pair(self.colour, *clusters, VARIANCE, start, rounds, f, b)
        return alpha, posterior, f, b


@pytest.mark.parametrize("alpha", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_f_and_b_solve_the_six_equations(alpha: float) -> None:
    pair = Pair(1)
    new, posterior, f, b = pair.solve(alpha, 1)
    six_f, six_b = pair.six(alpha)
    assert f == pytest.approx(six_f, abs=1e-7)
    assert b == pytest.approx(six_b, abs=1e-7)
    assert posterior == pytest.approx(pair.posterior(alpha, f, b), rel=1e-5)
    projected = (pair.colour - b) @ (f - b) / ((f - b) @ (f - b))
    assert new == pytest.approx(np.clip(projected, 0, 1), abs=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_alternation_ends_where_a_general_optimiser_ends(seed: int) -> None:
    pair = Pair(seed)
    alpha, posterior, f, b = pair.solve(0.5, 20_000)
    values = [pair.posterior(a, *pair.six(a)) for a in np.linspace(0, 1, 2001)]
    found = minimize(
        lambda v: -pair.posterior(v[6], v[:3], v[3:6]),
        np.concatenate([f, b, [alpha]]),
        bounds=[(None, None)] * 6 + [(0, 1)],
        method="L-BFGS-B",
    )
    assert -found.fun <= posterior + 0.02  # seven variables at once climb no higher from there
    assert posterior <= max(values) + 1e-3
    assert posterior >= max(values) - 0.1  # nor does a scan of all alphas find a better hill


def test_every_round_climbs() -> None:
    pair = Pair(4)
    heights = [pair.solve(0.1, rounds)[1] for rounds in range(1, 30)]
    assert (np.diff(heights) >= -1e-9).all()
    assert heights[-1] > heights[0]


def scene(width: int = 90, height: int = 50) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Two textured sides and a soft edge, with its alpha."""
    rng = np.random.default_rng(0)
    x = np.arange(width, dtype=np.float32)
    alpha = np.broadcast_to(np.clip((x - 35) / 18, 0, 1), (height, width)).astype(np.float32)
    fore = rng.normal((0.8, 0.5, 0.2), 0.01, (height, width, 3))
    back = rng.normal((0.1, 0.3, 0.6), 0.01, (height, width, 3))
    return (alpha[..., None] * fore + (1 - alpha[..., None]) * back).astype(np.float32), alpha


def trimap(alpha: NDArray[np.float32], left: int, right: int) -> NDArray[np.float32]:
    out = np.round(alpha)
    out[:, left:right] = 0.5
    return out


@pytest.mark.parametrize("clusters", [1, 3])
def test_a_soft_edge_between_two_colours_is_found(clusters: int) -> None:
    rgb, alpha = scene()
    given = trimap(alpha, 30, 60)
    found = bayes_trimap(rgb, given, Sampling(clusters=clusters, sigma=0.01))
    assert np.abs(found - alpha).mean() < 0.01
    assert np.array_equal(found[given != 0.5], given[given != 0.5])
    assert np.array_equal(found, bayes_trimap(rgb, given, Sampling(clusters=clusters, sigma=0.01)))


def test_two_colours_on_one_side_are_told_apart() -> None:
    rgb, alpha = scene()
    rgb[::2, :35] = (0.9, 0.9, 0.1)  # the background is striped: alpha 0 in one colour and in the other
    given = trimap(alpha, 25, 60)
    many = bayes_trimap(rgb, given, Sampling(clusters=3))[:, 25:35]
    one = bayes_trimap(rgb, given, Sampling(clusters=1))[:, 25:35]
    assert many.mean() < 0.02
    assert many.mean() < 0.8 * one.mean()


def test_foreground_and_background_are_the_unmixed_colours() -> None:
    rgb, alpha = scene()
    given = trimap(alpha, 30, 60)
    found = bayesian_matte(rgb, given == 1, given == 0, Sampling(sigma=0.01))
    middle = (slice(5, -5), slice(40, 50))
    assert np.abs(found.foreground[middle] - (0.8, 0.5, 0.2)).mean() < 0.03
    assert np.abs(found.background[middle] - (0.1, 0.3, 0.6)).mean() < 0.03


def test_beyond_the_windows_reach_the_nearest_sure_colour_counts() -> None:
    rgb, alpha = scene()
    found = bayes_trimap(rgb, trimap(alpha, 4, 86), Sampling(reach=5, sigma=0.01))
    assert np.abs(found - alpha).mean() < 0.05


def test_samples_weigh_by_squared_alpha_and_distance() -> None:
    rng = np.random.default_rng(0)
    shares = (rng.random((15, 17)) * (rng.random((15, 17)) < 0.5)).astype(np.float32)
    colours = rng.random((15, 17, 3)).astype(np.float32)
    steps, falloff = _window(6, 8.0)
    out = np.empty((256, 4))
    found = _gather(7, 9, shares, colours, steps, falloff, 1e9, out)
    expected = {
        tuple(colours[y, x].tolist()): shares[y, x] ** 2 * np.exp(-((y - 7) ** 2 + (x - 9) ** 2) / 128)
        for y in range(15)
        for x in range(17)
        if 0 < (y - 7) ** 2 + (x - 9) ** 2 <= 36 and shares[y, x] > 0
    }
    assert found == len(expected)
    for weight, *colour in out[:found].tolist():
        assert weight == pytest.approx(expected[tuple(colour)], rel=1e-5)


def test_shells_come_from_both_sides_and_hold_every_pixel_once() -> None:
    unknown = np.zeros((3, 9), np.bool_)
    unknown[:, 2:7] = True
    found = [sorted({int(c) for c in s[:, 1]}) for s in shells(unknown)]
    assert found == [[2, 6], [3, 5], [4]]
    assert sum(len(s) for s in shells(unknown)) == 15


def test_one_side_without_a_sure_pixel_is_refused() -> None:
    rgb, alpha = scene()
    with pytest.raises(UsageError, match="mark some foreground"):
        bayes_trimap(rgb, np.where(alpha > 0, 0.5, 0))
    with pytest.raises(UsageError, match="mark some background"):
        bayes_trimap(rgb, np.where(alpha < 1, 0.5, 1))


def test_odd_pictures_have_a_result() -> None:
    assert bayes_trimap(np.zeros((1, 1, 3)), np.ones((1, 1))) == 1
    constant = bayes_trimap(np.full((5, 9, 3), 0.5), trimap(np.eye(9)[:5] * 0 + np.arange(9) / 8, 3, 6))
    assert np.isfinite(constant).all()
    rgb, alpha = scene()
    rgb[10, 40], rgb[11, 41] = np.nan, np.inf
    found = bayes_trimap(rgb, trimap(alpha, 30, 60))
    assert np.isfinite(found).all()


def test_scribbles_that_contradict_or_lack_a_side_are_refused() -> None:
    one, none = np.eye(4, dtype=np.bool_), np.zeros((4, 4), np.bool_)
    with pytest.raises(UsageError, match="4 pixels are marked as both"):
        scribbled(one, one)
    with pytest.raises(UsageError, match="marked as foreground"):
        scribbled(none, one)
    with pytest.raises(UsageError, match="marked as background"):
        scribbled(one, none)


def test_scribbles_alone_give_the_matte() -> None:
    _, alpha = scene()
    rgb = alpha[..., None] * np.array((0.8, 0.5, 0.2)) + (1 - alpha[..., None]) * np.array((0.1, 0.3, 0.6))
    left, right = np.zeros((2, *alpha.shape), np.bool_)
    left[20:30, 5], right[20:30, 80] = True, True
    found = solve_trimap(rgb, scribbled(right, left))
    assert np.abs(found - alpha).max() < 1e-3  # two colours: the theorem says exactly


def test_too_much_unknown_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trackmatte.refiners.trimap.MOST_UNKNOWN", 100)
    rgb, alpha = scene()
    with pytest.raises(UsageError, match="million pixels are unknown"):
        solve_trimap(rgb, trimap(alpha, 30, 60))
    monkeypatch.setattr("trackmatte.refiners.trimap.MOST_PIXELS", 100)
    with pytest.raises(UsageError, match="crop it around the subject"):
        bayes_trimap(rgb, trimap(alpha, 30, 60))
