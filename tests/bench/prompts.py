"""Prompt to mask on single frames: ours beside OpenCV's GrabCut, from simulated prompts.

Run as ``python -m tests.bench.prompts [DATASET]``, where DATASET holds ``<sequence>/frames/*.jpg`` and
``<sequence>/masks/*.png`` (0/255) as in DAVIS-2016. Every method gets the very same input; all but the last
kind are simulated from the truth alone. DATASET defaults to ``$TRACKMATTE_DAVIS``. The inputs:

* box: the tight bounding box of the truth;
* box + 3 clicks: two positive clicks, each at the point of the truth farthest from its border and from the
  earlier click, and one negative click at the point farthest from the truth and from the box's sides
  within the box;
* 6 scribbles: three strokes along the subject's medial axis (the longest medial path, then twice the path
  to the place farthest from all strokes so far) and three background strokes, arcs of 100 degrees each, a
  constant distance around the subject (15 % of the square root of its box's area). Brush radius
  .003 of the width, no box;
* 6 corrective scribbles, as an artist draws them: the first along the subject's medial axis, each further one
  along the medial axis of the largest connected error that Trackmatte leaves. OpenCV gets the same six.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from trackmatte.errors import PromptError
from trackmatte.prompt import Box, Point, Prompt, Scribble
from trackmatte.select import select_mask
from trackmatte.select.raster import draw_seeds

DATASET = Path(os.environ.get("TRACKMATTE_DAVIS", "davis"))
Bool = NDArray[np.bool_]
Selector = Callable[[NDArray[np.uint8], Prompt], Bool]


def simulate_box(truth: Bool) -> Box:
    """Return the tight box around an (H, W) mask."""
    height, width = truth.shape
    rows, cols = np.flatnonzero(truth.any(1)), np.flatnonzero(truth.any(0))
    return Box(
        float(cols[0] / width),
        float(rows[0] / height),
        float((cols[-1] + 1) / width),
        float((rows[-1] + 1) / height),
    )


def simulate_clicks(truth: Bool) -> tuple[Point, ...]:
    """Return two positive clicks and one negative one (rule: see the module)."""
    height, width = truth.shape

    def click(region: Bool, label: Any) -> tuple[Point, int, int]:
        depth = cv2.distanceTransform(np.pad(region, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        return Point((x + 0.5) / width, (y + 0.5) / height, label), int(y), int(x)

    first, y, x = click(truth, 1)
    rest = truth.copy()
    rest[y, x] = False
    second = click(rest, 1)[0]
    rows, cols = np.flatnonzero(truth.any(1)), np.flatnonzero(truth.any(0))
    inside = np.zeros_like(truth)
    inside[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1] = True
    inside &= ~truth
    negative = (click(inside, 0)[0],) if inside.any() else ()
    return (first, second, *negative)


def simulate_scribbles(truth: Bool, radius: float = 0.003) -> tuple[Scribble, ...]:
    """Return up to three strokes in the subject and three around it (rule: see the module)."""
    return (*_medial_strokes(truth, radius), *_surround_strokes(truth, radius))


def _medial_strokes(truth: Bool, radius: float, step: int = 2) -> Iterator[Scribble]:
    height, width = truth.shape
    depth = cv2.distanceTransform(np.pad(truth, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    depth = depth[::step, ::step]
    inside = depth > 0
    index = np.full(inside.shape, -1)
    index[inside] = np.arange(inside.sum())
    ys, xs = np.nonzero(inside)
    rows, cols, costs = [], [], []
    h, w = inside.shape
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        a = (slice(0, h - dy), slice(max(-dx, 0), w - max(dx, 0)))
        b = (slice(dy, h), slice(max(dx, 0), w + min(dx, 0)))
        ok = inside[a] & inside[b]
        rows.append(index[a][ok])
        cols.append(index[b][ok])
        costs.append(np.hypot(dy, dx) / (np.minimum(depth[a], depth[b])[ok] + 0.5))
    shape = (len(ys), len(ys))
    graph = coo_array((np.concatenate(costs), (np.concatenate(rows), np.concatenate(cols))), shape).tocsr()
    start = int(depth[inside].argmax())
    drawn: list[int] = []
    wide_enough = depth[inside] >= min(radius * width + 1, float(depth.max()))
    for k in range(3):
        if k == 0:
            reach = dijkstra(graph, directed=False, indices=[start]).min(0)
            start = int(np.where(np.isfinite(reach) & wide_enough, reach, -1).argmax())
        sources = drawn or [start]
        reach, before, _ = dijkstra(
            graph, directed=False, indices=sources, min_only=True, return_predecessors=True
        )
        apart = np.where(wide_enough, reach, -1)
        end = int(np.where(np.isinf(apart), -1 if k == 0 else 1e9 + depth[inside], apart).argmax())
        path = [end]
        while before[path[-1]] >= 0:
            path.append(int(before[path[-1]]))
        drawn += path
        corners = path[:: max(1, len(path) // 40)]
        line = tuple(((xs[i] * step + 0.5) / width, (ys[i] * step + 0.5) / height) for i in corners)
        yield Scribble(tuple((float(x), float(y)) for x, y in line), 1, radius)


def _surround_strokes(truth: Bool, radius: float) -> Iterator[Scribble]:
    height, width = truth.shape
    box = simulate_box(truth)
    far = max(3, round(0.15 * np.sqrt((box.x1 - box.x0) * width * (box.y1 - box.y0) * height)))
    pad = far + 2
    wide = np.pad(truth, pad).astype(np.uint8)
    ring = cv2.distanceTransform(1 - wide, cv2.DIST_L2, 5) <= far
    contours, _ = cv2.findContours(ring.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = np.concatenate([c[:, 0] for c in contours]) - pad
    ys, xs = np.nonzero(truth)
    angle = np.degrees(np.arctan2(outline[:, 1] - ys.mean(), outline[:, 0] - xs.mean()))
    seen = (outline >= 0).all(1) & (outline[:, 0] < width) & (outline[:, 1] < height)
    for centre in (-90, 30, 150):
        off = (angle - centre + 180) % 360 - 180
        keep = seen & (np.abs(off) <= 50)
        if keep.any():
            arc = outline[keep][np.argsort(off[keep], kind="stable")]
            arc = arc[:: max(1, len(arc) // 40)]
            pieces = np.split(arc, 1 + np.flatnonzero(np.hypot(*np.diff(arc, axis=0).T) > far))
            best = max(pieces, key=len)
            yield Scribble(
                tuple(((x + 0.5) / width, (y + 0.5) / height) for x, y in best.tolist()), 0, radius
            )


def corrective_scribbles(rgb: NDArray[np.uint8], truth: Bool, count: int = 6) -> tuple[Scribble, ...]:
    """Return strokes that each go where the selection from those before is most wrong (see the module)."""
    strokes = [next(_medial_strokes(truth, 0.003))]
    while len(strokes) < count:
        mask = ours(rgb, Prompt(0, scribbles=tuple(strokes)))
        wrong = (mask != truth).astype(np.uint8) * (1 + truth)  # missed and spilled parts do not join
        worst, label = np.zeros(truth.shape, np.bool_), 1
        for kind in (1, 2):
            _, pieces, stats, _ = cv2.connectedComponentsWithStats((wrong == kind).astype(np.uint8))
            if len(stats) > 1:
                best = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
                if stats[best, cv2.CC_STAT_AREA] > worst.sum():
                    worst, label = pieces == best, kind - 1
        if not worst.any():
            break
        stroke = next(_medial_strokes(worst, 0.003))
        strokes.append(Scribble(stroke.points, 1 if label else 0, stroke.radius))
    return tuple(strokes)


def opencv(rgb: NDArray[np.uint8], prompt: Prompt) -> Bool:
    """Select with ``cv2.grabCut``, 5 iterations, on the full frame.

    Within the box, or without one the bounding box of all marks, pixels are probably subject, outside they
    are background: of the ways to start from strokes it is the one that scores best for OpenCV.
    """
    height, width = rgb.shape[:2]
    seeds = draw_seeds(prompt, (width, height))
    cv2.setRNGSeed(0)
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    state = np.full((height, width), cv2.GC_BGD, np.uint8)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    ys, xs = np.nonzero(seeds.subject | seeds.background)
    x0, y0, x1, y1 = seeds.box or (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
    state[y0:y1, x0:x1] = cv2.GC_PR_FGD
    state[seeds.subject], state[seeds.background] = cv2.GC_FGD, cv2.GC_BGD
    if not (state & 1 == 0).any():
        return state & 1 == 1
    cv2.grabCut(bgr, state, None, *models, 5, cv2.GC_INIT_WITH_MASK)
    return state & 1 == 1


def ours(rgb: NDArray[np.uint8], prompt: Prompt) -> Bool:
    """Select with Trackmatte's embedded selector; a refused prompt counts as nothing selected."""
    try:
        return select_mask(rgb, prompt) > 0
    except PromptError as error:
        print(f"  refused: {error}")
        return np.zeros(rgb.shape[:2], np.bool_)


