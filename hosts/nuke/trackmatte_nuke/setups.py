"""Ready-made set-ups: cut-out, blurred background, despilled foreground, a layer per object.

They are plain nodes of Nuke that read EXRs: a farm renders them without Trackmatte and its engine.

The blurred background has no halo. In a soft pixel the plate is a F + (1 - a) B. What is left when a F, the
subject in its own colour, is taken away is (1 - a) B: the background, premultiplied by its own share. That is
blurred together with the share and divided by it, so that the subject's place is filled by its surroundings,
and the subject goes over it with its own colour.
"""

from __future__ import annotations

from typing import Any

from . import results, undo
from .making import Maker
from .model import NodeError

SHARE = 0.5
"""Where less than this of a pixel is background, it does not take part: what is left there is mostly error,
for plates are mixed in code values as often as in light."""
GUARD = 3
"""Pixels around the subject that are no background where its own colours are not known."""


def cutout(node: Any) -> list[str]:
    """Add the subject alone, premultiplied; return lines for the artist."""
    _need(node)
    with undo.one_step("Trackmatte cut-out"):
        maker = Maker(node)
        subject, clean = _subject(node, maker)
        maker.frame("Trackmatte: cut-out")
    return [f"{subject.name()} is the subject, premultiplied", *_dirty(clean)]


def blur(node: Any, size: float, lens: str = "Blur") -> list[str]:
    """Add the subject over its blurred background; return lines for the artist.

    Parameters
    ----------
    size : of the blur, pixels.
    lens : class of the node that blurs: Blur or ZDefocus2.
    """
    _need(node)
    if size <= 0:
        raise NodeError(f"a blur of {size:g} pixels blurs nothing: choose a size above 0")
    with undo.one_step("Trackmatte blurred background"):
        maker = Maker(node)
        subject, clean = _subject(node, maker)
        rest = _rest(node, maker, subject) if clean else _guarded(node, maker)
        soft = _soften(maker, rest, size, lens)
        filled = maker.node("Unpremult", "background", column=4, row=5)
        filled["channels"].setValue("rgb")
        filled.setInput(0, soft)
        solid = maker.node("Expression", "background", column=4, row=5.6)
        solid["expr3"].setValue("1")
        solid.setInput(0, filled)
        over = maker.node("Merge2", "blur", f"{node.name()}_blur", column=4, row=7)
        over["operation"].setValue("over")
        over.setInput(0, solid)
        over.setInput(1, subject)
        maker.frame("Trackmatte: blurred background")
    return [f"{over.name()} is the subject over its blurred background", *_dirty(clean)]


def despill(node: Any) -> list[str]:
    """Add the subject in its own colours, straight, with the matte in alpha; return lines for the artist.

    Raises
    ------
    NodeError : no cut-out was delivered: only that knows the subject's own colours.
    """
    found = results.cutouts(node)
    if not found:
        raise NodeError("choose deliver: cutout and press Matte first: it finds the subject's own colours")
    with undo.one_step("Trackmatte despill"):
        maker = Maker(node)
        straight = maker.node("Dot", "despill", f"{node.name()}_despill", column=2, row=2)
        if len(found) == 1:
            straight.setInput(0, found[0])
        else:
            total = results.together(maker, 1, 1, [_premult(maker, r, i) for i, r in enumerate(found)])
            apart = maker.node("Unpremult", "despill", column=1, row=3)
            apart["channels"].setValue("rgb")
            apart.setInput(0, total)
            straight.setInput(0, apart)
        maker.frame("Trackmatte: despilled, straight (premultiply after grading)")
    return [
        f"{straight.name()} is the subject without the old background's light: straight, so premultiply it"
    ]


def layers(node: Any) -> list[str]:
    """Add a layer for every object to the plate; return lines for the artist.

    Raises
    ------
    NodeError : no layers were delivered, or Nuke sees none in the files.
    """
    found = results.layered(node)
    if not found:
        raise NodeError("choose deliver: multi and press Matte first: it writes a layer for every object")
    read = found[0]
    channels = [c for c in read.channels() if not c.startswith("rgba.")]
    if not channels:
        raise NodeError(f"Nuke sees no layers in {read['file'].value()}: press Matte to write it again")
    with undo.one_step("Trackmatte layers"):
        maker = Maker(node)
        last = node
        for row in range(0, len(channels), 4):
            copy = maker.node("Copy", "layers", column=1, row=1 + row / 4)
            copy["bbox"].setValue("B")
            for i, channel in enumerate(channels[row : row + 4]):
                copy[f"from{i}"].setValue(channel)
                copy[f"to{i}"].setValue(channel)
            copy.setInput(0, last)
            copy.setInput(1, read)
            last = copy
        maker.frame("Trackmatte: layers")
    return [f"{last.name()} has the plate with {', '.join(channels)}"]


