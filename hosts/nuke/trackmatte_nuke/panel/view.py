"""Plate, matte and overlay of the frame where the artist is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .qt import Qt, QtCore, QtGui, QtWidgets, colour, mark, place

if TYPE_CHECKING:
    from ..model import NodeState
    from ..pictures import Look

_SPACE = 4
KINDS = ("Plate", "Matte", "Overlay")
_BACK = QtGui.QColor(18, 18, 18)
_DIM = QtGui.QColor(150, 150, 150)


@dataclass(frozen=True)
class Shown:
    """Decoded pictures; null where there is none."""

    plate: QtGui.QImage
    mask: QtGui.QImage
    """Grey."""
    matte: QtGui.QImage

    @property
    def size(self) -> QtCore.QSize:
        """The plate's size, or the matte's."""
        return self.plate.size() if not self.plate.isNull() else self.matte.size()


NOTHING = Shown(QtGui.QImage(), QtGui.QImage(), QtGui.QImage())


def decoded(look: Look) -> Shown:
    """Decode the pictures of a look."""
    grey = QtGui.QImage.Format.Format_Grayscale8
    plate, mask, matte = (QtGui.QImage.fromData(d) if d else QtGui.QImage() for d in _data(look))
    return Shown(
        plate,
        mask if mask.isNull() else mask.convertToFormat(grey),
        matte if matte.isNull() else matte.convertToFormat(grey),
    )


def _data(look: Look) -> tuple[bytes, bytes, bytes]:
    return look.plate, look.mask, look.matte


def fitted(size: QtCore.QSize, room: QtCore.QRectF) -> QtCore.QRectF:
    """Return where a picture goes: as large as fits, in the middle."""
    scaled = QtCore.QSizeF(size).scaled(room.size(), Qt.AspectRatioMode.KeepAspectRatio)
    corner = room.center() - QtCore.QPointF(scaled.width() / 2, scaled.height() / 2)
    return QtCore.QRectF(corner, scaled)


def draw(
    painter: QtGui.QPainter, room: QtCore.QRectF, kind: str, shown: Shown, tint: QtGui.QColor
) -> QtCore.QRectF | None:
    """Draw one kind of picture; return where it is, or None when there is none."""
    first = shown.matte if kind == "Matte" else shown.plate
    if kind == "Matte" and first.isNull():
        first = shown.mask
    if first.isNull():
        return None
    where = fitted(shown.size, room)
    painter.setRenderHint(QtGui.QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawImage(where, first)
    cover = shown.mask if shown.matte.isNull() else shown.matte
    if kind == "Overlay" and not cover.isNull():
        outside = cover.copy()
        outside.invertPixels()
        for part, fill, strength in ((outside, _BACK, 0.5), (cover, tint, 0.35)):
            veil = QtGui.QImage(part.size(), QtGui.QImage.Format.Format_ARGB32)
            veil.fill(fill)
            veil.setAlphaChannel(part)
            painter.setOpacity(strength)
            painter.drawImage(where, veil)
        painter.setOpacity(1.0)
    return where


class Picture(QtWidgets.QWidget):
    """The large picture with points and boxes; a click sets a point.

    Signals
    -------
    clicked : x, y in [0, 1] from the top left, and whether it is the subject.
    """

    clicked = QtCore.Signal(float, float, bool)

    def __init__(self) -> None:
        super().__init__()
        self.kind, self.shown = "Overlay", NOTHING
        self.why = ""
        """Said where there is no picture."""
        self._state: NodeState | None = None
        self._where: QtCore.QRectF | None = None
        self.setMinimumHeight(110)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Expanding)
        self.setToolTip("Click: this is the subject. Ctrl-click or right click: this is background.")

    def show_state(self, state: NodeState | None) -> None:
        """Draw the points of this state."""
        self._state = state
        self.update()

    def sizeHint(self) -> QtCore.QSize:  # noqa: N802
        """Return the least: it takes what room there is."""
        return QtCore.QSize(200, self.minimumHeight())

    def height_for(self, width: int) -> int:
        """Return the height that fills this width."""
        size = self.shown.size
        ratio = size.height() / size.width() if size.width() > 0 else 9 / 16
        return max(self.minimumHeight(), round(width * ratio))

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:  # noqa: N802
        """Draw picture and points."""
        painter = QtGui.QPainter(self)
        painter.fillRect(self.rect(), _BACK)
        state = self._state
        tint = colour(state.objects, state.selected) if state else QtGui.QColor(Qt.GlobalColor.white)
        self._where = draw(painter, QtCore.QRectF(self.rect()), self.kind, self.shown, tint)
        if self._where is None:
            painter.setPen(_DIM)
            room = self.rect().adjusted(12, 8, -12, -8)
            flags = int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap)
            painter.drawText(room, flags, self.why or f"no {self.kind.lower()} yet")
        elif state is not None:
            self._draw_said(painter, state, self._where)
        painter.end()

    def _draw_said(self, painter: QtGui.QPainter, state: NodeState, where: QtCore.QRectF) -> None:
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        for box in state.boxes:
            if box.frame == state.frame:
                painter.setPen(QtGui.QPen(colour(state.objects, box.object), 1.5))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                corners = [_at(where, box.left, box.top), _at(where, box.right, box.bottom)]
                painter.drawRect(QtCore.QRectF(corners[0], corners[1]))
        for point in state.points:
            if point.frame == state.frame:
                tint = colour(state.objects, point.object)
                mark(painter, _at(where, point.x, point.y), 6.0, tint, point.subject)

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:  # noqa: N802
        """Set a point."""
        where, at = self._where, place(event)
        if where is None or not where.contains(at):
            return
        x, y = (at.x() - where.left()) / where.width(), (at.y() - where.top()) / where.height()
        control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        self.clicked.emit(x, y, event.button() == Qt.MouseButton.LeftButton and not control)


def _at(where: QtCore.QRectF, x: float, y: float) -> QtCore.QPointF:
    return QtCore.QPointF(where.left() + x * where.width(), where.top() + y * where.height())


class Thumb(QtWidgets.QAbstractButton):
    """One of the small pictures; the checked one is shown large."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.shown, self.tint = kind, NOTHING, QtGui.QColor(Qt.GlobalColor.white)
        self.setText(kind)
        self.setAccessibleName(kind)
        self.setToolTip(f"Show the {kind.lower()}")
        self.setCheckable(True)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QtCore.QSize:  # noqa: N802
        """Return a small picture with a line below."""
        return QtCore.QSize(72, 46 + self.fontMetrics().height() + 4)

    def minimumSizeHint(self) -> QtCore.QSize:  # noqa: N802
        """Return the least that can be made out."""
        return QtCore.QSize(48, self.sizeHint().height())

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:  # noqa: N802
        """Draw picture, frame and name."""
        painter = QtGui.QPainter(self)
        room = QtCore.QRectF(self.rect().adjusted(1, 1, -1, -self.fontMetrics().height() - 3))
        painter.fillRect(room, _BACK)
        if draw(painter, room.adjusted(1, 1, -1, -1), self.kind, self.shown, self.tint) is None:
            painter.setPen(_DIM)
            painter.drawText(room, int(Qt.AlignmentFlag.AlignCenter), "–")
        strong = self.isChecked() or self.hasFocus()
        role = QtGui.QPalette.ColorRole.Highlight if strong else QtGui.QPalette.ColorRole.Mid
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QtGui.QPen(self.palette().color(role), 2.0 if self.isChecked() else 1.0))
        painter.drawRect(room)
        painter.setPen(self.palette().color(QtGui.QPalette.ColorRole.WindowText))
        below = self.rect().adjusted(0, int(room.height()) + 3, 0, 0)
        painter.drawText(below, int(Qt.AlignmentFlag.AlignCenter), self.kind)
        painter.end()


