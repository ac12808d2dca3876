"""``trackmatte layers``, and ``matte-still --trimap``, as typed."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest

from tests import disc
from trackmatte.cli import main

SIZE = (96, 64)


def run(*words: object) -> int:
    return main([str(w) for w in words])


@pytest.fixture
def plates(tmp_path: Path) -> Path:
    return disc.write_frames(tmp_path / "plates", 3, SIZE)


@pytest.fixture
def still(plates: Path) -> Path:
    return plates.parent / "plate.1001.png"


def channels(path: Path) -> dict[str, np.ndarray]:
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return {name: channel.pixels.astype(np.float32) for name, channel in file.channels().items()}


def test_one_frame_becomes_named_layers_that_sum_to_one(
    plates: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out, sheet = tmp_path / "out", tmp_path / "sheet.png"
    words = ("layers", plates, "--frame", 1002, "--count", 3, "--out", out, "--features", "plain")
    assert run(*words, "--sheet", sheet, "--json") == 0
    events = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [e["event"] for e in events] == ["written", "written", "done"]
    assert events[0]["frames"] == [1002]
    (file,) = out.iterdir()
    assert file.name == "plate_layers.1002.exr"
    found = channels(file)
    assert sorted(found) == ["layer01.A", "layer02.A", "layer03.A"]
    total = sum(found.values())
    assert total.shape == (64, 96)
    assert np.abs(total - 1).max() < 2e-3  # half floats
    subject = disc.alpha_at(1, SIZE) > 0.5
    assert max(np.corrcoef(c.ravel(), subject.ravel())[0, 1] for c in found.values()) > 0.8
    assert cv2.imread(str(sheet)).shape == (2 * 213, 960, 3)
    assert run(*words) == 6
    assert "exists" in capfd.readouterr().err
    assert run(*words, "--overwrite", "--quiet") == 0


def test_a_shot_file_will_do(plates: Path, tmp_path: Path) -> None:
    shot = tmp_path / "hero.shot.json"
    assert run("shot", "new", shot, plates, "--tracker", "fake", "--refiner", "none") == 0
    assert run("layers", shot, "--count", 2, "--out", tmp_path / "out", "--features", "plain") == 0
    assert (tmp_path / "out" / "hero_layers.1001.exr").is_file()


def test_sam2_features_on_the_command_line(still: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("sam2", reason="sam2 is not installed")
    from tests import micro

    sets = [w for k, v in micro.settings(tmp_path).items() for w in ("--set", f"{k}={v}")]
    words = ("layers", still, "--count", 2, "--out", tmp_path / "out", "--features", "sam2", *sets)
    assert run(*words) == 0
    assert len(list((tmp_path / "out").iterdir())) == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--frame", "7"), 2, "no frame 7"),
        (("--count", "0"), 2, "count"),
        (("--sheet", "x.jpg"), 2, "must end in .png"),
        (("--set", "refiner.a=1"), 2, "refiner.a"),
        (("--features", "plain", "--set", "model=x"), 2, "no setting 'model'"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    still: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    assert run("layers", still, "--out", tmp_path / "out", *words) == code
    assert said in capfd.readouterr().err
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


@pytest.mark.parametrize("refiner", ["auto", "closed_form", "bayesian"])
def test_a_trimap_becomes_a_matte(still: Path, tmp_path: Path, refiner: str) -> None:
    alpha = disc.alpha_at(0, SIZE)
    kernel = np.ones((7, 7), np.uint8)
    inside = (alpha > 0.5).astype(np.uint8)
    trimap = np.where(cv2.erode(inside, kernel), 255, np.where(cv2.dilate(inside, kernel), 128, 0))
    assert cv2.imwrite(str(tmp_path / "t.png"), trimap)
    words = ("matte-still", still, "--trimap", tmp_path / "t.png", "--refiner", refiner)
    assert run(*words, "--out", tmp_path / "out", "--preset", "alpha") == 0
    (file,) = (tmp_path / "out").iterdir()
    assert np.abs(channels(file)["A"] - alpha).mean() < 0.01


def test_trimaps_and_other_ways_to_say_it_exclude_each_other(
    still: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cv2.imwrite(str(tmp_path / "t.png"), np.full((64, 96), 128, np.uint8))
    words = ("matte-still", still, "--out", tmp_path / "out", "--trimap", tmp_path / "t.png")
    assert run(*words, "--box", "0,0,1,1") == 2
    assert run(*words, "--refiner", "none") == 2
    assert "takes no trimap" in capfd.readouterr().err
    assert run(*words) == 2
    assert "knows no pixel" in capfd.readouterr().err
    assert run(*words, "--refiner", "bayesian") == 2
    assert "mark some" in capfd.readouterr().err
