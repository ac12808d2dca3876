"""Buttons, menus, starts that must not fail, and rendering where no Read can be followed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
import pytest

from tests.hosts.nuke import evaluator, fake_nuke, nk
from tests.hosts.nuke.conftest import Nuke, starting
from tests.hosts.nuke.stage import Stage

Plate = Callable[..., str]


def test_menus_make_a_node_and_reach_the_selected_one(running: Nuke) -> None:
    menus = running.state.menus
    menus["Nodes"].findItem("Trackmatte").findItem("Trackmatte").invoke()
    (node,) = running.nuke.allNodes()
    assert running.module("knobs").is_ours(node)
    tools = menus["Nuke"].findItem("Trackmatte")
    assert set(tools.children) == {
        "Open Panel",
        "Cut-out",
        "Blur Background",
        "Despill",
        "Layers",
        "Self-test",
    }
    tools.findItem("Cut-out").invoke()
    assert running.state.messages == ["there are no mattes yet: press Matte"]
    node["selected"].setValue(False)
    tools.findItem("Cut-out").invoke()
    assert running.state.messages[1:] == ["Select a Trackmatte node first."]
    assert "Trackmatte" in menus["Pane"].children


def test_buttons_add_handles_where_the_artist_is(running: Nuke, plate: Plate) -> None:
    node = running.node(running.read(plate(), 1001, 1004))
    running.nuke.frame(1002)
    for button in ("add_point", "add_background", "add_box"):
        node[button].execute()
    state = running.of(node).read()
    assert [(p.frame, p.x, p.y, p.subject) for p in state.points] == [
        (1002, 0.5, 0.5, True), (1002, pytest.approx(0.54), 0.5, False)
    ]  # fmt: skip
    assert [(b.frame, b.left, b.bottom) for b in state.boxes] == [(1002, 0.25, 0.75)]
    node["stop"].execute()
    assert running.state.messages == []


def test_every_button_does_something(running: Nuke) -> None:
    node = running.node()
    buttons = [k for k in node.knobs().values() if k.Class() == "PyScript_Knob"]
    commands = running.module("commands")
    assert len(buttons) == 11
    for button in buttons:
        assert callable(getattr(commands, button.name()))
        assert f"t.{button.name()}()" in button.value()


def test_buttons_make_nothing_inside_of_the_node(stage: Stage) -> None:
    """Whether Nuke runs a group's button inside of the group or beside it."""
    node, nuke = stage.node, stage.running.nuke
    nuke.frame(1001)
    stage.deliver("matte", "cutout", "multi")
    inside, seen = [n.name() for n in node.nodes()], []
    for button in ("add_point", "add_background", "add_box", "cutout", "blur", "despill", "layers"):
        with node:
            node[button].execute()
        seen.append(len(nuke.allNodes()))
    assert [n.name() for n in node.nodes()] == inside
    assert seen[2] < seen[3] < seen[4] < seen[5] < seen[6]
    assert stage.running.state.messages == []


def test_track_without_a_clip_says_so(running: Nuke) -> None:
    node = running.node()
    node["track"].execute()
    assert running.state.messages == ["nothing is connected to Trackmatte: connect the plate"]


@pytest.mark.parametrize("gui", [True, False])
@pytest.mark.parametrize("version", ["13.2v9", "15.1v2", "17.0v1"])
def test_nuke_starts(folder: Path, version: str, *, gui: bool) -> None:
    with starting(folder, gui=gui, version=version) as running:
        assert running.state.plugin_paths == [str(folder / "Cattery" / "Trackmatte")]
        # A farm has imported nothing of ours, and so started nothing.
        assert ("trackmatte_nuke" in sys.modules) is gui
        assert "trackmatte_nuke.panel" not in sys.modules


