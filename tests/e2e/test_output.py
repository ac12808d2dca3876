"""Where output goes and what is there already: files in the way, damaged files, signals, names."""

from __future__ import annotations

import random
import shutil
import signal
from fractions import Fraction
from pathlib import Path

import av
import OpenEXR
import pytest

from tests import disc
from tests.e2e.test_cli import BOX, FAKE, run, start
from tests.e2e.test_faults import FRAMES, Capture, check_whole, delivered, fails
from trackmatte.media.sequence import ImageSequence


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return disc.write_frames(tmp_path_factory.mktemp("plates"), FRAMES, (96, 64))


@pytest.fixture
def shot(plates: Path, tmp_path: Path) -> Path:
    path = tmp_path / "s" / "plate.shot.json"
    assert run("shot", "new", path, plates, *FAKE) == 0
    assert run("shot", "add", path, *BOX) == 0
    assert run("shot", "add", path, *BOX, "--object", "other") == 0
    assert run("track", path, "--quiet") == run("refine", path, "--quiet") == 0
    return path


def test_all_files_in_the_way_are_found_before_the_first_is_written(
    shot: Path, tmp_path: Path, capfd: Capture
) -> None:
    out = tmp_path / "e"
    out.mkdir()
    foreign = {f"plate_other.{n}.exr": b"mine" for n in (1003, 1009)}
    for name, data in foreign.items():
        (out / name).write_bytes(data)
    fails(
        ("export", shot, "--out", out),
        capfd,
        "nothing was written",
        "plate_other.1003.exr and 1 more files are",
    )
    assert {f.name: f.read_bytes() for f in out.iterdir()} == foreign  # nor those of the first object
    assert run("export", shot, "--out", out, "--overwrite", "--quiet") == 0
    assert len(delivered(out)) == 2 * FRAMES
    fails(("export", shot, "--out", out, "--compression", "none"), capfd, "and 19 more files are in the way")
    check_whole(out)


def test_damaged_files_of_the_same_delivery_are_made_again(
    shot: Path, tmp_path: Path, capfd: Capture
) -> None:
    out = tmp_path / "e"
    assert run("export", shot, "--out", out) == 0
    before = delivered(out)
    cut, torn = out / "plate_subject.1002.exr", out / "plate_other.1007.exr"
    cut.write_bytes(before[cut.name][:-150])
    data = bytearray(before[torn.name])
    data[-400:-300] = bytes(100)
    torn.write_bytes(data)
    assert run("export", shot, "--out", out, "--quiet") == 0
    assert delivered(out) == before
    cut.write_bytes(b"")  # says nothing of who made it
    fails(("export", shot, "--out", out), capfd, "plate_subject.1002.exr is in the way")
    assert cut.read_bytes() == b""


def test_matte_again_replaces_no_retouched_file(plates: Path, tmp_path: Path, capfd: Capture) -> None:
    words = ("matte", plates, *BOX, "--out", tmp_path / "o", *FAKE)
    assert run(*words, "--quiet") == 0
    before, mine = delivered(tmp_path / "o"), tmp_path / "o" / "plate_subject.1004.exr"
    mine.write_bytes(b"retouched")
    (tmp_path / "o" / "plate_subject.1006.exr").unlink()
    fails(words, capfd, "plate_subject.1004.exr is in the way", "--overwrite")
    assert mine.read_bytes() == b"retouched"
    assert run(*words, "--overwrite", "--quiet") == 0
    assert delivered(tmp_path / "o") == before


