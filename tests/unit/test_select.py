"""Prompts become masks: marks are honoured, corrections stay local, contradictions are told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackmatte.errors import PromptError
from trackmatte.prompt import Box, Point, Prompt, Scribble
from trackmatte.select import select_mask
from trackmatte.select.raster import draw_seeds, draw_stroke


def _scene(height=120, width=160):
    """A reddish disc on a greenish, noisy ground; (rgb, truth)."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:height, :width]
    truth = (x - width * 0.5) ** 2 + (y - height * 0.5) ** 2 < (0.25 * min(height, width)) ** 2
    rgb = np.where(truth[..., None], (180, 60, 50), (60, 120, 70)) + rng.normal(0, 8, (height, width, 3))
    return np.clip(rgb, 0, 255).astype(np.uint8), truth


def _jaccard(logits, truth):
    mask = logits > 0
    return (mask & truth).sum() / (mask | truth).sum()


BOX = Box(0.3, 0.22, 0.7, 0.78)
CENTRE = Point(0.5, 0.5)


@pytest.mark.parametrize(
    "said",
    [
        {"box": BOX},
        {"points": (CENTRE,)},
        {"box": BOX, "points": (CENTRE, Point(0.32, 0.25, 0))},
        {
            "scribbles": (
                Scribble(((0.45, 0.5), (0.55, 0.5))),
                Scribble(((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)), 0),
            )
        },
    ],
)
@pytest.mark.parametrize("size", [(120, 160), (161, 119), (700, 940)])
def test_a_plain_disc_is_found(said, size):
    rgb, truth = _scene(*size)
    if size[0] > size[1] and "box" in said:
        said = said | {"box": Box(0.22, 0.3, 0.78, 0.7), "points": ()}
    logits = select_mask(rgb, Prompt(1, **said))
    assert logits.shape == truth.shape
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    assert _jaccard(logits, truth) > 0.93


def test_the_same_input_gives_the_same_bytes():
    rgb, _ = _scene()
    prompt = Prompt(1, box=BOX, points=(CENTRE,))
    assert (select_mask(rgb, prompt) == select_mask(rgb, prompt)).all()


def test_a_click_keeps_what_it_touches():
    rgb, truth = _scene()
    rgb[10:40, 5:35] = (180, 60, 50)
    logits = select_mask(rgb, Prompt(1, points=(CENTRE,)))
    assert not (logits[10:40, 5:35] > 0).any()
    assert _jaccard(logits, truth) > 0.9


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=4),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=4),
    st.integers(1, 50),
    st.integers(1, 50),
    st.booleans(),
)
def test_marks_are_honoured_on_any_image(positive, negative, height, width, flat):
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    if flat:
        rgb[:] = 77
    points = (*(Point(x, y) for x, y in positive), *(Point(x, y, 0) for x, y in negative))
    prompt = Prompt(3, points=points)
    try:
        seeds = draw_seeds(prompt, (width, height))
    except PromptError:
        return
    logits = select_mask(rgb, prompt)
    assert (logits[seeds.subject] > 0).all()
    assert (logits[seeds.background] <= 0).all()


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (40, 3), (1, 30), (97, 61)])
@pytest.mark.parametrize("flat", [True, False])
def test_odd_shapes_and_constant_images_select_something_in_the_box(shape, flat):
    rgb = np.full((*shape, 3), 90, np.uint8)
    if not flat:
        rgb = np.random.default_rng(1).integers(0, 256, rgb.shape, dtype=np.uint8)
    logits = select_mask(rgb, Prompt(1, box=Box(0.2, 0.2, 0.8, 0.8)))
    assert (logits > 0).any()
    assert select_mask(rgb, Prompt(1, points=(CENTRE,)))[shape[0] // 2, shape[1] // 2] > 0


def test_paint_wins_exactly_over_everything():
    rgb, _ = _scene()
    add = Scribble(((0.05, 0.1), (0.2, 0.15)), 1, 0.02, "paint")
    cut = Scribble(((0.4, 0.5), (0.6, 0.5)), 0, 0.01, "paint")
    prompt = Prompt(1, box=BOX, points=(CENTRE,), scribbles=(add, cut))
    mask = select_mask(rgb, prompt) > 0
    assert mask[draw_stroke(add, (160, 120))].all()
    assert not mask[draw_stroke(cut, (160, 120))].any()
    rest = ~draw_stroke(add, (160, 120)) & ~draw_stroke(cut, (160, 120))
    known = np.zeros((120, 160), bool)
    known[30:60, 20:50] = True
    with_mask = select_mask(rgb, Prompt(1, mask=known, scribbles=(add, cut))) > 0
    assert (with_mask[rest] == known[rest]).all()


def test_later_paint_covers_earlier_paint_and_paint_alone_is_the_mask():
    rgb, _ = _scene()
    line = ((0.3, 0.3), (0.6, 0.6))
    one = Scribble(line, 1, 0.03, "paint")
    two = Scribble(line, 0, 0.01, "paint")
    mask = select_mask(rgb, Prompt(1, scribbles=(one, two))) > 0
    assert (mask == (draw_stroke(one, (160, 120)) & ~draw_stroke(two, (160, 120)))).all()


def test_hair_changes_no_mask():
    rgb, _ = _scene()
    hair = Scribble(((0.3, 0.3), (0.7, 0.3)), 1, 0.05, "hair")
    plain = select_mask(rgb, Prompt(1, box=BOX))
    assert (select_mask(rgb, Prompt(1, box=BOX, scribbles=(hair,))) == plain).all()


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.float32])
def test_a_mask_alone_is_kept_exactly(dtype):
    rgb, _ = _scene()
    mask = np.random.default_rng(2).random((120, 160)) > 0.6
    given_mask = mask.astype(dtype) * (255 if dtype is np.uint8 else 1)
    assert ((select_mask(rgb, Prompt(1, mask=given_mask)) > 0) == mask).all()


