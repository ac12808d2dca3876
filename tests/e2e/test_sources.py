"""The embedded default on every kind of source: the whole command, then the EXRs read independently."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest

from tests import disc
from tests.counters import counter_image, read_counter
from tests.media_maker import UNEVEN, damage, encode, write_counters, write_image
from tests.movies import read_movie
from trackmatte.cli import main
from trackmatte.errors import ShotError
from trackmatte.shot import Shot

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


# Every delivered file is the frame that its name says

GAPPY = [995, 996, 998, 1001, 1002, 1003, 1010]
BRIGHT = ["--tracker", "bright", "--refiner", "none", "--box", "0,0,1,0.9", "--quiet"]


def counters_in(folder: Path) -> dict[int, int]:
    """Return what the picture says by what the file's name says, for EXRs or PNGs."""
    found = {n: read_counter(alpha) for n, alpha in mattes(folder).items()}
    for path in folder.glob("*.png"):
        found[int(path.stem.split(".")[-1])] = read_counter(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
    return found


@pytest.mark.parametrize(
    "name",
    ["h264.mp4", "hevc10.mp4", "prores.mov", "h264.mkv", "vp9.webm", "h264.ts", "mpeg2.mxf", "vfr.mp4"],
)
def test_file_n_of_a_movie_holds_frame_n(
    name: str, movies: Callable[[str], Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out, again = tmp_path / "out", tmp_path / "png"
    cut = ["--range", "14-20", "--handles", "3", "--frame", "17"]
    assert main(["matte", str(movies(name)), *BRIGHT, *cut, "--out", str(out)]) == 0, capfd.readouterr().err
    assert counters_in(out) == {n: n for n in range(11, 24)}
    shot = next(out.glob("*.shot.json"))
    assert main(["export", str(shot), "--format", "png", "--out", str(again), "--quiet"]) == 0
    assert counters_in(again) == {n: n for n in range(11, 24)}
    for form in ("prores", "ffv1", "vp9"):
        assert main(["export", str(shot), "--format", form, "--out", str(tmp_path / form), "--quiet"]) == 0
        (movie,) = (tmp_path / form).iterdir()
        assert [read_counter(f.alpha) for f in read_movie(movie)] == list(range(11, 24))
    with OpenEXR.File(str(next(out.glob("*.0014.exr")))) as file:
        assert [file.header()[f"trackmatte:{k}"] for k in ("in", "out")] == [14, 20]


@pytest.mark.parametrize("suffix", ["png", "exr", "dpx", "tif", "jpg"])
def test_file_n_of_a_sequence_with_gaps_holds_frame_n(suffix: str, tmp_path: Path) -> None:
    clip = write_counters(tmp_path / "c", "a.{:06d}." + suffix, GAPPY)
    out = tmp_path / "out"
    assert main(["matte", str(clip), *BRIGHT, "--frame", "1002", "--out", str(out)]) == 0
    assert counters_in(out) == {n: n for n in GAPPY}
    assert sorted(p.name.split(".")[-2] for p in out.glob("*.exr")) == [f"{n:06d}" for n in GAPPY]
    shot = str(next(out.glob("*.shot.json")))
    assert main(["export", shot, "--format", "ffv1", "--out", str(tmp_path / "m"), "--quiet"]) == 0
    (movie,) = (tmp_path / "m").iterdir()
    held = [read_counter(f.alpha) if f.alpha.any() else None for f in read_movie(movie)]
    assert held == [n if n in GAPPY else None for n in range(995, 1011)]


def test_file_n_on_a_grid_holds_what_the_host_shows(
    movies: Callable[[str], Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clip = movies("vfr.mp4")
    words = ["matte", str(clip), *BRIGHT[:-1], "--grid", "25", "--range", "10-40"]
    assert main([*words, "--out", str(tmp_path / "o")]) == 0
    assert "grid of 25 fps" in capfd.readouterr().err
    shown = {k: max(i for i in range(40) if UNEVEN[i] <= 40 * k) for k in range(10, 41)}
    assert counters_in(tmp_path / "o") == shown
    assert len(set(shown.values())) < len(shown)
    assert main([*words, "--out", str(tmp_path / "o")]) == 0  # the same command finds its own shot
    words[words.index("25")] = "24"
    assert main([*words, "--out", str(tmp_path / "o")]) == 6
    assert "other prompts or settings" in capfd.readouterr().err


# Ranges and handles


def counted(folder: Path) -> Path:
    return write_counters(folder, "a.{:04d}.png", range(1001, 1021))


def said(words: list[str], capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capfd.readouterr()
    code = main(words)
    return code, " ".join(capfd.readouterr().err.split())


@pytest.mark.parametrize(
    ("span", "code", "message"),
    [
        ("1009-1005", 2, "ends before it begins"),
        ("1-10", 5, "range 1-10 does not lie in the clip, which runs from 1001 to 1020"),
        ("1005-1021", 5, "does not lie in the clip"),
        ("-5-1010", 5, "range -5-1010 does not lie"),
        ("1005-999999999999", 5, "does not lie in the clip"),
        ("9" * 5000, 2, "is not a range of frames"),
        ("all", 2, "is not a range of frames"),
        ("1001-1002-1003", 2, "is not a range of frames"),
        ("1001.5", 2, "is not a range of frames"),
    ],
)
def test_absurd_ranges(
    span: str, code: int, message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shot = str(tmp_path / "a.shot.json")
    clip = str(counted(tmp_path / "c"))
    new = ["shot", "new", shot, clip, "--tracker", "fake", "--refiner", "none"]
    got, text = said([*new, f"--range={span}"], capfd)
    assert (got, message in text) == (code, True), text
    assert not Path(shot).exists()
    assert main([*new, "--quiet"]) == 0
    before = Path(shot).read_bytes()
    got, text = said(["shot", "range", shot, span], capfd)
    assert (got, message in text) == (code, True), text
    assert Path(shot).read_bytes() == before


def test_only_handles_need_a_cut_in_the_header(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """So that a longer range does not make the files of the shorter one wrong."""
    shot, out = str(tmp_path / "a.shot.json"), tmp_path / "e"
    words = ["shot", "new", shot, str(counted(tmp_path / "c")), "--tracker", "bright", "--refiner", "none"]
    assert main([*words, "--range", "1004-1006"]) == 0
    assert main(["shot", "add", shot, "--box", "0,0,1,0.9"]) == 0

    def headers() -> dict[int, tuple[int, int] | None]:
        assert main(["track", shot]) == main(["refine", shot]) == 0
        code, text = said(["export", shot, "--out", str(out)], capfd)
        found = {}
        for path in sorted(out.iterdir()):
            with OpenEXR.File(str(path)) as file:
                h = file.header()
                keys = ("trackmatte:in", "trackmatte:out")
                found[int(path.stem[-4:])] = tuple(h[k] for k in keys) if keys[0] in h else None
        return found if code == 0 else {0: text}

    assert headers() == dict.fromkeys(range(1004, 1007))
    first = (out / "c_subject.1004.exr").stat().st_mtime_ns
    assert main(["shot", "range", shot, "1004-1008"]) == 0
    assert headers() == dict.fromkeys(range(1004, 1009))
    assert (out / "c_subject.1004.exr").stat().st_mtime_ns == first
    assert main(["shot", "range", shot, "1005-1007", "--handles", "1"]) == 0
    assert "5 more" not in headers()[0]
    assert "1004.exr and 4 more files are in the way" in headers()[0]
    assert main(["export", shot, "--out", str(out), "--overwrite", "--quiet"]) == 0
    assert headers() == dict.fromkeys(range(1004, 1009), (1005, 1007))


def test_handles_reach_as_far_as_the_clip_goes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shot = str(tmp_path / "a.shot.json")
    new = ["shot", "new", shot, str(counted(tmp_path / "c")), "--tracker", "fake", "--refiner", "none"]
    code, text = said([*new, "--range", "1004-1010", "--handles", "5"], capfd)
    assert code == 0
    assert "2 frames short before the in point and 0 after the out point" in text
    with Shot.open(shot) as opened:
        assert opened.numbers() == list(range(1001, 1016))
        assert opened.numbers(handles=False) == list(range(1004, 1011))
        assert opened.cut == (1004, 1010)
    code, text = said(["shot", "range", shot, "1008-1009"], capfd)
    assert (code, "short" in text) == (0, False)
    with Shot.open(shot) as opened:
        assert opened.numbers() == list(range(1003, 1015))  # the handles stay
    code, text = said(["shot", "range", shot, "1008-1009", "--handles", "0"], capfd)
    assert code == 0
    with Shot.open(shot) as opened:
        assert opened.numbers() == [1008, 1009]
    for wrong in ("-1", "x"):
        code, text = said(["shot", "range", shot, "1008-1009", f"--handles={wrong}"], capfd)
        assert code == 2
    with Shot.open(shot) as opened, pytest.raises(ShotError, match="-1 frames"):
        opened.set_handles(-1)


def test_prompt_goes_to_the_in_point_and_not_to_the_handles(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shot = str(tmp_path / "a.shot.json")
    new = ["shot", "new", shot, str(counted(tmp_path / "c")), "--tracker", "fake", "--refiner", "none"]
    assert main([*new, "--range", "1004-1010", "--handles", "2"]) == 0
    code, text = said(["shot", "add", shot, "--box", "0,0,0.5,0.5"], capfd)
    assert code == 0
    assert "frame 1004" in text


def test_negative_frame_numbers(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    for n in range(-3, 3):
        write_image(folder / f"a.{n:04d}.png", counter_image(n + 3))
    words = ["matte", str(folder), *BRIGHT, "--range=-2-1", "--out", str(tmp_path / "o")]
    assert main(words) == 0
    found = {p.name.split(".")[-2] for p in (tmp_path / "o").glob("*.exr")}
    assert found == {"-002", "-001", "0000", "0001"}
    assert counters_in(tmp_path / "o") == {n: n + 3 for n in range(-2, 2)}


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        ("fast", "is not a frame rate"),
        ("24/0", "is not a frame rate"),
        ("0", "1 to 1000"),
        ("1e9", "1 to 1000"),
    ],
)
def test_absurd_grids(
    rate: str, message: str, movies: Callable[[str], Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shot = tmp_path / "a.shot.json"
    code, text = said(["shot", "new", str(shot), str(movies("h264.mp4")), "--grid", rate], capfd)
    assert (code, message in text) == (2, True), text


def test_grid_in_the_shot_file(
    movies: Callable[[str], Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shot = tmp_path / "a.shot.json"
    new = ["shot", "new", str(shot), str(movies("vfr.mp4")), "--tracker", "fake", "--refiner", "none"]
    assert main([*new, "--grid", "23.976"]) == 0
    assert json.loads(shot.read_text())["grid"] == "24000/1001"
    text = shot.read_text()
    shot.write_text(text.replace("24000/1001", "25"))
    code, said_text = said(["shot", "show", str(shot)], capfd)
    assert (code, "the grid" in said_text) == (5, True)
    shot.write_text(text.replace("24000/1001", "24/0"))
    code, said_text = said(["shot", "show", str(shot)], capfd)
    assert (code, "grid" in said_text) == (5, True)
