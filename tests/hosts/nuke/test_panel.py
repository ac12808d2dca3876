"""The panel in an offscreen Qt: what it shows, what its buttons do, and how it goes."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
pytest.importorskip("PySide6.QtWidgets", reason="Qt's own libraries are missing", exc_type=ImportError)

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtTest import QTest

from tests.hosts.nuke import engines, pictures
from tests.hosts.nuke.double import Node, node_state, part
from tests.hosts.nuke.engines import Held, clip, engine, held, off_the_main_thread, tidy  # noqa: F401
from tests.unit.test_client_lines import Double, write_file

pytestmark = pytest.mark.usefixtures("engine", "off_the_main_thread", "tidy")
LEFT, RIGHT = QtCore.Qt.MouseButton.LeftButton, QtCore.Qt.MouseButton.RightButton
LONG = "subject_with_a_very_long_name_from_the_shot_list"


@pytest.fixture
def host() -> pictures.Host:
    return pictures.Host()


@pytest.fixture
def node(host: pictures.Host, clip: str, tmp_path: Path) -> Node:
    """A node with two objects on a clip that the timeline shows from 1 on."""
    model = part("model")
    points = (
        model.Point("p1", "subject", 1001, 0.36, 0.5),
        model.Point("p2", LONG, 1004, 0.4, 0.55, subject=False),
    )
    settings = model.Settings(tracker="fake", refiner="none", folder=str(tmp_path))
    state = node_state(clip, 1001, 1006, str(tmp_path), points=points, settings=settings)
    state = replace(state, objects=("subject", LONG), clip=replace(state.clip, offset=-1000))
    return Node(host, state)


@pytest.fixture
def panel(host: pictures.Host, node: Node) -> Iterator[Any]:
    made = pictures.shown(host, node, (300, 640))
    yield made
    pictures.finish(made)


def rows(panel: Any) -> list[list[str]]:
    """Return the lines of the list of points."""
    tree = panel.points.tree
    found = []
    for at in range(tree.topLevelItemCount()):
        item = tree.topLevelItem(at)
        found += [[i.text(0), i.text(1)] for i in (item, *(item.child(n) for n in range(item.childCount())))]
    return found


def press(button: Any) -> None:
    assert button.isEnabled()
    QTest.mouseClick(button, LEFT)


def click(panel: Any, item: Any) -> None:
    """Click on a line of the list of points."""
    tree = panel.points.tree
    where = tree.visualItemRect(item).center()
    QTest.mouseClick(tree.viewport(), LEFT, QtCore.Qt.KeyboardModifier.NoModifier, where)


def idle(host: pictures.Host, node: Node) -> Any:
    """Wait until nothing runs and return the session."""
    session = part("session").of(node)
    host.pump(lambda: not session.busy)
    return session


def tracked(host: pictures.Host, node: Node, panel: Any) -> Any:
    """Track by the button and wait for the pictures."""
    press(panel.running.buttons[0])
    session = idle(host, node)
    host.pump(lambda: not panel.view.picture.shown.mask.isNull())
    return session


@pytest.mark.usefixtures("host")
def test_the_node_that_is_found_is_shown(node: Node) -> None:
    found: list[Any] = [None]
    panel = part("panel").Panel(lambda: found[0])
    panel.show()
    assert panel.pages.currentIndex() == 0
    found[0] = node
    panel.look()
    assert panel.pages.currentIndex() == 1
    assert panel.name.whole() == "Trackmatte1"
    assert panel.clip.whole() == "plate.####.png  1–6"
    assert node.state.clip.path in panel.clip.toolTip()
    found[0] = None
    panel.look()
    assert panel.pages.currentIndex() == 1, "what was shown stays"
    node.deleted = True
    panel.look()
    assert panel.pages.currentIndex() == 0
    pictures.finish(panel)


def test_points_with_the_frames_of_the_timeline(panel: Any, node: Node) -> None:
    assert rows(panel) == [
        ["subject", ""],
        ["box", "frame 1"],
        ["0.360, 0.500", "frame 1"],
        [LONG, ""],
        ["0.400, 0.550", "frame 4"],
    ]
    tree = panel.points.tree
    click(panel, tree.topLevelItem(1).child(0))
    assert node.went == [1004]
    assert node.state.selected == LONG
    # The line stays chosen although the list was made anew; Flip and Remove are about it.
    press(panel.points._flip)
    assert [p.subject for p in node.state.points] == [True, True]
    click(panel, tree.topLevelItem(0).child(0))
    assert not panel.points._flip.isEnabled(), "a box has no other side"
    QTest.keyClick(tree, QtCore.Qt.Key.Key_Delete)
    assert node.state.boxes == ()
    click(panel, tree.topLevelItem(0))
    assert not panel.points._remove.isEnabled()
    panel.points.named.emit("hen")
    assert node.state.selected == "hen"
    assert rows(panel)[-1] == ["hen", ""]


def test_a_click_on_the_picture_sets_a_point(host: pictures.Host, panel: Any, node: Node) -> None:
    picture = panel.view.picture
    QTest.mouseClick(picture, LEFT, pos=picture.rect().center())
    assert len(node.state.points) == 2, "there is no picture yet"
    tracked(host, node, panel)
    where = picture._where
    at = QtCore.QPoint(round(where.left() + where.width() * 0.25), round(where.top() + where.height() * 0.75))
    QTest.mouseClick(picture, LEFT, pos=at)
    QTest.mouseClick(picture, LEFT, QtCore.Qt.KeyboardModifier.ControlModifier, at)
    QTest.mouseClick(picture, RIGHT, pos=at)
    new = node.state.points[2:]
    assert [(p.object, p.frame, p.subject) for p in new] == [
        ("subject", 1001, True),
        ("subject", 1001, False),
        ("subject", 1001, False),
    ]
    assert all(abs(p.x - 0.25) < 0.01 and abs(p.y - 0.75) < 0.01 for p in new)


def test_track_shows_how_far_it_is_and_what_came_of_it(
    host: pictures.Host, panel: Any, node: Node, held: Held
) -> None:
    running = panel.running
    assert [b.isEnabled() for b in running.buttons] == [True, True, False]
    press(running.buttons[0])
    session = part("session").of(node)
    host.pump(lambda: 0 < running.bar.value() < 1000)
    assert [b.isEnabled() for b in running.buttons] == [False, False, True]
    assert running.text.whole().startswith("Track: tracking ")
    assert " fps" in running.pace.whole()
    assert running.bar.isVisible()
    host.pump(lambda: rows(panel)[0][1] not in ("", "mask 0/6"))
    held.release()
    host.pump(lambda: not session.busy)
    assert not running.bar.isVisible()
    assert running.words.text().startswith("tracked")
    assert [b.isEnabled() for b in running.buttons] == [True, True, False]
    assert rows(panel)[0] == ["subject", "mask 6/6"]
    press(running.buttons[1])
    idle(host, node)
    assert rows(panel)[0] == ["subject", "matte 6/6"]
    assert len(node.delivered) == 2


def test_stop(host: pictures.Host, panel: Any, node: Node, held: Held) -> None:
    press(panel.running.buttons[0])
    host.pump(lambda: panel.running.bar.value() > 0)
    press(panel.running.buttons[2])
    held.release()
    assert panel.running.text.whole() == "Track: stopping"
    assert not panel.running.buttons[2].isEnabled()
    idle(host, node)
    assert panel.running.words.text() == "Track stopped; what is finished is kept"


def test_the_overlay_lies_on_the_subject(host: pictures.Host, panel: Any, node: Node) -> None:
    tracked(host, node, panel)
    view = part("panel.view")
    shown = panel.view.picture.shown
    seen = {}
    for kind in view.KINDS:
        canvas = QtGui.QImage(96, 64, QtGui.QImage.Format.Format_RGB32)
        painter = QtGui.QPainter(canvas)
        view.draw(painter, QtCore.QRectF(0, 0, 96, 64), kind, shown, QtGui.QColor(0, 0, 255))
        painter.end()
        seen[kind] = [QtGui.QColor(canvas.pixel(*at)) for at in ((34, 32), (80, 10))]
    inside, outside = ([seen[k][n] for k in ("Plate", "Overlay")] for n in (0, 1))
    assert [c.lightness() > 200 for c in seen["Matte"]] == [True, False]
    assert inside[1].blue() > inside[0].blue() + 40, "the subject is tinted"
    assert outside[1].lightness() < outside[0].lightness() * 0.7, "the rest is dimmed"
    for thumb in panel.view.thumbs:
        QTest.mouseClick(thumb, LEFT)
        assert panel.view.picture.kind == thumb.kind


def test_doubtful_frames_jump_the_timeline(panel: Any, node: Node) -> None:
    place = part("trackmatte_client.protocol.messages").Place
    doubts, session = panel.doubts, part("session").of(node)
    assert doubts.list.item(0).text() == "Not looked at yet: press Find."
    session.places = (
        place("subject", 1005, 1004, 1006, 0.81, ("the subject was not found", "its area halved")),
        place(LONG, 1002, 1002, 1002, 0.42, ("the edge jumped",)),
    )
    panel._refresh()
    panel.tabs.setCurrentIndex(1)
    assert panel.tabs.tabText(1) == "Doubtful (2)"
    lines = [doubts.list.item(at).text().replace("\u200b", "") for at in range(2)]
    assert lines[0] == "4–6  subject  81%\nthe subject was not found; its area halved"
    assert lines[1].startswith("2  subject_with")
    where = doubts.list.visualItemRect(doubts.list.item(1)).center()
    QTest.mouseClick(doubts.list.viewport(), LEFT, pos=where)
    assert (node.went, node.state.selected) == ([1002], LONG)
    press(doubts.next)
    press(doubts.next)
    assert node.went == [1002, 1005, 1002], "the next one, and then again from the first"
    session.places = ()
    panel._refresh()
    assert doubts.list.item(0).text() == "No frame is in doubt."
    assert panel.tabs.tabText(1) == "Doubtful"


def test_find_and_test_say_what_is_wrong(
    host: pictures.Host, panel: Any, node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = panel.engine
    panel.tabs.setCurrentIndex(2)

    def said(button: Any) -> str:
        press(button)
        host.pump(lambda: all(b.isEnabled() for b in tab.buttons))
        return str(tab.words.text().replace("\u200b", ""))

    find, test = tab.buttons
    assert said(test).startswith("engine ")
    assert said(find).endswith("engine-python has the engine")
    assert node.state.settings.engine == os.environ["TRACKMATTE_PYTHON"]
    tab.path.setText("C:\\no where\\python.exe")
    tab.path.editingFinished.emit()
    assert node.state.settings.engine == "C:\\no where\\python.exe"
    assert "is not there or cannot be run; press Find" in said(test)
    monkeypatch.setenv("TRACKMATTE_PYTHON", str(tmp_path / "nothing"))
    assert "TRACKMATTE_PYTHON names " in said(find)
    old = Double()
    old.hello(protocol=0)
    write_file(tmp_path, monkeypatch, port=old.client.address.port, token="t", pid=os.getpid())
    tab.path.setText("")
    assert said(test).endswith("update the engine: pip install --upgrade trackmatte")
    old.close()


def test_what_the_node_refuses_is_said(panel: Any, node: Node) -> None:
    def refuse(_: str) -> None:
        raise part("model").NodeError("the node is locked")

    node.select_object = refuse  # type: ignore[method-assign]
    click(panel, panel.points.tree.topLevelItem(1))
    assert panel.running.words.text() == "the node is locked"


@pytest.mark.parametrize("how", ["closed", "deleted"])
def test_a_panel_that_goes_while_a_job_runs(how: str, host: pictures.Host, node: Node, held: Held) -> None:
    panel = pictures.shown(host, node, (300, 640))
    session = part("session").of(node)
    press(panel.running.buttons[0])
    host.pump(lambda: panel.running.bar.value() > 0)
    if how == "closed":
        panel.close()
        assert "trackmatte pictures" not in engines.threads() or panel._pictures is None
    else:
        panel.deleteLater()
        delete = int(QtCore.QEvent.Type.DeferredDelete.value)
        QtWidgets.QApplication.sendPostedEvents(None, delete)
        assert session.listeners == []
    held.release()
    host.pump(lambda: not session.busy)
    assert session.status.lines[0] == "tracked", "the job does not belong to the panel"
    if how == "closed":
        panel.show()
        host.pump(lambda: not panel.view.picture.shown.mask.isNull())
        pictures.finish(panel)
    gc.collect()
    engines.wait_for(lambda: not engines.threads())


def test_a_node_deleted_while_a_job_runs(host: pictures.Host, panel: Any, node: Node, held: Held) -> None:
    press(panel.running.buttons[0])
    host.pump(lambda: panel.running.bar.value() > 0)
    node.deleted = True
    panel.look()
    held.release()
    assert panel.pages.currentIndex() == 0
    engines.wait_for(lambda: not engines.threads())


def test_an_engine_that_went_to_sleep(host: pictures.Host, panel: Any, node: Node, engine: Path) -> None:
    tracked(host, node, panel)
    engines.ended(engine)
    node.go_to(1003)
    panel.look()
    host.pump(lambda: panel.view.picture.shown.plate.isNull() is True)
    assert panel.view.picture.why.startswith("The engine is not running")


@pytest.mark.parametrize("width", [280, 600])
def test_nothing_sticks_out(width: int, host: pictures.Host, panel: Any, node: Node) -> None:
    node.change(name="Group7.Comp_precomp.Trackmatte_hero_left_2")
    panel.resize(width, 620)
    panel.running.words.say("/a/very/long/path" * 20 + " cannot be read", "#ff0000")
    panel.engine.said("", "/a/very/long/path" * 20)
    for tab in range(3):
        panel.tabs.setCurrentIndex(tab)
        panel.look()
        host.app.processEvents()
        edges = panel.rect()
        for child in panel.findChildren(QtWidgets.QWidget):
            if child.isVisible() and child.window() is panel and not _scrolled(child):
                corner = child.mapTo(panel, QtCore.QPoint(0, 0))
                assert edges.left() <= corner.x(), child
                assert corner.x() + child.width() <= edges.width(), child
    assert panel.name.text() != panel.name.whole() or width > 300
    assert panel.name.toolTip() == panel.name.whole() == "Group7.Comp_precomp.Trackmatte_hero_left_2"


def _scrolled(child: QtWidgets.QWidget) -> bool:
    """Whether it is a part of a scroll bar, which may lie outside while it is not needed."""
    return isinstance(child, QtWidgets.QScrollBar) or child.objectName().startswith("qt_scrollarea")


def test_an_engine_that_does_not_answer_is_seen(panel: Any) -> None:
    session_, work, running = part("session"), part("work"), panel.running
    progress = work.Progress("tracking 3/6", 0.4, 1003, 2.0, 9.0)
    running.show_status(session_.Status("track", replace(progress, silent=True), stopping=True), able=True)
    assert running.words.text() == "Track: the engine does not answer. It may come back; Stop gives it up."
    assert not running.text.isVisible()
    assert running.buttons[2].isEnabled()
    running.show_status(session_.Status("track", progress), able=True)
    assert running.text.isVisible()
    assert running.words.text() == ""


def old_python() -> Path | None:
    """Return a Python with PySide2: `$TRACKMATTE_PYSIDE2`, or the one that scripts/test-hosts made."""
    cache = Path(os.environ.get("TRACKMATTE_HOSTS", Path.home() / ".cache" / "trackmatte-hosts"))
    found = Path(os.environ.get("TRACKMATTE_PYSIDE2", cache / "pyside2" / "bin" / "python"))
    return found if found.is_file() else None


def test_the_panel_in_python_and_qt_of_nuke_13(clip: str, tmp_path: Path) -> None:
    python = old_python()
    if python is None:
        pytest.skip("no Python with PySide2 here: scripts/test-hosts makes one")
    finished = subprocess.run(
        [python, "-B", Path(__file__).parent / "inside.py", clip, "1001", "1006", tmp_path, tmp_path],
        capture_output=True, text=True, check=False, timeout=1800,
    )  # fmt: skip
    assert "Traceback" not in finished.stderr, finished.stderr
    said = json.loads(finished.stdout.partition("RESULT ")[2])
    assert said["qt"].startswith("5.")
    assert said["lines"] == ["plate_subject.####.exr is loaded", "no frame is in doubt"]
    assert not said["bad"]
    assert said["points"] == [[0.5, 0.5, False], [0.36, 0.5, False]]
    assert said["went"] == [1006]
    assert said["row"] == "matte 6/6"
    assert said["engine"].startswith("engine ")
    assert said["threads"] == []


def test_the_newest_qt_that_is_asked_for_is_5_12() -> None:
    """Names that PySide2 5.12 lacks or spells differently, and that PySide6 would let through."""
    sources = (Path(__file__).parents[3] / "hosts" / "nuke" / "trackmatte_nuke" / "panel").glob("*.py")
    text = "\n".join(p.read_text(encoding="utf-8") for p in sources)
    for name in ("QAction(", ".exec(", "globalPosition", "QEnterEvent", "horizontalAdvance", "QtGui.QAction"):
        assert name not in text
    assert sys.modules["PySide6"]
