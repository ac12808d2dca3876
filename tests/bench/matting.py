"""Alpha mattes against ground truth, beside the baselines, on the same masks.

    python -m tests.bench.matting [DATASET] [--clips a,b] [--frames N] [--masks tracker|truth|jitter]
                                  [--keep FOLDER] [--markdown FILE] [--mam-checkpoint FILE
                                  --mam-encoder FILE --mam-size b|l|h | --mam-random]

DATASET holds one folder per clip: ``plate.mp4``, ``alpha.mkv`` (16-bit grey) and ``mask0.png``. Masks come
from the default tracker, given the first frame's mask; or are the binarised truth; or the truth with its
contour moved by smooth random errors of about 3 px. Baselines: the mask alone, Gaussians of it, the guided
filter (He, Sun and Tang, PAMI 2013) at four settings and pymatting's full-frame closed form on trimaps cut
from the mask. Matting Anything joins where its weights are installed or given; ``--mam-random`` runs it on
tiny random ones, to see that it runs, and its row says so.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import platform
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pymatting
from numpy.typing import NDArray

from tests.bench.matting_metrics import METRICS, average, quantised, score_clip
from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.prompt import Prompt
from trackmatte.refiners import REFINERS
from trackmatte.refiners.choose import choose_refiner
from trackmatte.refiners.region import Region, bounds_of, region_of
from trackmatte.trackers import TRACKERS

F32 = NDArray[np.float32]
Method = Callable[[Frame, Mask], F32]
Row = tuple[NDArray[Any], NDArray[Any]]
"""Scores, and CPU and wall seconds per frame."""
RANDOM = ", random weights: figures mean nothing"


def hard(frame: Frame, mask: Mask) -> F32:
    """Return the binary mask at plate resolution."""
    logits: F32 = cv2.resize(mask.logits, frame.size, interpolation=cv2.INTER_LINEAR)
    return (logits > 0).astype(np.float32)


def gaussian(sigma: float) -> Method:
    """Return the method that blurs the binary mask."""
    return lambda frame, mask: cv2.GaussianBlur(hard(frame, mask), (0, 0), sigma)


def guided(radius: int, epsilon: float) -> Method:
    """Return the colour guided filter of the binary mask."""

    def run(frame: Frame, mask: Mask) -> F32:
        guide = frame.display().astype(np.float32) / np.float32(255)
        return _guided_filter(guide, hard(frame, mask), radius, epsilon)

    return run


def full_frame(half_width: float) -> Method:
    """Return pymatting's closed form on the trimap of ``half_width`` px around the mask's contour."""

    def run(frame: Frame, mask: Mask) -> F32:
        inside = hard(frame, mask)
        byte = inside.astype(np.uint8)
        far = cv2.distanceTransform(byte, cv2.DIST_L2, 5) + cv2.distanceTransform(1 - byte, cv2.DIST_L2, 5)
        trimap = np.where(far <= half_width, 0.5, inside).astype(np.float64)
        if not {0.0, 1.0} <= set(np.unique(trimap).tolist()):
            return inside
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            alpha = pymatting.estimate_alpha_cf(frame.display() / 255.0, trimap)
        return np.asarray(alpha, np.float32)

    return run


def refiner(name: str, region: Region | None, settings: dict[str, Any] | None = None) -> Method:
    """Return one of our refiners as a method, working as in a shot: on one region for the whole clip."""
    part = REFINERS.get(name)(**(settings or {}))
    return lambda frame, mask: part.refine(frame, mask, None, region).alpha


def methods(region: Region | None, mam: dict[str, Any] | None = None) -> dict[str, Method]:
    """Return every row of the table.

    Parameters
    ----------
    region : the part of the plate that holds the subject on all frames.
    mam : settings of Matting Anything; None = no row.
    """
    rows: dict[str, Method] = {"mask only": hard}
    rows |= {f"Gaussian {s:g} px": gaussian(s) for s in (1.0, 1.5, 3.0)}
    rows |= {
        f"guided filter r={r} eps={e:g}": guided(r, e)
        for r, e in ((5, 1e-4), (10, 1e-4), (10, 1e-3), (20, 1e-4))
    }
    rows |= {f"pymatting +-{w} px": full_frame(w) for w in (8, 20)}
    rows |= {f"trackmatte {n}": refiner(n, region) for n in ("none", "closed_form")}
    if mam is not None:
        rows["trackmatte mam" + RANDOM * (mam.get("size") == "micro")] = refiner("mam", region, mam)
    return rows


def mam_settings(given: argparse.Namespace) -> dict[str, Any] | None:
    """Return the settings of Matting Anything that the command line or the weights folder give, if any."""
    if given.mam_random:
        from tests import micro

        folder = Path(tempfile.gettempdir()) / "trackmatte-bench-random"
        folder.mkdir(exist_ok=True)
        return micro.mam(folder)
    if given.mam_checkpoint:
        files = {"checkpoint": given.mam_checkpoint, "encoder": given.mam_encoder, "size": given.mam_size}
        return {k: str(v) for k, v in files.items() if v}
    name, reason = choose_refiner()
    if name == "mam":
        return {}
    print(f"No row for Matting Anything: {reason}.")
    return None


def jittered(alpha: F32, seed: int, amplitude: float = 3.0) -> F32:
    """Return log-odds of a mask whose contour wanders and that has lost what is thin.

    Parameters
    ----------
    alpha : (H, W) true alpha.
    seed : of the random field.
    amplitude : largest usual error, px.
    """
    rng = np.random.default_rng(seed)

    def field() -> F32:
        parts = [
            cv2.GaussianBlur(rng.standard_normal(alpha.shape).astype(np.float32), (0, 0), s) for s in (15, 40)
        ]
        return np.asarray(sum(p / p.std() for p in parts) * np.float32(0.35 * amplitude), np.float32)

    thick = cv2.morphologyEx(
        (alpha > 0.5).astype(np.uint8), cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    )
    y, x = np.mgrid[: alpha.shape[0], : alpha.shape[1]].astype(np.float32)
    moved = cv2.remap(thick.astype(np.float32), x + field(), y + field(), cv2.INTER_LINEAR)
    low = (cv2.resize(moved, None, fx=8 / 9, fy=8 / 9, interpolation=cv2.INTER_AREA) > 0.5).astype(np.uint8)
    d = cv2.distanceTransform(low, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - low, cv2.DIST_L2, 5)
    return np.asarray(np.clip((d - 0.5 * np.sign(d)) / 1.5, -6, 6), np.float32)


def masks_of(
    clip: Path, kind: str, frames: list[Frame], truths: list[F32], keep: Path | None
) -> Iterator[Mask]:
    """Yield the mask of every frame of a clip; ``keep`` is a folder to store tracked ones in."""
    if kind == "truth":
        for i, t in enumerate(truths):
            yield Mask(i, "subject", np.where(t > 0.5, 8, -8).astype(np.float32), 1.0)
        return
    if kind == "jitter":
        for i, t in enumerate(truths):
            yield Mask(i, "subject", jittered(t, i), 1.0)
        return
    stored = [keep / clip.name / f"{i:04d}.npy" for i in range(len(frames))] if keep else []
    if stored and all(p.exists() for p in stored):
        for i, p in enumerate(stored):
            yield Mask(i, "subject", np.load(p), 1.0)
        return
    tracker = TRACKERS.get("flow")()
    first = cv2.imread(str(clip / "mask0.png"), cv2.IMREAD_GRAYSCALE) > 127
    tracker.prompt(frames[0], Prompt(frame=frames[0].number, object="subject", mask=first))
    for i, frame in enumerate(frames):
        mask = tracker.step(frame)[0]
        if stored:
            stored[i].parent.mkdir(parents=True, exist_ok=True)
            np.save(stored[i], mask.logits)
        yield mask


def read(clip: Path, most: int | None) -> tuple[list[Frame], list[F32]]:
    """Decode plate and true alpha of the first ``most`` frames."""
    frames, truths = [], []
    with av.open(str(clip / "plate.mp4")) as plate, av.open(str(clip / "alpha.mkv")) as alpha:
        pairs = zip(plate.decode(video=0), alpha.decode(video=0), strict=False)
        for i, (p, a) in enumerate(pairs):
            if most is not None and i >= most:
                break
            frames.append(Frame(i, i, Fraction(i, 24), p.to_ndarray(format="rgb24")))
            truths.append(a.to_ndarray(format="gray16le").astype(np.float32) / np.float32(65535))
    return frames, truths


def bench(
    clip: Path, kind: str, most: int | None, keep: Path | None, mam: dict[str, Any] | None
) -> dict[str, Row]:
    """Score every method on a clip.

    Returns
    -------
    Method -> ((frames, 5) scores, (CPU, wall) seconds per frame).
    """
    frames, truths = read(clip, most)
    masks = list(masks_of(clip, kind, frames, truths, keep))
    truth8 = [quantised(t) for t in truths]
    region = region_of([b for b in map(bounds_of, masks) if b], frames[0].size)
    table = {}
    for name, method in methods(region, mam).items():
        method(frames[0], masks[0])
        begin = np.array([time.process_time(), time.perf_counter()])
        mattes = [quantised(method(f, m)) for f, m in zip(frames, masks, strict=True)]
        seconds = (np.array([time.process_time(), time.perf_counter()]) - begin) / len(frames)
        table[name] = (score_clip(mattes, truth8), seconds)
    return table


def render(title: str, rows: dict[str, Row]) -> str:
    """Return one clip's table of (5,) scores as Markdown, columns lined up for the terminal."""
    wide = max(30, *map(len, rows))
    columns = (*METRICS, "CPU-s", "wall-s")
    head = f"| {title:{wide}s} | " + " | ".join(f"{m:>7s}" for m in columns) + " |"
    lines = [head, "|" + "-" * (wide + 2) + "|" + "--------:|" * len(columns)]
    for name, (mean, seconds) in rows.items():
        cells = [f"{v:7.3f}" for v in (*mean, *seconds)]
        lines.append(f"| {name:{wide}s} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def header(dataset: Path, kind: str, most: int | None) -> str:
    """Return what the numbers depend on."""
    parts = ("trackmatte", "pymatting", "numba", "numpy", "scipy", "opencv-python-headless")
    return (
        f"Dataset {dataset.resolve()}, {f'first {most} frames' if most else 'all frames'}, masks: {kind}.\n"
        f"{platform.platform()}, {_processor()}, Python {platform.python_version()}, "
        + ", ".join(f"{p} {version(p)}" for p in parts)
        + ".\nMAD and MSE x 1000, Grad and Conn / 1000 (low-resolution script), dtSSD x 100; s per frame."
    )


def main(words: Sequence[str] | None = None) -> None:
    """Run the benchmark on the words of the command line."""
    ask = argparse.ArgumentParser(prog="python -m tests.bench.matting", description="Mattes against truth.")
    ask.add_argument("dataset", nargs="?", type=Path, default=Path("../shared/clips/alpha"))
    ask.add_argument("--clips", help="names, separated by commas; default all")
    ask.add_argument("--frames", type=int, help="only the first N frames of each clip")
    ask.add_argument("--masks", choices=("tracker", "truth", "jitter"), default="tracker")
    ask.add_argument("--keep", type=Path, help="folder to store tracked masks in, and to reuse them from")
    ask.add_argument("--markdown", type=Path, help="write the tables there as well")
    ask.add_argument("--mam-checkpoint", type=Path, help="a decoder of Matting Anything")
    ask.add_argument("--mam-encoder", type=Path, help="its SAM 1")
    ask.add_argument("--mam-size", choices=("b", "l", "h"), help="of SAM 1")
    ask.add_argument(
        "--mam-random", action="store_true", help="tiny random weights: only to see that it runs"
    )
    given = ask.parse_args(words)
    names = (
        given.clips.split(",")
        if given.clips
        else sorted(p.parent.name for p in given.dataset.glob("*/plate.mp4"))
    )
    text = [header(given.dataset, given.masks, given.frames)]
    print(text[0], flush=True)
    mam = mam_settings(given)
    every: dict[str, list[Row]] = {}
    for name in names:
        found = bench(given.dataset / name, given.masks, given.frames, given.keep, mam)
        for method, row in found.items():
            every.setdefault(method, []).append(row)
        text.append(render(name, {k: (s.mean(0), t) for k, (s, t) in found.items()}))
        print("\n" + text[-1], flush=True)
    if len(names) > 1:
        means = {
            k: (average([s for s, _ in v]), np.mean([t for _, t in v], axis=0)) for k, v in every.items()
        }
        text.append(render("all clips", means))
        print("\n" + text[-1])
    if given.markdown:
        given.markdown.write_text("\n\n".join(text) + "\n", encoding="utf-8")


def _guided_filter(guide: F32, mask: F32, radius: int, epsilon: float) -> F32:
    def box(image: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(cv2.boxFilter(image, -1, (2 * radius + 1,) * 2, borderType=cv2.BORDER_REFLECT))

    mean, level = box(guide), box(mask)
    cross = box(guide * mask[..., None]) - mean * level[..., None]
    outer = np.stack([box(guide * guide[..., c : c + 1]) - mean * mean[..., c : c + 1] for c in range(3)], -1)
    a = np.linalg.solve(outer + epsilon * np.eye(3, dtype=np.float32), cross[..., None])[..., 0]
    b = level - (a * mean).sum(-1)
    return np.asarray(np.clip((box(a) * guide).sum(-1) + box(b), 0, 1), np.float32)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


if __name__ == "__main__":
    main()
