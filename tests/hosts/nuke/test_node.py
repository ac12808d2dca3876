"""The node: prompts in knobs, what is upstream, frames and pixels in two ways of counting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.nuke.conftest import Nuke

Plate = Callable[..., str]


def ready(running: Nuke, plate: Plate, **knobs: Any) -> tuple[Any, Any, Any]:
    """Return a Read, a Trackmatte node behind it, and what stands for it."""
    read = running.read(plate(), 1001, 1004, **knobs)
    node = running.node(read)
    return read, node, running.of(node)


def test_a_new_node_says_what_it_works_on(running: Nuke, plate: Plate, tmp_path: Path) -> None:
    _, _, at = ready(running, plate)
    state = at.read()
    assert (state.name, state.problem, state.range) == ("Trackmatte", "", None)
    assert (state.clip.path, state.clip.first, state.clip.last) == (f"{tmp_path}/plate.####.exr", 1001, 1004)
    assert (state.clip.offset, state.clip.notes) == (0, ())
    assert (state.objects, state.selected) == (("subject",), "subject")
    assert state.settings.folder == str(tmp_path)
    assert (state.settings.tracker, state.settings.preset) == ("auto", "matte")


def test_points_are_normalised_from_the_top_left_and_keyed(running: Nuke, plate: Plate) -> None:
    m = running.module("model")
    _, node, at = ready(running, plate)
    at.set_point(m.Point("", "subject", 1001, 0.25, 0.1))
    at.set_point(m.Point("", "subject", 1001, 0.75, 0.9, subject=False))
    at.set_point(m.Point("", "subject", 1003, 0.5, 0.5))
    # The plate is 40x20 and Nuke counts from the bottom left.
    assert [node["p1"].getValueAt(1001, i) for i in (0, 1)] == [10, 18]
    assert [node["p2"].getValueAt(1001, i) for i in (0, 1)] == pytest.approx([30, 2])
    assert node["p1"].getKeyList() == [1001, 1003]
    assert node.knob("p3") is None
    have = [(p.key, p.frame, round(p.x, 6), round(p.y, 6), p.subject) for p in at.read().points]
    assert have == [
        ("p1@1001", 1001, 0.25, 0.1, True),
        ("p1@1003", 1003, 0.5, 0.5, True),
        ("p2@1001", 1001, 0.75, 0.9, False),
    ]
    assert [n for n, _ in running.state.undo] == ["Trackmatte point"] * 3


def test_dragging_a_handle_on_another_frame_is_a_prompt_there(running: Nuke, plate: Plate) -> None:
    m = running.module("model")
    _, node, at = ready(running, plate)
    at.set_point(m.Point("", "subject", 1001, 0.25, 0.1, subject=False))
    running.nuke.frame(1004)
    node["p1"].setValue(4.0, 0)  # as a drag does: the knob is animated, so it makes keys
    node["p1"].setValue(15.0, 1)
    last = at.read().points[-1]
    assert (last.key, last.frame, last.x, last.y, last.subject) == ("p1@1004", 1004, 0.1, 0.25, False)
    node["p1_kind"].setValueAt(0, 1004)
    assert [p.frame for p in at.read().points] == [1001]


def test_a_kind_holds_until_its_next_key(running: Nuke, plate: Plate) -> None:
    """What lies between two keys of the menu is the first of them, never a mean of both."""
    m = running.module("model")
    _, node, at = ready(running, plate)
    at.set_point(m.Point("", "subject", 1001, 0.25, 0.1))
    running.nuke.frame(1002)
    node["p1"].setValue([4.0, 15.0])  # dragged
    node["p1_kind"].setValueAt(0, 1004)
    assert [(p.frame, p.subject) for p in at.read().points] == [(1001, True), (1002, True)]
    node["p1_kind"].setValueAt(0, 1001)
    node["p1_kind"].setValueAt(2, 1003)  # off, then background: in the middle there is no subject
    assert at.read().points == ()


def test_what_is_dragged_stays_when_the_key_before_it_goes_or_turns(running: Nuke, plate: Plate) -> None:
    m = running.module("model")
    _, node, at = ready(running, plate)
    at.set_point(m.Point("", "subject", 1001, 0.25, 0.1))
    running.nuke.frame(1003)
    node["p1"].setValue([4.0, 15.0])
    at.set_point(m.Point("p1@1001", "subject", 1001, 0.25, 0.1, subject=False))
    assert [(p.key, p.subject) for p in at.read().points] == [("p1@1001", False), ("p1@1003", True)]
    at.remove_point("p1@1001")
    assert [(p.key, p.subject) for p in at.read().points] == [("p1@1003", True)]


def test_a_background_point_takes_no_handle_of_the_subject(running: Nuke, plate: Plate) -> None:
    _, node, at = ready(running, plate)
    for frame, button in ((1001, "add_point"), (1003, "add_background"), (1004, "add_background")):
        running.nuke.frame(frame)
        node[button].execute()
    have = [(p.key, p.subject) for p in at.read().points]
    assert have == [("p1@1001", True), ("p2@1003", False), ("p2@1004", False)]
    at.remove_point("p1@1001")
    running.nuke.frame(1002)
    node["add_background"].execute()
    assert at.read().points[0].key == "p1@1002", "a handle that says nothing is free for anything"


def test_nothing_is_said_where_there_is_no_clip(running: Nuke, plate: Plate) -> None:
    """A new script stands on frame 1, and plates begin with 1001."""
    _, node, at = ready(running, plate, frame_mode="start at", frame="101")
    for button in ("add_point", "add_background", "add_box"):
        node[button].execute()
        assert running.state.messages.pop() == (
            "frame 1 is not in the clip, which is there from 101 to 104: go to one of its frames first"
        )
    assert (at.read().points, at.read().boxes, node.knob("p1"), running.state.undo) == ((), (), None, [])
    running.nuke.frame(104)
    node["add_point"].execute()
    assert [p.frame for p in at.read().points] == [1004]


def test_points_change_move_and_go(running: Nuke, plate: Plate) -> None:
    m = running.module("model")
    _, _, at = ready(running, plate)
    at.set_point(m.Point("", "subject", 1001, 0.25, 0.1))
    at.set_point(m.Point("p1@1001", "subject", 1001, 0.5, 0.1, subject=False))
    (one,) = at.read().points
    assert (one.x, one.subject) == (0.5, False)
    at.set_point(m.Point("p1@1001", "subject", 1002, 0.5, 0.1))
    assert [(p.key, p.subject) for p in at.read().points] == [("p1@1002", True)]
    at.remove_point("p1@1002")
    at.remove_point("p9@1002")
    at.remove_point("nonsense")
    assert at.read().points == ()


def test_objects_have_points_of_their_own(running: Nuke, plate: Plate) -> None:
    m = running.module("model")
    _, node, at = ready(running, plate)
    at.select_object("the dog")
    at.set_point(m.Point("", "subject", 1001, 0.2, 0.2))
    at.set_point(m.Point("", "the_dog", 1001, 0.4, 0.4))
    at.set_point(m.Point("", "subject", 1002, 0.3, 0.3))
    state = at.read()
    assert (state.objects, state.selected) == (("subject", "the_dog"), "the_dog")
    assert [(p.object, p.key) for p in state.points] == [
        ("subject", "p1@1001"), ("subject", "p1@1002"), ("the_dog", "p2@1001")
    ]  # fmt: skip
    node["objects"].setValue("hero, hero")
    assert at.read().objects == ("hero", "subject", "the_dog")


def test_boxes(running: Nuke, plate: Plate) -> None:
    m = running.module("model")
    _, node, at = ready(running, plate)
    at.set_box(m.Box("", "subject", 1001, 0.25, 0.1, 0.75, 0.9))
    at.set_box(m.Box("", "subject", 1003, 0.0, 0.0, 0.5, 0.5))
    assert [node["box1"].getValueAt(1001, i) for i in range(4)] == pytest.approx([10, 2, 30, 18])
    boxes = at.read().boxes
    assert [(b.key, b.frame) for b in boxes] == [("box1@1001", 1001), ("box1@1003", 1003)]
    assert (boxes[0].left, boxes[0].top, boxes[0].right, boxes[0].bottom) == pytest.approx(
        (0.25, 0.1, 0.75, 0.9)
    )
    # Turned inside out by dragging a corner past the other.
    node["box1"].setValueAt(35.0, 1001, 0)
    assert at.read().boxes[0].left == pytest.approx(0.75)
    at.remove_point("box1@1001")
    assert [b.frame for b in at.read().boxes] == [1003]


@pytest.mark.parametrize(
    ("mode", "frame", "offset"),
    [
        ("start at", "1", -1000),
        ("offset", "99", 99),
        ("expression", "frame+1000", -1000),
        ("expression", "frame", 0),
    ],
)
def test_timelines_and_source_numbers(
    running: Nuke, plate: Plate, mode: str, frame: str, offset: int
) -> None:
    m = running.module("model")
    _, node, at = ready(running, plate, frame_mode=mode, frame=frame)
    assert at.read().clip.offset == offset
    at.set_point(m.Point("", "subject", 1003, 0.5, 0.5))
    assert node["p1"].getKeyList() == [1003 + offset]
    assert at.read().points[0].frame == 1003
    node["use_range"].setValue(True)
    node["first"].setValue(1002 + offset)
    node["last"].setValue(1003 + offset)
    assert at.read().range == (1002, 1003)
    at.go_to(1002)
    assert running.nuke.frame() == 1002 + offset
    assert at.read().frame == 1002


def test_a_movie_counts_from_one_in_nuke_and_from_zero_in_the_engine(
    running: Nuke, movies: Callable[[str], Path]
) -> None:
    path = movies("h264.mp4")
    at = running.of(running.node(running.read(str(path), 1, 24)))
    clip = at.read().clip
    assert (clip.path, clip.first, clip.last, clip.offset) == (str(path), 0, 23, 1)
    assert clip.timeline(0) == 1


def test_what_lies_between_is_followed_or_said(running: Nuke, plate: Plate) -> None:
    n = running.nuke.nodes
    read, node, at = ready(running, plate)
    dot, grade, later = n.Dot(), n.Grade(), n.TimeOffset()
    for below, above in ((dot, read), (grade, dot), (later, grade), (node, later)):
        below.setInput(0, above)
    later["time_offset"].setValue(10)
    clip = at.read().clip
    assert clip.offset == 10
    assert clip.notes == (
        "TimeOffset1 moves time by 10 frames: followed",
        "Grade1 is not seen by the engine, which works on the file",
    )
    later["reverse_input"].setValue(True)
    reads = running.module("reads")
    with pytest.raises(reads.NotFollowed, match="TimeOffset1 is animated, broken or reversed"):
        reads.find(node)
    assert at.read().problem.endswith("set the script's frame range, or in / out")
    later["disable"].setValue(True)
    grade["disable"].setValue(True)
    assert (at.read().clip.offset, at.read().clip.notes) == (0, ())
    running.nuke.root()["proxy"].setValue(True)
    assert "proxy mode is on: the engine works on the full file" in at.read().clip.notes


def test_a_trimmed_read_is_in_and_out(running: Nuke, plate: Plate) -> None:
    read, _, at = ready(running, plate, origset=True)
    assert at.read().range is None
    read["first"].setValue(1002)
    assert at.read().range == (1002, 1004)


def test_expressions_in_a_file_name_are_nukes_to_evaluate(
    running: Nuke, plate: Plate, tmp_path: Path
) -> None:
    read, _, at = ready(running, plate)
    read["file"].setValue("[value root.project_directory]/plate.%04d.exr")
    running.state.tcl_answers["[value root.project_directory]"] = str(tmp_path)
    assert at.read().clip.path == f"{tmp_path}/plate.####.exr"


@pytest.mark.parametrize(
    ("knobs", "problem"),
    [
        ({"disable": True}, "Read1 is disabled"),
        ({"file": ""}, "Read1 has no file"),
        ({"file": "/p/still.exr", "last": 1001}, "a still"),
    ],
)
def test_what_cannot_be_a_clip_is_a_problem(
    running: Nuke, plate: Plate, knobs: dict[str, Any], problem: str
) -> None:
    read, _, at = ready(running, plate)
    for name, value in knobs.items():
        read[name].setValue(value)
    state = at.read()
    assert state.clip is None
    assert problem in state.problem
    with pytest.raises(running.module("model").NodeError, match=problem):
        at.ready()


def test_nothing_connected(running: Nuke) -> None:
    at = running.of(running.node())
    assert at.read().problem == "nothing is connected to Trackmatte: connect the plate"


def test_settings_are_kept_and_only_what_changed_is_touched(running: Nuke, plate: Plate) -> None:
    from dataclasses import replace

    _, node, at = ready(running, plate)
    at.set_settings(replace(at.read().settings, tracker="flow", preset="cutout"))
    assert (node["tracker"].value(), node["preset"].value(), node["folder"].value()) == ("flow", "cutout", "")
    assert len(running.state.undo) == 1
    at.set_settings(replace(at.read().settings, shot="/s/hero.shot.json"))
    assert node["shot"].value() == "/s/hero.shot.json"
    assert (len(running.state.undo), running.state.loose) == (1, running.state.loose)


def test_a_deleted_node_is_known_to_be_gone(running: Nuke, plate: Plate) -> None:
    _, node, at = ready(running, plate)
    other = running.of(running.node())
    assert at.alive()
    assert running.of(node) is at
    running.nuke.delete(node)
    assert (at.alive(), other.alive()) == (False, True)


def test_nothing_of_a_node_is_touched_off_the_main_thread(running: Nuke, plate: Plate) -> None:
    import threading

    from tests.hosts.nuke import fake_nuke

    _, _, at = ready(running, plate)
    seen: list[Any] = []

    def work() -> None:
        seen.append(at.alive())
        at.on_main_thread(lambda: seen.append(threading.current_thread()))
        try:
            at.read()
        except fake_nuke.WrongThread as e:
            seen.append(e)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen[0] is True
    assert isinstance(seen[1], fake_nuke.WrongThread)
    fake_nuke.pump(lambda: len(seen) == 3)
    assert seen[2] is threading.main_thread()
