"""What the user presses: prompts, tracking in both modes, cancel, stop; against a scripted engine."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.ofx import model, wire
from tests.hosts.ofx.driver import DEPTHS, PREMULTIPLIED
from tests.hosts.ofx.pressing import Starter, clip, point, press
from tests.hosts.ofx.wire import FakeEngine, Line

SESSION = "01234567-89ab-4cde-8f01-23456789abcd"


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("layout", [{}, {"negative": 1, "pad": 12}])
def test_track_pushes_the_hosts_frames(
    host: Starter, runtime: Path, depth: str, layout: dict[str, int]
) -> None:
    """Every frame arrives bit for bit, with its key; prompts follow, then the pass over the range."""
    frames = clip(6, DEPTHS[depth])
    with FakeEngine(runtime) as engine, host() as h:
        h.source(frames, first=10, alpha=PREMULTIPLIED, **layout)
        h.set("frameOffset", 990)
        point(h, 1, 25, 10)
        press(h, "trackForward", time=12)  # with no Set at frame before it: the handles count
        session = h.text("session")
        assert session == session.lower()
        assert len(session) == 36
        (opened,) = engine.heard(wire.OPEN)
        assert opened == {
            "session": session, "mode": "push", "colour": "auto", "tracker": "", "refiner": "", "path": "",
        }  # fmt: skip
        assert sorted(engine.frames) == [1002, 1003, 1004, 1005]  # from the prompt to the end
        for key, got in engine.frames.items():
            assert got.tobytes() == frames[key - 1000].tobytes()
        said = engine.heard(wire.FRAME)[0]
        assert said["pixels"]["depth"] == depth.lower()
        assert said["pixels"]["premult"] is True
        assert said["hash"] == model.hash_of(frames[2])
        (told,) = engine.heard(wire.PROMPTS)
        assert told["prompts"]["points"] == [{"frame": 1002, "x": 0.5, "y": 0.5, "label": 1}]
        assert engine.heard(wire.TRACK) == [{"session": session, "from": 1002, "to": 1005, "dir": "forward"}]
        assert h.text("status") == "Tracked: 4 frames. Look at 1002."
        report = h.report()
        assert report["label"] == "Trackmatte: tracking"
        assert report["progress"] > 0
        assert report["progress_ends"] == 1
        refresh = h.ask("get", param="refresh")["value"][0]
        press(h, "matte", time=12)
        assert engine.heard(wire.REFINE) == [{"session": session, "from": 1000, "to": 1005}]
        assert h.ask("get", param="refresh")["value"][0] == refresh + 1
        assert h.text("session") == session


def test_backward_both_in_and_out(host: Starter, runtime: Path) -> None:
    with FakeEngine(runtime) as engine, host() as h:
        h.source(clip(6), first=0)
        point(h, 1, 25, 10)
        press(h, "setAtFrame", time=3)
        press(h, "trackBackward", time=0)
        press(h, "trackBoth", time=5)
        h.set("firstFrame", 2)
        h.set("lastFrame", 4)
        press(h, "trackBoth", time=5)
        press(h, "matte", time=0)
        spans = [(t["from"], t["to"], t["dir"]) for t in engine.heard(wire.TRACK)]
        assert spans == [(0, 3, "backward"), (0, 5, "both"), (2, 4, "both")]
        assert [(t["from"], t["to"]) for t in engine.heard(wire.REFINE)] == [(2, 4)]
        h.set("firstFrame", 100)
        h.set("lastFrame", 200)
        press(h, "trackBoth", time=5)
        assert "leave no frame" in h.text("status")


def test_the_hosts_own_frame_numbers(host: Starter, runtime: Path) -> None:
    with FakeEngine(runtime) as engine, host() as h:
        h.source(clip(6), first=0)
        point(h, 1, 25, 10)
        press(h, "trackBoth", time=2, srcframe=86402)
        assert sorted(engine.frames) == list(range(86400, 86406))
        assert engine.heard(wire.TRACK)[0]["from"] == 86400


def test_media_mode(host: Starter, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine reads the clip itself: the host gives no frame, and the session follows from the path."""
    with FakeEngine(runtime) as engine, host(temporal=0) as h:

        def status(session: str) -> dict[str, Any]:
            return {"session": session, "first": 0, "last": 47, "state": "empty"}

        monkeypatch.setattr(engine, "status", status)
        h.source(clip(1))
        point(h, 1, 25, 10)
        press(h, "trackBoth", time=0)
        assert "name the clip's file under Media path" in h.text("status")
        assert engine.lines == 0
        h.set("mediaPath", '/clips/a "b" ü.mov')
        h.set("tracker", 1)
        h.set("refiner", 1)
        h.set("colour", 2)
        press(h, "trackBoth", time=0)
        (opened,) = engine.heard(wire.OPEN)
        assert (opened["mode"], opened["path"]) == ("media", '/clips/a "b" ü.mov')
        assert (opened["tracker"], opened["refiner"], opened["colour"]) == ("flow", "closed_form", "linear")
        assert not engine.frames
        assert (engine.heard(wire.TRACK)[0]["from"], engine.heard(wire.TRACK)[0]["to"]) == (0, 47)
        h.render()
        assert engine.heard(wire.MATTE)[0]["session"] == opened["session"]
        assert h.text("session") == ""


