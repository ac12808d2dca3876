"""Clips of every kind are read exactly: in order, backwards, at random, and when they are damaged."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.media_maker import (
    counter_image,
    damage,
    encode,
    encode_audio,
    encode_counter,
    packet_spans,
    read_counter,
)
from trackmatte.errors import ClipError, FrameError, UsageError
from trackmatte.frame import Frame
from trackmatte.media import FrameSource, open_clip

COUNT = 40
X264 = {"x264-params": "open-gop=1:keyint=12:scenecut=0:bframes=2:b-pyramid=none"}
X265 = {"x265-params": "log-level=none:keyint=12:bframes=2:pools=1:frame-threads=1"}
VP9 = {"deadline": "realtime", "cpu-used": "8", "g": "12"}
UNEVEN = [n * 41 + 13 * (n % 3) + (200 if n > 20 else 0) for n in range(COUNT)]
MOVIES: dict[str, dict[str, Any]] = {
    "h264.mp4": {"options": X264},
    "h264_faststart.mp4": {"options": X264, "container_options": {"movflags": "faststart"}},
    "hevc10.mp4": {"codec": "libx265", "pix_fmt": "yuv420p10le", "options": X265},
    "prores.mov": {"codec": "prores_ks", "pix_fmt": "yuv422p10le"},
    "ffv1.mkv": {"codec": "ffv1", "pix_fmt": "yuv444p16le"},
    "vp9.webm": {"codec": "libvpx-vp9", "options": VP9},
    "h264.ts": {"options": X264},
    "mpeg2.mpg": {"codec": "mpeg2video", "rate": 25, "options": {"g": "12", "bf": "2"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"g": "12", "bf": "2"}},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "raw.h264": {"options": X264},
    "vfr.mp4": {"options": X264, "times": UNEVEN},
}


@pytest.fixture(scope="module")
def movies(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Encode each movie of MOVIES once, when it is first asked for."""
    folder = tmp_path_factory.mktemp("movies")

    def movie(name: str) -> Path:
        path = folder / name
        return path if path.exists() else encode_counter(path, COUNT, **MOVIES[name])

    return movie


@pytest.fixture
def copy(movies: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """Copy a movie of MOVIES to damage it."""
    return lambda name: Path(shutil.copy(movies(name), tmp_path / name))


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


# Movies that cannot be read


def test_no_video_stream(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="has no video stream"):
        open_clip(encode_audio(tmp_path / "sound.mp4"))


def test_cover_art_is_not_the_video(tmp_path: Path, movies: Callable[[str], Path]) -> None:
    path = tmp_path / "cover.mp4"
    with av.open(str(movies("h264.mp4"))) as source, av.open(str(path), "w") as out:
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        video = out.add_stream_from_template(source.streams.video[0])
        out.mux(cover.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = video
                out.mux(packet)
    with open_clip(path) as clip:
        assert clip.size == (160, 96)
        assert counters(clip.frames()) == [(i, i) for i in range(COUNT)]


def test_unreadable_movies_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mov").write_text("not a movie at all\n" * 100)
    for name in ("empty.mp4", "text.mov", "absent.mp4"):
        with pytest.raises(ClipError, match=name):
            open_clip(tmp_path / name)
    with pytest.raises(UsageError, match="on_error"):
        open_clip(tmp_path / "empty.mp4", on_error="ignore")  # type: ignore[arg-type]
    with pytest.raises(ClipError, match="No clip is named"):
        open_clip("")


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [("h264.mp4", 20, 23), ("mjpeg.avi", 20, 20), ("prores.mov", 20, 20), ("ffv1.mkv", 20, 23)],
)
def test_damage_stops_or_is_skipped(name: str, first: int, last: int, copy: Callable[[str], Path]) -> None:
    path = copy(name)
    start, size, _ = packet_spans(path)[20]
    damage(path, start + size // 3, size // 2)
    good: list[int] = []
    with (
        open_clip(path) as clip,
        pytest.raises(FrameError, match=rf"Frame \d+ of .*{name}.*--on-error skip") as error,
    ):
        good += (f.index for f in clip.frames())
    assert good == list(range(error.value.index))
    assert error.value.index <= first
    with open_clip(path, on_error="skip") as clip:
        got = counters(clip.frames())
        assert all(i == n for i, n in got)
        assert set(clip.skipped) == set(range(COUNT)) - {i for i, _ in got}
        assert set(range(first, last + 1)) <= set(clip.skipped) <= set(range(first - 3, last + 1))
        assert counters(clip.frames(0, None, -1)) == got[::-1]
        for i in random.Random(3).sample(range(COUNT), COUNT):
            if i in clip.skipped:
                with pytest.raises(FrameError) as error:
                    clip[i]
                assert error.value.index == i
            else:
                assert read_counter(clip[i].rgb) == i


def test_a_decoder_broken_for_good_is_replaced(copy: Callable[[str], Path]) -> None:
    path = copy("vp9.webm")
    start, size, key = packet_spans(path)[24]
    assert key
    damage(path, start + 8, size - 8)
    with open_clip(path, on_error="skip") as clip:
        assert [f.index for f in clip.frames()] == [*range(24), *range(36, COUNT)]


def test_cut_off_movie_keeps_its_length(copy: Callable[[str], Path], movies: Callable[[str], Path]) -> None:
    path = copy("h264_faststart.mp4")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(0.7 * len(whole))])
    with open_clip(path, on_error="skip") as clip:
        assert clip.length == COUNT
        got = counters(clip.frames())
        assert 5 < len(got) < COUNT
        assert got == [(i, i) for i in range(len(got))]
        assert clip.skipped == tuple(range(len(got), COUNT))
        assert "cut off" in notes(clip)
    with open_clip(path) as clip, pytest.raises(FrameError, match="cut off"):
        clip[COUNT - 1]
    path.write_bytes(movies("h264.mp4").read_bytes()[:-500])  # its header is at the end
    with pytest.raises(ClipError, match=r"h264_faststart\.mp4"):
        open_clip(path)


