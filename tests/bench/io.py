"""What our reading and writing costs beyond the bare library calls, and what writing costs beside inference.

    python -m tests.bench.io [--repeats 15] [--clip CLIP --mask MASK] [--markdown FILE]

Ours and the bare calls (PyAV, OpenImageIO) take turns in one process, so that other work on the machine meets
both alike. CPU seconds count all threads. An overhead is the median of the ratios of pairs, with quartiles;
wall time goes against the bare call followed by the same fsync, CPU time against the bare call alone.
The render has a third of the repeats.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from tests import disc
from tests.media_maker import encode
from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.matte import Matte
from trackmatte.media import FrameSource, open_clip
from trackmatte.media.video_decode import THREADS
from trackmatte.picture import Picture
from trackmatte.refiners import REFINERS
from trackmatte.shot.cache import FrameCache
from trackmatte.writers import WRITERS, Delivery
from trackmatte.writers.behind import WriteBehind
from trackmatte.writers.presets import PRESETS, compose
from trackmatte.writers.sequence import premultiplied

SIZES = {"HD": (1920, 1080), "4K": (4096, 2160)}
Pixels = NDArray[np.float32]


@dataclass
class Cost:
    """Seconds of one call."""

    wall: float
    cpu: float


def cost(call: Callable[[], object]) -> Cost:
    """Run and measure."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def turns(repeats: int, **calls: Callable[[], object]) -> dict[str, list[Cost]]:
    """Run the calls in turn, the order changing, and return their costs; the first round is not counted."""
    found: dict[str, list[Cost]] = {name: [] for name in calls}
    names = list(calls)
    for i in range(repeats + 1):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            one = cost(calls[name])
            if i:
                found[name].append(one)
    return found


def over(ours: list[float], bare: list[float]) -> str:
    """Return the median overhead and its quartiles."""
    low, middle, high = np.percentile(np.array(ours) / np.array(bare) - 1, (25, 50, 75)) * 100
    return f"**{middle:+.1f} %** ({low:+.0f} to {high:+.0f})"


def row(name: str, ours: list[Cost], bare: list[Cost], synced: list[Cost] | None = None) -> str:
    """Return a line of the table, milliseconds."""

    def ms(values: list[float]) -> str:
        return f"{np.median(values) * 1000:.1f}"

    wall, cpu = [c.wall for c in ours], [c.cpu for c in ours]
    beside = synced or bare
    middle = [ms(cpu), ms([c.cpu for c in bare]), over(cpu, [c.cpu for c in bare])]
    end = [ms(wall), ms([c.wall for c in beside]), over(wall, [c.wall for c in beside])]
    return "| " + " | ".join([name, *middle, *end]) + " |"


# -- reading --------------------------------------------------------------------------------------------


def bare_movie(path: Path) -> None:
    with av.open(str(path)) as movie:
        stream = movie.streams.video[0]
        stream.thread_type, stream.thread_count = "AUTO", THREADS
        for frame in movie.decode(stream):
            frame.to_ndarray(format="rgb24", src_colorspace="ITU709")


def ours(clip: FrameSource) -> None:
    for _ in clip.frames(0, clip.length):
        pass


def bare_images(paths: list[Path]) -> None:
    for path in paths:
        reader = oiio.ImageInput.open(str(path))
        reader.read_image(0, 0, 0, 3, "float")
        reader.close()


def reading(folder: Path, size: tuple[int, int], label: str, repeats: int) -> Iterator[str]:
    count = 24 if label == "HD" else 8
    plates = [np.roll(plate(size), 7 * i, 1) for i in range(count)]
    movie = encode(folder / "m.mp4", plates, options={"crf": "18"}, colorspace=1)
    with open_clip(movie) as clip:  # opening, which reads the index, is once a clip and not counted
        found = turns(repeats, ours=partial(ours, clip), bare=partial(bare_movie, movie))
    yield row(f"decode H.264, {count} frames, {label}", found["ours"], found["bare"])
    for i in range(3):
        spec = oiio.ImageSpec(*size, 3, "half")
        out = oiio.ImageOutput.create("exr")
        out.open(str(folder / f"p.{1001 + i}.exr"), spec)
        out.write_image(plates[i].astype(np.float32) / 255)
        out.close()
    paths = sorted(folder.glob("p.*.exr"))
    with open_clip(folder / "p.####.exr") as clip:
        found = turns(repeats, ours=partial(ours, clip), bare=partial(bare_images, paths))
    yield row(f"read EXR half RGB, 3 frames, {label}", found["ours"], found["bare"])


