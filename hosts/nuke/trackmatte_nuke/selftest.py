"""Everything that Trackmatte asks of Nuke, tried in the Nuke at hand, with a report file.

No engine is needed. All is done in a group of its own, which is gone afterwards; the script stays as it was.
"""

from __future__ import annotations

import platform
import struct
import tempfile
import threading
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nuke

from . import knobs, reads, rendering, results, setups, undo
from . import node as nodes
from .model import Box, Clip, NodeError, Point, Result

if TYPE_CHECKING:
    from typing import Callable

KNOBS = {
    "Read": (
        "file", "first", "last", "origfirst", "origlast", "origset", "before", "after", "frame_mode", "frame",
        "raw", "colorspace", "label", "disable", "format",
    ),
    "Write": ("channels", "file", "file_type", "create_directories"),
    "Copy": ("from0", "to0", "from1", "to1", "from2", "to2", "from3", "to3", "bbox"),
    "Merge2": ("operation",),
    "Blur": ("channels", "size"),
    "ZDefocus2": ("channels", "z_channel", "math", "size", "max_size"),
    "Premult": ("channels",),
    "Unpremult": ("channels",),
    "Invert": ("channels",),
    "Dilate": ("channels", "size"),
    "Clamp": ("channels",),
    "Expression": ("expr0", "expr1", "expr2", "expr3"),
    "AddChannels": ("channels", "color"),
    "TimeOffset": ("time_offset",),
    "FrameRange": ("first_frame", "last_frame"),
    "Dot": (),
    "BackdropNode": ("bdwidth", "bdheight", "label", "tile_color"),
}  # fmt: skip
"""What is used of each class of nodes."""
OWN = {
    "PyScript_Knob": (
        "add_point", "add_background", "add_box", "track", "matte", "stop", "open_panel", "cutout", "blur",
        "despill", "layers",
    ),
    "String_Knob": ("objects", "selected_object", "tracker", "refiner", "rendered", "identity"),
    "Text_Knob": ("status",),
    "Boolean_Knob": ("use_range",),
    "Int_Knob": ("first", "last"),
    "Double_Knob": ("blur_size",),
    "Enumeration_Knob": ("lens", "source", "preset"),
    "File_Knob": ("engine", "folder", "shot"),
}  # fmt: skip
"""The Trackmatte node's own knobs, by what they must be: another one is Nuke's, of the same name."""
SIZE = (32, 24)
PLATE, ALPHA = (0.5, 0.25, 0.125), 0.5


def run(folder: str = "") -> str:
    """Try everything and return the report's path."""
    place = Path(folder or tempfile.gettempdir())
    report = Report(place / f"trackmatte_selftest_{nuke.NUKE_VERSION_STRING}.txt")
    with tempfile.TemporaryDirectory(prefix="trackmatte") as scratch, undo.none():
        before, frame = [n.name() for n in nuke.root().nodes()], nuke.frame()
        for class_name, used in KNOBS.items():
            report.tried(f"{class_name} has the knobs that are used", partial(_knobs, class_name, used))
        group = nuke.nodes.Group()
        try:
            with group:
                bench = Bench(Path(scratch).as_posix())
                for name, step in bench.steps():
                    report.tried(name, step)
        finally:
            nuke.delete(group)
            nuke.frame(frame)
        report.tried(
            "the script is as it was", lambda: _same(before, [n.name() for n in nuke.root().nodes()])
        )
    report.tried("an edit that fails leaves nothing behind", _cancelled)
    report.write()
    _in_thread(report)
    return str(report.path)


