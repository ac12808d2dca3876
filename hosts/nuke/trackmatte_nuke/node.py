"""A Trackmatte node of Nuke, as panel and work see it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import nuke

from . import knobs, making, reads, rendering, results, undo
from .model import Box, Clip, NodeError, NodeState, Point, Result, Settings

if TYPE_CHECKING:
    from typing import Callable

_SETTINGS = ("tracker", "refiner", "preset", "engine", "shot", "folder")


_known: list[NukeNode] = []
_watching: list[bool] = []


def of(node: Any) -> NukeNode:
    """Return what stands for a node: the same object as long as the node lives.

    Raises
    ------
    NodeError : it is no Trackmatte node.
    """
    for known in _known:
        if known.node == node:
            return known
    if not knobs.is_ours(node):
        raise NodeError(f"{node.name()} is no Trackmatte node")
    if not _watching:
        nuke.addOnDestroy(_destroyed, nodeClass="Group")
        _watching.append(True)
    _known.append(NukeNode(node))
    return _known[-1]


def _destroyed() -> None:
    """Nuke deletes a group: what stood for it says so from now on, to any thread."""
    for known in [k for k in _known if k.node == nuke.thisNode()]:
        known.gone = True
        _known.remove(known)


class NukeNode:
    """What may be asked of a Trackmatte node; all but `alive` and `on_main_thread` on the main thread only.

    Made by `of` alone, so that one node has one.
    """

    def __init__(self, node: Any) -> None:
        self.node = node
        self.gone = False

    def alive(self) -> bool:
        """Whether the node is still in the script; any thread may ask."""
        return not self.gone

    # what it tells

    def read(self) -> NodeState:
        """Return what the node says now; quick, renders nothing."""
        clip, problem, trim = None, "", None
        try:
            clip, trim = self._clip(render=False)
        except NodeError as e:
            problem = str(e)
        return self._state(clip, problem, trim)

    def ready(self) -> NodeState:
        """Return the same for a pass that begins; an input without a Read is rendered first.

        Raises
        ------
        NodeError : there is nothing to work on, or the artist stopped the rendering.
        """
        clip, trim = self._clip(render=True)
        return self._state(clip, "", trim)

    def _clip(self, *, render: bool) -> tuple[Clip, tuple[int, int] | None]:
        """Return the clip, and the part of it that the Read shows if that is not all."""
        chosen, folder = str(self.node["source"].value()), self._folder()
        why = "the node says so"
        if chosen != "render":
            try:
                found = reads.find(self.node)
                return found.clip, found.shown
            except reads.NotFollowed as e:
                if chosen == "read":
                    raise
                why = str(e)
        elif self.node.input(0) is None:
            raise NodeError(f"nothing is connected to {self.node.name()}: connect the plate")
        make = rendering.render if render else rendering.planned
        return make(self.node, folder, why), None

    def _state(self, clip: Clip | None, problem: str, trim: tuple[int, int] | None) -> NodeState:
        node = self.node
        objects = knobs.names(node)
        selected = str(node["selected_object"].value()).strip() or objects[0]
        if selected not in objects:
            objects = (*objects, selected)
        span = trim
        if node["use_range"].value() and clip is not None:
            span = (clip.source(int(node["first"].value())), clip.source(int(node["last"].value())))
        return NodeState(
            name=str(node.fullName()),
            clip=clip,
            problem=problem,
            objects=objects,
            selected=selected,
            points=self._points(clip),
            boxes=self._boxes(clip),
            range=span,
            frame=clip.source(int(nuke.frame())) if clip is not None else int(nuke.frame()),
            settings=self._settings(clip),
        )

    def _points(self, clip: Clip | None) -> tuple[Point, ...]:
        width, height = reads.picture(self.node)
        found = []
        for slot in knobs.slots(self.node, knobs.POINT):
            whose = knobs.owner(self.node, slot)
            for frame, kind, (x, y) in knobs.values(self.node, slot):
                number = clip.source(frame) if clip is not None else frame
                name = knobs.key(slot, frame)
                found.append(Point(name, whose, number, x / width, 1 - y / height, kind == knobs.SUBJECT))
        return tuple(found)

    def _boxes(self, clip: Clip | None) -> tuple[Box, ...]:
        width, height = reads.picture(self.node)
        found = []
        for slot in knobs.slots(self.node, knobs.BOX):
            whose = knobs.owner(self.node, slot)
            for frame, _, (x, y, r, t) in knobs.values(self.node, slot):
                number = clip.source(frame) if clip is not None else frame
                left, right = sorted((x / width, r / width))
                top, bottom = sorted((1 - t / height, 1 - y / height))
                found.append(Box(knobs.key(slot, frame), whose, number, left, top, right, bottom))
        return tuple(found)

    def _settings(self, clip: Clip | None) -> Settings:
        said = {name: str(self.node[name].value() or "").strip() for name in _SETTINGS}
        if clip is not None:
            said["folder"] = self._folder()
        said["tracker"], said["refiner"] = said["tracker"] or "auto", said["refiner"] or "auto"
        return Settings(**said)

    def _folder(self) -> str:
        """Return where shots and rendered inputs go: what the node says, else beside script or plate."""
        chosen = str(self.node["folder"].getEvaluatedValue() or "").strip()
        if chosen:
            return reads.whole(chosen.replace("\\", "/"), f"the knob folder of {self.node.name()}")
        script = str(nuke.root().name())
        beside = script if script not in ("", "Root") else reads.plate(self.node)
        if not beside:
            return Path.home().as_posix()
        folder = beside.replace("\\", "/").rpartition("/")[0]
        return f"{folder}/" if folder[-1:] in ("", ":") else folder  # the root, of a drive or of all

    # what may be asked of it

    def set_point(self, point: Point) -> None:
        """Change the point of that key; an empty key makes a new point."""
        frame = self._frame(point.frame)
        width, height = reads.picture(self.node)
        kind = knobs.SUBJECT if point.subject else knobs.BACKGROUND
        with undo.one_step("Trackmatte point"):
            known = knobs.parse_key(point.key)
            slot = known[0] if known is not None and self.node.knob(known[0]) is not None else ""
            if not slot:
                slot = knobs.free_slot(self.node, knobs.POINT, point.object, frame, kind)
            elif known is not None and known[1] != frame:
                knobs.remove(self.node, slot, known[1])
            knobs.put(self.node, slot, frame, kind, (point.x * width, (1 - point.y) * height))
            self._know(point.object)

    def set_box(self, box: Box) -> None:
        """Put a box around an object on a frame, in place of the one that is there."""
        frame = self._frame(box.frame)
        width, height = reads.picture(self.node)
        place = (box.left * width, (1 - box.bottom) * height, box.right * width, (1 - box.top) * height)
        kind = knobs.SUBJECT
        with undo.one_step("Trackmatte box"):
            mine = [s for s in knobs.slots(self.node, knobs.BOX) if knobs.owner(self.node, s) == box.object]
            slot = mine[0] if mine else knobs.free_slot(self.node, knobs.BOX, box.object, frame, kind)
            knobs.put(self.node, slot, frame, kind, place)
            self._know(box.object)

    def remove_point(self, key: str) -> None:
        """Take a point or a box away."""
        known = knobs.parse_key(key)
        if known is None or self.node.knob(known[0]) is None:
            return
        with undo.one_step("Trackmatte remove point"):
            knobs.remove(self.node, *known)

    def select_object(self, name: str) -> None:
        """Let new points go to this object."""
        clean = "_".join(name.replace(",", " ").split())
        if not clean:
            raise NodeError("an object needs a name")
        with undo.one_step("Trackmatte object"):
            self._know(clean)
            self.node["selected_object"].setValue(clean)

    def set_settings(self, settings: Settings) -> None:
        """Keep these settings with the node; those that are as before are not touched."""
        before = self.read().settings
        changed = [n for n in _SETTINGS if getattr(settings, n) != getattr(before, n)]
        if not changed:
            return
        # Which shot file is a node's is no edit of the artist's.
        with undo.none() if changed == ["shot"] else undo.one_step("Trackmatte settings"):
            for name in changed:
                self.node[name].setValue(getattr(settings, name))

    def say(self, text: str) -> None:
        """Show a line on the node; empty = none."""
        with undo.none():
            self.node["status"].setValue(text or " ")

    def go_to(self, frame: int) -> None:
        """Move the timeline to a source number."""
        clip = self.read().clip
        nuke.frame(clip.timeline(frame) if clip is not None else frame)

    def deliver(self, delivered: tuple[Result, ...]) -> list[str]:
        """Bring delivered sequences into the script; return lines for the artist."""
        clip = self._clip(render=False)[0]
        making.identity(self.node)  # which is no edit of the artist's
        with undo.one_step("Trackmatte results"):
            return results.deliver(self.node, clip, delivered)

    def on_main_thread(self, function: Callable[[], None]) -> None:
        """Call ``function`` soon on the main thread and return at once; what it raises is lost."""
        nuke.executeInMainThread(function)

    def _frame(self, number: int) -> int:
        """Return the timeline's frame of a source number that something is to be said about."""
        clip = self._clip(render=False)[0]
        if not clip.first <= number <= clip.last:
            raise NodeError(
                f"frame {clip.timeline(number)} is not in the clip, which is there from "
                f"{clip.timeline(clip.first)} to {clip.timeline(clip.last)}: go to one of its frames first"
            )
        return clip.timeline(number)

    def _know(self, name: str) -> None:
        have = knobs.names(self.node)
        if name not in have:
            self.node["objects"].setValue(" ".join((*have, name)))