class View(QtWidgets.QWidget):
    """The large picture and the strip of small ones."""

    def __init__(self) -> None:
        super().__init__()
        self.picture = Picture()
        self.thumbs = [Thumb(kind) for kind in KINDS]
        self._group = QtWidgets.QButtonGroup(self)
        strip = QtWidgets.QHBoxLayout()
        strip.setSpacing(_SPACE)
        for thumb in self.thumbs:
            self._group.addButton(thumb)
            strip.addWidget(thumb)
            thumb.setChecked(thumb.kind == self.picture.kind)
            thumb.clicked.connect(self._chosen)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(_SPACE)
        layout.addWidget(self.picture, 1)
        layout.addLayout(strip)

    def show_state(self, state: NodeState | None) -> None:
        """Draw the points of this state, and masks in the selected object's colour."""
        self.picture.show_state(state)
        for thumb in self.thumbs:
            if state is not None:
                thumb.tint = colour(state.objects, state.selected)
            thumb.update()

    def show_pictures(self, shown: Shown, why: str = "") -> None:
        """Show these; `why` says why there are none."""
        self.picture.shown, self.picture.why = shown, why
        self._fit()
        self.picture.update()
        for thumb in self.thumbs:
            thumb.shown = shown
            thumb.update()

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:  # noqa: N802
        """Keep the picture's shape."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Be no higher than picture and strip need: what is left is for the lists."""
        for thumb in self.thumbs:
            thumb.setFixedHeight(thumb.sizeHint().height())
        strip = self.thumbs[0].height() + _SPACE
        high = self.picture.height_for(self.width())
        self.picture.setMaximumHeight(high)
        self.setMaximumHeight(high + strip)

    def _chosen(self) -> None:
        self.picture.kind = next(t.kind for t in self.thumbs if t.isChecked())
        self.picture.update()
