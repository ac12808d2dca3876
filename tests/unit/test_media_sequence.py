"""Image sequences: which files are meant, their numbers, channels, windows and values."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
import pytest

from tests.counters import counter_image, read_counter
from tests.media_maker import write_counters, write_image
from trackmatte.color import SRGB, Curve, standard
from trackmatte.errors import ClipError, FrameError
from trackmatte.media import open_clip

NUMBERS = [1001, 1002, 1003, 1005, 1006, 1010]
IMAGE = counter_image(5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sequences, one with gaps, beside other files."""
    place = tmp_path_factory.mktemp("plates")
    write_counters(place, "plate.{:04d}.png", NUMBERS)
    write_counters(place, "clean_{:05d}.jpg", range(3))
    (place / "notes.txt").write_text("take 3")
    return place


@pytest.mark.parametrize(
    "pattern", ["plate.%04d.png", "plate.####.png", "plate.@@@@.png", "plate.#.png", "plate.1001-1010#.png"]
)
def test_patterns_keep_numbers_and_report_gaps(pattern: str, folder: Path) -> None:
    with open_clip(folder / pattern) as clip:
        assert list(clip.numbers) == NUMBERS
        assert (clip.length, clip.first_number, clip.rate, clip.size) == (6, 1001, 24, (160, 96))
        assert clip.missing == (1004, 1007, 1008, 1009)
        assert "1004,1007-1009" in clip.notes[0]
        expected = [(i, n, n % 4096) for i, n in enumerate(NUMBERS)]
        assert [(f.index, f.number, read_counter(f.rgb)) for f in clip.frames()] == expected
        assert [(f.index, f.number, read_counter(f.rgb)) for f in clip.frames(0, 6, -1)] == expected[::-1]
        for i in random.Random(1).sample(range(6), 6):
            assert (clip[i].number, read_counter(clip[i].rgb)) == (NUMBERS[i], NUMBERS[i])
        assert clip[5].time == Fraction(9, 24)


def test_folder_with_two_sequences_lists_them(folder: Path) -> None:
    with pytest.raises(ClipError, match=r"2 sequences \(clean_.*\.jpg, plate\..*\.png\)"):
        open_clip(folder)


def test_folder_with_one_sequence(tmp_path: Path) -> None:
    write_counters(tmp_path, "{:05d}.jpg", range(4))
    (tmp_path / "readme.txt").write_text("x")
    with open_clip(str(tmp_path)) as clip:
        assert [read_counter(f.rgb) for f in clip] == [0, 1, 2, 3]
        assert clip.missing == ()


def test_numbers_that_outgrow_their_padding(tmp_path: Path) -> None:
    write_counters(tmp_path, "a{:04d}.png", [9998, 9999, 10000], size=(96, 32))
    for place in (tmp_path, tmp_path / "a####.png", tmp_path / "a%04d.png"):
        with open_clip(place) as clip:
            assert list(clip.numbers) == [9998, 9999, 10000]


@pytest.mark.parametrize(
    "name", ["plate-{:04d}.png", "plate_{:04d}.png", "plate{:04d}.png", "a-v002.{:04d}.png"]
)
def test_a_hyphen_before_the_number_is_no_minus(name: str, tmp_path: Path) -> None:
    write_counters(tmp_path, name, [0, 1, 1001])
    for place in (tmp_path, tmp_path / name.replace("{:04d}", "####")):
        with open_clip(place) as clip:
            assert [(f.number, read_counter(f.rgb)) for f in clip] == [(0, 0), (1, 1), (1001, 1001)]
    with open_clip(tmp_path / name.format(1001)) as clip:
        assert (clip.first_number, clip.length) == (1001, 1)


def test_unpadded_numbers_behind_a_hyphen(tmp_path: Path) -> None:
    write_counters(tmp_path, "a-{}.png", [8, 9, 10, 1001])
    with open_clip(tmp_path) as clip:
        assert [(f.number, read_counter(f.rgb)) for f in clip] == [(n, n) for n in (8, 9, 10, 1001)]


def test_negative_numbers(tmp_path: Path) -> None:
    for n in range(-2, 2):
        write_image(tmp_path / f"a.{n:04d}.png", counter_image(n + 2))
    with open_clip(tmp_path) as clip:
        assert [(f.number, read_counter(f.rgb)) for f in clip] == [(-2, 0), (-1, 1), (0, 2), (1, 3)]
        assert (clip.padding, clip.missing) == (4, ())


def test_one_image_is_a_clip_of_one_frame(folder: Path, tmp_path: Path) -> None:
    with open_clip(folder / "plate.1003.png") as clip:
        assert (clip.length, clip.first_number, read_counter(clip[0].rgb)) == (1, 1003, 1003)
    for name in ("still.png", "take2.png", "hero_v002.png"):
        with open_clip(write_image(tmp_path / name, IMAGE)) as clip:
            assert [(f.index, f.number, f.time) for f in clip] == [(0, 0, 0)]


