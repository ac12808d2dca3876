"""Colour spaces on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests import disc
from tests.e2e.test_cli import BOX, FAKE, run
from tests.media_maker import write_image
from trackmatte.color import colour_named, standard

LOGC = "ARRI LogC3 (EI800)"


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The disc shot as a log camera would have stored it, in 16-bit TIFF without tags."""
    folder = tmp_path_factory.mktemp("log")
    for i in range(3):
        light = standard("sRGB").linear(disc.plate_at(i, (160, 96)))
        code = colour_named(LOGC).encode(light).clip(0, 1)
        write_image(folder / f"a.{1001 + i}.tif", np.rint(code * 65535).astype(np.uint16))
    return folder / "a.####.tif"


def test_names_are_listed_with_their_families(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("colorspaces") == 0
    listed = capsys.readouterr().err
    assert "studio-config-v5.0.0" in listed
    assert [line for line in listed.splitlines() if line.split() == ["ACES", "ACEScg"]]
    assert run("colorspaces", "logc", "--json") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events.pop()["event"] == "done"
    assert [(e["name"], e["family"]) for e in events] == [(LOGC, "Input/ARRI"), ("ARRI LogC4", "Input/ARRI")]
    assert run("colorspaces", "nothing like it") == 2
    assert "no colour space" in capsys.readouterr().err.lower()


def test_a_log_plate_is_matted_as_what_it_shows(logs: Path, tmp_path: Path) -> None:
    """With the colour space told, selection and matte are those of the picture before it became log."""
    import OpenEXR

    out = tmp_path / "out"
    words = (*BOX, "--out", out, "--tracker", "flow", "--refiner", "closed_form", "--input-colorspace", LOGC)
    assert run("matte", logs, *words) == 0
    assert json.loads((out / "a.shot.json").read_text())["input_colorspace"] == LOGC
    for i in range(3):
        with OpenEXR.File(str(out / f"a_subject.{1001 + i}.exr"), separate_channels=True) as f:
            assert np.abs(f.channels()["A"].pixels - disc.alpha_at(i, (160, 96))).mean() < 0.01


def test_a_shot_says_it_and_shows_it(logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.shot.json"
    assert run("shot", "new", path, logs, *FAKE, "--input-colorspace", "logc3ei800_alexawide") == 0
    assert run("shot", "show", path) == 0
    assert LOGC in capsys.readouterr().err


def test_a_still(logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    still = ("matte-still", logs.with_name("a.1001.tif"), *BOX, "--refiner", "none")
    assert run(*still, "--out", tmp_path / "o", "--input-colorspace", LOGC) == 0
    assert run(*still, "--out", tmp_path / "p", "--input-colorspace", "LogC") == 2
    assert "near it are ARRI LogC3 (EI800), ARRI LogC4" in capsys.readouterr().err
    light = write_image(tmp_path / "light.exr", standard("sRGB").linear(disc.plate_at(0, (160, 96))))
    assert run("matte-still", light, *BOX, "--refiner", "none", "--out", tmp_path / "q") == 0
    assert "read as linear Rec.709; --input-colorspace says otherwise" in capsys.readouterr().err


def test_an_unreadable_configuration_ends_with_one_sentence(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OCIO", str(tmp_path / "gone.ocio"))
    assert run("colorspaces") == 2
    assert run("matte", logs, *BOX, "--out", tmp_path / "o", *FAKE, "--input-colorspace", "ACEScg") == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert all(line.startswith("trackmatte: $OCIO is '") for line in said)
    assert len(said) == 2
    assert run("matte", logs, *BOX, "--out", tmp_path / "o", *FAKE) == 0
