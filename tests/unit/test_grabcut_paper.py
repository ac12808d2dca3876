"""GrabCut: the energy falls, is what the formula says, and the masks are OpenCV's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from trackmatte.errors import PromptError
from trackmatte.numerics.maxflow import contrast_beta
from trackmatte.select.iterated import edit, grab_cut


def _scene(seed=0, height=60, width=80):
    """A two-coloured disc before a two-coloured wall, with noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    truth = (x - width * 0.55) ** 2 + (y - height * 0.5) ** 2 < (height * 0.3) ** 2
    image = np.where((x % 24 < 12)[..., None], [60, 90, 60], [90, 90, 130])
    image = np.where(
        truth[..., None], np.where((y % 16 < 8)[..., None], [170, 80, 60], [190, 150, 60]), image
    )
    box = np.zeros((height, width), bool)
    box[8:-8, 20:-12] = True
    return np.clip(image + rng.normal(0, 12, image.shape), 0, 255).astype(np.uint8), truth, box


def _iou(a, b):
    return (a & b).sum() / (a | b).sum()


def _energy(rgb, labels, models, gamma):
    """The paper's energy, pixel by pixel."""
    z, total, beta = rgb.astype(float), 0.0, contrast_beta(rgb)
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            model = models[int(labels[y, x])]
            costs = []
            for w, m, c in zip(model.weights, model.means, model.covariances, strict=True):
                d = z[y, x] - m
                square = d @ np.linalg.solve(c, d)
                costs.append(-np.log(w) + 0.5 * (np.linalg.slogdet(c)[1] + square + 3 * np.log(2 * np.pi)))
            total += min(costs)
            for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
                v, u = y + dy, x + dx
                if v < height and 0 <= u < width and labels[y, x] != labels[v, u]:
                    far = ((z[y, x] - z[v, u]) ** 2).sum()
                    total += gamma * np.exp(-beta * far) / np.hypot(dy, dx)
    return total


@pytest.mark.parametrize("seed", range(3))
def test_the_energy_never_rises_and_the_disc_is_found(seed):
    rgb, truth, box = _scene(seed)
    none = np.zeros_like(box)
    grab = grab_cut(rgb, none, ~box, box)
    energies = np.array(grab.cut.energies)
    assert len(energies) >= 3
    assert (np.diff(energies) <= 1e-6 * np.abs(energies[1:])).all()
    assert _iou(grab.cut.labels, truth) > 0.98
    assert not (grab.cut.labels & ~box).any()
    assert (grab.cut.labels == grab_cut(rgb, none, ~box, box).cut.labels).all()


def test_the_energy_is_that_of_the_paper():
    rgb, _, box = _scene(1, 24, 32)
    box[:] = False
    box[4:-4, 8:-4] = True
    grab = grab_cut(rgb, np.zeros_like(box), ~box, box)
    assert grab.cut.energies[-1] == pytest.approx(_energy(rgb, grab.cut.labels, grab.models, 50.0), rel=1e-9)


def test_the_mask_is_that_of_opencv():
    rgb, truth, box = _scene(4)
    mask = np.where(box, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    models = np.zeros((2, 1, 65))
    cv2.grabCut(np.ascontiguousarray(rgb[..., ::-1]), mask, None, *models, 5, cv2.GC_INIT_WITH_MASK)
    theirs = (mask & 1) > 0
    ours = grab_cut(rgb, np.zeros_like(box), ~box, box).cut.labels
    assert _iou(theirs, truth) > 0.95
    assert _iou(ours, theirs) > 0.97


def test_an_edit_is_one_more_cut_that_honours_it():
    rgb, truth, box = _scene(2)
    none = np.zeros_like(box)
    grab = grab_cut(rgb, none, ~box, box)
    back = none.copy()
    back[28:34, 40:48] = True
    after = edit(rgb, grab, none, ~box | back)
    assert len(after.cut.energies) == 1
    assert not after.cut.labels[back].any()
    assert after.models is grab.models
    assert after.cut.energies[0] >= grab.cut.energies[-1]  # more is fixed
    undone = edit(rgb, after, none, ~box)
    assert (undone.cut.labels == grab.cut.labels).mean() > 0.999
    assert _iou(undone.cut.labels, truth) > 0.98


def test_one_side_alone_is_told_and_constant_images_end():
    rgb, _, box = _scene()
    none = np.zeros_like(box)
    with pytest.raises(PromptError, match="background"):
        grab_cut(rgb, none, none, ~none)
    with pytest.raises(PromptError, match="subject"):
        grab_cut(rgb, none, none, none)
    flat = grab_cut(np.full((20, 20, 3), 5, np.uint8), none[:20, :20], ~box[:20, 20:40], box[:20, 20:40])
    assert np.isfinite(flat.cut.energies).all()
