"""Delivered sequences in the script: checked file by file, read on the right frames, put into the alpha."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nuke

from . import reads
from .making import MARK, Maker, identity, role_of, scope
from .model import Clip, NodeError, Result
from .trackmatte_client import paths

if TYPE_CHECKING:
    from typing import Iterable

EXR_MAGIC = b"\x76\x2f\x31\x01"
COLOURED = "cutout"
LAYERED = "multi"


def deliver(node: Any, clip: Clip, delivered: tuple[Result, ...]) -> list[str]:
    """Read delivered sequences in; mattes go into the alpha of a Copy behind the node.

    What is there from before is brought up to date; nothing else of the script is touched.

    Raises
    ------
    NodeError : none of them can be read here.
    """
    said, mattes = [], []
    for result in delivered:
        if not result.target.lower().endswith(".exr"):
            said.append(f"{result.target} is not read in: only EXR sequences are")
            continue
        said += check(result)
        read, lines = put_read(node, clip, result)
        frame = clip.timeline(result.first)
        said += [f"{read.name()}: frame {frame} of the timeline shows file {result.first}", *lines]
        if result.preset not in (COLOURED, LAYERED):
            mattes.append(read)
    if mattes:
        copy, new = _alpha(node, mattes)
        if new:
            said.append(
                f"{copy.name()} has the plate with the matte in its alpha: connect it where you want it"
            )
    return said


def check(result: Result) -> list[str]:
    """Look at every file of a sequence; return lines for the artist.

    Raises
    ------
    NodeError : some are missing or damaged: Nuke would only say so frame by frame, on the farm.
    """
    missing, broken = [], []
    numbers = [n for a, b in result.spans for n in range(a, b + 1)]
    for number in numbers:
        try:
            with Path(paths.numbered(result.target, result.padding, number)).open("rb") as file:
                if file.read(len(EXR_MAGIC)) != EXR_MAGIC:
                    broken.append(number)
        except FileNotFoundError:
            missing.append(number)
        except OSError:
            broken.append(number)
    name = Path(result.target).name
    wrong = [
        f"{what} {_text(which)}" for what, which in (("missing:", missing), ("damaged:", broken)) if which
    ]
    if wrong:
        raise NodeError(f"{name} is not whole ({'; '.join(wrong)}): press Matte to write it again")
    whole = f"{name}: complete, {len(numbers)} frames {_text(numbers)}"
    if len(result.spans) > 1:
        whole += " (the plate lacks what is in between)"
    return [whole]


def put_read(node: Any, clip: Clip, result: Result) -> tuple[Any, list[str]]:
    """Return the Read of a sequence, the one from before or a new one, and lines for the artist."""
    role = f"read {result.preset} {' '.join(result.objects)}"
    read = find(node, role)
    if read is None:
        read = Maker(node).node("Read", role, f"{node.name()}_{result.preset}_{'_'.join(result.objects)}")
        read["label"].setValue(f"{result.preset}: {', '.join(result.objects)}")
    files = re.sub("#+", f"%0{result.padding}d", result.target.replace("\\", "/"), count=1)
    read["file"].setValue(reads.literal(files))
    for first in ("first", "origfirst"):
        read[first].setValue(result.first)
    for last in ("last", "origlast"):
        read[last].setValue(result.last)
    read["origset"].setValue(True)
    read["before"].setValue("black")
    read["after"].setValue("black")
    read["frame_mode"].setValue("start at")
    read["frame"].setValue(str(clip.timeline(result.first)))
    return read, _colour(node, clip, read, result)


def find(node: Any, role: str) -> Any:
    """Return the first node that plays a role for a Trackmatte node, or None."""
    found = find_all(node, role)
    return found[0] if found else None


def find_all(node: Any, role: str) -> list[Any]:
    """Return the nodes that play a role for a Trackmatte node, oldest first."""
    with scope(node):
        found = [n for n in nuke.allNodes() if role_of(n) == (identity(node), role)]
    return sorted(found, key=lambda n: int(json.loads(n[MARK].value()).get("at", 0)))


def mattes(node: Any) -> list[Any]:
    """Return the Reads of a node's mattes, one for each object."""
    return _reads(node, ("alpha", "matte"))


