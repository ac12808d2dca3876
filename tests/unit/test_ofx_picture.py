"""The bridge's arithmetic: the hash of a picture, and a matte at another size."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests import disc
from tests.ofx_wire import look_hash as by_the_page
from trackmatte.server.ofx.picture import alike, look_hash, scaled


def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    sizes = [(160, 96), (9, 8), (1, 1), (3, 200), (200, 3), (10, 7), (17, 33)]
    found = [rng.random((h, w, 3)).astype(np.float32) * 2 - 0.5 for w, h in sizes]
    found += [rng.integers(0, 65536, (h, w, 3)).astype(np.uint16) for w, h in sizes]
    return [*found, disc.plate_at(3, (160, 96)), found[0].astype(np.float16)]


@pytest.mark.parametrize("i", range(len(pictures())))
def test_the_hash_is_that_of_the_page(i: int) -> None:
    assert look_hash(pictures()[i]) == by_the_page(pictures()[i])


def test_the_bits_go_from_left_to_right_and_from_top_to_bottom_the_first_highest() -> None:
    rgb = np.zeros((8, 9, 3))
    rgb[0, 0] = rgb[7, 7] = 1
    # A bright cell is brighter than its right neighbour: cell (0, 0) gives bit 63, cell (7, 7) the last.
    assert look_hash(rgb) == f"{1 << 63 | 1:016x}"


def test_a_difference_counts_from_a_1024th_of_the_brightest_cell() -> None:
    rgb = np.zeros((8, 9, 3))
    rgb[3, 4] = -1024  # magnitude, not value
    rgb[0, 0], rgb[1, 0] = 0.999, 1.001
    value = int(look_hash(rgb), 16)
    assert not value >> 63 & 1
    assert value >> 55 & 1


def test_what_is_not_finite_counts_as_black() -> None:
    rgb = np.random.default_rng(1).random((40, 50, 3)).astype(np.float32)
    rgb[::3, ::2, 1] = [[np.nan]]
    rgb[1::3, ::2, 0] = np.inf
    rgb[2::3, ::2, 2] = -np.inf
    assert look_hash(rgb) == look_hash(np.nan_to_num(rgb, nan=0, posinf=0, neginf=0))
    assert look_hash(np.full((9, 9, 3), np.nan, np.float32)) == "0" * 16


def test_the_same_picture_scaled_or_graded_is_alike_and_another_is_not() -> None:
    plate = disc.plate_at(3, (640, 384))
    own = look_hash(plate)
    assert alike(own, look_hash(cv2.resize(plate, (320, 192), interpolation=cv2.INTER_AREA)))
    assert alike(own, look_hash((plate / 255.0) ** 2.2))
    assert alike(own, look_hash(plate.astype(np.uint16) * 257))
    assert not alike(own, look_hash(plate[:, ::-1]))
    other = cv2.GaussianBlur(np.random.default_rng(2).random((384, 640, 3)).astype(np.float32), (0, 0), 30)
    assert not alike(own, look_hash(other))


def test_alike_is_up_to_twelve_bits() -> None:
    assert alike(f"{0xFFF:016x}", "0" * 16)
    assert not alike(f"{0x1FFF:016x}", "0" * 16)


def at_size(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    out = np.full(size[::-1], np.nan, np.float32)
    for rows, part in scaled(plane, size):
        assert np.isnan(out[rows]).all()
        out[rows] = part
    return out


def area_mean(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the mean of the area each new pixel covers: on the finest common grid, by counting."""
    h, w = plane.shape
    fine = np.kron(plane.astype(np.float64), np.ones((size[1], size[0])))
    return fine.reshape(size[1], h, size[0], w).mean(axis=(1, 3))


@pytest.mark.parametrize("size", [(8, 6), (16, 12), (5, 7), (1, 1), (40, 3), (16, 5), (33, 31)])
def test_another_size_is_the_mean_of_the_area(size: tuple[int, int]) -> None:
    plane = np.random.default_rng(3).random((12, 16)).astype(np.float32)
    np.testing.assert_allclose(at_size(plane, size), area_mean(plane, size), atol=3e-7)


def test_the_own_size_is_the_plane_itself_bit_for_bit() -> None:
    plane = np.random.default_rng(3).random((12, 16)).astype(np.float32)
    np.testing.assert_array_equal(at_size(plane, (16, 12)), plane)


def test_large_sizes_come_in_bands_and_stay_within_0_and_1() -> None:
    plane = np.ones((1080, 300), np.float32)
    out = at_size(plane, (7, 1300))
    assert out.max() <= 1
    np.testing.assert_allclose(out, 1, atol=1e-6)
