"""The band refiner: agreement with pymatting, odd inputs, and better than no matting where truth is known."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pymatting
import pytest
from numpy.typing import NDArray

from trackmatte.color import Curve, standard
from trackmatte.errors import UsageError
from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.numerics.laplacian import band_laplacian
from trackmatte.numerics.solve import conjugate_gradient, solve_exactly
from trackmatte.refiners import REFINERS
from trackmatte.refiners.band import contour_distance
from trackmatte.refiners.closed_form import HAIRY, ClosedFormRefiner
from trackmatte.refiners.pipeline import refine_in
from trackmatte.refiners.region import Region, region_around
from trackmatte.refiners.trimap import solve_trimap


def frame_of(rgb: NDArray[Any], **kwargs: Any) -> Frame:
    return Frame(0, 1, Fraction(0), rgb, **kwargs)


def mask_of(inside: NDArray[np.bool_], size: tuple[int, int] | None = None) -> Mask:
    logits = np.where(inside, 8, -8).astype(np.float32)
    return Mask(0, "subject", cv2.resize(logits, size) if size else logits, 1.0)


def scene(
    height: int = 120, width: int = 160, *, softness: float = 3.0, shift: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_]]:
    """Return a noisy composite of a disc, its true alpha, and a mask of it moved by ``shift`` px."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    r = np.hypot(x - width / 2, y - height / 2)
    alpha = np.clip((min(height, width) / 3 - r) / softness + 0.5, 0, 1).astype(np.float32)
    fore = np.stack([0.7 + 0.002 * x, 0.35 + 0 * x, 0.2 + 0.001 * y], -1)
    back = np.stack([0.2 + 0 * x, 0.3 + 0.003 * y, 0.6 - 0.002 * x], -1)
    rgb = alpha[..., None] * fore + (1 - alpha[..., None]) * back + rng.normal(0, 0.004, (height, width, 3))
    inside = np.roll(alpha > 0.5, shift, axis=1)
    return np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8), alpha, inside


def trimap_of(inside: NDArray[np.bool_], half_width: float) -> NDArray[np.float64]:
    byte = inside.astype(np.uint8)
    far = cv2.distanceTransform(byte, cv2.DIST_L2, 5) + cv2.distanceTransform(1 - byte, cv2.DIST_L2, 5)
    return np.where(far <= half_width, 0.5, inside)


@pytest.mark.parametrize("epsilon", [1e-7, 1e-5])
def test_trimap_agrees_with_full_frame_pymatting(epsilon: float) -> None:
    rgb, _, inside = scene(height=130, width=170)
    trimap = trimap_of(inside, 12)
    exact = pymatting.estimate_alpha_cf(
        rgb / 255, trimap, laplacian_kwargs={"epsilon": epsilon}, cg_kwargs={"rtol": 1e-10, "atol": 0}
    )
    ours = solve_trimap(rgb, trimap, epsilon=epsilon)
    assert np.abs(ours - exact).max() < 1e-3
    assert np.array_equal(ours[trimap == 0], np.zeros((trimap == 0).sum()))
    assert np.array_equal(ours[trimap == 1], np.ones((trimap == 1).sum()))


def test_trimap_band_that_meets_the_frame_agrees_as_well() -> None:
    rgb, _, _ = scene(60, 80)
    trimap = np.zeros((60, 80))
    trimap[:, 30:50], trimap[:, 50:] = 0.5, 1
    exact = pymatting.estimate_alpha_cf(rgb / 255, trimap, cg_kwargs={"rtol": 1e-10, "atol": 0})
    assert np.abs(solve_trimap(rgb, trimap) - exact).max() < 1e-3


def test_exact_alpha_is_recovered_where_colours_lie_on_lines() -> None:
    y, x = np.mgrid[:40, :60] / 60
    alpha = np.clip((x - 0.3) * 3, 0, 1)
    rgb = alpha[..., None] * np.array([0.9, 0.4, 0.1]) + (1 - alpha[..., None]) * np.array([0.1, 0.2, 0.7])
    trimap = np.where((alpha > 0) & (alpha < 1), 0.5, alpha)
    assert np.abs(solve_trimap(rgb + 0 * y[..., None], trimap) - alpha).max() < 1e-3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32], ids=["8 bits", "16 bits", "float"])
def test_trimap_takes_every_pixel_type(dtype: type[np.generic]) -> None:
    rgb, alpha, inside = scene(60, 80)
    top = 1.0 if dtype is np.float32 else float(np.iinfo(dtype).max)  # type: ignore[type-var]
    plate = (rgb / 255 * top).astype(dtype)
    trimap = np.rint(trimap_of(inside, 6) * 255).astype(np.uint8)
    assert np.abs(solve_trimap(plate, trimap, epsilon=1e-5) - alpha).mean() < 0.02