def jaccard(a: Bool, b: Bool) -> float:
    """Return intersection over union; 1 for two empty masks."""
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 1.0


def simulate(rgb: NDArray[np.uint8], truth: Bool) -> dict[str, Prompt]:
    """Return the prompts by name."""
    box = simulate_box(truth)
    return {
        "box": Prompt(0, box=box),
        "box + 3 clicks": Prompt(0, box=box, points=simulate_clicks(truth)),
        "6 scribbles": Prompt(0, scribbles=simulate_scribbles(truth)),
        "6 corrective scribbles": Prompt(0, scribbles=corrective_scribbles(rgb, truth)),
    }


def frames(dataset: Path, every: int) -> Iterator[tuple[str, NDArray[np.uint8], Bool]]:
    """Yield (name, rgb, truth) of the first frames, or of every ``every``-th one after the first."""
    for folder in sorted(p for p in dataset.iterdir() if (p / "masks").is_dir()):
        masks = sorted((folder / "masks").glob("*.png"))
        for path in masks[:1] if every == 0 else masks[every::every]:
            truth = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 127
            image = cv2.imread(str(folder / "frames" / (path.stem + ".jpg")))
            if truth.any():
                yield f"{folder.name}/{path.stem}", np.ascontiguousarray(image[..., ::-1]), truth


