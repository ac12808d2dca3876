"""Agreement of masks with the motion of the picture, on textures whose motion is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from trackmatte.mask import Mask
from trackmatte.shot.drift import Drift

SIZE = (640, 360)


def plate(shift: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A bright textured disc ``shift`` px right of the middle of a dark still texture, (H, W, 3) uint8."""
    w, h = size
    rng = np.random.default_rng(5)
    noise = cv2.GaussianBlur(rng.random((h, w * 2, 3), np.float32), (0, 0), 4)
    noise = (noise - noise.min()) / (noise.max() - noise.min())
    inside = logits(shift, size)[..., None] > 0
    moved = np.roll(noise[:, w:], shift, axis=1)
    return np.rint(np.where(inside, 155 + 100 * moved, 100 * noise[:, :w])).astype(np.uint8)


def logits(shift: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Log-odds of that disc, of radius a quarter of the height."""
    w, h = size
    y, x = np.mgrid[:h, :w].astype(np.float32)
    return (h / 4 - np.hypot(x - w / 2 - shift, y - h / 2)) / 2


def mask(index: int, values: np.ndarray, name: str = "a") -> Mask:
    return Mask(index, name, values.astype(np.float32), 1.0)


def pair(first: Mask, second: Mask) -> dict[str, float]:
    """Measure two frames between which the disc moves by 20 px."""
    drift = Drift()
    assert drift.measure(first.index, plate(0), [first]) == {}
    return drift.measure(second.index, plate(20), [second])


def test_a_mask_that_moves_with_the_picture_agrees() -> None:
    assert pair(mask(3, logits(0)), mask(4, logits(20)))["a"] > 0.93
    assert pair(mask(4, logits(0)), mask(3, logits(20)))["a"] > 0.93


def test_a_mask_that_stays_behind_or_loses_a_part_does_not() -> None:
    moved = pair(mask(0, logits(0)), mask(1, logits(20)))["a"]
    behind = pair(mask(0, logits(0)), mask(1, logits(0)))["a"]
    half = logits(20)
    half[:180] = -9
    assert behind < moved - 0.1
    assert pair(mask(0, logits(0)), mask(1, half))["a"] == pytest.approx(0.5, abs=0.05)


def test_logits_may_have_any_shape_and_any_value() -> None:
    square = [cv2.resize(logits(s), (256, 256)) for s in (0, 20)]
    assert pair(mask(0, square[0]), mask(1, square[1]))["a"] > 0.93
    wild = [np.where(logits(s) > 0, np.inf, -np.inf) for s in (0, 20)]
    assert pair(mask(0, wild[0]), mask(1, wild[1]))["a"] > 0.9


def test_empty_masks() -> None:
    nothing = np.full((8, 8), -5.0)
    assert pair(mask(0, nothing), mask(1, nothing)) == {"a": 1.0}
    assert pair(mask(0, nothing), mask(1, logits(20))) == {"a": 0.0}
    assert pair(mask(0, logits(0)), mask(1, nothing)) == {"a": 0.0}


def test_it_forgets_after_a_jump_another_size_or_when_told() -> None:
    drift = Drift()

    def seen(index: int, size: tuple[int, int] = SIZE) -> bool:
        return bool(drift.measure(index, plate(0, size), [mask(index, logits(0))]))

    assert [seen(i) for i in (5, 6, 8, 9, 9, 8)] == [False, True, False, True, False, True]
    assert not seen(7, (320, 180))
    assert seen(6, (320, 180))
    drift.forget()
    assert not seen(5, (320, 180))


def test_objects_come_and_go() -> None:
    drift = Drift()
    drift.measure(0, plate(0), [mask(0, logits(0), "a")])
    both = [mask(1, logits(20), "a"), mask(1, logits(20), "b")]
    assert list(drift.measure(1, plate(20), both)) == ["a"]
    again = [mask(2, logits(20), "b"), mask(2, logits(20), "a")]
    assert list(drift.measure(2, plate(20), again)) == ["b", "a"]
    assert drift.measure(3, plate(20), []) == {}
    assert drift.measure(4, plate(20), [mask(4, logits(20))]) == {}


@pytest.mark.parametrize("size", [(5, 3), (1, 1), (4000, 2), (33, 2001)])
def test_odd_frames(size: tuple[int, int]) -> None:
    drift = Drift()
    rgb = np.zeros((size[1], size[0], 3), np.uint8)
    drift.measure(0, rgb, [mask(0, np.ones((4, 4)))])
    value = drift.measure(1, rgb, [mask(1, np.ones((4, 4)))])["a"]
    assert value == 1.0
    assert type(value) is float