def test_trimap_errors_name_the_shapes() -> None:
    with pytest.raises(UsageError, match=r"\(5, 6, 3\).*\(5, 6\).*\(4, 6\)"):
        solve_trimap(np.zeros((5, 6, 3)), np.zeros((4, 6)))
    with pytest.raises(UsageError, match="knows no pixel"):
        solve_trimap(np.zeros((5, 6, 3)), np.full((5, 6), 0.5))


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (9, 2), (3, 3)])
def test_trimap_of_a_tiny_image_is_defined(shape: tuple[int, int]) -> None:
    trimap = np.full(shape, 0.5)
    trimap[0, 0] = 1
    assert solve_trimap(np.full((*shape, 3), 0.5), trimap) == pytest.approx(np.ones(shape))


def test_conjugate_gradients_and_elimination_agree() -> None:
    rgb, _, inside = scene(60, 80)
    trimap = trimap_of(inside, 6)
    system = band_laplacian(rgb / 255, trimap == 0.5, trimap, 1e-4)
    nothing = np.zeros(len(system.constant))
    iterated, steps = conjugate_gradient(system, nothing, nothing, nothing, 1e-9, 5000)
    assert steps < 5000
    assert iterated == pytest.approx(solve_exactly(system), abs=1e-5)


def test_image_without_a_window_is_refused() -> None:
    with pytest.raises(ValueError, match="2x9"):
        band_laplacian(np.zeros((9, 2, 3)), np.ones((9, 2), bool), np.zeros((9, 2)), 1e-5)


@pytest.mark.parametrize("shift", [0, 2])
def test_matte_beats_the_mask_and_its_blur(shift: int) -> None:
    rgb, truth, inside = scene(softness=6, shift=shift)
    alpha = ClosedFormRefiner().refine(frame_of(rgb), mask_of(inside)).alpha
    blurred = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 1.5)
    error = np.abs(alpha - truth).mean()
    assert error < 0.5 * np.abs(inside - truth).mean()
    assert error < 0.8 * np.abs(blurred - truth).mean()


@pytest.mark.parametrize("name", ["closed_form", "none"])
class TestEveryRefiner:
    def refine(self, name: str, frame: Frame, mask: Mask, **kwargs: Any) -> NDArray[np.float32]:
        matte = REFINERS.get(name)().refine(frame, mask, **kwargs)
        alpha = matte.alpha
        assert (matte.index, matte.object) == (mask.index, mask.object)
        assert alpha.shape == frame.rgb.shape[:2]
        assert alpha.dtype == np.float32
        assert np.isfinite(alpha).all()
        assert alpha.min() >= 0
        assert alpha.max() <= 1
        return alpha

    @pytest.mark.parametrize("value", [False, True])
    def test_mask_without_a_contour(self, name: str, value: bool) -> None:
        rgb, _, inside = scene()
        alpha = self.refine(name, frame_of(rgb), mask_of(np.full_like(inside, value)))
        assert (alpha == float(value)).all()

    def test_mask_of_one_pixel(self, name: str) -> None:
        rgb, _, inside = scene()
        one = np.zeros_like(inside)
        one[50, 70] = True
        alpha = self.refine(name, frame_of(rgb), mask_of(one))
        assert alpha.sum() < 400

    @pytest.mark.parametrize("shape", [(1, 1), (90, 3), (3, 90), (2, 2), (7, 300), (121, 67), (301, 120)])
    def test_odd_frames(self, name: str, shape: tuple[int, int]) -> None:
        rng = np.random.default_rng(0)
        rgb = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
        inside = np.arange(shape[0] * shape[1]).reshape(shape) >= shape[0] * shape[1] // 2
        self.refine(name, frame_of(rgb), mask_of(inside))

    @pytest.mark.parametrize("size", [(160, 120), (80, 60), (53, 41), (320, 240)])
    def test_mask_of_any_scale(self, name: str, size: tuple[int, int]) -> None:
        rgb, truth, inside = scene()
        alpha = self.refine(name, frame_of(rgb), mask_of(inside, size))
        assert np.abs(alpha - truth).mean() < 0.02

    def test_outside_the_band_it_is_the_mask(self, name: str) -> None:
        rgb, _, inside = scene(300, 400)
        alpha = self.refine(name, frame_of(rgb), mask_of(inside))
        distance = contour_distance(mask_of(inside).logits, (400, 300), Region(0, 0, 400, 300))
        far = np.abs(distance) > HAIRY.half_width + 1
        assert np.array_equal(alpha[far], inside[far].astype(np.float32))

    def test_pixels_that_are_not_numbers(self, name: str) -> None:
        rgb, truth, inside = scene()
        plate = (rgb / 255).astype(np.float32)
        plate[60, 40:120] = np.nan
        plate[20:40, 80] = np.inf
        plate[80:90, 80] = -np.inf
        alpha = self.refine(name, frame_of(plate, colour=standard("linear")), mask_of(inside))
        assert np.abs(alpha - truth).mean() < 0.03

    def test_log_odds_that_are_not_numbers(self, name: str) -> None:
        rgb, truth, inside = scene()
        logits = mask_of(inside).logits
        logits[0, :] = np.nan
        logits[1, :] = -np.inf
        alpha = self.refine(name, frame_of(rgb), Mask(0, "subject", logits, 1.0))
        assert np.abs(alpha - truth).mean() < 0.03

    @pytest.mark.parametrize("curve", ["sRGB", "linear", "Cineon"])
    @pytest.mark.parametrize("dtype", [np.uint16, np.float32])
    def test_plates_of_every_kind(self, name: str, dtype: type[np.generic], curve: Curve) -> None:
        rgb, truth, inside = scene()
        top = 65535 if dtype is np.uint16 else 1
        plate = (rgb / 255 * top).astype(dtype)
        alpha = self.refine(name, frame_of(plate, colour=standard(curve)), mask_of(inside))
        assert np.abs(alpha - truth).mean() < 0.03

    def test_same_bytes_again(self, name: str) -> None:
        rgb, _, inside = scene()
        first, second = (self.refine(name, frame_of(rgb), mask_of(inside)) for _ in range(2))
        assert first.tobytes() == second.tobytes()

    def test_plate_is_left_alone(self, name: str) -> None:
        rgb, _, inside = scene()
        before = rgb.copy()
        mask = mask_of(inside)
        logits = mask.logits.copy()
        self.refine(name, frame_of(rgb), mask, hair=inside)
        assert np.array_equal(rgb, before)
        assert np.array_equal(mask.logits, logits)


