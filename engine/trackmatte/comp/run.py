"""A composite of a whole shot, streamed into a writer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from trackmatte.color import unit
from trackmatte.comp.effects import Effect, Layers
from trackmatte.comp.views import View
from trackmatte.errors import ShotError
from trackmatte.frame import Frame
from trackmatte.matte import Matte
from trackmatte.numerics.fill import unmix
from trackmatte.picture import Encoding, Picture
from trackmatte.progress import Progress
from trackmatte.shot import Look, Shot
from trackmatte.shot.cache import digest
from trackmatte.shot.delivering import coloured, matte_keys, mixed_in_code, write_pictures
from trackmatte.writers import Writer

F32 = NDArray[np.float32]

VERSION = "1"
"""Changes whenever the same mattes and plate give other pictures."""


def composite(
    shot: Shot,
    writer: Writer,
    effect: Effect,
    *,
    objects: Sequence[str] | None = None,
    look: Look = Look(),  # noqa: B008 (frozen)
    view: View = View(),  # noqa: B008 (frozen)
) -> Iterator[Progress]:
    """Composite the frames between in and out; yields after each. Files that are up to date stay.

    Parameters
    ----------
    writer : takes the pictures: R, G, B, and A from a cut-out.
    effect : what is done.
    objects : who is the subject; None = all.
    look : the values that are delivered, and how the subject's colour is found.
    view : what is shown.

    Raises
    ------
    ShotError : there is no such object, or a frame has no matte.
    UsageError, ClipError : the background does not fit, or cannot be read.
    OutputError : it cannot be written.
    """
    names = shot.objects if objects is None else list(objects)
    for name in names:
        if name not in shot.objects:
            known = ", ".join(map(repr, shot.objects)) or "none"
            raise ShotError(f"{shot.path} has no object {name!r}; there are: {known}")
    if not names:
        raise ShotError(f"{shot.path} has no object to composite; add a prompt with: trackmatte shot add")
    pictures = _Composites(shot, writer.form, effect, names, look, view)
    yield from write_pictures(shot, writer, pictures, stage="comp")


def union(alphas: Sequence[F32]) -> F32:
    """Return the (H, W) alpha of several objects together: their sum, at most 1.

    The mattes of a shot say what is seen of each object, and no two are seen on the same spot: their areas
    add up. (The product rule, 1 - (1 - a)(1 - b), is for objects that know nothing of each other: it would
    leave a quarter of background where two subjects touch, half a pixel each.)
    """
    return np.asarray(np.minimum(np.sum(alphas, axis=0, dtype=np.float32), 1), np.float32)


def separate(frame: Frame, matte: Matte, look: Look, *, behind: bool) -> Layers:
    """Take a frame apart; ``behind`` asks for the background without the subject's share."""
    fore = coloured(matte, frame, Look("linear", look.foreground)).foreground
    assert fore is not None
    alpha, plate = matte.alpha, frame.linear()
    rest = None
    if behind and mixed_in_code(frame):
        code = np.minimum(unmix(unit(frame.rgb), frame.colour.encode(fore), alpha), 1)
        rest = np.where((alpha > 0)[..., None], frame.colour.linear(code), plate)
    elif behind:
        rest = unmix(plate, fore, alpha)
    return Layers(frame.number, plate, alpha, fore, rest, frame.colour)


def channels(effect: Effect, view: View) -> tuple[str, ...]:
    """Return the names of a picture's channels: a cut-out has alpha, unless it is shown beside the plate."""
    return (*"RGBA",) if effect.name == "cutout" and view.kind == "result" else (*"RGB",)


class _Composites:
    """The pictures of an effect."""

    decodes = True

    def __init__(
        self, shot: Shot, form: str, effect: Effect, objects: Sequence[str], look: Look, view: View
    ) -> None:
        self.shot, self.form, self.effect = shot, form, effect
        self.objects, self.look, self.view = list(objects), look, view
        # Asked once: a sequence, of the plate or behind it, looks at all its files for it.
        self.clip = [shot.clip.identity(), shot.clip.colour.identity]
        self.done = [effect.name, effect.key, look.space, look.foreground]
        self.channels = channels(effect, view)

    def origin(self, number: int) -> str:
        mattes = matte_keys(self.shot, self.objects, number)
        shown = [self.view.kind, self.view.position]
        return digest("comp", VERSION, self.form, self.done, shown, self.objects, mattes, self.clip, number)

    def picture(self, number: int, frame: Frame | None) -> Picture:
        assert frame is not None
        mattes = [self.shot.read_matte(o, number) for o in self.objects]
        whole = Matte(mattes[0].index, "+".join(self.objects), union([m.alpha for m in mattes]))
        layers = separate(frame, whole, self.look, behind=self.effect.separates)
        pixels, colour = self.view(layers, self.effect(layers)), frame.colour
        if self.look.space == "source":
            pixels = np.dstack([colour.encode(pixels[..., :3]), pixels[..., 3:]])
            return Picture(number, pixels, self.channels, "code", colour, origin=self.origin(number))
        return Picture(number, pixels, self.channels, "linear", colour, origin=self.origin(number))

    def empty(self, number: int) -> Picture:
        """Return black, fully transparent if there is alpha."""
        width, height = self.shot.clip.size
        wide = 2 if self.view.kind == "side" else 1
        pixels = np.zeros((height, wide * width, len(self.channels)), np.float32)
        encoding: Encoding = "linear" if self.look.space == "linear" else "code"
        return Picture(number, pixels, self.channels, encoding, self.shot.clip.colour)
