"""The named selectors on DAVIS frames: IoU with the truth, CPU and wall time, memory.

    python -m tests.bench.selection [DATASET] [--sequences a,b] [--frame N] [--only table|lazy]

DATASET as in `tests.bench.prompts`, whose rules simulate boxes and strokes from the truth. Inputs: the tight
box; the box and three strokes on the subject; three strokes on the subject and three around it. OpenCV's
GrabCut runs five iterations on the same pixels. Every method has a process of its own, whose peak memory
beyond the loaded program is what is told. CPU seconds are those of one thread. "Held out" is the mean of the
sequences that were not looked at when constants were chosen, `CHOSEN_ON` are the others.
"""

from __future__ import annotations

import os

for _name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse  # noqa: E402
import multiprocessing  # noqa: E402
import resource  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from concurrent.futures import ProcessPoolExecutor  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TypeVar  # noqa: E402

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from tests.bench.prompts import DATASET, simulate_box, simulate_scribbles  # noqa: E402
from trackmatte.errors import PromptError  # noqa: E402
from trackmatte.prompt import Prompt  # noqa: E402
from trackmatte.select.evidence import box_pixels  # noqa: E402
from trackmatte.select.lazy import edit_boundary, pixel_cut, prepare, stroke  # noqa: E402
from trackmatte.select.methods import select_with  # noqa: E402
from trackmatte.select.raster import draw_seeds  # noqa: E402

Bool = NDArray[np.bool_]
Image = NDArray[np.uint8]
T = TypeVar("T")
CHOSEN_ON = ("breakdance", "car-shadow", "dance-twirl", "drift-straight")
"""What the constants of ``lazy``, of ``mrf`` and of ``auto`` with strokes in a box were chosen on."""
QUICK = 100.0
"""Milliseconds that an answer to a stroke may take at 960x540."""
RUNS = (
    ("box", ("grabcut", "opencv", "auto")),
    ("box and strokes", ("grabcut", "opencv", "graphcut", "lazy", "mrf", "auto")),
    ("strokes", ("graphcut", "lazy", "mrf", "auto")),
)


def prompt_of(truth: Bool, kind: str) -> Prompt:
    """Simulate one kind of input."""
    box = simulate_box(truth) if "box" in kind else None
    strokes = simulate_scribbles(truth) if "strokes" in kind else ()
    if box is not None:
        strokes = tuple(s for s in strokes if s.label)
    return Prompt(frame=0, box=box, scribbles=strokes)


def marks(prompt: Prompt, size: tuple[int, int]) -> tuple[Bool, Bool, Bool]:
    """Return subject's and background's pixels and the inside of the box."""
    seeds = draw_seeds(prompt, size)
    shape = (size[1], size[0])
    inside = np.ones(shape, np.bool_) if seeds.box is None else box_pixels(shape, seeds.box)
    return seeds.subject, (seeds.background | ~inside) & ~seeds.subject, inside


def opencv(rgb: Image, prompt: Prompt) -> Bool:
    """Five iterations of OpenCV's GrabCut."""
    subject, background, _ = marks(prompt, (rgb.shape[1], rgb.shape[0]))
    mask = np.full(subject.shape, cv2.GC_PR_FGD, np.uint8)
    mask[subject], mask[background] = cv2.GC_FGD, cv2.GC_BGD
    models = np.zeros((2, 1, 65))
    cv2.grabCut(np.ascontiguousarray(rgb[..., ::-1]), mask, None, *models, 5, cv2.GC_INIT_WITH_MASK)
    return (mask & 1) > 0


def select(method: str, rgb: Image, prompt: Prompt) -> Bool:
    """Run one method; an empty mask where it finds nothing."""
    if method == "opencv":
        return opencv(rgb, prompt)
    try:
        return np.asarray(select_with(method, rgb, prompt).logits > 0)
    except PromptError:
        return np.zeros(rgb.shape[:2], np.bool_)


def frames(dataset: Path, names: list[str], number: int) -> Iterator[tuple[str, Image, Bool]]:
    """Yield name, image and truth of one frame of each sequence."""
    for name in names or sorted(p.name for p in dataset.iterdir()):
        bgr = cv2.imread(str(dataset / name / "frames" / f"{number:05d}.jpg"))
        mask = cv2.imread(str(dataset / name / "masks" / f"{number:05d}.png"), cv2.IMREAD_GRAYSCALE)
        yield name, np.ascontiguousarray(bgr[..., ::-1]), np.asarray(mask > 127)


def clocked(work: Callable[..., T], *words: object) -> tuple[T, tuple[float, float]]:
    """Return what ``work`` returns, and its CPU and wall time in ms."""
    begin = time.process_time(), time.perf_counter()
    found = work(*words)
    return found, (1e3 * (time.process_time() - begin[0]), 1e3 * (time.perf_counter() - begin[1]))


def iou(a: Bool, b: Bool) -> float:
    """Return the intersection over the union."""
    return float((a & b).sum() / max(1, int((a | b).sum())))


