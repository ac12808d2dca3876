"""Where every frame of a movie is: one pass over its packets, without decoding."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import av
import numpy as np
from numpy.typing import NDArray

STREAMS = ("mpegts", "mpeg", "rtp", "rtsp")
"""Containers cut at any packet, from recordings."""

MOST_ON_GRID = 10_000_000
"""Frames above which a movie's times are taken for damaged: a day at 115 fps."""

MOST_CUT = 500_000
"""Missing frames, almost six hours of them, above which the header that promises them is damaged."""

MAX_REORDER = 16
"""Most pictures that H.264 and HEVC may reorder."""

Packet = tuple[int, int | None, bool, int]
"""(pts, dts, is a keyframe, position in decoding order)"""


@dataclass(frozen=True, eq=False)
class MovieIndex:
    """The frames of one video stream in display order.

    A stream without presentation times (a raw H.264 file, an AVI with B-frames) is ``ordinal``: its frames
    are counted as they are decoded, and it can only be read from its start.
    """

    pts: NDArray[np.int64]
    """(N,) presentation times, strictly ascending, in units of ``time_base``; 0..N-1 if ordinal."""
    decode_order: NDArray[np.int64]
    """(N,) position of each frame's packet in the file."""
    keys: tuple[int, ...]
    """Display indices of the keyframes, ascending."""
    key_times: tuple[int, ...]
    """Where to seek for each of ``keys``: never later than the keyframe in either time scale."""
    time_base: Fraction
    seekable: bool = True
    """False if the stream must be read from its start."""
    doubtful: bool = False
    """True if a seek may make sound frames look damaged."""
    ordinal: bool = False
    last: int = 0
    """How long the last frame is shown, in units of ``time_base``; 0 if the file does not say."""
    cut: int = 0
    """Frames at the end that the header promises and the file does not hold."""
    overpromised: bool = False
    """True if the header promises so many more that it is damaged; they are not counted."""
    unreachable: int = 0
    """Frames left out at the start because they come before the first keyframe."""

    @classmethod
    def untimed(cls, count: int, duration: Fraction = Fraction(1)) -> MovieIndex:
        """Return the ordinal index of ``count`` frames that last ``duration`` seconds each."""
        numbers = np.arange(count, dtype=np.int64)
        return cls(numbers, numbers, (0,), (0,), duration, seekable=False, ordinal=True)

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.pts)

    def find(self, pts: int | None) -> int | None:
        """Return the display index of a presentation time, or None if there is no such frame."""
        if pts is None:
            return None
        i = int(np.searchsorted(self.pts, pts))
        return i if i < len(self.pts) and self.pts[i] == pts else None

    def key_before(self, i: int) -> int:
        """Return the position in ``keys`` of the last keyframe at or before display index i, or -1."""
        return bisect_right(self.keys, i) - 1

    def key_from(self, low: int, stop: int) -> int:
        """Return the first keyframe in low..stop-1, where decoding needs no run-up, or else ``low``."""
        at = bisect_left(self.keys, low)
        return self.keys[at] if at < len(self.keys) and self.keys[at] < stop else low

    def spoiled_by(self, i: int) -> list[int]:
        """Return the frames that a damaged frame i may have spoiled, itself first.

        Those are the frames decoded after it and shown before the next keyframe, the leading pictures of an
        open group included; in an all-keyframe stream this is the frame alone.
        """
        at = self.key_before(i)
        stop = self.keys[at + 1] if at + 1 < len(self.keys) else len(self)
        later = self.decode_order >= self.decode_order[i]
        return [i, *(int(j) for j in np.flatnonzero(later[:stop]) if j != i)]

    @property
    def all_keys(self) -> bool:
        """True if every frame is a keyframe."""
        return len(self.keys) == len(self)

    @cached_property
    def delay(self) -> int:
        """Most pictures shown before one that is decoded earlier, plus one; 0 if all are keyframes."""
        if self.ordinal or self.all_keys:
            return 0
        rank = np.argsort(np.argsort(self.decode_order, kind="stable"), kind="stable")
        return 1 + int(np.clip(np.max(np.arange(len(self)) - rank), 0, MAX_REORDER))

    def on_grid(self, rate: Fraction) -> list[int]:
        """Return the frame shown at each time k / rate after the first one, up to the end of the last one.

        A time stored in coarse units (Matroska's milliseconds) is off by up to half a unit, which is allowed
        for where a unit is small beside the grid's step.

        Raises
        ------
        ValueError : there are more than `MOST_ON_GRID` of them.
        """
        usual = int(np.median(np.diff(self.pts))) if len(self) > 1 else 0
        start = self.pts - self.pts[0]
        end = (int(start[-1]) + (self.last or usual or 1)) * self.time_base
        count = max(1, round(end * rate))
        if count > MOST_ON_GRID:
            raise ValueError(f"{count} frames")
        step = 1 / (rate * self.time_base)
        slack = Fraction(1, 2) if step >= 4 else Fraction(0)
        ticks = [int(k * step + slack) for k in range(count)]
        return [int(i) for i in np.searchsorted(start, ticks, side="right") - 1]

    @property
    def gaps(self) -> tuple[int, ...] | None:
        """Frames after which a stream of constant rate has a hole; None if its rate varies."""
        if self.ordinal or len(self) < 3:
            return ()
        steps = np.diff(self.pts)
        usual = float(np.median(steps))
        odd = np.flatnonzero(np.abs(steps - usual) > max(1.0, 0.1 * usual))
        holes = np.abs(steps[odd] / usual - np.rint(steps[odd] / usual)) < 0.1
        if len(odd) > 0.02 * len(self) + 1 or not np.all(holes & (steps[odd] > usual)):
            return None
        return tuple(int(i) for i in odd)


