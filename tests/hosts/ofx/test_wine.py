"""The plug-in's Windows build in the test host's Windows build, under Wine. Wine is not Windows."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hosts.ofx import model
from tests.hosts.ofx.driver import DEPTHS, OPAQUE, ROOT, STRAIGHT, Built, Host, Wine, build_windows, find_wine
from tests.hosts.ofx.test_pixels import UNTOUCHED, pixels

MISSING = [
    why
    for there, why in (
        (os.environ.get("TRACKMATTE_OFX_LONG"), "only with TRACKMATTE_OFX_LONG=1: Wine is slow to set up"),
        (shutil.which("x86_64-w64-mingw32-gcc"), "no x86_64-w64-mingw32-gcc: nothing to run under Wine"),
        (find_wine(), "no Wine: the Windows build of the OFX plug-in is not run"),
    )
    if not there
]
pytestmark = pytest.mark.skipif(bool(MISSING), reason="; ".join(MISSING))


@pytest.fixture(scope="module")
def wine() -> Iterator[Wine]:
    """A fresh Windows disk."""
    with tempfile.TemporaryDirectory(prefix="tm-wine-", ignore_cleanup_errors=True) as folder:
        wine = Wine(str(find_wine()), Path(folder) / "disk")
        wine.run("wineboot", "--init")
        yield wine
        wine.stop()


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Plug-in and host for Windows."""
    return build_windows(tmp_path_factory.mktemp("windows"))


@pytest.fixture
def host(wine: Wine, windows: Built, tmp_path: Path, runtime: Path) -> Iterator[Host]:
    """A host with the plug-in loaded and one instance; at the end nothing must be left over."""
    h = Host(windows, tmp_path, runtime, wine.loader, **wine.environment)
    try:
        h.ask("config")
        told = h.load()
        assert (told["load"], told["describe"], told["context"]) == (0, 0, 0)
        assert h.ask("create")["status"] == 0
        yield h
        assert h.ask("destroy")["status"] == 0
        assert h.ask("unload")["status"] == 0
        left = h.report()
        assert (left["images"], left["sets_in_render"], left["guard_faults"]) == (0, 0, 0)
        h.close()
    finally:
        if h.process.poll() is None:
            h.process.kill()
            h.process.wait()
        for pipe in (h.process.stdin, h.process.stdout, h.process.stderr):
            if pipe:
                pipe.close()


def test_it_says_the_same_of_itself(host: Host, built: Built, tmp_path: Path, runtime: Path) -> None:
    """Parameters, depths, labels: as on Linux."""
    linux = Host(built, tmp_path, runtime)
    want = linux.load()
    linux.close()
    assert host.ask("reload")["status"] == 0
    told = host.load()
    assert len(told["params"]) > 30
    assert told == want


@pytest.mark.parametrize("depth", DEPTHS)
def test_without_an_engine_the_source_passes(host: Host, depth: str) -> None:
    """Byte for byte, in every layout, and one message says why."""
    host.set("session", "01234567-89ab-4cde-8f01-23456789abcd")
    source = pixels(depth, (26, 37))
    for negative, pad, alpha in ((0, 0, OPAQUE), (0, 20, STRAIGHT), (1, 0, STRAIGHT), (1, 20, OPAQUE)):
        host.source(source[None], first=5, negative=negative, pad=pad, alpha=alpha)
        for x1, y1, x2, y2 in ((0, 0, 37, 26), (3, 4, 32, 24), (2, 2, 3, 3)):
            out, _ = host.render(5, window=f"{x1} {y1} {x2} {y2}")
            want = np.full(source.nbytes, UNTOUCHED, np.uint8).view(source.dtype).reshape(source.shape)
            want[26 - y2 : 26 - y1, x1:x2] = source[26 - y2 : 26 - y1, x1:x2]
            assert out.tobytes() == want.tobytes(), (negative, pad, x1, y1)
    said = host.report()
    assert "not running" in said["message"]
    assert said["messages"] == 1


@pytest.mark.parametrize("other", DEPTHS)
@pytest.mark.parametrize("depth", DEPTHS)
def test_depths(host: Host, depth: str, other: str) -> None:
    """Every conversion has the same bits as numpy's."""
    source = pixels(depth, (9, 11))
    host.source(source[None], alpha=OPAQUE)
    host.output(other, "RGBA", 11, 9)
    host.set("output", model.SOURCE)
    out, _ = host.render()
    assert out.tobytes() == model.from_float(model.to_float(source), np.dtype(DEPTHS[other])).tobytes()


def test_threads(host: Host) -> None:
    """Renders while instances come and go, and the plug-in is loaded and described again."""
    frames = np.random.default_rng(1).integers(0, 256, (4, 20, 30, 4), np.uint8)
    host.source(frames)
    assert host.ask("stress", threads=3, churn=3, count=20) == {"bad": 0, "different": 0}


def test_buttons_without_an_engine(host: Host) -> None:
    host.source(np.zeros((2, 20, 40, 4), np.uint8))
    host.set("point1", "10 5")
    host.set("sign1", 1)
    assert press(host, "setAtFrame", time=1) == "Frame 1: 1 point set."
    assert '"frame":1,"x":0.250000,"y":0.750000,"label":1' in host.text("prompts")
    assert "was not found; install it" in press(host, "trackBoth", time=1)
    assert "was not found; install it" in host.report()["message"]


def press(host: Host, button: str, **more: Any) -> str:
    """Press a button and return the status line."""
    assert host.ask("press", param=button, **more)["status"] == 0
    return host.text("status")


def matte(key: int, w: int, h: int) -> np.ndarray:
    """Return the matte that wine_engine.py gives."""
    y, x = np.mgrid[:h, :w]
    return ((x * 7 + y * 13 + key * 29) % 101).astype(np.float32) / np.float32(100)


@pytest.fixture
def engine(wine: Wine) -> Iterator[None]:
    """The engine's Windows pipe, served by a Windows Python under the same Wine."""
    python = os.environ.get("TRACKMATTE_WINDOWS_PYTHON")
    if not python:
        pytest.skip("no TRACKMATTE_WINDOWS_PYTHON: a python.exe with numpy and msgspec")
    script = Path(__file__).with_name("wine_engine.py")
    words = [wine.loader, python, f"Z:{script}", f"Z:{ROOT / 'engine'}"]
    ends = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    environment = os.environ | wine.environment
    with subprocess.Popen(words, text=True, env=environment, **ends) as process:
        assert process.stdout
        assert process.stdout.readline().strip() == "ready"
        yield
        said, _ = process.communicate(timeout=120)
    assert said.splitlines()[-1] == "closed"
    assert "Malformed" not in said


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("depth", DEPTHS)
def test_mattes_cross_a_named_pipe_and_a_section(host: Host, depth: str) -> None:
    """Pipe, users, memory: both ends are ours; the pixels have the same bits as numpy's."""
    host.set("session", "01234567-89ab-4cde-8f01-23456789abcd")
    source = pixels(depth, (26, 37))
    for output in (model.ALPHA, model.RGB, model.CUTOUT):
        host.set("output", output)
        for negative, pad in ((0, 0), (1, 20)):
            host.source(source[None], first=5, negative=negative, pad=pad, alpha=STRAIGHT)
            out, _ = host.render(5)
            assert out.tobytes() == model.shown(source, matte(5, 37, 26), output, STRAIGHT).tobytes()
    assert host.ask("stress", threads=2, churn=2, count=10)["bad"] == 0
