"""Movies of every kind are read exactly: in order, backwards and at random."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.counters import counter_image, read_counter
from tests.media_maker import COUNT, MOVIES, UNEVEN, VP9, encode, encode_counter
from trackmatte.errors import FrameError, UsageError
from trackmatte.frame import Frame
from trackmatte.media import FrameSource, open_clip


def counters(frames: Iterator[Frame]) -> list[tuple[int, int]]:
    return [(frame.index, read_counter(frame.rgb)) for frame in frames]


def notes(clip: FrameSource) -> str:
    return " ".join(clip.notes)


# Every order of reading gives the same frames


@pytest.mark.parametrize("name", MOVIES)
def test_sequential_backward_and_random_reads_agree(name: str, movies: Callable[[str], Path]) -> None:
    expected = [(i, i) for i in range(COUNT)]
    with open_clip(movies(name)) as clip:
        assert (clip.length, len(clip), clip.size, clip.first_number) == (COUNT, COUNT, (160, 96), 0)
        assert counters(clip.frames()) == expected
        assert counters(clip.frames(0, None, -1)) == expected[::-1]
        order = random.Random(7).sample(range(COUNT), COUNT)
        assert counters(clip[i] for i in order) == [(i, i) for i in order]


def test_backward_and_sequential_pixels_are_identical(movies: Callable[[str], Path]) -> None:
    with open_clip(movies("h264.mp4")) as clip:
        forward = [f.rgb for f in clip.frames(3, 31)]
        backward = [f.rgb for f in clip.frames(3, 31, -1)]
        assert all(np.array_equal(a, b) for a, b in zip(forward, backward[::-1], strict=True))
        assert np.array_equal(clip[17].rgb, forward[14])


def test_ranges_are_half_open_and_checked(movies: Callable[[str], Path]) -> None:
    with open_clip(movies("h264.mp4")) as clip:
        assert [f.index for f in clip.frames(5, 8)] == [5, 6, 7]
        assert [f.index for f in clip.frames(5, 8, -1)] == [7, 6, 5]
        assert list(clip.frames(4, 4)) == []
        for start, stop in ((-1, 3), (3, COUNT + 1), (5, 4)):
            with pytest.raises(UsageError, match="frames 0 to 39"):
                clip.frames(start, stop)
        with pytest.raises(UsageError):
            clip.frames(0, 2, 2)  # type: ignore[arg-type]
        for i in (-1, COUNT):
            with pytest.raises(FrameError, match=f"no frame {i}"):
                clip[i]


def test_iterators_run_side_by_side(movies: Callable[[str], Path]) -> None:
    with open_clip(movies("h264.mp4")) as clip:
        pairs = zip(clip.frames(), clip.frames(0, None, -1), strict=True)
        for i, (a, b) in enumerate(pairs):
            assert (read_counter(a.rgb), read_counter(b.rgb)) == (i, COUNT - 1 - i)
            assert clip[(7 * i) % COUNT].index == (7 * i) % COUNT


def test_reading_goes_on_without_a_seek(
    movies: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from trackmatte.media import video

    starts: list[int] = []
    pictures = video.pictures
    monkeypatch.setattr(video, "pictures", lambda p, x, start: starts.append(start) or pictures(p, x, start))
    with open_clip(movies("h264.mp4")) as clip:
        starts.clear()
        for i in (13, 14, 14, 15, 20, 2):
            assert read_counter(clip[i].rgb) == i
        assert starts == [13, 2]


def test_backward_reading_holds_few_pictures(
    movies: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from trackmatte.media import video

    monkeypatch.setattr(video, "BLOCK_BYTES", 1)
    clip = open_clip(movies("h264.mp4"))
    assert isinstance(clip, video.Movie)
    assert clip._block() == 4
    assert counters(clip.frames(0, None, -1)) == [(i, i) for i in reversed(range(COUNT))]


# Times, sizes, sample types


def test_variable_rate_keeps_every_frame_and_its_time(movies: Callable[[str], Path]) -> None:
    with open_clip(movies("vfr.mp4")) as clip:
        times = [round(f.time * 1000) for f in clip.frames()]
        assert times == UNEVEN
        assert "frame rate varies" in notes(clip)
    with open_clip(movies("h264.mp4")) as clip:
        assert [f.time for f in clip.frames()] == [Fraction(i, 24) for i in range(COUNT)]
        assert clip.rate == 24
        assert clip.notes == ()


@pytest.mark.parametrize(
    ("name", "dtype"), [("h264.mp4", "uint8"), ("prores.mov", "uint16"), ("hevc10.mp4", "uint16")]
)
def test_sample_type_follows_the_bit_depth(name: str, dtype: str, movies: Callable[[str], Path]) -> None:
    with open_clip(movies(name)) as clip:
        assert clip[0].rgb.dtype == dtype
        assert clip[0].rgb.flags.c_contiguous
        assert clip[0].colour.name == "Rec.709"


@pytest.mark.parametrize("size", [(3, 50), (161, 97), (90, 160), (1, 1)])
def test_odd_and_tiny_sizes(size: tuple[int, int], tmp_path: Path) -> None:
    w, h = size
    images = [np.full((h, w, 3), 60 * k, np.uint8) for k in range(3)]
    path = encode(tmp_path / "a.mkv", images, codec="libvpx-vp9", options=VP9)
    with open_clip(path) as clip:
        assert clip.size == size
        for k, frame in enumerate(clip.frames()):
            assert frame.size == size
            assert abs(float(frame.rgb.mean()) - 60 * k) <= 8


def test_one_frame_movie(tmp_path: Path) -> None:
    with open_clip(encode_counter(tmp_path / "one.mp4", 1)) as clip:
        assert counters(clip.frames()) == counters(clip.frames(0, 1, -1)) == [(0, 0)]


@pytest.mark.parametrize("pix_fmt", ["gray", "gray16le"])
def test_grey_movies_become_three_channels(pix_fmt: str, tmp_path: Path) -> None:
    deep = pix_fmt != "gray"
    grey = np.full((64, 64), 25700 if deep else 100, np.uint16 if deep else np.uint8)
    path = encode(tmp_path / "g.mkv", [grey], codec="ffv1", pix_fmt=pix_fmt, in_format=pix_fmt)
    with open_clip(path) as clip:
        assert clip[0].rgb.shape == (64, 64, 3)
        assert np.all(clip[0].rgb == grey[0, 0])


# Colour


PATCHES = np.array(
    [[235, 30, 30], [30, 200, 40], [40, 40, 220], [128, 128, 128], [250, 250, 250], [10, 10, 10]]
)


@pytest.mark.parametrize(
    "case",
    [
        ((192, 96), 1, 1, False),
        ((192, 96), 5, 5, False),
        ((1280, 720), None, 1, True),
        ((192, 96), None, 5, False),
    ],
    ids=["tagged 709", "tagged 601", "untagged HD", "untagged SD"],
)
@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv444p10le"])
def test_colours_come_back(
    case: tuple[tuple[int, int], int | None, int, bool], pix_fmt: str, tmp_path: Path
) -> None:
    (w, h), tag, matrix, noted = case
    image = np.repeat(np.repeat(PATCHES[None].astype(np.uint8), h, 0), w // 6 + 1, 1)[:, :w]
    path = encode(tmp_path / "c.mkv", [image], codec="ffv1", pix_fmt=pix_fmt, colorspace=tag, matrix=matrix)
    with open_clip(path) as clip:
        shown = clip[0].display().astype(int)
        assert np.abs(shown - image).max() <= 3
        assert ("Rec.709" in notes(clip)) == noted


def test_full_range_is_kept(tmp_path: Path) -> None:
    image = np.repeat(np.repeat(PATCHES[None].astype(np.uint8), 96, 0), 32, 1)
    path = encode(
        tmp_path / "c.mov", [image], codec="mjpeg", pix_fmt="yuvj444p", options={"qmin": "1", "qmax": "1"}
    )
    with open_clip(path) as clip:
        assert np.abs(clip[0].rgb.astype(int) - image).max() <= 4


# What the user is told


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_rotation_is_applied(angle: int, tmp_path: Path) -> None:
    upright = encode_counter(tmp_path / "a.mp4", 2)
    turned = encode_counter(tmp_path / "b.mp4", 2, rotation=angle)
    with open_clip(upright) as a, open_clip(turned) as b:
        assert b.size == ((96, 160) if angle != 180 else (160, 96))
        assert np.array_equal(b[1].rgb, np.rot90(a[1].rgb, angle // 90))
        assert b[1].size == b.size
        assert "rotation tag" in notes(b)


def test_movie_alpha_aspect_and_interlacing_are_noted(tmp_path: Path) -> None:
    rgba = np.dstack([counter_image(5), np.full((96, 160), 40, np.uint8)])
    path = encode(tmp_path / "a.mov", [rgba], codec="png", pix_fmt="rgba", in_format="rgba")
    with open_clip(path) as clip:
        assert np.array_equal(clip[0].rgb, rgba[:, :, :3])
        assert "alpha channel" in notes(clip)
    with open_clip(encode_counter(tmp_path / "p.mp4", 2, aspect=Fraction(16, 11))) as clip:
        assert "not square" in notes(clip)
    options = {"flags": "+ildct+ilme"}
    path = encode_counter(tmp_path / "i.mpg", 4, codec="mpeg2video", rate=25, options=options)
    with open_clip(path) as clip:
        assert "interlaced" in notes(clip)
