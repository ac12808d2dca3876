"""The real engine, started by the plug-in: click, track, matte, render; the pixels are the command line's."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from tests import disc
from tests.hosts.ofx.driver import OPAQUE, ROOT, Host
from tests.hosts.ofx.wire import FakeEngine
from trackmatte.cli import main

Starter = Callable[..., AbstractContextManager[Host]]
SIZE = (160, 96)
COUNT = 6
FIRST = 1001
WHITE = 255


@pytest.fixture(scope="module")
def plates() -> np.ndarray:
    """Frames of a disc that moves, (N, H, W, 3) uint8."""
    return np.stack([disc.plate_at(i, SIZE) for i in range(COUNT)])


@pytest.fixture
def world(tmp_path: Path, runtime: Path) -> Iterator[dict[str, str]]:
    """What makes the plug-in find this checkout's engine; the one that it starts is ended afterwards."""
    python = tmp_path / "python"
    paths = os.pathsep.join(str(ROOT / p) for p in ("engine", "plugin", "."))
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{paths}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    yield {
        "TRACKMATTE_PYTHON": str(python),
        "TRACKMATTE_CACHE": str(tmp_path / "cache"),
        "PYTHONHOME": "/nonsense",  # as a host sets it for its own Python
        "LD_PRELOAD": "",
        "OMP_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "2",
    }
    with suppress(OSError, ValueError, KeyError):
        pid = json.loads((runtime / "engine.json").read_bytes())["pid"]
        os.kill(pid, signal.SIGTERM)
        for _ in range(200):
            os.kill(pid, 0)
            time.sleep(0.05)


def cli(*words: object) -> None:
    """Run the command line in this process."""
    assert main([str(w) for w in (*words, "--quiet")]) == 0


def by_cli(clip: object, shot: Path, points: list[tuple[int, float, float]]) -> dict[int, np.ndarray]:
    """Track and matte on the command line; return the mattes by frame, float32."""
    cli("shot", "new", shot, clip)
    for frame in sorted({p[0] for p in points}):
        said = [w for f, x, y in points if f == frame for w in ("--point", f"{x},{y},+")]
        cli("shot", "add", shot, "--frame", frame, *said)
    cli("track", shot)
    cli("refine", shot)
    files = (shot.with_name(shot.name.removesuffix(".json")) / "matte" / "subject").glob("*.tif")
    return {int(f.stem): cv2.imread(str(f), cv2.IMREAD_UNCHANGED) for f in files}


def press(host: Host, button: str, time: float = 0, **more: Any) -> str:
    """Press a button and return the status line."""
    assert host.ask("press", param=button, time=time, **more)["status"] == 0
    return host.text("status")


def click(host: Host, i: int) -> tuple[float, float]:
    """Put point 1 into the disc of frame i and say so; return where, from the top left."""
    y, x = (float(v.mean()) for v in np.nonzero(disc.alpha_at(i, SIZE) > 0.5))
    host.set("point1", f"{x + 0.5} {SIZE[1] - y - 0.5}")
    host.set("sign1", 1)
    return (round((x + 0.5) / SIZE[0], 6), round((y + 0.5) / SIZE[1], 6))


def rendered(host: Host, times: range) -> dict[int, np.ndarray]:
    """Return what Matte as RGB shows, float32, by time."""
    host.set("output", 1)
    host.output("Float", "RGBA", *SIZE)
    return {t: host.render(t)[0][..., 0] for t in times}


def same(got: dict[int, np.ndarray], want: dict[int, np.ndarray]) -> None:
    """Check that every frame is the same, bit for bit, and shows something."""
    assert sorted(got) == sorted(want)
    for n, matte in want.items():
        assert got[n].tobytes() == matte.tobytes(), n
        assert 0.02 < matte.mean() < 0.5
        assert ((matte > 0.01) & (matte < 0.99)).any()


def test_click_track_matte_render(
    host: Starter, world: dict[str, str], tmp_path: Path, plates: np.ndarray
) -> None:
    """Push mode. No render starts the engine, a button does; another prompt makes mattes stale."""
    folder = tmp_path / "plates"
    folder.mkdir()
    for i, plate in enumerate(plates):
        cv2.imwrite(str(folder / f"p.{FIRST + i:04}.png"), plate[..., ::-1])
    rgba = np.concatenate([plates, np.full((*plates.shape[:3], 1), WHITE, np.uint8)], 3)
    with host(environment=world) as h:
        h.source(rgba, first=FIRST, alpha=OPAQUE)
        h.set("session", "01234567-89ab-4cde-8f01-23456789abcd")
        out, _ = h.render(FIRST)
        assert out.tobytes() == rgba[0].tobytes()
        assert "not running" in h.report()["message"]
        x, y = click(h, 2)
        assert press(h, "setAtFrame", FIRST + 2) == f"Frame {FIRST + 2}: 1 point set."
        assert press(h, "trackBoth", FIRST).startswith(f"Tracked: {COUNT} frames.")
        out, _ = h.render(FIRST)
        assert out.tobytes() == rgba[0].tobytes()
        assert "no matte yet" in h.report()["message"]
        assert press(h, "matte", FIRST).startswith(f"Matted: {COUNT} frames.")
        want = by_cli(folder / "p.####.png", tmp_path / "cli.shot.json", [(FIRST + 2, x, y)])
        times = range(FIRST, FIRST + COUNT)
        same(rendered(h, times), want)
        before = h.report()["messages"]
        # Another prompt: the old matte is shown, and said to be stale.
        click(h, 4)
        press(h, "setAtFrame", FIRST + 4)
        stale, _ = h.render(FIRST + 4)
        assert stale[..., 0].tobytes() == want[FIRST + 4].tobytes()
        assert "other prompts" in h.report()["message"]
        assert h.report()["messages"] == before + 1
        assert press(h, "trackBoth", FIRST).startswith("Tracked")
        assert press(h, "matte", FIRST).startswith("Matted")
        assert h.report()["images"] == 0