def held_up(engine: FakeEngine) -> Callable[[Line, int, dict[str, Any]], None]:
    """Return a TRACK that goes on until it is cancelled."""

    def work(line: Line, req: int, _: dict[str, Any]) -> None:
        for n in range(2000):
            line.send(wire.PROGRESS, req, {"stage": "track", "done": 1, "of": 2000, "frame": n, "note": ""})
            if not select.select([line.sock], [], [], 0.02)[0]:
                continue
            kind, of, _said = line.receive()  # its halves may come apart
            with engine.lock:
                engine.said.append((kind, {"req": of}))
            line.send(wire.ERROR, req, {"code": "cancelled", "message": "cancelled"})
            return

    return work


@pytest.mark.parametrize("how", [{"cancel": 12}, {"stop": 12}])
def test_cancel_and_stop(host: Starter, runtime: Path, how: dict[str, int]) -> None:
    """The host's progress says no, or Stop is pressed while it serves events: the engine is told."""
    with FakeEngine(runtime) as engine, host() as h:
        engine.on[wire.TRACK] = held_up(engine)
        h.source(clip(4))
        point(h, 1, 25, 10)
        press(h, "trackBoth", time=0, **how)
        assert len(engine.heard(wire.CANCEL)) == 1
        assert h.text("status") == "Stopped; what is finished stays."
        assert h.report()["messages"] == 0
        engine.on.clear()
        press(h, "trackBoth", time=0)
        assert h.text("status").startswith("Tracked: 4 frames.")


def test_stop_from_another_thread(host: Starter, runtime: Path) -> None:
    """Without a progress suite Stop alone ends a pass; a second pass meanwhile is refused."""
    with FakeEngine(runtime) as engine, host(progress=0) as h:
        engine.on[wire.TRACK] = held_up(engine)
        h.source(clip(2))
        point(h, 1, 25, 10)
        h.ask("begin", param="trackBoth", time=0)
        deadline = time.monotonic() + 60
        while not engine.heard(wire.TRACK):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        press(h, "trackBoth", time=0)
        assert "running already" in h.text("status")
        press(h, "stop", time=0)
        h.ask("join")
        assert len(engine.heard(wire.CANCEL)) == 1
        assert h.text("status") == "Stopped; what is finished stays."
        press(h, "stop", time=0)
        assert h.text("status") == "Nothing is running."
        engine.on.clear()
        press(h, "trackBoth", time=0)  # a Stop from before does not count
        assert h.text("status").startswith("Tracked")


def test_cancel_while_frames_are_sent(host: Starter, runtime: Path) -> None:
    with FakeEngine(runtime) as engine, host() as h:
        h.source(clip(40))
        point(h, 1, 25, 10)
        press(h, "trackBoth", time=0, cancel=9)
        assert len(engine.frames) < 40
        assert not engine.heard(wire.TRACK)
        assert h.text("status") == "Stopped; what is finished stays."


@pytest.mark.parametrize("kind", [wire.OPEN, wire.SLOTS, wire.FRAME, wire.PROMPTS, wire.TRACK])
def test_the_engines_refusal_is_shown(host: Starter, runtime: Path, kind: int) -> None:
    with FakeEngine(runtime) as engine, host() as h:
        engine.on[kind] = lambda line, req, _: line.send(
            wire.ERROR, req, {"code": "prompt", "message": "this is why"}
        )
        h.source(clip(2))
        point(h, 1, 25, 10)
        press(h, "trackBoth", time=0)
        assert h.text("status") == "this is why"
        assert h.report()["messages"] == 1
        # What was made before the pass failed is to be seen.
        assert h.ask("get", param="refresh")["value"][0] == (kind == wire.TRACK)


@pytest.mark.parametrize("kind", [wire.FRAME, wire.PROMPTS, wire.TRACK])
def test_the_engine_dies_during_a_pass(host: Starter, runtime: Path, kind: int) -> None:
    with FakeEngine(runtime) as engine, host() as h:
        engine.on[kind] = lambda *_: engine.kill()
        h.source(clip(2))
        point(h, 1, 25, 10)
        press(h, "trackBoth", time=0)
        assert "broke off" in h.text("status")
        assert h.report()["messages"] == 1
        assert h.report()["progress_ends"] == 1


def test_separate_from_copies(host: Starter) -> None:
    with host() as h:
        h.set("session", SESSION)
        press(h, "newSession")
        assert h.text("session") not in ("", SESSION)


def test_a_clip_of_unknown_length(host: Starter, runtime: Path) -> None:
    """Without the clip's own range the timeline's counts; without both the user is told."""
    with FakeEngine(runtime) as engine, host(first=1, last=3) as h:
        h.source(clip(6), range=0)
        point(h, 1, 25, 10)
        press(h, "trackBoth", time=2)
        assert sorted(engine.frames) == [1, 2, 3]
    with FakeEngine(runtime), host(timeline=0) as h:
        h.source(clip(6), range=0)
        point(h, 1, 25, 10)
        press(h, "trackBoth", time=2)
        assert "how long the clip is" in h.text("status")


def test_a_frame_that_the_host_does_not_give(host: Starter, runtime: Path) -> None:
    with FakeEngine(runtime), host(first=0, last=9) as h:
        h.source(clip(6), range=0)
        point(h, 1, 25, 10)
        press(h, "trackBoth", time=2)
        assert h.text("status") == "The host gives no picture of frame 6."


def test_a_picture_that_changes_its_size(host: Starter, runtime: Path) -> None:
    """As behind an animated crop: the frames before would be lost without a word."""
    with FakeEngine(runtime) as engine, host() as h:
        h.source(clip(6), shorter_from=3)
        point(h, 1, 25, 10)
        press(h, "trackBoth", time=0)
        assert h.text("status").startswith("Frame 3 has 50x19 pixels and frame 0 50x20: put the")
        assert sorted(engine.frames) == [0, 1, 2]
        assert not engine.heard(wire.TRACK)
