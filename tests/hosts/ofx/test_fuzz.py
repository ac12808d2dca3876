"""Mutated answers and prompts: no crash, no leak, no hang; what comes out is the source or a matte."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hosts.ofx import wire
from tests.hosts.ofx.driver import SOURCES, build, compile_files, hosting
from tests.hosts.ofx.test_memory import LONG, SANITIZERS
from tests.hosts.ofx.wire import FakeEngine, Line, pack

SECONDS = float(os.environ.get("TRACKMATTE_OFX_FUZZ", "180" if LONG else "4"))
SEED = os.environ.get("TRACKMATTE_OFX_SEED", "1")
PROMPTS = {
    "version": 1,
    "points": [
        {"frame": 1001, "x": 0.52, "y": 0.31, "label": 1, "object": "subject"},
        {"frame": -3, "x": 0, "y": 1e-3, "label": 0, "object": 'a "dög" \\ \u0001'},
    ],
    "boxes": [{"frame": 1001, "x0": 0.4, "y0": 0.2, "x1": 0.7, "y1": 0.9, "object": "subject"}],
}
SAID: list[dict[str, Any]] = [
    PROMPTS,
    {**PROMPTS, "points": PROMPTS["points"] * 20},
    {"state": "hit", "stale": False, "note": 'ein schöner "Satz" \U0001f600'},
    {"protocol": 1, "engine": "0.1.0", "pid": 4711},
    {"code": "shot", "message": "cannot read frame 1001; track again"},
    {"stage": "track", "done": 3, "of": 48, "frame": 1004, "note": ""},
    {"frames": 48, "doubtful": list(range(64)), "note": ""},
    {
        "session": "x",
        "state": "matted",
        "first": 0,
        "last": 47,
        "rate": 23.976,
        "stale": 3,
        "tracked": 4,
        "matted": 5,
    },
]
ADDRESS = SANITIZERS["address"]


@pytest.mark.timeout(SECONDS + 300)
def test_texts_and_messages(shared: Path, tmp_path: Path) -> None:
    program = tmp_path / "fuzz"
    parts = ["json", "text", "prompts", "client", "wire", "line_posix", "sys_posix", "sys_common"]
    files = [Path(__file__).parent / "fuzz" / "fuzz.c", *(SOURCES / f"{p}.c" for p in parts)]
    compile_files(["-g", "-O1", *ADDRESS, f"-I{SOURCES}"], files, program)
    assert shared
    seeds = "\n".join(json.dumps(s, ensure_ascii=i % 2 == 0) for i, s in enumerate(SAID))
    words = [str(program), str(SECONDS), SEED]
    done = subprocess.run(
        words,
        input=seeds,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=SECONDS + 120,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert int(done.stdout) > 100


def mutated(r: random.Random, message: bytes) -> bytes:
    """Return a message with a few bytes changed, lost, doubled or in another order."""
    data = bytearray(message)
    for _ in range(r.randint(1, 4)):
        at = r.randrange(len(data))
        end = min(len(data), at + r.randint(1, 12))
        change = r.randrange(4)
        if change == 0:
            data[at] = r.randrange(256)
        elif change == 1 and len(data) > 20:
            del data[at:end]
        elif change == 2:
            data[at:at] = data[at:end]
        else:
            data[at:end] = data[at:end][::-1]
    return bytes(data)


@pytest.mark.timeout(SECONDS + 300)
def test_answers(shared: Path, tmp_path: Path, runtime: Path) -> None:
    """Now and then an answer is mutated and the line ends; renders show the source or a matte."""
    r = random.Random(int(SEED))
    built = build(shared, "address", *ADDRESS, optimise="-O1")
    frames = np.full((3, 8, 12, 4), 9, np.uint8)

    class Wild(FakeEngine):
        def usual(self, line: Line, req: int, said: dict[str, Any], kind: int) -> None:
            if r.random() < 0.8:
                super().usual(line, req, said, kind)
                return
            answers = {wire.HELLO: SAID[3], wire.MATTE: SAID[2], wire.TRACK: SAID[6], wire.REFINE: SAID[5]}
            types = {
                wire.HELLO: wire.HELLO,
                wire.MATTE: wire.OK,
                wire.TRACK: wire.DONE,
                wire.REFINE: wire.PROGRESS,
            }
            good = pack(types.get(kind, wire.STATUS), req, answers.get(kind, SAID[7]))
            line.sock.sendall(mutated(r, good))
            raise wire.Gone

    def dropped(line: Line, *_: object) -> None:
        line.sock.close()

    environment = {"TRACKMATTE_PYTHON": "/bin/false", "ASAN_OPTIONS": "detect_leaks=1:exitcode=9"}
    with Wild(runtime) as engine, hosting(built, tmp_path, runtime, environment=environment) as h:
        engine.on[wire.BYE] = dropped
        h.source(frames, first=0)
        h.set("point1", "5 5")
        h.set("sign1", 1)
        end = time.monotonic() + SECONDS / 2
        while time.monotonic() < end:
            text = mutated(r, json.dumps(PROMPTS).encode()).decode("latin-1")
            h.set("prompts", "".join(c for c in text if c.isprintable() and ord(c) < 127))
            for button in ("setAtFrame", "trackBoth", "matte"):
                assert h.ask("press", param=button, time=1)["status"] == 0
            out, answer = h.render(1)
            assert answer["seconds"] < 10
            assert (out[..., :3] == 9).all()
            assert (out[..., 3] == 9).all() or (out[..., 3] == 128).all() or (out[..., 3] == 0).all()
            h.ask("press", param="clear")


@pytest.mark.parametrize(
    "text", ["", " ", "\t", "null", "{}", '{"version":1}', "[" * 100, '{"version":1,"points":[' * 20]
)
def test_odd_prompts(shared: Path, tmp_path: Path, runtime: Path, text: str) -> None:
    built = build(shared)
    with hosting(built, tmp_path, runtime) as h:
        h.source(np.zeros((1, 8, 8, 4), np.uint8))
        h.set("prompts", text)
        h.set("sign1", 1)
        assert h.ask("press", param="setAtFrame", time=0)["status"] == 0
