"""Movies that are damaged, cut off or no movies at all: what can be read is read, the rest is told."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.counters import counter_image, read_counter
from tests.media_maker import COUNT, damage, encode_audio, encode_counter, packet_spans, write_image
from trackmatte.errors import ClipError, FrameError, UsageError
from trackmatte.frame import Frame
from trackmatte.media import FrameSource, open_clip


def counters(frames: Iterator[Frame]) -> list[tuple[int, int]]:
    return [(frame.index, read_counter(frame.rgb)) for frame in frames]


def notes(clip: FrameSource) -> str:
    return " ".join(clip.notes)


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


@pytest.mark.parametrize("promised", [2**31 - 1, 20_000_000])
def test_header_that_promises_absurdly_many_frames(promised: int, copy: Callable[[str], Path]) -> None:
    path = copy("mpeg4.avi")
    data = bytearray(path.read_bytes())
    at = data.index(b"strh") + 8 + 32  # dwLength
    data[at : at + 4] = promised.to_bytes(4, "little")
    path.write_bytes(data)
    with open_clip(path) as clip:
        assert counters(clip.frames()) == [(i, i) for i in range(COUNT)]
        assert "header is damaged" in notes(clip)


def test_times_that_would_fill_a_grid_without_end(tmp_path: Path) -> None:
    path = encode_counter(tmp_path / "a.mkv", 3, times=[0, 40, 10**9])
    with open_clip(path) as clip:
        assert [n for _, n in counters(clip.frames())] == [0, 1, 2]
    with pytest.raises(ClipError, match="times are damaged"):
        open_clip(path, grid=Fraction(60))


def test_image_header_that_claims_absurd_sizes(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.dpx", counter_image(0))
    data = bytearray(path.read_bytes())
    data[1424:1432] = b"\x14" * 8  # the size that the image is said to be cut out of
    path.write_bytes(data)
    with pytest.raises(ClipError, match="claims 336860180x336860180 pixels"):
        open_clip(path)


def test_names_in_a_file_are_told_as_text_that_can_be_printed(tmp_path: Path) -> None:
    pixels = counter_image(0)[:, :, :2].astype(np.float16)
    path = write_image(tmp_path / "a.exr", pixels, names=["motion.u", "motion.v"])
    path.write_bytes(path.read_bytes().replace(b"motion.u", b"mo\xc7\x1b\nn.u"))
    with pytest.raises(ClipError) as error:
        open_clip(path)
    assert str(error.value).isprintable()
