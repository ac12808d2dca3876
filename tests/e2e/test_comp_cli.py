"""``trackmatte comp`` as an editor runs it: what docs/comp.md prints, and every mistake in one sentence."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import numpy as np
import OpenImageIO as oiio
import pytest
from numpy.typing import NDArray

from tests import disc
from tests.media_maker import encode_counter
from trackmatte.cli import main
from trackmatte.prompt import Box, Prompt
from trackmatte.shot import Shot
from trackmatte.writers import space

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "comp.md").read_text()
FRAMES = range(1001, 1005)


def run(*words: object) -> int:
    """Run the command line in this process."""
    return main([str(w) for w in words])


def pixels(path: Path, kind: str = "float") -> NDArray[np.float32]:
    """Return (H, W, C) of an image."""
    image = oiio.ImageBuf(str(path))
    assert not image.has_error, image.geterror()
    return np.asarray(image.get_pixels(kind))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shot of two objects with mattes, and some backgrounds."""
    place = tmp_path_factory.mktemp("made")
    pattern = disc.write_frames(place / "plates", len(FRAMES))
    shot = Shot.new(place / "hero.shot.json", pattern, tracker="fake", refiner="none")
    for name in ("hero", "dog"):
        shot.add(Prompt(1001, name, box=Box(0.1, 0.1, 0.9, 0.9)))
    shot.save()
    for i, number in enumerate(FRAMES):
        alpha = disc.alpha_at(i, (160, 96))
        for name, part in (("hero", alpha), ("dog", alpha[:, ::-1])):
            shot.cache.write("matte", name, number, part, {"key": f"{name} {i}"})
    shot.close()
    encode_counter(place / "beach.mov", 3)
    cv2.imwrite(str(place / "beach.jpg"), np.full((60, 100, 3), (200, 120, 40), np.uint8))
    return place


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a copy of the shot."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed() -> list[list[str]]:
    """Return the commands that the page prints, as words."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.startswith("trackmatte ")]


def test_the_page_prints_a_command_for_every_effect() -> None:
    effects = {words[words.index("--effect") + 1] for words in printed()}
    assert effects == {"blur", "replace", "grade", "checker", "cutout"}


@pytest.mark.parametrize("words", printed(), ids=lambda w: " ".join(w[3:])[:60])
def test_what_the_page_prints_works(words: list[str], place: Path) -> None:
    out = place / words[words.index("--out") + 1]
    assert run(*words[1:]) == 0
    movie = "--format" in words and words[words.index("--format") + 1] not in ("exr", "png")
    assert len([f for f in out.iterdir() if not f.name.startswith(".")]) == (1 if movie else len(FRAMES))


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("blur --size 0", 2, "up to 50"),
        ("blur --size 51", 2, "up to 50"),
        ("blur --kernel star", 2, "hexagon"),
        ("blur --rotation 30", 2, "--kernel hexagon"),
        ("blur --kernel hexagon --rotation nan", 2, "-360 to 360"),
        ("blur --guard -1", 2, "0 to 200"),
        ("blur --exposure 1", 2, "--exposure belongs to --effect grade"),
        ("blur --hold", 2, "--hold belongs to --effect replace"),
        ("blurr", 2, "cutout"),
        ("blur --preset alpha", 2, "--preset"),
        ("blur --alpha straight", 2, "--alpha says how colours go with alpha"),
        ("blur --format mp4 --depth float", 2, "--depth is for EXR"),
        ("cutout --view side --alpha straight", 2, "--alpha says"),
        ("replace --background red", 3, "A colour is written #rrggbb, or as linear R,G,B."),
        ("blur --wipe 0.3", 2, "--view wipe"),
        ("blur --view wipe --wipe 2", 2, "0 to 1"),
        ("blur --object cat", 5, "no object 'cat'; there are: 'hero', 'dog'"),
        ("blur --format tga", 2, "exr"),
        ("replace", 2, "--background"),
        ("replace --background gone.mov", 3, "gone.mov"),
        ("replace --background hero.shot.json", 3, "hero.shot.json"),
        ("replace --background beach.mov", 2, "ends after 3 frames, before frame 1004"),
        ("replace --background beach.mov --loop --hold", 2, "exclude"),
        ("replace --background '#12345'", 2, "#rrggbb"),
        ("replace --background beach.jpg --background-colorspace mine", 2, "'mine'"),
        ("replace --background '#123456' --background-colorspace sRGB", 2, "for pictures"),
        ("replace --background beach.jpg --scale tile", 2, "stretch"),
        ("grade", 2, "changes nothing"),
        ("grade --exposure 11", 2, "-10 to 10"),
        ("grade --saturation -1", 2, "0 to 4"),
        ("grade --slope 1,2", 2, "one number or three"),
        ("grade --power 0", 2, "0.01 or more"),
        ("grade --offset x", 2, "one number or three"),
        ("checker --square 0", 2, "1 px or more"),
        ("cutout --format mp4", 2, "no alpha"),
        ("blur --format mp4 --audio", 2, "without sound"),
    ],
)
def test_mistakes_get_one_sentence(
    words: str, code: int, says: str, place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("comp", "hero.shot.json", "--out", "o", "--effect", *shlex.split(words)) == code
    err = " ".join(capfd.readouterr().err.replace("│", " ").split())
    assert says in err
    assert "Traceback" not in err
    assert not list(place.glob("o/*"))


def test_a_shot_without_mattes_says_what_to_run(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pattern = disc.write_frames(place / "other", 2)
    assert run("shot", "new", "other.shot.json", pattern, "--tracker", "fake", "--refiner", "none") == 0
    assert run("comp", "other.shot.json", "--effect", "blur", "--out", "o") == 5
    assert "no object to composite" in capfd.readouterr().err
    assert run("shot", "add", "other.shot.json", "--box", "0.1,0.1,0.9,0.9") == 0
    assert run("comp", "other.shot.json", "--effect", "blur", "--out", "o") == 5
    assert "trackmatte track and trackmatte refine" in capfd.readouterr().err
    assert run("comp", "hero.shot.json", "--effect", "blur", "--out", "plates") == 6
    assert "holds the plate's own images" in capfd.readouterr().err


def test_existing_files_are_not_replaced_unasked(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ("comp", "hero.shot.json", "--out", "o", "--effect", "blur", "--format", "png")
    assert run(*words) == 0
    first = (place / "o" / "plate_blur.1002.png").read_bytes()
    assert run(*words) == 0
    assert "up to date" in capfd.readouterr().err
    assert run(*words, "--size", "9") == 6
    assert "--overwrite" in capfd.readouterr().err
    assert (place / "o" / "plate_blur.1002.png").read_bytes() == first
    assert run(*words, "--size", "9", "--overwrite") == 0
    assert (place / "o" / "plate_blur.1002.png").read_bytes() != first


def test_a_disk_that_looks_too_small_can_be_insisted_on(
    place: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space.shutil, "disk_usage", lambda _: SimpleNamespace(free=9))
    words = ("comp", "hero.shot.json", "--effect", "checker", "--out", "o")
    assert run(*words) == 6
    assert "--no-space-check" in capfd.readouterr().err
    assert run(*words, "--no-space-check") == 0
    assert len(list((place / "o").iterdir())) == len(FRAMES)


def test_the_help_names_mp4_and_no_preset(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("comp", "--help") == 0
    told = capsys.readouterr().out
    assert "mp4" in told
    assert "--preset" not in told


def test_one_object_or_all(place: Path) -> None:
    words = ("comp", "hero.shot.json", "--effect", "replace", "--background", "0,0,2", "--depth", "float")
    assert run(*words, "--out", "both") == 0
    assert run(*words, "--out", "one", "--object", "dog") == 0
    both, one = (pixels(place / f / "plate_replace.1001.exr") for f in ("both", "one"))
    hero, dog = disc.alpha_at(0, (160, 96)), disc.alpha_at(0, (160, 96))[:, ::-1]
    blue = np.float32([0, 0, 2])
    np.testing.assert_array_equal(both[hero + dog == 0], np.broadcast_to(blue, ((hero + dog == 0).sum(), 3)))
    assert (both[hero == 1] != blue).any(-1).all()
    np.testing.assert_array_equal(one[dog == 0], np.broadcast_to(blue, ((dog == 0).sum(), 3)))


def test_events_say_what_was_written(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ("comp", "hero.shot.json", "--effect", "checker", "--out", "o", "--json")
    assert run(*words) == 0
    events = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [e["event"] for e in events[-2:]] == ["written", "done"]
    assert events[-2]["frames"] == list(FRAMES)
    assert {e["stage"] for e in events if e["event"] == "progress"} == {"comp"}
    assert str(place / "o") not in events[-2]["pattern"]


def test_a_quick_look_plays(place: Path) -> None:
    words = ("--effect", "checker", "--view", "side", "--format", "mp4")
    assert run("comp", "hero.shot.json", *words, "--out", "o") == 0
    with av.open(str(place / "o" / "plate_checker_side.mp4")) as movie:
        shown = [f.to_ndarray(format="rgb24").astype(float) for f in movie.decode(video=0)]
    assert len(shown) == len(FRAMES)
    assert shown[0].shape == (96, 320, 3)
    plate = pixels(place / "plates" / "plate.1003.png", "uint8")
    assert np.abs(shown[2][:, :160] - plate).mean() < 6  # 8 bits, 4:2:0
    assert np.abs(shown[2][:, 160:] - plate).mean() > 20


def test_odd_sizes_lose_a_row_in_mp4_and_a_gap_stays_black(tmp_path: Path) -> None:
    pattern = disc.write_frames(tmp_path / "p", 4, (81, 49))
    (tmp_path / "p" / "plate.1003.png").unlink()
    shot = Shot.new(tmp_path / "s.shot.json", pattern, tracker="fake", refiner="none")
    shot.add(Prompt(1001, "a", box=Box(0.1, 0.1, 0.9, 0.9)))
    shot.save()
    for i in (0, 1, 3):
        shot.cache.write("matte", "a", 1001 + i, disc.alpha_at(i, (81, 49)), {"key": str(i)})
    shot.close()
    words = ("comp", tmp_path / "s.shot.json", "--effect", "blur", "--out", tmp_path / "o")
    assert run(*words, "--format", "mp4") == 0
    with av.open(str(tmp_path / "o" / "plate_blur.mp4")) as movie:
        shown = [f.to_ndarray(format="rgb24") for f in movie.decode(video=0)]
    assert [s.shape for s in shown] == [(48, 80, 3)] * 4
    assert [s.mean() > 20 for s in shown] == [True, True, False, True]
