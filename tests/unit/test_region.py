"""The region of a shot, and the guard that keeps alpha to the mask away from the contour."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackmatte.mask import Mask
from trackmatte.refiners.region import LEAST, SNAP, Region, bounds_of, guard, region_of

UNIT = st.floats(0, 1)


@given(st.lists(st.tuples(UNIT, UNIT, UNIT, UNIT), min_size=1), st.integers(1, 9000), st.integers(1, 5000))
def test_region_holds_every_box_with_padding(
    boxes: list[tuple[float, float, float, float]], width: int, height: int
) -> None:
    ordered = [(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in boxes]
    region = region_of(ordered, (width, height))
    assert region is not None
    assert 0 <= region.x0 < region.x1 <= width
    assert 0 <= region.y0 < region.y1 <= height
    assert region.x0 <= max(0, min(b[0] for b in ordered) * width - LEAST)
    assert region.x1 >= min(width, max(b[2] for b in ordered) * width + LEAST)
    assert region.x0 % SNAP == 0
    assert region.x1 % SNAP == 0 or region.x1 == width


def test_small_changes_do_not_move_a_region() -> None:
    regions = {region_of([(0.3 + d, 0.3, 0.5 + d, 0.7)], (3840, 2160)) for d in np.linspace(0, 0.002, 9)}
    assert len(regions) == 1
    assert region_of([], (100, 100)) is None


def test_guard_keeps_core_and_far_background() -> None:
    yy, xx = np.mgrid[:200, :200]
    logits = (60 - np.hypot(yy - 100, xx - 100)).astype(np.float32)
    wrong = np.full((200, 200), 0.5, np.float32)
    alpha = guard(wrong, logits, area=float((logits > 0).sum()), width=200)
    reach = 0.1 * (logits > 0).sum() ** 0.5
    assert (alpha[logits > reach + 1] == 1).all()
    assert (alpha[logits < -reach - 1] == 0).all()
    assert (alpha[np.abs(logits) < 0.5 * reach] == 0.5).all()
    free = logits < -50
    assert (guard(wrong, logits, area=1e4, width=200, free=free)[free] == 0.5).all()


@pytest.mark.parametrize("value", [-1.0, 1.0])
def test_guard_of_an_empty_or_full_mask_is_the_mask(value: float) -> None:
    flat = np.full((5, 7), value, np.float32)
    alpha = guard(np.full((5, 7), 0.5, np.float32), flat, area=1, width=7)
    np.testing.assert_array_equal(alpha, np.full((5, 7), value > 0, np.float32))


def test_bounds() -> None:
    logits = np.full((10, 20), -1, np.float32)
    assert bounds_of(Mask(0, "a", logits, 1)) is None
    logits[2:4, 5:10] = 1
    assert bounds_of(Mask(0, "a", logits, 1)) == (0.25, 0.2, 0.5, 0.4)
    assert Region(1, 2, 4, 6).crop(np.zeros((10, 10))).shape == (4, 3)
