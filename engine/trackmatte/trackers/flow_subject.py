"""One tracked object: its prompts, its classifier, and its state in the pass."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.numerics.maxflow import grid_cut
from trackmatte.trackers import flow_contour as contour
from trackmatte.trackers.flow_appearance import Appearance, pixel_vectors, training_pixels
from trackmatte.trackers.flow_cues import PAD, Present, View, evidence, spread_out, view
from trackmatte.trackers.flow_memory import Remembered, centre, dilate, nearest, spread
from trackmatte.trackers.flow_motion import positions, sample
from trackmatte.trackers.flow_scale import resize_map, sigmoid

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

MOST_KEYS = 8
"""Prompted frames kept in the permanent memory; of more, these are spread evenly over their order."""
ASKED_KEYS = 2
"""Prompted frames asked per step: the nearest before and the nearest after."""
SMOOTHNESS = 0.35
"""Price of a contour between two pixels without contrast, in log-odds."""
VANISHED = 0.03
"""Share of its usual area below which an object counts as not visible."""


class Subject:
    """State of one object; nothing in it depends on other objects. See `FlowTracker`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.prompts: dict[int, tuple[U8, F32]] = {}
        """Frame index -> (h, w, 3) working image and (h, w) logits."""
        self.keys: list[Remembered] = []
        """The permanent memory."""
        self.look: Appearance | None = None
        self.logits: F32 = np.zeros((0, 0), np.float32)
        self.rewind()

    def rewind(self) -> None:
        """Forget the pass."""
        self.belief: F32 | None = None
        """(h, w) in [0, 1] on the last frame; None before the object's first prompt."""
        self.score = 0.0
        self.area = 0.0
        """Usual area in working pixels."""
        self.lost = False
        for key in self.keys:
            key.anchor()
        if self.look is not None:
            self.look.forget()

    @property
    def started(self) -> bool:
        """Whether the pass has met a prompt of this object."""
        return self.belief is not None

    @property
    def chosen(self) -> tuple[int, ...]:
        """Indices of the prompted frames that make up the permanent memory."""
        return tuple(spread(sorted(self.prompts), MOST_KEYS))

    def learn_keys(self, features: list[F32]) -> None:
        """Build permanent memory and classifier afresh.

        Parameters
        ----------
        features : (rows, cols, d) of the frames `chosen`.
        """
        chained = {k.index: k.where for k in self.keys}
        self.keys = []
        flat = np.concatenate([f.reshape(-1, f.shape[-1]) for f in features])
        self.look = Appearance(flat.std(0) + np.float32(1e-6))
        for i, f in zip(self.chosen, features, strict=True):
            size = f.shape[:2]
            plane = resize_map(sigmoid(4 * self.prompts[i][1]), size)
            self.keys.append(Remembered(i, f, plane, chained.get(i, positions(*size))))
            ys, xs = training_pixels(plane)
            self.look.learn_key(pixel_vectors(f, plane, ys, xs), plane[ys, xs])

    def anchor(self, index: int) -> None:
        """Begin the pass afresh on a prompted frame, and align the other prompts with it."""
        self.rewind()
        self.logits = self.prompts[index][1]
        self.belief = sigmoid(4 * self.logits)
        self.score = 1.0
        self.area = float((self.logits > 0).sum())
        self.lost = False
        here = next((k for k in self.keys if k.index == index), None)
        if here is None:
            return
        here.anchor()
        for key in self.keys:
            if key is not here:
                key.where += centre(key.labels) - centre(here.labels)

    def advance(self, at: F32) -> None:
        """Chain the permanent memory through one frame; ``at`` (rows, cols, 2) is where pixels come from."""
        for key in self.keys:
            key.advance(at)

    def propagate(self, present: Present, at: F32, features: F32, before: F32) -> None:
        """Decide the object's mask on the present frame.

        Parameters
        ----------
        at : (rows, cols, 2) where pixels come from in the last frame.
        features, before : (rows, cols, d) of the present and of the last frame.
        """
        assert self.look is not None
        assert self.belief is not None
        h, w = self.belief.shape
        last = Remembered(-1, before, resize_map(self.belief, features.shape[:2]), at)
        if self.lost:
            plane = self._search(features)
        else:
            plane = sample(self.belief, positions(h, w) + present.motion.back)
        seen = view(present, features, plane)
        if len(seen.ys) == 0:
            return self._vanish(h, w)
        asked = nearest([k.index for k in self.keys], present.index, ASKED_KEYS)
        look = self.look.logits(pixel_vectors(features, seen.half, seen.ys, seen.xs))
        odds, fresh = evidence(seen, look, last, [k for k in self.keys if k.index in asked])
        unary = spread_out(seen, odds, outside=-6)
        mask = _cut(unary, seen)
        mask = contour.drop_specks(mask, plane, share=0.05)
        alone = spread_out(seen, fresh, outside=-1)
        mask = contour.fill_new_holes(contour.drop_strangers(mask, alone), plane, alone)
        area = float(mask.sum())
        if area < VANISHED * self.area or (self.lost and not _credible(mask, unary, area, self.area)):
            return self._vanish(h, w)
        self.lost = False
        certain = cv2.GaussianBlur(np.minimum(np.abs(unary) / 3, 1), (0, 0), 3.0)
        self.logits = contour.distance_logits(mask, 0.3 + 0.7 * certain)
        self.belief = 0.5 * cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.0) + 0.5 * sigmoid(unary)
        self._learn(seen, resize_map(mask.astype(np.float32), seen.half.shape), odds)
        sure = float(np.maximum(2 * sigmoid(unary[mask]) - 1, 0).mean()) if area else 0.0
        self.score = float(np.clip(sure * min(1.0, area / (0.25 * self.area + 1)), 0, 1))
        self.area = max(0.97 * self.area, area)
        return None

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the state of the pass as plain arrays."""
        state: dict[str, NDArray[Any]] = {
            "numbers": np.array([self.score, self.area, float(self.lost)], np.float64),
        }
        for i, key in enumerate(self.keys):
            state[f"where{i}"] = key.where.copy()
        if self.belief is not None:
            state["belief"] = self.belief.copy()
        if self.look is not None:
            state["recent"] = self.look.recent.copy()
        return state

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Put back what `snapshot` returned."""
        self.score, self.area = float(state["numbers"][0]), float(state["numbers"][1])
        self.lost = bool(state["numbers"][2])
        for i, key in enumerate(self.keys):
            key.where = state[f"where{i}"].copy()
        self.belief = state["belief"].copy() if "belief" in state else None
        if self.look is not None and "recent" in state:
            self.look.recent = state["recent"].copy()
            self.look.solve()

    def _learn(self, seen: View, final: F32, odds: F32) -> None:
        """Update the appearance where the evidence was clear and the cut agreed."""
        assert self.look is not None
        agreed = (np.abs(odds) > 1) & ((odds > 0) == (final[seen.ys, seen.xs] > 0.5))
        if agreed.sum() <= 50 or not (final > 0.5).any():
            return
        allowed = np.ones(final.shape, np.float32)
        allowed[seen.ys, seen.xs] = agreed
        ys, xs = training_pixels(final)
        keep = allowed[ys, xs] > 0
        ys, xs = ys[keep], xs[keep]
        self.look.learn(pixel_vectors(seen.features, final, ys, xs), final[ys, xs], rate=0.1)

    def _vanish(self, h: int, w: int) -> None:
        self.logits = np.full((h, w), -contour.FAR, np.float32)
        self.belief = np.zeros((h, w), np.float32)
        self.score = 0.0
        self.lost = True

    def _search(self, features: F32) -> F32:
        """Look for the lost object by appearance over the whole frame; (h, w), all 0 when not found."""
        assert self.look is not None
        assert self.belief is not None
        h, w = self.belief.shape
        rows, cols = features.shape[:2]
        ys, xs = (a.ravel() for a in np.mgrid[0:rows:2, 0:cols:2])
        found = self.look.logits(pixel_vectors(features, None, ys, xs))
        odds = cv2.GaussianBlur(found.reshape(len(range(0, rows, 2)), -1), (0, 0), 2.0)
        n, pieces, stats, _ = cv2.connectedComponentsWithStats((odds > 0.7).astype(np.uint8), connectivity=8)
        if n < 2:
            return np.zeros((h, w), np.float32)
        mass = np.bincount(pieces.ravel(), weights=odds.ravel(), minlength=n)
        mass[0] = -np.inf
        best = int(np.argmax(mass))
        if stats[best, cv2.CC_STAT_AREA] * (h * w / odds.size) < 0.1 * self.area:
            return np.zeros((h, w), np.float32)
        blob = (pieces == best).astype(np.float32)
        grid = resize_map(blob, (rows, cols))
        near = dilate(grid > 0.5, 2 * PAD)
        for key in self.keys:  # begin to look for matches where the prompted object would coincide
            key.where[near] = (positions(rows, cols) + centre(key.labels) - centre(grid))[near]
        return resize_map(blob, (h, w))