def test_hair_brush_widens_the_band() -> None:
    rng = np.random.default_rng(5)
    alpha = np.zeros((160, 200), np.float32)
    alpha[80:] = 1
    for x in range(4, 200, 9):
        cv2.line(alpha, (x, 82), (x + int(rng.integers(-3, 4)), 69), 1.0, 1, cv2.LINE_AA)  # type: ignore[call-overload]
    rgb = alpha[..., None] * np.float32([0.8, 0.7, 0.6]) + (1 - alpha[..., None]) * np.float32(
        [0.1, 0.25, 0.2]
    )
    plate = np.rint((rgb + rng.normal(0, 0.004, rgb.shape)).clip(0, 1) * 255).astype(np.uint8)
    body = np.zeros(alpha.shape, bool)
    body[80:] = True
    brush = np.zeros(alpha.shape, bool)
    brush[66:84] = True
    plain = ClosedFormRefiner().refine(frame_of(plate), mask_of(body)).alpha
    brushed = ClosedFormRefiner().refine(frame_of(plate), mask_of(body), hair=brush).alpha
    strands = (alpha > 0.5) & ~body
    assert brushed[strands].mean() > 1.1 * plain[strands].mean()


def test_cost_follows_the_band_not_the_frame() -> None:
    inside = np.zeros((270, 480), bool)
    inside[100:120, 200:230] = True
    region = region_around(mask_of(inside), (7680, 4320), reach=300)
    assert region is not None
    assert region.size[0] * region.size[1] < 0.05 * 7680 * 4320


def seen_from(region: Region, plate: Frame, mask: Mask) -> NDArray[np.float32]:
    return refine_in(region, ClosedFormRefiner().found, plate, mask, None).alpha


@pytest.mark.parametrize("size", [(160, 120), (1920, 400), (2000, 333), (4096, 301)])
def test_a_region_that_is_given_changes_nothing(size: tuple[int, int]) -> None:
    """The refiner is not regional: a shot's mattes stay valid when the subject goes elsewhere."""
    rgb, _, inside = scene(size[1], size[0])
    plate, mask = frame_of(rgb), mask_of(inside, (max(8, size[0] // 2), max(8, size[1] // 2)))
    assert not ClosedFormRefiner.regional
    alone = ClosedFormRefiner().refine(plate, mask).alpha
    for region in (Region(0, 0, *size), Region(0, 0, 8, 8)):
        assert ClosedFormRefiner().refine(plate, mask, region=region).alpha.tobytes() == alone.tobytes()


@pytest.mark.parametrize("size", [(960, 400), (1920, 400), (2000, 430), (4096, 401)])
def test_the_box_around_the_contour_does_not_show_in_alpha(size: tuple[int, int]) -> None:
    """Otherwise edges would crawl as the box follows the subject."""
    width, height = size
    y, x = np.mgrid[:height, :width].astype(np.float32)
    rng = np.random.default_rng(1)
    radius = np.hypot(x - 0.4 * width, y - height / 2) + 3 * np.sin(x / 3)
    alpha = np.clip((height / 6 - radius) / 6 + 0.5, 0, 1)[..., None]
    rgb = alpha * np.float32([0.8, 0.5, 0.3]) + (1 - alpha) * np.float32([0.1, 0.3, 0.4])
    plate = frame_of(np.rint((rgb + rng.normal(0, 0.01, rgb.shape)).clip(0, 1) * 255).astype(np.uint8))
    mask = Mask(0, "subject", ((height / 6 - radius) / 2).astype(np.float32), 1.0)
    near = region_around(mask, size, 36 * width / 960)
    assert near is not None
    assert near != Region(0, 0, width, height)
    wide = seen_from(Region(0, 0, width, height), plate, mask)
    found = seen_from(near, plate, mask)
    assert len(np.unique(found)) > 100
    assert np.abs(found - wide).max() < 2e-3
