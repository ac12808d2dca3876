"""Which engine works, and whether it can."""

from __future__ import annotations

from .qt import BAD, GOOD, Qt, QtCore, QtWidgets, Words, button


class EngineTab(QtWidgets.QWidget):
    """Path of the engine, Find and Test.

    Signals
    -------
    changed : another path was given; empty = the installed engine.
    searched, tested : the buttons.
    """

    changed = QtCore.Signal(str)
    searched = QtCore.Signal()
    tested = QtCore.Signal()

    def __init__(self) -> None:
        super().__init__()
        self.path = QtWidgets.QLineEdit()
        self.path.setPlaceholderText("the installed engine")
        self.path.setToolTip("The Python that has Trackmatte; empty = the installed one")
        self.path.setMinimumWidth(40)
        self.path.editingFinished.connect(lambda: self.changed.emit(self.path.text().strip()))
        self.buttons = [
            button("Find", "Look for an installed engine", self.searched.emit),
            button("Test", "Start the engine and say what it can do", self.tested.emit),
        ]
        row = QtWidgets.QHBoxLayout()
        row.setSpacing(4)
        for each in self.buttons:
            row.addWidget(each)
        self.words = Words()
        label = QtWidgets.QLabel("Python or program")
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(4)
        layout.addWidget(label)
        layout.addWidget(self.path)
        layout.addLayout(row)
        inside = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.words)
        column.addStretch(1)
        scroll = QtWidgets.QScrollArea()
        scroll.setWidget(inside)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout.addWidget(scroll, 1)

    def show_path(self, path: str) -> None:
        """Show the node's path, unless one is being typed."""
        if not self.path.hasFocus() and self.path.text() != path:
            self.path.setText(path)

    def wait(self, text: str) -> None:
        """Say that something is being looked at."""
        for each in self.buttons:
            each.setEnabled(False)
        self.words.say(text)

    def said(self, text: str, problem: str) -> None:
        """Say what was found, or what is wrong."""
        for each in self.buttons:
            each.setEnabled(True)
        self.words.say(problem or text, BAD if problem else GOOD)
