"""Objects with their points, and the frames in doubt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .qt import ICON, Qt, QtCore, QtGui, QtWidgets, breakable, button, colour, dot

if TYPE_CHECKING:
    from ..model import NodeState
    from ..trackmatte_client.protocol import messages as m

_KEY = int(Qt.ItemDataRole.UserRole)


class Points(QtWidgets.QWidget):
    """Objects and what is said about them.

    Signals
    -------
    chosen : an object's name, and the frame of the point that was clicked; -1 = the object itself.
    removed, flipped : key of a point.
    named : a new object's name.
    """

    chosen = QtCore.Signal(str, int)
    removed = QtCore.Signal(str)
    flipped = QtCore.Signal(str)
    named = QtCore.Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.tree = QtWidgets.QTreeWidget()
        self.tree.setHeaderHidden(True)
        self.tree.setColumnCount(2)
        self.tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.tree.setIndentation(14)
        self.tree.setIconSize(QtCore.QSize(ICON, ICON))
        self.tree.setUniformRowHeights(True)
        header = self.tree.header()
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(30)
        header.setSectionResizeMode(0, QtWidgets.QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QtWidgets.QHeaderView.ResizeMode.ResizeToContents)
        self.tree.itemClicked.connect(self._clicked)
        self.tree.currentItemChanged.connect(self._able)
        self._flip = button("Flip", "Subject becomes background and the other way round", self._do_flip)
        self._remove = button("Remove", "Take the point or box away (Delete)", self._do_remove)
        add = button("New object…", "Another subject with a matte of its own", self._do_name)
        row = QtWidgets.QHBoxLayout()
        row.setSpacing(4)
        for each, share in ((add, 3), (self._flip, 2), (self._remove, 2)):
            row.addWidget(each, share)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(4)
        layout.addWidget(self.tree, 1)
        layout.addLayout(row)
        key = QtGui.QKeySequence(QtGui.QKeySequence.StandardKey.Delete)
        shortcut = QtWidgets.QShortcut if hasattr(QtWidgets, "QShortcut") else QtGui.QShortcut
        pressed = shortcut(key, self.tree)
        pressed.setContext(Qt.ShortcutContext.WidgetShortcut)
        pressed.activated.connect(self._do_remove)
        self._able()

    def show_state(self, state: NodeState, shot: m.ShotState | None) -> None:
        """List what the node says, and how far its objects are."""
        kept = self._key()
        folded = {i.text(0) for i in self._objects() if not i.isExpanded()}
        self.tree.blockSignals(True)
        self.tree.clear()
        for name in state.objects:
            item = QtWidgets.QTreeWidgetItem([name, progress(shot, name)])
            item.setToolTip(0, name)
            self.tree.addTopLevelItem(item)
            item.setIcon(0, dot(colour(state.objects, name)))
            self._add_said(item, name, state)
            item.setExpanded(name not in folded)
            font = item.font(0)
            font.setBold(name == state.selected)
            item.setFont(0, font)
            for child in (item.child(at) for at in range(item.childCount())):
                if kept and child is not None and child.data(0, _KEY) == kept:
                    self.tree.setCurrentItem(child)
        self.tree.blockSignals(False)
        self._able()

    def _add_said(self, item: QtWidgets.QTreeWidgetItem, name: str, state: NodeState) -> None:
        tint, clip = colour(state.objects, name), state.clip
        rows = [
            (p.frame, f"{p.x:.3f}, {p.y:.3f}", p.key, dot(tint, p.subject))
            for p in state.points
            if p.object == name
        ]
        rows += [(b.frame, "box", b.key, QtGui.QIcon()) for b in state.boxes if b.object == name]
        for frame, text, key, icon in sorted(rows, key=lambda row: (row[0], row[2])):
            shown = clip.timeline(frame) if clip is not None else frame
            child = QtWidgets.QTreeWidgetItem([text, f"frame {shown}"])
            child.setData(0, _KEY, key)
            child.setData(1, _KEY, frame)
            child.setIcon(0, icon)
            item.addChild(child)
            if frame == state.frame:
                font = child.font(1)
                font.setBold(True)
                child.setFont(1, font)

    def _objects(self) -> list[QtWidgets.QTreeWidgetItem]:
        found = [self.tree.topLevelItem(at) for at in range(self.tree.topLevelItemCount())]
        return [item for item in found if item is not None]

    def _key(self) -> str:
        item = self.tree.currentItem()
        return str(item.data(0, _KEY) or "") if item is not None else ""

    def _clicked(self, item: QtWidgets.QTreeWidgetItem) -> None:
        above = item.parent()
        self.chosen.emit((above or item).text(0), -1 if above is None else int(item.data(1, _KEY)))

    def _able(self) -> None:
        key = self._key()
        self._remove.setEnabled(bool(key))
        item = self.tree.currentItem()
        self._flip.setEnabled(bool(key) and item is not None and item.text(0) != "box")

    def _do_remove(self) -> None:
        if self._key():
            self.removed.emit(self._key())

    def _do_flip(self) -> None:
        if self._key():
            self.flipped.emit(self._key())

    def _do_name(self) -> None:
        name, chosen = QtWidgets.QInputDialog.getText(self, "New object", "Name")
        if chosen and name.strip():
            self.named.emit(name.strip())


def progress(shot: m.ShotState | None, name: str) -> str:
    """Return how far an object is, in words."""
    found = [o for o in shot.objects if o.object == name] if shot is not None else []
    if shot is None or not found:
        return ""
    whole = shot.range[1] - shot.range[0] + 1
    if counted(found[0].matted):
        return f"matte {counted(found[0].matted)}/{whole}"
    return f"mask {counted(found[0].tracked)}/{whole}"


def counted(spans: m.Spans) -> int:
    """Return how many frames there are in spans."""
    return sum(last - first + 1 for first, last in spans)


class Doubts(QtWidgets.QWidget):
    """The frames that need the artist.

    Signals
    -------
    chosen : an object's name and a frame.
    asked : look for them now.
    """

    chosen = QtCore.Signal(str, int)
    asked = QtCore.Signal()

    def __init__(self) -> None:
        super().__init__()
        self.list = QtWidgets.QListWidget()
        self.list.setWordWrap(True)
        self.list.setIconSize(QtCore.QSize(ICON, ICON))
        self.list.setTextElideMode(Qt.TextElideMode.ElideNone)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setResizeMode(QtWidgets.QListView.ResizeMode.Adjust)
        self.list.itemClicked.connect(self._clicked)
        self.search = button("Find", "Look for doubtful frames now", self.asked.emit)
        self.next = button("Next", "Go to the next doubtful place", self._go_on)
        row = QtWidgets.QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.search)
        row.addWidget(self.next)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(4)
        layout.addWidget(self.list, 1)
        layout.addLayout(row)
        self._places: tuple[m.Place, ...] | None = None
        self._frame = 0

    def show_places(self, state: NodeState, places: tuple[m.Place, ...] | None) -> None:
        """List the places, most doubtful first."""
        self._frame = state.frame
        self.next.setEnabled(bool(places))
        if places == self._places and self.list.count():
            return
        self._places = places
        self.list.clear()
        if not places:
            said = "No frame is in doubt." if places is not None else "Not looked at yet: press Find."
            item = QtWidgets.QListWidgetItem(said)
            item.setFlags(Qt.ItemFlag.NoItemFlags)
            self.list.addItem(item)
        for place in places or ():
            item = QtWidgets.QListWidgetItem(described(state, place))
            item.setIcon(dot(colour(state.objects, place.object)))
            item.setData(_KEY, [place.object, place.frame])
            item.setToolTip(f"Go to the most doubtful frame; doubt {place.doubt:.0%}")
            self.list.addItem(item)

    def _clicked(self, item: QtWidgets.QListWidgetItem) -> None:
        said = item.data(_KEY)
        if said:
            self.chosen.emit(str(said[0]), int(said[1]))

    def _go_on(self) -> None:
        later = [p for p in self._places or () if p.frame > self._frame] or list(self._places or ())
        if later:
            found = min(later, key=lambda p: p.frame)
            self.list.setCurrentRow((self._places or ()).index(found))
            self.chosen.emit(found.object, found.frame)


def described(state: NodeState, place: m.Place) -> str:
    """Return a place in words, with the timeline's frames."""
    offset = state.clip.offset if state.clip is not None else 0
    first, last = place.first + offset, place.last + offset
    frames = f"{first}" if first == last else f"{first}–{last}"
    return f"{frames}  {breakable(place.object)}  {place.doubt:.0%}\n" + "; ".join(place.reasons)
