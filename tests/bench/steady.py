"""What the flicker filter does to mattes, against ground truth.

    python -m tests.bench.steady [DATASET] [--clips a,b] [--frames N] [--masks tracker|truth|jitter]
                                 [--keep FOLDER]

DATASET is as `tests.bench.matting` has it, and so are the masks; the refiner is ``closed_form``. Printed per
clip and strength (0 is off): MAD, MSE, Grad and dtSSD, and CPU seconds per frame of the filter alone.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.bench.matting import header, masks_of, read, refiner
from tests.bench.matting_metrics import METRICS, average, quantised, score_clip
from trackmatte.numerics.steady import steadied

STRENGTHS = (0.0, 0.5, 1.0)
COLUMNS = ("MAD", "MSE", "Grad", "dtSSD")


def bench(
    clip: Path, kind: str, most: int | None, keep: Path | None
) -> dict[float, tuple[NDArray[Any], float]]:
    """Score every strength on a clip.

    Returns
    -------
    Strength -> ((frames, 5) scores, CPU seconds per frame).
    """
    frames, truths = read(clip, most)
    refine = refiner("closed_form")
    mattes = [refine(f, m) for f, m in zip(frames, masks_of(clip, kind, frames, truths, keep), strict=True)]
    truth8 = [quantised(t) for t in truths]
    table = {}
    for strength in STRENGTHS:
        shown = [(f.index, f.display(), a) for f, a in zip(frames, mattes, strict=True)]
        begin = time.process_time()
        steady = [a for _, a in steadied(shown, strength)]
        seconds = (time.process_time() - begin) / len(frames)
        table[strength] = (score_clip([quantised(a) for a in steady], truth8), seconds)
    return table


def render(title: str, rows: dict[float, tuple[NDArray[Any], float]]) -> str:
    """Return one clip's table as Markdown; the scores are (5,) means."""
    lines = [f"| {title:16s} | " + " | ".join(f"{c:>7s}" for c in (*COLUMNS, "CPU-s")) + " |"]
    lines.append("|" + "-" * 18 + "|" + "--------:|" * (len(COLUMNS) + 1))
    for strength, (scores, seconds) in rows.items():
        named = dict(zip(METRICS, scores, strict=True))
        cells = [f"{v:7.3f}" for v in (*(named[c] for c in COLUMNS), seconds)]
        name = f"strength {strength:g}" if strength else "off"
        lines.append(f"| {name:16s} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark."""
    ask = argparse.ArgumentParser(prog="python -m tests.bench.steady", description="Flicker against truth.")
    ask.add_argument("dataset", nargs="?", type=Path, default=Path("../shared/clips/alpha"))
    ask.add_argument("--clips", help="names, separated by commas; default all")
    ask.add_argument("--frames", type=int, help="only the first N frames of each clip")
    ask.add_argument("--masks", choices=("tracker", "truth", "jitter"), default="tracker")
    ask.add_argument("--keep", type=Path, help="folder to store tracked masks in, and to reuse them from")
    given = ask.parse_args()
    cv2.setNumThreads(1)
    found = sorted(p.parent.name for p in given.dataset.glob("*/plate.mp4"))
    print(header(given.dataset, given.masks, given.frames), flush=True)
    every: dict[float, list[tuple[NDArray[Any], float]]] = {}
    for name in given.clips.split(",") if given.clips else found:
        table = bench(given.dataset / name, given.masks, given.frames, given.keep)
        for strength, row in table.items():
            every.setdefault(strength, []).append(row)
        print("\n" + render(name, {k: (s.mean(0), t) for k, (s, t) in table.items()}), flush=True)
    means = {k: (average([s for s, _ in v]), float(np.mean([t for _, t in v]))) for k, v in every.items()}
    print("\n" + render("all clips", means))


if __name__ == "__main__":
    main()
