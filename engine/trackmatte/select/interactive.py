"""Prompt to mask on one frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import PromptError
from trackmatte.prompt import Prompt
from trackmatte.select.correct import correct, shrink
from trackmatte.select.evidence import (
    Bool,
    Odds,
    box_evidence,
    box_pixels,
    reach_evidence,
    seed_evidence,
    to_lab,
)
from trackmatte.select.finish import fill_holes, keep_components, to_logits
from trackmatte.select.geodesic import geodesic_distance
from trackmatte.select.grabcut import Task, refine, solve
from trackmatte.select.raster import Seeds, draw_seeds

_COARSE = 240  # px, longer side of the window in the coarse solution
_FINE = 960  # px, longer side of the window in the band's solution
_MARGIN, _SEED_MARGIN = 0.5, 0.25  # of the root of the marked area, around box or strokes
_BOX_SMOOTHNESS, _BOX_CLIP = 7.0, 3.0
_SEED_SMOOTHNESS, _SEED_CLIP, _SEED_SURE, _SEED_COMPONENTS = 12.0, 4.0, 1.0, 8
# Strokes in a box teach the colours, the box only bounds. Chosen on breakdance, car-shadow, dance-twirl and
# drift-straight of DAVIS; the other four sequences of docs/benchmarks.md were not looked at.
_BOXED_SMOOTHNESS, _BOXED_CLIP, _BOXED_SHARE = 20.0, 6.0, 0.5
_STROKE = 1e-3  # share of the frame
_LEAST, _USUAL = 0.02, 0.45  # share of a box that a subject fills: at least, usually
_GROW = 0.004  # share of the window that the first colour model of bare clicks grows to

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """A window of the frame at one scale."""

    lab: Odds
    subject: Bool
    background: Bool
    scale: float


def select_mask(rgb: Image, prompt: Prompt, *, prior: Odds | None = None) -> Odds:
    """Select a subject on one frame.

    Painted pixels win over everything; then clicks and hint strokes, then the explicit mask, then the prior.
    A mask or a prior is kept as it is except around marks that contradict it. With a box and no mask the
    selection starts afresh from the box (outside of it is background) and a prior is one cue among others.

    Parameters
    ----------
    rgb : (H, W, 3) uint8 sRGB.
    prompt : clicks, box, strokes and mask, freely combined.
    prior : (h, w) logits of an earlier mask, such as a tracker's, at any scale; None = unknown.

    Returns
    -------
    (H, W) float32 logits, > 0 = subject, smooth beside the contour, larger where more certain.

    Raises
    ------
    PromptError : the prompt contradicts itself, selects nothing, or says only where the subject is not.
    """
    height, width = rgb.shape[:2]
    seeds = draw_seeds(prompt, (width, height))
    known = _known(prompt, prior, (width, height))
    painted = seeds.paint > 0
    if not prompt.selects and known is None:
        raise PromptError(
            f"the prompt on frame {prompt.frame} says nothing about {prompt.object!r}; "
            "click on it, draw a box or a stroke"
        )
    if known is None and prompt.box is None and not (seeds.subject.any() or painted.any()):
        raise PromptError(
            f"the prompt on frame {prompt.frame} only says where {prompt.object!r} is not; "
            "add a positive click, a box or a mask"
        )
    if known is not None and (prompt.box is None or prompt.mask is not None):
        logits = _from_known(rgb, seeds, known)
    elif prompt.box is None and not seeds.subject.any():
        logits = to_logits(painted)
    else:
        logits = _fresh(rgb, seeds, known)
    logits = _override(logits, seeds)
    if not (logits > 0).any():
        raise PromptError(
            f"the prompt on frame {prompt.frame} selects nothing for {prompt.object!r}; "
            "add a positive click or stroke on it"
        )
    return logits


def _known(prompt: Prompt, prior: Odds | None, size: tuple[int, int]) -> Odds | None:
    """Logits (H, W) of the prompt's mask, or else of the prior."""
    if prompt.mask is not None:
        mask = prompt.mask.astype(np.float32)
        if mask.max() > 1:
            mask = mask / np.float32(np.iinfo(prompt.mask.dtype).max if prompt.mask.dtype.kind in "iu" else 1)
        if (mask.shape[1], mask.shape[0]) != size:
            smaller = size[0] < mask.shape[1]
            mask = cv2.resize(mask, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
        return to_logits(np.nan_to_num(mask) > 0.5)
    if prior is None:
        return None
    logits = np.nan_to_num(prior.astype(np.float32), nan=-8.0, posinf=8.0, neginf=-8.0)
    if (logits.shape[1], logits.shape[0]) != size:
        logits = cv2.resize(logits, size, interpolation=cv2.INTER_LINEAR)
    return logits


def _from_known(rgb: Image, seeds: Seeds, known: Odds) -> Odds:
    """Keep a known mask, cropped to the box, corrected around the marks."""
    logits = known
    if seeds.box is not None:
        logits = np.where(box_pixels(known.shape, seeds.box), known, np.minimum(known, np.float32(-8)))
    before = logits > 0
    after = correct(rgb, logits, seeds.subject, seeds.background)
    if (after == before).all():
        return logits.copy()
    redrawn = to_logits(after)
    near = cv2.dilate((after != before).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    same_sign = (logits > 0) == (redrawn > 0)
    return np.where(near | ~same_sign, redrawn, logits)


def _override(logits: Odds, seeds: Seeds) -> Odds:
    """Apply hard marks and paint: certain, smooth towards the outside."""
    subject = (seeds.subject & (seeds.paint >= 0)) | (seeds.paint > 0)
    background = (seeds.background & (seeds.paint <= 0)) | (seeds.paint < 0)
    wrong = (subject & (logits <= 0)) | (background & (logits > 0))
    if wrong.any():
        labels = ((logits > 0) | subject) & ~background
        logits = np.where(wrong, to_logits(labels), logits)
    return logits


def _fresh(rgb: Image, seeds: Seeds, known: Odds | None) -> Odds:
    """Select from box, clicks and strokes."""
    window = _window(seeds)
    coarse = _view(rgb, seeds, window, _COARSE)
    task = _task(coarse, seeds, window, known)
    labels, unary = solve(task)
    lost = seeds.box is not None and labels.sum() < _LEAST * (~task.background).sum()
    if lost:
        labels, unary = _likelier_part(task)
    fine = _view(rgb, seeds, window, _FINE)
    if fine.scale > 1.15 * coarse.scale and not lost:
        background = fine.background
        if seeds.box is not None:
            background = (background | ~_inside(fine, seeds.box, window)) & ~fine.subject
        rough = replace(
            task,
            lab=fine.lab,
            subject=fine.subject,
            background=background,
            prior=np.zeros((1, 1), np.float32),
        )
        labels, unary = refine(rough, labels, unary)
    x0, y0, x1, y1 = window
    soft = cv2.GaussianBlur(labels.astype(np.float32), (0, 0), 0.7) if fine.scale < 1 else labels
    whole = np.zeros(rgb.shape[:2], np.float32)
    whole[y0:y1, x0:x1] = cv2.resize(soft.astype(np.float32), (x1 - x0, y1 - y0))
    odds = np.full(rgb.shape[:2], np.float32(-4))
    odds[y0:y1, x0:x1] = cv2.resize(np.clip(unary, -8, 8), (x1 - x0, y1 - y0))
    return to_logits(_clean(whole > 0.5, seeds), odds)


def _likelier_part(task: Task) -> tuple[Bool, Odds]:
    """Where nothing in the box stands out: the usual share of it, by the smoothed prior."""
    inside = ~task.background
    smooth = cv2.GaussianBlur(task.prior, (0, 0), max(1.0, 0.1 * float(np.sqrt(inside.sum()))))
    odds = smooth - np.quantile(smooth[inside], 1 - _USUAL, method="lower").astype(np.float32)
    return ((odds >= 0) & inside) | task.subject, odds


def _clean(labels: Bool, seeds: Seeds) -> Bool:
    """Hard marks, box and component rules at full resolution."""
    labels = (labels | seeds.subject) & ~seeds.background
    reach = 0.0
    if seeds.box is not None:
        labels &= box_pixels(labels.shape, seeds.box)
        reach = 0.25 * float(np.sqrt((seeds.box[2] - seeds.box[0]) * (seeds.box[3] - seeds.box[1])))
    kept = keep_components(labels, seeds.subject, reach=reach)
    return fill_holes(kept, seeds.background) | seeds.subject


def _window(seeds: Seeds) -> tuple[int, int, int, int]:
    """(x0, y0, x1, y1) px of what is looked at: around the box, or around strokes of both sides."""
    height, width = seeds.paint.shape
    if seeds.box is not None:
        x0, y0, x1, y1 = seeds.box
    else:
        marks = seeds.subject | seeds.background
        rows, columns = np.flatnonzero(marks.any(1)), np.flatnonzero(marks.any(0))
        if not _has_strokes(seeds):
            return 0, 0, width, height
        x0, y0, x1, y1 = (int(v) for v in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    share = _MARGIN if seeds.box is not None else _SEED_MARGIN
    margin = int(max(16.0, share * np.sqrt((x1 - x0) * (y1 - y0))))
    return max(0, x0 - margin), max(0, y0 - margin), min(width, x1 + margin), min(height, y1 + margin)


def _has_strokes(seeds: Seeds) -> bool:
    """Whether both sides were marked by more than clicks, so that the marks tell the subject's extent."""
    return min(int(seeds.subject.sum()), int(seeds.background.sum())) > _STROKE * seeds.paint.size


def _view(rgb: Image, seeds: Seeds, window: tuple[int, int, int, int], longest: int) -> _View:
    x0, y0, x1, y1 = window
    scale = min(1.0, longest / max(x1 - x0, y1 - y0))
    size = (max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale)))
    part = np.ascontiguousarray(rgb[y0:y1, x0:x1])
    lab = to_lab(part if scale == 1 else cv2.resize(part, size, interpolation=cv2.INTER_AREA))
    subject, background = (shrink(m[y0:y1, x0:x1], size) for m in (seeds.subject, seeds.background))
    return _View(lab, subject, background & ~subject, scale)


def _inside(view: _View, box: tuple[int, int, int, int], window: tuple[int, int, int, int]) -> Bool:
    x0, y0, x1, y1 = ((v - window[i % 2]) * view.scale for i, v in enumerate(box))
    return box_pixels(view.lab.shape, (x0, y0, x1, y1))


def _task(view: _View, seeds: Seeds, window: tuple[int, int, int, int], known: Odds | None) -> Task:
    if seeds.box is None:
        return _seed_task(view, seeds, window)
    inside = _inside(view, seeds.box, window)
    x0, y0, x1, y1 = ((v - window[i % 2]) * view.scale for i, v in enumerate(seeds.box))
    prior = box_evidence(view.lab, (x0, y0, x1, y1))
    background = (view.background | ~inside) & ~view.subject
    taught = seeds.stroked and view.subject.any() and background.any()
    if taught:
        prior = _BOXED_SHARE * prior + seed_evidence(view.lab, view.subject, background, clip=_SEED_CLIP)
    elif view.subject.any() and background.any():
        prior = prior + seed_evidence(view.lab, view.subject, background, clip=2.0)
    if known is not None:
        part = known[window[1] : window[3], window[0] : window[2]]
        size = (view.lab.shape[1], view.lab.shape[0])
        prior = prior + 0.5 * np.clip(cv2.resize(part, size, interpolation=cv2.INTER_AREA), -4, 4)
    task = Task(view.lab, view.subject, background, prior, _BOX_SMOOTHNESS, _BOX_CLIP)
    if not taught:
        return task
    begin = (view.subject, background)
    return replace(
        task,
        smoothness=_BOXED_SMOOTHNESS,
        clip=_BOXED_CLIP,
        components=_SEED_COMPONENTS,
        begin=begin,
        sure=_SEED_SURE,
    )


def _seed_task(view: _View, seeds: Seeds, window: tuple[int, int, int, int]) -> Task:
    """Marks without a box: what lies beyond the window's cut sides is background."""
    height, width = view.subject.shape
    sides = (window[1] > 0, window[3] < seeds.paint.shape[0], window[0] > 0, window[2] < seeds.paint.shape[1])
    border = np.zeros((height, width), np.bool_)
    border[0], border[-1], border[:, 0], border[:, -1] = (True,) * 4
    outer = np.zeros_like(border)
    outer[0], outer[-1] = sides[:2]
    outer[:, 0] |= sides[2]
    outer[:, -1] |= sides[3]
    background = (view.background | outer) & ~view.subject
    strokes = _has_strokes(seeds)
    anchors = (background if strokes else background | border) & ~view.subject
    prior = reach_evidence(view.subject, view.background & strokes)
    if anchors.any():
        prior = prior + seed_evidence(view.lab, view.subject, anchors)
    sample = view.subject
    if (wanted := int(_GROW * sample.size)) > sample.sum():
        near = geodesic_distance(view.subject, view.lab, contrast=2.0)
        near[background] = np.inf
        sample = (near <= np.partition(near.ravel(), wanted)[wanted]) & ~background
    begin = (sample, anchors & ~sample)
    return Task(
        view.lab,
        view.subject,
        background,
        prior,
        _SEED_SMOOTHNESS,
        _SEED_CLIP,
        _SEED_COMPONENTS,
        begin,
        _SEED_SURE,
    )
