"""A shot in the protocol's words, and a prompt in the engine's."""

from __future__ import annotations

import base64
import binascii

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import PromptError, ShotError
from trackmatte.mask import Mask
from trackmatte.prompt import Box, Point, Prompt, Scribble
from trackmatte.select.methods import outlines
from trackmatte.server.listing import ListedCache, limits, locked_numbers, spans, statuses
from trackmatte.shot import Shot
from trackmatte.shot.document import PromptDoc
from trackmatte.shot.qc import FrameQuality, quality, worst
from trackmatte.shot.selecting import selector_named
from trackmatte_client.protocol import messages as m

PNG = b"\x89PNG\r\n\x1a\n"


def clip_facts(shot: Shot) -> m.ClipFacts:
    """Return what is to be said of the clip."""
    clip = shot.clip
    timecode = getattr(clip, "timecode", None)
    return m.ClipFacts(
        path=str(clip.path.absolute()),
        width=clip.size[0],
        height=clip.size[1],
        rate=(clip.rate.numerator, clip.rate.denominator),
        first=clip.numbers[0],
        last=clip.numbers[-1],
        length=clip.length,
        missing=spans(clip.missing),
        padding=clip.padding,
        timecode=None if timecode is None else str(timecode),
        notes=tuple(clip.notes),
    )


def object_states(shot: Shot, cache: ListedCache) -> tuple[m.ObjectState, ...]:
    """Return where every object stands."""
    gaps = set(shot.clip.missing)
    return tuple(
        m.ObjectState(
            s.object,
            *(spans(n, gaps) for n in (s.prompted, s.tracked, s.stale, s.matted, s.locked, s.lost)),
        )
        for s in statuses(shot, cache)
    )


def said(doc: PromptDoc) -> m.Said:
    """Return an entry of the shot file."""
    strokes = tuple(m.Scribble(tuple(s.points), s.label, s.radius, s.mode) for s in doc.scribbles)
    polygons = tuple(tuple(p) for p in doc.polygons)
    masked = doc.mask is not None
    return m.Said(doc.frame, doc.object, tuple(doc.points), doc.box, strokes, masked, doc.select, polygons)


def to_prompt(given: m.Prompt, size: tuple[int, int]) -> Prompt:
    """Return a client's prompt.

    Parameters
    ----------
    size : (width, height) of the clip in pixels.

    Raises
    ------
    PromptError : a position lies outside the frame, or the mask does not fit.
    UsageError : there is no such selector.
    """
    return Prompt(
        frame=given.frame,
        object=given.object,
        points=tuple(Point(x, y, label) for x, y, label in given.points),
        box=Box(*given.box) if given.box else None,
        mask=None if given.mask is None else to_mask(given.mask, size, given.frame),
        scribbles=tuple(Scribble(s.points, s.label, s.radius, s.mode) for s in given.scribbles),
        select=given.select and selector_named(given.select).name,
        polygons=given.polygons,
    )


def selected(shot: Shot, prompt: Prompt, mask: Mask, png: str = "") -> m.Selected:
    """Return what a whole prompt selected; with its outlines where they can be moved."""
    movable = shot.selector(prompt).outline and prompt.marked
    polygons = (prompt.polygons or outlines(mask.binary)) if movable else ()
    share, score = round(float(mask.binary.mean()), 5), round(mask.score, 4)
    return m.Selected(prompt.object, prompt.frame, share, score, png, polygons)


def to_mask(text: str, size: tuple[int, int], frame: int) -> NDArray[np.float32]:
    """Return a mask in base64 as (H, W) in [0, 1] at the clip's size.

    Raises
    ------
    PromptError : it is no grey PNG, larger than the clip, or of another shape.
    """
    whose = f"the mask for frame {frame}"
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as e:
        raise PromptError(f"{whose} is not valid base64 ({e}); send a grey PNG") from e
    if not data.startswith(PNG) or len(data) < 24:
        raise PromptError(f"{whose} is no PNG; send a grey PNG")
    # The size is checked before anything is unpacked: a small file may hold a huge picture.
    w, h = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    width, height = size
    if not (0 < w <= width and 0 < h <= height) or abs(w * height - h * width) > max(size):
        raise PromptError(
            f"{whose} is {w}x{h} but the clip is {width}x{height}; send its shape, and no larger"
        )
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 2:
        raise PromptError(f"{whose} is damaged or has colours; send a grey PNG")
    mask = pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    if (w, h) != size:
        mask = cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(mask, np.float32)


def doubts(shot: Shot, cache: ListedCache) -> list[FrameQuality]:
    """Judge every tracked mask between in and out.

    Raises
    ------
    ShotError : nothing is tracked.
    """
    cache.refresh()
    first, last = limits(shot)
    found = {n for o in shot.objects for n in cache.numbers("track", o) if first <= n <= last}
    if not found:
        raise ShotError(f"{shot.path} has no masks to judge yet; track it first")
    prompted = {o: [p.frame for p in shot.prompts.of(o) if p.selects] for o in shot.objects}
    locked = {o: locked_numbers(shot, o) for o in shot.objects}
    return quality(shot.objects, sorted(found), lambda o, n: cache.info("track", o, n), prompted, locked)


def doubtful(records: list[FrameQuality]) -> tuple[m.Place, ...]:
    """Return the places that need the artist, most doubtful first."""
    return tuple(
        m.Place(p.worst.object, p.worst.number, p.first, p.last, round(p.worst.doubt, 3), p.worst.reasons)
        for p in worst(records)
    )
