"""Movies as a user of the command line gets them."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import OpenEXR
import pytest

from tests import counters, disc
from tests.movies import read_movie, read_sound
from tests.unit.test_movie_sound import heard_at, source
from trackmatte.cli import main

FAKE = ("--tracker", "fake", "--refiner", "none")
BOX = ("--box", "0.1,0.1,0.9,0.9")


def run(*words: object) -> int:
    return main([str(w) for w in words])


def test_a_movie_with_sound_from_the_in_point_on(tmp_path: Path) -> None:
    clip = source(tmp_path / "clip.mp4")
    out, shot = tmp_path / "o", tmp_path / "o" / "clip.shot.json"
    assert run("matte", clip, *BOX, "--out", out, "--range", "30-64", *FAKE, "--format", "ffv1") == 0
    assert run("export", shot, "--out", out / "exr") == 0
    words = ("export", shot, "--out", out / "mov", "--format", "prores", "--audio")
    assert run(*words, "--preset", "cutout", "--foreground", "plate") == 0
    assert sorted(p.name for p in out.glob("*.m*")) == ["clip_subject.mkv"]
    (movie,) = (out / "mov").iterdir()
    assert movie.name == "clip_subject_cutout_straight.mov"
    got, archive = list(read_movie(movie)), list(read_movie(out / "clip_subject.mkv"))
    assert [counters.read_counter(g.rgb) for g in got] == list(range(30, 65))
    assert len(archive) == 35
    for n, kept, shown in zip(range(30, 65), archive, got, strict=True):
        with OpenEXR.File(str(out / "exr" / f"clip_subject.{n:04d}.exr"), separate_channels=True) as f:
            alpha = f.channels()["A"].pixels.astype(np.float64)
        assert abs(kept.alpha - alpha).max() < 2**-11
        assert abs(shown.alpha - alpha).max() < 0.0012 + 2**-11
    sound, hertz = read_sound(movie)
    assert heard_at(sound, hertz) == pytest.approx([(36 - 30) / 24, (60 - 30) / 24], abs=0.001)
    assert len(sound) == 35 * 2000
    assert run(*words, "--preset", "cutout") == 6


@pytest.mark.parametrize("form", ["prores", "ffv1", "vp9", "mp4"])
def test_a_movie_that_is_up_to_date_is_kept_and_any_other_is_not(
    form: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clip = source(tmp_path / "clip.mov")
    shot, out = tmp_path / "s" / "clip.shot.json", tmp_path / "o"
    assert run("matte", clip, *BOX, "--range", "0-3", "--out", shot.parent, *FAKE) == 0
    command = ("comp", shot, "--effect", "checker") if form == "mp4" else ("export", shot)

    def again(*words: str) -> tuple[int, str]:
        capfd.readouterr()
        return run(*command, "--format", form, "--out", out, *words), capfd.readouterr().err

    assert again()[0] == 0
    (movie,) = out.iterdir()
    whole, made = movie.read_bytes(), movie.stat().st_mtime_ns
    for words in ((), ("--overwrite",)):
        code, text = again(*words)
        assert (code, "up to date: nothing was written" in text, "wrote" in text) == (0, True, False), text
        assert f"kept {movie}" in text
        assert movie.stat().st_mtime_ns == made
    at = len(whole) * 2 // 5  # among the frames, whatever the format
    movie.write_bytes(whole[:at] + bytes(64) + whole[at + 64 :])  # its own, but damaged: it is made again
    code, text = again()
    assert (code, movie.read_bytes() == whole) == (0, True), text
    assert run("shot", "range", shot, "1-3") == 0
    code, text = again()
    assert (code, "nothing was written" in text, "is in the way" in text) == (6, True, True), text
    assert movie.read_bytes() == whole
    assert again("--overwrite")[0] == 0
    shorter = movie.read_bytes()
    assert shorter != whole
    if form != "mp4":
        assert again("--audio")[0] == 6
        assert movie.read_bytes() == shorter
        assert again("--audio", "--overwrite")[0] == 0
        sound, _ = read_sound(movie)
        assert len(sound)
        assert "kept" in again("--audio")[1]
    movie.write_bytes(b"someone's")
    assert again()[0] == 6
    assert movie.read_bytes() == b"someone's"


def test_a_gap_in_the_plate_keeps_the_time_of_what_follows(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plates = disc.write_frames(tmp_path / "plates", 6)
    (tmp_path / "plates" / "plate.1003.png").unlink()
    assert run("matte", plates, *BOX, "--out", tmp_path / "o", *FAKE, "--format", "prores") == 0
    assert "1003: the clip has no such frame: left empty" in capfd.readouterr().err
    got = list(read_movie(tmp_path / "o" / "plate_subject.mov"))
    assert [bool(g.alpha.any()) for g in got] == [True, True, False, True, True, True]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--format", "png", "--alpha", "premultiplied"), "PNG is straight by its standard"),
        (("--format", "prores", "--preset", "multi"), "a movie holds no layers"),
        (("--format", "prores", "--audio"), "has no sound"),
        (("--audio",), "an image sequence holds no sound"),
        (("--format", "prores", "--depth", "float"), "--depth is for EXR, and prores has no use for it"),
        (("--format", "png", "--compression", "piz"), "--compression is for EXR"),
        (("--format", "ffv1", "--tight"), "--tight is for EXR"),
        (("--alpha", "straight"), "--alpha says how colours go with alpha"),
        (("--preset", "alpha", "--space", "source"), "--space is for colours, and a matte has none"),
        (("--foreground", "fast"), "--foreground is for colours, and a matte has none"),
    ],
)
def test_what_a_format_cannot_hold_is_said_before_any_work(
    words: tuple[str, ...], said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clip = disc.write_movie(tmp_path / "disc.mp4", 3)
    assert run("matte", clip, *BOX, "--out", tmp_path / "o", *FAKE, *words) == 2
    assert said in capfd.readouterr().err
    assert not list((tmp_path / "o").rglob("*.tif"))


def test_timecode_free_clip_gives_no_timecode_track(tmp_path: Path) -> None:
    clip = disc.write_movie(tmp_path / "disc.mp4", 3)
    assert run("matte", clip, *BOX, "--out", tmp_path / "o", *FAKE, "--format", "prores") == 0
    with av.open(str(tmp_path / "o" / "disc_subject.mov")) as movie:
        assert [s.type for s in movie.streams] == ["video"]
