"""What lies upstream of the node: files and their names, times, proxies, and what must be rendered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hosts.nuke.conftest import Nuke
from tests.hosts.nuke.fake_nuke import media
from tests.hosts.nuke.stage import FIRST, LAST, Stage, scene_in
from tests.hosts.nuke.test_node import Plate, ready


def test_a_frame_range_is_in_and_out(running: Nuke, plate: Plate) -> None:
    n = running.nuke.nodes
    read, node, at = ready(running, plate, frame_mode="start at", frame="1")  # frames 1 to 4
    limit, later, outer = n.FrameRange(), n.TimeOffset(), n.FrameRange()
    for below, above in ((limit, read), (later, limit), (outer, later), (node, outer)):
        below.setInput(0, above)
    later["time_offset"].setValue(10)
    for knob, value in (("first_frame", 2), ("last_frame", 50)):
        limit[knob].setValue(value)
    for knob, value in (("first_frame", 1), ("last_frame", 13)):
        outer[knob].setValue(value)
    state = at.read()
    assert (state.clip.offset, state.range) == (-990, (1002, 1003))
    assert "FrameRange1 sets in and out" in state.clip.notes
    outer["last_frame"].setValue(5)
    assert at.read().problem == "a FrameRange lets no frame of Read1 through"
    for each in (limit, outer):
        each["disable"].setValue(True)
    assert at.read().range is None


def test_a_time_offset_that_nuke_sees_otherwise_is_not_trusted(
    running: Nuke, plate: Plate, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, node, _ = ready(running, plate)
    later = running.nuke.nodes.TimeOffset()
    later.setInput(0, read)
    node.setInput(0, later)
    later["time_offset"].setValue(10)
    reads, span = running.module("reads"), media.span_of
    assert reads.find(node).clip.offset == 10

    def other(at: Any) -> tuple[int, int]:
        first, last = span(at)
        return (first - 20, last - 20) if at.kind.name == "TimeOffset" else (first, last)

    monkeypatch.setattr(media, "span_of", other)
    with pytest.raises(reads.NotFollowed, match="moves time by -10 frames, and its knob says 10"):
        reads.find(node)


@pytest.mark.parametrize(
    "kind", ["Retime", "TimeClip", "TimeWarp", "AppendClip", "FrameHold", "Merge2", "Switch", "Reformat"]
)
def test_what_changes_frames_or_places_is_rendered(running: Nuke, plate: Plate, kind: str) -> None:
    read, node, at = ready(running, plate)
    second = running.read(plate(name="other"), 1001, 1004)
    between = getattr(running.nuke.nodes, kind)()
    between.setInput(0, read)
    if between.inputs() > 1:
        between.setInput(1, second)
    node.setInput(0, between)
    running.nuke.root()["last_frame"].setValue(2000)
    clip = at.read().clip
    assert clip.notes[0] == f"{kind}1 ({kind}) is between the plate and Trackmatte"
    assert clip.notes[1] == "the input will be rendered first"


def test_a_trackmatte_node_and_its_matte_upstream_are_no_obstacle(running: Nuke, plate: Plate) -> None:
    m = running.module("model")
    _, first, _ = ready(running, plate)
    path = plate(name="matte").replace("%04d", "####")
    running.of(first).deliver((m.Result("matte", ("hero",), path, 4, ((1001, 1004),), ""),))
    second = running.node(running.nuke.toNode("Trackmatte_alpha"))
    assert running.of(second).read().clip.path == running.of(first).read().clip.path
    # Another's Copy may bring any channel.
    foreign = running.nuke.nodes.Copy()
    foreign.setInput(0, first)
    second.setInput(0, foreign)
    with pytest.raises(running.module("reads").NotFollowed, match="Copy1"):
        running.module("reads").find(second)


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        ("/p/a.%04d.exr", "/p/a.####.exr"),
        ("/p/a.####.exr", "/p/a.####.exr"),
        ("/p/a.%d.exr", "/p/a.#.exr"),
        ("/p/a_%6d.dpx", "/p/a_######.dpx"),
        ("C:/Jobs/Fuchs 狐/a.%04d.exr", "C:/Jobs/Fuchs 狐/a.####.exr"),
        ("//nas/plates/a.%04d.exr", "//nas/plates/a.####.exr"),
        ("/p/100%/a.%04d.exr", "/p/100%/a.####.exr"),
        ("../plates/a.%04d.exr", "/jobs/film/plates/a.####.exr"),
        ("a.%04d.exr", "/jobs/film/nuke/a.####.exr"),
    ],
)
def test_how_paths_are_written(running: Nuke, file: str, shown: str) -> None:
    running.nuke.root()["project_directory"].setValue("[python {nuke.script_directory()}]")
    running.state.tcl_answers["[python {nuke.script_directory()}]"] = "/jobs/film/nuke"
    at = running.of(running.node(running.read(file, 1, 4)))
    assert at.read().clip.path == shown


def test_a_relative_path_without_a_project_directory_is_a_problem(running: Nuke, plate: Plate) -> None:
    at = running.of(running.node(running.read("plates/a.%04d.exr", 1, 4)))
    assert at.read().problem == (
        "Read1 has the relative path plates/a.####.exr: set the project directory in the project's settings"
    )
    _, node, at = ready(running, plate)
    node["folder"].setValue("mattes")
    with pytest.raises(running.module("model").NodeError, match="the knob folder of Trackmatte1 has the"):
        at.ready()
    assert "set the project directory" in at.read().problem
    running.nuke.root()["project_directory"].setValue("C:/jobs")
    assert at.read().settings.folder == "C:/jobs/mattes"


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("/p/%V/a.%04d.exr", "reads a file per view"),
        ("/p/a_%v.%04d.exr", "reads a file per view"),
        ("/p/%04d/a.%04d.exr", "has frame numbers in a folder's name"),
        ("/p/####/a.exr", "has frame numbers in a folder's name"),
        ("/p/A001_C002.R3D", "reads a file that the engine does not know as a clip"),
        ("/p/clip.wmv", "reads a file that the engine does not know as a clip"),
    ],
)
def test_files_that_the_engine_cannot_name_are_rendered(running: Nuke, file: str, why: str) -> None:
    reads = running.module("reads")
    node = running.node(running.read(file, 1, 4))
    with pytest.raises(reads.NotFollowed, match=why):
        reads.find(node)


def test_proxy_mode_moves_no_point(running: Nuke, plate: Plate) -> None:
    m = running.module("model")
    _, node, at = ready(running, plate)
    at.set_point(m.Point("", "subject", 1001, 0.25, 0.1))
    before = at.read().points
    running.nuke.root()["proxy"].setValue(True)
    assert node.format().width() == 20, "Nuke works at half the size"
    assert at.read().points == before
    at.set_point(m.Point("", "subject", 1002, 0.75, 0.9))
    assert [node["p1"].getValueAt(1002, i) for i in (0, 1)] == pytest.approx([30, 2])
    # A rendered input has no full size to be known by then.
    node["source"].setValue("render")
    assert at.read().problem.startswith("proxy mode is on: switch it off")
    with pytest.raises(m.NodeError, match="proxy mode is on"):
        at.set_point(m.Point("", "subject", 1003, 0.5, 0.5))
    assert node["p1"].getKeyList() == [1001, 1002]


@pytest.mark.parametrize(
    ("said", "rate"),
    [
        (None, ""), ("", ""), ("none", ""), (0, ""), (90000.0, ""),
        (24, "24"), ("25", "25"), (23.97602462768555, "24000/1001"), (29.97002983, "30000/1001"),
    ],
)  # fmt: skip
def test_the_rate_by_which_nuke_reads_a_movie(
    running: Nuke, movies: Callable[[str], Path], said: Any, rate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "metadata_of", lambda _, key: said if key == "input/frame_rate" else None)
    clip = running.of(running.node(running.read(str(movies("h264.mp4")), 1, 24))).read().clip
    assert (clip.rate, clip.count) == (rate, 24)


def test_a_sequence_has_no_rate(running: Nuke, plate: Plate) -> None:
    _, _, at = ready(running, plate)
    assert (at.read().clip.rate, at.read().clip.count) == ("", 0)


def test_brackets_and_other_alphabets(running: Nuke, tmp_path: Path) -> None:
    """Brackets in a folder are no expressions; objects may be called anything, Nuke's nodes may not."""
    place = tmp_path / "[wip] Füchsin 狐"
    place.mkdir()
    reads, m = running.module("reads"), running.module("model")
    read = running.read(reads.literal(f"{place.as_posix()}/plate.%04d.exr"), FIRST, LAST)
    stage = Stage(running, scene_in(place), running.node(read))
    at = running.of(stage.node)
    assert at.read().clip.path == f"{place.as_posix()}/plate.####.exr"
    at.set_point(m.Point("", "狐", FIRST, 0.5, 0.5))
    assert at.read().objects == ("subject", "狐")
    stage.give(("matte", ("狐",), "left"), ("matte", ("Füchsin",), "right"))
    names = sorted(n.name() for n in running.nuke.allNodes("Read"))
    assert names == ["Read1", "Trackmatte_matte_F_chsin", "Trackmatte_matte__"]
    np.testing.assert_allclose(stage.picture("Trackmatte_alpha")["rgba.alpha"], stage.scene.alpha, atol=1e-6)
    stage.node["source"].setValue("render")
    running.nuke.root()["last_frame"].setValue(2000)
    rendered = at.ready().clip
    assert rendered.path.startswith(f"{place.as_posix()}/trackmatte/Trackmatte_input_")
    assert Path(rendered.path.replace("####", "1002")).is_file()


@pytest.mark.parametrize(
    ("file", "where"),
    [
        ("/p/hero/a.%04d.exr", "/p/hero"),
        ("/p/hero/%V/a.%04d.exr", "/p/hero"),
        ("/p/hero_%v/####/a.####.exr", "/p"),
        ("a.%04d.exr", "/jobs/film"),
        ("/a.%04d.exr", "/"),
        ("C:/a.%04d.exr", "C:/"),
        (None, "home"),
    ],
)
def test_where_things_go_while_the_script_is_not_saved(
    running: Nuke, file: str | None, where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    n = running.nuke.nodes
    running.nuke.root()["project_directory"].setValue("/jobs/film")
    held = n.FrameHold()
    merge = n.Merge2()
    merge.setInput(1, n.Constant() if file is None else running.read(file, 1, 4))
    held.setInput(0, merge)
    state = running.of(running.node(held)).read()
    wanted = tmp_path.as_posix() if where == "home" else where
    assert state.settings.folder == wanted
    assert state.clip.path.startswith(f"{wanted.rstrip('/')}/trackmatte/Trackmatte_input/")
