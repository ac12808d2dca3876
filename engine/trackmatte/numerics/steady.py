"""Flicker taken off a sequence of mattes by what the frames on both sides say."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import UsageError

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

SOFT = (0.02, 0.98)
"""Alpha strictly between them is soft."""
WIDEST = 960
"""Largest side of the picture on which motion is estimated, px."""
SLACK = (0.35, 0.02)
"""Forward and backward flow may miss each other by so many px and by this share of the motion."""
TOLERANCE = 0.3
"""A neighbour's alpha counts less the more it differs, by a Gaussian of this standard deviation."""
AGREED = 0.15
"""Unless both neighbours agree with each other, by a Gaussian of this standard deviation."""
UNLIKE = 0.25
"""Normalised residual at which a place in the picture counts by half as another one."""
CUT_RESIDUAL = 0.6
"""Two frames whose normalised residual after motion, over the whole picture, is larger are beside a cut."""
CUT_TRUST = 0.3
"""So are those on less than this share of which forward and backward flow agree."""
_PATCH = 4.0
"""Standard deviation of the Gaussian that tells texture from light, px of the reduced picture."""
_FAINT = 4.0  # 8-bit levels; fainter texture counts little: grain must not look like a cut
_GRAIN = 0.1  # texture power that grain may leave
_SMALLEST = 32  # px; DIS has no pyramid on pictures with a smaller side: they are taken as still
_ROW = 1024  # px; scattered pixels are sampled in rows of so many, as OpenCV's remap takes no side over 32767
_PART = 1 << 20  # pixels blended at a time, whatever the size of the plate
_BLIND = 1e-3  # weights below it are left out


class Steady:
    """Blends each matte with its two neighbours, carried along by the picture's motion.

    Only soft pixels change (`SOFT`): those of the frame itself, and those of which both carried neighbours
    say with one voice that they are soft. Each neighbour counts by how far dense inverse search flow (Kroeger
    et al., ECCV 2016) agrees with itself forward and backward, by how alike the picture is there once light
    is taken out, and by how alike alpha is, unless both neighbours have the same: then this frame is the odd
    one out. The result is a mean of the three, so it lies between them; and it depends on these three
    frames only, so a clip done in parts that overlap by a frame comes out the same as in one go.

    The filter starts anew where the index is not the one after the last, where the size changes and at
    cuts. A cut is where, after motion, the texture of the two pictures does not match (`CUT_RESIDUAL`) or
    most flow contradicts itself (`CUT_TRUST`). Texture is the luma less its local mean, divided by its local
    spread; so a change of exposure is no cut.

    Parameters
    ----------
    strength : weight of each fully trusted neighbour against 1 of the frame itself, in [0, 1]; with 0 every
        matte comes back at once.

    Raises
    ------
    UsageError : when the strength is outside [0, 1].
    """

    def __init__(self, strength: float = 1.0) -> None:
        if not 0 <= strength <= 1:
            raise UsageError(f"strength is {strength}; it must be in [0, 1]")
        self.strength = strength
        self._held: deque[_Frame] = deque(maxlen=3)

    @property
    def held(self) -> int:
        """Number of frames in memory, at most 2 between calls."""
        return len(self._held)

    def push(self, index: int, rgb: U8, alpha: F32) -> list[tuple[int, F32]]:
        """Take a frame and return what can be told by it.

        Parameters
        ----------
        index : position of the frame; the one after the last, else the filter starts anew.
        rgb : (H, W, 3) uint8, display-referred.
        alpha : (H, W) float32 in [0, 1]. It is kept, not copied: do not write to it afterwards.

        Returns
        -------
        (index, (H, W) float32 alpha in [0, 1]) of the finished frame, if any: the one before, as a rule. A
        matte of which nothing changed is the very array that was pushed.

        Raises
        ------
        UsageError : when picture or matte has another type or shape.
        """
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.size:
            raise UsageError(f"the picture is {rgb.dtype} {rgb.shape}; it must be uint8 (H, W, 3)")
        if alpha.dtype != np.float32 or alpha.shape != rgb.shape[:2]:
            raise UsageError(f"the matte is {alpha.dtype} {alpha.shape}; it must be float32 {rgb.shape[:2]}")
        if not self.strength:
            return [(index, alpha)]
        ready = []
        last = self._held[-1] if self._held else None
        if last and (index != last.index + 1 or alpha.shape != last.alpha.shape):
            ready, last = self.finish(), None
        new = _Frame(index, _reduced_luma(rgb), alpha)
        if last:
            links = _links(last.luma, new.luma)
            ahead, new.back = links or (None, None)
            ready.append(self._blend(last, new, ahead))
        self._held.append(new)
        if len(self._held) > 2:
            self._held.popleft()
        return ready

    def finish(self) -> list[tuple[int, F32]]:
        """Return the frame that still waited for the next one, if any, and start anew."""
        ready = [self._blend(self._held[-1], None, None)] if self._held else []
        self._held.clear()
        return ready

    def _blend(self, present: _Frame, following: _Frame | None, ahead: _Link | None) -> tuple[int, F32]:
        """Return a frame's index and its matte, blended with those of its neighbours."""
        sides = [(present.back, self._held[-2].alpha)] if present.back else []
        sides += [(ahead, following.alpha)] if ahead and following else []
        if not sides:
            return present.index, present.alpha
        free = _soft(present.alpha)
        if len(sides) == 2:
            free |= np.logical_and(*(link.may_be_soft(alpha) for link, alpha in sides))
        out = None
        rows, columns = np.nonzero(free)
        for start in range(0, len(rows), _PART):
            at = rows[start : start + _PART], columns[start : start + _PART]
            own = present.alpha[at]
            blended = _mean(own, [link.carry(alpha, *at) for link, alpha in sides], self.strength)
            if (blended != own).any():
                out = present.alpha.copy() if out is None else out
                out[at] = blended
        return present.index, present.alpha if out is None else out


