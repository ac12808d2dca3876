"""Backgrounds of a composite: colours, pictures, sequences and movies behind the plate's frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.counters import read_counter
from tests.media_maker import encode_counter, write_counters, write_image
from trackmatte.color import REC2020, SRGB, colour_named, standard
from trackmatte.comp.background import ClipBackground, Flat, open_background, parse_colour, scaled
from trackmatte.errors import ClipError, UsageError
from trackmatte.frame import Frame
from trackmatte.media import open_clip

F32 = NDArray[np.float32]
SIZE = (192, 128)
LINEAR = standard("linear")


def test_colours() -> None:
    green = parse_colour("#00ff80")
    assert green is not None
    assert green.colour == pytest.approx((0, 1, 128 / 255))
    assert green.at(0, SRGB)[0, 0] == pytest.approx((0, 1, 0.21586), abs=1e-4)
    light = parse_colour("4,0.5,0")
    assert light is not None
    assert light.colour == (4, 0.5, 0)
    assert parse_colour("wall.png") is None
    assert parse_colour("a,b,c.png") is None
    for text in ("#12", "#gggggg", "nan,1,1"):
        with pytest.raises(UsageError, match="#rrggbb"):
            parse_colour(text)


def test_scaling() -> None:
    wide = np.zeros((10, 40, 3), np.float32)
    wide[:, 10:30] = 1
    wide[:, :, 2] += np.linspace(0, 1, 40, dtype=np.float32)
    filled = scaled(wide, (20, 10), "fill")  # the middle half, unscaled
    np.testing.assert_array_equal(filled, wide[:, 10:30])
    fitted = scaled(wide, (20, 10), "fit")
    np.testing.assert_array_equal(fitted[[0, 1, 7, 8, 9]], 0)
    assert fitted[2:7].min(axis=(0, 1))[2] > 0
    stretched = scaled(wide, (20, 10), "stretch")
    assert stretched.shape == (10, 20, 3)
    np.testing.assert_allclose(stretched[5, [2, 10, 18], 0], [0, 1, 0])
    for target in ((7, 31), (80, 40), (33, 3)):
        for fit in ("fill", "fit", "stretch"):
            made = scaled(wide, target, fit)  # type: ignore[arg-type]
            assert made.shape == (target[1], target[0], 3)
            assert made.min() >= 0
            assert made.max() <= wide.max()


def counters(background: ClipBackground, numbers: list[int]) -> list[int]:
    """The frames that stand behind the plate's, read from their pixels."""
    shown = []
    for n in numbers:
        light = background.at(n, LINEAR)
        shown.append(read_counter(np.rint(SRGB.encode(light) * 255).astype(np.uint8)))
    return shown


def test_a_sequence_goes_by_the_plates_numbers_and_a_movie_by_order(tmp_path: Path) -> None:
    plate = list(range(1003, 1009))
    write_counters(tmp_path / "same", "b.{:04d}.png", range(1001, 1011))
    write_counters(tmp_path / "other", "b.{:04d}.png", range(1, 11))
    movie = encode_counter(tmp_path / "b.mp4", 10)
    for source, first in ((tmp_path / "same", 1003), (tmp_path / "other", 1), (movie, 0)):
        made = ClipBackground(open_clip(source), (160, 96), plate)
        assert counters(made, plate) == list(range(first, first + 6))
        made.close()


def test_loop_hold_gaps_and_too_short(tmp_path: Path) -> None:
    plate = [20, 21, 22, 23, 27, 28]  # frames 24 to 26 are missing: the clip behind runs on
    movie = encode_counter(tmp_path / "b.mp4", 3)
    looped = ClipBackground(open_clip(movie), (160, 96), plate, after="loop")
    assert counters(looped, plate) == [0, 1, 2, 0, 1, 2]
    looped.close()
    held = ClipBackground(open_clip(movie), (160, 96), plate, after="hold")
    assert counters(held, plate) == [0, 1, 2, 2, 2, 2]
    held.close()
    with pytest.raises(UsageError, match=r"b\.mp4 ends after 3 frames, before frame 23 .*--loop or --hold"):
        open_background(movie, (160, 96), plate)
    one = ClipBackground(
        open_clip(write_image(tmp_path / "w.png", np.zeros((9, 9, 3), np.uint8))), (5, 4), plate
    )
    assert one.at(28, LINEAR).shape == (4, 5, 3)
    one.close()
    write_counters(tmp_path / "holes", "b.{:04d}.png", [20, 21, 23, 24])
    with pytest.raises(UsageError, match="no frame 22, which belongs behind frame 22"):
        open_background(tmp_path / "holes", (160, 96), [20, 21, 22])
    with pytest.raises(ClipError, match="gone"):
        open_background(tmp_path / "gone.mov", (160, 96), plate)


def test_a_background_is_decoded_once_in_order_and_jumps_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    movie = encode_counter(tmp_path / "b.mp4", 80)
    made = ClipBackground(open_clip(movie), (160, 96), list(range(80)))
    starts: list[int] = []
    frames = made.clip.frames

    def counted(start: int) -> Iterator[Frame]:
        starts.append(start)
        return frames(start)

    monkeypatch.setattr(made.clip, "frames", counted)
    assert counters(made, [0, 1, 2, 5, 70, 71, 3]) == [0, 1, 2, 5, 70, 71, 3]
    assert starts == [0, 70, 3]
    made.close()


def test_a_backgrounds_colour_space(tmp_path: Path) -> None:
    wall = write_image(tmp_path / "w.png", np.full((4, 4, 3), (128, 40, 10), np.uint8))
    tagged = open_background(wall, (4, 4), [0])
    assert tagged.at(0, SRGB)[0, 0, 0] == pytest.approx(((128 / 255 + 0.055) / 1.055) ** 2.4, rel=1e-4)
    told = open_background(wall, (4, 4), [0], colorspace="Linear Rec.709 (sRGB)")
    assert told.at(0, SRGB)[0, 0, 0] == pytest.approx(128 / 255, abs=1e-6)
    assert tagged.key != told.key
    with pytest.raises(UsageError, match="no colour space 'mine'"):
        open_background(wall, (4, 4), [0], colorspace="mine")
    # Before a wide-gamut plate the same light has other numbers: ITU-R BT.2087, table 2.
    wide = standard("linear", REC2020)
    to_wide = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    expected = to_wide @ tagged.at(0, SRGB)[0, 0]
    np.testing.assert_allclose(tagged.at(0, wide)[0, 0], expected, atol=2e-4)
    red = parse_colour("#ff0000")
    assert red is not None
    np.testing.assert_allclose(red.at(0, wide)[0, 0], to_wide[:, 0], atol=2e-4)
    np.testing.assert_array_equal(Flat((1, 0, 0)).at(0, wide)[0, 0], [1, 0, 0])


def test_a_background_coded_for_display_keeps_its_code_values_on_any_such_plate(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    write_image(tmp_path / "back.png", picture)
    plate = colour_named("Rec.709")
    assert plate != SRGB
    green = parse_colour("#30b140")
    assert green is not None
    np.testing.assert_allclose(plate.encode(green.at(0, plate))[0, 0] * 255, [0x30, 0xB1, 0x40], atol=0.05)
    back = open_background(tmp_path / "back.png", (16, 12), [0])
    np.testing.assert_allclose(plate.encode(back.at(0, plate)) * 255, picture, atol=0.05)
