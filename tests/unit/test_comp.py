"""Composites: no halo, solid pixels untouched, the right background behind every frame."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import OpenImageIO as oiio
import pytest
from numpy.typing import NDArray

from tests import disc
from trackmatte.color import SRGB, standard
from trackmatte.comp import (
    Blur,
    Checker,
    Cutout,
    Effect,
    Grade,
    Grading,
    Layers,
    Replace,
    View,
    composite,
)
from trackmatte.comp.background import Flat
from trackmatte.comp.run import separate, union
from trackmatte.errors import ShotError, UsageError
from trackmatte.frame import Frame
from trackmatte.matte import Matte
from trackmatte.prompt import Box, Prompt
from trackmatte.shot import Look, Shot
from trackmatte.writers import WRITERS, Delivery

F32 = NDArray[np.float32]
SIZE = (192, 128)
LINEAR = standard("linear")


def ball(x: float = 96, y: float = 64, r: float = 30, soft: float = 6) -> F32:
    """Alpha of a soft ball, (H, W)."""
    yy, xx = np.mgrid[: SIZE[1], : SIZE[0]] + 0.5
    return np.clip((r - np.hypot(xx - x, yy - y)) / soft + 0.5, 0, 1).astype(np.float32)


def grey_texture() -> F32:
    """Grey noise, (H, W, 3) linear: nothing in it is red."""
    noise = cv2.GaussianBlur(
        np.random.default_rng(4).standard_normal(SIZE[::-1]).astype(np.float32), (0, 0), 2
    )
    return np.repeat((0.2 + 0.05 * noise / noise.std()).clip(0.02, 1)[..., None], 3, axis=2).astype(
        np.float32
    )


def as_layers(plate: F32, fore: F32, alpha: F32, behind: F32 | None = None) -> Layers:
    return Layers(7, plate, alpha, fore, behind)


@pytest.mark.parametrize("code", [True, False], ids=["sRGB plate", "linear plate"])
@pytest.mark.parametrize("size", [2.0, 6.0])
def test_no_red_of_the_subject_gets_into_the_blurred_background(code: bool, size: float) -> None:
    """A saturated red ball before grey: the ring around it stays as grey as with a true clean background."""
    red, back, alpha = np.array([0.8, 0.02, 0.02], np.float32), grey_texture(), ball()
    a = alpha[..., None]
    if code:  # as in video: mixed and stored in code values, 8 bits
        mixed = a * SRGB.encode(red[None, None]) + (1 - a) * SRGB.encode(back)
        frame = Frame(0, 7, Fraction(0), np.rint(mixed * 255).astype(np.uint8))
        back = SRGB.linear(SRGB.encode(back))
    else:
        frame = Frame(0, 7, Fraction(0), (a * red + (1 - a) * back).astype(np.float32), LINEAR)
    layers = separate(frame, Matte(0, "ball", alpha), Look(), behind=True)
    assert layers.behind is not None
    blur = Blur(size)
    made = blur(layers)
    clean = blur.background(back, np.zeros_like(alpha))
    naive = blur.background(layers.plate, np.zeros_like(alpha))
    reach = round(size / 200 * SIZE[0])
    yy, xx = np.mgrid[: SIZE[1], : SIZE[0]] + 0.5
    distance = np.hypot(xx - 96, yy - 64)
    ring = (alpha == 0) & (distance < 33 + reach)
    assert ring.sum() > 200

    def redness(x: F32) -> float:
        return float(np.abs(x[..., 0] - x[..., 1])[ring].mean())

    assert redness(clean) < 1e-6
    assert redness(naive) > 0.01  # the halo
    assert redness(made) < 0.02 * redness(naive)
    assert np.abs(made - clean)[ring].mean() < 0.3 * np.abs(naive - clean)[ring].mean()
    # In the soft rim, where a fill can only guess at texture, it is at least no red that comes in.
    rim = (alpha > 0) & (alpha < 0.9)
    filled = blur.background(layers.behind, alpha)
    tinted, halo = (np.abs(x[..., 0] - x[..., 1])[rim].mean() for x in (filled, naive))
    assert tinted < 0.02 * halo


def test_every_effect_leaves_solid_pixels_bit_for_bit() -> None:
    rng = np.random.default_rng(0)
    rgb = (rng.random((*SIZE[::-1], 3), np.float32) * 30).astype(np.float32)
    rgb[60:64, 90:94] = 3e4  # far above white
    frame, alpha = Frame(0, 7, Fraction(0), rgb, LINEAR), ball()
    layers = separate(frame, Matte(0, "ball", alpha), Look(), behind=True)
    effects: list[Effect] = [
        Blur(3),
        Replace(Flat((0.1, 0.7, 0.2))),
        Grading(Grade(exposure=-2, saturation=0)),
        Checker(),
        Cutout(),
    ]
    for effect in effects:
        np.testing.assert_array_equal(effect(layers)[..., :3][alpha == 1], rgb[alpha == 1])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_broken_pixels_of_the_plate_do_not_spread(bad: float) -> None:
    rgb, alpha = grey_texture(), ball()
    rgb[10, 10] = rgb[64, 96] = bad  # in the background, and in the subject's core
    rim = (64, 67)
    assert 0 < alpha[rim] < 1
    rgb[rim] = bad
    layers = separate(Frame(0, 7, Fraction(0), rgb, LINEAR), Matte(0, "b", alpha), Look(), behind=True)
    made = Blur(4)(layers)
    broken = ~np.isfinite(made).all(-1)
    assert broken[64, 96]
    assert broken.sum() == 1
    assert np.abs(made[10, 10] - 0.2).max() < 0.1


def test_where_nothing_of_the_subject_is_the_background_is_alone() -> None:
    alpha, back = ball(), grey_texture()
    layers = as_layers(back, np.full_like(back, 5), alpha, back)
    away = alpha == 0
    np.testing.assert_array_equal(
        Replace(Flat((0.1, 0.7, 0.2)))(layers)[away][0], np.float32([0.1, 0.7, 0.2])
    )
    np.testing.assert_array_equal(Grading(Grade(exposure=3), "subject")(layers)[away], back[away])
    np.testing.assert_allclose(Grading(Grade(exposure=1))(layers)[away], 2 * back[away], rtol=1e-6)
    assert set(np.unique(Checker(8)(layers)[away])) == {np.float32(0.3), np.float32(0.12)}
    np.testing.assert_array_equal(Cutout()(layers)[..., 3], alpha)


def test_checkers_have_the_size_asked_for() -> None:
    layers = as_layers(grey_texture(), grey_texture(), np.zeros(SIZE[::-1], np.float32))
    board = Checker(8)(layers)[..., 0]
    np.testing.assert_array_equal(board[:8, :8], board[0, 0])
    assert board[0, 8] == board[8, 0] != board[0, 0] == board[8, 8]


def test_a_highlight_in_the_background_becomes_a_disc_before_the_wall() -> None:
    back, alpha = grey_texture(), ball(x=30)
    back[64, 150] = 400
    made = Blur(5)(as_layers(back, back, alpha, back))
    assert made[64, 150, 0] == pytest.approx(400 / (np.pi * 4.8**2) + 0.2, rel=0.1)
    assert made[64, 154, 0] == pytest.approx(made[64, 150, 0], rel=0.1)
    assert made[64, 158, 0] < 1


@pytest.mark.parametrize("size", [0, -1, 50.1, float("nan")])
def test_sizes_that_cannot_be(size: float) -> None:
    with pytest.raises(UsageError, match="up to 50"):
        Blur(size)


def test_grades_by_hand() -> None:
    x = np.array([[[0.5, 0.25, -0.1]]], np.float32)
    np.testing.assert_array_equal(Grade()(x), x)
    np.testing.assert_allclose(Grade(exposure=2)(x), 4 * x, rtol=1e-6)
    cdl = Grade(slope=(2, 1, 1), offset=(0.1, 0, 0), power=(2, 0.5, 3))(x)
    np.testing.assert_allclose(cdl, [[[1.21, 0.5, -0.1]]], rtol=1e-6)
    grey = Grade(saturation=0)(x)
    np.testing.assert_allclose(grey, 0.2126 * 0.5 + 0.7152 * 0.25 - 0.0722 * 0.1, rtol=1e-5)
    np.testing.assert_allclose(Grade(saturation=2)(x), 2 * x - grey, rtol=1e-5)
    white = np.ones((1, 1, 3), np.float32)
    for grade in (Grade(warmth=1), Grade(tint=-1), Grade(warmth=-0.4, tint=0.7)):
        made = grade(white)
        assert made @ np.array([0.2126, 0.7152, 0.0722]) == pytest.approx(1, rel=1e-6)
    r, g, b = Grade(warmth=1)(white)[0, 0]
    assert r / b == pytest.approx(2)
    r, g, b = Grade(tint=1)(white)[0, 0]
    assert [r / g, b / g] == pytest.approx([2, 2])


def test_several_subjects_leave_no_seam_where_they_touch() -> None:
    left = np.array([[1, 0.5, 0, 0.9]], np.float32)
    right = np.array([[0, 0.5, 0.25, 0.9]], np.float32)
    np.testing.assert_array_equal(union([left, right]), np.float32([[1, 1, 0.25, 1]]))
    np.testing.assert_array_equal(union([left]), left)


def test_views() -> None:
    alpha, back = ball(), grey_texture()
    layers = as_layers(back, back, alpha)
    result = np.ones_like(back) * 3
    np.testing.assert_array_equal(View()(layers, result), result)
    np.testing.assert_array_equal(View("side")(layers, result), np.hstack([back, result]))
    wiped = View("wipe", 0.25)(layers, result)
    np.testing.assert_array_equal(wiped[:, :46], back[:, :46])
    np.testing.assert_array_equal(wiped[:, 50:], result[:, 50:])
    assert (wiped[:, 47:49] == 1).all()
    for position in (0.0, 1.0):
        assert View("wipe", position)(layers, result).shape == result.shape
    assert View("side")(layers, Cutout()(layers)).shape == (128, 384, 3)
    with pytest.raises(UsageError, match="0 to 1"):
        View("wipe", 1.2)


@pytest.fixture
def shot(tmp_path: Path) -> Shot:
    """A shot of four frames whose mattes are the exact ones."""
    pattern = disc.write_frames(tmp_path / "plate", 4)
    made = Shot.new(tmp_path / "hero.shot.json", pattern, tracker="fake", refiner="none")
    made.add(Prompt(1001, "subject", box=Box(0.1, 0.1, 0.9, 0.9)))
    made.save()
    for i in range(4):
        made.cache.write("matte", "subject", 1001 + i, disc.alpha_at(i, (160, 96)), {"key": f"exact {i}"})
    return made


def render(shot: Shot, folder: Path, effect: Effect, form: str = "exr", **options: object) -> list[int]:
    """Composite the shot and return the numbers of the frames that were made."""
    delivery = Delivery(folder, "c", depth="float", overwrite=True)
    run = composite(shot, WRITERS.get(form)(delivery), effect, **options)  # type: ignore[arg-type]
    return [p.frame for p in run if p.worked]


def exr(path: Path) -> tuple[F32, dict[str, object]]:
    with OpenEXR.File(str(path)) as f:
        (pixels,) = (c.pixels for c in f.channels().values())
        return pixels, dict(f.header())


def test_a_shot_streams_into_files_that_keep_the_subject(shot: Shot, tmp_path: Path) -> None:
    assert render(shot, tmp_path / "o", Blur(4)) == [1001, 1002, 1003, 1004]
    for i in range(4):
        pixels, header = exr(tmp_path / "o" / f"c.{1001 + i}.exr")
        assert pixels.shape == (96, 160, 3)
        assert header["colorInteropID"] == "lin_rec709_scene"
        plate = oiio.ImageBuf(str(tmp_path / "plate" / f"plate.{1001 + i}.png")).get_pixels("uint8")
        solid = disc.alpha_at(i, (160, 96)) == 1
        np.testing.assert_array_equal(pixels[solid], SRGB.linear(plate)[solid])


def test_display_files_give_the_subjects_code_values_back(shot: Shot, tmp_path: Path) -> None:
    render(shot, tmp_path / "o", Blur(4), "png")
    plate = oiio.ImageBuf(str(tmp_path / "plate" / "plate.1002.png")).get_pixels("uint8")
    made = oiio.ImageBuf(str(tmp_path / "o" / "c.1002.png")).get_pixels("uint16")
    solid = disc.alpha_at(1, (160, 96)) == 1
    np.testing.assert_array_equal(made[solid], plate[solid].astype(np.uint16) * 257)
    render(shot, tmp_path / "s", Blur(4), look=Look("source"))
    np.testing.assert_allclose(exr(tmp_path / "s" / "c.1002.exr")[0][solid], plate[solid] / 255, atol=2e-6)


def test_a_second_run_makes_only_what_changed(shot: Shot, tmp_path: Path) -> None:
    out = tmp_path / "o"
    render(shot, out, Blur(4))
    before = (out / "c.1003.exr").read_bytes()
    assert render(shot, out, Blur(4)) == []
    (out / "c.1003.exr").unlink()
    assert render(shot, out, Blur(4)) == [1003]
    assert (out / "c.1003.exr").read_bytes() == before
    shot.cache.write("matte", "subject", 1002, disc.alpha_at(0, (160, 96)), {"key": "corrected"})
    assert render(shot, out, Blur(4)) == [1002]
    changed: list[Effect] = [Blur(5), Blur(5, "hexagon"), Blur(5, "hexagon", 10), Blur(5, guard=4), Checker()]
    for effect in changed:
        assert len(render(shot, out, effect)) == 4
    assert len(render(shot, out, Checker(), view=View("side"))) == 4
    assert exr(out / "c.1001.exr")[0].shape == (96, 320, 3)


def test_a_cutout_has_alpha(shot: Shot, tmp_path: Path) -> None:
    render(shot, tmp_path / "o", Cutout())
    pixels, _ = exr(tmp_path / "o" / "c.1001.exr")
    alpha = disc.alpha_at(0, (160, 96))
    np.testing.assert_array_equal(pixels[..., 3], alpha)
    np.testing.assert_array_equal(pixels[alpha == 0], 0)


def test_objects_that_are_not_there(shot: Shot, tmp_path: Path) -> None:
    with pytest.raises(ShotError, match="no object 'dog'; there are: 'subject'"):
        render(shot, tmp_path / "o", Blur(), objects=["dog"])
    shot.cache.drop("matte", "subject", 1001)
    with pytest.raises(ShotError, match="no matte yet"):
        render(shot, tmp_path / "o", Blur())
    assert not (tmp_path / "o").exists()
