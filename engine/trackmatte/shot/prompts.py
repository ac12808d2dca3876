"""Prompts between the shot file and the engine's own type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import ClipError, PromptError
from trackmatte.files import write_image
from trackmatte.media import open_clip
from trackmatte.prompt import Box, Point, Prompt, Scribble
from trackmatte.shot.document import PromptDoc, ScribbleDoc


def read_mask_image(path: Path, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return a mask image as (H, W) in [0, 1]: its brightest channel.

    Parameters
    ----------
    path : any image the engine reads; colour-coded annotations count wherever they are not black.
    size : (width, height) of the clip, which the image must have.

    Raises
    ------
    PromptError : it is missing, unreadable or of another size.
    """
    try:
        with open_clip(path) as image:
            pixels = image[0].rgb
    except ClipError as e:
        raise PromptError(f"cannot read the mask {path}: {e}") from e
    h, w = pixels.shape[:2]
    if (w, h) != size:
        raise PromptError(
            f"the mask {path} is {w}x{h} but the clip is {size[0]}x{size[1]}; give a mask of the clip's size"
        )
    scale = np.iinfo(pixels.dtype).max if np.issubdtype(pixels.dtype, np.integer) else 1
    grey = pixels.max(axis=2).astype(np.float32) / np.float32(scale)
    return np.asarray(np.clip(np.nan_to_num(grey), 0, 1), np.float32)


def write_mask_image(path: Path, mask: NDArray[np.generic]) -> None:
    """Keep a prompt's mask, (H, W) bool or [0, 1], as a 16-bit grey PNG."""
    code = np.rint(np.clip(mask.astype(np.float32), 0, 1) * 65535).astype(np.uint16)
    write_image(path, code[..., None], {"oiio:ColorSpace": "data"}, "uint16")


def from_doc(doc: PromptDoc, folder: Path, size: tuple[int, int]) -> Prompt:
    """Return the prompt that the shot file describes.

    Raises
    ------
    PromptError : a position lies outside the frame, or the mask image does not fit.
    """
    return Prompt(
        frame=doc.frame,
        object=doc.object,
        points=tuple(Point(x, y, label) for x, y, label in doc.points),
        box=Box(*doc.box) if doc.box else None,
        mask=read_mask_image(folder / doc.mask, size) if doc.mask else None,
        scribbles=tuple(Scribble(tuple(s.points), s.label, s.radius, s.mode) for s in doc.scribbles),
    )


def to_doc(prompt: Prompt, mask: str | None) -> PromptDoc:
    """Return what the shot file says of ``prompt``, whose mask lies at the path ``mask``."""
    box = prompt.box
    return PromptDoc(
        frame=prompt.frame,
        object=prompt.object,
        points=[(p.x, p.y, p.label) for p in prompt.points],
        box=(box.x0, box.y0, box.x1, box.y1) if box else None,
        mask=mask,
        scribbles=[ScribbleDoc(list(s.points), s.label, s.radius, s.mode) for s in prompt.scribbles],
    )


def merge(old: Prompt, new: Prompt) -> Prompt:
    """Return ``old`` with ``new`` said on top: clicks and strokes add up, a box or mask replaces."""
    return Prompt(
        frame=old.frame,
        object=old.object,
        points=(*old.points, *new.points),
        box=new.box or old.box,
        mask=old.mask if new.mask is None else new.mask,
        scribbles=(*old.scribbles, *new.scribbles),
    )
