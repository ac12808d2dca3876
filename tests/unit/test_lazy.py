"""Lazy Snapping: formulas, pieces against pixels, and polygons that pull."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.unit.test_graphcut import _scene
from trackmatte.errors import PromptError
from trackmatte.numerics.cuts import graph_energy
from trackmatte.prompt import Prompt, Scribble
from trackmatte.select import lazy
from trackmatte.select.lazy import (
    _COLOUR,
    edit_boundary,
    likelihood,
    pixel_cut,
    polygons_of,
    prepare,
    stroke,
)
from trackmatte.select.raster import draw_seeds

FURBALL = (
    Scribble(((0.3, 0.26), (0.29, 0.42), (0.32, 0.53), (0.38, 0.6), (0.48, 0.56), (0.54, 0.44)), 1, 0.008),
    Scribble(((0.37, 0.7), (0.5, 0.66)), 1, 0.008),
    Scribble(((0.15, 0.1), (0.7, 0.1), (0.75, 0.85), (0.15, 0.85), (0.15, 0.1)), 0, 0.008),
    Scribble(((0.4, 0.2), (0.42, 0.4)), 0, 0.008),
)


@pytest.fixture(scope="module")
def scene():
    image, truth = _scene(108, 192)
    subject, background = np.zeros_like(truth), np.zeros_like(truth)
    subject[52:56, 95:115] = True
    background[5:9], background[-9:-5] = True, True
    return image, truth, subject, background


def _iou(a, b):
    return (a & b).sum() / (a | b).sum()


def test_likelihood_is_the_papers_ratio():
    subject = np.array([[200, 0, 0], [0, 200, 0]], np.uint8)
    background = np.array([[0, 0, 200]], np.uint8)
    colours = np.array([[200.0, 0, 0], [0, 0, 200], [30, 60, 90]])
    odds = likelihood(colours, subject, background)
    assert odds[:2] == pytest.approx([1, -1])
    ours = min(np.linalg.norm(colours[2] - s) for s in subject.astype(float))
    theirs = np.linalg.norm(colours[2] - background[0])
    assert odds[2] == pytest.approx(theirs / (ours + theirs) - ours / (ours + theirs))
    assert likelihood(colours, subject, subject) == pytest.approx([0, 0, 0])


def test_pieces_agree_with_pixels_and_editing_with_the_truth(scene):
    image, truth, subject, background = scene
    pieces = prepare(image)
    rough = stroke(pieces, subject, background)
    whole = pixel_cut(image, subject, background)
    fine = edit_boundary(pieces, rough.labels, subject, background)
    assert _iou(rough.labels, whole) > 0.9
    assert _iou(fine, whole) > 0.95
    assert _iou(fine, truth) > 0.95
    assert rough.energies[1] <= rough.energies[0]


def test_the_border_of_pieces_costs_what_it_costs_pixels(scene):
    image = scene[0]
    pieces = prepare(image)
    sides = np.random.default_rng(0).random(len(pieces.areas)) < 0.5
    labels = sides[pieces.labels]
    z, cost = image.astype(float), 0.0
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            for v, u in ((y, x + 1), (y + 1, x)):
                if v < labels.shape[0] and u < labels.shape[1] and labels[y, x] != labels[v, u]:
                    cost += pieces.coupling / (1 + _COLOUR * ((z[y, x] - z[v, u]) ** 2).sum())
    none = np.zeros(sides.size)
    assert graph_energy(sides, none, pieces.pairs, pieces.weights) == pytest.approx(cost, rel=1e-6)


def test_on_footage_the_answer_agrees_with_cuts_of_pixels():
    clip = Path(__file__).resolve().parents[2] / "sample_clips" / "furball" / "plate.mp4"
    video = cv2.VideoCapture(str(clip))
    found, frame = video.read()
    video.release()
    assert found
    image = np.ascontiguousarray(cv2.resize(frame, (480, 270), interpolation=cv2.INTER_AREA)[..., ::-1])
    seeds = draw_seeds(Prompt(frame=0, scribbles=FURBALL), (480, 270))
    subject, background = seeds.subject, seeds.background
    pieces = prepare(image)
    rough = stroke(pieces, subject, background).labels
    fine = edit_boundary(pieces, rough, subject, background)
    whole = pixel_cut(image, subject, background)
    assert 0.02 < whole.mean() < 0.5
    assert _iou(rough, fine) > 0.85
    assert _iou(fine, whole) > 0.8


def test_the_cut_of_pieces_cannot_be_bettered_by_a_piece(scene):
    image, _, subject, background = scene
    pieces = prepare(image)
    cut = stroke(pieces, subject, background)
    sides = np.array([cut.labels[pieces.labels == k][0] for k in range(len(pieces.areas))])
    odds = likelihood(pieces.means, image[subject], image[background]) * pieces.areas
    marked = np.unique(pieces.labels[subject | background])
    odds[marked] = 0
    least = graph_energy(sides, odds, pieces.pairs, pieces.weights)
    assert least == pytest.approx(cut.energies[1], rel=1e-6)
    for k in np.setdiff1d(np.arange(len(odds)), marked)[::7]:
        other = sides.copy()
        other[k] = not other[k]
        assert graph_energy(other, odds, pieces.pairs, pieces.weights) >= least - 1e-3


def test_a_moved_vertex_pulls_the_boundary_where_the_picture_is_silent():
    image = np.full((60, 80, 3), 100, np.uint8)
    subject, background = np.zeros((60, 80), bool), np.zeros((60, 80), bool)
    subject[28:32, 38:42], background[:2] = True, True
    square = np.array([[20, 15], [60, 15], [60, 45], [20, 45]], np.int32)
    pieces = prepare(image)
    found = edit_boundary(pieces, subject, subject, background, polygons=[square], pull=0.9)
    expected = np.zeros_like(found)
    expected[16:45, 21:60] = True  # of sides that cost the same the smaller subject's
    assert _iou(found, expected) > 0.98
    moved = square.copy()
    moved[1] = 72, 8
    further = edit_boundary(pieces, subject, subject, background, polygons=[moved], pull=0.9)
    assert further[12:15, 60:64].all()
    assert not found[12:15, 60:64].any()


def test_marks_stay_and_polygons_close_around_the_mask(scene):
    image, truth, subject, background = scene
    lines = polygons_of(truth)
    assert len(lines) == 1
    assert 6 <= len(lines[0]) < 60
    wrong = np.zeros_like(truth)
    wrong[20:30, 20:30] = True
    fine = edit_boundary(prepare(image), wrong, subject, background)
    assert fine[subject].all()
    assert not fine[background].any()
    assert polygons_of(np.zeros_like(truth)) == []
    with pytest.raises(PromptError, match="both sides"):
        stroke(prepare(image), subject, np.zeros_like(subject))
    with pytest.raises(PromptError, match="erase one"):
        stroke(prepare(image), subject, subject)


def test_pieces_of_a_picture_are_made_once(scene, monkeypatch):
    made = []
    monkeypatch.setattr(lazy, "prepare", lambda rgb: made.append(rgb.shape) or prepare(rgb))
    image = scene[0]
    lazy._kept.cache_clear()
    first, other = lazy.prepared(image), lazy.prepared(image[::-1])
    assert lazy.prepared(image.copy()) is first  # another stroke on the same frame
    assert len(made) == 2
    assert (first.labels == prepare(image).labels).all()
    assert (other.labels == prepare(np.ascontiguousarray(image[::-1])).labels).all()
    assert first.rgb is not image
    turned = np.ascontiguousarray(image.reshape(image.shape[1], image.shape[0], 3))  # the same bytes
    assert lazy.prepared(turned).labels.shape == turned.shape[:2]
    monkeypatch.setattr(lazy, "_KEPT", 10)
    assert lazy.prepared(image) is not first  # large pictures are not held
