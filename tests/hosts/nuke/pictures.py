"""Pictures of the panel: python -m tests.hosts.nuke.pictures FOLDER [--docs]

With --docs nuke-panel.png: a real shot, tracked and matted by the real engine, for docs/images; without it
every state on a small clip, from the least width on, to be looked at. QT_SCALE_FACTOR=2 is a screen of
twice the density.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
if "--docs" in sys.argv:
    os.environ["QT_SCALE_FACTOR"] = "2"

from PySide6 import QtCore, QtGui, QtWidgets

from tests.disc import write_frames
from tests.hosts.nuke import engines
from tests.hosts.nuke.double import ROOT, MainThread, Node, node_state, part

SIZES = {"least": (240, 560), "dock": (320, 620), "wide": (560, 760)}
Box = tuple[float, float, float, float]


class Host(MainThread):
    """The double of the host's main thread with Qt's events in it."""

    def __init__(self) -> None:
        super().__init__()
        self.app = application()

    def pump(self, until: Callable[[], Any], seconds: float = 180.0) -> Any:
        def look() -> Any:
            self.app.processEvents()
            return until()

        return super().pump(look, seconds)


def application() -> QtWidgets.QApplication:
    """Return the application with a palette like Nuke's."""
    app = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["panel"])
    assert isinstance(app, QtWidgets.QApplication)
    app.setStyle("Fusion")
    role, palette = QtGui.QPalette.ColorRole, QtGui.QPalette()
    for which, value in (
        (role.Window, "#323232"), (role.WindowText, "#c8c8c8"), (role.Base, "#282828"),
        (role.Text, "#c8c8c8"),
        (role.AlternateBase, "#303030"), (role.Button, "#454545"), (role.ButtonText, "#c8c8c8"),
        (role.Mid, "#555555"), (role.Dark, "#202020"), (role.Light, "#606060"), (role.Highlight, "#f7931e"),
        (role.HighlightedText, "#1a1a1a"), (role.ToolTipBase, "#454545"), (role.ToolTipText, "#dddddd"),
        (role.PlaceholderText, "#8a8a8a"),
    ):  # fmt: skip
        palette.setColor(which, QtGui.QColor(value))
    dim = QtGui.QPalette.ColorGroup.Disabled
    for which in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(dim, which, QtGui.QColor("#767676"))
    app.setPalette(palette)
    font = QtGui.QFont("DejaVu Sans")
    font.setPixelSize(11)
    app.setFont(font)
    return app


def shown(host: Host, node: Any, size: tuple[int, int]) -> Any:
    """Return a panel of that size that shows a node."""
    panel = part("panel").Panel(lambda: node)
    panel.resize(*size)
    panel.show()
    host.app.processEvents()
    return panel


def shoot(panel: Any, folder: Path, name: str) -> None:
    """Save the panel as it is."""
    QtWidgets.QApplication.processEvents()
    folder.mkdir(parents=True, exist_ok=True)
    assert panel.grab().save(str(folder / f"{name}.png"))


def pictured(host: Host, panel: Any) -> None:
    """Wait until the pictures of the frame are there."""
    host.pump(lambda: not panel.view.picture.shown.plate.isNull())


def documented(folder: Path) -> None:
    """Save the picture for docs/hosts/nuke.md."""
    host = Host()
    clip = str(ROOT / "sample_clips" / "furball" / "plate.mp4")
    with tempfile.TemporaryDirectory() as place, engines.installed(Path(place)):
        model = part("model")
        state = node_state(clip, 0, 47, place)
        state = replace(
            state,
            clip=replace(state.clip, offset=1),
            boxes=(model.Box("b1", "furball", 0, 0.18, 0.16, 0.63, 0.77),),
            points=(
                model.Point("p1", "furball", 0, 0.42, 0.58),
                model.Point("p2", "furball", 0, 0.52, 0.2, subject=False),
            ),
            objects=("furball",),
            selected="furball",
        )
        node = Node(host, state)
        panel = shown(host, node, (360, 560))
        session = part("session").of(node)
        panel.running.matte.emit()
        host.pump(lambda: not session.busy, 600)
        node.go_to(0)
        panel.look()
        pictured(host, panel)
        host.pump(lambda: not panel.view.picture.shown.matte.isNull())
        shoot(panel, folder, "nuke-panel")
        finish(panel)


