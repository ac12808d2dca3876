"""The named selectors: one signature, their energies, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackmatte.errors import PromptError, TrackmatteError, UsageError
from trackmatte.numerics.maxflow import energy
from trackmatte.prompt import Box, Point, Prompt, Scribble
from trackmatte.select import select_mask
from trackmatte.select.methods import METHODS, select_with
from trackmatte.select.seeded import graph_cut

INSIDE = Scribble(((0.45, 0.5), (0.65, 0.5)), 1, 0.02)
AROUND = Scribble(((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9), (0.1, 0.1)), 0, 0.02)
STROKES = Prompt(frame=0, scribbles=(INSIDE, AROUND))


def _scene(height=54, width=96):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    truth = (x - width * 0.55) ** 2 + (y - height * 0.5) ** 2 < (height * 0.3) ** 2
    image = np.where(truth[..., None], [190, 110, 60], [70, 90, 110]) + rng.normal(0, 14, (height, width, 3))
    return np.clip(image, 0, 255).astype(np.uint8), truth


@pytest.mark.parametrize("method", METHODS)
def test_each_method_finds_the_disc(method):
    image, truth = _scene()
    found = select_with(method, image, STROKES)
    labels = found.logits > 0
    assert found.logits.dtype == np.float32
    assert (labels & truth).sum() / (labels | truth).sum() > 0.95
    assert (np.diff(found.energies) <= 1e-6 * np.abs(found.energies[:-1])).all()
    assert (len(found.energies) > 1) == (method != "auto")
    again = select_with(method, (image / 255).astype(np.float32), STROKES)
    assert ((again.logits > 0) == labels).all()
    assert np.allclose(again.logits, found.logits, atol=1e-5)  # OpenCV's blur rounds by memory address


def test_auto_is_the_default_selection():
    image, _ = _scene()
    found = select_with("auto", image, STROKES).logits
    assert np.allclose(found, select_mask(image, STROKES), atol=1e-5)  # see above


def test_graph_cut_energy_is_the_least_and_seeds_are_kept():
    image, truth = _scene(27, 48)
    rng = np.random.default_rng(3)
    image = np.clip(image + rng.normal(0, 60, image.shape), 0, 255).astype(np.uint8)
    subject, background = truth & (np.arange(48) == 26), np.zeros_like(truth)
    background[0] = True
    cut = graph_cut(image, subject, background)
    assert cut.labels[subject].all()
    assert not cut.labels[background].any()
    assert cut.energies[1] < cut.energies[0]
    own = np.where(subject | background, 0, cut.odds).astype(np.float32)
    assert cut.energies[1] == pytest.approx(energy(cut.labels, own, image, smoothness=50.0))
    for size in (1, 2, 5, 20) * 5:  # nor does flipping a patch help
        y, x = rng.integers(1, 27), rng.integers(0, 48)
        other = cut.labels.copy()
        other[y : y + size, x : x + size] ^= True
        other = (other | subject) & ~background
        assert energy(other, own, image, smoothness=50.0) >= cut.energies[1] - 1e-3


def test_what_a_method_lacks_is_said():
    image, _ = _scene()
    for method in ("graphcut", "lazy", "mrf"):
        with pytest.raises(PromptError, match=f"{method} needs .* none is on the background"):
            select_with(method, image, Prompt(frame=0, scribbles=(INSIDE,)))
        with pytest.raises(PromptError, match="none is on the subject"):
            select_with(method, image, Prompt(frame=0, box=Box(0.2, 0.2, 0.8, 0.8)))
        with pytest.raises(PromptError, match="not a mask"):
            select_with(method, image, Prompt(frame=0, mask=np.ones((54, 96), np.float32)))
    with pytest.raises(PromptError, match="outside"):
        select_with("grabcut", image, Prompt(frame=0, scribbles=(INSIDE,)))
    with pytest.raises(PromptError, match="both for"):
        select_with("lazy", image, Prompt(frame=0, points=(Point(0.5, 0.5, 1), Point(0.5, 0.5, 0))))
    with pytest.raises(UsageError, match="there is no selector 'magic'; choose one of auto, grabcut"):
        select_with("magic", image, STROKES)


@pytest.mark.parametrize("method", ["grabcut", "graphcut", "lazy", "mrf"])
def test_images_that_cannot_be_meant_are_refused(method):
    broken = np.zeros((54, 96, 3), np.float32)
    broken[3, 4] = np.nan, np.inf, 0
    with pytest.raises(UsageError, match="1 pixels of the image are not finite"):
        select_with(method, broken, STROKES)
    huge = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (10_000, 10_000, 3))
    with pytest.raises(UsageError, match="100 megapixels"):
        select_with(method, huge, STROKES)
    with pytest.raises(PromptError):  # one pixel has no two sides
        select_with(method, np.zeros((1, 1, 3), np.uint8), Prompt(frame=0, points=(Point(0.5, 0.5, 1),)))
    flat = np.full((54, 96, 3), 77, np.uint8)  # marks decide, or the subject is told not to be found
    labels = select_with(method, flat, STROKES).logits > 0
    assert labels[27, 50]
    assert not labels[5, 48]


def test_auto_refuses_what_is_no_picture_and_takes_flat_ones():
    broken = np.full((54, 96, 3), 0.5, np.float32)
    broken[3, 4, 1], broken[5, 6, 2] = np.nan, np.inf
    with pytest.raises(UsageError, match="2 pixels of the image are not finite"):
        select_with("auto", broken, STROKES)
    huge = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (10_000, 20_100, 3))
    with pytest.raises(UsageError, match="201 megapixels and this method takes 200"):
        select_with("auto", huge, STROKES)
    one = select_with("auto", np.zeros((1, 1, 3), np.uint8), Prompt(frame=0, points=(Point(0.5, 0.5, 1),)))
    assert one.logits[0, 0] > 0
    labels = select_with("auto", np.full((54, 96, 3), 77, np.uint8), STROKES).logits > 0
    assert labels[27, 50]
    assert not labels[5, 48]


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 99), st.sampled_from(sorted(METHODS)))
def test_tiny_images_give_a_mask_or_one_error(height, width, seed, method):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    points = (Point(0.1, 0.1, 0), Point(0.9, 0.9, 1))
    try:
        logits = select_with(method, image, Prompt(frame=0, points=points)).logits
    except TrackmatteError:
        return
    assert logits.shape == (height, width)
    assert np.isfinite(logits).all()
    assert logits[-1, -1] > 0 > logits[0, 0]


def test_grabcut_starts_from_a_mask_and_corrects_it():
    image, truth = _scene()
    grown = np.zeros_like(truth)
    grown[8:46, 30:78] = True
    prompt = Prompt(frame=0, mask=grown.astype(np.float32), scribbles=(AROUND,))
    labels = select_with("grabcut", image, prompt).logits > 0
    assert (labels & truth).sum() / (labels | truth).sum() > 0.95
