"""Make the pictures of docs/methods.md's selectors: python docs/images/make_selector_pictures.py

One frame of the sample clip, one set of marks; one small sheet per method.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.media import open_clip
from trackmatte.numerics.gmm import choose_mixture
from trackmatte.numerics.mrf import segment_mrf
from trackmatte.prompt import Box, Prompt, Scribble
from trackmatte.select.border import border_matte
from trackmatte.select.lazy import Pieces, prepare, stroke
from trackmatte.select.methods import select_with
from trackmatte.select.raster import draw_seeds

HERE = Path(__file__).resolve().parent
CLIP = HERE.parents[1] / "sample_clips" / "furball" / "plate.mp4"
BOX = Box(0.235, 0.19, 0.7, 0.72)
STROKES = (
    Scribble(((0.27, 0.3), (0.33, 0.46), (0.45, 0.52), (0.6, 0.34), (0.63, 0.35)), 1, 0.006),
    Scribble(((0.48, 0.62), (0.58, 0.62)), 1, 0.006),
    Scribble(((0.1, 0.06), (0.8, 0.1), (0.85, 0.6), (0.75, 0.8), (0.15, 0.8), (0.12, 0.1)), 0, 0.006),
    Scribble(((0.3, 0.66), (0.38, 0.7)), 0, 0.006),
    Scribble(((0.42, 0.25), (0.5, 0.3)), 0, 0.006),
)
GREEN, RED, LINE = (70, 220, 90), (240, 70, 60), (255, 230, 0)

U8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]


def cut_out(rgb: U8, alpha: NDArray[np.floating]) -> U8:
    """The subject on grey."""
    a = np.asarray(alpha, np.float32)[..., None]
    return np.asarray(rgb * a + 90 * (1 - a), np.uint8)


def outlined(rgb: U8, labels: Bool) -> U8:
    """The contour on the plate."""
    shown = rgb.copy()
    contours, _ = cv2.findContours(labels.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(shown, contours, -1, LINE, 1)
    return shown


def flat(rgb: U8, labels: NDArray[np.integer]) -> U8:
    """Every label in its mean colour."""
    shown = np.zeros_like(rgb)
    for k in np.unique(labels):
        shown[labels == k] = rgb[labels == k].mean(0)
    return shown


def flat_pieces(pieces: Pieces) -> U8:
    """Every watershed piece in its mean colour."""
    return np.asarray(pieces.means[pieces.labels], np.uint8)


def save(name: str, parts: list[U8]) -> None:
    """Write a row of pictures."""
    gap = np.full((parts[0].shape[0], 4, 3), 255, np.uint8)
    row = np.concatenate([p for part in parts for p in (part, gap)][:-1], axis=1)
    cv2.imwrite(str(HERE / f"{name}.jpg"), row[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])


def main() -> None:
    """Make all sheets."""
    with open_clip(CLIP) as clip:
        rgb = clip[30].display()
    height, width = rgb.shape[:2]
    scale = 480 / width
    rgb = cv2.resize(rgb, (480, round(height * scale)), interpolation=cv2.INTER_AREA)
    height, width = rgb.shape[:2]
    seeds = draw_seeds(Prompt(frame=0, scribbles=STROKES), (width, height))
    marked = rgb.copy()
    marked[seeds.subject], marked[seeds.background] = GREEN, RED
    boxed = rgb.copy()
    cv2.rectangle(
        boxed,
        (round(BOX.x0 * width), round(BOX.y0 * height)),
        (round(BOX.x1 * width), round(BOX.y1 * height)),
        LINE,
        1,
    )

    model = choose_mixture(rgb[::4, ::4].reshape(-1, 3).astype(np.float64), most=6, floor=4.0)
    parts, _ = model.likeliest(rgb.reshape(-1, 3).astype(np.float64))
    save("select_gmm", [rgb, flat(rgb, parts.reshape(height, width))])
    noisy = np.clip(rgb + np.random.default_rng(0).normal(0, 20, rgb.shape), 0, 255).astype(np.uint8)
    save("select_mrf", [flat(rgb, segment_mrf(noisy, 5, beta=b)[0]) for b in (0.0, 3.0)])
    strokes = Prompt(frame=0, scribbles=STROKES)
    for method in ("graphcut", "lazy"):
        labels = select_with(method, rgb, strokes).logits > 0
        shown = marked
        if method == "lazy":
            pieces = prepare(rgb)
            rough = stroke(pieces, seeds.subject, seeds.background).labels
            shown = outlined(flat_pieces(pieces), rough)
        save(f"select_{method}", [shown, outlined(rgb, labels)])
    boxed[seeds.subject] = GREEN
    prompt = Prompt(frame=0, box=BOX, scribbles=tuple(s for s in STROKES if s.label))
    grab = select_with("grabcut", rgb, prompt).logits > 0
    save("select_grabcut", [boxed, outlined(rgb, grab)])
    part = (slice(50, 140), slice(230, 350))
    cut = select_with("graphcut", rgb, strokes).logits > 0
    zoom = [cut_out(rgb, a)[part] for a in (cut, border_matte(rgb, cut))]
    save("select_border", [cv2.resize(z, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST) for z in zoom])


if __name__ == "__main__":
    main()