def finish(panel: Any) -> None:
    """Take the panel away as a host does."""
    panel.close()
    part("session").close_all()
    panel.deleteLater()
    QtWidgets.QApplication.sendPostedEvents(None, int(QtCore.QEvent.Type.DeferredDelete.value))


def reviewed(folder: Path) -> None:
    """Save every state at every size."""
    host = Host()
    with tempfile.TemporaryDirectory() as place, engines.installed(Path(place), sleep=0.2):
        clip = str(write_frames(Path(place) / "Füchsin_im_Wald_v0042_grade_final", 12, (320, 180)))
        for label, size in SIZES.items():
            states(host, clip, Path(place) / label, size, folder / label)


def states(host: Host, clip: str, place: Path, size: tuple[int, int], folder: Path) -> None:
    """Save every state at one size."""
    model = part("model")
    place.mkdir()
    empty = shown(host, None, size)
    shoot(empty, folder, "1-empty")
    finish(empty)
    long = "subject_with_a_very_long_name_from_the_shot_list"
    points = (
        model.Point("p1", "subject", 1001, 0.36, 0.5),
        model.Point("p2", "subject", 1001, 0.7, 0.3, subject=False),
        model.Point("p3", long, 1001, 0.4, 0.55),
        model.Point("p4", long, 1006, 0.44, 0.6),
    )
    settings = model.Settings(tracker="fake", refiner="none", folder=str(place))
    state = node_state(clip, 1001, 1012, str(place), points=points, settings=settings)
    state = replace(state, name="Group7.Comp_precomp.Trackmatte_hero_left_2", objects=("subject", long))
    node = Node(host, state)
    panel, session = shown(host, node, size), part("session").of(node)
    shoot(panel, folder, "2-before")
    session.track()
    host.pump(lambda: (session.status.progress.frame or 0) > 1005)
    shoot(panel, folder, "3-running")
    silent = replace(session.status, progress=replace(session.status.progress, silent=True))
    panel.running.show_status(silent, able=True)
    shoot(panel, folder, "3-silent")
    host.pump(lambda: not session.busy)
    session.matte()
    host.pump(lambda: not session.busy)
    panel.look()
    host.pump(lambda: not panel.view.picture.shown.matte.isNull())
    shoot(panel, folder, "4-done")
    place_ = part("trackmatte_client.protocol.messages").Place
    session.places = (
        place_("subject", 1004, 1003, 1005, 0.81, ("the subject was not found", "its area halved")),
        place_(long, 1009, 1009, 1009, 0.42, ("the edge jumped",)),
    )
    panel.tabs.setCurrentIndex(1)
    panel.doubts.show_places(node.state, session.places)
    shoot(panel, folder, "5-doubts")
    panel.tabs.setCurrentIndex(2)
    panel.engine.tested.emit()
    host.pump(lambda: "engine " in panel.engine.words.text())
    shoot(panel, folder, "6-engine")
    panel.engine.path.setText("/opt/programs/trackmatte/environments/production/bin/python3")
    panel.engine.tested.emit()
    host.pump(lambda: "not there" in panel.engine.words.text())
    node.change(settings=replace(node.state.settings, engine="/opt/nowhere/bin/python"))
    engines.ended(Path(os.environ["TRACKMATTE_RUNTIME"]))
    session.track()
    host.pump(lambda: not session.busy)
    shoot(panel, folder, "7-failed")
    node.change(clip=None, problem="connect a Read node: Trackmatte_hero_left_2 has no input")
    panel.look()
    panel.tabs.setCurrentIndex(0)
    shoot(panel, folder, "8-no-clip")
    finish(panel)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    documented(target) if "--docs" in sys.argv else reviewed(target)
