"""``trackmatte select`` from a picture and a clip, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests import disc
from tests.e2e.test_cli import BOX, run

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return disc.write_frames(tmp_path_factory.mktemp("plates"), 3, (96, 64))


@pytest.mark.parametrize("method", ["auto", "grabcut"])
def test_a_mask_is_written(plates: Path, tmp_path: Path, method: str) -> None:
    out = tmp_path / "mask.png"
    assert run("select", plates, "--frame", "1002", *BOX, "--method", method, "--out", out) == 0
    mask = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (64, 96)
    assert set(np.unique(mask)) == {0, 255}
    soft = tmp_path / "soft.png"
    words = ("--method", method, "--border", "--out", soft)
    assert run("select", plates, "--frame", "1002", *BOX, *words) == 0
    alpha = cv2.imread(str(soft), cv2.IMREAD_UNCHANGED)
    assert alpha.dtype == np.uint16
    assert np.abs(alpha / 65535 - mask / 255.0).mean() < 0.05


def fails(code: int, words: tuple[object, ...], capfd: Capture, *says: str) -> None:
    capfd.readouterr()
    assert run("select", *words, "--quiet") == code
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    for text in says:
        assert text in err


def test_what_cannot_be_meant_is_told(plates: Path, tmp_path: Path, capfd: Capture) -> None:
    out = tmp_path / "mask.png"
    fails(4, (plates, "--out", out), capfd, "nothing says where the subject is")
    fails(2, (plates, *BOX, "--out", tmp_path / "m.exr"), capfd, "must end in .png")
    fails(2, (plates, *BOX, "--frame", "7", "--out", out), capfd, "no frame 7", "1001 to 1003")
    fails(2, (plates, *BOX, "--method", "magic", "--out", out), capfd, "no selector 'magic'")
    fails(4, (plates, *BOX, "--method", "lazy", "--out", out), capfd, "none is on the subject")
    out.write_bytes(b"mine")
    fails(6, (plates, *BOX, "--out", out), capfd, "exists")
    assert out.read_bytes() == b"mine"
    plate = plates.parent / "plate.1002.png"
    before = plate.read_bytes()
    fails(6, (plates, *BOX, "--out", plate, "--overwrite"), capfd, "belongs to the shot or its plate")
    assert plate.read_bytes() == before
