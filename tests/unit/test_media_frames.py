"""Which frame is which: any order of reading, a host's frame grid, timecode, pixel aspect."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import OpenEXR
import OpenImageIO as oiio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.counters import counter_image, read_counter
from tests.media_maker import COUNT, MOVIES, UNEVEN, damage, encode_counter, packet_spans, write_counters
from tests.media_maker import write_image as write
from trackmatte.errors import FrameError, UsageError
from trackmatte.media import FrameSource, open_clip

NTSC = Fraction(30000, 1001)
GAPPY = [*range(1001, 1012), 1015, 1016, 1020]


@pytest.fixture(scope="module")
def opened(
    movies: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], FrameSource]:
    """Open each clip once: a movie of MOVIES, one of them on a grid, or a sequence with gaps."""
    clips: dict[str, FrameSource] = {}

    def clip(name: str) -> FrameSource:
        if name not in clips and name.endswith((".png", ".exr", ".dpx")):
            folder = write_counters(tmp_path_factory.mktemp("s"), "a.{:05d}." + name[-3:], GAPPY)
            clips[name] = open_clip(folder)
        elif name not in clips:
            file, _, rate = name.partition("@")
            clips[name] = open_clip(movies(file), grid=Fraction(rate) if rate else None)
        return clips[name]

    return clip


SOURCES = [*MOVIES, "vfr.mp4@24", "vfr.mkv@30", "a.png", "a.exr", "a.dpx"]


@pytest.mark.parametrize("name", [s for s in SOURCES if s != "ffv1.mkv"])
def test_any_way_of_reading_gives_the_same_frames(name: str, opened: Callable[[str], FrameSource]) -> None:
    clip = opened(name)
    truth = [(f.index, f.number, f.time, read_counter(f.rgb)) for f in clip]
    assert [t[:2] for t in truth] == list(enumerate(clip.numbers))
    if "@" not in name:
        assert [t[3] for t in truth] == list(clip.numbers)
    n = clip.length

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(
        st.lists(
            st.one_of(
                st.integers(0, n - 1),
                st.tuples(st.integers(0, n), st.integers(0, n), st.sampled_from([1, -1])),
            ),
            max_size=5,
        )
    )
    def check(reads: list[int | tuple[int, int, int]]) -> None:
        for read in reads:
            if isinstance(read, int):
                frames, expected = [clip[read]], [truth[read]]
            else:
                a, b, step = min(read[:2]), max(read[:2]), read[2]
                frames, expected = list(clip.frames(a, b, step)), truth[a:b][::step]  # type: ignore[arg-type]
            assert [(f.index, f.number, f.time, read_counter(f.rgb)) for f in frames] == expected

    check()


# A host's frame grid


def by_ffmpeg(path: Path, rate: Fraction) -> list[int]:
    """Return the counters FFmpeg's own fps filter shows: at each time, the frame that began last."""
    graph, found = av.filter.Graph(), []
    with av.open(str(path)) as movie:
        stream = movie.streams.video[0]
        source = graph.add_buffer(template=stream)
        fps = graph.add("fps", f"fps={rate}:round=up:start_time=0")
        sink = graph.add("buffersink")
        source.link_to(fps)
        fps.link_to(sink)
        graph.configure()
        for frame in (*movie.decode(stream), None):
            graph.push(frame)
            while True:
                try:
                    found.append(read_counter(graph.pull().to_ndarray(format="rgb24")))
                except (av.error.BlockingIOError, av.error.EOFError):
                    break
    return found


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(25), NTSC, Fraction(12), Fraction(60)])
@pytest.mark.parametrize("name", ["vfr.mp4", "vfr.mkv"])
def test_grid_shows_what_a_host_shows(name: str, rate: Fraction, movies: Callable[[str], Path]) -> None:
    with open_clip(movies(name), grid=rate) as clip:
        got = [read_counter(f.rgb) for f in clip]
        assert [f.time for f in clip] == [k / rate for k in range(clip.length)]
        assert (clip.rate, list(clip.numbers)) == (rate, list(range(clip.length)))
        assert "grid" in clip.notes[-1]
        assert not any("rate varies" in n for n in clip.notes)
    slack = Fraction(1, 2) if name.endswith(".mkv") else 0  # its milliseconds may have been rounded up
    times = [1000 * k / rate for k in range(len(got))]
    assert got == [max(i for i in range(COUNT) if UNEVEN[i] <= t + slack) for t in times]
    theirs = by_ffmpeg(movies(name), rate)
    assert abs(len(theirs) - len(got)) <= 1  # how long the last frame lasts is the container's guess
    close = {k for k, t in enumerate(times) if any(0 < u - t <= slack for u in UNEVEN)}
    assert len(close) <= 3
    assert all(a == b for k, (a, b) in enumerate(zip(got, theirs, strict=False)) if k not in close)


