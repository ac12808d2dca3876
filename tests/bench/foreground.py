"""Foreground colour of soft pixels against the truth, per method.

    python -m tests.bench.foreground [DATASET ...] [--clips a,b] [--frames N] [--markdown FILE]

DATASET holds one folder per clip: ``plate.mp4`` and ``alpha.mkv`` (16-bit grey). Their true foreground is not
kept, so each frame is composited anew, with its true alpha, over a frame of the next clip. Three composites:

- ``own``: F is the subject's own colour, from its solid pixels outwards (nearest one, smoothed), 8 bits;
- ``plate``: F is the whole plate, with the texture and the edges of its background, 8 bits: the hard case;
- ``linear``: as ``own``, but in linear light at four times the exposure, float32, up to 4; its error is
  divided by four.

The error is the mean over the soft pixels of ``alpha |F - truth|``, divided by the mean alpha, x 1000.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.bench.matting import read
from trackmatte.numerics.foreground import Method, estimate_foreground
from trackmatte.numerics.samples import nearest

F32 = NDArray[np.float32]
Estimate = Callable[[NDArray[Any], F32], F32]
KINDS = ("own", "plate", "linear")
EXPOSURE = 4.0
SOLID = 0.98


def methods() -> dict[str, Estimate]:
    """Return every row of the table."""

    def ours(name: Method) -> Estimate:
        return lambda rgb, alpha: estimate_foreground(rgb, alpha, method=name)

    rows: dict[str, Estimate] = {"F = I": lambda rgb, _: _float(rgb)}
    return rows | {name: ours(name) for name in get_args(Method)}


def own_colours(plate: F32, alpha: F32) -> F32:
    """Return the subject's colours carried from its solid pixels over the whole (H, W, 3) plate."""
    solid = alpha >= SOLID
    carried = plate[nearest(solid)]
    smooth = cv2.GaussianBlur(carried, (0, 0), 2.0)
    return np.where(solid[..., None], carried, smooth).astype(np.float32)


def composite(kind: str, plate: F32, alpha: F32, behind: F32) -> tuple[NDArray[Any], F32]:
    """Return a composite, uint8 or float32, and its true straight foreground.

    Parameters
    ----------
    kind : one of ``KINDS``.
    plate, behind : (H, W, 3) in [0, 1], the subject's plate and what it is put over.
    alpha : (H, W) true alpha of the plate.
    """
    fore = plate if kind == "plate" else own_colours(plate, alpha)
    a = alpha[..., None]
    if kind == "linear":
        fore, behind = _light(fore) * np.float32(EXPOSURE), _light(behind) * np.float32(EXPOSURE)
        return np.asarray(a * fore + (1 - a) * behind, np.float32), fore
    return np.rint((a * fore + (1 - a) * behind) * 255).astype(np.uint8), fore


def error(found: F32, truth: F32, alpha: F32) -> float:
    """Return the alpha-weighted mean absolute error over the soft pixels."""
    weight = alpha * ((alpha > 0) & (alpha < 1))
    return float((np.abs(found - truth).mean(-1, dtype=np.float64) * weight).sum() / weight.sum())


def bench(clip: Path, behind: Path, most: int) -> dict[str, NDArray[Any]]:
    """Score every method on evenly spaced frames of a clip.

    Returns
    -------
    Method -> (kinds + 1,) errors x 1000 and CPU seconds per frame.
    """
    frames, truths = read(clip, None)
    others, _ = read(behind, None)
    chosen = np.linspace(0, len(frames) - 1, most).round().astype(int)
    table = {name: np.zeros(len(KINDS) + 1) for name in methods()}
    for i in chosen:
        alpha = truths[i]
        back = cv2.resize(_float(others[i % len(others)].rgb), frames[i].size, interpolation=cv2.INTER_AREA)
        for k, kind in enumerate(KINDS):
            rgb, fore = composite(kind, _float(frames[i].rgb), alpha, back)
            for name, method in methods().items():
                begin = time.process_time()
                found = method(rgb, alpha)
                table[name][-1] += (time.process_time() - begin) / len(KINDS)
                table[name][k] += error(found, fore, alpha) * 1000 / (EXPOSURE if kind == "linear" else 1)
    return {name: row / len(chosen) for name, row in table.items()}


def render(title: str, rows: dict[str, NDArray[Any]]) -> str:
    """Return one clip's table as Markdown, columns lined up for the terminal."""
    lines = [f"| {title:16s} | " + " | ".join(f"{k:>7s}" for k in (*KINDS, "CPU-s")) + " |"]
    lines += ["|" + "-" * 18 + "|" + "--------:|" * (len(KINDS) + 1)]
    for name, row in rows.items():
        cells = [f"{v:7.1f}" for v in row[:-1]] + [f"{row[-1]:7.3f}"]
        lines.append(f"| {name:16s} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark."""
    ask = argparse.ArgumentParser(
        prog="python -m tests.bench.foreground", description="Colours against truth."
    )
    ask.add_argument(
        "datasets", nargs="*", type=Path, default=[Path("../shared/clips/alpha"), Path("sample_clips")]
    )
    ask.add_argument("--clips", help="names, separated by commas; default all")
    ask.add_argument("--frames", type=int, default=4, help="evenly spaced frames of each clip")
    ask.add_argument("--markdown", type=Path, help="write the tables there as well")
    given = ask.parse_args()
    cv2.setNumThreads(1)
    clips = sorted(p.parent for d in given.datasets for p in d.glob("*/plate.mp4"))
    parts = ("trackmatte", "pymatting", "numba", "numpy", "opencv-python-headless")
    text = [
        f"{given.frames} frames a clip, alpha-weighted error x 1000. {platform.platform()}, "
        f"Python {platform.python_version()}, " + ", ".join(f"{p} {version(p)}" for p in parts) + "."
    ]
    print(text[0], flush=True)
    for method in methods().values():  # compile
        method(np.zeros((64, 64, 3), np.uint8), np.full((64, 64), 0.5, np.float32))
    found = []
    for i, clip in enumerate(clips):
        if given.clips and clip.name not in given.clips.split(","):
            continue
        found.append(bench(clip, clips[(i + 1) % len(clips)], given.frames))
        text.append(render(clip.name, found[-1]))
        print("\n" + text[-1], flush=True)
    if len(found) > 1:
        text.append(render("all clips", {k: np.mean([f[k] for f in found], axis=0) for k in found[0]}))
        print("\n" + text[-1])
    if given.markdown:
        given.markdown.write_text("\n\n".join(text) + "\n", encoding="utf-8")


def _float(rgb: NDArray[Any]) -> F32:
    return np.asarray(rgb if rgb.dtype == np.float32 else rgb / np.float32(255), np.float32)


def _light(display: F32) -> F32:
    """Return linear light of sRGB code in [0, 1] (IEC 61966-2-1)."""
    curve = ((display + 0.055) / 1.055) ** 2.4
    return np.where(display <= 0.04045, display / 12.92, curve).astype(np.float32)


if __name__ == "__main__":
    main()
