"""Track, Matte and Stop, and how far they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..session import LABELS, SILENT, pace
from .qt import BAD, GOOD, Line, Qt, QtCore, QtWidgets, Words, button

if TYPE_CHECKING:
    from ..session import Status

DIRECTIONS = (("Track both ways", "both"), ("Track forward", "forward"), ("Track backward", "backward"))


class Running(QtWidgets.QWidget):
    """The buttons, the bar and what was said last.

    Signals
    -------
    track : with a direction.
    matte, stop : the other buttons.
    """

    track = QtCore.Signal(str)
    matte = QtCore.Signal()
    stop = QtCore.Signal()

    def __init__(self) -> None:
        super().__init__()
        self.buttons = [
            button("Track", "Carry the points through the clip, both ways", lambda: self.track.emit("both")),
            button("Matte", "Track what is missing, refine it, bring the matte in", self.matte.emit),
            button("Stop", "Stop after the frame in hand; what is finished stays", self.stop.emit),
        ]
        menu = QtWidgets.QMenu(self)
        for text, direction in DIRECTIONS:
            menu.addAction(text).triggered.connect(lambda *_, d=direction: self.track.emit(d))
        self.ways = QtWidgets.QToolButton()
        self.ways.setToolTip("Track one way only")
        self.ways.setMenu(menu)
        self.ways.setArrowType(Qt.ArrowType.DownArrow)
        self.ways.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        self.ways.setPopupMode(QtWidgets.QToolButton.ToolButtonPopupMode.InstantPopup)
        row = QtWidgets.QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.buttons[0], 2)
        row.addWidget(self.ways)
        row.addWidget(self.buttons[1], 2)
        row.addWidget(self.buttons[2], 2)
        self.bar = QtWidgets.QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(8)
        self.text, self.pace = Line(), Line()
        self.words = Words()
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row)
        for each in (self.bar, self.text, self.pace, self.words):
            layout.addWidget(each)

    def show_status(self, status: Status, able: bool) -> None:
        """Show how it stands; `able` = there is a clip to work on."""
        runs = bool(status.doing)
        for each in (*self.buttons[:2], self.ways):
            each.setEnabled(able and not runs)
        self.buttons[2].setEnabled(runs and (not status.stopping or status.progress.silent))
        progress = status.progress
        waits = runs and not progress.part
        self.bar.setRange(0, 0 if waits else 1000)
        self.bar.setValue(round(progress.part * 1000))
        for part in (self.bar, self.text, self.pace):
            part.setVisible(runs and (part is self.bar or not progress.silent))
        label = LABELS.get(status.doing, "")
        self.text.say(f"{label}: {'stopping' if status.stopping else progress.text}")
        self.pace.say(", ".join(pace(progress)) or " ")
        if progress.silent:
            self.words.say(f"{label}: {SILENT}. It may come back; Stop gives it up.", BAD)
        else:
            self.words.say("" if runs else "\n".join(status.lines), BAD if status.bad else GOOD)
