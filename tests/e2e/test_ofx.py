"""An OFX plugin and `trackmatte serve` in processes of their own, and the command line on the same shot."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests import disc
from tests import ofx_wire as w
from tests.engines import ROOT, started, wait_for
from tests.ofx_engine import BOX, plate, push
from tests.ofx_wire import Plugin
from trackmatte.cli import main
from trackmatte.shot import Shot
from trackmatte_client import engine

SIZE = (160, 96)
FRAMES = 6


@pytest.fixture
def sock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRACKMATTE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "run/ofx.sock"


@pytest.fixture
def session() -> str:
    return str(uuid.uuid4())


def prompt(plugin: Plugin, session: str, first: int) -> None:
    """Click on the disc on two frames, and beside it."""
    points = [
        {"frame": n, "x": x, "y": y, "label": label}
        for n in (first, first + FRAMES - 2)
        for x, y, label in ((0.35 + 0.01 * (n - first), 0.5, 1), (0.9, 0.1, 0))
    ]
    plugin.prompts(session, points, [{"frame": first, "x0": 0.2, "y0": 0.25, "x1": 0.5, "y1": 0.75}])


@pytest.fixture(scope="module")
def engine_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("engine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKMATTE_CACHE", str(folder / "cache"))
        with started(folder):
            yield folder


@pytest.mark.parametrize("mode", ["push bytes", "push floats", "media"])
def test_click_track_and_matte_give_the_pixels_of_the_command_line(
    engine_folder: Path, tmp_path: Path, session: str, mode: str
) -> None:
    """With the embedded default: ``flow`` and ``closed_form``."""
    with Plugin(engine_folder / "run/ofx.sock", size=1 << 20) as plugin:
        usual = {"tracker": "flow", "refiner": "closed_form"}
        if mode == "media":
            plugin.open(session, "media", path=str(disc.write_movie(tmp_path / "a.mp4", FRAMES)), **usual)
        else:
            plugin.open(session, **usual)
            for n in range(FRAMES):
                plugin.frame(session, n, plate(n, "float32" if "floats" in mode else "uint8", size=SIZE))
        prompt(plugin, session, 0)
        plugin.run(w.TRACK, session, 0, FRAMES)
        assert plugin.run(w.REFINE, session, 0, FRAMES)["frames"] == FRAMES
        got = [plugin.matte(session, n, SIZE) for n in range(FRAMES)]
    shutil.copytree(engine_folder / "cache/ofx" / session, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy/session.shot")
    shot = tmp_path / "copy/session.shot.json"
    assert main(["track", str(shot)]) == 0
    assert main(["refine", str(shot)]) == 0
    with Shot.open(shot) as opened:
        for n, (said, alpha) in enumerate(got):
            assert (said["state"], said["stale"]) == ("hit", False)
            np.testing.assert_array_equal(alpha, opened.read_matte("subject", n).alpha)
            assert np.abs(alpha - disc.alpha_at(n, SIZE)).mean() < 0.02


def test_requests_keep_an_engine_and_their_absence_ends_it(tmp_path: Path, sock: Path, session: str) -> None:
    with started(tmp_path, "--idle", "5"):
        process = engine._children[-1]
        with Plugin(sock) as plugin:
            plugin.open(session)
            for _ in range(28):
                time.sleep(0.2)
                plugin.status(session)
            assert process.poll() is None
            # A connection that asks nothing does not hold it.
            assert w.rest(plugin.sock) == []
        wait_for(lambda: process.poll() is not None)
        assert not sock.exists()


def test_plugins_and_engines_that_are_killed(tmp_path: Path, sock: Path, session: str) -> None:
    code = f"""
import os, sys, time
sys.path[:0] = {sys.path!r}
from pathlib import Path
from tests import ofx_wire as w
plugin = w.Plugin(Path({str(sock)!r}), size=1 << 20)
what = sys.argv[1]
if what == "track":
    plugin.send(w.TRACK, {{"session": {session!r}, "from": 1, "to": 30, "dir": "both"}})
    plugin.answer()
else:
    plugin.memory[:] = bytes(1 << 20)
    at = {{"offset": 0, "w": 48, "h": 32, "stride": 192, "depth": "byte", "comps": 4, "premult": False}}
    data = w.pack(w.FRAME, 2, {{"session": {session!r}, "key": 5, "pixels": at, "hash": ""}})
    plugin.sock.sendall(data if what == "frame" else data[:50])
print("now", flush=True)
time.sleep(60)
"""

    def killed(what: str) -> None:
        process = subprocess.Popen(
            [sys.executable, "-c", code, what], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
        process.kill()
        process.wait()
        process.stdout.close()

    with started(tmp_path, sleep=0.25) as client, Plugin(sock, size=1 << 20) as plugin:
        plugin.open(session)
        plugin.prompts(session, boxes=[{"frame": 1, **BOX}])
        push(plugin, session, range(1, 31))
        killed("track")
        wait_for(lambda: client.list_jobs()[-1].status == "cancelled")
        assert 0 < plugin.status(session)["tracked"] < 30
        killed("frame")
        killed("half a frame")
        assert wait_for(lambda: plugin.status(session)["first"]) == 1
        push(plugin, session, range(1, 31))
        plugin.send(w.TRACK, {"session": session, "from": 1, "to": 30, "dir": "both"})
        assert plugin.answer()[0] == w.PROGRESS
        engine._children[-1].send_signal(signal.SIGKILL)
        with pytest.raises(w.Closed):
            plugin.finish()
    assert sock.exists()
    with started(tmp_path), Plugin(sock, size=1 << 20) as plugin:
        status = plugin.open(session)
        assert 0 < status["tracked"] < 30
        assert all(push(plugin, session, range(1, 31)))
        assert plugin.run(w.TRACK, session, 1, 30)["frames"] == 30
