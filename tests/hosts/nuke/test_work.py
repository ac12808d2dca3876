"""A node's work against real engines: the whole job, faults, and what the artist does meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR
import pytest

from tests.disc import alpha_at, write_frames
from tests.hosts.nuke import engines
from tests.hosts.nuke.double import ROOT, MainThread, Node, node_state, part
from tests.hosts.nuke.engines import FRAMES, SIZE, Held, clip, engine, held, off_the_main_thread, tidy  # noqa: F401
from tests.unit.test_client import PYTHONS
from tests.unit.test_client_lines import Double, write_file

pytestmark = pytest.mark.usefixtures("engine", "off_the_main_thread", "tidy")


def started(clip: str, folder: Path, main: MainThread | None = None, **more: Any) -> tuple[Node, Any]:
    """Return a node and its session."""
    node = Node(main or MainThread(), node_state(clip, 1001, 1000 + FRAMES, str(folder), **more))
    return node, part("session").of(node)


def settings(**more: Any) -> Any:
    """Return settings with the test's tracker and no refiner."""
    return replace(part("model").Settings(), tracker="fake", refiner="none", **more)


def done(node: Node, session: Any) -> list[str]:
    """Wait until the session's work ended and return what it said."""
    node.main.pump(lambda: not session.busy)
    return list(session.status.lines)


def reached(node: Node, session: Any, frame: int) -> None:
    """Wait until the session worked on a frame."""
    node.main.pump(lambda: (session.status.progress.frame or 0) >= frame)


def test_from_a_box_to_a_delivered_sequence(clip: str, tmp_path: Path) -> None:
    node, session = started(clip, tmp_path)
    assert session.matte()
    lines = done(node, session)
    assert not session.status.bad, lines
    assert lines[:2] == ["plate_subject.####.exr is loaded", "no frame is in doubt"]
    (result,) = node.delivered
    assert (result.first, result.last, result.padding) == (1001, 1006, 4)
    assert result.shot == node.state.settings.shot == str(tmp_path / "trackmatte" / "plate.shot.json")
    channels = OpenEXR.File(result.target.replace("####", "1003")).channels()
    alpha = channels["RGBA"].pixels[..., 3]
    assert abs(alpha - alpha_at(2, SIZE)).mean() < 0.02
    # The second time there is nothing to compute, and the same shot is used.
    node.delivered.clear()
    assert session.matte()
    done(node, session)
    assert [r.target for r in node.delivered] == [result.target]
    assert len(list((tmp_path / "trackmatte").glob("*.shot.json"))) == 1


