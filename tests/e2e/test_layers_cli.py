"""``trackmatte layers``, and ``matte-still --trimap``, as typed."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR
import pytest

from tests import disc
from trackmatte.cli import main
from trackmatte.cli.report import Report

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
    steps = [e for e in events if e["event"] == "progress"]
    assert {(e["stage"], e["frame"], e["total"]) for e in steps} == {("layers", 1002, 100)}
    assert [e["done"] for e in steps] == sorted({e["done"] for e in steps})  # every hundredth at most once
    assert len(steps) > 20
    assert steps[-1]["done"] == 100
    assert [e["event"] for e in events[len(steps) :]] == ["written", "written", "done"]
    assert events[len(steps)]["frames"] == [1002]
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


@pytest.mark.parametrize("method", ["spectral", "gmm", "mrf"])
def test_other_methods_write_layers_of_the_same_form(
    plates: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], method: str
) -> None:
    out = tmp_path / "out"
    words = ("layers", plates, "--method", method, "--count", 2, "--out", out)
    assert run(*words, "--range", "1001-1002") == 0
    assert sorted(f.name for f in out.iterdir()) == [f"plate_layers.{n}.exr" for n in (1001, 1002)]
    for i, file in enumerate(sorted(out.iterdir())):
        found = channels(file)
        assert np.abs(sum(found.values()) - 1).max() < 2e-3
        subject = disc.alpha_at(i, SIZE) > 0.5
        assert max(np.corrcoef(c.ravel(), subject.ravel())[0, 1] for c in found.values()) > 0.6
    assert run(*words, "--range", "1001-1002") == 0
    assert "nothing written" in capfd.readouterr().err
    assert run("layers", plates, "--count", 2, "--out", out, "--range", "1001-1002") == 6  # of another method
    assert run(*words, "--features", "plain", "--overwrite") == 2
    assert f"{method} layers take no features" in capfd.readouterr().err


def write_moving(folder: Path, numbers: tuple[int, ...]) -> Path:
    """A red and a blue disc on green that grow and shrink, so that the largest is not always the same."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:48, :72]
    for i, number in enumerate(numbers):
        plate = np.full((48, 72, 3), (40, 130, 60), np.float32)  # BGR
        plate[np.hypot(x - 18 - i, y - 24) < 17 - 3 * i] = (40, 40, 220)
        plate[np.hypot(x - 52 + i, y - 24) < 8 + 3 * i] = (220, 90, 40)
        plate += cv2.GaussianBlur(rng.normal(0, 12, plate.shape), (0, 0), 1.5)
        assert cv2.imwrite(str(folder / f"p.{number:04d}.png"), np.clip(plate, 0, 255).astype(np.uint8))
    return folder


MOVING = (7, 8, 10, 11)


def test_a_range_is_one_file_a_frame_in_one_order(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    clip, out = write_moving(tmp_path / "clip", MOVING), tmp_path / "out"
    words = ("layers", clip, "--count", 3, "--features", "plain", "--out", out, "--range")
    assert run(*words, "7-11", "--json") == 0
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    (written,) = [e for e in lines if e["event"] == "written"]
    assert written["frames"] == list(MOVING)
    assert [e["done"] for e in lines if e["event"] == "progress"][-1] == 400
    names = [f"clip_layers.{n:04d}.exr" for n in MOVING]
    assert sorted(f.name for f in out.iterdir()) == names
    shares = []
    for name, number in zip(names, MOVING, strict=True):
        found = channels(out / name)
        assert np.abs(sum(found.values()) - 1).max() < 3e-3
        plate = cv2.imread(str(clip / f"p.{number:04d}.png")).astype(np.float64)
        means = {k: (plate * v[..., None]).sum((0, 1)) / max(v.sum(), 1e-6) for k, v in found.items()}
        strongest = {k: int(np.argmax(v)) for k, v in means.items()}
        if number == MOVING[0]:
            order = strongest
        assert strongest == order
        shares.append([found[k].sum() for k in sorted(found)])
    by_size = [np.argsort(s).tolist() for s in np.array(shares)]
    assert by_size[0] != by_size[-1]  # else the order by size would have done

    # Made just so: they stay. Of another range, whose order begins elsewhere: refused.
    times = [f.stat().st_mtime_ns for f in sorted(out.iterdir())]
    assert run(*words, "7-11") == 0
    assert "nothing written" in capfd.readouterr().err
    assert [f.stat().st_mtime_ns for f in sorted(out.iterdir())] == times
    assert run(*words, "8-11") == 6
    assert "exists" in capfd.readouterr().err
    # A missing frame is made again as it was, after the one that is there.
    before = (out / names[2]).read_bytes()
    (out / names[2]).unlink()
    assert run(*words, "7-11") == 0
    assert (out / names[2]).read_bytes() == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_split_ends_between_two_steps_and_goes_on(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    code: int,
) -> None:
    disc.write_frames(tmp_path / "clip", 2, (48, 32), first=7)
    clip, out = tmp_path / "clip", tmp_path / "out"
    words = ("layers", clip, "--count", 3, "--features", "plain", "--out", out, "--range", "7-8")
    steps: list[int] = []
    event = Report.event

    def interrupted(report: Report, kind: str, **what: Any) -> None:
        event(report, kind, **what)
        if kind == "progress":
            steps.append(what["done"])
            if what["done"] >= 130 and steps[-2] < 130:
                signal.raise_signal(number)

    with monkeypatch.context() as patch:
        patch.setattr(Report, "event", interrupted)
        assert run(*words) == code
    assert "run the same command again to go on" in capfd.readouterr().err
    assert 130 <= steps[-1] < 140
    (first,) = out.iterdir()
    assert first.name == "clip_layers.0007.exr"
    made = first.stat().st_mtime_ns
    assert run(*words) == 0
    assert first.stat().st_mtime_ns == made
    whole = tmp_path / "whole"
    assert run(*words[:-4], "--out", whole, "--range", "7-8") == 0
    assert [f.read_bytes() for f in sorted(whole.iterdir())] == [
        f.read_bytes() for f in sorted(out.iterdir())
    ]


def test_a_sheet_never_replaces_the_plate(
    still: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = still.read_bytes()
    assert run("layers", still, "--out", tmp_path / "out", "--sheet", still, "--overwrite") == 6
    assert "belongs to the shot or its plate" in capfd.readouterr().err
    assert still.read_bytes() == before


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
        (("--range", "7-9"), 2, "no frame of 7-9"),
        (("--range", "1001-x"), 2, "not a range"),
        (("--range", "1001", "--frame", "1001"), 2, "leave out --frame"),
        (("--range", "1001", "--sheet", "x.png"), 2, "leave out --frame"),
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