def _need(node: Any) -> None:
    if not results.mattes(node) and not results.cutouts(node):
        raise NodeError("there are no mattes yet: press Matte")


def _subject(node: Any, maker: Maker) -> tuple[Any, bool]:
    """Return the subject, premultiplied, and whether its colours are its own."""
    found = results.cutouts(node)
    if found:
        return results.together(maker, 1, 1, [_premult(maker, r, i) for i, r in enumerate(found)]), True
    copy = maker.node("Copy", "subject", column=1, row=1)
    copy["from0"].setValue("rgba.alpha")
    copy["to0"].setValue("rgba.alpha")
    copy["bbox"].setValue("B")
    copy.setInput(0, node)
    copy.setInput(1, results.together(maker, 0, 0, results.mattes(node)))
    premult = maker.node("Premult", "subject", column=1, row=2)
    premult["channels"].setValue("rgb")
    premult.setInput(0, copy)
    return premult, False


def _premult(maker: Maker, read: Any, column: int) -> Any:
    premult = maker.node("Premult", "subject", column=column, row=0)
    premult["channels"].setValue("rgb")
    premult.setInput(0, read)
    return premult


def _rest(node: Any, maker: Maker, subject: Any) -> Any:
    """Return what of the plate is not the subject: (1 - a) B with 1 - a in its alpha."""
    left = maker.node("Merge2", "background", column=4, row=2)
    left["operation"].setValue("from")
    left.setInput(0, node)
    left.setInput(1, subject)
    share = _share(maker, subject)
    rest = maker.node("Copy", "background", column=4, row=3)
    rest["from0"].setValue("rgba.alpha")
    rest["to0"].setValue("rgba.alpha")
    rest["bbox"].setValue("B")
    rest.setInput(0, left)
    rest.setInput(1, share)
    return rest


def _guarded(node: Any, maker: Maker) -> Any:
    """Return the plate outside a grown matte, premultiplied: its soft pixels hold the subject's light."""
    grown = maker.node("Dilate", "background", column=3, row=1)
    grown["channels"].setValue("alpha")
    grown["size"].setValue(GUARD)
    grown.setInput(0, results.together(maker, 3, 0, results.mattes(node)))
    rest = maker.node("Copy", "background", column=4, row=2)
    rest["from0"].setValue("rgba.alpha")
    rest["to0"].setValue("rgba.alpha")
    rest["bbox"].setValue("B")
    rest.setInput(0, node)
    rest.setInput(1, _share(maker, grown))
    premult = maker.node("Premult", "background", column=4, row=3)
    premult["channels"].setValue("rgb")
    premult.setInput(0, rest)
    return premult


def _share(maker: Maker, subject: Any) -> Any:
    invert = maker.node("Invert", "background", column=3, row=2)
    invert["channels"].setValue("alpha")
    invert.setInput(0, subject)
    return invert


def _soften(maker: Maker, rest: Any, size: float, lens: str) -> Any:
    """Return the background blurred together with its share."""
    sure = maker.node("Expression", "background", column=4, row=3.6)
    for i, channel in enumerate("rgba"):
        sure[f"expr{i}"].setValue(f"a<{SHARE}?0:max({channel},0)")
    sure.setInput(0, rest)
    if lens == "Blur":
        soft = maker.node("Blur", "background", column=4, row=4.3)
        soft["channels"].setValue("rgba")
        soft["size"].setValue(size)
        soft.setInput(0, sure)
        return soft
    # One depth everywhere: z = 1 taken directly as the part of the size that a pixel is blurred by.
    depth = maker.node("AddChannels", "background", column=4, row=4)
    depth["channels"].setValue("depth")
    depth["color"].setValue(1.0)
    depth.setInput(0, sure)
    soft = maker.node("ZDefocus2", "background", column=4, row=4.5)
    soft["channels"].setValue("rgba")
    soft["z_channel"].setValue("depth.Z")
    soft["math"].setValue("direct")
    soft["size"].setValue(size)
    soft["max_size"].setValue(size)
    soft.setInput(0, depth)
    return soft


def _dirty(clean: bool) -> list[str]:
    if clean:
        return []
    return [
        "its rim holds the old background's light: choose deliver: cutout and press Matte for its own colours"
    ]