def build_index(movie: av.container.InputContainer, stream: av.video.stream.VideoStream) -> MovieIndex:
    """Demux a whole stream and index its frames; the container is left at its end."""
    packets: list[tuple[int | None, int | None, bool, bool]] = []  # pts, dts, keyframe, discarded
    last = (-(1 << 63), 0)  # pts, duration
    try:
        for p in movie.demux(stream):
            if p.size:
                packets.append((p.pts, p.dts, p.is_keyframe, p.is_discard))
                last = max(last, (p.pts or 0, p.duration or 0))
    except av.error.FFmpegError:
        pass  # cut off here; what came before it is the clip
    time_base = stream.time_base or Fraction(1, 1)
    kind = movie.format.name
    timed = [
        (pts, dts, key, n) for n, (pts, dts, key, drop) in enumerate(packets) if pts is not None and not drop
    ]
    times = [t[0] for t in timed]
    # The second field of an interlaced pair may come in a packet of its own without a time.
    if not timed or len(timed) < 0.4 * len(packets) or len(set(times)) != len(times):
        return MovieIndex.untimed(len(packets))
    kept = sorted(_reachable(timed, cut_freely=kind in STREAMS), key=lambda t: t[0])
    pts = np.array([t[0] for t in kept], np.int64)
    order = np.array([t[3] for t in kept], np.int64)
    keys = [(i, t[0] if t[1] is None else min(t[0], t[1])) for i, t in enumerate(kept) if t[2]]
    # A MOV's table is without what its edit list leaves out; other containers' tables list keyframes only.
    promised = len(stream.index_entries) if kind.startswith("mov") else stream.frames
    missing = max(0, promised - len(packets))
    cut = missing if missing <= MOST_CUT else 0
    pts, order = _with_cut(pts, order, cut)
    return MovieIndex(
        pts=pts,
        decode_order=order,
        keys=tuple(k for k, _ in keys) or (0,),
        key_times=tuple(t for _, t in keys) or (int(pts[0]),),
        time_base=time_base,
        last=0 if cut else last[1],
        # MPEG-PS leaves out times, which are then guessed from where reading starts; AVI counts packets, so
        # that behind a lost one a count and a seek disagree.
        seekable=kind != "mpeg" and not (cut and kind == "avi"),
        doubtful=kind in STREAMS,
        cut=cut,
        overpromised=missing > MOST_CUT,
        unreachable=len(timed) - len(kept),
    )


def _reachable(timed: list[Packet], *, cut_freely: bool) -> list[Packet]:
    """Leave out the frames at the start that no keyframe leads to.

    Those are the leading pictures of an open group that the file starts with, and in a stream that may start
    anywhere all that comes before its first keyframe. Elsewhere a start without keyframe is damage, and
    damaged frames keep their index.
    """
    key = next((t for t in timed if t[2]), None)
    if key is None or not (cut_freely or key is timed[0]):
        return timed
    return [t for t in timed if t[0] >= key[0] and t[3] >= key[3]]


def _with_cut(
    pts: NDArray[np.int64], order: NDArray[np.int64], cut: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Add the times of frames that a cut-off file no longer holds, at the stream's usual step.

    With B-frames the last packets in a file are not the last frames, so the holes are filled first.
    """
    if not cut or len(pts) < 2:
        return pts, order
    gap = max(1, int(np.median(np.diff(pts))))
    total = len(pts) + cut
    grid = pts[0] + gap * np.arange(total + 1, dtype=np.int64)
    if not np.isin(pts, grid).all():
        grid = np.concatenate([pts, pts[-1] + gap * np.arange(1, cut + 1, dtype=np.int64)])
    grid = grid[:total]
    where = np.full(len(grid), order.max() + 1, np.int64)
    where[np.searchsorted(grid, pts)] = order
    return grid, where
