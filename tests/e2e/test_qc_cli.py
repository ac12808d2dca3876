"""``trackmatte qc`` as an artist runs it, on a shot whose masks say of themselves what we wrote there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests import disc
from trackmatte.cli import main
from trackmatte.cli.qc import SPAN, STATES, write_timeline
from trackmatte.shot import ObjectStatus, Shot
from trackmatte.shot.qc import quality, worst

BAD = {1009: {"score": 0.02}, 1010: {"score": 0.02}, 1020: {"drift": 0.6}}


def run(*words: object) -> int:
    """Run the command line in this process."""
    return main([str(w) for w in words])


@pytest.fixture
def untracked(tmp_path: Path) -> Path:
    """A shot of 24 frames, prompted on the first."""
    plates = disc.write_frames(tmp_path / "plates", 24)
    shot = tmp_path / "hero.shot.json"
    assert run("shot", "new", shot, plates, "--tracker", "fake", "--refiner", "none") == 0
    assert run("shot", "add", shot, "--box", "0.1,0.1,0.9,0.9") == 0
    return shot


@pytest.fixture
def shot(untracked: Path, capfd: pytest.CaptureFixture[str]) -> Path:
    """The same, tracked, with three bad frames."""
    assert run("track", untracked) == 0
    with Shot.open(untracked) as opened:
        for n in opened.numbers():
            plane, info = opened.cache.read("track", "subject", n) or pytest.fail(f"{n} is not tracked")
            notes = {"score": 0.9, "area": 0.12, "drift": 0.95, **BAD.get(n, {})}
            opened.cache.write("track", "subject", n, plane, {**info, **notes})
    capfd.readouterr()
    return untracked


def test_it_lists_the_worst_and_writes_picture_and_report(
    shot: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("qc", shot) == 0
    lines = capfd.readouterr().err.splitlines()
    assert "4 of 24 masks are in doubt, in 2 places" in lines[0]
    assert " ".join(lines[1].split()) == "1 subject frame 1009 of 1009-1011 doubt 1.00 subject lost"
    assert "1020" in lines[2]
    assert "edge jumps (drift 0.60)" in lines[2]
    picture = cv2.imread(str(shot.with_name("hero.qc.png")))
    assert picture.shape[1] == 1600
    report = json.loads(shot.with_name("hero.qc.json").read_text())
    assert report["shot"] == "hero.shot.json"
    assert [p["frame"] for p in report["places"]] == [1009, 1020]
    assert [f["frame"] for f in report["frames"]] == list(range(1001, 1025))


def test_events_count_and_quiet(shot: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("qc", shot, "--json", "--count", 1) == 0
    out, err = capfd.readouterr()
    events = [json.loads(line) for line in out.splitlines()]
    assert err == ""
    assert events[0] == {
        "event": "doubt",
        "object": "subject",
        "frame": 1009,
        "first": 1009,
        "last": 1011,
        "doubt": 1.0,
        "reasons": ["subject lost"],
    }
    assert [e["event"] for e in events] == ["doubt", "written", "written", "done"]
    assert run("qc", shot, "--count", 1) == 0
    assert "1 more" in capfd.readouterr().err
    assert run("qc", shot, "--quiet") == 0
    assert capfd.readouterr() == ("", "")


def test_masks_without_notes_and_frames_settled_are_not_in_doubt(
    shot: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("shot", "lock", shot, "--frames", "1009-1011") == 0
    with Shot.open(shot) as opened:
        for n in (1020, 1021):
            plane, info = opened.cache.read("track", "subject", n) or pytest.fail(f"{n} is not tracked")
            old = {k: v for k, v in info.items() if k not in ("area", "drift", "score")}
            opened.cache.write("track", "subject", n, plane, old)
    capfd.readouterr()
    assert run("qc", shot) == 0
    assert "none of 24 masks is in doubt" in capfd.readouterr().err


def test_stale_masks_are_told(shot: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("shot", "add", shot, "--frame", 1001, "--box", "0.2,0.1,0.9,0.9", "--replace") == 0
    assert run("qc", shot) == 0
    assert "stale" in capfd.readouterr().err


def test_own_reports_are_replaced_but_nothing_else(shot: Path, capfd: pytest.CaptureFixture[str]) -> None:
    picture, report = shot.with_name("hero.qc.png"), shot.with_name("hero.qc.json")
    assert run("qc", shot) == 0
    first = picture.read_bytes(), report.read_bytes()
    assert run("qc", shot) == 0
    assert (picture.read_bytes(), report.read_bytes()) == first
    others = {
        picture: cv2.imencode(".png", np.zeros((4, 4), np.uint8))[1].tobytes(),
        report: b'{"format": "trackmatte-qc", "version": 1, "shot": "other.shot.json"}',
    }
    for path, content in others.items():
        path.write_bytes(content)
        capfd.readouterr()
        assert run("qc", shot) == 6
        assert f"{path} exists" in capfd.readouterr().err
        assert path.read_bytes() == content
        assert run("qc", shot, "--overwrite") == 0
    report.write_bytes(b"\xff not json")
    assert run("qc", shot) == 6


def test_named_files(shot: Path, tmp_path: Path) -> None:
    picture, report = tmp_path / "x" / "t.png", tmp_path / "x" / "r.json"
    assert run("qc", shot, "--timeline", picture, "--report", report) == 0
    assert picture.is_file()
    assert report.is_file()
    assert not shot.with_name("hero.qc.png").exists()
    before = shot.read_bytes()
    assert run("qc", shot, "--report", shot, "--overwrite") == 2
    assert run("qc", shot, "--timeline", tmp_path / "t.jpg") == 2
    assert run("qc", shot, "--timeline", picture, "--report", picture, "--overwrite") == 2
    assert shot.read_bytes() == before


def test_nothing_tracked_says_what_to_run(untracked: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("qc", untracked) == 5
    assert f"run: trackmatte track {untracked}" in capfd.readouterr().err
    assert run("shot", "remove", untracked, "--frame", 1001) == 0
    assert run("qc", untracked) == 5
    assert "trackmatte shot add" in capfd.readouterr().err
    assert not list(untracked.parent.glob("*.qc.*"))
    assert run("qc", untracked.with_name("gone.shot.json")) == 5


def draw(path: Path, numbers: Sequence[int], lost: Sequence[int]) -> np.ndarray:
    """Draw a timeline of one object that is lost on some frames; return its state bar, (columns, 3) RGB."""
    notes: dict[int, dict[str, Any]] = {n: {"score": 0.0 if n in lost else 1.0} for n in numbers}
    records = quality(["dög"], numbers, lambda _, n: notes[n], {"dög": numbers[:1]}, {})
    status = [ObjectStatus("dög", tuple(numbers[:1]), (), tuple(numbers), (), (), tuple(lost))]
    write_timeline(path, "a.shot.json", numbers, status, records, worst(records))
    picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    colours = dict(STATES)
    row = next(
        r for r in picture if any((r == colours["tracked"]).all(1)) and (r[170] == colours["tracked"]).all()
    )
    return row[170 : 170 + SPAN]


@pytest.mark.parametrize("count", [1, 2, 40, 1400, 1401, 10_000])
def test_the_timeline_shows_one_lost_frame_of_any_number(tmp_path: Path, count: int) -> None:
    numbers = range(1001, 1001 + count)
    lost = [1001 + count * 3 // 4] if count > 1 else []
    bar = draw(tmp_path / "t.png", numbers, lost)
    red = np.flatnonzero((bar == dict(STATES)["lost"]).all(1))
    if lost:
        at = SPAN * (lost[0] - 1001 + 0.5) / count
        assert red.min() - 2 <= at <= red.max() + 2
        assert len(red) == pytest.approx(max(SPAN / count, 1 if count <= SPAN else 3), abs=1)
    else:
        assert len(red) == 0


def test_timeline_of_a_sequence_with_gaps_goes_by_its_own_numbers(tmp_path: Path) -> None:
    bar = draw(tmp_path / "t.png", [7, 8, 900, 901, 10**9], [900])
    red = np.flatnonzero((bar == dict(STATES)["lost"]).all(1))
    assert (red.min(), red.max()) == (SPAN * 2 // 5, SPAN * 3 // 5 - 1)
