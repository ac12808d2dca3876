"""A newcomer: one command, a page, a subject, a track, EXRs; all with the embedded default."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np
import OpenEXR
import pytest

from tests.engines import ROOT
from tests.hosts.web.looking import Look, wait_for
from trackmatte.shot import Shot
from trackmatte_client import Client
from trackmatte_client.engine import Address

CLIP = ROOT / "sample_clips" / "furball"
LAST = 2
"""Out point, so that the test is quick."""
FUR = (
    ((0.5, 0.22), (0.53, 0.32)),
    ((0.19, 0.3), (0.2, 0.45)),
    ((0.28, 0.5), (0.4, 0.6), (0.5, 0.55)),
)
FOREST = (
    ((0.12, 0.1), (0.12, 0.9), (0.9, 0.9), (0.88, 0.1), (0.14, 0.1)),
    ((0.25, 0.75), (0.6, 0.75)),
    ((0.4, 0.3), (0.44, 0.12)),
    ((0.63, 0.2), (0.62, 0.6)),
    ((0.26, 0.12), (0.3, 0.3)),
)
"""Strokes on frame 4, for the pictures."""
PICTURES = os.environ.get("TRACKMATTE_WEB_PICTURES", "")
"""A folder into which the run writes the pictures of docs/web.md; in the repository, docs/images."""


@pytest.fixture
def command(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """``trackmatte web CLIP`` in an empty folder; what it says of the page."""
    paths = os.pathsep.join(str(ROOT / p) for p in ("engine", "plugin"))
    env = {
        **os.environ,
        "PYTHONPATH": paths,
        "TRACKMATTE_RUNTIME": str(tmp_path / "run"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
    }
    words = [sys.executable, "-m", "trackmatte", "web", str(CLIP / "plate.mp4"), "--no-browser", "--json"]
    with subprocess.Popen(words, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = next(event for event in map(json.loads, process.stdout) if event["event"] == "page")
        yield said
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


@pytest.fixture
def look(browser: Any, command: dict[str, Any]) -> Iterator[Look]:
    at = urlsplit(command["url"])
    token = parse_qs(at.fragment)["token"][0]
    client = Client(Address(at.port, token, 0))
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    look = Look(context.new_page(), client, client.open_shot(command["shot"]))
    assert look.url == command["url"]
    look.page.goto(command["url"])
    yield look.ready()
    context.close()
    assert look.bugs == []


def photo(look: Look, name: str) -> None:
    if PICTURES:
        look.page.wait_for_timeout(1500)
        look.page.screenshot(path=str(Path(PICTURES) / f"web-{name}.jpg"), type="jpeg", quality=82)


def photo_the_rest(look: Look) -> None:
    look.page.get_by_label("Into the folder").fill("/deliveries/furball")
    look.page.locator(".names code", has_text="/deliveries").wait_for()
    photo(look, "export")
    look.press("Escape", *["ArrowRight"] * 3).on(4)
    look.page.locator("select[name=method]").select_option("lazy")
    for path in FUR:
        look.drag(*path)
    for path in FOREST:
        look.drag(*path, button="right")
    look.press("q").page.locator(".outline").first.wait_for()
    photo(look, "outline")
    look.press("Escape", "Delete")
    look.page.get_by_label("How many layers").fill("8")
    look.page.get_by_role("button", name="Split frame").click()
    look.page.locator(".layers").wait_for(timeout=300_000)
    for at in ((0.42, 0.55), (0.2, 0.3)):
        look.click(*at)
    photo(look, "layers")


def test_a_newcomer_gets_exrs(look: Look, tmp_path: Path) -> None:
    look.press(*["ArrowRight"] * LAST).on(LAST).press("]").settled().press("Home").on(0)
    look.drag((0.63, 0.77), (0.4, 0.5), (0.18, 0.16))
    look.kind("selection")
    truth = cv2.imread(str(CLIP / "mask0.png"), cv2.IMREAD_GRAYSCALE) > 127
    seen = look.press("a").pixels()
    left, top, scale = look.place()
    h, w = truth.shape
    ys, xs = np.mgrid[:h, :w] + 0.5
    on = seen[(top + ys * scale).astype(int), (left + xs * scale).astype(int), 0] > 127
    assert (on & truth).sum() / (on | truth).sum() > 0.85  # the subject is on the screen
    look.press("m")
    look.page.get_by_title("Track both ways").click()
    wait_for(lambda: look.state().objects[0].tracked == ((0, LAST),))
    look.idle().press("ArrowRight").on(1).kind("mask")
    look.press("Home")
    photo(look, "overlay")

    look.press("x")
    folder = look.page.get_by_label("Into the folder")
    assert folder.input_value() == str(tmp_path / "plate_mattes")
    look.page.locator(".names code", has_text="plate_subject.####.exr").wait_for()
    look.page.locator("dialog button.main").click()
    look.says("Written").idle().press("c", "w", "ArrowRight").on(1).kind("matte")
    assert look.page.locator(".alpha-kind").inner_text() == "matte"
    files = sorted((tmp_path / "plate_mattes").iterdir())
    assert [f.name for f in files] == [f"plate_subject.{n:04d}.exr" for n in range(LAST + 1)]
    with Shot.open(tmp_path / "plate.shot.json") as shot:
        for n, file in enumerate(files):
            matte = shot.read_matte("subject", n)
            with OpenEXR.File(str(file)) as exr:
                pixels = exr.channels()["RGBA"].pixels
            np.testing.assert_array_equal(pixels, np.repeat(matte.alpha[..., None], 4, 2).astype(np.float16))

    look.press("p", "w").settled()
    asked: list[str] = []
    look.page.on("request", lambda r: asked.append(r.url.partition("#")[0]))
    look.page.reload()
    look.ready().on(1).kind("matte")
    assert asked
    assert not [url for url in asked if look.client.address.token in url]  # it travels in a header alone
    png = look.client.matte_image(look.shot.shot, 1, "subject", w)
    alpha = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    shown = look.press("a", "z").pixels()
    left, top, _ = map(int, look.place())
    part = shown[max(top, 0) : top + h, max(left, 0) : left + w, 0]
    y, x = max(0, -top), max(0, -left)
    np.testing.assert_allclose(part, alpha[y : y + part.shape[0], x : x + part.shape[1]], atol=1.5)
    look.press("f", "c", "w")
    photo(look, "wipe")
    if PICTURES:
        photo_the_rest(look.press("w", "m", "x"))
