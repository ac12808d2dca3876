"""Prompts between the shot file and the engine's own type."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import ClipError, PromptError
from trackmatte.files import write_image
from trackmatte.media import open_clip
from trackmatte.prompt import Box, Point, Prompt, Scribble
from trackmatte.shot import selecting
from trackmatte.shot.cache import digest, file_name
from trackmatte.shot.document import PromptDoc, ScribbleDoc, ShotDoc


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
        select=doc.select,
        polygons=tuple(tuple(p) for p in doc.polygons),
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
        select=prompt.select,
        polygons=[list(p) for p in prompt.polygons],
    )


def merge(old: Prompt, new: Prompt) -> Prompt:
    """Return ``old`` with ``new`` said on top: clicks and strokes add up, a box, mask or selector replaces.

    Polygons are those of ``new`` alone: they bound what all marks before them selected.
    """
    return Prompt(
        frame=old.frame,
        object=old.object,
        points=(*old.points, *new.points),
        box=new.box or old.box,
        mask=old.mask if new.mask is None else new.mask,
        scribbles=(*old.scribbles, *new.scribbles),
        select=new.select or old.select,
        polygons=new.polygons,
    )


class PromptBook:
    """The prompts of a shot file, with the masks they name, and the hashes that make frames stale.

    Parameters
    ----------
    doc : the shot file; the book changes its list of prompts in place.
    folder : where the shot file lies; its relative paths start there.
    masks : where masks given by the artist are kept, below ``folder``.
    size : (width, height) of the clip in pixels.
    """

    def __init__(self, doc: ShotDoc, folder: Path, masks: Path, size: tuple[int, int]) -> None:
        self.doc, self.folder, self.masks, self.size = doc, folder, masks, size
        self._loaded: dict[str, Prompt] = {}

    @property
    def objects(self) -> list[str]:
        """Names of the objects, in order of first prompt in the file."""
        return list(dict.fromkeys(p.object for p in self.doc.prompts))

    def find(self, number: int, obj: str) -> PromptDoc | None:
        """Return what was said about an object on a frame."""
        return next((p for p in self.doc.prompts if p.frame == number and p.object == obj), None)

    def of(self, obj: str) -> list[Prompt]:
        """Return everything said about an object, by frame.

        Raises
        ------
        PromptError : a position lies outside the frame, or a mask image does not fit.
        """
        return sorted((self.load(p) for p in self.doc.prompts if p.object == obj), key=lambda p: p.frame)

    def load(self, doc: PromptDoc) -> Prompt:
        """Return an entry as a prompt, its mask read once.

        Raises
        ------
        PromptError : a position lies outside the frame, or the mask image does not fit.
        """
        key = self._hash(doc, "hint", "paint", "hair")
        if key not in self._loaded:
            self._loaded[key] = from_doc(doc, self.folder, self.size)
        return self._loaded[key]

    def trim(self) -> None:
        """Let go of prompts, and their masks, that are no longer in the file."""
        kept = {self._hash(p, "hint", "paint", "hair") for p in self.doc.prompts}
        self._loaded = {key: prompt for key, prompt in self._loaded.items() if key in kept}

    def put(self, prompt: Prompt) -> None:
        """Enter a prompt in place of what was said about the object on that frame; its mask is stored."""
        entry = to_doc(prompt, None if prompt.mask is None else self._keep(prompt))
        old = self.find(prompt.frame, prompt.object)
        if old is None:
            self.doc.prompts.append(entry)
        else:
            self.doc.prompts[self.doc.prompts.index(old)] = entry

    def marks(self, obj: str) -> dict[int, str]:
        """Return, by source number, the hash of each prompt that decides an object's masks."""
        chosen = (p for p in self.doc.prompts if p.object == obj and self.load(p).selects)
        return {p.frame: self._hash(p, "hint", "paint") for p in chosen}

    def selection_key(self, prompt: Prompt, seen: list[str]) -> str:
        """Return the hash of what a named selector makes of a prompt, on a clip seen as ``seen`` says."""
        mask = "" if prompt.mask is None else hashlib.sha256(prompt.mask.tobytes()).hexdigest()
        entry = to_doc(prompt, None)
        strokes = [msgspec.structs.astuple(s) for s in entry.scribbles if s.mode != "hair"]
        said = entry.frame, entry.points, entry.box, mask, strokes
        return digest("select", self.doc.source.identity, *seen, *said, *self._way(entry))

    def hair(self, obj: str) -> list[Prompt]:
        """Return the prompts of an object that carry hair strokes."""
        return [p for p in self.of(obj) if any(s.mode == "hair" for s in p.scribbles)]

    def hair_key(self, obj: str) -> list[str]:
        """Return the hashes of an object's hair strokes."""
        return [
            digest(p.frame, [(s.points, s.radius) for s in p.scribbles if s.mode == "hair"])
            for p in self.hair(obj)
        ]

    def _hash(self, doc: PromptDoc, *modes: str) -> str:
        """Return the hash of what an entry says, with the strokes of the given modes."""
        mask = ""
        if doc.mask:
            file = self.folder / doc.mask
            mask = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "missing"
        strokes = [(s.points, s.label, s.radius, s.mode) for s in doc.scribbles if s.mode in modes]
        return digest(doc.frame, doc.object, doc.points, doc.box, mask, strokes, *self._way(doc))

    def _way(self, doc: PromptDoc) -> list[object]:
        """Return what decides the mask beside the marks; nothing where the tracker takes them as they are."""
        name = doc.select or self.doc.select
        return [name, selecting.VERSION, doc.polygons] if name != selecting.AUTO or doc.polygons else []

    def _keep(self, prompt: Prompt) -> str:
        """Store the prompt's mask under its content and return the path for the shot file."""
        assert prompt.mask is not None
        content = digest(prompt.mask.shape, hashlib.sha256(prompt.mask.tobytes()).hexdigest())[:8]
        file = self.masks / f"{file_name(prompt.object)}.{prompt.frame}.{content}.png"
        if not file.exists():
            write_mask_image(file, prompt.mask)
        return file.relative_to(self.folder).as_posix()


def summary(prompt: Prompt) -> str:
    """Return what a prompt consists of, in few words, e.g. ``box, 2 points``."""
    counted = {"point": len(prompt.points), "scribble": len(prompt.scribbles)}
    parts = ["box"] if prompt.box else []
    parts += [f"{n} {what}{'s' * (n > 1)}" for what, n in counted.items() if n]
    parts += ["mask"] * (prompt.mask is not None) + ["outline"] * bool(prompt.polygons)
    return ", ".join(parts + ([f"by {prompt.select}"] if prompt.select else []))
