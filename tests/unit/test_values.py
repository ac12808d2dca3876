"""Value types: what frames show to models, what prompts refuse, how the command line reads positions."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import OpenImageIO as oiio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackmatte.cli.options import parse_range
from trackmatte.cli.prompts import parse_prompt
from trackmatte.color import SRGB, standard
from trackmatte.errors import PromptError, TrackmatteError, UsageError
from trackmatte.progress import Progress
from trackmatte.prompt import Box, Point, Prompt, Scribble
from trackmatte.shot.cache import file_name
from trackmatte.shot.spans import in_spans, join_spans


def test_linear_light_is_shown_as_openimageio_shows_it() -> None:
    light = np.random.default_rng(1).random((8, 8, 3), np.float32) * 1.2
    buffer = oiio.ImageBufAlgo.colorconvert(oiio.ImageBuf(light), "lin_rec709", "sRGB")
    expected = np.rint(np.clip(buffer.get_pixels(), 0, 1) * 255)
    assert np.abs(standard("linear").display(light) - expected).max() <= 1


def test_log_plates_land_in_the_display_range() -> None:
    code = np.array([[[95, 470, 685]]], np.float32).repeat(3, 0) / 1023
    shown = standard("Cineon").display(code)[0, 0]
    assert shown[0] == 0
    assert 105 < shown[1] < 135  # 18 % grey
    assert shown[2] == 255


def test_deep_and_broken_pixels() -> None:
    assert SRGB.display(np.full((1, 1, 3), 32896, np.uint16)).tolist() == [[[128] * 3]]
    odd = np.array([[[np.nan, np.inf, -np.inf]]], np.float32)
    assert standard("linear").display(odd).tolist() == [[[0, 255, 0]]]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Prompt(1, " "),
        lambda: Prompt(1, points=(Point(-0.1, 0.5),)),
        lambda: Prompt(1, points=(Point(float("nan"), 0.5),)),
        lambda: Prompt(1, box=Box(0.5, 0.5, 0.4, 0.9)),
        lambda: Prompt(1, scribbles=(Scribble(()),)),
        lambda: Prompt(1, scribbles=(Scribble(((0.5, 0.5),), radius=0.0),)),
        lambda: Prompt(1, mask=np.zeros((2, 2, 3))),
    ],
)
def test_prompts_that_cannot_be_meant(make: object) -> None:
    with pytest.raises(PromptError):
        make()  # type: ignore[operator]


def test_hair_alone_selects_nothing() -> None:
    assert not Prompt(1, scribbles=(Scribble(((0.5, 0.5),), mode="hair"),)).selects
    assert Prompt(1, scribbles=(Scribble(((0.5, 0.5),)),)).selects


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from(["", ",-", ",+", ",0", ",1"]))
def test_points_are_read_as_written(x: float, y: float, sign: str) -> None:
    prompt = parse_prompt(1, "s", (100, 50), point=[f"{x!r},{y!r}{sign}"], box=None, scribble=[], mask=None)
    (p,) = prompt.points
    assert (p.x, p.y, p.label) == (x, y, 0 if sign in (",-", ",0") else 1)


def test_pixel_positions() -> None:
    prompt = parse_prompt(
        1,
        "s",
        (200, 100),
        point=["50,25px", "0.1,0.2,-"],
        box="20,10,100,50px",
        scribble=["paint:0.1,0.1 40,50px@0.02"],
        mask=None,
    )
    assert prompt.points == (Point(0.25, 0.25, 1), Point(0.1, 0.2, 0))
    assert prompt.box == Box(0.1, 0.1, 0.5, 0.5)
    assert prompt.scribbles == (Scribble(((0.1, 0.1), (0.2, 0.5)), 1, 0.02, "paint"),)


@given(st.text(max_size=12))
def test_no_text_crashes_the_parsers(text: str) -> None:
    for words in ({"point": [text]}, {"box": text or None}, {"scribble": [text]}):
        given_words = {"point": [], "box": None, "scribble": [], **words}
        with suppress(TrackmatteError):
            parse_prompt(1, "s", (10, 10), mask=None, **given_words)  # type: ignore[arg-type]
    with suppress(UsageError):
        parse_range(text)


def test_progress_speaks_of_what_was_computed() -> None:
    p = Progress("track", 60, 100, 7, 10.0, 20)
    assert p.fps == 2
    assert p.eta == 20
    assert Progress("track", 0, 5, 7, 0.0, 0).eta == 0


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30), min_size=1))
def test_spans_round_trip(chosen: set[int], every: set[int]) -> None:
    numbers = sorted(every)
    assert in_spans(join_spans(chosen & every, numbers), numbers) == chosen & every


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_object_names_make_distinct_safe_file_names(a: str, b: str) -> None:
    try:
        x, y = file_name(a), file_name(b)
    except UnicodeEncodeError:  # lone surrogates are not text
        return
    assert (a == b) == (x == y)
    assert "/" not in x
    assert not x.startswith(".")


def test_every_error_has_its_own_exit_code() -> None:
    def tree(cls: type[TrackmatteError]) -> list[type[TrackmatteError]]:
        return [cls, *(s for c in cls.__subclasses__() for s in tree(c))]

    codes = {c.__name__: c.exit_code for c in tree(TrackmatteError)}
    assert codes["FrameError"] == codes["ClipError"] == 3
    assert len({v for k, v in codes.items() if k != "FrameError"}) == len(codes) - 1
