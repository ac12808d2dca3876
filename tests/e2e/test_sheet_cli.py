"""``trackmatte sheet`` as a user runs it, and what it must never replace."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import pytest

from tests import disc
from tests.e2e.test_cli import BOX, FAKE, run

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A movie and a sequence, each with a shot beside it."""
    place = tmp_path_factory.mktemp("made")
    for clip in (disc.write_movie(place / "plate.mp4", 3), disc.write_frames(place / "p", 3).parent):
        words = ("matte", clip, *BOX, "--out", place / f"o {clip.name}", *FAKE, "--quiet")
        assert run(*words) == 0
    return place


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "w")
    return tmp_path / "w"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def test_plate_shot_and_cache_are_never_replaced(place: Path, capfd: Capture) -> None:
    movie, images = place / "o plate.mp4" / "plate.shot.json", place / "o p" / "p.shot.json"
    (place / "link.mp4").symlink_to(place / "plate.mp4")
    cached = next((place / "o p" / "p.shot").rglob("*.tif")).with_suffix(".png")
    before = contents(place)
    for shot, words in (
        (movie, ("--movie", place / "plate.mp4")),
        (movie, ("--movie", place / "link.mp4")),
        (movie, ("--movie", place / "p" / ".." / "plate.mp4")),
        (images, ("--out", place / "p" / "plate.1002.png")),
        (images, ("--out", cached)),
    ):
        assert run("sheet", shot, *words, "--overwrite") == 6
        assert "belongs to the shot or its plate" in capfd.readouterr().err
    assert contents(place) == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--out", "s.exr"), 2, "s.exr does not end in .png or .jpg or .jpeg; name it e.g. s.png"),
        (("--out", "s"), 2, "s does not end in .png"),
        (("--movie", "m.webm"), 2, "m.webm does not end in .mp4; name it e.g. m.mp4"),
        (("--out", "."), 6, ". is a folder"),
        (("--count", "0"), 2, "choose --count 1 to 200"),
        (("--count", "-3"), 2, "choose --count 1 to 200"),
        (("--count", "100000"), 2, "choose --count 1 to 200"),
    ],
)
def test_what_cannot_be_a_sheet(
    words: tuple[str, ...], code: int, said: str, place: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    before = contents(place)
    assert run("sheet", "o p/p.shot.json", *words) == code
    assert said in capfd.readouterr().err
    assert contents(place) == before


def test_more_rows_than_frames_and_the_speed_of_the_movie(place: Path, capfd: Capture) -> None:
    shot = place / "o p" / "p.shot.json"
    out, movie = place / "s.jpg", place / "m.mp4"
    assert run("sheet", shot, "--out", out, "--movie", movie, "--count", 200, "--json") == 0
    events = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    steps = [e for e in events if e["event"] == "progress"]
    assert [(e["stage"], e["frame"]) for e in steps] == [("movie", n) for n in (1001, 1002, 1003)]
    assert all(e["fps"] > 0 for e in steps)
    assert [e["file"] for e in events if e["event"] == "written"] == [str(out), str(movie)]
    assert cv2.imread(str(out)).shape == (3 * (192 + 18), 4 * 320, 3)