def write_movie(path: Path, plates: np.ndarray) -> Path:
    """Write a movie without loss."""
    with av.open(path, "w") as out:
        stream = out.add_stream("png", rate=24)
        stream.width, stream.height, stream.pix_fmt = (*SIZE, "rgb24")
        for plate in plates:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(plate, "rgb24")))
        out.mux(stream.encode(None))
    return path


def test_media_mode(host: Starter, world: dict[str, str], tmp_path: Path, plates: np.ndarray) -> None:
    """A host without temporal access, whose 0 is the clip's frame 2; then a proxy at half size."""
    movie = write_movie(tmp_path / "clip.mov", plates)
    rgba = np.concatenate([plates, np.full((*plates.shape[:3], 1), WHITE, np.uint8)], 3)[2:]
    with host(environment=world, temporal=0) as h:
        h.source(rgba, first=0)
        h.set("mediaPath", movie)
        h.set("frameOffset", 2)
        x, y = click(h, 3)
        press(h, "setAtFrame", 1)
        assert press(h, "trackBoth", 1).startswith(f"Tracked: {COUNT} frames.")
        assert press(h, "matte", 1).startswith("Matted")
        want = by_cli(movie, tmp_path / "cli.shot.json", [(3, x, y)])
        got = rendered(h, range(COUNT - 2))
        same({t + 2: m for t, m in got.items()}, {n: m for n, m in want.items() if n >= 2})
        # The timeline at half size gets the mean of the area.
        h.source(np.ascontiguousarray(rgba[:, ::2, ::2]), first=0)
        h.output("Float", "RGBA", SIZE[0] // 2, SIZE[1] // 2)
        half, _ = h.render(0, scale=0.5)
        mean = want[2].reshape(SIZE[1] // 2, 2, SIZE[0] // 2, 2).mean((1, 3), dtype=np.float64)
        assert np.abs(half[..., 0] - mean).max() < 1e-6


def test_a_host_without_buttons(
    host: Starter,
    world: dict[str, str],
    runtime: Path,
    tmp_path: Path,
    plates: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """As MLT is: tracked on the shot that `trackmatte ofx shot` names, shown by the media path alone."""
    movie = write_movie(tmp_path / "clip.mov", plates)
    monkeypatch.setenv("TRACKMATTE_CACHE", world["TRACKMATTE_CACHE"])
    monkeypatch.setenv("TRACKMATTE_RUNTIME", str(runtime))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    cli("ofx", "shot", movie)
    shot = Path(capfd.readouterr().out.strip())
    want = by_cli(movie, shot, [(0, 0.35, 0.5)])
    cli("ofx", "shot", movie, "--number", 7)
    assert Path(capfd.readouterr().out.strip()) == shot
    other = write_movie(tmp_path / "other.mov", plates[::-1])
    cli("ofx", "shot", other)
    backward = by_cli(other, Path(capfd.readouterr().out.strip()), [(0, 0.4, 0.5)])
    words = [world["TRACKMATTE_PYTHON"], "-m", "trackmatte", "serve", "--idle", "60"]
    engine = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while not (runtime / "ofx.sock").exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        bare = {
            "temporal": 0,
            "message": 0,
            "progress": 0,
            "timeline": 0,
            "draw": 0,
            "interact": 0,
            "buttons": 0,
        }
        with host(environment=world, **bare) as h:
            h.source(np.concatenate([plates, plates[..., :1]], 3), negative=1)
            h.set("mediaPath", movie)
            same(rendered(h, range(COUNT)), want)
            assert h.ask("stress", threads=2, churn=2, count=12) == {"bad": 0, "different": 0}
            h.set("mediaPath", "")
            assert h.render(1)[0].tobytes() != want[1].tobytes()
            h.set("clipNumber", 7)  # as in Kdenlive, which shows no text
            same(rendered(h, range(COUNT)), want)
            cli("ofx", "shot", other, "--number", 7, "--overwrite")  # seen at once, and back again
            same(rendered(h, range(COUNT)), backward)
            cli("ofx", "shot", movie, "--number", 7, "--overwrite")
            same(rendered(h, range(COUNT)), want)
    finally:
        engine.terminate()
        engine.wait()


def test_prompts_and_cancel(host: Starter, world: dict[str, str], plates: np.ndarray) -> None:
    """The engine's own words for a pass that cannot be; Stop; and the engine's death in between."""
    rgba = np.concatenate([plates, np.full((*plates.shape[:3], 1), WHITE, np.uint8)], 3)
    with host(environment=world) as h:
        h.source(rgba, first=0)
        click(h, 0)
        assert press(h, "trackBoth", cancel=0) == "Stopped; what is finished stays."
        assert press(h, "trackBoth").startswith("Tracked")
        pid = json.loads((Path(h.runtime) / "engine.json").read_bytes())["pid"]
        os.kill(pid, signal.SIGKILL)
        out, _ = h.render(0)
        assert out.tobytes() == rgba[0].tobytes()
        assert press(h, "matte").startswith("Matted")  # it was started again and knew the tracked frames
        h.set("output", 1)
        out, _ = h.render(0)
        assert 0 < (out[..., 0] > 128).mean() < 0.5
        shutil.rmtree(world["TRACKMATTE_CACHE"])
        out, _ = h.render(0)
        assert out.tobytes() == rgba[0].tobytes()
        assert h.report()["message"].startswith("OfxMessageWarning: ")
        assert press(h, "trackBoth").startswith("Tracked")
        assert press(h, "matte").startswith("Matted")
        out, _ = h.render(0)
        assert 0 < (out[..., 0] > 128).mean() < 0.5


NOT_THERE = {
    "a Python that is not there": ({"TRACKMATTE_PYTHON": "/nowhere/python"}, "/nowhere/python is not there"),
    "no engine": ({}, "was not found; install it"),
    "a program that ends": ({"TRACKMATTE_PYTHON": "/bin/false"}, "ended at once: it said nothing"),
}


@pytest.mark.parametrize("what", NOT_THERE)
def test_an_engine_that_cannot_be_started(host: Starter, what: str, plates: np.ndarray) -> None:
    environment, message = NOT_THERE[what]
    with host(environment=environment) as h:
        h.source(np.concatenate([plates, plates[..., :1]], 3))
        click(h, 0)
        assert message in press(h, "trackBoth")
        assert message in h.report()["message"]


def test_what_the_engine_is_started_with(
    host: Starter, tmp_path: Path, runtime: Path, plates: np.ndarray
) -> None:
    """Nothing of the host's Python, libraries and descriptors; and what it says is shown."""
    program = tmp_path / "python"
    program.write_text(
        '#!/bin/sh\necho "$@"\nls /proc/self/fd | wc -l\nps -o sid= -p $$\nenv\necho the end\nexit 3\n'
    )
    program.chmod(0o755)
    given = {
        "PYTHONPATH": "/p",
        "CONDA_PREFIX": "/c",
        "LD_LIBRARY_PATH": "",
        "LD_LIBRARY_PATH_ORIG": "/o",
        "VIRTUAL_ENV": "/v",
        "DYLD_X": "1",
    }
    with host(environment={"TRACKMATTE_PYTHON": str(program), "TRACKMATTE_STARTER": "old", **given}) as h:
        h.source(np.concatenate([plates, plates[..., :1]], 3))
        click(h, 0)
        assert press(h, "trackBoth") == "The Trackmatte engine ended at once: the end"
        words, fds, sid, *rest = (runtime / "engine.log").read_text().splitlines()
        assert words == "-P -m trackmatte serve"
        assert int(fds) <= 4
        assert int(sid) != os.getsid(h.process.pid)
        names = dict(line.split("=", 1) for line in rest if "=" in line)
        assert not [n for n in names if n.startswith(("PYTHON", "CONDA", "VIRTUAL_ENV", "DYLD_"))]
        assert names["LD_LIBRARY_PATH"] == "/o"
        assert len(names["TRACKMATTE_STARTER"]) == 36
        assert Path(names["PWD"]) == runtime
        assert (runtime / "engine.log").stat().st_mode & 0o777 == 0o600
        children = subprocess.run(
            ["ps", "--ppid", str(h.process.pid), "-o", "stat="], capture_output=True, text=True, check=False
        )
        assert "Z" not in children.stdout


def test_another_program_was_quicker(
    host: Starter, tmp_path: Path, runtime: Path, plates: np.ndarray
) -> None:
    """The engine that answers was started by someone else: the one started here is asked to end."""
    program = tmp_path / "python"
    program.write_text(
        '#!/bin/sh\ntrap "touch ended; exit" TERM\ntouch started\nwhile :; do sleep 0.05; done\n'
    )
    program.chmod(0o755)
    with host(environment={"TRACKMATTE_PYTHON": str(program)}) as h:
        h.source(np.concatenate([plates, plates[..., :1]], 3))
        click(h, 0)
        h.ask("begin", param="trackBoth", time=0)
        end = time.monotonic() + 60
        while not (runtime / "started").exists():
            assert time.monotonic() < end
            time.sleep(0.01)
        (runtime / "engine.json").write_text('{"starter": "someone else"}')
        with FakeEngine(runtime):
            h.ask("join")
            assert h.text("status").startswith("Tracked")
        end = time.monotonic() + 60
        while not (runtime / "ended").exists():
            assert time.monotonic() < end
            time.sleep(0.01)
