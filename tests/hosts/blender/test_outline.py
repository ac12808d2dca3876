"""From masks to splines, without Blender."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hosts.blender.conftest import filled_spline

Logic = Callable[[str], Any]


def filling(line: Any, width: int, height: int) -> Any:
    """Return the pixels (H, W) whose middles lie inside a polygon (N, 2), by OpenCV."""
    ring = np.asarray(line, np.float32)
    rows = [
        [cv2.pointPolygonTest(ring, (x + 0.5, y + 0.5), False) > 0 for x in range(width)]
        for y in range(height)
    ]
    return np.array(rows)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_outlines_of_pieces_and_holes_are_the_mask_they_came_from(logic: Logic, data: st.DataObject) -> None:
    outline = logic("outline")
    height, width = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    bits = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    mask = np.array(bits).reshape(height, width)
    lines = outline.trace(mask)
    sizes = [outline.area(line) for line in lines]
    assert [abs(s) for s in sizes] == sorted((abs(s) for s in sizes), reverse=True)
    covered = np.zeros(mask.shape, int)
    for line, size in zip(lines, sizes, strict=True):
        inside = filling(line, width, height)
        assert inside.sum() == abs(size)
        covered += np.where(inside, np.sign(size).astype(int), 0)
    np.testing.assert_array_equal(covered, mask)
    # The independent judge: OpenCV's components; holes are those of the rest that do not reach the border.
    assert sum(s > 0 for s in sizes) == cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)[0] - 1
    around = np.pad(~mask, 1, constant_values=True).astype(np.uint8)
    assert sum(s < 0 for s in sizes) == cv2.connectedComponents(around, connectivity=8)[0] - 2


def test_points_of_an_outline_stay_where_they_were(logic: Logic) -> None:
    outline = logic("outline")
    y, x = np.mgrid[:90, :160]
    before = None
    for step in range(6):
        mask = ((x - 60 - 4 * step) / 40) ** 2 + ((y - 45) / 25) ** 2 < 1
        now = outline.fitted(outline.trace(mask)[0], 24, before)
        filled = filling(now, 160, 90)
        assert (filled & mask).sum() / (filled | mask).sum() > 0.95
        if before is not None:
            assert np.abs(now - before - (4, 0)).max() < 2
        before = now


def test_a_fitted_spline_is_closer_than_points_on_the_outline(logic: Logic) -> None:
    outline = logic("outline")
    y, x = np.mgrid[:180, :320]
    angle = np.arctan2(y - 90, x - 160)
    mask = np.hypot(x - 160, y - 90) < 60 + 8 * np.sin(23 * angle)  # more spikes than points
    line = outline.trace(mask)[0]

    def overlap(points: Any) -> float:
        ring = [[list(p), list(p - t), list(p + t)] for p, t in zip(points, tangents(points), strict=True)]
        drawn = filled_spline(ring, 320, 180)
        return float((drawn & mask).sum() / (drawn | mask).sum())

    def tangents(points: Any) -> Any:
        return (np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)) / 6

    taken = line[np.linspace(0, len(line), 20, endpoint=False).astype(int)]
    assert overlap(outline.fitted(line, 20)) > overlap(taken) + 0.01
    assert overlap(outline.fitted(line, 120)) > 0.95


def disc(x: float, y: float, radius: float) -> Any:
    """Return a disc (90, 160)."""
    v, u = np.mgrid[:90, :160]
    return np.hypot(u - x, v - y) < radius


def test_pieces_and_holes_keep_their_splines(logic: Logic) -> None:
    pieces = logic("pieces")
    masks = {
        1: disc(40, 45, 20) & ~disc(40, 45, 8) | disc(140, 45, 14),
        3: disc(44, 45, 17) | disc(138, 45, 19),  # the other one is larger now, and the hole is closed
        5: disc(48, 45, 20) & ~disc(48, 45, 8),
        7: disc(92, 45, 20) | disc(10, 10, 0.9),  # it jumped, and there is a speck
        9: np.zeros((90, 160), bool),
    }
    found = pieces.follow(masks)
    assert [(p.hole, sorted(p.lines)) for p in found] == [
        (False, [1, 3, 5, 7]),
        (False, [1, 3]),
        (True, [1, 5]),
    ]
    left, right, hole = (pieces.points(p, [1, 3, 5, 7, 9], 12) for p in found)
    np.testing.assert_allclose([left[f].mean(0)[0] for f in (1, 3, 5, 7)], [40.5, 44.5, 48.5, 92.5], atol=1)
    for points, gone, there in ((right, (5, 7, 9), 138.5), (hole, (3, 7, 9), None), (left, (9,), 92.5)):
        for frame in gone:
            assert points[frame].shape == (12, 2)
            assert 0 < np.ptp(points[frame], axis=0).max() < 0.1
            assert there is None or abs(points[frame][0, 0] - there) < 1
    counts = pieces.counts(found, 32)
    assert counts[0] == 32
    assert 6 <= counts[2] < 32 > counts[1] >= 24
    assert pieces.counts(found, 4) == [4] * 3
    assert pieces.follow({1: masks[9]}) == []
    many = np.zeros((90, 160), bool)
    many[5:85:10, 5:155:10] = True
    assert len(pieces.follow({1: cv2.dilate(many.astype(np.uint8), np.ones((5, 5))) > 0})) == pieces.MOST
