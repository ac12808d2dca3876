"""Soft layers: made once, kept in the cache, written as one EXR a frame, added up to masks."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from trackmatte.errors import OutputError, PromptError, ShotError, UsageError
from trackmatte.frame import Frame
from trackmatte.media import FrameSource
from trackmatte.numerics.watch import Watch, unwatched
from trackmatte.picture import Picture
from trackmatte.progress import Progress
from trackmatte.refiners.pipeline import filled
from trackmatte.select.layers import Making, soft_layers
from trackmatte.select.order import Known, known, order_after
from trackmatte.select.parts import colour_layers
from trackmatte.shot.book import ShotBook
from trackmatte.shot.cache import digest
from trackmatte.trackers import TRACKERS
from trackmatte.trackers.choose import choose_tracker
from trackmatte.writers import WRITERS, Delivery, Writer
from trackmatte.writers.space import Room

if TYPE_CHECKING:
    from trackmatte.trackers.sam2 import SAM2Tracker

F32 = NDArray[np.float32]
Features = Literal["auto", "sam2", "plain"]
Method = Literal["semantic", "spectral", "gmm", "mrf"]
"""Semantic soft segmentation, or one of `select.parts.PARTS`, which know no features."""
VERSION = "2"
"""Changes whenever the same frame gives other layers."""
MOST = 40
"""Layers that may be asked for."""
PARTS = 100
"""Of a frame, that progress is told in."""
Encode = Callable[[NDArray[np.uint8]], F32 | None]
"""(H, W, 3) sRGB -> (h, w, d) features, or None."""
Tell = Callable[[Progress], None]
"""Shows where the work is; what it raises ends the work."""


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


def frame_layers(
    frame: Frame,
    count: int,
    features: Encode,
    watch: Watch = unwatched,
    before: F32 | None = None,
    method: Method = "semantic",
) -> F32:
    """Return (H, W, count) soft layers of a frame that sum to one; see `soft_layers` and `colour_layers`.

    Parameters
    ----------
    features : of the picture, see `encoder`.
    watch, before : as `soft_layers` has them.
    method : how; all but ``semantic`` leave features and the frame before aside.

    Raises
    ------
    UsageError : too many layers, or too large a picture.
    """
    check_count(count)
    shown = frame.colour.display(filled(frame.rgb))
    if method != "semantic":
        return colour_layers(method, shown, count, watch)
    return soft_layers(shown, features(shown), Making(count=count), watch, before)


def encoder(kind: Features, settings: dict[str, Any]) -> Encode:
    """Return what gives the features of an sRGB picture; weights are loaded once.

    Parameters
    ----------
    kind : ``sam2`` = those of its encoder, with its settings; ``plain`` = None, for the weight-free ones.

    Raises
    ------
    UsageError : there is no such setting.
    MissingPartError : there are no weights.
    """
    if kind == "plain":
        if settings:
            raise UsageError(f"plain features have no setting {min(settings)!r}; those of sam2 have")
        return lambda _: None
    tracker_class = cast("type[SAM2Tracker]", TRACKERS.get("sam2"))
    return partial(encoded, tracker_class(**tracker_class.settle(settings)))


def encoded(tracker: SAM2Tracker, shown: NDArray[np.uint8]) -> F32:
    """Return the coarsest features, (h, w, c) float32, that SAM 2's encoder gives for an sRGB picture."""
    features = tracker.model.encode(tracker.model.prepare(shown))
    coarse = features.maps[-1]
    h, w = features.sizes[-1]
    return np.asarray(coarse.float().cpu().numpy()[:, 0].reshape(h, w, -1), np.float32)


def layer_delivery(folder: Path, stem: str, source: FrameSource, *, overwrite: bool) -> Delivery:
    """Return where layers go: ``STEM_layers.####.exr``."""
    return Delivery(folder, f"{stem}_layers", source.padding, source.rate, overwrite, holds="layers")


def layer_writer(folder: Path, stem: str, source: FrameSource, number: int, *, overwrite: bool) -> Writer:
    """Return what writes the layers of one frame as ``STEM_layers.####.exr``.

    Raises
    ------
    OutputError : the file is there already.
    """
    return _writer(layer_delivery(folder, stem, source, overwrite=overwrite), {number: ""})


def _writer(delivery: Delivery, origins: Mapping[int, str]) -> Writer:
    writer = WRITERS.get("exr")(delivery)
    if busy := writer.conflicts(origins):
        raise OutputError(f"{busy[0]} exists; choose another folder or add --overwrite")
    return writer