@pytest.mark.parametrize("python", [p for p in PYTHONS if p.endswith("3.7")])
def test_the_same_in_the_python_of_the_host(python: str, clip: str, tmp_path: Path) -> None:
    double = ROOT / "tests" / "hosts" / "nuke" / "double.py"
    finished = subprocess.run(
        [python, "-B", "-W", "error", "-S", double, clip, "1001", "1006", tmp_path],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert finished.stdout.startswith("False ("), finished.stdout + finished.stderr
    assert "plate_subject.####.exr" in finished.stdout
    assert finished.stderr == ""


def test_doubtful_frames_say_why(tmp_path: Path) -> None:
    pattern = write_frames(tmp_path / "cut", FRAMES, SIZE)
    for number in range(1004, 1007):  # the subject is gone
        cv2.imwrite(str(pattern).replace("####", str(number)), np.zeros((SIZE[1], SIZE[0], 3), np.uint8))
    node, session = started(str(pattern), tmp_path)
    session.track()
    lines = done(node, session)
    assert session.places, lines
    assert [s for s in lines if " you: see Doubtful frames" in s]
    assert {p.object for p in session.places} == {"subject"}
    assert all(1001 <= p.first <= p.frame <= p.last <= 1006 and p.reasons for p in session.places)
    assert max(p.last for p in session.places) == 1006
    before, session.places = session.places, None
    assert session.find_places()
    done(node, session)
    assert session.places == before


def test_points_are_what_the_node_says(clip: str, tmp_path: Path) -> None:
    model = part("model")
    node, session = started(clip, tmp_path, settings=settings(folder=str(tmp_path)))
    session.track()
    done(node, session)
    node.change(boxes=(), points=(model.Point("p", "subject", 1002, 0.4, 0.5),))
    session.track()
    done(node, session)
    said = [(s.frame, s.object, s.points, s.box) for s in session.shot.prompts]
    assert said == [(1002, "subject", ((0.4, 0.5, 1),), None)]
    node.change(range=(1002, 1004))
    session.track("forward")
    done(node, session)
    assert tuple(session.shot.range) == (1002, 1004)


def test_a_name_that_is_no_tracker_costs_no_shot(clip: str, tmp_path: Path) -> None:
    node, session = started(clip, tmp_path, settings=settings(folder=str(tmp_path)))
    session.track()
    assert "tracked" in done(node, session)
    shot, before = node.state.settings, Path(node.state.settings.shot).read_bytes()
    node.change(settings=replace(shot, tracker="sam9"))
    session.track()
    assert done(node, session)[0].startswith("no tracker is called 'sam9'; there are: ")
    assert Path(shot.shot).read_bytes() == before
    node.change(settings=shot)
    session.track()
    lines = done(node, session)
    assert "tracked" in lines
    assert not [s for s in lines if "new shot" in s]
    assert node.state.settings.shot == shot.shot


def test_a_handle_moved_on_a_frame_without_a_clip_is_left_out(clip: str, tmp_path: Path) -> None:
    model = part("model")
    there = model.Clip(clip, 1001, 1006, -1000)
    stray = model.Point("p1@-99", "subject", 901, 0.4, 0.5)
    node, session = started(clip, tmp_path, settings=settings(folder=str(tmp_path)), points=(stray,))
    node.change(clip=there)
    session.track()
    lines = done(node, session)
    said = "subject: what is said on frame -99 is left out, the clip is there from 1 to 6"
    assert "tracked" in lines
    assert said in lines
    assert [s.frame for s in session.shot.prompts] == [1001]
    node.change(boxes=())
    session.track()
    lines = done(node, session)
    assert session.status.bad
    assert lines[0].startswith("click on the subject first")
    assert said in lines


def test_stop_keeps_what_is_finished(clip: str, held: Held, tmp_path: Path) -> None:
    node, session = started(clip, tmp_path, settings=settings(folder=str(tmp_path)))
    assert session.track()
    assert not session.track(), "one thing at a time"
    reached(node, session, 1003)
    assert [s for s in node.said if "tracking" in s and " fps" in s], node.said
    session.stop()
    held.release()
    assert session.status.text() == "Track: stopping after the frame in hand"
    assert done(node, session) == ["Track stopped; what is finished is kept"]
    assert not session.status.bad
    session.track()
    assert "tracked" in done(node, session)


def test_an_engine_killed_mid_track_is_started_again(
    engine: Path, clip: str, held: Held, tmp_path: Path
) -> None:
    node, session = started(clip, tmp_path, settings=settings(folder=str(tmp_path)))
    session.track()
    reached(node, session, 1003)
    first = engines.process(engine)
    engines.ended(engine, signal.SIGKILL)
    held.release()
    assert "tracked" in done(node, session)
    assert "Track: the engine died: starting it again" in node.said
    assert engines.process(engine) != first
    (subject,) = session.shot.objects
    assert subject.tracked == ((1001, 1006),)


@pytest.mark.usefixtures("held")
def test_an_engine_that_cannot_come_back_is_one_sentence(
    engine: Path, clip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, session = started(clip, tmp_path, settings=settings(folder=str(tmp_path)))
    session.track()
    reached(node, session, 1002)
    monkeypatch.setenv("TRACKMATTE_PYTHON", str(tmp_path / "engine-python"))
    engines.ended(engine, signal.SIGKILL)
    lines = done(node, session)
    assert session.status.bad
    assert lines == [
        f"TRACKMATTE_PYTHON names {tmp_path / 'engine-python'}, which is not there; install Trackmatte again "
        "and run once: trackmatte serve --record"
    ]


@pytest.mark.parametrize(
    ("engine", "sentence"),
    [
        ("/nowhere/python", "/nowhere/python is not there or cannot be run; press Find"),
        ("C:\\no where\\python.exe", "python.exe is not there or cannot be run; press Find"),
        (sys.executable, "the engine ended at once"),
    ],
)
def test_no_engine_is_one_sentence(
    engine: str, sentence: str, clip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKMATTE_RUNTIME", str(tmp_path / "run"))
    chosen = part("model").Settings(engine=engine, folder=str(tmp_path))
    if engine == sys.executable:  # a Python without Trackmatte
        chosen = replace(chosen, engine=str(tmp_path / "python"))
        (tmp_path / "python").write_text("#!/bin/sh\necho no module named trackmatte\nexit 1\n")
        (tmp_path / "python").chmod(0o755)
    node, session = started(clip, tmp_path, settings=chosen)
    session.track()
    (line,) = done(node, session)
    assert sentence in line
    assert session.status.bad
    assert not (tmp_path / "trackmatte").exists()


@pytest.mark.parametrize(
    ("protocol", "sentence"),
    [(0, "update the engine: pip install --upgrade trackmatte"), (99, "update the plug-in")],
)
def test_another_version_is_one_sentence(
    protocol: int, sentence: str, clip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Double()
    old.hello(protocol=protocol)
    write_file(tmp_path, monkeypatch, port=old.client.address.port, token="t", pid=os.getpid())
    node, session = started(clip, tmp_path)
    session.track()
    (line,) = done(node, session)
    old.close()
    assert line.endswith(sentence)
    assert session.status.bad


def test_what_the_artist_changes_meanwhile_is_said(clip: str, held: Held, tmp_path: Path) -> None:
    node, session = started(clip, tmp_path, settings=settings(folder=str(tmp_path)))
    session.track()
    reached(node, session, 1002)
    node.set_point(part("model").Point("", "subject", 1005, 0.4, 0.5))
    held.release()
    lines = done(node, session)
    assert "points or in and out changed meanwhile: run it again to take them in" in lines
    assert not session.status.bad
    session.track()
    assert not [s for s in done(node, session) if "meanwhile" in s]


def test_two_nodes_on_one_clip_have_a_shot_each(clip: str, tmp_path: Path) -> None:
    main = MainThread()
    chosen = settings(folder=str(tmp_path))
    pair = [started(clip, tmp_path, main, settings=chosen) for _ in range(2)]
    for _, session in pair:
        session.track()
    for node, session in pair:
        assert "tracked" in done(node, session)
    shots = {node.state.settings.shot for node, _ in pair}
    assert shots == {str(tmp_path / "trackmatte" / f"plate{n}.shot.json") for n in ("", "-2")}
    # A copy of the first node has its shot in its settings, and begins another.
    copy, session = started(clip, tmp_path, main, settings=pair[0][0].state.settings)
    session.track()
    lines = done(copy, session)
    assert any("a new shot was begun, since another one works on" in s for s in lines)
    assert copy.state.settings.shot == str(tmp_path / "trackmatte" / "plate-3.shot.json")


@pytest.mark.parametrize("how", ["deleted", "closed"])
def test_a_node_that_goes_while_a_job_runs(how: str, clip: str, held: Held, tmp_path: Path) -> None:
    node, session = started(clip, tmp_path, settings=settings(folder=str(tmp_path)))
    session.track()
    reached(node, session, 1002)
    if how == "deleted":
        node.deleted = True
    else:
        session.close()
    held.release()
    said = list(node.said)
    engines.wait_for(lambda: not engines.threads())
    while not node.main.queue.empty():
        node.main.queue.get()()
    assert node.said == said
    part("session").close_all()


def test_nothing_connected_and_nothing_clicked(clip: str, tmp_path: Path) -> None:
    node, session = started(clip, tmp_path, settings=settings(folder=str(tmp_path)), boxes=())
    session.track()
    assert done(node, session)[0].startswith("click on the subject first")
    node.change(clip=None, problem="connect a Read node")
    assert not session.track()
    assert session.status.lines == ("connect a Read node",)
    node.change(clip=part("model").Clip("/nowhere/a.####.exr", 1, 2))
    session.track()
    assert "/nowhere/a.####.exr" in done(node, session)[0]
    assert session.status.bad


def test_a_node_that_cannot_take_the_result(clip: str, tmp_path: Path) -> None:
    node, session = started(clip, tmp_path, settings=settings(folder=str(tmp_path)))

    def refuse(_: Any) -> Any:
        raise RuntimeError("the script is locked")

    deliver: Callable[[Any], list[str]] = refuse
    node.deliver = deliver  # type: ignore[method-assign]
    session.matte()
    assert done(node, session) == ["the result could not be brought into the script: the script is locked"]
    assert session.status.bad


def test_pictures_of_the_newest_wish(engine: Path, clip: str, tmp_path: Path) -> None:
    main, pictures = MainThread(), part("pictures")
    looks: list[Any] = []
    fetch = pictures.Pictures(main.post, looks.append)
    engines.ended(engine)
    fetch.wish(pictures.Wish("/nowhere.shot.json", 1001, "subject"))
    main.pump(lambda: looks)
    assert not looks[0].plate
    assert not looks.pop().problem
    assert not (engine / "engine.json").exists(), "looking starts no engine"
    node, session = started(clip, tmp_path, main, settings=settings(folder=str(tmp_path)))
    session.matte()
    done(node, session)
    shot = node.state.settings.shot
    for frame in range(1001, 1007):
        fetch.wish(pictures.Wish(shot, frame, "subject"))
    main.pump(lambda: looks and looks[-1].wish.frame == 1006)
    assert len(looks) < 6, "wishes that were not begun are forgotten"
    assert looks[-1].plate.startswith(b"\xff\xd8")
    assert looks[-1].mask.startswith(b"\x89PNG")
    assert looks[-1].matte.startswith(b"\x89PNG")
    assert looks[-1].places == ()
    # A shot of which nothing was tracked yet: what the prompt would select is shown.
    other, session = started(clip, tmp_path, main, settings=settings(folder=str(tmp_path / "other")))
    session.find_places()
    assert done(other, session)[0].endswith("has no masks to judge yet; track it first")
    said = part("work").gathered(other.state)["subject", 1001]
    fetch.wish(pictures.Wish(other.state.settings.shot, 1001, "subject", said, "panel"))
    main.pump(lambda: looks[-1].wish.prompt)
    assert looks[-1].plate.startswith(b"\xff\xd8")
    assert looks[-1].mask.startswith(b"\x89PNG")
    assert (looks[-1].matte, looks[-1].places, looks[-1].problem) == (b"", None, "")
    # A frame that the clip lacks, and an engine that died.
    fetch.wish(pictures.Wish(shot, 4000, "subject"))
    main.pump(lambda: looks[-1].wish.frame == 4000)
    assert not looks[-1].plate
    engines.ended(engine, signal.SIGKILL)
    fetch.wish(pictures.Wish(shot, 1001, "subject"))
    main.pump(lambda: looks[-1].wish.frame == 1001)
    assert not looks[-1].plate
    assert not looks[-1].problem
    fetch.close()
    fetch.wish(pictures.Wish(shot, 1002, "subject"))
    assert fetch.wait(60)
