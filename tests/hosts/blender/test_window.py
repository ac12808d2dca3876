"""Blenders with a window, driven by simulated clicks and keys; pictures for docs/hosts/blender.md."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.hosts.blender.conftest import ROOT, SECONDS, engine_ended, engine_environment

PICTURES = ("prompt", "track", "matte", "mask", "nodes", "blur")
FURBALL = ROOT / "sample_clips" / "furball"
PROGRAMS = ("blender", *filter(None, os.environ.get("TRACKMATTE_BLENDER", "").split(os.pathsep)))
"""Those on the search path, and those named."""


def version_of(program: str, env: dict[str, str]) -> tuple[int, int]:
    """Return a Blender's version."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, env=env)
    line = next(s for s in done.stdout.splitlines() if s.startswith("Blender "))
    major, minor = line.split()[1].split(".")[:2]
    return int(major), int(minor)


def install(program: str, package: Path, env: dict[str, str]) -> None:
    """Let Blender's own commands validate the package, install and enable it."""
    for words in (("validate",), ("install-file", "--repo", "user_default", "--enable")):
        done = subprocess.run(
            [program, "--command", "extension", *words, package],
            capture_output=True, text=True, check=False, env=env, timeout=200,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert (done.returncode, "trackmatte" in said) == (0, True), said


@pytest.mark.timeout(2 * SECONDS)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: Path(p).name)
def test_clicks_undo_and_pictures(builder: Any, package: Path, tmp_path: Path, program: str) -> None:
    if not os.environ.get("TRACKMATTE_WINDOW"):
        pytest.skip("takes a minute and a Blender with a window: scripts/test-hosts runs it")
    if not (shutil.which(program) and shutil.which("xvfb-run")):
        pytest.skip(f"there are no {program} and xvfb-run on the search path")
    pictures, screen = tmp_path / "pictures", tmp_path / "screen"
    for folder in (pictures, screen, tmp_path / "clip"):
        folder.mkdir()
    clip = shutil.copy(FURBALL / "plate.mp4", tmp_path / "clip")
    env = {**engine_environment(tmp_path), "HOME": str(tmp_path), "LIBGL_ALWAYS_SOFTWARE": "1"}
    version = version_of(program, env)
    if version >= (4, 2):
        install(program, package, env)
        addon, plain = "bl_ext.user_default.trackmatte", []
    else:  # it has no extensions
        addon, plain = str(builder.stage(tmp_path / "trackmatte")), ["--factory-startup"]
    script = Path(__file__).parent / "screenshots.py"
    try:
        done = subprocess.run(
            ["xvfb-run", "-a", "-s", f"-screen 0 1280x800x24 -nocursor -fbdir {screen}", program, *plain,
             "--enable-event-simulate", "--window-geometry", "0", "0", "1280", "800",
             "--python-exit-code", "3", "--python", script,
             "--", addon, clip, pictures, screen / "Xvfb_screen0"],
            capture_output=True, text=True, check=False, env=env, timeout=SECONDS,
        )  # fmt: skip
    finally:
        engine_ended(tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Traceback" not in done.stdout + done.stderr, done.stdout[-3000:] + done.stderr[-3000:]
    line = next(s for s in done.stdout.splitlines() if s.startswith("RESULT "))
    judge(json.loads(line.removeprefix("RESULT ")), pictures)
    if folder := os.environ.get("PICTURES"):
        if version < (4, 2):
            print(f"no pictures for the docs from Blender {version[0]}.{version[1]}")
        else:
            for_docs(pictures, Path(folder))


def judge(found: dict[str, Any], pictures: Path) -> None:
    """Compare what Blender said and showed with what was done."""
    prompts = [
        ["BOX", True, [0.18, 0.16, 0.63, 0.77]],
        ["POINT", True, [0.59, 0.44]],
        ["POINT", False, [0.85, 0.6]],
    ]
    assert (found["picked"], found["undone"], found["redone"]) == (prompts, prompts[:2], prompts)
    assert found["ended"] == prompts
    assert "nowhere, which is not there; install Trackmatte again" in found["absent"]
    assert "what was finished is kept, so run the job again" in found["killed"]
    assert found["modes"] == ["TRACKING", 12]  # the editor is as it was while keys were set
    assert found["maximised"]
    assert (found["mask"], found["cleared"]) == ([True, "MASK", 1], True)
    for name in PICTURES:
        assert picture_of(pictures, name).shape == ((360, 640, 3) if name == "blur" else (800, 1280, 3))
    # The overlay is on the subject, and nowhere else, while the playhead is at 12.
    left, bottom, right, top = (round(v) for v in found["picture"])
    shown = picture_of(pictures, "matte")[800 - top : 800 - bottom, left:right]
    green = overlay(cv2.resize(shown, (640, 360), interpolation=cv2.INTER_AREA))
    with av.open(str(FURBALL / "alpha.mkv")) as file:
        truths = [f.to_ndarray(format="gray16le") > 32767 for f in file.decode(video=0)][10:13]
    before, there, after = ((green & t).sum() / (green | t).sum() for t in truths)
    assert there > max(before, after, 0.8)


def picture_of(pictures: Path, name: str) -> NDArray[np.uint8]:
    """Return a render, or the screen as Xvfb keeps it: (H, W, 3), B G R."""
    if name == "blur":
        return np.asarray(cv2.imread(str(pictures / "blender-blur.png")), np.uint8)
    data = (pictures / f"blender-{name}.xwd").read_bytes()
    head = struct.unpack(">25I", data[:100])  # XWDFileHeader of X11/XWDFile.h
    width, height, stride = head[4], head[5], head[12]
    rows = np.frombuffer(data, np.uint8, height * stride, head[0] + 12 * head[19])
    return rows.reshape(height, stride)[:, : 4 * width].reshape(height, width, 4)[..., :3]


def for_docs(pictures: Path, folder: Path) -> None:
    """Write the pictures as JPEG; of the nodes the part that has any."""
    for name in PICTURES:
        picture = picture_of(pictures, name)
        if name == "nodes":
            picture = picture[195:625, 130:1150]
        cv2.imwrite(str(folder / f"blender-{name}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 85])


def overlay(picture: Any) -> NDArray[np.bool_]:
    """Return where the overlay's green is."""
    blue, green, red = (picture[..., i].astype(int) for i in range(3))
    found: NDArray[np.bool_] = (green > 1.5 * red) & (green > 1.25 * blue) & (green > 90)
    return found


if sys.platform == "win32":
    pytestmark = pytest.mark.skip("xvfb-run is for X11")
