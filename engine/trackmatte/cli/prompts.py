"""Prompts as typed on a command line."""

from __future__ import annotations

from pathlib import Path

from trackmatte.errors import UsageError
from trackmatte.prompt import Box, Label, Point, Prompt, Scribble
from trackmatte.shot.prompts import read_mask_image
from trackmatte.shot.selecting import selector_named

KINDS: dict[str, tuple[Label, str]] = {
    "fg": (1, "hint"),
    "bg": (0, "hint"),
    "paint": (1, "paint"),
    "erase": (0, "paint"),
    "hair": (1, "hair"),
}


def parse_prompt(
    frame: int,
    obj: str,
    size: tuple[int, int],
    *,
    point: list[str],
    box: str | None,
    scribble: list[str],
    mask: Path | None,
    select: str | None = None,
) -> Prompt:
    """Build a prompt from option values; see ``trackmatte matte --help`` for their form.

    Parameters
    ----------
    size : (width, height) of the clip in pixels, for positions ending in ``px``.

    Raises
    ------
    UsageError : a value is not of the documented form, or there is no such selector.
    PromptError : a position lies outside the frame, or the mask does not fit.
    """
    return Prompt(
        frame=frame,
        object=obj,
        points=tuple(_point(p, size) for p in point),
        box=_box(box, size) if box else None,
        mask=read_mask_image(mask, size) if mask else None,
        scribbles=tuple(_scribble(s, size) for s in scribble),
        select=select and selector_named(select).name,
    )


def _numbers(text: str, count: int, size: tuple[int, int], option: str, form: str) -> tuple[float, ...]:
    """Return ``count`` coordinates in [0, 1]; a trailing ``px`` says that they are pixel positions."""
    body = text.strip()
    pixels = body.endswith("px")
    try:
        values = tuple(float(v) for v in body.removesuffix("px").split(","))
    except ValueError:
        values = ()
    if len(values) != count:
        raise UsageError(f"{option} {text!r} is not of the form {form}")
    if not pixels:
        return values
    return tuple(v / size[i % 2] for i, v in enumerate(values))


def _point(text: str, size: tuple[int, int]) -> Point:
    form = "X,Y for the subject or X,Y,- for the background"
    body, label = text.strip(), 1
    if body.endswith((",-", ",0", ",+", ",1")) and body.count(",") == 2:
        body, sign = body.rsplit(",", 1)
        label = 1 if sign in "+1" else 0
    x, y = _numbers(body, 2, size, "--point", form)
    return Point(x, y, 1 if label else 0)


def _box(text: str, size: tuple[int, int]) -> Box:
    return Box(*_numbers(text, 4, size, "--box", "LEFT,TOP,RIGHT,BOTTOM"))


def _scribble(text: str, size: tuple[int, int]) -> Scribble:
    form = "KIND:X,Y X,Y ...@RADIUS, with KIND one of " + ", ".join(KINDS)
    kind, colon, rest = text.strip().partition(":")
    if not colon:
        kind, rest = "fg", text
    if kind not in KINDS:
        raise UsageError(f"--scribble {text!r} is not of the form {form}")
    path, at, radius = rest.partition("@")
    label, mode = KINDS[kind]
    points = tuple(_numbers(p, 2, size, "--scribble", form) for p in path.split())
    try:
        width = float(radius) if at else 0.005
    except ValueError:
        raise UsageError(f"--scribble {text!r} is not of the form {form}") from None
    return Scribble(tuple((x, y) for x, y in points), label, width, mode)  # type: ignore[arg-type]