def test_stream_that_starts_between_keyframes(movies: Callable[[str], Path], tmp_path: Path) -> None:
    whole = movies("h264.ts").read_bytes()
    start = packet_spans(movies("h264.ts"))[5][0] // 188 * 188
    path = tmp_path / "late.ts"
    path.write_bytes(whole[: 3 * 188] + whole[start:])
    with open_clip(path) as clip:
        got = [n for _, n in counters(clip.frames())]
        assert got == list(range(12, COUNT))
        assert "before the first keyframe" in notes(clip)


def remux(source: Path, target: Path, *, skip_keys: int = 0, shift: int = 0) -> Path:
    """Copy packets from the keyframe number ``skip_keys`` on, ``shift`` frames earlier."""
    options = {"avoid_negative_ts": "disabled"} if shift else {}
    with av.open(str(source)) as movie, av.open(str(target), "w", options=options) as out:
        stream = movie.streams.video[0]
        copied = out.add_stream_from_template(stream)
        step = int(1 / (24 * (stream.time_base or 1)))
        keys = 0
        for packet in movie.demux(stream):
            keys += packet.is_keyframe
            if packet.size and packet.pts is not None and packet.dts is not None and keys > skip_keys:
                packet.pts, packet.dts, packet.stream = (
                    packet.pts - shift * step,
                    packet.dts - shift * step,
                    copied,
                )
                out.mux(packet)
    return target


def test_edit_list_hides_frames(movies: Callable[[str], Path], tmp_path: Path) -> None:
    with open_clip(remux(movies("h264.mp4"), tmp_path / "edit.mp4", shift=15)) as clip:
        assert [n for _, n in counters(clip.frames())] == list(range(15, COUNT))
        assert read_counter(clip[20].rgb) == 35
        assert clip.notes == ()


@pytest.mark.parametrize("name", ["cut.mkv", "cut.mp4"])
def test_sound_stream_that_starts_with_an_open_group(
    name: str, movies: Callable[[str], Path], tmp_path: Path
) -> None:
    with open_clip(remux(movies("h264.mp4"), tmp_path / name, skip_keys=2)) as clip:
        assert [n for _, n in counters(clip.frames())] == list(range(24, COUNT))
        assert read_counter(clip[3].rgb) == 27


def test_identity_follows_the_content(copy: Callable[[str], Path], tmp_path: Path) -> None:
    path = copy("h264.mp4")
    other = Path(shutil.copy(path, tmp_path / "other.mp4"))
    with open_clip(path) as a, open_clip(other) as b:
        assert a.identity() == b.identity()
    damage(other, 2000, 50)
    with open_clip(path) as a, open_clip(other) as b:
        assert a.identity() != b.identity()
