"""A reader of Nuke's scripts, to a graph of names: written after the format, not after the writer.

A script is Tcl: a node's command pops its inputs off a stack, the first of them from the top, and pushes the
node. ``set NAME [stack 0]`` names the top, ``push $NAME`` and ``push 0`` put a node or nothing on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

GENERATORS = ("Read", "Constant", "Input", "BackdropNode", "Root", "StickyNote", "CheckerBoard2")
Word = Any
"""Text, or a list of words: what stood in braces."""


@dataclass
class Item:
    """A node as a script tells it."""

    kind: str
    name: str
    knobs: dict[str, Word] = field(default_factory=dict)
    user_knobs: list[list[Word]] = field(default_factory=list)
    inputs: list[str | None] = field(default_factory=list)
    """Names, the first input first."""
    inside: Graph | None = None


@dataclass
class Graph:
    """Nodes by name, in the script's order."""

    nodes: dict[str, Item] = field(default_factory=dict)


class Broken(ValueError):  # noqa: N818
    """It is no script of Nuke."""


def parse(text: str) -> Graph:
    """Return the graph in a script.

    Raises
    ------
    Broken : it is none.
    """
    return _Reader(text).graph(top=True)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def graph(self, *, top: bool) -> Graph:
        found = Graph()
        stack: list[str | None] = []
        named: dict[str, str | None] = {}
        while True:
            words = self.command()
            if words is None:
                if top:
                    return found
                raise Broken("a group has no end_group")
            if words == ["end_group"]:
                if top:
                    raise Broken("end_group without a group")
                return found
            if words[0] in ("set", "push"):
                _shuffle(words, stack, named)
            elif words[0] not in ("version", "add_layer", "define_window_layout_xml"):
                item = self.item(words, stack)
                if item.name in found.nodes:
                    raise Broken(f"two nodes are called {item.name}")
                found.nodes[item.name] = item
                if item.kind not in ("Root", "BackdropNode"):
                    stack.append(item.name)

    def item(self, words: list[Word], stack: list[str | None]) -> Item:
        kind, body = words[0], words[1] if len(words) > 1 else None
        if not isinstance(body, _Braces):
            raise Broken(f"{kind} has no braces")
        item, count = Item(kind, kind), 0 if kind in GENERATORS else 1
        inner = _Reader(body.text)
        while (line := inner.command()) is not None:
            key, value = line[0], (line[1] if len(line) > 1 else "")
            if len(line) > 2:
                raise Broken(f"{kind}: more than one word for {key}: {line}")
            if key == "inputs":
                count = sum(int(n) for n in _plain(value).split("+"))
            elif key == "addUserKnob":
                item.user_knobs.append(_words(value))
            else:
                item.knobs[key] = _tree(value)
        item.name = str(item.knobs.get("name", kind))
        for _ in range(count):
            item.inputs.append(stack.pop() if stack else None)
        if kind == "Group":
            item.inside = self.graph(top=False)
        return item

    def command(self) -> list[Word] | None:
        """Return the words of the next command; None at the end."""
        words: list[Word] = []
        while self.at < len(self.text):
            c = self.text[self.at]
            if c in "\n;":
                self.at += 1
                if words:
                    return words
            elif c.isspace():
                self.at += 1
            elif c == "#" and not words:
                self.at = (self.text.find("\n", self.at) + 1) or len(self.text)
            else:
                words.append(self.word())
        return words or None

    def word(self) -> Word:
        c = self.text[self.at]
        if c == "{":
            return self.braces()
        if c == '"':
            return self.string()
        if c == "[":
            end = self.text.index("]", self.at)
            inner = self.text[self.at + 1 : end].split()
            self.at = end + 1
            return inner
        start = self.at
        while self.at < len(self.text) and not self.text[self.at].isspace() and self.text[self.at] != ";":
            self.at += 1
        return _unescape(self.text[start : self.at])

    def string(self) -> str:
        self.at += 1
        start = self.at
        while self.text[self.at] != '"':
            self.at += 2 if self.text[self.at] == "\\" else 1
        self.at += 1
        return _unescape(self.text[start : self.at - 1])

    def braces(self) -> _Braces:
        depth, start = 0, self.at
        while True:
            if self.at >= len(self.text):
                raise Broken("a brace is not closed")
            c = self.text[self.at]
            if c == "\\":
                self.at += 1
            elif c == '"':
                self.string()
                continue
            depth += (c == "{") - (c == "}")
            self.at += 1
            if depth == 0:
                return _Braces(self.text[start + 1 : self.at - 1])


def _shuffle(words: list[Word], stack: list[str | None], named: dict[str, str | None]) -> None:
    """Do what ``set`` and ``push`` say."""
    if words[0] == "set":
        if words[2] != ["stack", "0"] or not stack:
            raise Broken(f"set {words[1]} of nothing")
        named[words[1]] = stack[-1]
        return
    if words[1] != "0" and words[1].lstrip("$") not in named:
        raise Broken(f"push of {words[1]}, which was not set")
    stack.append(None if words[1] == "0" else named[words[1].lstrip("$")])


@dataclass(frozen=True)
class _Braces:
    text: str


def _words(word: Word) -> list[Word]:
    """Return the words in braces, as text or lists."""
    reader, words = _Reader(word.text), []
    while reader.at < len(reader.text):
        if reader.text[reader.at].isspace():
            reader.at += 1
        else:
            words.append(_tree(reader.word()))
    return words


def _tree(word: Word) -> Word:
    return _words(word) if isinstance(word, _Braces) else word


def _plain(word: Word) -> str:
    return word.text if isinstance(word, _Braces) else str(word)


def _unescape(text: str) -> str:
    out, i = [], 0
    while i < len(text):
        if text[i] == "\\" and i + 1 < len(text):
            i += 1
            out.append({"n": "\n", "t": "\t"}.get(text[i], text[i]))
        else:
            out.append(text[i])
        i += 1
    return "".join(out)
