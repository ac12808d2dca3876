"""Video object segmentation benchmark of the weight-free tracker: J, F and CPU time per sequence.

    python -m tests.bench.segmentation [DATASET] [--every-key N] [--sequences a,b] [--frames N] [--jobs N]
                                       [--markdown FILE] [--save FOLDER]

DATASET holds ``<sequence>/frames/*.jpg`` and ``<sequence>/masks/*.png`` (DAVIS layout). The first mask is
given; with ``--every-key N`` also the masks of frames N, 2N, ..., and the passes of both directions are
blended. J and F average over all frames but the first and the last (the DAVIS convention) and never over
a frame whose mask was given.
"""

from __future__ import annotations

import os

for _name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse  # noqa: E402
import platform  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from concurrent.futures import ProcessPoolExecutor  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from fractions import Fraction  # noqa: E402
from pathlib import Path  # noqa: E402

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from tests.bench.vos_metrics import boundary_f, jaccard  # noqa: E402
from trackmatte.frame import Frame  # noqa: E402
from trackmatte.mask import Mask  # noqa: E402
from trackmatte.prompt import Prompt  # noqa: E402
from trackmatte.trackers.blend import blend  # noqa: E402
from trackmatte.trackers.flow import FlowTracker  # noqa: E402

DATASET = Path(__file__).parents[3] / "shared/clips/davis"


@dataclass(frozen=True, slots=True)
class Result:
    """One sequence."""

    name: str
    frames: int
    j: float
    f: float
    seconds: float
    """CPU seconds per frame and pass, all threads, without decoding and scoring."""
    per_frame: tuple[tuple[int, float, float, float], ...]
    """(index, J, F, score) of every frame that counts."""


def load(folder: Path, limit: int | None) -> tuple[list[Frame], list[NDArray[np.bool_]]]:
    """Read a sequence's frames and truth."""
    frames, truth = [], []
    for i, path in enumerate(sorted((folder / "frames").iterdir())[:limit]):
        bgr = cv2.imread(str(path))
        frames.append(Frame(i, i, Fraction(i, 24), cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)))
        mask = cv2.imread(str(folder / "masks" / f"{path.stem}.png"), cv2.IMREAD_GRAYSCALE)
        truth.append(np.asarray(mask > 127))
    return frames, truth


def track(frames: list[Frame], truth: list[NDArray[np.bool_]], keys: list[int]) -> tuple[list[Mask], float]:
    """Track one object given its mask on ``keys``; returns masks and CPU seconds per frame and pass."""
    tracker = FlowTracker()
    start, steps = time.process_time(), 0
    for k in keys:
        tracker.prompt(frames[k], Prompt(frame=k, mask=truth[k]))
    forward: list[Mask] = []
    for frame in frames:
        forward.append(tracker.step(frame)[0])
        steps += 1
    out = list(forward)
    if len(keys) > 1:
        tracker.rewind()
        for i in range(keys[-1], -1, -1):
            back = tracker.step(frames[i])[0]
            steps += 1
            if i not in keys:
                a = max(k for k in keys if k < i)
                b = min(k for k in keys if k > i)
                out[i] = blend(forward[i], back, (b - i) / (b - a))
    return out, (time.process_time() - start) / steps


def run(folder: Path, limit: int | None, every: int | None, save: Path | None = None) -> Result:
    """Track and score one sequence."""
    cv2.setNumThreads(1)
    frames, truth = load(folder, limit)
    keys = list(range(0, len(frames), every)) if every else [0]
    masks, seconds = track(frames, truth, keys)
    rows = []
    for i in range(1, len(frames) - 1):
        if i in keys:
            continue
        logits = cv2.resize(masks[i].logits, truth[i].shape[::-1], interpolation=cv2.INTER_LINEAR)
        rows.append((i, jaccard(logits > 0, truth[i]), boundary_f(logits > 0, truth[i]), masks[i].score))
    if save is not None:
        save.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            save / f"{folder.name}.npz", masks=np.stack([m.logits > 0 for m in masks]), rows=np.array(rows)
        )
    j, f = (float(np.mean([r[c] for r in rows])) if rows else float("nan") for c in (1, 2))
    return Result(folder.name, len(frames), j, f, seconds, tuple(rows))


def report(results: list[Result], title: str) -> Iterator[str]:
    """Lines of a Markdown report."""
    import numba

    yield f"## {title}"
    yield ""
    yield (
        f"{platform.machine()}, {_cpu()}, Python {platform.python_version()}, numpy {np.__version__}, "
        f"OpenCV {cv2.__version__}, numba {numba.__version__}; 1 thread per job"
    )
    yield ""
    yield "| sequence | frames | J | F | score vs J | CPU-s per frame and pass |"
    yield "|---|---|---|---|---|---|"
    for r in results:
        per = np.array(r.per_frame)
        c = np.corrcoef(per[:, 1], per[:, 3])[0, 1] if len(per) > 2 and per[:, 3].std() > 0 else float("nan")
        yield f"| {r.name} | {r.frames} | {r.j:.3f} | {r.f:.3f} | {c:+.2f} | {r.seconds:.2f} |"
    mean = [float(np.mean([getattr(r, k) for r in results])) for k in ("j", "f", "seconds")]
    frames = sum(r.frames for r in results)
    yield f"| **mean** | {frames} | **{mean[0]:.3f}** | **{mean[1]:.3f}** | | **{mean[2]:.2f}** |"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown CPU"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", nargs="?", type=Path, default=DATASET)
    parser.add_argument("--every-key", type=int, default=None)
    parser.add_argument("--sequences", default="")
    parser.add_argument("--frames", type=int, default=None)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--markdown", type=Path, default=None)
    parser.add_argument("--save", type=Path, default=None)
    args = parser.parse_args()
    names = [n for n in args.sequences.split(",") if n]
    folders = [
        f
        for f in sorted(args.dataset.iterdir())
        if (f / "frames").is_dir() and (not names or f.name in names)
    ]
    if not folders:
        sys.exit(f"{args.dataset}: no sequence found; expected <sequence>/frames and <sequence>/masks")
    with ProcessPoolExecutor(args.jobs) as pool:
        n = len(folders)
        results = list(pool.map(run, folders, [args.frames] * n, [args.every_key] * n, [args.save] * n))
    given = f"key mask every {args.every_key} frames" if args.every_key else "first mask given"
    text = "\n".join(report(results, f"flow tracker, {args.dataset.name}, {given}"))
    print(text)
    if args.markdown:
        args.markdown.write_text(text + "\n")


if __name__ == "__main__":
    main()
