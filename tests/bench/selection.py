"""The named selectors on DAVIS frames: IoU with the truth, CPU time and memory.

    python -m tests.bench.selection [DATASET] [--sequences a,b] [--frame N]

DATASET as in `tests.bench.prompts`, whose rules simulate boxes and strokes from the truth. Inputs: the tight
box; the box and three strokes on the subject; three strokes on the subject and three around it. OpenCV's
GrabCut runs five iterations on the same pixels. Every method has a process of its own, whose peak memory
beyond the loaded program is what is told. CPU seconds are those of one thread.
"""

from __future__ import annotations

import os

for _name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse  # noqa: E402
import multiprocessing  # noqa: E402
import resource  # noqa: E402
import time  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from concurrent.futures import ProcessPoolExecutor  # noqa: E402
from pathlib import Path  # noqa: E402

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


def iou(a: Bool, b: Bool) -> float:
    """Return the intersection over the union."""
    return float((a & b).sum() / max(1, int((a | b).sum())))


def measure(
    method: str, kind: str, dataset: Path, names: list[str], number: int
) -> tuple[list[Bool], list[float], float, float]:
    """Return masks, IoU per frame, CPU seconds per frame, and peak memory in MB beyond the loaded program."""
    cv2.setNumThreads(1)
    work = [(rgb, truth, prompt_of(truth, kind)) for _, rgb, truth in frames(dataset, names, number)]
    small = work[0][0][::8, ::8], prompt_of(work[0][1][::8, ::8], kind)
    select(method, np.ascontiguousarray(small[0]), small[1])  # compiled kernels are loaded
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    masks, scores, start = [], [], time.process_time()
    for rgb, _, prompt in work:
        masks.append(select(method, rgb, prompt))
    seconds = (time.process_time() - start) / len(work)
    scores = [iou(m, truth) for m, (_, truth, _) in zip(masks, work, strict=True)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return masks, scores, seconds, peak / 1024


def interactive(dataset: Path, names: list[str], number: int) -> Iterator[str]:
    """Lines on Lazy Snapping's stages at 960x540: CPU time, and agreement with the cut of all pixels."""
    yield "| sequence | pieces | prepare ms | stroke ms | edit ms | pixels ms | stroke, IoU | edit, IoU |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, rgb, truth in frames(dataset, names, number):
        image = cv2.resize(rgb, (960, 540), interpolation=cv2.INTER_AREA)
        subject, background, _ = marks(prompt_of(truth, "box and strokes"), (960, 540))
        clock = [time.process_time()]
        pieces = prepare(image)
        clock.append(time.process_time())
        rough = stroke(pieces, subject, background)
        clock.append(time.process_time())
        fine = edit_boundary(pieces, rough.labels, subject, background)
        clock.append(time.process_time())
        whole = pixel_cut(image, subject, background)
        clock.append(time.process_time())
        times = " | ".join(f"{1000 * t:.0f}" for t in np.diff(clock))
        same = f"{iou(rough.labels, whole):.3f} | {iou(fine, whole):.3f}"
        yield f"| {name} | {len(pieces.areas)} | {times} | {same} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", nargs="?", type=Path, default=DATASET)
    parser.add_argument("--sequences", default="", help="comma-separated; default all")
    parser.add_argument("--frame", type=int, default=0)
    args = parser.parse_args()
    names = [n for n in args.sequences.split(",") if n]
    print("| input | method | mean IoU | worst | CPU s | MB |\n|---|---|---|---|---|---|", flush=True)
    for kind, methods in RUNS:
        found = {}
        for method in methods:
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                job = pool.submit(measure, method, kind, args.dataset, names, args.frame)
                found[method], scores, seconds, peak = job.result()
            cells = f"{np.mean(scores):.3f} | {min(scores):.3f} | {seconds:.2f} | {peak:.0f}"
            print(f"| {kind} | {method} | {cells} |", flush=True)
        if "opencv" in found:
            same = [iou(a, b) for a, b in zip(found["grabcut"], found["opencv"], strict=True)]
            print(
                f"\ngrabcut and opencv, {kind}: IoU {np.mean(same):.3f}, worst {min(same):.3f}\n", flush=True
            )
    print()
    for line in interactive(args.dataset, names, args.frame):
        print(line, flush=True)


if __name__ == "__main__":
    main()