class Report:
    """Lines of what was tried."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failed = 0
        self.lines = [
            "Trackmatte self-test",
            f"Nuke {nuke.NUKE_VERSION_STRING}, Python {platform.python_version()}, {platform.platform()}",
        ]

    def tried(self, name: str, step: Callable[[], Any]) -> None:
        """Try something and note what came of it."""
        try:
            said = step()
        except Exception as e:  # every failure belongs in the report
            self.failed += 1
            self.lines.append(f"FAIL {name}: {e!r}")
            self.lines += [f"     {line}" for line in traceback.format_exc().splitlines()[-4:-1]]
        else:
            self.lines.append(f"ok   {name}" + (f": {said}" if said else ""))

    def write(self) -> None:
        """Write the file."""
        end = f"{self.failed} failed" if self.failed else "all good"
        self.path.write_text("\n".join([*self.lines, end, ""]), encoding="utf-8")


class Bench:
    """A plate, mattes and a Trackmatte node in the group at hand."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        for number in range(1001, 1004):
            rgb = dict(zip("RGB", PLATE))
            tiny_exr(f"{folder}/plate.{number}.exr", rgb)
            tiny_exr(f"{folder}/matte.{number}.exr", dict.fromkeys("RGBA", ALPHA))
            tiny_exr(f"{folder}/cutout.{number}.exr", {**rgb, "A": ALPHA})
            tiny_exr(f"{folder}/multi.{number}.exr", {"hero.A": ALPHA, "dog.A": 0.25})
        self.plate = nuke.nodes.Read()
        self.plate["file"].setValue(f"{folder}/plate.%04d.exr")
        for name, value in (("first", 1001), ("origfirst", 1001), ("last", 1003), ("origlast", 1003)):
            self.plate[name].setValue(value)
        self.node = nuke.createNode("Trackmatte", inpanel=False)
        self.node.setInput(0, self.plate)

    def steps(self) -> list[tuple[str, Callable[[], Any]]]:
        """Return what to try, in order."""
        return [
            ("the node has its knobs", self.signs),
            ("the Read upstream is found", self.found),
            ("'start at' shows the first file on that frame", lambda: self.timing("start at", "11", 11)),
            ("'offset' moves the clip later", lambda: self.timing("offset", "100", 1101)),
            ("'expression' adds to the timeline's frame", lambda: self.timing("expression", "frame+1000", 1)),
            ("TimeOffset moves the clip later", self.later),
            ("FrameRange sets in and out", self.limited),
            ("a folder with brackets in its name is read", self.bracketed),
            ("what is upstream is told by its knobs, on any frame", self.told_apart),
            ("points come back as they were set", self.points),
            ("boxes come back as they were set", self.boxes),
            ("results are read in", self.delivered),
            ("layers have names that can be copied", self.layers),
            ("the matte is in the alpha", lambda: self.sampled(self.named("alpha"), (*PLATE, ALPHA))),
            ("cut-out", lambda: self.built(setups.cutout, "subject", tuple(v * ALPHA for v in PLATE))),
            ("blurred background, Blur", lambda: self.built(self.blur("Blur"), "blur", PLATE)),
            ("blurred background, ZDefocus2", lambda: self.built(self.blur("ZDefocus2"), "blur", PLATE)),
            ("despill", lambda: self.built(setups.despill, "despill", PLATE)),
        ]

    def signs(self) -> None:
        """The gizmo was found and made a group with the user's knobs."""
        if not knobs.is_ours(self.node):
            raise NodeError(f"{self.node.Class()} with the knobs {sorted(self.node.knobs())}")
        found = {name: str(self.node[name].Class()) for names in OWN.values() for name in names}
        _same(found, {name: kind for kind, names in OWN.items() for name in names})

    def found(self) -> str:
        """The file is found, with its size."""
        source = reads.find(self.node)
        _same((source.width, source.height), SIZE)
        _same((source.clip.first, source.clip.last, source.clip.offset), (1001, 1003, 0))
        return source.clip.path

    def timing(self, mode: str, frame: str, begins: int) -> None:
        """Nuke and we count frames alike."""
        self.plate["frame_mode"].setValue(mode)
        self.plate["frame"].setValue(frame)
        try:
            _same(int(self.plate.firstFrame()), begins)
            _same(reads.find(self.node).clip.timeline(1001), begins)
        finally:
            self.plate["frame_mode"].setValue("expression")
            self.plate["frame"].setValue("")

    def later(self) -> None:
        """A TimeOffset of 10 shows everything 10 frames later, for Nuke as for us."""
        offset = nuke.nodes.TimeOffset()
        offset.setInput(0, self.plate)
        offset["time_offset"].setValue(10)
        self.node.setInput(0, offset)
        try:
            _same(int(offset.firstFrame()), 1011)
            _same(reads.find(self.node).clip.timeline(1001), 1011)
        finally:
            self.node.setInput(0, self.plate)
            nuke.delete(offset)

    def limited(self) -> None:
        """A FrameRange lets two frames through."""
        limit = nuke.nodes.FrameRange()
        limit.setInput(0, self.plate)
        limit["first_frame"].setValue(1002)
        limit["last_frame"].setValue(2000)
        self.node.setInput(0, limit)
        try:
            _same(reads.find(self.node).shown, (1002, 1003))
        finally:
            self.node.setInput(0, self.plate)
            nuke.delete(limit)

    def bracketed(self) -> None:
        """Brackets are no expressions where they are marked as text."""
        folder = Path(self.folder, "[a] b")
        folder.mkdir()
        tiny_exr(str(folder / "x.1002.exr"), {"R": 0.75})
        read = nuke.nodes.Read()
        try:
            read["file"].setValue(reads.literal(f"{folder.as_posix()}/x.%04d.exr"))
            for name, value in (("first", 1002), ("origfirst", 1002), ("last", 1002), ("origlast", 1002)):
                read[name].setValue(value)
            _near(self.value(read, "rgba.red"), 0.75)
        finally:
            nuke.delete(read)

    def told_apart(self) -> None:
        """The same on two frames, another when a knob is set otherwise."""
        nuke.frame(1001)
        first = rendering.digest(self.node)
        nuke.frame(1002)
        _same(rendering.digest(self.node), first)
        self.plate["raw"].setValue(True)
        changed = rendering.digest(self.node)
        self.plate["raw"].setValue(False)
        _same((changed != first, rendering.digest(self.node)), (True, first))

    def points(self) -> None:
        """Two frames of a point, one of them background, one taken back."""
        at = nodes.of(self.node)
        at.set_point(Point("", "hero", 1001, 0.25, 0.75))
        at.set_point(Point("", "hero", 1003, 0.5, 0.5, subject=False))
        have = [(p.object, p.frame, round(p.x, 4), round(p.y, 4), p.subject) for p in at.read().points]
        _same(have, [("hero", 1001, 0.25, 0.75, True), ("hero", 1003, 0.5, 0.5, False)])
        at.remove_point(at.read().points[1].key)
        _same([p.frame for p in at.read().points], [1001])

    def boxes(self) -> None:
        """A box."""
        at = nodes.of(self.node)
        at.set_box(Box("", "hero", 1002, 0.1, 0.2, 0.8, 0.9))
        have = [
            (b.frame, *(round(v, 4) for v in (b.left, b.top, b.right, b.bottom))) for b in at.read().boxes
        ]
        _same(have, [(1002, 0.1, 0.2, 0.8, 0.9)])

    def delivered(self) -> str:
        """Sequences become Reads."""
        clip = Clip(f"{self.folder}/plate.####.exr", 1001, 1003)
        made = [
            Result(preset, objects, f"{self.folder}/{preset}.####.exr", 4, ((1001, 1003),), "")
            for preset, objects in (("matte", ("hero",)), ("cutout", ("hero",)), ("multi", ("hero", "dog")))
        ]
        return results.deliver(self.node, clip, tuple(made))[0]

    def layers(self) -> str:
        """Every object's layer reaches the plate."""
        setups.layers(self.node)
        last = self.named("layers")
        names = [c for c in last.channels() if c.startswith(("hero.", "dog."))]
        _same(len(names), 2)
        for name in names:
            _near(self.value(last, name), ALPHA if name.startswith("hero") else 0.25)
        return ", ".join(names)

    def blur(self, lens: str) -> Callable[[Any], list[str]]:
        """Return the set-up with a lens."""
        return lambda node: setups.blur(node, 4.0, lens)

    def built(self, build: Callable[[Any], list[str]], role: str, wanted: tuple[float, ...]) -> None:
        """A set-up shows what it should."""
        build(self.node)
        self.sampled(self.named(role), wanted)

    def sampled(self, node: Any, wanted: tuple[float, ...]) -> None:
        """A node shows these values in the middle of the picture."""
        names = ("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha")
        for name, value in zip(names, wanted):
            _near(self.value(node, name), value)

    def value(self, node: Any, channel: str) -> float:
        """Return a channel in the middle of the picture on frame 1002."""
        nuke.frame(1002)
        return float(node.sample(channel, SIZE[0] // 2, SIZE[1] // 2))

    def named(self, role: str) -> Any:
        """Return the newest node with a role."""
        found = results.find_all(self.node, role)
        if not found:
            raise NodeError(f"no node plays {role}")
        return found[-1]


def tiny_exr(path: str, channels: dict[str, float]) -> None:
    """Write an EXR of one value per channel: 32-bit floats, uncompressed, one scan line after the other."""
    names = sorted(channels)
    width, height = SIZE
    box = struct.pack("<4i", 0, 0, width - 1, height - 1)
    listed = b"".join(n.encode() + b"\0" + struct.pack("<i4B2i", 2, 0, 0, 0, 0, 1, 1) for n in names) + b"\0"
    fields = (
        ("channels", "chlist", listed), ("compression", "compression", b"\0"), ("dataWindow", "box2i", box),
        ("displayWindow", "box2i", box), ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1)),
        ("screenWindowCenter", "v2f", struct.pack("<2f", 0, 0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1)),
    )  # fmt: skip
    head = b"\x76\x2f\x31\x01" + struct.pack("<i", 2)
    for name, kind, data in fields:
        head += name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(data)) + data
    head += b"\0"
    row = b"".join(struct.pack(f"<{width}f", *[channels[n]] * width) for n in names)
    begin, step = len(head) + 8 * height, 8 + len(row)
    table = struct.pack(f"<{height}q", *(begin + y * step for y in range(height)))
    rows = b"".join(struct.pack("<2i", y, len(row)) + row for y in range(height))
    Path(path).write_bytes(head + table + rows)


def _knobs(class_name: str, used: tuple[str, ...]) -> None:
    node = getattr(nuke.nodes, class_name)()
    try:
        missing = [name for name in used if node.knob(name) is None]
    finally:
        nuke.delete(node)
    if missing:
        raise NodeError(f"no {', '.join(missing)}")


def _cancelled() -> None:
    before = [n.name() for n in nuke.root().nodes()]
    try:
        with undo.one_step("Trackmatte self-test"):
            nuke.nodes.Dot()
            raise NodeError("on purpose")
    except NodeError:
        pass
    _same(before, [n.name() for n in nuke.root().nodes()])


def _in_thread(report: Report) -> None:
    """Ask from a thread for the main thread; what comes of it is added to the report a moment later."""

    def arrived() -> None:
        report.tried("threads reach the main thread", lambda: _same(threading.current_thread(), main))
        report.write()

    main = threading.current_thread()
    threading.Thread(target=lambda: nuke.executeInMainThread(arrived), daemon=True).start()


def _same(have: object, want: object) -> None:
    if have != want:
        raise NodeError(f"{have} in place of {want}")


def _near(have: float, want: float) -> None:
    if abs(have - want) > 0.002:
        raise NodeError(f"{have:.4f} in place of {want:.4f}")
