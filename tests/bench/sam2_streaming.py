"""SAM 2 streaming against the official predictor: the same clip, the same weights, one process.

    TQDM_DISABLE=1 python -m tests.bench.sam2_streaming CLIP --mask MASK [--sizes micro:128:1000 ...]

CLIP is a pattern of JPEG frames; it is looped there and back. Weights are random (scaled as in
tests/micro.py): speed, memory and equality do not depend on them, quality is not measured here. Each size
is MODEL:PIXELS:FRAMES. Prints frames per second of both (decoding included), their ratio, memory and its
slope, and whether every frame's logits are equal to the last bit.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import os
import platform
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import psutil
import torch

from tests import micro
from tests.bench.memory import slope
from trackmatte.media import decode_ahead, open_clip
from trackmatte.prompt import Prompt
from trackmatte.trackers.sam2 import SAM2Tracker


@dataclass
class Run:
    """What a run gave."""

    seconds: float = 0.0
    hashes: list[str] = field(default_factory=list)
    memory: list[tuple[int, float]] = field(default_factory=list)
    """(frame, resident MB)."""


def note(run: Run, i: int, logits: np.ndarray) -> None:
    run.hashes.append(hashlib.sha256(np.ascontiguousarray(logits).tobytes()).hexdigest())
    if i % 10 == 0 or i < 10:
        run.memory.append((i, psutil.Process().memory_info().rss / 1e6))


def loop(folder: Path, source: str, count: int) -> Path:
    """Link the clip there and back into a folder of ``count`` numbered JPEG files."""
    files = sorted(Path(source).parent.glob("*.jpg"))[:48]
    turns = files + files[-2:0:-1]
    target = folder / f"jpg{count}"
    target.mkdir(exist_ok=True)
    for i in range(count):
        link = target / f"{i:06d}.jpg"
        if not link.exists():
            link.symlink_to(turns[i % len(turns)].absolute())
    return target


def ours(clip: Path, mask: np.ndarray, settings: dict[str, str]) -> Run:
    run = Run()
    with open_clip(clip / "%06d.jpg") as source:
        tracker = SAM2Tracker(length=source.length, device="cpu", **settings)
        begin = time.perf_counter()
        tracker.prompt(source[0], Prompt(0, mask=mask))
        frames = ((f, tracker.look(f)) for f in source.frames(0, source.length))
        for frame, look in decode_ahead(frames):
            (out,) = tracker.step(frame, look)
            if frame.index:
                note(run, frame.index, out.logits)
        run.seconds = time.perf_counter() - begin
    return run


def official(clip: Path, mask: np.ndarray, folder: Path, config: Path) -> Run:
    run = Run()
    predictor = micro.official(folder, config_file=config)
    begin = time.perf_counter()
    state = predictor.init_state(str(clip))
    predictor.add_new_mask(state, 0, 0, torch.from_numpy(mask))
    outputs = state["output_dict_per_obj"][0]["non_cond_frame_outputs"]
    with torch.inference_mode():
        for i, _, _ in predictor.propagate_in_video(state, 0):
            if i:
                note(run, i, outputs[i]["pred_masks"][0, 0].numpy())
    run.seconds = time.perf_counter() - begin
    return run


def steepness(run: Run) -> str:
    """Return the slope of the resident memory after the first frames; fewer than 100 say nothing."""
    return f"{slope([m for m in run.memory if m[0] > 20]):.3f}"


def same_pixels(clip: Path) -> bool:
    """Whether both engines decode the same pixels, without which nothing can be equal."""
    from PIL import Image

    with open_clip(clip / "%06d.jpg") as source:
        return np.array_equal(source[0].display(), np.asarray(Image.open(clip / "000000.jpg").convert("RGB")))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip")
    parser.add_argument("--mask", type=Path, required=True)
    parser.add_argument(
        "--sizes",
        nargs="*",
        default=["micro:128:100", "micro:128:1000", "tiny:256:100", "tiny:512:40", "tiny:1024:16"],
    )
    parser.add_argument(
        "--long", type=int, default=10000, help="frames of the micro model, ours alone; 0 = none"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=2, help="runs of each, in turn; the fastest counts")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    mask = cv2.imread(str(args.mask), 0) > 127
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {args.threads} threads, "
        f"Python {platform.python_version()}, torch {torch.__version__}, {args.clip} looped, random weights\n"
    )
    print(
        "| model, size | frames | ours, frames/s | official | ratio | slope ours, MB/frame | official "
        "| peak ours, MB | official | equal |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in args.sizes:
            model, pixels, count = size.split(":")
            config = micro.config(folder, int(pixels), tiny=model == "tiny")
            settings = micro.files(folder, config)
            clip = loop(folder, args.clip, int(count))
            assert same_pixels(clip), "the two JPEG decoders differ"
            mine, theirs = [], []
            for _ in range(args.repeat):
                mine.append(ours(clip, mask, settings))
                gc.collect()
                theirs.append(official(clip, mask, folder, config))
                gc.collect()
            a, b = (min(runs, key=lambda r: r.seconds) for runs in (mine, theirs))
            fps = [int(count) / r.seconds for r in (a, b)]
            late = [steepness(r) if int(count) >= 100 else "-" for r in (mine[0], theirs[0])]
            peak = [max(m for _, m in r.memory) for r in (mine[0], theirs[0])]
            print(
                f"| {model} {pixels} | {count} | {fps[0]:.2f} | {fps[1]:.2f} | {fps[0] / fps[1]:.2f} "
                f"| {late[0]} | {late[1]} | {peak[0]:.0f} | {peak[1]:.0f} "
                f"| {'yes' if a.hashes == b.hashes else 'NO'} |",
                flush=True,
            )
        if args.long:
            config = micro.config(folder)
            settings = micro.files(folder, config)
            run = ours(loop(folder, args.clip, args.long), mask, settings)
            late = [m for m in run.memory if m[0] > 200]
            at = {n: min(run.memory, key=lambda m: abs(m[0] - n))[1] for n in (100, 1000, args.long)}
            print(
                f"\nOurs, micro 128, {args.long} frames: "
                + ", ".join(f"{mb:.0f} MB at {n}" for n, mb in at.items())
                + f"; slope after frame 200 {slope(late):.5f} MB/frame; "
                f"{args.long / run.seconds:.1f} frames/s"
            )


if __name__ == "__main__":
    main()
