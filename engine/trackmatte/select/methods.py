"""The named selectors behind one signature: picture and prompt in, mask and energies out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import PromptError, UsageError
from trackmatte.numerics.rgb8 import rgb8
from trackmatte.prompt import Polygon, Prompt
from trackmatte.select.evidence import Bool, Odds, box_pixels
from trackmatte.select.finish import keep_components, to_logits
from trackmatte.select.interactive import select_mask
from trackmatte.select.iterated import edit, from_box, grab_cut
from trackmatte.select.lazy import edit_boundary, polygons_of, prepared, stroke
from trackmatte.select.raster import Seeds, draw_seeds, to_pixel
from trackmatte.select.seeded import Cut, graph_cut, need_both, regions_cut

_LOOSE = 0.003  # of the width


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What a selector found."""

    logits: Odds
    """(h, w) float32, > 0 = subject. Without box and mask only the parts that its marks touch."""
    energies: tuple[float, ...]
    """Of the method's own energy, per round, never increasing; empty for auto, which has none."""


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    """A prompt drawn on its picture."""

    rgb: NDArray[np.uint8]
    seeds: Seeds
    subject: Bool
    """Marks and painted pixels."""
    background: Bool
    """The same, and everything outside the box."""
    mask: Bool | None


def select_with(method: str, image: NDArray[Any], prompt: Prompt) -> Selection:
    """Select a subject by a named method.

    Parameters
    ----------
    method : a key of `METHODS`.
    image : (h, w, 3) uint8, or float sRGB in [0, 1].
    prompt : marks, box and mask; which of them a method takes is said in docs/methods.md.

    Raises
    ------
    UsageError : there is no such method, or the image is none (see `rgb8`).
    PromptError : the prompt contradicts itself, lacks what the method needs, or selects nothing.
    """
    if method not in METHODS:
        raise UsageError(f"there is no selector {method!r}; choose one of {', '.join(METHODS)}")
    selection = METHODS[method](image, prompt)
    if not (selection.logits > 0).any():
        raise PromptError(f"{method} finds no subject on frame {prompt.frame}; draw a stroke on it")
    return selection


def _auto(image: NDArray[Any], prompt: Prompt) -> Selection:
    return Selection(select_mask(rgb8(image, most=200_000_000), prompt), ())


def _grabcut(image: NDArray[Any], prompt: Prompt) -> Selection:
    request = _request(image, prompt, "grabcut", takes_mask=True)
    start = request.subject
    if request.mask is not None:
        start = request.mask
    elif request.seeds.box is not None:
        start = box_pixels(request.subject.shape, request.seeds.box)
        if start.any() and not start.all():
            return _edited(request, start)
    if not request.background.any():
        raise PromptError("grabcut needs a box with something outside, or a stroke on the background")
    return _selection(request, grab_cut(request.rgb, request.subject, request.background, start).cut)


def _edited(request: _Request, inside: Bool) -> Selection:
    """As the paper has it: the box alone, then all marks as one more cut, then the refining rounds."""
    grab = from_box(request.rgb, inside)
    if request.subject.any() or (request.background & inside).any():
        marks = request.subject, request.background
        labels = edit(request.rgb, grab, *marks).cut.labels
        grab = grab_cut(request.rgb, *marks, labels if labels.any() else inside)
    return _selection(request, grab.cut)


def _graphcut(image: NDArray[Any], prompt: Prompt) -> Selection:
    request = _request(image, prompt, "graphcut")
    return _selection(request, graph_cut(request.rgb, request.subject, request.background))


def _mrf(image: NDArray[Any], prompt: Prompt) -> Selection:
    request = _request(image, prompt, "mrf")
    return _selection(request, regions_cut(request.rgb, request.subject, request.background))


def _lazy(image: NDArray[Any], prompt: Prompt) -> Selection:
    request = _request(image, prompt, "lazy")
    pieces = prepared(request.rgb)
    if prompt.polygons:
        need_both(request.subject, request.background, "lazy")
        height, width = request.subject.shape
        moved = [np.array([to_pixel(x, y, (width, height)) for x, y in p], np.int32) for p in prompt.polygons]
        marks = request.subject, request.background
        return Selection(to_logits(edit_boundary(pieces, request.subject, *marks, polygons=moved)), ())
    rough = stroke(pieces, request.subject, request.background)
    labels = edit_boundary(pieces, _touched(request, rough.labels), request.subject, request.background)
    return Selection(to_logits(labels), rough.energies)


METHODS: dict[str, Callable[[NDArray[Any], Prompt], Selection]] = {
    "auto": _auto,
    "grabcut": _grabcut,
    "graphcut": _graphcut,
    "lazy": _lazy,
    "mrf": _mrf,
}


def _request(image: NDArray[Any], prompt: Prompt, method: str, *, takes_mask: bool = False) -> _Request:
    rgb = rgb8(image)
    height, width = rgb.shape[:2]
    if prompt.mask is not None and not takes_mask:
        raise PromptError(f"{method} takes marks and a box, not a mask; use auto or grabcut for it")
    mask = None if prompt.mask is None else np.nan_to_num(prompt.mask.astype(np.float32)) > 0.5
    if mask is not None and mask.shape != (height, width):
        raise PromptError(f"the mask is {mask.shape[1]}x{mask.shape[0]} and the image {width}x{height}")
    seeds = draw_seeds(prompt, (width, height))
    return _Request(rgb, seeds, *sides(seeds), mask)


def sides(seeds: Seeds) -> tuple[Bool, Bool]:
    """Return the (h, w) pixels that marks, paint and box put into the subject and into the background."""
    subject = (seeds.subject & (seeds.paint >= 0)) | (seeds.paint > 0)
    background = (seeds.background & (seeds.paint <= 0)) | (seeds.paint < 0)
    if seeds.box is not None:
        background |= ~box_pixels(subject.shape, seeds.box) & ~subject
    return subject, background


def outlines(labels: Bool) -> tuple[Polygon, ...]:
    """Return the contours of an (h, w) labelling as a prompt's polygons, for an artist to move.

    They keep within `_LOOSE` of the contour, and so within the band that boundary editing decides.
    """
    height, width = labels.shape
    loose = [cv2.approxPolyDP(p[:, None], _LOOSE * width, True)[:, 0] for p in polygons_of(labels)]
    found = (p for p in loose if len(p) > 2)
    return tuple(tuple(((x + 0.5) / width, (y + 0.5) / height) for x, y in p.tolist()) for p in found)


def _selection(request: _Request, cut: Cut) -> Selection:
    return Selection(to_logits(_touched(request, cut.labels)), cut.energies)


def _touched(request: _Request, labels: Bool) -> Bool:
    """Without box and mask, what no subject's mark touches only shares its colours."""
    if request.seeds.box is not None or request.mask is not None or not labels.any():
        return labels
    return keep_components(labels, request.subject, reach=0)