@pytest.mark.parametrize("name", ["h264.mkv", "h264.mp4", "mpeg4.avi", "prores.mov", "raw.h264", "h264.ts"])
def test_grid_of_a_movies_own_rate_changes_nothing(name: str, movies: Callable[[str], Path]) -> None:
    with open_clip(movies(name)) as plain:
        with open_clip(movies(name), grid=plain.rate) as clip:
            assert [read_counter(f.rgb) for f in clip] == list(range(COUNT))
            assert clip.identity() != plain.identity()
        with open_clip(movies(name), grid=plain.rate * 2) as clip:
            assert [read_counter(f.rgb) for f in clip] == [k // 2 for k in range(2 * COUNT)]


def test_grid_of_ntsc_movies_in_milliseconds(tmp_path: Path) -> None:
    for rate in (Fraction(24000, 1001), NTSC, Fraction(60000, 1001)):
        path = encode_counter(tmp_path / "n.mkv", 60, rate=rate)
        with open_clip(path, grid=rate) as clip:
            assert [read_counter(f.rgb) for f in clip] == list(range(60))


def test_grid_repeats_the_error_of_a_damaged_frame(copy: Callable[[str], Path]) -> None:
    path = copy("prores.mov")
    start, size, _ = packet_spans(path)[20]
    damage(path, start + size // 3, size // 2)
    with (
        open_clip(path, grid=Fraction(48)) as clip,
        pytest.raises(FrameError, match="frame 40: Frame 20 of") as e,
    ):
        list(clip)
    assert e.value.index == 40
    with open_clip(path, grid=Fraction(48), on_error="skip") as clip:
        assert len(list(clip)) == 78
        assert clip.skipped == (40, 41)
        with pytest.raises(FrameError):
            clip[41]


def test_grid_that_cannot_be_meant(movies: Callable[[str], Path], tmp_path: Path) -> None:
    for rate in (Fraction(0), Fraction(-24), Fraction(1, 2), Fraction(10**9)):
        with pytest.raises(UsageError, match="1 to 1000"):
            open_clip(movies("h264.mp4"), grid=rate)
    with pytest.raises(UsageError, match="1 to 1000"):
        open_clip(write_counters(tmp_path, "a.{:04d}.png", [1, 2]), grid=Fraction(0))


def test_grid_of_a_sequence_is_its_rate(tmp_path: Path) -> None:
    images = write_counters(tmp_path, "a.{:04d}.png", GAPPY)
    with open_clip(images) as clip, open_clip(images, grid=NTSC) as told:
        assert (clip.rate, clip.rate_known) == (24, False)
        assert (told.rate, told.rate_known, told.shown_at(NTSC)) == (NTSC, True, True)
        assert clip.identity() != told.identity()
        frames = [(f.number, f.time, read_counter(f.rgb)) for f in told]
        assert frames == [(n, (n - 1001) / NTSC, n) for n in GAPPY]


# Timecode


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mov", "prores_ks", "yuv422p10le"),
        ("a.mp4", "libx264", "yuv420p"),
        ("a.mxf", "mpeg2video", "yuv422p"),
        ("a.avi", "mpeg4", "yuv420p"),
    ],
)
@pytest.mark.parametrize(
    ("label", "rate", "third"),
    [
        ("01:00:00:00", Fraction(25), "01:00:00:02"),
        ("00:00:59;28", NTSC, "00:01:00;02"),
        ("00:00:59:28", NTSC, "00:01:00:00"),
    ],
)
def test_timecode_of_a_movie(
    name: str, codec: str, pix_fmt: str, label: str, rate: Fraction, third: str, tmp_path: Path
) -> None:
    path = encode_counter(tmp_path / name, 3, codec=codec, pix_fmt=pix_fmt, rate=rate, timecode=label)
    with open_clip(path) as clip:
        assert clip.timecode is not None
        assert str(clip.timecode) == label
        assert str(clip.timecode.advanced(2)) == third
        assert clip.length == 3
    with open_clip(path, grid=Fraction(60)) as clip:
        assert str(clip.timecode)[:9] == label[:8] + ":"


