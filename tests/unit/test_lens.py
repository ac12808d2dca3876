"""The lens against brute force: apertures by counting points, blurs by summing pixels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from trackmatte.errors import UsageError
from trackmatte.numerics.lens import Edge, Lens, Shape, aperture

POINTS = 64
SHAPES: list[Shape] = ["disc", "hexagon"]


def counted(radius: float, shape: Shape, rotation: float) -> NDArray[np.float64]:
    """The aperture from points on a fine grid: whether each lies in the disc, or left of all six edges."""
    n = max(0, int(np.ceil(radius - 0.5)))
    places = (np.arange((2 * n + 1) * POINTS) + 0.5) / POINTS - n - 0.5
    x, y = places[None, :], -places[:, None]  # y runs up
    if shape == "disc":
        inside = x**2 + y**2 <= radius**2
    else:
        turns = np.deg2rad(rotation + 60.0 * np.arange(7))
        corners = radius * np.stack([np.cos(turns), np.sin(turns)], 1)
        inside = np.ones((len(places), len(places)), bool)
        for (x0, y0), (x1, y1) in pairwise(corners):
            inside &= (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) >= 0
    shares = inside.reshape(2 * n + 1, POINTS, 2 * n + 1, POINTS).mean((1, 3))
    return np.asarray(shares / shares.sum())


@pytest.mark.parametrize("radius", [0.7, 1.0, 2.3, 5.5, 9.87])
@pytest.mark.parametrize(
    ("shape", "rotation"), [("disc", 0), ("hexagon", 0), ("hexagon", 17), ("hexagon", 30)]
)
def test_aperture_is_the_area_in_each_pixel(radius: float, shape: Shape, rotation: float) -> None:
    made = aperture(radius, shape, rotation)
    assert made.sum() == pytest.approx(1)
    np.testing.assert_allclose(made / made.max(), counted(radius, shape, rotation) / made.max(), atol=0.01)
    np.testing.assert_allclose(made, made[::-1, ::-1], atol=1e-12)


def test_a_hexagon_turns_counter_clockwise() -> None:
    turned, other = aperture(8, "hexagon", 15), aperture(8, "hexagon", -15)
    assert np.abs(turned - counted(8, "hexagon", 15)).max() < 0.05 * np.abs(turned - other).max()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_growing_size_never_jumps(shape: Shape) -> None:
    """Also where the picture of the aperture gets larger by a pixel, at n + 1/2."""
    radii = np.arange(0.3, 4.0, 0.01)
    pictures = []
    for r in radii:
        made = aperture(r, shape, 10)
        pictures.append(np.pad(made, 5 - len(made) // 2))
    steps = [np.abs(b - a).sum() for a, b in pairwise(pictures)]
    assert max(steps) < 0.05
    assert min(steps[40:]) > 0


@pytest.mark.parametrize(("edge", "mode"), [("mirror", "reflect"), ("replicate", "nearest")])
@pytest.mark.parametrize("radius", [0.8, 4.25, 13.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_blur_is_the_sum_over_the_aperture(edge: Edge, mode: str, radius: float, shape: Shape) -> None:
    rng = np.random.default_rng(1)
    image = rng.random((37, 52, 3)).astype(np.float32) * 2
    image[10, 11] = 500, 3, 0  # a lamp
    lens = Lens(radius, shape, 12)
    made = lens.blur(image, edge=edge)
    for c in range(3):
        # Direct sums in float64; a symmetric aperture needs no flipping.
        truth = ndimage.correlate(image[..., c].astype(np.float64), lens.picture, mode=mode)
        np.testing.assert_allclose(made[..., c], truth, rtol=1e-4)


def test_a_lamp_becomes_a_disc_of_the_same_light() -> None:
    image = np.full((81, 81, 3), 0.1, np.float32)
    image[40, 40] = 2000
    made = Lens(12).blur(image)
    y, x = np.ogrid[-40:41, -40:41]
    distance = np.hypot(x, y)
    inside = made[distance < 11]
    np.testing.assert_allclose(inside, 0.1 + 2000 / (np.pi * 144), rtol=1e-3)
    np.testing.assert_allclose(made[distance > 13], 0.1, rtol=1e-3)
    assert made.sum(dtype=np.float64) == pytest.approx(image.sum(dtype=np.float64), rel=1e-5)


@pytest.mark.parametrize("edge", ["mirror", "replicate"])
@pytest.mark.parametrize("size", [(24, 31), (3, 5), (1, 9), (9, 1), (1, 1)])
def test_borders_do_not_darken_and_a_radius_may_exceed_the_picture(edge: Edge, size: tuple[int, int]) -> None:
    image = np.full((*size, 3), (0.2, 7.5, -0.25), np.float32)
    np.testing.assert_allclose(Lens(20.5).blur(image, edge=edge), image, rtol=1e-6)


def test_black_stays_black_beside_a_lamp() -> None:
    image = np.zeros((64, 64, 3), np.float32)
    image[:, :4] = 60000
    made = Lens(6).blur(image)
    assert made.min() == 0
    assert made.max() <= 60000


@pytest.mark.parametrize("radius", [0.0, 0.2, 0.5])
def test_below_half_a_pixel_nothing_changes(radius: float) -> None:
    image = np.random.default_rng(2).random((8, 9, 3), np.float32)
    np.testing.assert_array_equal(Lens(radius).blur(image), image)


def test_one_lens_serves_pictures_of_several_sizes() -> None:
    rng = np.random.default_rng(3)
    small, large = rng.random((20, 30, 3), np.float32), rng.random((50, 40, 3), np.float32)
    lens = Lens(3.3, "hexagon")
    first = lens.blur(small)
    lens.blur(large)
    np.testing.assert_array_equal(lens.blur(small), first)


@pytest.mark.parametrize("radius", [-1.0, np.nan, np.inf])
def test_impossible_radii(radius: float) -> None:
    with pytest.raises(UsageError, match="radius"):
        Lens(radius)


def test_unknown_shapes() -> None:
    with pytest.raises(UsageError, match="disc, hexagon"):
        Lens(2, "star")  # type: ignore[arg-type]