def test_a_broken_package_does_not_keep_nuke_from_starting(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_: str) -> Any:
        raise RuntimeError("no menus today")

    with fake_nuke.started() as state:
        monkeypatch.setattr(sys.modules["nuke"], "menu", fails)
        monkeypatch.setattr(sys.modules["nuke"], "pluginAddPath", fails)
        for name in ("init.py", "menu.py"):
            exec(compile((folder / name).read_text(), name, "exec"), {"__file__": str(folder / name)})
        assert state.plugin_paths == []
    said = capsys.readouterr()
    assert said.out.count("Nuke goes on without it") == 2
    assert said.err.count("RuntimeError: no menus today") == 2


def test_what_cannot_be_followed_is_rendered_once(running: Nuke, plate: Plate, tmp_path: Path) -> None:
    n = running.nuke.nodes
    read = running.read(plate(), 1001, 1004)
    held = n.FrameHold()
    held.setInput(0, read)
    moved = n.TimeOffset()
    moved.setInput(0, read)
    node = running.node(held)
    node["folder"].setValue(str(tmp_path / "work"))
    at = running.of(node)
    running.nuke.root()["first_frame"].setValue(1001)
    running.nuke.root()["last_frame"].setValue(1050)
    state = at.read()
    assert state.problem == ""
    assert state.clip.notes == (
        "FrameHold1 (FrameHold) is between the plate and Trackmatte", "the input will be rendered first"
    )  # fmt: skip
    assert not (tmp_path / "work").exists()
    node.setInput(0, moved)
    node["source"].setValue("render")
    steps, nodes = len(running.state.undo), len(running.nuke.allNodes())
    clip = at.ready().clip
    assert running.state.executed == [("Write1", 1001, 1004)]
    assert (clip.first, clip.last, clip.offset) == (1001, 1004, 0)
    assert clip.notes == ("the node says so", "the input was rendered for the engine")
    assert (len(running.state.undo), len(running.nuke.allNodes())) == (steps, nodes)
    shown = oiio.ImageInput.open(clip.path.replace("####", "1003")).read_image(0, 0, 0, 3, oiio.FLOAT)
    graph = nk.parse(fake_nuke.script.write(running.nuke.root()))
    np.testing.assert_allclose(shown, evaluator.evaluate(graph, "Read1", 1003).rgb(), atol=1e-3)
    running.nuke.frame(1003)  # which changes every hash of one frame that Nuke has
    at.ready()
    assert len(running.state.executed) == 1
    assert at.read().clip.notes == ("the node says so", "the rendered input is used")
    assert at.read().clip.path == clip.path
    read["label"].setValue("")
    moved.setName("Later")
    moved.setXYpos(7, 7)
    at.ready()
    assert len(running.state.executed) == 1, "names and places change no picture"
    # A change upstream is another clip: a shot is about the pixels that it was begun on.
    moved["time_offset"].setValue(1)
    assert at.ready().clip.path != clip.path
    assert running.state.executed[1] == ("Write1", 1002, 1005)
    # A file that went is made again.
    Path(at.read().clip.path.replace("####", "1003")).unlink()
    at.ready()
    assert len(running.state.executed) == 3


def test_in_and_out_are_what_is_rendered(running: Nuke, plate: Plate) -> None:
    node = running.node(running.read(plate(), 1001, 1004))
    for name, value in (("source", "render"), ("use_range", True), ("first", 1002), ("last", 1003)):
        node[name].setValue(value)
    clip = running.of(node).ready().clip
    assert (clip.first, clip.last, running.state.executed) == (1002, 1003, [("Write1", 1002, 1003)])


def test_a_rendering_can_be_stopped_and_needs_the_full_size(running: Nuke, plate: Plate) -> None:
    m = running.module("model")
    running.nuke.root()["last_frame"].setValue(2000)
    node = running.node(running.read(plate(), 1001, 1004))
    node["source"].setValue("render")
    at = running.of(node)
    running.state.interrupt_after = 2
    before = len(running.nuke.allNodes())
    with pytest.raises(m.NodeError, match="Read1 could not be rendered: Cancelled"):
        at.ready()
    assert len(running.nuke.allNodes()) == before
    assert node["rendered"].value() == ""
    running.nuke.root()["proxy"].setValue(True)
    with pytest.raises(m.NodeError, match="proxy mode is on"):
        at.ready()