def measure(
    method: str, kind: str, dataset: Path, names: list[str], number: int
) -> tuple[list[Bool], dict[str, float], NDArray[np.float64], float]:
    """Return masks, IoU per sequence, CPU and wall seconds per frame, and peak MB beyond the program."""
    cv2.setNumThreads(1)
    work = [(name, rgb, truth, prompt_of(truth, kind)) for name, rgb, truth in frames(dataset, names, number)]
    small = np.ascontiguousarray(work[0][1][::8, ::8]), prompt_of(work[0][2][::8, ::8], kind)
    select(method, *small)  # compiled kernels are loaded
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = np.array([time.process_time(), time.perf_counter()])
    masks = [select(method, rgb, prompt) for _, rgb, _, prompt in work]
    seconds = (np.array([time.process_time(), time.perf_counter()]) - start) / len(work)
    scores = {name: iou(m, truth) for m, (name, _, truth, _) in zip(masks, work, strict=True)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return masks, scores, seconds, peak / 1024


def row(kind: str, method: str, scores: dict[str, float], seconds: NDArray[np.float64], peak: float) -> str:
    """Return a row of the first table."""
    held = [v for name, v in scores.items() if name not in CHOSEN_ON]
    means = f"{np.mean(list(scores.values())):.3f} | {np.mean(held) if held else np.nan:.3f}"
    cost = f"{seconds[0]:.2f} | {seconds[1]:.2f} | {peak:.0f}"
    return f"| {kind} | {method} | {means} | {min(scores.values()):.3f} | {cost} |"


def interactive(dataset: Path, names: list[str], number: int) -> Iterator[str]:
    """Lines on Lazy Snapping at 960x540: what a new stroke costs, and agreement with cuts of pixels.

    The strokes of a prompt come one by one; every answer from the first that has both sides on is timed.
    """
    yield "| sequence | pieces | prepare | stroke (wall) | slowest | edit | pixels | IoU edited | pixels |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---:|"
    slowest, agreed = [], []
    for name, rgb, truth in frames(dataset, names, number):
        image = cv2.resize(rgb, (960, 540), interpolation=cv2.INTER_AREA)
        prompt = prompt_of(truth, "box and strokes")
        pieces, made = clocked(prepare, image)
        times = []
        for count in range(1, len(prompt.scribbles) + 1):
            some = Prompt(frame=0, box=prompt.box, scribbles=prompt.scribbles[:count])
            subject, background, _ = marks(some, (960, 540))
            rough, spent = clocked(stroke, pieces, subject, background)
            times.append(spent)
        fine, edited = clocked(edit_boundary, pieces, rough.labels, subject, background)
        whole, pixels = clocked(pixel_cut, image, subject, background)
        slowest.append(max(t[0] for t in times))
        agreed.append((iou(rough.labels, fine), iou(fine, whole)))
        yield (
            f"| {name} | {len(pieces.areas)} | {made[0]:.0f} | {times[0][0]:.0f} ({times[0][1]:.0f}) "
            f"| {slowest[-1]:.0f} | {edited[0]:.0f} | {pixels[0]:.0f} "
            f"| {agreed[-1][0]:.3f} | {agreed[-1][1]:.3f} |"
        )
    word = "yes" if max(slowest) < QUICK else "NO"
    mean, least = np.mean(agreed, axis=0), np.min(agreed, axis=0)
    yield ""
    yield f"ms of CPU. Every stroke answered in under {QUICK:.0f} ms: {word} (slowest {max(slowest):.0f} ms)."
    yield f"IoU with the edited boundary: mean {mean[0]:.3f}, least {least[0]:.3f};"
    yield f"of that with the cut of all pixels: mean {mean[1]:.3f}, least {least[1]:.3f}."


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("dataset", nargs="?", type=Path, default=DATASET)
    parser.add_argument("--sequences", default="", help="comma-separated; default all")
    parser.add_argument("--frame", type=int, default=0)
    parser.add_argument("--only", choices=("table", "lazy"), help="one of both parts")
    args = parser.parse_args()
    names = [n for n in args.sequences.split(",") if n]
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n", flush=True)
    if args.only != "lazy":
        table(args.dataset, names, args.frame)
    if args.only != "table":
        for line in interactive(args.dataset, names, args.frame):
            print(line, flush=True)


def table(dataset: Path, names: list[str], number: int) -> None:
    """Print what every method finds from every kind of input, and how GrabCut agrees with OpenCV's."""
    print("| input | method | mean IoU | held out | worst | CPU s | wall s | MB |")
    print("|---|---|---:|---:|---:|---:|---:|---:|", flush=True)
    notes = []
    for kind, methods in RUNS:
        found = {}
        for method in methods:
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                job = pool.submit(measure, method, kind, dataset, names, number)
                found[method], scores, seconds, peak = job.result()
            print(row(kind, method, scores, seconds, peak), flush=True)
        if "opencv" in found:
            same = [iou(a, b) for a, b in zip(found["grabcut"], found["opencv"], strict=True)]
            notes.append(f"grabcut and opencv, {kind}: IoU {np.mean(same):.3f}, worst {min(same):.3f}")
    print("\n" + "\n".join(notes) + "\n", flush=True)


if __name__ == "__main__":
    main()
