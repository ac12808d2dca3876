"""How quickly the server answers a viewer: scrubbing, hovering, starting; and what it weighs when idle.

    python -m tests.bench.server MOVIE_OR_FOLDER [--frames 60]

The clip is scaled to 960x540 and 1920x1080 movies (H.264, GOP 24) and played as a viewer would: forward,
backward, and at random, each frame asked for once over HTTP.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil

from tests.engines import started
from tests.media_maker import encode
from trackmatte.media import open_clip
from trackmatte_client import Client
from trackmatte_client.protocol import messages as m

SIZES = {"540p": (960, 540), "1080p": (1920, 1080)}


def main() -> None:
    """Measure and print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--frames", type=int, default=60)
    options = parser.parse_args()
    print(
        f"{options.clip.name}, {platform.processor() or platform.machine()}, {psutil.cpu_count()} threads\n"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        starts = [start_and_stop(folder) for _ in range(3)]
        print(f"start until hello: median {statistics.median(s for s, _ in starts):.2f} s")
        print(f"idle engine: {statistics.median(r for _, r in starts):.0f} MB\n")
        clips = {n: scaled(options.clip, folder / f"{n}.mp4", s, options.frames) for n, s in SIZES.items()}
        with started(folder) as client:
            measure(client, folder, clips, options.frames)


def start_and_stop(folder: Path) -> tuple[float, float]:
    """Return (seconds until an engine answers, its MB of memory)."""
    begin = time.perf_counter()
    with started(folder) as client:
        seconds = time.perf_counter() - begin
        return seconds, psutil.Process(client.address.pid).memory_info().rss / 2**20


def scaled(clip: Path, path: Path, size: tuple[int, int], count: int) -> Path:
    """Write a movie of ``count`` frames of a clip, repeated if need be, at another size."""
    with open_clip(clip) as source:
        frames = (cv2.resize(source[i % source.length].display(), size) for i in range(count))
        return encode(path, frames, options={"g": "24", "preset": "fast"})


def measure(client: Client, folder: Path, clips: dict[str, Path], count: int) -> None:
    """Print the latencies of scrubbing and hovering."""
    rng = np.random.default_rng(1)
    print("| clip | scrub | median, ms | p90, ms |\n|---|---|---:|---:|")
    for name, clip in clips.items():
        for way, order in (
            ("forward", range(count)),
            ("backward", range(count - 1, -1, -1)),
            ("at random", rng.permutation(count).tolist()),
        ):
            shot = opened(client, folder / f"{name} {way}.shot.json", clip)
            show = partial(client.frame, shot.shot, width=960)
            row(f"{name} | {way}", times(show, order))
            if way == "at random":
                row(f"{name} | again", times(show, order))
    print("\n| clip | hover | median, ms | p90, ms |\n|---|---|---:|---:|")
    for name in clips:
        shot = client.open_shot(str(folder / f"{name} forward.shot.json"))
        for what, prompt in (("click", click), ("box", box)):
            asked = [m.Preview(prompt(float(x), float(y))) for x, y in rng.uniform(0.3, 0.7, (21, 2))]
            row(f"{name} | {what}", times(partial(client.preview, shot.shot), asked)[1:])


def opened(client: Client, path: Path, clip: Path) -> m.ShotState:
    """Make a shot with the default tracker."""
    return client.create_shot(m.CreateShot(str(path), str(clip), tracker="flow", refiner="closed_form"))


def click(x: float, y: float) -> m.Prompt:
    """A click."""
    return m.Prompt(0, points=((x, y, 1),))


def box(x: float, y: float) -> m.Prompt:
    """A box around a position."""
    return m.Prompt(0, box=(x - 0.25, y - 0.25, x + 0.25, y + 0.25))


def times(ask: Callable[[Any], object], what: Iterable[Any]) -> list[float]:
    """Return the milliseconds of each question."""
    found = []
    for each in what:
        begin = time.perf_counter()
        ask(each)
        found.append(1000 * (time.perf_counter() - begin))
    return found


def row(name: str, values: list[float]) -> None:
    """Print a line of a table."""
    print(f"| {name} | {statistics.median(values):.0f} | {np.percentile(values, 90):.0f} |", flush=True)


if __name__ == "__main__":
    main()
