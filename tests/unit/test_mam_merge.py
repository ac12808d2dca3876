"""The merge of Matting Anything's scales, against one written from its description."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from trackmatte.errors import UsageError
from trackmatte.refiners.mam_merge import WIDTHS, merge

H, W = 61, 83
BOX = (17, 9, 60, 44)
LOW, HIGH = np.float32(1 / 255), np.float32(1 - 1 / 255)


def spread(area: np.ndarray, side: int) -> np.ndarray:
    """Dilate by an ellipse, as the maximum over shifted copies."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    before = side // 2
    padded = np.pad(area, ((before, side), (before, side)))
    h, w = area.shape
    out = np.zeros_like(area)
    for y, x in np.argwhere(kernel):
        out |= padded[y : y + h, x : x + w]
    return out


def expected(
    scales: list[np.ndarray], mask: np.ndarray, box: Any, widths: tuple[int, int, int], twoside: bool
) -> np.ndarray:
    """Follow the published description pixel by pixel set."""
    os8, os4, os1 = scales
    if box is None:
        ring = spread(mask, widths[0] // 2) & ~mask
        if twoside:
            ring = spread(mask, widths[0] // 2) & spread(~mask, widths[0] // 2)
        alpha = np.where(ring, os8, mask.astype(np.float32))
    else:
        within = np.zeros_like(mask)
        within[box[1] : box[3], box[0] : box[2]] = True
        alpha = np.where(within, os8, mask.astype(np.float32))
    for finer, width in ((os4, widths[1]), (os1, widths[2])):
        open_ = alpha >= LOW
        if twoside:
            weight = spread(open_ & (alpha <= HIGH), width // 2)
        else:
            weight = spread(open_, width // 2) & (alpha <= HIGH)
        alpha = np.where(weight, finer, alpha)
    return alpha


def masks() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    blob = cv2.GaussianBlur(rng.standard_normal((H, W)), (0, 0), 5) > 0.02
    corner = np.zeros((H, W), bool)
    corner[:20, -25:] = True
    one = np.zeros((H, W), bool)
    one[0, 0] = True
    sides = np.zeros((H, W), bool)
    sides[:, 30:50] = True
    return {
        "blob": blob,
        "grains": rng.random((H, W)) > 0.98,
        "empty": np.zeros((H, W), bool),
        "full": np.ones((H, W), bool),
        "corner": corner,
        "one pixel": one,
        "from border to border": sides,
    }


def scales(seed: int = 0) -> list[np.ndarray]:
    """Three random mattes with plenty of values at, near and beyond both thresholds."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(3):
        alpha = rng.random((H, W), np.float32)
        kind = cv2.resize(rng.random((9, 11)), (W, H))
        alpha[kind < 0.4] *= 2 / 255
        alpha[kind > 0.6] = 1 - alpha[kind > 0.6] * np.float32(2 / 255)
        alpha[rng.random((H, W)) < 0.02] = LOW
        alpha[rng.random((H, W)) < 0.02] = HIGH
        found.append(alpha)
    return found


@pytest.mark.parametrize("twoside", [False, True])
@pytest.mark.parametrize("box", [None, BOX, (0, 0, W, H), (40, 20, W + 9, H + 9)])
@pytest.mark.parametrize("name", list(masks()))
def test_the_same_as_the_description(name: str, box: Any, twoside: bool) -> None:
    mask, given = masks()[name], scales()
    kept = [x.copy() for x in given]
    for widths in (WIDTHS, (2, 2, 2), (7, 31, 12), (58, 40, 3)):
        alpha = merge(*given, mask, box=box, widths=widths, twoside=twoside)
        np.testing.assert_array_equal(alpha, expected(given, mask, box, widths, twoside))
        assert alpha.dtype == np.float32
    np.testing.assert_array_equal(given, kept)


def test_the_defaults() -> None:
    mask, given = masks()["blob"], scales(5)
    reference = expected(given, mask, None, (10, 20, 10), False)
    np.testing.assert_array_equal(merge(*given, mask), reference)
    for dtype in (np.uint8, np.float32, np.int64):
        np.testing.assert_array_equal(merge(*given, (mask * 200).astype(dtype)), reference)


def test_around_an_empty_or_full_mask_nothing_is_invented() -> None:
    given = scales()
    assert not merge(*given, masks()["empty"]).any()
    for twoside in (False, True):
        assert (merge(*given, masks()["full"], twoside=twoside) == 1).all()


def test_far_from_the_mask_alpha_stays_zero_and_within_it_one() -> None:
    mask, given = masks()["corner"], scales()
    reach = spread(spread(spread(mask, 5), 10), 5)
    alpha = merge(*given, mask)
    assert not alpha[~reach].any()
    assert (alpha[mask] == 1).all()
    rim = reach & ~mask
    assert 0 < alpha[rim].mean() < 1
    inner = spread(spread(spread(~mask, 5), 10), 5)
    both = merge(*given, mask, twoside=True)
    assert (both[~inner] == 1).all()
    assert (both[mask] < 1).any()


def test_a_higher_fine_matte_never_lowers_alpha() -> None:
    mask = masks()["blob"]
    os8, os4, os1 = scales()
    low, high = merge(os8, os4, os1 * np.float32(0.5), mask), merge(os8, os4, os1, mask)
    assert (low <= high).all()
    assert (low < high).any()


def test_the_wider_the_rim_the_more_is_decided_by_the_finest() -> None:
    mask, given = masks()["corner"], scales()
    given[2][:] = 0.5
    counts = [int((merge(*given, mask, widths=(10, 20, w)) == 0.5).sum()) for w in (2, 6, 10, 20, 40)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_scales_that_agree_come_through_unchanged() -> None:
    """A soft disc whose mask is its inner part: every rim lies within what the scales agree on."""
    y, x = np.mgrid[:H, :W]
    radius = np.hypot(y - H / 2, x - W / 2)
    soft = np.clip((22 - radius) / 6, 0, 1).astype(np.float32)
    alpha = merge(soft, soft, soft, soft > HIGH)
    np.testing.assert_allclose(alpha, soft, atol=1 / 255)


def test_an_empty_picture() -> None:
    nothing = np.zeros((0, 5), np.float32)
    assert merge(nothing, nothing, nothing, nothing).shape == (0, 5)


def test_what_cannot_be_meant() -> None:
    given = scales()
    with pytest.raises(UsageError, match=r"one shape \(h, w\), not \(61, 83\).*\(61, 82\)"):
        merge(*given, masks()["blob"][:, :-1])
    with pytest.raises(UsageError, match="one shape"):
        merge(*(x[None] for x in given), masks()["blob"][None])
    with pytest.raises(UsageError, match=r"widths \(10, 1, 10\).* at least 2"):
        merge(*given, masks()["blob"], widths=(10, 1, 10))
