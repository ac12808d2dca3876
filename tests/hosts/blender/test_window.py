"""A Blender with a window, driven by simulated clicks; makes the pictures of docs/hosts/blender.md."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest

from tests.hosts.blender.conftest import ROOT, engine_ended, engine_environment

PICTURES = ("prompt", "track", "matte", "mask", "nodes", "blur")


@pytest.mark.timeout(330)
def test_clicks_undo_and_pictures(builder: Any, tmp_path: Path) -> None:
    if not os.environ.get("TRACKMATTE_WINDOW"):
        pytest.skip("takes a minute and Blender 3.4: scripts/test-hosts runs it")
    if not (shutil.which("blender") and shutil.which("xvfb-run")):
        pytest.skip("there are no blender and xvfb-run on the search path")
    staged = builder.stage(tmp_path / "trackmatte")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (tmp_path / "clip").mkdir()
    clip = shutil.copy(ROOT / "sample_clips" / "furball" / "plate.mp4", tmp_path / "clip")
    env = {**engine_environment(tmp_path), "HOME": str(tmp_path), "LIBGL_ALWAYS_SOFTWARE": "1"}
    script = Path(__file__).parent / "screenshots.py"
    try:
        done = subprocess.run(
            ["xvfb-run", "-a", "-s", "-screen 0 1280x800x24", "blender", "--factory-startup",
             "--enable-event-simulate", "--window-geometry", "0", "0", "1280", "800",
             "--python-exit-code", "3", "--python", script, "--", staged, clip, pictures],
            capture_output=True, text=True, check=False, env=env, timeout=300,
        )  # fmt: skip
    finally:
        engine_ended(tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Traceback" not in done.stdout + done.stderr, done.stdout[-3000:] + done.stderr[-3000:]
    line = next(s for s in done.stdout.splitlines() if s.startswith("RESULT "))
    found = json.loads(line.removeprefix("RESULT "))
    prompts = [
        ["BOX", True, [0.18, 0.16, 0.63, 0.77]],
        ["POINT", True, [0.59, 0.44]],
        ["POINT", False, [0.85, 0.6]],
    ]
    assert (found["picked"], found["undone"], found["redone"]) == (prompts, prompts[:2], prompts)
    assert found["modes"] == ["TRACKING", 12]  # the editor is as it was while keys were set
    assert (found["mask"], found["cleared"]) == ([True, "MASK", 1], True)
    for name in PICTURES:
        picture = cv2.imread(str(pictures / f"blender-{name}.png"))
        assert picture.shape == ((360, 640, 3) if name == "blur" else (800, 1280, 3))
    # The overlay is on the subject, and nowhere else, while the playhead is at 12.
    green = overlay(cv2.imread(str(pictures / "blender-matte.png")))
    truth = cv2.imread(str(ROOT / "sample_clips" / "furball" / "mask0.png"), cv2.IMREAD_GRAYSCALE)
    assert 0.7 < green / (truth > 127).mean() / (1034 * 582) < 1.4

    if folder := os.environ.get("PICTURES"):
        for_docs(pictures, Path(folder))


def for_docs(pictures: Path, folder: Path) -> None:
    """Write the pictures as JPEG; of the nodes the part that has any."""
    for name in PICTURES:
        picture = cv2.imread(str(pictures / f"blender-{name}.png"))
        if name == "nodes":
            picture = picture[430:760, 515:1215]
        cv2.imwrite(str(folder / f"blender-{name}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 85])


def overlay(picture: Any) -> int:
    """Count the pixels of the overlay's green, left of the sidebar."""
    blue, green, red = (picture[100:700, :1050, i].astype(int) for i in range(3))
    return int(((green > 1.5 * red) & (green > 1.25 * blue) & (green > 90)).sum())


if sys.platform == "win32":
    pytestmark = pytest.mark.skip("xvfb-run is for X11")
