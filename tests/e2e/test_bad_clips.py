"""What is no clip, or stops being one: one clear sentence, the right exit code, nothing half-written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.counters import counter_image
from tests.media_maker import encode_audio, encode_counter, write_counters, write_image
from trackmatte.cli import main
from trackmatte.errors import ClipError, FrameError
from trackmatte.media import open_clip

RUN = ["--tracker", "bright", "--refiner", "none", "--box", "0,0,1,0.9", "--quiet"]


def empty(place: Path) -> Path:
    path = place / "empty.mov"
    path.write_bytes(b"")
    return path


def empty_image(place: Path) -> Path:
    path = place / "empty.0001.exr"
    path.write_bytes(b"")
    return path


def text(place: Path) -> Path:
    path = place / "text.mov"
    path.write_text("not a movie at all\n" * 100)
    return path


def text_image(place: Path) -> Path:
    path = place / "text.0001.exr"
    path.write_text("not an image at all\n" * 100)
    return path


def folder_named_like_a_movie(place: Path) -> Path:
    path = place / "folder.mov"
    path.mkdir()
    return path


def folder_without_images(place: Path) -> Path:
    (place / "f").mkdir()
    (place / "f" / "notes.txt").write_text("take 3")
    return place / "f"


def two_sequences(place: Path) -> Path:
    write_counters(place / "f", "a.{:04d}.png", [1, 2])
    return write_counters(place / "f", "b.{:04d}.png", [1, 2])


def mixed_sizes(place: Path) -> Path:
    write_counters(place / "f", "a.{:04d}.png", [1001, 1002])
    write_image(place / "f" / "a.1003.png", counter_image(3)[:90])
    return place / "f"


def cut_off_movie(place: Path) -> Path:
    path = encode_counter(place / "cut.mp4", 2)  # its header is at its end
    path.write_bytes(path.read_bytes()[:-100])
    return path


def sound(place: Path) -> Path:
    return encode_audio(place / "sound.mp4")


def truncated_frame(place: Path) -> Path:
    write_counters(place / "f", "a.{:04d}.exr", [1001, 1002, 1003])
    path = place / "f" / "a.1002.exr"
    path.write_bytes(path.read_bytes()[:700])
    return place / "f"


CASES: dict[Callable[[Path], Path], str] = {
    empty: "empty.mov is empty",
    empty_image: "empty.0001.exr cannot be read (it is empty)",
    text: "text.mov is not a movie",
    text_image: "text.0001.exr cannot be read",
    folder_named_like_a_movie: "folder.mov holds no images",
    folder_without_images: "holds no images",
    two_sequences: "holds 2 sequences (a.@@@@.png, b.@@@@.png)",
    mixed_sizes: "a.1003.png is 160x90 while a.1001.png is 160x96",
    cut_off_movie: "cut.mp4 holds no video frames: it may be cut off",
    sound: "sound.mp4 has no video stream",
    truncated_frame: "a.1002.exr (frame 1002) cannot be read",
    lambda place: place / "absent.mov": "There is no clip",
    lambda place: place / "absent.####.exr": "There is no clip",
}


@pytest.mark.parametrize("make", CASES, ids=[c.__name__ for c in CASES])
def test_one_sentence_and_no_half_written_file(
    make: Callable[[Path], Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clip, out = make(tmp_path), tmp_path / "out"
    assert main(["matte", str(clip), *RUN, "--out", str(out)]) == 3
    said = capfd.readouterr().err.strip()
    assert CASES[make].replace("@@@@", "#") in said.replace("@@@@", "#"), said
    assert said.startswith("trackmatte: ")
    assert len(said.splitlines()) == 1
    assert said.endswith(".")
    assert not list(out.glob("*.exr"))
    assert not list(out.rglob("*tmp*"))


def test_a_frame_deleted_while_reading(tmp_path: Path) -> None:
    folder = write_counters(tmp_path, "a.{:04d}.png", range(1001, 1006))
    with open_clip(folder) as clip:
        frames = clip.frames()
        assert [next(frames).number for _ in range(2)] == [1001, 1002]
        (tmp_path / "a.1004.png").unlink()
        assert next(frames).number == 1003
        with pytest.raises(
            FrameError, match=r"a\.1004\.png \(frame 1004\) cannot be read \(there is no such file\)"
        ):
            next(frames)
    with open_clip(folder) as clip:
        assert clip.missing == (1004,)


def test_a_movie_deleted_while_reading(copy: Callable[[str], Path]) -> None:
    path = copy("h264.mp4")
    with open_clip(path) as clip:
        path.unlink()
        for read in (lambda: clip[30], lambda: list(clip.frames(0, None, -1)), clip.identity):
            with pytest.raises(ClipError, match=r"h264\.mp4"):
                read()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_no_right_to_read(copy: Callable[[str], Path], tmp_path: Path) -> None:
    movie, folder = copy("h264.mp4"), write_counters(tmp_path / "f", "a.{:04d}.png", [1, 2])
    try:
        for path in (movie, folder / "a.0001.png", folder):
            path.chmod(0)
            with pytest.raises(ClipError, match="access rights"):
                open_clip(path)
        for name in ("a.####.png", "a.0002.png"):
            with pytest.raises(ClipError, match="access rights"):
                open_clip(folder / name)
    finally:
        folder.chmod(0o700)


def test_a_folder_where_a_frame_should_be_is_a_gap(tmp_path: Path) -> None:
    write_counters(tmp_path, "a.{:04d}.png", [1, 3])
    (tmp_path / "a.0002.png").mkdir()
    with open_clip(tmp_path) as clip:
        assert [f.number for f in clip] == [1, 3]
        assert clip.missing == (2,)


def test_a_clip_that_changed_since_the_shot_was_made(
    copy: Callable[[str], Path],
    movies: Callable[[str], Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path, shot = copy("h264.mp4"), str(tmp_path / "a.shot.json")
    assert main(["shot", "new", shot, str(path), "--tracker", "bright", "--refiner", "none", "--quiet"]) == 0
    shutil.copy(movies("h264_faststart.mp4"), path)
    assert main(["track", shot, "--quiet"]) == 5
    assert "is not the clip that" in capfd.readouterr().err
    path.unlink()
    assert main(["track", shot, "--quiet"]) == 3
    assert "There is no clip" in capfd.readouterr().err
