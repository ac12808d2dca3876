"""Foreground colour: known composites, agreement with pymatting, scene-linear extremes and odd inputs."""

from __future__ import annotations

from typing import Any, get_args

import cv2
import numpy as np
import pymatting
import pytest
from numpy.typing import NDArray

from trackmatte.color import STANDARD, colour_named
from trackmatte.errors import UsageError
from trackmatte.numerics import foreground
from trackmatte.numerics.foreground import Method, default_method, estimate_foreground, solve_levels

F32 = NDArray[np.float32]
METHODS = get_args(Method)
AGREEMENT = 1e-5  # largest difference from pymatting; rounding alone makes about 1e-6


def hair(
    height: int = 301, width: int = 413, *, gain: float = 1.0, behind: float = 1.0
) -> tuple[F32, F32, F32, F32]:
    """Return plate, alpha, foreground and background of a body with strands; brightness of both is given."""
    rng = np.random.default_rng(0)
    alpha = np.zeros((height, width), np.float32)
    root = height * 2 // 3
    alpha[root:] = 1
    for _ in range(width * 2 // 5):
        x, dx, dy = int(rng.integers(0, width)), int(rng.integers(-40, 40)), int(rng.integers(20, 120))
        cv2.line(alpha, (x, root), (x + dx, root - dy), 1.0, 1, cv2.LINE_AA)
    alpha = np.clip(cv2.GaussianBlur(alpha, (0, 0), 1.0) * 1.15, 0, 1)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    fore = np.stack(
        [0.6 + 0.2 * np.sin(x / 60), 0.4 + 0.1 * np.cos(y / 40), 0.25 + 0.05 * np.sin((x + y) / 50)], -1
    )
    back = np.stack(
        [0.2 + 0.15 * np.cos(x / 30), 0.45 + 0.2 * np.sin(y / 35 + x / 50), 0.6 + 0.2 * np.cos((x - y) / 45)],
        -1,
    )
    fore, back = fore * np.float32(gain), back * np.float32(behind)
    rgb = alpha[..., None] * fore + (1 - alpha[..., None]) * back
    rgb = rgb + rng.normal(0, 0.004, rgb.shape) * min(gain, behind)
    return rgb.astype(np.float32), alpha, fore, back


def soft(alpha: F32) -> NDArray[np.bool_]:
    return (alpha > 0) & (alpha < 1)


def error(found: F32, truth: F32, alpha: F32) -> float:
    """Return the alpha-weighted mean absolute error over the soft pixels."""
    weight = alpha * soft(alpha)
    return float((np.abs(found - truth).mean(-1) * weight).sum() / weight.sum())


@pytest.mark.parametrize("method", METHODS)
def test_foreground_over_its_background_is_the_plate(method: Method) -> None:
    rgb, alpha, _, back = hair()
    found = estimate_foreground(rgb, alpha, method=method)
    again = alpha[..., None] * found + (1 - alpha[..., None]) * back
    assert np.abs(again - rgb).mean() < (0.015 if method == "blur_fusion" else 0.006)
    assert np.array_equal(found[alpha == 1], rgb[alpha == 1])


@pytest.mark.parametrize(
    ("method", "share"), [("multilevel", 0.15), ("unclamped", 0.15), ("blur_fusion", 0.8)]
)
def test_better_than_the_plate_itself(method: Method, share: float) -> None:
    rgb, alpha, fore, _ = hair()
    assert error(estimate_foreground(rgb, alpha, method=method), fore, alpha) < share * error(
        rgb, fore, alpha
    )


@pytest.mark.parametrize(("gain", "behind"), [(8, 8), (8, 1), (1, 8), (1, 30)])
def test_brighter_than_white(gain: float, behind: float) -> None:
    rgb, alpha, fore, _ = hair(gain=gain, behind=behind)
    found = estimate_foreground(rgb, alpha, method="unclamped")
    assert error(found, fore, alpha) < 0.12 * error(rgb, fore, alpha)
    if gain > 1:
        assert found[soft(alpha)].max() > 4
        assert error(estimate_foreground(rgb, alpha, method="multilevel"), fore, alpha) > 1


def test_unclamped_agrees_with_pymatting() -> None:
    rgb, alpha, _, _ = hair()
    theirs = pymatting.estimate_foreground_ml(rgb, alpha)
    assert theirs.min() > 0  # nothing was held back
    assert theirs.max() < 1
    assert np.abs(solve_levels(rgb, alpha, ceiling=np.inf) - theirs).max() < AGREEMENT


def test_public_methods_agree_with_pymatting_on_soft_pixels() -> None:
    rgb, alpha, _, _ = hair(150, 211)
    alpha[0, 0] = alpha[-1, -1] = 0.5  # the crop is the whole picture
    theirs = pymatting.estimate_foreground_ml(rgb, alpha)
    for method in ("multilevel", "unclamped"):
        found = estimate_foreground(rgb, alpha, method=method)
        assert np.abs(found - theirs)[soft(alpha)].max() < AGREEMENT


def test_own_solver_with_bounds_agrees_with_pymatting_where_bounds_act() -> None:
    rgb, alpha, _, _ = hair(150, 211)
    rgb = np.clip((rgb - 0.35) * 4, 0, 1)
    theirs = pymatting.estimate_foreground_ml(rgb, alpha)
    assert (theirs == 0).any()
    assert (theirs == 1).any()
    assert np.abs(solve_levels(rgb, alpha, ceiling=1.0) - theirs).max() < AGREEMENT


def test_very_large_crops_take_the_own_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    rgb, alpha, _, _ = hair(150, 211)
    usual = estimate_foreground(rgb, alpha, method="multilevel")
    monkeypatch.setattr(foreground, "MOST_PIXELS", 100)
    assert np.abs(estimate_foreground(rgb, alpha, method="multilevel") - usual).max() < AGREEMENT


@pytest.mark.parametrize("method", ["unclamped", "blur_fusion"])
def test_strips_show_no_seams(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    rgb, alpha, _, _ = hair()
    whole = estimate_foreground(rgb, alpha, method=method)
    monkeypatch.setattr(foreground, "STRIP_PIXELS", 20 * rgb.shape[1])
    monkeypatch.setattr(foreground, "STRIP", 23)
    assert np.abs(estimate_foreground(rgb, alpha, method=method) - whole).max() < 1e-5


@pytest.mark.parametrize("method", ["unclamped", "blur_fusion"])
def test_negative_colours_of_the_subject_remain(method: Method) -> None:
    rgb, alpha, fore, back = hair()
    fore[..., 2] -= 0.4
    rgb = alpha[..., None] * fore + (1 - alpha[..., None]) * back
    found = estimate_foreground(rgb, alpha, method=method)
    assert np.array_equal(found[alpha == 1], rgb[alpha == 1])
    assert found[alpha > 0.9][:, 2].mean() == pytest.approx(fore[alpha > 0.9][:, 2].mean(), abs=0.02)
    assert found[alpha > 0.9][:, 2].max() < 0


def test_glare_stays_where_it_is() -> None:
    rgb, alpha, _, _ = hair()
    calm = estimate_foreground(rgb, alpha, method="unclamped")
    rows, columns = np.nonzero((alpha > 0.4) & (alpha < 0.6))
    chosen = np.random.default_rng(1).choice(len(rows), 40, replace=False)
    hot = np.zeros(alpha.shape, bool)
    hot[rows[chosen], columns[chosen]] = True
    hot[220:226, 100:108] = True  # on the solid part
    hot[20:26, 300:308] = True  # behind the subject
    plate = rgb.copy()
    plate[hot] = 500.0
    found = estimate_foreground(plate, alpha, method="unclamped")
    moved = np.abs(found - calm).max(-1)[~hot & (alpha > 0)]
    assert np.isfinite(found).all()
    assert moved.max() < 1
    assert moved.mean() < 4e-3
    assert found[hot & (alpha > 0)].min() > 100


def test_above_white_the_share_of_the_subject_is_no_brighter_than_the_plate() -> None:
    rgb, alpha, _, _ = hair(gain=8)
    rgb = np.maximum(rgb, 0)
    found = estimate_foreground(rgb, alpha, method="unclamped")
    cover = alpha[..., None]
    assert (cover * found <= np.maximum(rgb, cover) * 1.0001)[soft(alpha)].all()


@pytest.mark.parametrize("method", METHODS)
def test_pixels_that_are_not_numbers_are_filled(method: Method) -> None:
    rgb, alpha, fore, _ = hair()
    whole = error(estimate_foreground(rgb, alpha, method=method), fore, alpha)
    plate = rgb.copy()
    plate[60:260, 120], plate[190:200, 50], plate[150, 200:230, 1] = np.nan, np.inf, -np.inf
    found = estimate_foreground(plate, alpha, method=method)
    assert np.isfinite(found).all()
    assert error(found, fore, alpha) < whole + 0.003
    assert np.abs(found - fore)[alpha == 1].max() < 0.1


@pytest.mark.parametrize("method", METHODS)
def test_plate_without_a_number(method: Method) -> None:
    alpha = np.full((9, 12), 0.5, np.float32)
    assert not estimate_foreground(np.full((9, 12, 3), np.nan, np.float32), alpha, method=method).any()


def test_what_float32_cannot_hold_is_missing() -> None:
    plate, alpha = np.full((8, 8, 3), 0.25), np.full((8, 8), 0.5)
    plate[3, 3], alpha[4, 4], alpha[0, 0], alpha[0, 1] = 1e300, np.nan, -3, 7
    assert estimate_foreground(plate, alpha, method="unclamped")[3, 3] == pytest.approx([0.25] * 3, abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_enormous_values(method: Method) -> None:
    rgb, alpha, _, _ = hair(60, 80)
    rgb[10, 10], rgb[45, 10], rgb[38, 20:30] = 3e38, -3e38, 65504.0
    assert np.isfinite(estimate_foreground(rgb, alpha, method=method)).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0, 1])
def test_hard_mattes(method: Method, value: int) -> None:
    rgb = hair(60, 80)[0] * 3
    found = estimate_foreground(rgb, np.full((60, 80), value, np.float32), method=method)
    assert np.array_equal(found, rgb * value)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2), (3, 90), (91, 2), (121, 67)])