def test_nothing_there(tmp_path: Path) -> None:
    for name in ("a.####.exr", "none.png", "sub/a.%04d.png"):
        with pytest.raises(ClipError, match="There is no clip"):
            open_clip(tmp_path / name)
    with pytest.raises(ClipError, match="holds no images"):
        open_clip(tmp_path)


def test_far_apart_numbers_are_no_sequence(tmp_path: Path) -> None:
    write_counters(tmp_path, "a.{}.png", [1, 20260101], size=(96, 32))
    with pytest.raises(ClipError, match="2 files for the numbers 1 to 20260101"):
        open_clip(tmp_path)


def test_unreadable_image_stops_or_is_skipped(tmp_path: Path) -> None:
    write_counters(tmp_path, "a.{:04d}.png", range(10, 16))
    (tmp_path / "a.0012.png").write_bytes((tmp_path / "a.0012.png").read_bytes()[:900])
    (tmp_path / "a.0014.png").write_bytes(b"")
    with (
        open_clip(tmp_path) as clip,
        pytest.raises(FrameError, match=r"a\.0012\.png .*--on-error skip") as error,
    ):
        list(clip)
    assert error.value.index == 2
    with open_clip(tmp_path, on_error="skip") as clip:
        assert [f.number for f in clip] == [10, 11, 13, 15]
        assert clip.skipped == (2, 4)
    (tmp_path / "a.0013.png").unlink()
    with pytest.raises(FrameError, match="no such file"):
        clip[3]


@pytest.mark.parametrize("name", ["a.jpg", "a.exr", "a.tif", "a.dpx"])
def test_cut_off_images_are_noticed(name: str, tmp_path: Path) -> None:
    path = write_image(tmp_path / name, IMAGE if name != "a.exr" else (IMAGE / 255).astype(np.float16))
    path.write_bytes(path.read_bytes()[: int(0.6 * path.stat().st_size)])
    with pytest.raises(ClipError, match=f"{name} cannot be read"):
        open_clip(path)


def test_mixed_sizes_name_the_odd_file(tmp_path: Path) -> None:
    write_counters(tmp_path, "a.{:04d}.png", [1, 2])
    write_image(tmp_path / "a.0003.png", IMAGE[:90])
    for on_error in ("stop", "skip"):
        with (
            open_clip(tmp_path, on_error=on_error) as clip,
            pytest.raises(ClipError, match=r"a\.0003\.png is 160x90"),
        ):
            list(clip)


# Values


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_values_are_untouched(name: str, dtype: str, tmp_path: Path) -> None:
    if dtype == "float32" and name == "a.png":
        pytest.skip("PNG has no floating samples")
    pixels = IMAGE.astype(dtype) * (257 if dtype == "uint16" else 1) / (1 if dtype != "float32" else 100)
    path = write_image(tmp_path / name, pixels.astype(dtype))
    with open_clip(path) as clip:
        assert clip[0].rgb.dtype == dtype
        assert np.array_equal(clip[0].rgb, pixels.astype(dtype))
        assert clip[0].colour == (standard("linear") if dtype == "float32" else SRGB)


def test_straight_alpha_does_not_darken(tmp_path: Path) -> None:
    alpha = np.zeros((96, 160), np.uint8)
    alpha[:, 50:] = 128
    rgba = np.dstack([IMAGE, alpha])
    path = write_image(tmp_path / "a.png", rgba, attributes={"oiio:UnassociatedAlpha": 1})
    with open_clip(path) as clip:
        assert np.array_equal(clip[0].rgb, IMAGE)
        assert "alpha channel" in clip.notes[0]


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.exr"])
def test_grey_images_become_three_channels(name: str, tmp_path: Path) -> None:
    grey = IMAGE[:, :, :1] if name != "a.exr" else (IMAGE[:, :, :1] / 255).astype(np.float16)
    with open_clip(write_image(tmp_path / name, grey, names=["Y"])) as clip:
        assert clip[0].rgb.shape == (96, 160, 3)
        assert np.array_equal(clip[0].rgb[..., 0], clip[0].rgb[..., 2])
        assert read_counter(clip[0].rgb) == 5


def test_exr_channels_are_chosen_by_name(tmp_path: Path) -> None:
    planes = {"A": 0.5, "Z": 9.0, "R": 0.1, "depth.V": 7.0, "G": 0.2, "B": -0.3}
    pixels = np.ones((8, 8, len(planes)), np.float32) * np.float32(list(planes.values()))
    with open_clip(write_image(tmp_path / "a.exr", pixels, names=list(planes))) as clip:
        assert np.array_equal(clip[0].rgb[3, 3], np.float32([0.1, 0.2, -0.3]))
        assert clip[0].colour == standard("linear")
    layered = ["beauty.B", "beauty.G", "beauty.R", "matte.A"]
    with open_clip(write_image(tmp_path / "b.exr", pixels[:, :, :4], names=layered)) as clip:
        assert np.array_equal(clip[0].rgb[3, 3], pixels[3, 3, [2, 1, 0]])
        assert "beauty.R" in clip.notes[1]
    path = write_image(tmp_path / "c.exr", pixels[:, :, :2], names=["motion.u", "motion.v"])
    with pytest.raises(ClipError, match=r"no R, G, B or Y channels among motion\.u, motion\.v"):
        open_clip(path)