def measure(dataset: Path, every: int, methods: dict[str, Selector], verbose: bool = False) -> list[str]:
    """Return the table's rows: method, input, mean J, median CPU and wall seconds per frame."""
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for name, rgb, truth in frames(dataset, every):
        for kind, prompt in simulate(rgb, truth).items():
            for method, select in methods.items():
                cpu, wall = time.process_time(), time.perf_counter()
                mask = select(rgb, prompt)
                seconds = time.process_time() - cpu, time.perf_counter() - wall
                found.setdefault((method, kind), []).append((jaccard(mask, truth), *seconds))
            if verbose:
                scores = "  ".join(f"{m} {found[m, kind][-1][0]:.3f}" for m in methods)
                print(f"{name:24s} {kind:15s} {scores}", flush=True)
    rows = []
    for (method, kind), values in found.items():
        score, low = np.mean([v[0] for v in values]), np.min([v[0] for v in values])
        cpu, wall = (float(np.median([v[i] for v in values])) for i in (1, 2))
        rows.append(
            f"| {method} | {kind} | {len(values)} | {score:.3f} | {low:.3f} | {cpu:.2f} | {wall:.2f} |"
        )
    return rows


def report(dataset: Path, every: int, verbose: bool = False) -> str:
    """Return the Markdown report: machine, versions, first frames, and the later frames."""
    warm = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    ours(warm, Prompt(0, box=Box(0.25, 0.25, 0.75, 0.75), points=(Point(0.5, 0.5),)))
    methods: dict[str, Selector] = {"trackmatte": ours, "cv2.grabCut": opencv}
    lines = [
        f"Prompt to mask, {dataset.name}: mean and worst J, median seconds per frame. {platform.machine()}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}, OpenCV {cv2.__version__}, "
        f"numpy {np.__version__}.",
    ]
    for title, step in (("First frames", 0), (f"Every {every}th later frame", every)):
        if title == "First frames" or every:
            lines += ["", f"## {title}", ""]
            lines += [
                "| method | input | frames | mean J | worst J | CPU s | wall s |",
                "|---|---|---|---|---|---|---|",
            ]
            lines += measure(dataset, step, methods, verbose)
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="mean J of simulated prompts")
    parser.add_argument("dataset", nargs="?", type=Path, default=DATASET)
    parser.add_argument("--every", type=int, default=15, help="also every n-th later frame; 0 = not")
    parser.add_argument("--markdown", type=Path, help="write the report here, too")
    parser.add_argument("-v", "--verbose", action="store_true", help="print every frame")
    options = parser.parse_args()
    text = report(options.dataset, options.every, options.verbose)
    print(text)
    if options.markdown:
        options.markdown.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
