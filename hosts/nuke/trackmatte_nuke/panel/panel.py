"""The panel of the Trackmatte node that the artist works on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .. import session as sessions
from ..model import Node, NodeError, NodeState, Point
from ..pictures import Look, Pictures, Wish, errand
from ..trackmatte_client import connect, paths
from ..work import gathered
from .enginetab import EngineTab
from .leaving import Leaving
from .lists import Doubts, Points
from .qt import BAD, Line, Qt, QtCore, QtGui, QtWidgets
from .running import Running
from .view import NOTHING, View, decoded

if TYPE_CHECKING:
    from typing import Any, Callable

TICK = 400
"""Milliseconds between two looks at the node."""
EVERY = 5
"""Frames that a running job finishes between two looks at its shot."""
NO_NODE = "Select a Trackmatte node.\nNodes > Trackmatte makes one behind the selected Read."

ASLEEP = "The engine is not running: Track, Matte, and Test on the page Engine, start it."
NO_PICTURE = "Set points in the viewer; pictures come with Track."


class Panel(QtWidgets.QWidget):
    """Pictures, points, progress, doubtful frames and engine of one node.

    Parameters
    ----------
    find_node : returns the node to show, on the main thread; None = none is selected, the last one stays.
    """

    def __init__(self, find_node: Callable[[], Node | None]) -> None:
        super().__init__()
        self.setObjectName("trackmatte.panel")
        self.setWindowTitle("Trackmatte")
        self._find_node = find_node
        self.node: Node | None = None
        self._session: sessions.Session | None = None
        self._state: NodeState | None = None
        self._pictures: Pictures | None = None
        self._wish: Any = None
        self._build()
        self._timer = QtCore.QTimer(self)
        self._timer.setInterval(TICK)
        self._timer.timeout.connect(self.look)
        self._leave = Leaving()
        self.destroyed.connect(self._leave)

    def _build(self) -> None:
        self.empty = QtWidgets.QLabel(NO_NODE)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        self.empty.setMargin(12)
        self.name, self.clip = Line(), Line()
        font = self.name.font()
        font.setBold(True)
        self.name.setFont(font)
        self.view, self.running = View(), Running()
        self.points, self.doubts, self.engine = Points(), Doubts(), EngineTab()
        self.tabs = QtWidgets.QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setUsesScrollButtons(True)
        for widget, title in ((self.points, "Points"), (self.doubts, "Doubtful"), (self.engine, "Engine")):
            self.tabs.addTab(widget, title)
        inside = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(inside)
        column.setContentsMargins(6, 6, 6, 6)
        column.setSpacing(6)
        column.addWidget(self.name)
        column.addWidget(self.clip)
        column.addWidget(self.view, 3)
        column.addWidget(self.running)
        column.addWidget(self.tabs, 2)
        scroll = QtWidgets.QScrollArea()
        scroll.setWidget(inside)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.pages = QtWidgets.QStackedWidget()
        self.pages.addWidget(self.empty)
        self.pages.addWidget(scroll)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.pages)
        self.setMinimumWidth(220)
        self._connect()

    def _connect(self) -> None:
        self.view.picture.clicked.connect(self._set_point)
        self.running.track.connect(lambda way: self._do(lambda session: session.track(way)))
        self.running.matte.connect(lambda: self._do(sessions.Session.matte))
        self.running.stop.connect(lambda: self._do(sessions.Session.stop))
        self.points.chosen.connect(self._go)
        self.points.removed.connect(lambda key: self._edit(lambda node: node.remove_point(key)))
        self.points.flipped.connect(self._flip)
        self.points.named.connect(lambda name: self._edit(lambda node: node.select_object(name)))
        self.doubts.chosen.connect(self._go)
        self.doubts.asked.connect(lambda: self._do(sessions.Session.find_places))
        self.engine.changed.connect(self._set_engine)
        self.engine.searched.connect(self._find_engine)
        self.engine.tested.connect(self._test_engine)

    # what is shown

    def showEvent(self, event: QtGui.QShowEvent) -> None:  # noqa: N802
        """Look after the node while there is something to see."""
        super().showEvent(event)
        self._timer.start()
        self._state = None  # so that all is shown anew
        self.look()

    def hideEvent(self, event: QtGui.QHideEvent) -> None:  # noqa: N802
        """Rest; what the engine does goes on."""
        super().hideEvent(event)
        self._timer.stop()
        self._close_pictures()

    def look(self) -> None:
        """Look at the node again and show what changed."""
        found = self._find_node()
        if found is not None and found != self.node:
            self.show_node(found)
        node = self.node
        if node is not None and not node.alive():
            self.show_node(None)
        elif node is not None:
            try:
                state = node.read()
            except ValueError:  # what Nuke says of a node that went this very moment
                self.show_node(None)
                return
            if state != self._state:
                self._state = state
                self._refresh()

    def show_node(self, node: Node | None) -> None:
        """Show another node."""
        if self._session is not None and self._refresh in self._session.listeners:
            self._session.listeners.remove(self._refresh)
        self._close_pictures()
        self.node, self._state = node, None
        self._session = sessions.of(node) if node is not None else None
        self.view.show_pictures(NOTHING, NO_PICTURE)
        self.pages.setCurrentIndex(int(node is not None))
        if self._session is not None and node is not None:
            self._session.listeners.append(self._refresh)
            self._leave.watch(self._session, self._refresh)
            self._state = node.read()
            self._refresh()

    def _refresh(self) -> None:
        """Show the node's state and how its work stands."""
        session, state = self._session, self._state
        if session is None or state is None:
            return
        clip = state.clip
        self.name.say(state.name)
        if clip is None:
            self.clip.say(state.problem)
            self.view.show_pictures(NOTHING, state.problem)
        else:
            self.clip.say(f"{name(clip.path)}  {clip.timeline(clip.first)}–{clip.timeline(clip.last)}")
            self.clip.setToolTip("\n".join([clip.path, *clip.notes]))
        self.view.show_state(state)
        self.running.show_status(session.status, clip is not None)
        self.points.show_state(state, session.shot)
        self.doubts.show_places(state, session.places)
        self.doubts.search.setEnabled(clip is not None and not session.busy)
        count = len(session.places or ())
        self.tabs.setTabText(1, f"Doubtful ({count})" if count else "Doubtful")
        self.engine.show_path(state.settings.engine)
        self._ask_for_pictures(state, session)

    # pictures

    def _ask_for_pictures(self, state: NodeState, session: sessions.Session) -> None:
        """Fetch the pictures of this frame, unless they are there or under way."""
        node = self.node
        if node is None or state.clip is None or not self.isVisible():
            return
        prompt = gathered(state).get((state.selected, state.frame))
        wish = Wish(state.settings.shot, state.frame, state.selected, prompt, state.name)
        at = session.status.progress.frame if session.busy else None
        fresh = (wish, session.busy, at == state.frame, None if at is None else at // EVERY)
        if fresh == self._wish:
            return
        self._wish = fresh
        if self._pictures is None:
            self._pictures = Pictures(node.on_main_thread, self._arrived)
            self._leave.pictures = self._pictures
        self._pictures.wish(wish)

    def _arrived(self, look: Look) -> None:
        session, state = self._session, self._state
        if session is None or state is None or state.clip is None:
            return
        why = look.problem or (ASLEEP if look.wish.shot else NO_PICTURE)
        self.view.show_pictures(decoded(look), why)
        if look.shot is not None:
            session.shot, session.places = look.shot, look.places
            self.points.show_state(state, session.shot)
            self.doubts.show_places(state, session.places)

    def _close_pictures(self) -> None:
        if self._pictures is not None:
            self._pictures.close()
        self._pictures, self._wish = None, None

    # what the artist does

    def _do(self, what: Callable[[sessions.Session], object]) -> None:
        if self._session is not None:
            what(self._session)

    def _edit(self, change: Callable[[Node], None]) -> None:
        """Change the node and show it."""
        if self.node is None or self._session is None:
            return
        try:
            change(self.node)
        except NodeError as e:
            self.running.words.say(str(e), BAD)
            return
        self.look()

    def _go(self, name: str, frame: int) -> None:
        def change(node: Node) -> None:
            node.select_object(name)
            if frame >= 0:
                node.go_to(frame)

        self._edit(change)

    def _set_point(self, x: float, y: float, subject: bool) -> None:
        state = self._state
        if state is not None:
            self._edit(lambda n: n.set_point(Point("", state.selected, state.frame, x, y, subject)))

    def _flip(self, key: str) -> None:
        for point in self._state.points if self._state is not None else ():
            if point.key == key:
                turned = replace(point, subject=not point.subject)
                self._edit(lambda node, p=turned: node.set_point(p))  # type: ignore[misc]

    # the engine

    def _set_engine(self, path: str) -> None:
        state = self._state
        if state is not None and path != state.settings.engine:
            self._edit(lambda node: node.set_settings(replace(node.read().settings, engine=path)))

    def _find_engine(self) -> None:
        self._errand("looking for an installed engine", connect.installed, self._found_engine)

    def _found_engine(self, path: Any, problem: str) -> None:
        if path and not problem:
            self.engine.path.setText(path)
            self._set_engine(path)
        self.engine.said(f"{path} has the engine" if path else "", problem)

    def _test_engine(self) -> None:
        path = self.engine.path.text().strip()
        self._errand(
            "starting the engine",
            lambda: connect.describe(path),
            lambda lines, problem: self.engine.said("\n".join(lines or ()), problem),
        )

    def _errand(self, text: str, ask: Callable[[], Any], done: Callable[[Any, str], None]) -> None:
        node, gone = self.node, self._leave
        if node is None:
            return
        self.engine.wait(f"{text}…")
        errand(
            text,
            ask,
            node.on_main_thread,
            lambda result, problem: None if gone.gone else done(result, problem),
        )


def name(path: str) -> str:
    """Return a path's last part, whatever system it is of."""
    return str(paths.flavour(path).basename(path))
