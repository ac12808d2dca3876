"""Which solver for which cut: CPU seconds of the same minimum cut by every solver at hand.

    python -m tests.bench.maxflow [DATASET] [--sequences a,b] [--frame N]

DATASET as in `tests.bench.prompts`. Pixels: the graph of the selector ``graphcut`` from a box and strokes
(8 neighbours), by the compiled Boykov-Kolmogorov of `trackmatte.numerics.maxflow` and by
`scipy.sparse.csgraph.maximum_flow` with dinic. Pieces: the graph of ``lazy`` on watershed pieces, by both
methods of scipy. Making the solver's tables counts. The flows must agree, or the bench stops.
"""

from __future__ import annotations

import os

for _name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TypeVar  # noqa: E402

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from scipy.sparse import csr_array  # noqa: E402
from scipy.sparse.csgraph import maximum_flow  # noqa: E402

from tests.bench.prompts import DATASET  # noqa: E402
from tests.bench.selection import Bool, Image, frames, marks, prompt_of  # noqa: E402
from trackmatte.numerics.cuts import DIRECTIONS, graph_energy, shifted, sparse_cut  # noqa: E402
from trackmatte.numerics.maxflow import contrast_beta, energy, grid_cut  # noqa: E402
from trackmatte.select.lazy import likelihood, prepare  # noqa: E402
from trackmatte.select.seeded import GAMMA, graph_cut  # noqa: E402

Floats = NDArray[np.float64]
Graph = tuple[Floats, NDArray[np.int64], Floats]
"""Log-odds of nodes, pairs, weights."""
SURE = 1e6
T = TypeVar("T")


def pixel_graph(rgb: Image, odds: Floats) -> Graph:
    """Return the 8-neighbour graph of a picture, as `grid_cut` weighs it."""
    height, width = odds.shape
    number = np.arange(height * width).reshape(height, width)
    image, beta = rgb.astype(np.float64), contrast_beta(rgb)
    pairs, weights = [], []
    for d in (4, 5, 6, 7):
        here, there = shifted(height, width, *DIRECTIONS[d])
        far = ((image[here] - image[there]) ** 2).sum(-1)
        pairs.append(np.column_stack([number[here].ravel(), number[there].ravel()]))
        weights.append((GAMMA * np.exp(-beta * far) / np.hypot(*DIRECTIONS[d])).ravel())
    return odds.ravel(), np.concatenate(pairs), np.concatenate(weights)


def piece_graph(rgb: Image, subject: Bool, background: Bool) -> Graph:
    """Return Lazy Snapping's graph of watershed pieces."""
    parts = prepare(rgb)
    odds = parts.areas * likelihood(parts.means, rgb[subject], rgb[background])
    odds[np.unique(parts.labels[background])] = -SURE
    odds[np.unique(parts.labels[subject])] = SURE
    return odds, parts.pairs, parts.weights


def edmonds_karp(graph: Graph) -> float:
    """Return the flow that scipy's other method finds."""
    odds, pairs, weights = graph
    n = odds.size
    linked = np.bincount(pairs.ravel(), np.repeat(weights, 2), n)
    bound = np.clip(odds, -linked - 1, linked + 1)
    scale = 2**26 / max(float(np.abs(bound).max()), float(weights.max()))
    rows = np.concatenate([pairs[:, 0], pairs[:, 1], np.full(n, n), np.arange(n)])
    columns = np.concatenate([pairs[:, 1], pairs[:, 0], np.arange(n), np.full(n, n + 1)])
    values = np.concatenate([weights, weights, np.maximum(bound, 0), np.maximum(-bound, 0)])
    whole = csr_array((np.rint(values * scale).astype(np.int32), (rows, columns)), shape=(n + 2, n + 2))
    return float(maximum_flow(whole, n, n + 1, method="edmonds_karp").flow_value) / scale


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Return what ``work`` returns, and its CPU seconds."""
    begin = time.process_time()
    found = work()
    return found, time.process_time() - begin


def row(name: str, rgb: Image, truth: Bool) -> str:
    """Return the table's row of one frame."""
    size = (rgb.shape[1], rgb.shape[0])
    subject, background, _ = marks(prompt_of(truth, "box and strokes"), size)
    odds = np.clip(graph_cut(rgb, subject, background).odds, -SURE, SURE)
    fast, compiled = timed(lambda: grid_cut(odds, rgb, smoothness=GAMMA))
    (_, flow), dinic = timed(lambda: sparse_cut(*pixel_graph(rgb, odds.astype(np.float64))))
    least = energy(fast, odds, rgb, smoothness=GAMMA)
    assert abs(least - flow) < 1e-3 * least, (least, flow)
    graph = piece_graph(rgb, subject, background)
    (labels, flow), pieces = timed(lambda: sparse_cut(*graph))
    assert abs(graph_energy(labels, *graph) - flow) < 1e-3 * flow
    other, slow = timed(lambda: edmonds_karp(graph))
    assert abs(other - flow) < 1e-3 * flow, (other, flow)
    sizes = f"{odds.size} | {compiled:.2f} | {dinic:.2f} | {graph[0].size} | {pieces:.3f} | {slow:.2f}"
    return f"| {name} | {sizes} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("dataset", nargs="?", type=Path, default=DATASET)
    parser.add_argument("--sequences", default="", help="comma-separated; default all")
    parser.add_argument("--frame", type=int, default=0)
    args = parser.parse_args()
    names = [n for n in args.sequences.split(",") if n]
    print("| frame | pixels | compiled | dinic | pieces | dinic | Edmonds-Karp |")
    print("|---|---:|---:|---:|---:|---:|---:|", flush=True)
    warm = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    disc = np.hypot(*(np.indices((48, 64)) - np.array([24, 32])[:, None, None])) < 12
    row("warm", warm, np.asarray(disc))
    for name, rgb, truth in frames(args.dataset, names, args.frame):
        print(row(name, rgb, truth), flush=True)


if __name__ == "__main__":
    main()