def test_a_rate_that_no_image_says_is_not_delivered_in_silence(
    plates: Path, tmp_path: Path, capfd: Capture
) -> None:
    doubt = "do not say their frame rate: 24 is taken"
    words = ("matte", plates, *BOX, *FAKE, "--range", "1001-1003")
    assert run(*words, "--out", tmp_path / "o") == 0
    assert doubt in capfd.readouterr().err
    assert run(*words, "--grid", "23.976", "--out", tmp_path / "p") == 0
    assert doubt not in capfd.readouterr().err
    shot = tmp_path / "p" / "plate.shot.json"
    assert run("export", shot, "--format", "ffv1", "--out", tmp_path / "m", "--quiet") == 0
    for exr in (tmp_path / "p").glob("*.exr"):
        with OpenEXR.File(str(exr)) as f:
            assert Fraction(f.header()["framesPerSecond"]) == Fraction(24000, 1001)
    with av.open(str(tmp_path / "m" / "plate_subject.mkv")) as movie:
        assert movie.streams.video[0].average_rate == Fraction(24000, 1001)
    assert run("shot", "new", tmp_path / "e.shot.json", tmp_path / "p" / "plate_subject.####.exr") == 0
    assert "frame rate" not in capfd.readouterr().err, "these files say theirs"


