"""Superpixels are connected, complete, deterministic, and those of scikit-image up to ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage import segmentation

from trackmatte.errors import UsageError
from trackmatte.numerics.superpixels import (
    flood,
    gradient,
    neighbours,
    segment_means,
    slic_segments,
    watershed_segments,
)


def _picture(height=60, width=80, seed=0):
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(0, 1, (height, width, 3)), (3, 3, 0))
    image = 128 + 300 * smooth
    image[10:40, 20:50] = 255 - image[10:40, 20:50]
    return np.clip(image, 0, 255).astype(np.uint8)


def _is_partition(labels, shape):
    assert labels.shape == shape
    assert labels.dtype == np.int32
    count = int(labels.max()) + 1
    assert (np.unique(labels) == np.arange(count)).all()
    return all(ndimage.label(labels == k)[1] == 1 for k in range(count))


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99), st.integers(1, 30), st.booleans())
def test_any_image_is_parted_into_connected_pieces(height, width, seed, count, flat):
    image = np.random.default_rng(seed).integers(0, 2 if flat else 256, (height, width, 3), np.uint8)
    for make in (watershed_segments, lambda i: slic_segments(i, count)):
        labels = make(image)
        assert _is_partition(labels, (height, width))
        assert (labels == make(image)).all()


def test_float_images_and_constant_ones():
    image = _picture()
    assert (watershed_segments(image) == watershed_segments((image / 255).astype(np.float32))).all()
    assert watershed_segments(np.full((20, 30, 3), 7, np.uint8)).max() == 0
    assert 4 <= slic_segments(np.full((20, 30, 3), 7, np.uint8), 6).max() + 1 <= 8


def test_watershed_is_that_of_scikit_image():
    relief = gradient(_picture(120, 160))
    ours = flood(relief)
    theirs = segmentation.watershed(relief, connectivity=1)
    assert ours.max() + 1 == theirs.max()
    # Basins of the same minima; only pixels equally far from two of them may differ.
    pairs = np.zeros((ours.max() + 1, theirs.max()), int)
    np.add.at(pairs, (ours.ravel(), theirs.ravel() - 1), 1)
    assert pairs.max(1).sum() > 0.93 * ours.size


def test_slic_keeps_edges_as_well_as_scikit_image():
    image = _picture(120, 160, 1)
    truth = np.zeros((120, 160), int)
    truth[10:40, 20:50] = 1

    def lost(labels):
        inside = np.bincount(labels.ravel(), truth.ravel())
        size = np.bincount(labels.ravel())
        return np.minimum(inside, size - inside).sum() / truth.sum()

    ours = slic_segments(image, 200)
    theirs = segmentation.slic(image, 200, compactness=10, start_label=0)
    assert 120 <= ours.max() + 1 <= 260
    assert lost(ours) <= lost(theirs) + 0.03


def test_means_and_neighbours_of_pieces():
    image, labels = _picture(12, 15), slic_segments(_picture(12, 15), 9)
    means, (pairs, sides) = segment_means(image, labels), neighbours(labels)
    for k in range(labels.max() + 1):
        assert np.allclose(means[k], image[labels == k].mean(0))
    found = {}
    for y in range(12):
        for x in range(15):
            for v, u in ((y + 1, x), (y, x + 1)):
                if v < 12 and u < 15 and labels[y, x] != labels[v, u]:
                    key = tuple(sorted((int(labels[y, x]), int(labels[v, u]))))
                    found[key] = found.get(key, 0) + 1
    assert found == {tuple(p): s for p, s in zip(pairs.tolist(), sides.tolist(), strict=True)}
    assert neighbours(np.zeros((3, 3), np.int32))[0].shape == (0, 2)


def test_bad_images_are_told():
    with pytest.raises(UsageError, match="finite"):
        watershed_segments(np.full((4, 4, 3), np.nan))
    with pytest.raises(UsageError, match="shape"):
        slic_segments(np.zeros((4, 4, 2), np.uint8), 3)
    with pytest.raises(UsageError, match="shape"):
        watershed_segments(np.zeros((0, 4, 3), np.uint8))
    with pytest.raises(UsageError, match="uint8"):
        watershed_segments(np.zeros((4, 4, 3), np.int32))
    with pytest.raises(UsageError, match="megapixels"):
        watershed_segments(np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (10_000, 10_000, 3)))
    with pytest.raises(UsageError, match="positive"):
        slic_segments(np.zeros((4, 4, 3), np.uint8), 0)
