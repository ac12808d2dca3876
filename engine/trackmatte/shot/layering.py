"""Soft layers of one frame: made once, kept in the cache, written as EXR, added up to masks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import OutputError, PromptError, ShotError, UsageError
from trackmatte.frame import Frame
from trackmatte.media import FrameSource
from trackmatte.picture import Picture
from trackmatte.refiners.pipeline import filled
from trackmatte.select.layers import Making, soft_layers
from trackmatte.shot.book import ShotBook
from trackmatte.shot.cache import digest
from trackmatte.trackers import TRACKERS
from trackmatte.trackers.choose import choose_tracker
from trackmatte.writers import WRITERS, Delivery, Writer

if TYPE_CHECKING:
    from trackmatte.trackers.sam2 import SAM2Tracker

F32 = NDArray[np.float32]
Features = Literal["auto", "sam2", "plain"]
VERSION = "1"
"""Changes whenever the same frame gives other layers."""
MOST = 40
"""Layers that may be asked for."""


def name_of(layer: int) -> str:
    """Return what a layer, from 1, is called in the cache and in files."""
    return f"layer{layer:02d}"


def check_count(count: int) -> None:
    """Raise `UsageError` unless so many layers can be asked for."""
    if not 1 <= count <= MOST:
        raise UsageError(f"{count} layers cannot be made; ask for 1 to {MOST}")


def choose_features(kind: Features) -> tuple[Features, str]:
    """Return what ``auto`` takes for features, and why."""
    if kind != "auto":
        return kind, "it was asked for"
    tracker, why = choose_tracker()
    return ("sam2" if tracker == "sam2" else "plain"), why


def frame_layers(frame: Frame, count: int, kind: Features, settings: dict[str, Any] | None = None) -> F32:
    """Return (H, W, count) soft layers of a frame that sum to one; see `soft_layers`.

    Parameters
    ----------
    kind : ``sam2`` = features of its encoder, with its settings; ``plain`` = those without weights.

    Raises
    ------
    UsageError : too many layers, too large a picture, or no such setting.
    MissingPartError : there are no weights.
    """
    check_count(count)
    shown = frame.colour.display(filled(frame.rgb))
    return soft_layers(shown, _features(kind, settings or {}, shown), Making(count=count))


def _features(kind: str, settings: dict[str, Any], shown: NDArray[np.uint8]) -> F32 | None:
    """Return SAM 2's features of a frame, (h, w, 256), or None for the weight-free ones."""
    if kind == "plain":
        if settings:
            raise UsageError(f"plain features have no setting {min(settings)!r}; those of sam2 have")
        return None
    tracker_class = cast("type[SAM2Tracker]", TRACKERS.get("sam2"))
    return encoded(tracker_class(**tracker_class.settle(settings)), shown)


def encoded(tracker: SAM2Tracker, shown: NDArray[np.uint8]) -> F32:
    """Return the coarsest features, (h, w, c) float32, that SAM 2's encoder gives for an sRGB picture."""
    features = tracker.model.encode(tracker.model.prepare(shown))
    coarse = features.maps[-1]
    h, w = features.sizes[-1]
    return np.asarray(coarse.float().cpu().numpy()[:, 0].reshape(h, w, -1), np.float32)


def layer_writer(folder: Path, stem: str, source: FrameSource, number: int, *, overwrite: bool) -> Writer:
    """Return what writes a frame's layers as ``STEM_layers.####.exr``.

    Raises
    ------
    OutputError : the file is there already.
    """
    delivery = Delivery(folder, f"{stem}_layers", source.padding, source.rate, overwrite, holds="layers")
    writer = WRITERS.get("exr")(delivery)
    if busy := writer.conflicts({number: ""}):
        raise OutputError(f"{busy[0]} exists; choose another folder or add --overwrite")
    return writer


def layer_picture(number: int, found: F32) -> Picture:
    """Return (H, W, n) layers as the channels layer01.A, layer02.A and so on."""
    return Picture(number, found, tuple(f"{name_of(i + 1)}.A" for i in range(found.shape[2])))


def make_layers(shot: ShotBook, number: int, count: int) -> F32:
    """Return the layers of a shot's frame, (H, W, count), from the cache where they are there.

    Raises
    ------
    PromptError : the clip has no such frame.
    UsageError, MissingPartError : see `frame_layers`.
    """
    index = shot.index_of(number)
    kind, _ = choose_features("auto")
    key = digest("layers", shot.doc.source.identity, *shot.keys.seen, count, kind, VERSION)
    kept = [shot.cache.read("layers", name_of(i + 1), number) for i in range(count)]
    planes = [k[0] for k in kept if k is not None and k[1].get("key") == key]
    if len(planes) == count:
        return np.stack(planes, 2)
    found = frame_layers(shot.clip[index], count, kind)
    for i in range(count):
        plane = np.ascontiguousarray(found[..., i])
        content = hashlib.sha256(plane.tobytes()).hexdigest()[:32]
        shot.cache.write("layers", name_of(i + 1), number, plane, {"key": key, "content": content})
    for i in range(count, MOST):
        shot.cache.drop("layers", name_of(i + 1), number)
    return found


def sum_of(shot: ShotBook, number: int, layers: Sequence[int]) -> F32:
    """Return what some layers of a frame, from 1, cover together, (H, W) in [0, 1].

    Raises
    ------
    PromptError : none is chosen.
    ShotError : one was not made.
    """
    shot.index_of(number)
    if not layers:
        raise PromptError(f"no layer of frame {number} is chosen; choose at least one")
    total: F32 = np.zeros(shot.clip.size[::-1], np.float32)
    for layer in sorted(set(layers)):
        kept = shot.cache.read("layers", name_of(layer), number)
        if kept is None:
            raise ShotError(f"frame {number} has no layer {layer}; make its layers first")
        total += kept[0]
    return np.clip(total, 0, 1, out=total)