def layer_picture(number: int, found: F32, origin: str = "") -> Picture:
    """Return (H, W, n) layers as the channels layer01.A, layer02.A and so on."""
    names = tuple(f"{name_of(i + 1)}.A" for i in range(found.shape[2]))
    return Picture(number, found, names, origin=origin)


@dataclass
class Told:
    """Tells how far the layers of some frames are."""

    tell: Tell
    frames: int
    done: int = 0
    """Frames that are finished."""
    skipped: int = 0
    """Of them, those that were found finished."""
    begin: float = field(default_factory=time.monotonic)
    _last: int = -1

    def watch(self, number: int) -> Watch:
        """Return what is told of a frame in hand: every hundredth once."""

        def at(share: float) -> None:
            parts = PARTS * self.done + min(PARTS, int(PARTS * share))
            if parts > self._last:
                self._last = parts
                worked = parts - PARTS * self.skipped
                seconds = time.monotonic() - self.begin
                total = PARTS * self.frames
                self.tell(Progress("layers", parts, total, number, seconds, worked, parts=PARTS))

        return at


@dataclass(frozen=True)
class Split:
    """Layers of some frames of a clip, each in the order of those before."""

    source: FrameSource
    numbers: tuple[int, ...]
    """Source numbers, ascending."""
    count: int
    kind: Features
    settings: dict[str, Any]
    delivery: Delivery
    space_check: bool = True
    """Stop early when the disk will not hold the rest."""
    method: Method = "semantic"

    def origins(self) -> dict[int, str]:
        """Return the hash of all that makes each frame's layers; the first frame begins the order."""
        colour, first = self.source.colour, self.numbers[0]
        seen = [] if colour.coded_for_display else [colour.identity]
        made = made_by(self.method, self.count, self.kind)
        said = (self.source.identity(), *seen, *made, self.settings, VERSION, first)
        return {n: digest("split", *said, n) for n in self.numbers}

    def write(self, tell: Tell) -> tuple[str, int]:
        """Write one file a frame; those that are there and were made just so stay.

        Returns
        -------
        The pattern of the files, and how many were written.

        Raises
        ------
        OutputError : a file of another making is there, or the disk will not hold them.
        """
        told, origins = Told(tell, len(self.numbers)), self.origins()
        last: tuple[F32, Known] | None = None
        features = encoder(self.kind, self.settings)
        with _writer(self.delivery, origins) as writer:
            room = Room(self.delivery.folder, len(self.numbers), estimate=self.space_check)
            for number in self.numbers:
                plate = self.source[self.source.numbers.index(number)]
                shown = plate.colour.display(filled(plate.rgb))
                watch = told.watch(number)
                if writer.finished(number, origins[number]):
                    found = _planes(self.delivery.path(number, ".exr"))
                    told.skipped += 1
                else:
                    before = None if last is None else last[0]
                    found = frame_layers(plate, self.count, features, watch, before, self.method)
                    found = found.astype(np.float16).astype(np.float32)  # as a file has it
                    if last is not None:
                        found = np.ascontiguousarray(found[..., order_after(last[1], known(shown, found))])
                    room.guard(partial(writer.write, layer_picture(number, found, origins[number])))()
                last = found, known(shown, found)
                watch(1)
                told.done += 1
        return writer.target, told.done - told.skipped


def _planes(path: Path) -> F32:
    """Return the channels of a layers file that was seen to be whole."""
    return np.asarray(oiio.ImageBuf(str(path)).get_pixels(oiio.FLOAT), np.float32)


def made_by(method: Method, count: int, kind: Features) -> list[object]:
    """Return what a layers' hash says of how they are made."""
    return [count, kind] if method == "semantic" else [count, method]


def make_layers(shot: ShotBook, number: int, count: int, tell: Tell, method: Method = "semantic") -> F32:
    """Return the layers of a shot's frame, (H, W, count), from the cache where they are there.

    Raises
    ------
    PromptError : the clip has no such frame.
    UsageError, MissingPartError : see `frame_layers` and `encoder`.
    """
    index = shot.index_of(number)
    kind: Features = choose_features("auto")[0] if method == "semantic" else "plain"
    made = made_by(method, count, kind)
    key = digest("layers", shot.doc.source.identity, *shot.keys.seen, *made, VERSION)
    kept = [shot.cache.read("layers", name_of(i + 1), number) for i in range(count)]
    planes = [k[0] for k in kept if k is not None and k[1].get("key") == key]
    if len(planes) == count:
        return np.stack(planes, 2)
    watch = Told(tell, 1).watch(number)
    found = frame_layers(shot.clip[index], count, encoder(kind, {}), watch, method=method)
    watch(1)
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