def cutouts(node: Any) -> list[Any]:
    """Return the Reads of a node's cut-outs, one for each object."""
    return _reads(node, (COLOURED,))


def layered(node: Any) -> list[Any]:
    """Return the Reads with a layer per object; at most one for each set of objects."""
    return _reads(node, (LAYERED,))


def together(maker: Maker, column: int, row: int, reads_: list[Any]) -> Any:
    """Return a node whose alpha (and colours) are the sum of several, at most 1 in alpha."""
    total = reads_[0]
    if len(reads_) == 1:
        return total
    for i, read in enumerate(reads_[1:]):
        merge = maker.node("Merge2", "sum", column=column, row=row + i * 0.4)
        merge["operation"].setValue("plus")
        merge.setInput(0, total)
        merge.setInput(1, read)
        total = merge
    clamp = maker.node("Clamp", "sum", column=column, row=row + (len(reads_) - 1) * 0.4)
    clamp["channels"].setValue("alpha")
    clamp.setInput(0, total)
    return clamp


def _alpha(node: Any, found: list[Any]) -> tuple[Any, bool]:
    """Return the Copy that puts the mattes into the node's alpha, and whether it is new."""
    copy = find(node, "alpha")
    known = mattes(node)
    if copy is not None and len(known) == 1 and copy.input(1) == known[0]:
        return copy, False
    maker = Maker(node)
    new = copy is None
    if copy is None:
        copy = maker.node("Copy", "alpha", f"{node.name()}_alpha", column=1, row=1)
        copy["from0"].setValue("rgba.alpha")
        copy["to0"].setValue("rgba.alpha")
        copy["bbox"].setValue("B")
        copy.setInput(0, node)
    wanted = known if len(known) > 1 else found
    if new or copy.input(1) is None or _under(copy.input(1)) != [r.name() for r in wanted]:
        copy.setInput(1, together(maker, 0, 1, wanted))
    return copy, new


def _under(node: Any) -> list[str]:
    """Return the names of the Reads that a sum is made of."""
    if node.Class() == "Read":
        return [str(node.name())]
    return [n for i in range(node.inputs()) if node.input(i) is not None for n in _under(node.input(i))]


def _reads(node: Any, presets: Iterable[str]) -> list[Any]:
    """Return the Reads of some presets; where two are of one object, that of the later preset."""
    found: dict[str, Any] = {}
    with scope(node):
        others = [(role_of(n), n) for n in nuke.allNodes()]
    for preset in presets:
        for (owner, role), other in others:
            words = role.split(" ", 2)
            if owner == identity(node) and words[:2] == ["read", preset]:
                found[words[2]] = other
    return [found[name] for name in sorted(found)]


def _colour(node: Any, clip: Clip, read: Any, result: Result) -> list[str]:
    """Mattes are data. Cut-outs hold the plate's own code values and are read as the plate is.

    Returns lines for the artist.
    """
    if result.preset != COLOURED:
        read["raw"].setValue(True)
        return []
    try:
        source = reads.find(node)
    except NodeError:
        source = None
    if source is None or source.clip.path != clip.path:  # the input was rendered: linear EXRs, as this is one
        return []
    plate = source.read
    read["raw"].setValue(bool(plate["raw"].value()))
    space = str(plate["colorspace"].value())
    # "default (sRGB)" names what the plate's file type comes as; another file type comes as something else.
    named = re.match(r"^default \((.*)\)$", space)
    if space == "default":
        return [f"{read.name()} must have the colour space that {plate.name()} has by default: set it there"]
    read["colorspace"].setValue(named.group(1) if named else space)
    return []


def _text(numbers: list[int]) -> str:
    spans: list[list[int]] = []
    for n in sorted(numbers):
        if spans and n == spans[-1][1] + 1:
            spans[-1][1] = n
        else:
            spans.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)