def test_timecode_of_images(tmp_path: Path) -> None:
    tags = {
        "FramesPerSecond": (oiio.TypeDesc("rational"), (60000, 1001)),
        "smpte:TimeCode": (oiio.TypeDesc("timecode"), (0x1020B051, 0)),
        "PixelAspectRatio": 2.0,
    }
    for n in (1001, 1003):
        path = write(tmp_path / f"a.{n}.exr", np.zeros((4, 6, 3), np.float16), attributes=tags)
        with OpenEXR.File(str(path)) as file:
            label = file.header()["timeCode"]
        fields = (label.hours, label.minutes, label.seconds, label.frame, label.dropFrame, label.fieldPhase)
        assert [int(f() if callable(f) else f) for f in fields] == [10, 20, 30, 11, 1, 1]
    with open_clip(tmp_path) as clip:
        assert str(clip.timecode) == "10:20:30;23"  # the second of the eleventh pair
        assert (clip.rate, clip.pixel_aspect) == (Fraction(60000, 1001), 2)
    (tmp_path / "a.1001.exr").write_bytes(b"")
    with open_clip(tmp_path) as clip:
        assert str(clip.timecode) == "10:20:30;21"  # of 1001, as 1003 is the first that can be read
    words = (0x01020304, 0)
    stored = {"dpx:FrameRate": 25.0, "smpte:TimeCode": (oiio.TypeDesc("timecode"), words)}
    with open_clip(write(tmp_path / "d.dpx", counter_image(0), attributes=stored)) as clip:
        assert str(clip.timecode) == "01:02:03:04"
    stored["smpte:TimeCode"] = (oiio.TypeDesc("timecode"), (0x01020329, 0))
    with open_clip(write(tmp_path / "e.dpx", counter_image(0), attributes=stored)) as clip:
        assert clip.timecode is None
        assert "01:02:03:29 is no timecode at 25 fps" in clip.notes[-1]


def test_no_timecode(movies: Callable[[str], Path], tmp_path: Path) -> None:
    for path in (movies("h264.mp4"), movies("h264.ts"), write(tmp_path / "a.dpx", counter_image(0))):
        with open_clip(path) as clip:
            assert clip.timecode is None
            assert not any("timecode" in n for n in clip.notes)


# Pixel aspect


@pytest.mark.parametrize(("rotation", "expected"), [(0, Fraction(16, 11)), (90, Fraction(11, 16))])
def test_pixel_aspect_is_that_of_the_shown_picture(rotation: int, expected: Fraction, tmp_path: Path) -> None:
    path = encode_counter(tmp_path / "a.mp4", 2, aspect=Fraction(16, 11), rotation=rotation)
    with open_clip(path) as clip:
        assert clip.pixel_aspect == expected
    with open_clip(path, grid=Fraction(12)) as clip:
        assert clip.pixel_aspect == expected
    tag = {"Orientation": 6 if rotation else 1, "PixelAspectRatio": 16 / 11}
    with open_clip(write(tmp_path / "a.tif", counter_image(1), attributes=tag)) as clip:
        assert clip.pixel_aspect == expected


def test_square_pixels_by_default(movies: Callable[[str], Path], tmp_path: Path) -> None:
    for path in (movies("h264.mp4"), movies("prores.mov"), write(tmp_path / "a.png", counter_image(0))):
        with open_clip(path) as clip:
            assert clip.pixel_aspect == 1