def test_odd_sizes(method: Method, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    rgb, alpha = rng.random((*shape, 3), np.float32), rng.random(shape, np.float32)
    found = estimate_foreground(rgb, alpha, method=method)
    assert found.shape == rgb.shape
    assert np.isfinite(found).all()
    assert found.min() >= 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float64])
def test_every_pixel_type(method: Method, dtype: Any) -> None:
    rgb, alpha, _, _ = hair(150, 211)
    rgb = np.clip(rgb, 0, 1)
    top = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    plate = (np.rint(rgb * top) if top > 1 else rgb).astype(dtype)
    cover = np.rint(alpha * 65535).astype(np.uint16)
    found = estimate_foreground(plate, cover, method=method)
    assert found.dtype == np.float32
    assert np.abs(found - estimate_foreground(rgb, alpha, method=method))[alpha > 0.2].max() < 0.02


@pytest.mark.parametrize("method", METHODS)
def test_only_the_soft_pixels_are_worked_on(method: Method) -> None:
    rgb, alpha, _, _ = hair()
    wide, cover = np.zeros((700, 1200, 3), np.float32), np.zeros((700, 1200), np.float32)
    wide[256:557, 512:925], cover[256:557, 512:925] = rgb, alpha
    found = estimate_foreground(wide, cover, method=method)
    assert not found[:128].any()
    assert not found[:, :384].any()
    assert np.array_equal(found[cover == 1], wide[cover == 1])