@pytest.mark.parametrize("offset", [(3, 2), (-4, -3), (30, 30)])
def test_data_window_is_placed_in_the_display_window(offset: tuple[int, int], tmp_path: Path) -> None:
    x, y = offset

    def window(spec: oiio.ImageSpec) -> None:
        spec.x, spec.y = 10 + x, 20 + y
        spec.full_x, spec.full_y, spec.full_width, spec.full_height = 10, 20, 16, 12

    pixels = np.random.default_rng(0).random((10, 14, 3), np.float32)
    expected = np.zeros((12, 16, 3), np.float32)
    for row in range(10):
        for column in range(14):
            if 0 <= row + y < 12 and 0 <= column + x < 16:
                expected[row + y, column + x] = pixels[row, column]
    with open_clip(write_image(tmp_path / "a.exr", pixels, window=window)) as clip:
        assert clip.size == (16, 12)
        assert np.array_equal(clip[0].rgb, expected)


@pytest.mark.parametrize(
    ("name", "attributes", "curve"),
    [
        ("a.exr", {}, "linear"),
        ("a.exr", {"oiio:ColorSpace": "sRGB"}, "sRGB"),
        ("a.dpx", {"oiio:BitsPerSample": 10}, "sRGB"),
        ("a.dpx", {"oiio:BitsPerSample": 10, "oiio:ColorSpace": "KodakLog"}, "Cineon"),
        ("a.dpx", {"oiio:BitsPerSample": 10, "dpx:Transfer": "Printing density"}, "Cineon"),
        ("a.png", {}, "sRGB"),
    ],
)
def test_transfer(name: str, attributes: dict[str, Any], curve: Curve, tmp_path: Path) -> None:
    pixels = (IMAGE / 255).astype(np.float32) if name == "a.exr" else IMAGE.astype(np.uint16) * 257
    with open_clip(write_image(tmp_path / name, pixels, attributes=attributes)) as clip:
        assert clip[0].colour == standard(curve)
        assert clip[0].rgb.dtype == ("float32" if name == "a.exr" else "uint16")
        tolerance = 70 if name == "a.dpx" else 0
        assert np.abs(clip[0].rgb.astype(float) - pixels.astype(float)).max() <= tolerance


def test_rate_and_aspect_come_from_the_metadata(tmp_path: Path) -> None:
    ntsc = {"FramesPerSecond": (oiio.TypeDesc("rational"), (24000, 1001)), "PixelAspectRatio": 2.0}
    pixels = np.zeros((4, 6, 3), np.float16)
    for n in (1001, 1002):
        write_image(tmp_path / f"a.{n}.exr", pixels, attributes=ntsc)
    with open_clip(tmp_path) as clip:
        assert clip.rate == Fraction(24000, 1001)
        assert clip[1].time == Fraction(1001, 24000)
        assert "not square" in clip.notes[0]
    with open_clip(write_image(tmp_path / "d.dpx", IMAGE, attributes={"dpx:FrameRate": 25.0})) as clip:
        assert clip.rate == 25


def test_orientation_tag_is_applied(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.tif", IMAGE, attributes={"Orientation": 6})
    with open_clip(path) as clip:
        assert clip.size == (96, 160)
        assert np.array_equal(clip[0].rgb, np.rot90(IMAGE, 3))
        assert "orientation tag" in clip.notes[0]


def test_identity_follows_names_and_sizes(tmp_path: Path) -> None:
    for place in ("a", "b", "c"):
        write_counters(tmp_path / place, "p.{:04d}.png", [1, 2] if place != "c" else [1, 3])
    a, b, c = (open_clip(tmp_path / place).identity() for place in ("a", "b", "c"))
    assert a == b != c
    clip = open_clip(tmp_path / "a")
    (tmp_path / "a" / "p.0002.png").unlink()
    with pytest.raises(ClipError, match=r"p\.0002\.png"):
        clip.identity()


@pytest.mark.parametrize("suffix", ["dpx", "exr", "tif"])
def test_identity_follows_pictures_that_are_not_compressed(suffix: str, tmp_path: Path) -> None:
    def identity(gain: float, changed: int) -> str:
        for n in range(1001, 1005):
            pixels = (IMAGE * (gain if n == changed else 1)).astype(np.uint8)
            stored = (pixels / 255).astype(np.float16) if suffix == "exr" else pixels
            about = {"compression": "none", "DateTime": "1970:01:01 00:00:00"}
            write_image(tmp_path / f"p.{n}.{suffix}", stored, attributes=about)
        assert len({f.stat().st_size for f in tmp_path.iterdir()}) == 1
        with open_clip(tmp_path) as clip:
            return clip.identity()

    before = identity(1, 0)
    assert identity(1, 0) == before
    assert len({before, *(identity(0.5, n) for n in range(1001, 1005))}) == 5


def test_reading_threads_are_bounded(folder: Path) -> None:
    open_clip(folder / "plate.####.png")
    assert oiio.get_int_attribute("threads") <= 2
    assert oiio.get_int_attribute("exr_threads") <= 2
