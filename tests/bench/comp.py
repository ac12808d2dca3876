"""Background blur: its speed beside OpenCV's, and what of the subject is left in the background.

    python -m tests.bench.comp [--dataset FOLDER] [--frames N] [--markdown FILE]

Speed: seconds per frame of the lens alone, of cv2.filter2D with the same aperture in the same process, of the
fill, and of the whole effect once the layers are there; HD and 4K, radius 1, 3 and 6 % of the width (size
2, 6 and 12). Best of three; filter2D once.

Quality, where DATASET holds clips with ``plate.mp4`` and ``alpha.mkv``: each subject is put, in 8-bit code
values, over the first frame of the next clip's plate, which stands still: the true clean background is known.
Errors are of linear light x 1000, against the true background through the same lens, at size 1, 2.5 and 6:
``ring`` is the mean within the blur's reach around the subject, ``edge`` the mean over the soft pixels by the
share of background in them, ``flicker`` the mean change from frame to frame in both, where there should be
none. The control blurs the plate as it is.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.bench.foreground import own_colours
from tests.bench.matting import read
from trackmatte.comp import Blur, Layers
from trackmatte.comp.run import separate
from trackmatte.frame import Frame
from trackmatte.matte import Matte
from trackmatte.numerics.fill import fill, known
from trackmatte.numerics.lens import Lens
from trackmatte.shot import Look

F32 = NDArray[np.float32]
SIZES = {"HD": (1920, 1080), "4K": (3840, 2160)}
RADII = (1, 3, 6)
BLURS = (1.0, 2.5, 6.0)


def best(work: Callable[[], object], times: int = 3) -> float:
    """Return the least seconds that ``work`` took."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return min(taken)


def speed() -> Iterator[str]:
    """Yield the rows of the speed table."""
    yield "| picture | radius | lens | cv2.filter2D | largest difference | fill | whole effect |"
    yield "|---|---|---|---|---|---|---|"
    for name, (w, h) in SIZES.items():
        rng = np.random.default_rng(0)
        image = rng.random((h, w, 3), np.float32)
        y, x = np.ogrid[:h, :w]
        alpha = np.clip((h / 3 - np.hypot(x - w / 2, y - h / 2)) / 20, 0, 1).astype(np.float32)
        layers = Layers(1, image, alpha, image, image)
        filling = best(lambda i=image, a=alpha: fill(i, known(a, 2)))  # type: ignore[misc]
        for percent in RADII:
            lens, blur = Lens(percent / 100 * w), Blur(2.0 * percent)
            kernel = lens.picture.astype(np.float32)
            ours, theirs = lens.blur(image), cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT)
            difference = np.abs(ours - theirs).max()
            blur(layers)  # makes the aperture
            ours = best(lambda i=image, k=lens: k.blur(i))  # type: ignore[misc]
            theirs = best(
                lambda i=image, k=kernel: cv2.filter2D(i, -1, k, borderType=cv2.BORDER_REFLECT),
                1,  # type: ignore[misc]
            )
            whole = best(lambda b=blur, k=layers: b(k))  # type: ignore[misc]
            yield (
                f"| {name} | {percent} %, {percent * w // 100} px | {ours:.2f} s | {theirs:.2f} s | "
                f"{difference:.1e} | {filling:.2f} s | {whole:.2f} s |"
            )


def frames(clip: Path, behind: F32, count: int) -> Iterator[tuple[Layers, F32]]:
    """Yield (layers, alpha) of a clip's subject over a still background, (H, W, 3) code in [0, 1]."""
    for i, (source, alpha) in enumerate(zip(*read(clip, count), strict=True)):
        plate = source.rgb.astype(np.float32) / 255
        a = alpha[..., None]
        code = np.rint((a * own_colours(plate, alpha) + (1 - a) * behind) * 255).astype(np.uint8)
        frame = Frame(i, i, Fraction(i, 24), code)
        yield separate(frame, Matte(i, "subject", alpha), Look(), behind=True), alpha


def quality(dataset: Path, count: int) -> Iterator[str]:
    """Yield the rows of the quality table."""
    yield "| clip | size | ring | plate blurred | edge | plate blurred | flicker | plate blurred |"
    yield "|---|---|---|---|---|---|---|---|"
    clips = sorted(p for p in dataset.iterdir() if (p / "alpha.mkv").is_file())
    for clip, other in zip(clips, clips[1:] + clips[:1], strict=True):
        (still,), _ = read(other, 1)
        rgb, colour = still.rgb, still.colour
        taken = list(frames(clip, rgb.astype(np.float32) / 255, count))
        for size in BLURS:
            blur = Blur(size)
            nothing = np.zeros(rgb.shape[:2], np.float32)
            truth = blur.background(colour.linear(rgb), nothing)
            ours = [blur.background(x.behind, a) for x, a in taken if x.behind is not None]
            naive = [blur.background(x.plate, nothing) for x, _ in taken]
            row = [f"| {clip.name} | {size:g} %"]
            weights = [(around(a, size), edge(a)) for _, a in taken]
            for k in (0, 1):
                row += [
                    f"{np.mean([error(x, truth, w[k]) for x, w in zip(m, weights, strict=True)]):.1f}"
                    for m in (ours, naive)
                ]
            seen = [np.maximum(r, e) for r, e in weights]
            for made in (ours, naive):
                moves = [
                    error(x, y, np.minimum(v, w))
                    for (x, y), (v, w) in zip(pairwise(made), pairwise(seen), strict=True)
                ]
                row.append(f"{np.mean(moves):.1f}")
            yield " | ".join(row) + " |"


def around(alpha: F32, size: float) -> F32:
    """Return 1 where there is no subject, but some within the blur's reach."""
    n = int(np.ceil(size / 200 * alpha.shape[1]))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * n + 1, 2 * n + 1))
    return ((alpha == 0) & (cv2.dilate(alpha, disc) > 0)).astype(np.float32)


def edge(alpha: F32) -> F32:
    """Return the share of background in soft pixels."""
    return np.where(alpha > 0, 1 - alpha, 0).astype(np.float32)


def error(found: F32, truth: F32, weight: F32) -> float:
    """Return the weighted mean difference of linear light x 1000."""
    return float(1000 * (np.abs(found - truth).mean(-1) * weight).sum() / weight.sum())


def main() -> None:
    """Measure and print."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ask.add_argument("--dataset", type=Path, default=Path("../shared/clips/alpha"))
    ask.add_argument("--frames", type=int, default=8)
    ask.add_argument("--markdown", type=Path)
    given = ask.parse_args()
    lines = [f"{platform.machine()}, OpenCV {cv2.__version__}, {cv2.getNumberOfCPUs()} cores", ""]
    lines += [*speed(), ""]
    if given.dataset.is_dir():
        lines += quality(given.dataset, given.frames)
    print("\n".join(lines))
    if given.markdown:
        given.markdown.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
