"""Pictures for a viewer: the plate as JPEG, masks and mattes as grey PNG."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, Generic, Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import FrameError
from trackmatte.frame import Frame
from trackmatte.media import FrameSource
from trackmatte.server.refusal import Refusal
from trackmatte.shot.cache import FrameCache, digest

K = TypeVar("K")
V = TypeVar("V")
WIDTHS = range(16, 8193)
"""Widths that may be asked for."""
FRAME_BYTES, IMAGE_BYTES = 128 << 20, 32 << 20
"""What is kept at most of decoded frames, and of finished pictures; per shot."""
BACK = 8
"""Frames decoded at once when a movie is scrubbed backwards, where each alone would start at a keyframe."""
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 88]
EXACT = [
    cv2.IMWRITE_JPEG_QUALITY, 95,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
]  # fmt: skip
"""At the plate's own size, where single pixels are looked at: colours are not halved."""


@dataclass(frozen=True)
class Image:
    """A picture on its way to a viewer."""

    tag: str
    """Changes with the picture."""
    kind: str
    """Its content type."""
    make: Callable[[], bytes]
    """Make it; not called when the viewer has it."""


class Images:
    """Makes the pictures of one shot; any thread may ask.

    Parameters
    ----------
    identity : of the clip; changes with its content.
    """

    def __init__(self, clip: FrameSource, identity: str, cache: FrameCache) -> None:
        self._clip, self._identity, self._cache = clip, identity, cache
        self._frames: _Recent[int, Frame] = _Recent(FRAME_BYTES, lambda f: f.rgb.nbytes)
        self._made: _Recent[str, bytes] = _Recent(IMAGE_BYTES, len)
        self._decoding = Lock()
        self._last = -1

    def plate(self, number: int, width: int) -> Image:
        """Return a frame as sRGB JPEG, at most ``width`` pixels wide.

        Raises
        ------
        Refusal : the clip has no such frame, or the width is none.
        """
        index, size = self._index(number), self._size(width)
        tag = digest("plate", self._identity, number, size)

        def make() -> bytes:
            rgb = _fit(self.frame_at(index).display(), size)
            bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
            return _encode(".jpg", bgr, EXACT if size == self._clip.size else QUALITY)

        return Image(tag, "image/jpeg", lambda: self._once(tag, make))

    def coverage(
        self, stage: Literal["track", "matte", "steady", "layers"], obj: str, number: int, width: int
    ) -> Image:
        """Return a mask or matte as 8-bit grey PNG of the size that `plate` has at that width.

        Raises
        ------
        Refusal : the frame has none.
        """
        self._index(number)
        size = self._size(width)
        info = self._cache.info(stage, obj, number)
        if info is None:
            what = {"track": "mask", "layers": "layer"}.get(stage, "matte")
            raise Refusal("not_found", f"frame {number} of {obj!r} has no {what} yet")
        tag = digest(stage, obj, number, info.get("content"), info.get("key"), size)

        def make() -> bytes:
            found = self._cache.read(stage, obj, number)
            if found is None:
                raise Refusal("not_found", f"frame {number} of {obj!r} is being replaced; ask again")
            plane = _fit(found[0], size)
            alpha = 1 / (1 + np.exp(-plane)) if stage == "track" else plane
            return grey_png(alpha)

        return Image(tag, "image/png", lambda: self._once(tag, make))

    def frame(self, number: int, longest: int) -> Frame:
        """Return a frame with its longer side at most ``longest`` pixels."""
        frame = self.frame_at(self._index(number))
        w, h = frame.size
        scale = min(1.0, longest / max(w, h))
        size = max(1, round(w * scale)), max(1, round(h * scale))
        return frame if scale == 1 else replace(frame, rgb=_fit(frame.rgb, size))

    def frame_at(self, index: int) -> Frame:
        """Return a decoded frame."""
        found = self._frames.get(index)
        if found is not None:
            return found
        with self._decoding:
            found = self._frames.get(index)
            if found is None:
                found = self._decode(index)
            self._last = index
        return found

    def _decode(self, index: int) -> Frame:
        back = self._last - index
        if 0 < back <= BACK and self._clip.path.is_file() and self._clip.length > 1:
            try:
                for frame in self._clip.frames(max(0, index - BACK + 1), index + 1):
                    self._frames.put(frame.index, frame)
            except FrameError:
                self._frames.drop(index)
            if (found := self._frames.get(index)) is not None:
                return found
        frame = self._clip[index]
        self._frames.put(index, frame)
        return frame

    def _once(self, tag: str, make: Callable[[], bytes]) -> bytes:
        found = self._made.get(tag)
        if found is None:
            found = make()
            self._made.put(tag, found)
        return found

    def _index(self, number: int) -> int:
        numbers = self._clip.numbers
        at = bisect_left(numbers, number)
        if at == len(numbers) or numbers[at] != number:
            raise Refusal(
                "not_found",
                f"{self._clip.path} has no frame {number}; its frames run from {numbers[0]} to {numbers[-1]}",
            )
        return at

    def _size(self, width: int) -> tuple[int, int]:
        if width not in WIDTHS:
            raise Refusal("malformed", f"the width {width} is not from {WIDTHS[0]} to {WIDTHS[-1]} pixels")
        w, h = self._clip.size
        width = min(w, width)
        return width, max(1, round(h * width / w))


def grey_png(alpha: NDArray[np.floating[Any]]) -> bytes:
    """Return (H, W) in [0, 1] as an 8-bit grey PNG."""
    return _encode(
        ".png", np.rint(np.clip(alpha, 0, 1) * 255).astype(np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 1]
    )


def _encode(kind: str, pixels: NDArray[np.uint8], how: list[int]) -> bytes:
    done, data = cv2.imencode(kind, pixels, how)
    if not done:
        raise RuntimeError(f"no {kind} of a picture {pixels.shape}")
    return data.tobytes()


def _fit(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Return (h, w) or (h, w, 3) pixels at another size."""
    h, w = pixels.shape[:2]
    if (w, h) == size:
        return pixels
    smaller = size[0] < w
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR))


class _Recent(Generic[K, V]):
    """The last used values, of a bounded total size."""

    def __init__(self, limit: int, weigh: Callable[[V], int]) -> None:
        self._limit, self._weigh = limit, weigh
        self._held: OrderedDict[K, V] = OrderedDict()
        self._total = 0
        self._lock = Lock()

    def get(self, key: K) -> V | None:
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def put(self, key: K, value: V) -> None:
        self.drop(key)
        with self._lock:
            self._held[key] = value
            self._total += self._weigh(value)
            while self._total > self._limit and len(self._held) > 1:
                _, old = self._held.popitem(last=False)
                self._total -= self._weigh(old)

    def drop(self, key: K) -> None:
        with self._lock:
            if key in self._held:
                self._total -= self._weigh(self._held.pop(key))