def plate(size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a plate with some grain, (H, W, 3) uint8."""
    small = cv2.resize(disc.plate_at(0, (480, 270)), size, interpolation=cv2.INTER_CUBIC).astype(np.int16)
    grain = np.random.default_rng(1).integers(-3, 4, small.shape, np.int16)
    return np.clip(small + grain, 0, 255).astype(np.uint8)


# -- writing --------------------------------------------------------------------------------------------


def bare_write(path: Path, pixels: Pixels, channels: tuple[str, ...], *, sync: bool) -> None:
    h, w, c = pixels.shape
    spec = oiio.ImageSpec(w, h, c, "half")
    spec.channelnames = channels
    spec.attribute("compression", "zip")
    out = oiio.ImageOutput.create("exr")
    out.open(str(path), spec)
    out.write_image(pixels)
    out.close()
    if sync:
        with path.open("rb+") as f:
            os.fsync(f.fileno())


def pictures(size: tuple[int, int]) -> Iterator[tuple[str, Picture]]:
    alpha = disc.alpha_at(0, size)
    colour = (plate(size).astype(np.float32) / 255) ** 2.2
    for name, preset in PRESETS.items():
        mattes = [Matte(0, o, alpha, colour) for o in (("a", "b") if preset.together else ("a",))]
        encoding = "linear" if preset.foreground else "data"
        yield name, compose(preset, mattes, 1, encoding=encoding, origin="x")


def writing(folder: Path, size: tuple[int, int], label: str, repeats: int) -> Iterator[str]:
    for name, made in pictures(size):
        writer = WRITERS.get("exr")(Delivery(folder, name, overwrite=True))
        ready = np.ascontiguousarray(premultiplied(made))
        bare = partial(bare_write, folder / "bare.exr", ready, made.channels)
        found = turns(
            repeats,
            ours=partial(writer.write, made),
            bare=partial(bare, sync=False),
            synced=partial(bare, sync=True),
        )
        yield row(f"write EXR {name}, {label}", found["ours"], found["bare"], found["synced"])


# -- the render -----------------------------------------------------------------------------------------


def render(clip: Path | None, mask: Path | None, width: int, frames: int, repeats: int) -> Iterator[str]:
    """Yield the cost of refining with writes beside it, EXRs or the cache, against refining alone."""
    plates, masks = material(clip, mask, width, min(frames, 12))
    work = [(plates[i % len(plates)], masks[i % len(plates)]) for i in range(frames)]
    refiner = REFINERS.get("closed_form")(**REFINERS.get("closed_form").settle({}))
    blocked: list[float] = []

    def alone() -> None:
        refiner.reset()
        for frame, m in work:
            refiner.refine(frame, m)

    def beside(write: Callable[[int, Matte], tuple[Callable[[], object], int]]) -> None:
        refiner.reset()
        waited = 0.0
        with WriteBehind() as writes:
            for i, (frame, m) in enumerate(work):
                matte = refiner.refine(frame, m)
                before = time.perf_counter()
                writes.put(*write(i, matte))
                waited += time.perf_counter() - before
        blocked.append(waited)

    with tempfile.TemporaryDirectory() as place:
        writer = WRITERS.get("exr")(Delivery(Path(place), "m", overwrite=True))
        cache = FrameCache(Path(place) / "shot")

        def delivered(i: int, matte: Matte) -> tuple[Callable[[], object], int]:
            made = compose(PRESETS["matte"], [matte], i, origin="x")
            return partial(writer.write, made), made.pixels.nbytes

        def cached(i: int, matte: Matte) -> tuple[Callable[[], object], int]:
            return partial(cache.write, "matte", "a", i, matte.alpha, {"key": "x"}), matte.alpha.nbytes

        found = turns(repeats, exr=partial(beside, delivered), cache=partial(beside, cached), bare=alone)
    h, w = plates[0].rgb.shape[:2]
    for name, what in (("exr", "write EXR"), ("cache", "fill the cache")):
        yield row(f"refine and {what}, {frames} frames, {w}x{h}", found[name], found["bare"])
    yield f"\nWaiting for the writer: at most {max(blocked):.3f} s."


def material(clip: Path | None, mask: Path | None, width: int, count: int) -> tuple[list[Frame], list[Mask]]:
    """Return frames and their masks, in memory; a disc where no clip is given."""
    frames, masks = [], []
    if clip is None or mask is None:
        size = (width, width * 9 // 16)
        for i in range(count):
            frames.append(Frame(i, i, Fraction(i, 24), disc.plate_at(i, size)))
            masks.append(Mask(i, "a", (disc.alpha_at(i, size) - 0.5) * 16, 1.0))
        return frames, masks
    with open_clip(clip) as source:
        for frame in source.frames(0, min(count, source.length)):
            h = round(width * frame.size[1] / frame.size[0])
            rgb = cv2.resize(frame.display(), (width, h), interpolation=cv2.INTER_CUBIC)
            frames.append(Frame(frame.index, frame.number, frame.time, rgb))
    grey = cv2.resize(cv2.imread(str(mask), 0), frames[0].size, interpolation=cv2.INTER_LINEAR)
    logits = (grey.astype(np.float32) / 255 - 0.5) * 16
    return frames, [Mask(f.index, "a", logits, 1.0) for f in frames]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--mask", type=Path)
    parser.add_argument("--width", type=int, default=1920)
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--only", choices=("read", "write", "render"))
    parser.add_argument("--markdown", type=Path)
    args = parser.parse_args()
    lines = [
        "| | CPU ours, ms | bare | overhead | wall ours, ms | bare, synced | overhead |",
        "|---|---|---|---|---|---|---|",
    ]
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}", *lines, sep="\n")
    with tempfile.TemporaryDirectory() as place:
        parts: list[Iterator[str]] = []
        for label, size in SIZES.items():
            folder = Path(place) / label
            folder.mkdir()
            if args.only in (None, "read"):
                parts.append(reading(folder, size, label, args.repeats))
            if args.only in (None, "write"):
                parts.append(writing(folder, size, label, args.repeats))
        if args.only in (None, "render"):
            parts.append(render(args.clip, args.mask, args.width, args.frames, -(-args.repeats // 3)))
        for part in parts:
            for line in part:
                print(line, flush=True)
                lines.append(line)
    if args.markdown:
        args.markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
