"""The embedded default on every kind of source: the whole command, then the EXRs read independently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest

from tests import disc
from tests.media_maker import damage, encode, write_image
from trackmatte.cli import main

SIZE = (96, 64)


def pictures(count: int, size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    return [disc.plate_at(i, size) for i in range(count)]


def deep(count: int) -> list[np.ndarray]:
    return [p.astype(np.uint16) * 257 for p in pictures(count)]


def frames_of(folder: Path, count: int, convert: Callable[[np.ndarray], np.ndarray], suffix: str) -> Path:
    folder.mkdir()
    for i, picture in enumerate(pictures(count)):
        write_image(folder / f"p.{i + 7:03d}{suffix}", convert(picture))
    return folder


def rgba(picture: np.ndarray) -> np.ndarray:
    return np.dstack([picture, np.full(picture.shape[:2], 128, np.uint8)])


def light(picture: np.ndarray) -> np.ndarray:
    code = picture.astype(np.float32) / 255
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4).astype(np.float32)


def grey(picture: np.ndarray) -> np.ndarray:
    return picture[..., :1]


SOURCES: dict[str, Callable[[Path], Path]] = {
    "h264": lambda t: encode(t / "c.mp4", pictures(4)),
    "hevc 10-bit": lambda t: encode(t / "c.mp4", deep(4), codec="libx265", pix_fmt="yuv420p10le"),
    "prores": lambda t: encode(t / "c.mov", deep(4), codec="prores_ks", pix_fmt="yuv422p10le"),
    "ffv1 grey": lambda t: encode(t / "c.mkv", pictures(4), codec="ffv1", pix_fmt="gray"),
    "one frame": lambda t: encode(t / "c.mp4", pictures(1)),
    "vfr": lambda t: encode(t / "c.mp4", pictures(4), times=[0, 40, 200, 230]),
    "rgba png": lambda t: frames_of(t / "c", 4, rgba, ".png"),
    "grey png": lambda t: frames_of(t / "c", 4, grey, ".png"),
    "linear exr": lambda t: frames_of(t / "c", 4, light, ".exr"),
    "tiff 16": lambda t: frames_of(t / "c", 4, lambda p: p.astype(np.uint16) * 257, ".tif"),
    "dpx": lambda t: frames_of(t / "c", 4, lambda p: p.astype(np.uint16) * 257, ".dpx"),
    "jpeg": lambda t: frames_of(t / "c", 4, lambda p: p, ".jpg"),
}


def mattes(out: Path) -> dict[int, np.ndarray]:
    """Return alpha by frame number, read with the OpenEXR bindings."""
    found = {}
    for path in out.glob("*.exr"):
        with OpenEXR.File(str(path), separate_channels=True) as f:
            found[int(path.stem.split(".")[-1])] = np.array(f.channels()["A"].pixels, np.float32)
    return found


@pytest.mark.parametrize("kind", list(SOURCES))
def test_every_source_gives_a_matte(kind: str, tmp_path: Path) -> None:
    clip = SOURCES[kind](tmp_path)
    mask = disc.write_mask(tmp_path / "m.png", 0, SIZE)
    out = tmp_path / "out"
    assert main(["matte", str(clip), "--mask", str(mask), "--out", str(out), "--quiet"]) == 0
    found = mattes(out)
    first = 7 if clip.is_dir() else 0
    assert sorted(found) == list(range(first, first + (1 if kind == "one frame" else 4)))
    for number, alpha in found.items():
        assert alpha.shape == SIZE[::-1]
        assert np.abs(alpha - disc.alpha_at(number - first, SIZE)).mean() < 0.05, number


@pytest.mark.parametrize("size", [(3, 64), (64, 3), (55, 97), (1, 1)])
def test_odd_portrait_and_tiny(size: tuple[int, int], tmp_path: Path) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    for i, picture in enumerate(pictures(3, size)):
        write_image(folder / f"p.{i:04d}.png", picture)
    mask = np.full(size[::-1], 255, np.uint8)
    mask[: size[1] // 2] = 0
    assert cv2.imwrite(str(tmp_path / "m.png"), mask)
    out = tmp_path / "out"
    words = ["matte", str(folder), "--mask", str(tmp_path / "m.png"), "--out", str(out), "--quiet"]
    assert main(words) == 0
    assert len(mattes(out)) == 3


def test_corrupt_frame_stops_or_is_left_out_as_asked(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clip = disc.write_frames(tmp_path / "c", 5, SIZE)
    victim = tmp_path / "c" / "plate.1003.png"
    damage(victim, 30, victim.stat().st_size - 30)
    mask = disc.write_mask(tmp_path / "m.png", 0, SIZE)
    words = ["matte", str(clip), "--mask", str(mask), "--quiet"]
    assert main([*words, "--out", str(tmp_path / "stop")]) == 3
    err = capfd.readouterr().err
    assert "plate.1003.png" in err
    assert "skip" in err
    assert main([*words, "--out", str(tmp_path / "skip"), "--on-error", "skip"]) == 0
    assert sorted(mattes(tmp_path / "skip")) == [1001, 1002, 1004, 1005]
    assert main([*words, "--out", str(tmp_path / "skip"), "--on-error", "skip"]) == 0


def test_gap_in_a_sequence_is_told_and_kept(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    clip = disc.write_frames(tmp_path / "c", 5, SIZE)
    (tmp_path / "c" / "plate.1003.png").unlink()
    mask = disc.write_mask(tmp_path / "m.png", 0, SIZE)
    assert main(["matte", str(clip), "--mask", str(mask), "--out", str(tmp_path / "o")]) == 0
    assert "1003" in capfd.readouterr().err
    assert sorted(mattes(tmp_path / "o")) == [1001, 1002, 1004, 1005]


def test_mask_that_selects_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    clip = disc.write_frames(tmp_path / "c", 2, SIZE)
    assert cv2.imwrite(str(tmp_path / "m.png"), np.zeros(SIZE[::-1], np.uint8))
    words = ["matte", str(clip), "--mask", str(tmp_path / "m.png"), "--out", str(tmp_path / "o")]
    assert main(words) == 4
    assert "nothing" in capfd.readouterr().err
    assert not list(tmp_path.rglob("*.exr"))


def test_subject_that_leaves_is_told_and_its_mattes_are_empty(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c").mkdir()
    for i in range(10):
        x = -40 * max(0, i - 3)
        plate = disc.plate_at(i, SIZE)
        a = np.roll(disc.alpha_at(i, SIZE), x, 1) if x > -80 else np.zeros(SIZE[::-1], np.float32)
        empty = disc.plate_at(i, (480, 64))[:, -96:]
        disc_only = np.roll(plate, x, 1)
        if x:
            a[:, x:] = 0
        mixed = disc_only * a[..., None] + empty * (1 - a[..., None])
        write_image(tmp_path / "c" / f"p.{i:04d}.png", np.rint(mixed).astype(np.uint8))
    mask = disc.write_mask(tmp_path / "m.png", 0, SIZE)
    assert main(["matte", str(tmp_path / "c"), "--mask", str(mask), "--out", str(tmp_path / "o")]) == 0
    found = mattes(tmp_path / "o")
    assert len(found) == 10
    assert found[2].mean() > 0.05
    assert found[9].mean() < 0.03
    assert "not found" in capfd.readouterr().err