def _cut(unary: F32, seen: View) -> NDArray[np.bool_]:
    """Cut within the bounding box of the active pixels; smooth the pixel stairs."""
    h, w = unary.shape
    active = seen.active
    ys, xs = np.nonzero(active.any(1))[0], np.nonzero(active.any(0))[0]
    fy, fx = h / active.shape[0], w / active.shape[1]
    y0, y1 = int(ys[0] * fy), min(h, int(np.ceil((ys[-1] + 1) * fy)))
    x0, x1 = int(xs[0] * fx), min(w, int(np.ceil((xs[-1] + 1) * fx)))
    window = np.ascontiguousarray(seen.present.rgb[y0:y1, x0:x1])
    lab = cv2.cvtColor(window.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2Lab)
    lab = cv2.GaussianBlur(lab, (0, 0), 0.7)
    out = np.zeros((h, w), np.float32)
    out[y0:y1, x0:x1] = grid_cut(
        np.ascontiguousarray(np.clip(unary[y0:y1, x0:x1], -4, 4)), lab, smoothness=SMOOTHNESS
    )
    return np.asarray(cv2.GaussianBlur(out, (0, 0), 1.0) > 0.5)


def _credible(mask: NDArray[np.bool_], unary: F32, area: float, usual: float) -> bool:
    """Whether what a search found is the object again: big enough and well supported."""
    return 0.1 * usual < area < 4 * usual and float(unary[mask].mean()) > 1.0
