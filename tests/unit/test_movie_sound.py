"""The sound of a clip in the movies made from it: in its place, whole, and no more of it than asked for."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests import counters, media_maker
from tests.movies import read_movie, read_sound
from trackmatte.errors import UsageError
from trackmatte.picture import Picture
from trackmatte.writers import WRITERS, Delivery, movie_audio

FORMS = ("prores", "ffv1", "vp9")
SECONDS = 5
BEAT = 24
"""Frames from click to click; the first is on frame 12."""


def clicks(rate: Fraction, hertz: int) -> np.ndarray:
    """(n, 2) a burst of 5 ms at the begin of every frame 12, 36, 60 ..., over a little noise."""
    sound = np.random.default_rng(0).normal(0, 0.01, (SECONDS * hertz, 2))
    for frame in range(12, int(SECONDS * rate), BEAT):
        at = round(frame / rate * hertz)
        sound[at : at + hertz // 200] = 0.8, -0.8
    return sound.astype(np.float32)


def source(
    path: Path,
    *,
    codec: str = "aac",
    rate: Fraction = Fraction(24),
    hertz: int = 48000,
    languages: Sequence[str] = ("eng",),
    heard: Sequence[tuple[float, float]] = ((0, SECONDS),),
) -> Path:
    """Encode a counter movie with B-frames, and clicks; stream k is heard in the spans ``heard[k:]``."""
    sound = clicks(rate, hertz)
    with av.open(str(path), "w") as out:
        video = out.add_stream(
            "libx264", rate=rate, options={"preset": "ultrafast", "bf": "2", "threads": "1"}
        )
        video.width, video.height, video.pix_fmt = 160, 96, "yuv420p"
        tracks = [out.add_stream(codec, rate=hertz, layout="stereo") for _ in languages]
        for track, language in zip(tracks, languages, strict=True):
            track.metadata["language"] = language
        for k in range(int(SECONDS * rate)):
            frame = av.VideoFrame.from_ndarray(counters.counter_image(k), format="rgb24")
            frame.pts, frame.time_base = k, 1 / rate
            out.mux(video.encode(frame.reformat(format="yuv420p")))
            start, stop = int(k / rate * hertz), int((k + 1) / rate * hertz)
            for i, track in enumerate(tracks):
                if any(a * hertz <= start < b * hertz for a, b in heard[i:]):
                    block = np.ascontiguousarray(sound[start:stop]).reshape(1, -1)
                    piece = av.AudioFrame.from_ndarray(block, format="flt", layout="stereo")
                    piece.sample_rate, piece.pts, piece.time_base = hertz, start, Fraction(1, hertz)
                    out.mux(track.encode(piece))
        for stream in (video, *tracks):
            out.mux(stream.encode(None))
    return path


def deliver(
    form: str, folder: Path, audio: Path, first: int, count: int, rate: Fraction = Fraction(24)
) -> Path:
    """Write frames ``first``... with their counter in alpha."""
    plan = Delivery(folder, "m", rate=rate, audio=audio, start=first / rate)
    with WRITERS.get(form)(plan) as writer:
        for n in range(first, first + count):
            alpha = counters.counter_image(n)[..., :1] / np.float32(255)
            writer.write(Picture(n, alpha.repeat(4, 2), ("R", "G", "B", "A")))
    return Path(writer.target)


def heard_at(sound: np.ndarray, hertz: int) -> list[float]:
    """Return the seconds at which bursts begin."""
    loud = np.flatnonzero(abs(sound).max(1) > 0.3)
    return [i / hertz for k, i in enumerate(loud) if k == 0 or i - loud[k - 1] > hertz / 10]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("name", "codec", "rate", "hertz"),
    [
        ("a.mp4", "aac", "24", 48000),
        ("b.mp4", "aac", "24000/1001", 44100),
        ("a.ts", "aac", "25", 48000),
        ("a.mkv", "libopus", "30000/1001", 48000),
    ],
)
def test_sound_and_picture_stay_together(
    form: str, name: str, codec: str, rate: str, hertz: int, tmp_path: Path
) -> None:
    fps = Fraction(rate)
    clip = source(tmp_path / name, codec=codec, rate=fps, hertz=hertz)
    for first, count in ((0, 20), (31, 34), (77, 27)):
        path = deliver(form, tmp_path / str(first), clip, first, count, fps)
        shown = {counters.read_counter(g.alpha): g.time for g in read_movie(path)}
        assert list(shown) == list(range(first, first + count))
        sound, got_hertz = read_sound(path)
        beats = [n for n in shown if n % BEAT == 12]
        assert heard_at(sound, got_hertz) == pytest.approx([float(shown[n]) for n in beats], abs=0.001)
        assert len(sound) / got_hertz == pytest.approx(float(count / fps), abs=0.0001)


@pytest.mark.parametrize("form", ["prores", "ffv1"])
@pytest.mark.parametrize(
    ("codec", "kept"),
    [
        ("pcm_s16le", "pcm_s16le"),
        ("pcm_s24le", "pcm_s24le"),
        ("pcm_s32le", "pcm_s32le"),
        ("pcm_f32le", "pcm_f32le"),
    ],
)
def test_samples_are_kept(form: str, codec: str, kept: str, tmp_path: Path) -> None:
    clip = source(tmp_path / "a.mov", codec=codec)
    path = deliver(form, tmp_path / "out", clip, 31, 20)
    with av.open(str(path)) as movie:
        assert movie.streams.audio[0].codec_context.name == kept
    sound, _ = read_sound(path)
    whole, _ = read_sound(clip)
    np.testing.assert_array_equal(sound, whole[31 * 2000 : 51 * 2000])


@pytest.mark.parametrize("form", FORMS)
def test_all_streams_come_along_and_silence_fills_what_is_not_there(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(movie_audio, "APART", 1)
    spans = ((1.0, 2.0), (3.0, 4.2))
    clip = source(tmp_path / "a.mkv", codec="flac", languages=("eng", "fra"), heard=spans)
    path = deliver(form, tmp_path / "out", clip, 6, 108)
    with av.open(str(path)) as movie:
        assert [s.language for s in movie.streams.audio] == ["eng", "fra"]
    for index in range(2):
        sound, hertz = read_sound(path, index)
        assert len(sound) / hertz == pytest.approx(4.5, abs=0.001)
        beats = [n for n in range(12, 114, BEAT) if any(a <= n / 24 < b for a, b in spans[index:])]
        assert heard_at(sound, hertz) == pytest.approx([(n - 6) / 24 for n in beats], abs=0.001)
        for k in range(0, 108, 3):
            inside = any(a <= (k + 6) / 24 and (k + 7) / 24 <= b for a, b in spans[index:])
            level = abs(sound[k * hertz // 24 :][100 : hertz // 24 - 100]).mean()
            near = any(abs((k + 6.5) / 24 - edge) < 0.1 for span in spans[index:] for edge in span)
            assert near or (level > 0.002) == inside, k


def test_a_clip_without_sound_is_refused(tmp_path: Path) -> None:
    silent = media_maker.encode_counter(tmp_path / "a.mp4", 3)
    for path in (silent, tmp_path / "frames.####.exr", tmp_path):
        for form in FORMS:
            with pytest.raises(UsageError, match="no sound to take along; leave out --audio"):
                WRITERS.get(form)(Delivery(tmp_path / "out", "m", audio=path))
    assert not (tmp_path / "out").exists()