def test_a_correction_changes_the_prior_around_itself_only():
    rgb, truth = _scene(240, 320)
    prior = np.where(truth, 4.0, -4.0).astype(np.float32)
    prior[:, :160] = np.where(truth[:, :160], -1.0, -4.0)  # half of the disc was lost
    prior[10:20, 290:310] = 4.0  # and something far away was found
    logits = select_mask(rgb, Prompt(1, points=(Point(0.45, 0.5),)), prior=prior)
    assert logits[120, 144] > 0
    assert ((logits > 0) == truth)[100:140, 120:160].mean() > 0.95
    assert (logits[:40, 250:] == prior[:40, 250:]).all()
    removed = select_mask(rgb, Prompt(1, points=(Point(300 / 320, 15 / 240, 0),)), prior=prior)
    assert not (removed[8:22, 288:312] > 0).any()
    assert ((removed[:, :250] > 0) == (prior[:, :250] > 0)).all()


def test_a_correction_that_agrees_changes_nothing():
    rgb, truth = _scene()
    prior = np.where(truth, 3.0, -2.0).astype(np.float32)
    assert (select_mask(rgb, Prompt(1, points=(CENTRE,)), prior=prior) == prior).all()


def test_prior_of_another_size_and_hair_alone_keep_the_prior():
    rgb, truth = _scene()
    prior = np.where(truth, 3.0, -3.0).astype(np.float32)[::2, ::2]
    hair = Scribble(((0.3, 0.3),), 1, 0.05, "hair")
    assert _jaccard(select_mask(rgb, Prompt(1, scribbles=(hair,)), prior=prior), truth) > 0.9


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"points": (CENTRE, Point(0.5, 0.5, 0))}, "both"),
        ({"points": (CENTRE,), "scribbles": (Scribble(((0.4, 0.5), (0.6, 0.5)), 0),)}, "both"),
        (
            {
                "scribbles": (
                    Scribble(((0.4, 0.5), (0.6, 0.5)), 0),
                    Scribble(((0.5, 0.4), (0.5, 0.6)), 1),
                )
            },
            "both",
        ),
        ({"box": BOX, "points": (Point(0.1, 0.1),)}, r"click at \(0.1, 0.1\).*outside the box"),
        ({"box": BOX, "scribbles": (Scribble(((0.1, 0.1), (0.5, 0.5))),)}, "stroke.*outside the box"),
        ({"points": (Point(0.5, 0.5, 0),)}, "only says where"),
        ({"scribbles": (Scribble(((0.5, 0.5),), 0, 0.1, "paint"),)}, "only says where"),
        ({}, "says nothing"),
        ({"scribbles": (Scribble(((0.5, 0.5),), 1, 0.1, "hair"),)}, "says nothing"),
        ({"mask": np.zeros((120, 160), bool)}, "selects nothing"),
        ({"box": BOX, "scribbles": (Scribble(((0.5, 0.5),), 0, 0.5, "paint"),)}, "selects nothing"),
    ],
)
def test_bad_prompts_name_the_frame_and_the_way_out(said, words):
    rgb, _ = _scene()
    with pytest.raises(PromptError, match=words) as caught:
        select_mask(rgb, Prompt(1017, **said))
    assert "frame 1017" in str(caught.value)


