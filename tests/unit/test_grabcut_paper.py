"""GrabCut: the energy falls, is what the formula says, and the masks are OpenCV's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from trackmatte.errors import PromptError
from trackmatte.numerics.maxflow import contrast_beta
from trackmatte.prompt import Box, Prompt, Scribble
from trackmatte.select.evidence import box_pixels
from trackmatte.select.iterated import _kept, edit, grab_cut
from trackmatte.select.methods import select_with, sides
from trackmatte.select.raster import draw_seeds


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
    forced, found = after.cut.energies
    assert found <= forced
    assert found == pytest.approx(_energy(rgb, after.cut.labels, grab.models, 50.0), rel=1e-9)
    assert forced == pytest.approx(_energy(rgb, grab.cut.labels & ~back, grab.models, 50.0), rel=1e-9)
    assert not after.cut.labels[back].any()
    assert after.models is grab.models
    assert found >= grab.cut.energies[-1]  # more is fixed
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


def test_strokes_in_a_box_edit_its_cut_and_refine_it_as_in_opencv():
    rgb, truth, _ = _scene(6)
    height, width = truth.shape
    # A stroke on the wall within the box, and one on the disc.
    wall, disc = ((0.32, 0.2), (0.8, 0.2)), ((0.5, 0.5), (0.6, 0.5))
    strokes = Scribble(disc, 1, 0.02), Scribble(wall, 0, 0.02)
    box = Box(20 / width, 8 / height, (width - 12) / width, 1 - 8 / height)
    prompt = Prompt(frame=0, box=box, scribbles=strokes)
    found = select_with("grabcut", rgb, prompt)
    seeds = draw_seeds(prompt, (width, height))
    inside = box_pixels(truth.shape, seeds.box)
    alone = grab_cut(rgb, np.zeros_like(inside), ~inside, inside)
    marks = sides(seeds)
    refined = grab_cut(rgb, *marks, edit(rgb, alone, *marks).cut.labels)
    assert ((found.logits > 0) == refined.cut.labels).all()
    assert (np.diff(found.energies) <= 1e-6 * np.abs(found.energies[1:])).all()

    mask = np.where(inside, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    models, bgr = np.zeros((2, 1, 65)), np.ascontiguousarray(rgb[..., ::-1])
    cv2.grabCut(bgr, mask, None, *models, 8, cv2.GC_INIT_WITH_MASK)
    mask[marks[0]], mask[marks[1]] = cv2.GC_FGD, cv2.GC_BGD
    cv2.grabCut(bgr, mask, None, *models, 1, cv2.GC_EVAL_FREEZE_MODEL)
    assert _iou(edit(rgb, alone, *marks).cut.labels, (mask & 1) > 0) > 0.97
    cv2.grabCut(bgr, mask, None, *models, 5, cv2.GC_EVAL)
    assert _iou(found.logits > 0, (mask & 1) > 0) > 0.97
    assert _iou(found.logits > 0, truth) > 0.95


def test_a_box_is_cut_once_however_many_strokes_follow():
    rgb, _, _ = _scene(7)
    strokes = [Scribble(((0.5, 0.4 + 0.05 * k), (0.6, 0.4 + 0.05 * k)), 1, 0.02) for k in range(3)]
    before = _kept.cache_info().misses
    for count in range(4):
        select_with(
            "grabcut", rgb, Prompt(frame=0, box=Box(0.2, 0.1, 0.9, 0.9), scribbles=tuple(strokes[:count]))
        )
    assert _kept.cache_info().misses == before + 1