def test_the_read_alone_is_taken_where_the_node_says_so(running: Nuke, plate: Plate) -> None:
    held = running.nuke.nodes.FrameHold()
    held.setInput(0, running.read(plate(), 1001, 1004))
    node = running.node(held)
    node["source"].setValue("read")
    assert "FrameHold1" in running.of(node).read().problem


def test_a_read_whose_timing_nuke_sees_otherwise_is_not_trusted(
    running: Nuke, plate: Plate, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.hosts.nuke.fake_nuke import media

    reads = running.module("reads")
    read = running.read(plate(), 1001, 1004, frame_mode="offset", frame="10")
    assert reads.timeline_offset(read) == 10
    monkeypatch.setattr(media, "number_shift", lambda _: 10)  # a Nuke whose offset works the other way
    with pytest.raises(
        reads.NotFollowed, match="begins on frame 991 of the timeline, and its knobs say 1011"
    ):
        reads.timeline_offset(read)
    read["frame_mode"].setValue("expression")
    read["frame"].setValue("frame*2")
    with pytest.raises(reads.NotFollowed, match="has the timing 'frame\\*2'"):
        reads.timeline_offset(read)


def test_a_long_chain_is_told_apart_from_another(running: Nuke, plate: Plate) -> None:
    """Deeper than Python's own stack; groups count with what is in them."""
    nuke, digest = running.nuke, running.module("rendering").digest
    chain = [running.read(plate(), 1001, 1004), *(nuke.nodes.Multiply() for _ in range(1100))]
    for i in range(1100, 0, -1):  # from its end: the fake looks for circles upstream
        chain[i].setInput(0, chain[i - 1])
    group = nuke.nodes.Group()
    with group:
        inner = nuke.nodes.Grade()
    group.setInput(0, chain[-1])
    node = running.node(group)
    seen = {digest(node)}
    chain[700]["value"].setValue(0.5)
    seen.add(digest(node))
    inner["multiply"].setValue(2.0)
    seen.add(digest(node))
    nuke.frame(77)
    assert digest(node) in seen
    assert len(seen) == 3


def test_without_qt_there_is_a_sentence_and_a_node_that_works(
    running: Nuke, plate: Plate, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PySide6", "PySide2"):
        monkeypatch.setitem(sys.modules, name, None)
    node = running.node(running.read(plate(), 1001, 1004))
    node["open_panel"].execute()
    (said,) = running.state.messages
    assert said.startswith("the panel needs the PySide that Nuke brings: ")
    assert running.state.opened == []
    running.nuke.frame(1001)
    node["add_point"].execute()
    assert len(running.of(node).read().points) == 1


def test_the_panel_shows_the_node_it_was_asked_for(
    running: Nuke, plate: Plate, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []

    class Panel:
        def __init__(self, find: Callable[[], Any]) -> None:
            self.find = find

        def show_node(self, node: Any) -> None:
            shown.append(node)

        def window(self) -> Any:
            return self

        def raise_(self) -> None:
            shown.append("raised")

    fake = type(sys)("trackmatte_nuke.panel")
    fake.Panel = Panel  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "trackmatte_nuke.panel", fake)
    node = running.node(running.read(plate(), 1001, 1004))
    running.state.panes["Properties.1"] = "the pane"
    node["open_panel"].execute()
    (opened,) = running.state.opened
    assert opened.pane == "the pane"
    assert opened.widget.find() is running.of(node)
    node["selected"].setValue(False)
    assert opened.widget.find() is running.of(node)
    node["open_panel"].execute()
    assert shown == [running.of(node), "raised"]
    assert len(running.state.opened) == 1
    running.nuke.delete(node)
    assert opened.widget.find() is None