def steadied(frames: Iterable[tuple[int, U8, F32]], strength: float) -> Iterator[tuple[int, F32]]:
    """Run the filter over (index, rgb, alpha) triples as `Steady.push` takes them."""
    steady = Steady(strength)
    for index, rgb, alpha in frames:
        yield from steady.push(index, rgb, alpha)
    yield from steady.finish()


@dataclass(frozen=True, slots=True, eq=False)
class _Link:
    """Where every pixel of a frame is on a neighbour."""

    flow: F32
    """(h, w, 2) (dx, dy) px of the reduced picture."""
    trust: F32
    """(h, w) in [0, 1]."""

    def carry(self, alpha: F32, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> tuple[F32, F32]:
        """Return the neighbour's alpha carried to some pixels of this frame, and its trust, (N,) each."""
        (h, w), (full_h, full_w) = self.trust.shape, alpha.shape
        sx, sy = w / full_w, h / full_h
        x, y = columns.astype(np.float32), rows.astype(np.float32)
        small = (x + 0.5) * sx - 0.5, (y + 0.5) * sy - 0.5
        there_x = x + _scattered(self.flow[..., 0], *small) / sx
        there_y = y + _scattered(self.flow[..., 1], *small) / sy
        inside = (there_x > -1) & (there_x < full_w) & (there_y > -1) & (there_y < full_h)
        return _scattered(alpha, there_x, there_y), _scattered(self.trust, *small) * inside

    def may_be_soft(self, alpha: F32) -> NDArray[np.bool_]:
        """Return (H, W) bool: where the neighbour's soft pixels may fall on this frame, and a bit around."""
        h, w = self.trust.shape
        band = cv2.resize(_soft(alpha).astype(np.float32), (w, h), interpolation=cv2.INTER_AREA)
        moved = (_sample(band, _positions(h, w) + self.flow) > 0) & (self.trust > _BLIND)
        near = cv2.dilate(moved.astype(np.uint8), np.ones((3, 3), np.uint8))
        return np.asarray(cv2.resize(near, alpha.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0)


@dataclass(slots=True, eq=False)
class _Frame:
    """A frame in memory."""

    index: int
    luma: U8
    """(h, w), reduced."""
    alpha: F32
    """(H, W), as it came."""
    back: _Link | None = None
    """To the frame before it, unless there is a cut."""


def _links(first: U8, second: U8) -> tuple[_Link, _Link] | None:
    """Return what leads from the first of two reduced pictures to the second and back, or None at a cut."""
    if first.std() < second.std():  # detail is never taken away
        first = _relit(first, second)
    else:
        second = _relit(second, first)
    textures, flows = (_texture(first), _texture(second)), (_flow(first, second), _flow(second, first))
    links, differing, power, sure = [], 0.0, 0.0, 0.0
    for (here, there), (to, back) in ((textures, flows), (textures[::-1], flows[::-1])):
        agreed = _agreement(to, back)
        moved = _sample(there, _positions(*here.shape) + to)
        residual, both = _smooth((here - moved) ** 2), _smooth(here**2 + moved**2)
        like = 1 / (1 + (residual / (UNLIKE * (both + _GRAIN))) ** 4)
        links.append(_Link(to, np.asarray(agreed * like, np.float32)))
        differing, power = differing + float(residual.mean()), power + float(both.mean())
        sure += float(agreed.mean()) / 2
    cut = differing > CUT_RESIDUAL * (power + _GRAIN) or sure < CUT_TRUST
    return None if cut else (links[0], links[1])


def _flow(source: U8, target: U8) -> F32:
    h, w = source.shape
    if min(h, w) < _SMALLEST:
        return np.zeros((h, w, 2), np.float32)
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.asarray(dis.calc(source, target, None), np.float32)


def _agreement(flow: F32, opposite: F32) -> F32:
    """Return (h, w) in [0, 1]: how nearly the opposite flow leads back."""
    gap = ((flow + _sample(opposite, _positions(*flow.shape[:2]) + flow)) ** 2).sum(-1)
    slack = SLACK[0] + SLACK[1] * np.sqrt((flow**2).sum(-1))
    return np.asarray(np.exp(-0.5 * gap / slack**2), np.float32)


def _texture(luma: U8) -> F32:
    """Return the luma's detail, free of light: less its local mean, over its local spread."""
    level = luma.astype(np.float32)
    detail = level - _smooth(level)
    return np.asarray(detail / (np.sqrt(_smooth(detail**2)) + _FAINT), np.float32)


def _relit(luma: U8, like: U8) -> U8:
    """Return the luma with mean and spread of another, so that flow sees motion and not light."""
    (mean, spread), (aim, aim_spread) = ((float(p.mean()), float(p.std())) for p in (luma, like))
    gain = (aim_spread + 1) / (spread + 1)
    table = np.rint(np.clip((np.arange(256) - mean) * gain + aim, 0, 255)).astype(np.uint8)
    return np.asarray(table[luma])


def _reduced_luma(rgb: U8) -> U8:
    h, w = rgb.shape[:2]
    if max(h, w) > WIDEST:
        size = max(1, round(w * WIDEST / max(h, w))), max(1, round(h * WIDEST / max(h, w)))
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def _mean(own: F32, carried: list[tuple[F32, F32]], strength: float) -> F32:
    """Return (N,) alpha blended with that carried from one or both neighbours, given with its trust."""
    free, agreed = _soft(own), np.zeros_like(own)
    if len(carried) == 2:
        (before, trust_before), (after, trust_after) = carried
        agreed = _bell(before - after, AGREED) * trust_before * trust_after
        free = free | (_soft(before) & _soft(after) & (agreed > 0.5))
    total, weight = np.zeros_like(own), np.ones_like(own)
    for theirs, trust in carried:
        share = strength * trust * np.maximum(_bell(theirs - own, TOLERANCE), agreed)
        share[~free | (share < _BLIND)] = 0
        total += share * (theirs - own)
        weight += share
    return np.asarray(own + total / weight, np.float32)


def _bell(difference: F32, spread: float) -> F32:
    return np.asarray(np.exp(-0.5 * (difference / spread) ** 2), np.float32)


def _soft(alpha: F32) -> NDArray[np.bool_]:
    return (alpha > SOFT[0]) & (alpha < SOFT[1])


def _smooth(image: F32) -> F32:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), _PATCH), np.float32)


def _positions(h: int, w: int) -> F32:
    """Return the (h, w, 2) pixel coordinates (x, y)."""
    x, y = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
    return np.stack([x, y], axis=-1)


def _sample(image: F32, at: F32) -> F32:
    """Sample an (h, w) or (h, w, 2) image bilinearly at (h', w', 2) positions, edges replicated."""
    out = cv2.remap(image, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, np.float32)


def _scattered(image: F32, x: F32, y: F32) -> F32:
    """Sample an (h, w) image bilinearly at N positions, as pictures of `_ROW` columns."""
    lines = -(-len(x) // _ROW)
    at = np.zeros((lines * _ROW, 2), np.float32)
    at[: len(x), 0], at[: len(x), 1] = x, y
    return _sample(image, at.reshape(lines, _ROW, 2)).ravel()[: len(x)]