@pytest.mark.parametrize("method", ["multilevel", "unclamped"])
def test_subject_without_a_solid_core(method: Method) -> None:
    y, x = np.mgrid[:80, :100].astype(np.float32)
    alpha = 0.8 * np.exp(-((x - 50) ** 2 + (y - 40) ** 2) / 200).astype(np.float32)
    alpha[alpha < 0.02] = 0
    fore = np.broadcast_to(np.array([0.8, 0.3, 0.1], np.float32), (80, 100, 3))
    rgb = alpha[..., None] * fore + (1 - alpha[..., None]) * np.array([0.1, 0.3, 0.6], np.float32)
    found = estimate_foreground(rgb, alpha, method=method)
    assert error(found, fore, alpha) < 0.75 * error(rgb, fore, alpha)


@pytest.mark.parametrize("method", METHODS)
def test_same_bytes_again_and_inputs_left_alone(method: Method) -> None:
    rgb, alpha, _, _ = hair(150, 211)
    rgb[3, 3] = np.nan
    before = rgb.tobytes(), alpha.tobytes()
    first, second = (estimate_foreground(rgb, alpha, method=method) for _ in range(2))
    assert first.tobytes() == second.tobytes()
    assert (rgb.tobytes(), alpha.tobytes()) == before


def test_memory_order_of_the_plate_does_not_matter() -> None:
    rgb, alpha, _, _ = hair(60, 80)
    turned = np.asfortranarray(rgb), np.asfortranarray(alpha)
    expected = estimate_foreground(rgb, alpha, method="unclamped")
    assert np.array_equal(estimate_foreground(*turned, method="unclamped"), expected)


def test_errors_name_shapes_and_methods() -> None:
    with pytest.raises(UsageError, match=r"\(5, 6, 4\).*\(5, 6\)"):
        estimate_foreground(np.zeros((5, 6, 4)), np.zeros((5, 6)), method="unclamped")
    with pytest.raises(UsageError, match=r"'best'.*multilevel, unclamped, blur_fusion"):
        estimate_foreground(np.zeros((5, 6, 3)), np.zeros((5, 6)), method="best")  # type: ignore[arg-type]


def test_default_method_follows_the_colour() -> None:
    colours = [*STANDARD, colour_named("ACEScg"), colour_named("arri_logc4")]
    multilevel = {c.name for c in colours if default_method(c) == "multilevel"}
    assert multilevel == {"sRGB", "Rec.709", "Gamma 2.2 Rec.709", "Gamma 2.4 Rec.709"}
