"""The selectors that an artist chooses from: marks on one frame in, coverage out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import PromptError, UsageError
from trackmatte.frame import Frame
from trackmatte.prompt import Prompt
from trackmatte.refiners.trimap import bayes_trimap, solve_trimap
from trackmatte.select.border import border_matte
from trackmatte.select.methods import select_with, sides
from trackmatte.select.raster import draw_seeds
from trackmatte.select.seeded import need_both
from trackmatte.trackers.flow_scale import resize_map, to_working

F32 = NDArray[np.float32]
Rgb = NDArray[np.uint8]
AUTO = "auto"
"""The tracker's own way with prompts."""
VERSION = "2"
"""Changes whenever the same marks give other masks by any of the selectors."""
_SOLVED = 640  # px, longer side of the picture on which a matte is solved from marks alone


@dataclass(frozen=True, slots=True)
class Selector:
    """One of the ways to make a mask of marks."""

    name: str
    title: str
    what: str
    """When to use it, in a line."""
    needs: Literal["marks", "background", "both"] = "both"
    """What must be said: anything; a box or a mark on the background; or marks on both sides, of which a box
    gives the background."""
    mask: bool = False
    """Whether it starts from a mask that is there, such as a tracked one; else from the marks alone."""
    outline: bool = False
    """Whether it takes polygons."""
    soft: bool = False
    """Whether its mask has soft edges."""

    def works_on(self, prompt: Prompt) -> bool:
        """Whether it has a part in what a prompt selects: the tracker takes a bare mask as it is."""
        return self.name != AUTO and prompt.marked


SELECTORS = {
    s.name: s
    for s in (
        Selector(AUTO, "Automatic", "The tracker's own: any clicks, boxes and strokes.", "marks", mask=True),
        Selector(
            "grabcut",
            "GrabCut",
            "A box: for a subject whose colours differ from all outside. Strokes correct it.",
            "background",
            mask=True,
        ),
        Selector(
            "grabcut_border",
            "GrabCut, soft border",
            "The same, with a soft step along the contour: for smooth edges, not hair.",
            "background",
            mask=True,
            soft=True,
        ),
        Selector(
            "lazy",
            "Lazy Snapping",
            "Quick strokes on both sides; then drag the outline's vertices.",
            outline=True,
        ),
        Selector("graphcut", "Graph cut", "A few strokes on both sides that cover the colours of each."),
        Selector("mrf", "Random field", "Strokes on both sides, on flat artwork of a few colours."),
        Selector(
            "closed_form",
            "Closed-form matting",
            "A soft matte from strokes on both sides: leave only the edge unmarked.",
            soft=True,
        ),
        Selector(
            "bayesian",
            "Bayesian matting",
            "The same, for edges where both sides' colours are known and differ.",
            soft=True,
        ),
    )
}


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """What a selector found."""

    alpha: F32
    """(h, w) in [0, 1], > .5 = subject; 0 or 1 unless the selector is soft."""
    energies: tuple[float, ...] = ()
    """Of the method's own energy, per round, never increasing; empty where it has none."""

    @property
    def labels(self) -> NDArray[np.bool_]:
        """(h, w) the subject."""
        return np.asarray(self.alpha > 0.5)


def selector_named(name: str) -> Selector:
    """Return a selector.

    Raises
    ------
    UsageError : there is none of that name.
    """
    if name not in SELECTORS:
        raise UsageError(f"there is no selector {name!r}; choose one of {', '.join(SELECTORS)}")
    return SELECTORS[name]


def choose(name: str, rgb: Rgb, prompt: Prompt) -> Chosen:
    """Select a subject by a named selector.

    Parameters
    ----------
    name : a key of `SELECTORS`.
    rgb : (h, w, 3) sRGB.
    prompt : marks, box, mask and polygons.

    Raises
    ------
    UsageError : there is no such selector, or the picture is too large for it.
    PromptError : the prompt contradicts itself, lacks what the selector needs, or selects nothing.
    """
    if not selector_named(name).outline and prompt.polygons:
        able = ", ".join(s.name for s in SELECTORS.values() if s.outline)
        raise PromptError(f"{name} takes no polygons; use {able} for them")
    if name in _MATTES:
        return Chosen(_matte(name, rgb, prompt))
    if name == "grabcut_border":
        found = select_with("grabcut", rgb, prompt)
        return Chosen(border_matte(rgb, found.logits > 0), found.energies)
    found = select_with(name, rgb, prompt)
    return Chosen((found.logits > 0).astype(np.float32), found.energies)


def as_mask(selector: Selector, frame: Frame, prompt: Prompt) -> Prompt:
    """Return a prompt as a tracker takes it: with the mask that the selector makes of the marks.

    The selector works at the embedded tracker's scale, so that its cost is bounded.

    Raises
    ------
    PromptError : see `choose`.
    """
    if not selector.works_on(prompt):
        return prompt
    rgb = to_working(frame.display())
    if prompt.mask is not None:
        mask = resize_map(prompt.mask.astype(np.float32), rgb.shape[:2])
        prompt = replace(prompt, mask=mask)
    return Prompt(prompt.frame, prompt.object, mask=choose(selector.name, rgb, prompt).alpha)


_MATTES: dict[str, Callable[[Rgb, F32], NDArray[np.floating]]] = {
    "closed_form": solve_trimap,
    "bayesian": bayes_trimap,
}


def _matte(name: str, rgb: Rgb, prompt: Prompt) -> F32:
    """Solve alpha from marks as a trimap that knows little, on a picture of at most `_SOLVED` px."""
    if prompt.mask is not None:
        raise PromptError(f"{name} takes marks and a box, not a mask; use auto or grabcut for it")
    height, width = rgb.shape[:2]
    scale = min(1.0, _SOLVED / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = rgb if scale == 1 else cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    subject, background = sides(draw_seeds(prompt, size))
    need_both(subject, background, name)
    trimap = np.where(subject, 1, np.where(background, 0, 0.5)).astype(np.float32)
    alpha = np.asarray(_MATTES[name](small, trimap), np.float32)
    if scale < 1:
        alpha = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_LINEAR)
    result: F32 = np.clip(alpha, 0, 1)
    if not (result > 0.5).any():
        raise PromptError(f"{name} finds no subject on frame {prompt.frame}; draw a stroke on it")
    return result