def test_files_of_a_sequence_are_not_looked_at_for_every_frame(
    shot: Path, plates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What costs a look at every file of a plate is done a few times, or a long clip takes its square."""
    looked: list[Path] = []
    identity = ImageSequence.identity

    def counted(clip: ImageSequence) -> str:
        looked.append(clip.path)
        return identity(clip)

    monkeypatch.setattr(ImageSequence, "identity", counted)
    assert run("export", shot, "--preset", "cutout", "--out", tmp_path / "e", "--quiet") == 0
    behind = ("--effect", "replace", "--background", plates)
    assert run("comp", shot, *behind, "--out", tmp_path / "c", "--quiet") == 0
    assert len(looked) < FRAMES, "two objects, three deliveries, two openings, one background"


# -- mattes that are old or not there -------------------------------------------------------------------


def test_no_delivery_begins_where_a_matte_is_missing(shot: Path, tmp_path: Path, capfd: Capture) -> None:
    (tmp_path / "s" / "plate.shot" / "matte" / "other" / "001009.tif").unlink()
    for words in (
        ("export", shot),
        ("export", shot, "--preset", "multi"),
        ("export", shot, "--format", "ffv1"),
        ("comp", shot, "--effect", "checker"),
    ):
        fails((*words, "--out", tmp_path / "e"), capfd, "frame 1009 of 'other' has no matte yet", code=5)
        assert not list((tmp_path / "e").iterdir())


def test_old_mattes_are_told_before_they_are_delivered(shot: Path, tmp_path: Path, capfd: Capture) -> None:
    def said(*words: object) -> str:
        assert run(*words) == 0
        return capfd.readouterr().err

    deliveries = (
        ("export", shot, "--out", tmp_path / "e"),
        ("comp", shot, "--effect", "checker", "--out", tmp_path / "c"),
        ("sheet", shot, "--out", tmp_path / "s.png", "--overwrite"),
    )
    assert not [w for w in deliveries if "older than" in said(*w)]
    said("shot", "add", shot, "--frame", 1006, "--box", "0.1,0.1,0.6,0.6")
    for words in deliveries:  # neither tracked nor refined
        text = said(*words)
        assert "subject: the mattes of" in text, text
        assert "9 frames (1002-1010)" in text
        assert "other: the mattes of" not in text
    said("track", shot)
    assert "subject: the mattes of" in said(*deliveries[0]), "masks are new, mattes are not"
    said("refine", shot)
    again = [w if w[0] == "sheet" else (*w, "--overwrite") for w in deliveries]
    assert not [w for w in again if "older than" in said(*w)]
    said("shot", "add", shot, "--frame", 1003, "--box", "0.1,0.1,0.6,0.6")
    one = ("comp", shot, "--effect", "checker", "--object", "other", "--out", tmp_path / "d")
    assert "older than" not in said(*one), "that object is not asked for"


def test_objects_whose_names_look_alike_in_a_file_name(shot: Path, tmp_path: Path) -> None:
    for name in ("other_", "Other", "other_2", "other ", "other"):
        assert run("shot", "add", shot, "--object", name, "--box", "0.1,0.1,0.6,0.6") == 0
    assert run("track", shot, "--quiet") == run("refine", shot, "--quiet") == 0
    assert run("export", shot, "--out", tmp_path / "e", "--quiet") == 0
    assert len({name.casefold() for name in delivered(tmp_path / "e")}) == 6 * FRAMES
    before = delivered(tmp_path / "e")
    assert run("export", shot, "--out", tmp_path / "e", "--overwrite", "--quiet") == 0
    assert delivered(tmp_path / "e") == before
    assert run("export", shot, "--out", tmp_path / "m", "--format", "ffv1", "--quiet") == 0
    movies = {f.name for f in (tmp_path / "m").iterdir()}
    assert {"plate_subject.mkv", "plate_other.mkv", "plate_other_.mkv"} < movies
    assert len(movies) == 6


# -- signals --------------------------------------------------------------------------------------------


LONG = 150
"""Frames, so many that a signal after the first dozen always finds the export at work."""


def test_signals_at_any_moment_of_an_export(tmp_path: Path) -> None:
    clip = disc.write_frames(tmp_path / "plates", LONG, (64, 48))
    shot = tmp_path / "s" / "plate.shot.json"
    assert run("matte", clip, *BOX, "--out", shot.parent, *FAKE, "--quiet") == 0
    whole, out = tmp_path / "whole", tmp_path / "e"
    assert run("export", shot, "--out", whole, "--quiet") == 0
    rng = random.Random(5)
    done = 0
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        process = start("export", shot, "--out", out, "--json")
        assert process.stdout is not None
        after = done + rng.randrange(1, 12)  # what is there is gone through first
        for line in process.stdout:
            after -= '"progress"' in line
            if not after:
                process.send_signal(number)
                break
        said, err = process.communicate(timeout=120)
        assert process.returncode == code, err
        assert "run the same command again" in said.splitlines()[-1]
        for f in out.glob("*"):
            with OpenEXR.File(str(f), separate_channels=True) as exr:
                assert exr.channels()["A"].pixels.shape == (48, 64)
        assert done < len(list(out.iterdir())) < LONG
        done = len(list(out.iterdir()))
    assert run("export", shot, "--out", out, "--quiet") == 0
    assert delivered(out) == delivered(whole)


# -- where output goes ----------------------------------------------------------------------------------


def test_output_among_the_plates_or_onto_a_file(plates: Path, tmp_path: Path, capfd: Capture) -> None:
    own = tmp_path / "own"
    shutil.copytree(plates.parent, own)
    before = sorted(own.iterdir())
    (tmp_path / "link").symlink_to(own)
    for out in (own, tmp_path / "link", own / "sub" / ".."):
        fails(("matte", own, *BOX, "--out", out, "--overwrite", *FAKE), capfd, "the plate's own images")
    assert sorted(p for p in own.iterdir() if p.name != "sub") == before
    taken = tmp_path / "taken"
    taken.write_text("mine")
    fails(("matte", own, *BOX, "--out", taken, *FAKE), capfd, "is a file")
    assert taken.read_text() == "mine"
    still = plates.parent / "plate.1001.png"
    fails(("matte-still", still, *BOX, "--out", taken, "--refiner", "none"), capfd, "taken")
    assert run("matte", own, *BOX, "--out", tmp_path / ("x" * 300), *FAKE) == 2
    assert "too long" in capfd.readouterr().err
    words = ("matte", own, *BOX, "--object", "o" * 250, "--range", "1001-1002", *FAKE)
    assert run(*words, "--out", tmp_path / "long") == 2
    assert "too long" in capfd.readouterr().err
    assert not delivered(tmp_path / "long")


@pytest.mark.parametrize("name", ["a b%04d#?ü", "%d", "####", "漢字 (1)"])
def test_any_folder_name_will_do(name: str, plates: Path, tmp_path: Path) -> None:
    own = tmp_path / f"{name} plates"
    shutil.copytree(plates.parent, own)
    out = tmp_path / name
    assert run("matte", own, *BOX, "--out", out, "--range", "1001-1002", *FAKE, "--quiet") == 0
    assert len(delivered(out)) == 2
    movie = out / f"{name}.mp4"
    shot = next(out.glob("*.shot.json"))
    assert run("sheet", shot, "--out", out / f"{name}.png", "--movie", movie, "--quiet") == 0
    assert movie.stat().st_size > 500
