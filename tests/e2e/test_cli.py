"""The command line as a user runs it, on clips made here, with the cheap tracker of tests/fake.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from tests import disc
from trackmatte.cli import main

FAKE = ("--tracker", "fake", "--refiner", "none")
BOX = ("--box", "0.1,0.1,0.9,0.9")


def run(*words: object) -> int:
    """Run the command line in this process."""
    return main([str(w) for w in words])


def start(*words: object, sleep: float = 0.0) -> subprocess.Popen[str]:
    """Run the command line in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.fake", *map(str, words)],
        env={**os.environ, "FAKE_SLEEP": str(sleep)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def alpha(path: Path) -> dict[str, np.ndarray]:
    """Read an EXR's channels with the OpenEXR bindings."""
    with OpenEXR.File(str(path), separate_channels=True) as f:
        return {name: channel.pixels for name, channel in f.channels().items()}


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return disc.write_movie(tmp_path_factory.mktemp("clip") / "disc.mp4", 10)


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return disc.write_frames(tmp_path_factory.mktemp("plates"), 6)


def test_matte_writes_one_rgba_half_exr_per_frame(movie: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("matte", movie, *BOX, "--out", out, *FAKE) == 0
    files = sorted(out.rglob("*.exr"))
    assert [f.name for f in files] == [f"disc_subject.{i:04d}.exr" for i in range(10)]
    for f in files:
        channels = alpha(f)
        assert sorted(channels) == ["A", "B", "G", "R"]
        for c in channels.values():
            assert c.dtype == np.float16
            assert c.shape == (96, 160)
            np.testing.assert_array_equal(c, channels["A"])
            assert c.min() >= 0
            assert c.max() <= 1


def test_exr_header_says_rate_and_that_it_is_data(movie: Path, tmp_path: Path) -> None:
    assert run("matte", movie, *BOX, "--out", tmp_path / "o", "--range", "0-1", *FAKE) == 0
    with OpenEXR.File(str(tmp_path / "o" / "disc_subject.0001.exr")) as f:
        header = dict(f.header())
    assert header["framesPerSecond"] == 24
    assert header["compression"] == OpenEXR.ZIP_COMPRESSION
    assert header["trackmatte:frame"] == 1


def test_sequences_keep_their_numbers_and_png16_is_exact(plates: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("matte", plates, *BOX, "--out", out, "--format", "png", *FAKE) == 0
    names = sorted(f.name for f in out.glob("*.png"))
    assert names == [f"plate_subject.{n}.png" for n in range(1001, 1007)]


def test_steps_give_the_same_pixels_as_one_go(plates: Path, tmp_path: Path) -> None:
    assert run("matte", plates, *BOX, "--out", tmp_path / "one", *FAKE) == 0
    shot = tmp_path / "plate.shot.json"
    assert run("shot", "new", shot, plates, *FAKE) == 0
    assert run("shot", "add", shot, "--frame", 1001, *BOX) == 0
    assert run("track", shot) == 0
    assert run("refine", shot) == 0
    assert run("export", shot, "--out", tmp_path / "steps") == 0
    for f in sorted((tmp_path / "one").glob("*.exr")):
        assert f.read_bytes() == (tmp_path / "steps" / f.name).read_bytes()


def test_second_run_resumes_and_changed_prompt_is_refused(
    plates: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run("matte", plates, *BOX, "--out", out, *FAKE) == 0
    before = {f: f.read_bytes() for f in out.rglob("*.exr")}
    assert run("matte", plates, *BOX, "--out", out, *FAKE) == 0
    assert {f: f.read_bytes() for f in out.rglob("*.exr")} == before
    assert run("matte", plates, "--box", "0.2,0.1,0.9,0.9", "--out", out, *FAKE) == 6
    assert "other prompts" in capfd.readouterr().err
    assert run("matte", plates, "--box", "0.2,0.1,0.9,0.9", "--out", out, "--overwrite", *FAKE) == 0


def test_json_events_are_one_object_a_line(
    plates: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("matte", plates, *BOX, "--out", tmp_path / "o", "--json", *FAKE) == 0
    out, err = capfd.readouterr()
    events = [json.loads(line) for line in out.splitlines()]
    assert err == ""
    stages = [e["stage"] for e in events if e["event"] == "progress"]
    assert list(dict.fromkeys(stages)) == ["track", "refine", "export"]
    assert stages.count("track") == 6
    assert [e["event"] for e in events[-2:]] == ["written", "done"]
    assert events[-2]["frames"] == list(range(1001, 1007))
    assert run("matte", "nothing.mp4", *BOX, "--out", tmp_path / "p", "--json", *FAKE) == 3
    error = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert error["event"] == "error"
    assert error["code"] == 3


def test_quiet_says_nothing(plates: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("matte", plates, *BOX, "--out", tmp_path / "o", "--quiet", *FAKE) == 0
    assert capfd.readouterr() == ("", "")


def test_sheet_and_movie(plates: Path, tmp_path: Path) -> None:
    out = tmp_path / "o"
    assert run("matte", plates, *BOX, "--out", out, *FAKE) == 0
    sheet, movie = tmp_path / "s.png", tmp_path / "m.mp4"
    assert run("sheet", out / "plate.shot.json", "--out", sheet, "--count", 3, "--movie", movie) == 0
    import av
    import cv2

    assert cv2.imread(str(sheet)).shape == (3 * (192 + 18), 4 * 320, 3)
    with av.open(str(movie)) as m:
        assert sum(1 for _ in m.decode(video=0)) == 6
    assert run("sheet", out / "plate.shot.json", "--out", sheet) == 6


def test_help_reads_like_a_manual(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    text = capsys.readouterr().out
    for word in ("trackmatte matte plate.mov", "Exit codes", "shot", "export", "sheet"):
        assert word in text


def test_mistyped_option_suggests_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("matte", "x.mp4", "--tracer", "flow", "--out", "o") == 2
    assert "--tracker" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--point", "0.5"), 2, "X,Y"),
        (("--point", "1.5,0.5"), 4, "outside"),
        (("--point", "900,10px"), 4, "outside"),
        (("--box", "0.5,0.5,0.5,0.9"), 4, "empty"),
        (("--scribble", "nope:0.1,0.1"), 2, "KIND"),
        (("--frame", "77", *BOX), 4, "no frame 77"),
        ((), 4, "--box"),
        (("--mask", "gone.png"), 4, "gone.png"),
        ((*BOX, "--range", "9-2"), 2, "ends before"),
        ((*BOX, "--range", "5-99"), 5, "0 to 9"),
        ((*BOX, "--tracker", "best"), 2, "flow"),
        ((*BOX, "--format", "tga"), 2, "exr"),
    ],
)
def test_bad_options_get_one_sentence(
    movie: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    says: str,
) -> None:
    tracker = () if "--tracker" in words else FAKE
    assert run("matte", movie, *words, "--out", tmp_path / "o", *tracker) == code
    err = capfd.readouterr().err
    assert says in err
    assert "Traceback" not in err
    assert not list(tmp_path.rglob("*.exr"))


def test_mask_of_the_wrong_size(movie: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    mask = disc.write_mask(tmp_path / "m.png", 0, (80, 48))
    assert run("matte", movie, "--mask", mask, "--out", tmp_path / "o", *FAKE) == 4
    assert "80x48 but the clip is 160x96" in capfd.readouterr().err


def test_missing_unreadable_and_audio_only_clips(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from tests.media_maker import encode_audio

    (tmp_path / "zero.mp4").touch()
    (tmp_path / "junk.mov").write_bytes(b"not a movie" * 100)
    encode_audio(tmp_path / "sound.m4a")
    (tmp_path / "empty").mkdir()
    for name in ("gone.mp4", "zero.mp4", "junk.mov", "sound.m4a", "empty"):
        assert run("matte", tmp_path / name, *BOX, "--out", tmp_path / "o", *FAKE) == 3
        err = capfd.readouterr().err
        assert name in err
        assert err.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_output_folder_not_empty(movie: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    precious = tmp_path / "o" / "precious.txt"
    precious.parent.mkdir()
    precious.write_text("mine")
    assert run("matte", movie, *BOX, "--out", tmp_path / "o", *FAKE) == 6
    assert "not empty" in capfd.readouterr().err
    assert run("matte", movie, *BOX, "--out", tmp_path / "o", "--overwrite", *FAKE) == 0
    assert precious.read_text() == "mine"


def test_output_not_writable(movie: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    assert run("matte", movie, *BOX, "--out", tmp_path / "file" / "o", *FAKE) == 6
    assert "cannot write" in capfd.readouterr().err


def test_export_never_replaces_files(plates: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "o"
    assert run("matte", plates, *BOX, "--out", out, *FAKE) == 0
    assert run("export", out / "plate.shot.json", "--out", tmp_path / "e") == 0
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "e").iterdir()}
    assert run("export", out / "plate.shot.json", "--out", tmp_path / "e") == 0
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "e").iterdir()} == before
    assert "up to date" in capfd.readouterr().err
    assert run("export", out / "plate.shot.json", "--out", tmp_path / "e", "--depth", "float") == 6
    assert "--overwrite" in capfd.readouterr().err
    assert run("export", out / "plate.shot.json", "--out", tmp_path / "e", "--overwrite") == 0


def test_full_disk_keeps_what_was_done_and_says_how_to_go_on(movie: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=120k", "tmpfs", small], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        words = ("matte", movie, *BOX, "--out", small / "o", *FAKE)
        process = start(*words)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 6, err
        assert "the disk is full" in err
        assert "Traceback" not in err
        assert not list(small.rglob("*partial"))
        subprocess.run(["mount", "-o", "remount,size=20m", small], check=True)
        again = start(*words)
        _, err = again.communicate(timeout=120)
        assert again.returncode == 0, err
    finally:
        subprocess.run(["umount", small], check=True)


def test_first_ctrl_c_finishes_the_frame_and_the_same_command_goes_on(movie: Path, tmp_path: Path) -> None:
    words = ("matte", movie, *BOX, "--out", tmp_path / "o", "--json", *FAKE)
    process = start(*words, sleep=0.3)
    assert process.stdout is not None
    for line in process.stdout:
        if '"progress"' in line:
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "interrupted" in out
    masks = list((tmp_path / "o").rglob("track/*/*.tif"))
    assert 1 <= len(masks) < 10
    assert run(*words) == 0


def test_killed_at_any_moment_it_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    clip = disc.write_movie(tmp_path / "disc.mp4", 60, (64, 48))
    whole = tmp_path / "whole"
    assert run("matte", clip, *BOX, "--out", whole, "--frame", 30, *FAKE) == 0
    rng = np.random.default_rng(3)
    out = tmp_path / "killed"
    kills = 0
    for _ in range(12):
        process = start("matte", clip, *BOX, "--out", out, "--frame", 30, *FAKE, sleep=0.02)
        time.sleep(float(rng.uniform(0.7, 2.2)))
        finished = process.poll() is not None
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if finished:
            break
        kills += 1
        for f in out.rglob("*.exr"):
            assert "A" in alpha(f)  # no half-written file is ever visible under a matte's name
    assert kills >= 1
    assert run("matte", clip, *BOX, "--out", out, "--frame", 30, *FAKE) == 0
    expected = {f.name: f.read_bytes() for f in whole.glob("*.exr")}
    assert {f.name: f.read_bytes() for f in out.glob("*.exr")} == expected
    assert len(expected) == 60
    assert not list(out.rglob("*partial"))