def test_brushes_that_touch_are_settled_and_lines_that_cross_are_refused() -> None:
    fg = Scribble(((0.3, 0.5), (0.5, 0.5)), 1, 0.02)
    near = Scribble(((0.3, 0.53), (0.5, 0.53)), 0, 0.02)
    across = Scribble(((0.4, 0.4), (0.4, 0.6)), 0, 0.02)
    seeds = draw_seeds(Prompt(1, scribbles=(fg, near)), (200, 160))
    assert seeds.subject.any()
    assert seeds.background.any()
    assert not (seeds.subject & seeds.background).any()
    with pytest.raises(PromptError, match="both"):
        draw_seeds(Prompt(1, scribbles=(fg, across)), (200, 160))


def _wall_scene():
    """A disc before a wall that fills the box and is nowhere outside of it, so that a box alone keeps it."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:120, :160]
    truth = (x - 80) ** 2 + (y - 75) ** 2 < 28**2
    wall = (np.abs(x - 80) < 45) & (np.abs(y - 60) < 45)
    rgb = np.where(wall[..., None], (150, 150, 160), (60, 120, 70))
    rgb = np.where(truth[..., None], (60, 50, 90), rgb) + rng.normal(0, 8, (120, 160, 3))
    return np.clip(rgb, 0, 255).astype(np.uint8), truth


def test_a_stroke_in_a_box_teaches_the_colour_and_the_box_only_bounds():
    rgb, truth = _wall_scene()
    box = Box(36 / 160, 16 / 120, 124 / 160, 104 / 120)
    across = Scribble(((64 / 160, 75 / 120), (96 / 160, 75 / 120)), 1, 0.01)
    assert _jaccard(select_mask(rgb, Prompt(0, box=box)), truth) < 0.7  # the wall looks like the subject
    found = select_mask(rgb, Prompt(0, box=box, scribbles=(across,)))
    assert _jaccard(found, truth) > 0.93
    assert not (found > 0)[:, :36].any()
    apart = Scribble(((70 / 160, 20 / 120), (90 / 160, 22 / 120)), 1, 0.01)  # the wall is wanted as well
    both = select_mask(rgb, Prompt(0, box=box, scribbles=(across, apart)))
    assert (both > 0)[25:100, 40:120].mean() > 0.9


def test_a_dot_in_a_box_is_a_click():
    box = Box(36 / 160, 16 / 120, 124 / 160, 104 / 120)
    dot, line = Scribble(((0.5, 0.6),), 1, 0.01), Scribble(((0.4, 0.6), (0.6, 0.6)), 1, 0.01)
    assert not draw_seeds(Prompt(0, box=box, scribbles=(dot,)), (160, 120)).stroked
    assert draw_seeds(Prompt(0, box=box, scribbles=(dot, line)), (160, 120)).stroked
    back = Scribble(((0.4, 0.3), (0.6, 0.3)), 0, 0.01)
    assert not draw_seeds(Prompt(0, box=box, scribbles=(dot, back)), (160, 120)).stroked
