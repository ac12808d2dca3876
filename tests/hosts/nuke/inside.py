"""The panel in the Python and Qt of an old Nuke: python inside.py CLIP FIRST LAST FOLDER PICTURES

Prints a line of JSON after RESULT. The engine is found through the environment.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["QT_QPA_PLATFORM"] = "offscreen"
sys.path.insert(0, str(Path(__file__).resolve().parent))

import double

qt = double.part("panel.qt")
CLIP, FIRST, LAST, FOLDER, PICTURES = sys.argv[1:]


class Host(double.MainThread):
    """The main thread with Qt's events in it."""

    def pump(self, until: Callable[[], Any], seconds: float = 180.0) -> Any:
        def look() -> Any:
            app.processEvents()
            return until()

        return super().pump(look, seconds)


def shoot(name: str) -> None:
    """Save the panel as it is."""
    app.processEvents()
    assert panel.grab().save(str(Path(PICTURES) / (name + ".png")))


app = qt.QtWidgets.QApplication(["panel"])
host = Host()
node = double.Node(host, double.node_state(CLIP, int(FIRST), int(LAST), FOLDER))
model = double.part("model")
node.change(points=(model.Point("p1", "subject", int(FIRST), 0.36, 0.5),))
panel = double.part("panel").Panel(lambda: node)
panel.resize(300, 640)
panel.show()
session = double.part("session").of(node)
shoot("before")
panel.running.buttons[1].click()
host.pump(lambda: panel.running.bar.value() > 0)
shoot("running")
host.pump(lambda: not session.busy)
host.pump(lambda: not panel.view.picture.shown.matte.isNull())
shoot("done")
picture = panel.view.picture
at = picture._where.center()
kinds = qt.QtCore.QEvent.Type
event = qt.QtGui.QMouseEvent(
    kinds.MouseButtonPress, at, qt.Qt.MouseButton.LeftButton, qt.Qt.MouseButton.LeftButton,
    qt.Qt.KeyboardModifier.ControlModifier,
)  # fmt: skip
app.sendEvent(picture, event)
tree = panel.points.tree
tree.setCurrentItem(tree.topLevelItem(0).child(1))
panel.points._flip.click()
panel.points.chosen.emit("subject", int(LAST))
panel.tabs.setCurrentIndex(2)
panel.engine.buttons[1].click()
host.pump(panel.engine.buttons[1].isEnabled)
shoot("engine")
said = {
    "qt": qt.QtCore.qVersion(),
    "python": sys.version_info[:2],
    "lines": session.status.lines,
    "bad": session.status.bad,
    "points": [[p.x, p.y, p.subject] for p in node.state.points],
    "went": node.went,
    "row": tree.topLevelItem(0).text(1),
    "engine": panel.engine.words.text(),
}
panel.close()
panel.deleteLater()
app.sendPostedEvents(None, int(kinds.DeferredDelete))
double.part("session").close_all()
end = time.monotonic() + 60
names: list[str] = ["?"]
while names and time.monotonic() < end:
    names = [t.name for t in double.threading.enumerate() if t.name.startswith("trackmatte")]
    time.sleep(0.05)
said["threads"] = names
print("RESULT", json.dumps(said), flush=True)
