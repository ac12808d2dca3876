"""What refiners make of bad input: defined mattes, bounded memory."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests import disc
from trackmatte.color import SRGB, Colour, standard
from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.refiners import REFINERS, Refiner
from trackmatte.refiners.pipeline import filled
from trackmatte.refiners.region import GUARD, GUARD_LEAST, Region, guard

SIZE = (160, 96)


@pytest.fixture(scope="module", params=["closed_form", "none", "mam"])
def refiner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Refiner:
    if request.param != "mam":
        return REFINERS.get(request.param)()
    for package in ("torch", "segment_anything"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    from tests import micro

    return REFINERS.get("mam")(device="cpu", **micro.mam(tmp_path_factory.mktemp("mam")))


def frame(rgb: NDArray[Any], colour: Colour = SRGB) -> Frame:
    return Frame(0, 1001, Fraction(0), rgb, colour)


def plate(size: tuple[int, int] = SIZE) -> Frame:
    return frame(disc.plate_at(0, size))


def mask(inside: NDArray[np.bool_]) -> Mask:
    return Mask(0, "s", np.where(inside, 8, -8).astype(np.float32), 1.0)


def disc_mask(size: tuple[int, int] = SIZE) -> Mask:
    return Mask(0, "s", ((disc.alpha_at(0, size) - 0.5) * 12).astype(np.float32), 1.0)


def sound(refiner: Refiner, plate: Frame, mask: Mask, **more: Any) -> NDArray[np.float32]:
    """Return the alpha of a matte that is a matte."""
    alpha = refiner.refine(plate, mask, **more).alpha
    assert alpha.shape == plate.rgb.shape[:2]
    assert alpha.dtype == np.float32
    assert np.isfinite(alpha).all()
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    return alpha


@pytest.mark.parametrize("region", [None, Region(0, 0, 64, 64)], ids=["no region", "region"])
@pytest.mark.parametrize("full", [False, True], ids=["empty", "full"])
@pytest.mark.parametrize("size", [SIZE, (1, 1)], ids=str)
def test_a_mask_that_is_empty_or_full_is_the_matte(
    refiner: Refiner, full: bool, region: Region | None, size: tuple[int, int]
) -> None:
    alpha = sound(refiner, plate(), mask(np.full(size[::-1], full)), region=region)
    assert (alpha == full).all()


def test_log_odds_that_are_all_not_numbers_are_an_empty_mask(refiner: Refiner) -> None:
    alpha = sound(refiner, plate(), Mask(0, "s", np.full((9, 16), np.nan, np.float32), 1.0))
    assert not alpha.any()


@pytest.mark.parametrize("hole", [True, False], ids=["all but a hole", "a cross"])
def test_a_mask_that_touches_every_border(refiner: Refiner, hole: bool) -> None:
    inside = np.zeros(SIZE[::-1], bool)
    if hole:
        inside[:], inside[30:60, 60:100] = True, False
    else:
        inside[40:56], inside[:, 70:90] = True, True
    alpha = sound(refiner, plate(), mask(inside))
    edge = cv2.morphologyEx(inside.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    away = cv2.distanceTransform(1 - edge, cv2.DIST_L2, 5)
    reach = max(GUARD_LEAST * SIZE[0] / 960, 2, GUARD * inside.sum() ** 0.5) + 1.5
    assert (away > reach).any()
    np.testing.assert_array_equal(alpha[away > reach], inside[away > reach])
    assert not np.array_equal(alpha, inside)


@pytest.mark.parametrize("at", [(0, 0), (50, 30), (159, 95)], ids=str)
@pytest.mark.parametrize("scale", [1, 4])
def test_a_subject_of_one_pixel_stays_small(refiner: Refiner, scale: int, at: tuple[int, int]) -> None:
    """One pixel of the plate, or one of a mask four times as coarse."""
    inside = np.zeros((SIZE[1] // scale, SIZE[0] // scale), bool)
    inside[at[1] // scale, at[0] // scale] = True
    alpha = sound(refiner, plate(), mask(inside))
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    centre = [(a // scale + 0.5) * scale - 0.5 for a in at]
    assert not alpha[np.hypot(x - centre[0], y - centre[1]) > 3.5 * scale].any()


def test_a_pixel_that_vanishes_on_a_coarser_plate(refiner: Refiner) -> None:
    inside = np.zeros((200, 320), bool)
    inside[77, 101] = True
    assert sound(refiner, plate((37, 23)), mask(inside)).sum() < 4


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (3, 2), (37, 53)], ids=str)
@pytest.mark.parametrize("given", [False, True], ids=["own region", "given region"])
def test_odd_sizes(refiner: Refiner, size: tuple[int, int], given: bool) -> None:
    w, h = size
    region = Region(0, 0, w, h) if given else None
    ramp = np.linspace(-3, 3, 25, dtype=np.float32).reshape(5, 5)
    coarse = sound(refiner, plate(size), Mask(0, "s", ramp, 1.0), region=region)
    if w * h == 1:
        assert coarse[0, 0] in (0, 1)
    inside = np.arange(w * h).reshape(h, w) >= w * h // 2
    alpha = sound(refiner, plate(size), mask(inside), region=region)
    if min(size) > 8:
        assert np.abs(alpha - inside).mean() < 0.1


def test_small_plates_get_the_mask_from_every_weightless_refiner() -> None:
    for size in ((1, 7), (3, 2), (7, 300)):
        inside = np.arange(size[0] * size[1]).reshape(size[::-1]) > 2
        band, none = (
            REFINERS.get(n)().refine(plate(size), mask(inside)).alpha for n in ("closed_form", "none")
        )
        np.testing.assert_array_equal(band, none)


@pytest.mark.parametrize("shape", [(96, 96), (24, 160), (190, 317)], ids=str)
def test_a_mask_of_another_size_and_shape_is_stretched_over_the_plate(
    refiner: Refiner, shape: tuple[int, int]
) -> None:
    w, h = SIZE
    sharp = np.clip(disc_mask().logits * 3, -8, 8)
    logits = cv2.resize(sharp, shape[::-1], interpolation=cv2.INTER_LINEAR)
    alpha = sound(refiner, plate(), Mask(0, "s", logits, 1.0))
    truth = disc.alpha_at(0, (w, h))
    far = cv2.GaussianBlur(truth, (0, 0), 5)
    assert (alpha[far > 0.999] == 1).all()
    assert (alpha[far < 0.001] == 0).all()
    assert np.abs(alpha - truth).mean() < 0.04


class TestPixelsThatAreNotNumbers:
    def flat(self) -> NDArray[np.float32]:
        """Return a plate of two even colours with the disc's edge between."""
        a = disc.alpha_at(0, SIZE)[..., None]
        return np.asarray(a * np.float32([0.7, 0.4, 0.2]) + (1 - a) * np.float32([0.1, 0.2, 0.5]), np.float32)

    @pytest.mark.parametrize("colour", [SRGB, standard("linear"), standard("Cineon")], ids=lambda c: c.name)
    def test_specks_in_even_areas_do_not_show(self, refiner: Refiner, colour: Colour) -> None:
        clean = self.flat()
        specked = clean.copy()
        alpha = disc.alpha_at(0, SIZE)
        edge = cv2.dilate(((alpha > 0) & (alpha < 1)).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        specks = (np.random.default_rng(0).random(alpha.shape) < 0.05) & ~edge
        near = cv2.dilate(edge.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        assert (specks & near).sum() > 10
        specked[specks, 1] = np.nan  # one channel is enough
        expected = sound(refiner, frame(clean, colour), disc_mask())
        found = sound(refiner, frame(specked, colour), disc_mask())
        np.testing.assert_array_equal(found, expected)

    def test_infinite_light_is_white_and_infinite_dark_black(self, refiner: Refiner) -> None:
        endless, clipped = self.flat(), self.flat()
        for rows, value, shown in ((slice(30, 34), np.inf, 1), (slice(60, 63), -np.inf, 0)):
            endless[rows], clipped[rows] = value, shown
        found, expected = (sound(refiner, frame(x), disc_mask()) for x in (endless, clipped))
        np.testing.assert_array_equal(found, expected)

    def test_a_plate_without_a_number_gives_a_matte(self, refiner: Refiner) -> None:
        sound(refiner, frame(np.full((*SIZE[::-1], 3), np.nan, np.float32), standard("linear")), disc_mask())

    def test_each_takes_the_colour_of_a_nearest_neighbour(self) -> None:
        rng = np.random.default_rng(4)
        rgb = rng.random((23, 31, 3)).astype(np.float32)
        lost = rng.random((23, 31)) < 0.4
        rgb[lost, rng.integers(0, 3, lost.sum())] = np.nan
        out = filled(rgb)
        np.testing.assert_array_equal(out[~lost], rgb[~lost])
        known = np.argwhere(~lost)
        for at in np.argwhere(lost):
            away = np.hypot(*(known - at).T)
            candidates = [rgb[tuple(k)].tolist() for k in known[away <= away.min() * 1.1]]
            assert out[tuple(at)].tolist() in candidates


def test_guard_lets_alpha_go_as_far_as_two_pixels_of_a_coarse_mask() -> None:
    logits = np.tile(np.float32(20) - np.arange(200, dtype=np.float32), (60, 1))
    wrong = np.full(logits.shape, 0.5, np.float32)
    fine, coarse = (guard(wrong, logits, area=400, width=200, pixel=p) for p in (1, 10))
    changed = [np.flatnonzero((a != (logits > 0)).any(0)).max() for a in (fine, coarse)]
    assert changed[0] < 24
    assert 36 < changed[1] < 42


BIG = """
import json, resource, sys
from fractions import Fraction
from pathlib import Path
import numpy as np
from tests import micro
from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.refiners import REFINERS

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

y, x = np.mgrid[:540, :960].astype(np.float32)
mask = Mask(0, "s", (50 - np.hypot(x - 480, y - 270)) / 2, 1.0)
stripes = (np.arange(7680 * 3).reshape(1, 7680, 3) // 24 % 5 * 40).astype(np.uint8)
plate = Frame(0, 0, Fraction(0), np.broadcast_to(stripes, (4320, 7680, 3)))  # takes no memory itself
result = {}
for name in ("closed_form", "mam"):
    settings = {"device": "cpu", **micro.mam(Path(sys.argv[1]))} if name == "mam" else {}
    refiner = REFINERS.get(name)(**settings)
    refiner.refine(Frame(0, 0, Fraction(0), np.array(plate.rgb[:540, :960])), mask)
    before = peak()
    alpha = refiner.refine(plate, mask).alpha
    soft = (alpha > 0) & (alpha < 1)
    result[name] = [peak() - before, alpha.shape, float(alpha.sum()), int(soft.sum())]
print(json.dumps(result))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the system tells no peak")
def test_memory_at_8k_follows_the_subject(tmp_path: Path) -> None:
    """A tenth of the frame's width: little more than the matte itself (133 MB) and its mask (33 MB)."""
    if any(find_spec(package) is None for package in ("torch", "segment_anything")):
        pytest.skip("Matting Anything's packages are not installed")
    run = subprocess.run(
        [sys.executable, "-c", BIG, str(tmp_path)], capture_output=True, text=True, check=True, timeout=250
    )
    for more, shape, area, soft in json.loads(run.stdout.splitlines()[-1]).values():
        assert shape == [4320, 7680]
        assert area == pytest.approx(np.pi * 400**2, rel=0.1)
        assert soft > 1000
        assert more < 330
