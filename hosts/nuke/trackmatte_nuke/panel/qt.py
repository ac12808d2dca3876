"""Qt as the host brings it: PySide6 in Nuke 16 and later, PySide2 before; nothing newer than Qt 5.12.

What the host has imported is taken: another Qt in the same program, left by pip on PYTHONPATH, ends it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Callable

    from PySide6 import QtCore, QtGui, QtWidgets
elif "PySide2" in sys.modules and "PySide6" not in sys.modules:
    from PySide2 import QtCore, QtGui, QtWidgets
else:
    try:
        from PySide6 import QtCore, QtGui, QtWidgets
    except ImportError:
        from PySide2 import QtCore, QtGui, QtWidgets

Qt = QtCore.Qt
__all__ = [
    "BAD", "COLOURS", "GOOD", "ICON", "Line", "Qt", "QtCore", "QtGui", "QtWidgets", "Words", "breakable",
    "button", "colour", "dot", "mark", "place",
]  # fmt: skip

COLOURS = ("#4aa3ff", "#ff7a59", "#5fd38d", "#d98cff", "#ffd24a", "#58d6d6")
"""Of the objects, in their order; then again from the first."""
GOOD, BAD = "#5fd38d", "#ff6b5e"
ICON = 12
"""Size of icons, pixels of the layout."""


def colour(objects: tuple[str, ...], name: str) -> QtGui.QColor:
    """Return an object's colour."""
    place = objects.index(name) if name in objects else 0
    return QtGui.QColor(COLOURS[place % len(COLOURS)])


def place(event: QtGui.QMouseEvent) -> QtCore.QPointF:
    """Return where in the widget the mouse is."""
    return event.position() if hasattr(event, "position") else event.localPos()


def dot(kind: QtGui.QColor, subject: bool | None = None) -> QtGui.QIcon:
    """Return an icon: with plus or minus for a point of subject or background; None = just the colour."""
    picture = QtGui.QPixmap(2 * ICON, 2 * ICON)
    picture.setDevicePixelRatio(2.0)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QtGui.QPainter(picture)
    if subject is None:
        painter.fillRect(QtCore.QRectF(2, 2, ICON - 4, ICON - 4), kind)
    else:
        mark(painter, QtCore.QPointF(ICON / 2, ICON / 2), ICON / 2 - 1, kind, subject)
    painter.end()
    return QtGui.QIcon(picture)


def mark(
    painter: QtGui.QPainter, at: QtCore.QPointF, radius: float, kind: QtGui.QColor, subject: bool
) -> None:
    """Draw a point."""
    painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
    painter.setPen(QtGui.QPen(QtGui.QColor(20, 20, 20), 1.0))
    painter.setBrush(kind if subject else QtGui.QColor(40, 40, 40))
    painter.drawEllipse(at, radius, radius)
    if not subject:
        painter.setPen(QtGui.QPen(kind, 1.2))
        painter.drawEllipse(at, radius - 1, radius - 1)
    arm = radius * 0.5
    painter.setPen(QtGui.QPen(QtGui.QColor(15, 15, 15) if subject else kind, 1.4))
    painter.drawLine(at - QtCore.QPointF(arm, 0), at + QtCore.QPointF(arm, 0))
    if subject:
        painter.drawLine(at - QtCore.QPointF(0, arm), at + QtCore.QPointF(0, arm))


class Line(QtWidgets.QLabel):
    """One line of text that is shortened in the middle where there is no room; the tip has all of it."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self._all = ""
        self.setMinimumWidth(20)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)
        self.say(text)

    def say(self, text: str) -> None:
        """Show this."""
        self._all = text
        self.setToolTip(text)
        self._fit()

    def whole(self) -> str:
        """Return the text without its shortening."""
        return self._all

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:  # noqa: N802
        """Shorten it anew."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        middle = Qt.TextElideMode.ElideMiddle
        self.setText(self.fontMetrics().elidedText(self._all, middle, self.width()))


class Words(QtWidgets.QLabel):
    """Sentences that wrap, can be copied, and never make the panel wider."""

    def __init__(self) -> None:
        super().__init__()
        self._bar = QtGui.QColor()
        self.setWordWrap(True)
        self.setMinimumWidth(20)
        self.setContentsMargins(8, 2, 2, 2)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)
        self.hide()

    def say(self, text: str, kind: str = "") -> None:
        """Show sentences with a bar of a colour at their left; no text hides it."""
        self._bar = QtGui.QColor(kind) if kind else QtGui.QColor()
        self.setText(breakable(text))
        self.setToolTip(text)
        self.setVisible(bool(text))
        self._fit()

    def hasHeightForWidth(self) -> bool:  # noqa: N802
        """Say no: a layout would then ask how high it is at its least width."""
        return False

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:  # noqa: N802
        """Take the height that the lines need."""
        super().resizeEvent(event)
        self._fit()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:  # noqa: N802
        """Draw the bar beside the text."""
        super().paintEvent(event)
        if self._bar.isValid():
            painter = QtGui.QPainter(self)
            painter.fillRect(QtCore.QRectF(1, 2, 3, self.height() - 4), self._bar)
            painter.end()

    def _fit(self) -> None:
        self.setMinimumHeight(0)  # below which no height is returned
        self.setFixedHeight(max(self.heightForWidth(self.width()), 1))


def breakable(text: str) -> str:
    """Return text in which long paths may wrap: with a zero-width space behind each slash."""
    return text.replace("/", "/\u200b").replace("\\", "\\\u200b").replace("_", "_\u200b")


def button(text: str, tip: str, pressed: Callable[[], None]) -> QtWidgets.QPushButton:
    """Return a push button that may become narrow."""
    made = QtWidgets.QPushButton(text)
    made.setToolTip(tip)
    made.setMinimumWidth(30)
    made.setAutoDefault(False)
    made.clicked.connect(lambda *_: pressed())
    return made
