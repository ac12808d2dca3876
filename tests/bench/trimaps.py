"""Alpha from trimaps of three widths, and the time of soft layers: ours beside pymatting.

    python -m tests.bench.trimaps [DATASET] [--clips a,b] [--frame N] [--hd] [--layers IMAGE]
                                  [--markdown FILE]

DATASET as in `tests.bench.matting`. The trimap is the true alpha's soft part, widened by so many px on both
sides. Every method runs in a process of its own, after a small warm-up, for its CPU and wall time and the
memory beyond the loaded program. MAD and MSE x 1000, over the unknown pixels. ``--hd`` brings plates, alphas
and widths to twice the size and runs the three methods that solve bands.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import resource
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pymatting
from numpy.typing import NDArray

from tests.bench.matting import read
from trackmatte.refiners.trimap import bayes_trimap, solve_trimap
from trackmatte.select.layers import soft_layers

WIDTHS = (4, 10, 20)
Method = Callable[[NDArray[np.uint8], NDArray[np.float64]], NDArray[Any]]


def quiet(method: Callable[..., Any]) -> Method:
    """Return a method of pymatting that keeps its warnings to itself."""

    def run(rgb: NDArray[np.uint8], trimap: NDArray[np.float64]) -> NDArray[Any]:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            return np.asarray(method(rgb / 255.0, trimap))

    return run


METHODS: dict[str, Method] = {
    "closed form": solve_trimap,
    "Bayesian": bayes_trimap,
    "pymatting closed form": quiet(pymatting.estimate_alpha_cf),
    "pymatting KNN": quiet(pymatting.estimate_alpha_knn),
    "pymatting random walk": quiet(pymatting.estimate_alpha_rw),
}

BANDS = ("closed form", "Bayesian", "pymatting closed form")


def trimap_of(alpha: NDArray[np.float32], width: int) -> NDArray[np.float64]:
    """Return the trimap whose unknown pixels are the soft ones and those within ``width`` px of the edge."""
    inside = (alpha > 0.5).astype(np.uint8)
    edge = cv2.dilate(inside, np.ones((3, 3), np.uint8)) - inside
    soft = edge | ((alpha > 0.02) & (alpha < 0.98)).astype(np.uint8)
    side = 2 * width + 1
    wide = cv2.dilate(soft, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return np.where(wide > 0, 0.5, inside).astype(np.float64)


def measured(work: Callable[[], Any], warm: Callable[[], Any]) -> tuple[Any, float, float, float]:
    """Run ``work`` in a process of its own: its result, CPU and wall seconds, and MB beyond the program."""
    here, there = multiprocessing.Pipe()

    def run(out: Connection) -> None:
        warm()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begin = time.process_time(), time.perf_counter()
        result = work()
        seconds = time.process_time() - begin[0], time.perf_counter() - begin[1]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        out.send((result, *seconds, peak / 1024))

    child = multiprocessing.get_context("fork").Process(target=run, args=(there,))
    child.start()
    found: tuple[Any, float, float, float] = here.recv()
    child.join()
    return found


def bench(clip: Path, frame: int, names: Sequence[str], scale: int) -> Iterator[tuple[str, int, list[float]]]:
    """Yield method, width of the trimap and figures on one clip."""
    frames, truths = read(clip, frame + 1)
    rgb, alpha = frames[frame].display(), truths[frame]
    small = cv2.resize(rgb, (96, 54)), trimap_of(cv2.resize(alpha, (96, 54)), 2)
    if scale > 1:
        size = (scale * alpha.shape[1], scale * alpha.shape[0])
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_CUBIC)
        alpha = np.clip(cv2.resize(alpha, size, interpolation=cv2.INTER_CUBIC), 0, 1)
    for width in WIDTHS:
        trimap = trimap_of(alpha, scale * width)
        unknown = trimap == 0.5
        for name in names:
            method = METHODS[name]
            found, *cost = measured(lambda m=method, t=trimap: m(rgb, t), lambda m=method: m(*small))
            far = 1000 * (np.asarray(found, np.float64) - alpha)[unknown]
            figures = [float(unknown.sum()), float(np.abs(far).mean()), float((far**2).mean() / 1000), *cost]
            yield name, scale * width, figures


def row(clip: str, width: int, name: str, figures: Sequence[float]) -> str:
    """Return a row of the table."""
    cells = "{:.0f} | {:.1f} | {:.1f} | {:.2f} | {:.2f} | {:.0f}".format(*figures)
    return f"| {clip} | {width} | {name} | {cells} |"


def table(clips: Sequence[Path], frame: int, names: Sequence[str], scale: int) -> list[str]:
    """Print and return the rows of all clips and, of several, their means."""
    rows, every = [], {}
    for clip in clips:
        for name, width, figures in bench(clip, frame, names, scale):
            every.setdefault((width, name), []).append(figures)
            rows.append(row(clip.name, width, name, figures))
            print(rows[-1], flush=True)
    if len(clips) > 1:
        means = [row("**mean**", *key, np.mean(figures, axis=0)) for key, figures in every.items()]
        print("\n".join(means), flush=True)
        rows += means
    return rows


def bench_layers(image: Path) -> str:
    """Return the row of soft layers of a picture at 640x480."""
    rgb = cv2.cvtColor(cv2.imread(str(image)), cv2.COLOR_BGR2RGB)
    rgb = cv2.resize(rgb, (640, 480), interpolation=cv2.INTER_AREA)
    small = cv2.resize(rgb, (320, 240))
    layers, seconds, wall, memory = measured(lambda: soft_layers(rgb), lambda: soft_layers(small))
    shares = " ".join(f"{v:.2f}" for v in layers.mean((0, 1)))
    off = float(np.abs(layers.sum(-1) - 1).max())
    return (
        f"layers of {image.name} at 640x480: {seconds:.1f} CPU-s, {wall:.1f} s wall, {memory:.0f} MB, "
        f"sums off 1 by {off:.0e} at most, shares {shares}"
    )


def main(words: Sequence[str] | None = None) -> None:
    """Run the benchmark on the words of the command line."""
    ask = argparse.ArgumentParser(prog="python -m tests.bench.trimaps", description="Trimaps against truth.")
    ask.add_argument("dataset", nargs="?", type=Path, default=Path("../shared/clips/alpha"))
    ask.add_argument("--clips", help="names, separated by commas; default all")
    ask.add_argument("--frame", type=int, default=10, help="the frame of each clip")
    ask.add_argument("--hd", action="store_true", help="plates of twice the size, band methods only")
    ask.add_argument("--layers", type=Path, help="an image whose soft layers are timed at 640x480")
    ask.add_argument("--markdown", type=Path, help="write the table there as well")
    given = ask.parse_args(words)
    every = sorted(p.parent.name for p in given.dataset.glob("*/plate.mp4"))
    text = [
        f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
        "",
        "| clip | px | method | unknown | MAD | MSE | CPU s | wall s | MB |",
        "|---|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    print("\n".join(text), flush=True)
    clips = [given.dataset / name for name in (given.clips.split(",") if given.clips else every)]
    text += table(clips, given.frame, BANDS if given.hd else tuple(METHODS), 2 if given.hd else 1)
    if given.layers:
        text += ["", bench_layers(given.layers)]
        print(text[-1])
    if given.markdown:
        given.markdown.write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
