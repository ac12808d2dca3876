"""Memory of the whole path over an endless clip: a looped real (or synthetic) clip of any length.

    python -m tests.bench.memory [CLIP] --frames 10000 --width 160 [--markdown FILE]

Tracks and refines the clip in one process and prints the resident memory on the way, and its slope.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import psutil

from tests import disc
from trackmatte.media import open_clip
from trackmatte.prompt import Prompt
from trackmatte.shot import Shot


def pictures(clip: Path | None, width: int) -> list[np.ndarray]:
    """Return at most 48 frames of the clip, scaled; there and back again they make an endless loop."""
    if clip is None:
        return [disc.plate_at(i, (width, width * 9 // 16 // 2 * 2)) for i in range(24)]
    with open_clip(clip) as source:
        w, h = source.size
        size = (width, round(width * h / w) // 2 * 2)
        frames = source.frames(0, min(48, source.length))
        return [cv2.resize(f.display(), size, interpolation=cv2.INTER_AREA) for f in frames]


def loop(items: list[np.ndarray], count: int) -> Iterator[np.ndarray]:
    """Yield ``count`` pictures, forwards and backwards in turn."""
    there_and_back = items + items[-2:0:-1]
    for i in range(count):
        yield there_and_back[i % len(there_and_back)]


def encode(path: Path, items: list[np.ndarray], count: int) -> None:
    """Write the looped clip."""
    h, w = items[0].shape[:2]
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=24, options={"crf": "16", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = w, h, "yuv420p"
        for picture in loop(items, count):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))


def slope(samples: list[tuple[int, float]]) -> float:
    """Return the least-squares slope in MB per frame."""
    x, y = np.array(samples).T
    return float(np.polyfit(x, y, 1)[0])


def measure(
    frames: int, width: int, clip: Path | None, mask: Path | None
) -> dict[str, list[tuple[int, float]]]:
    """Return for each pass (frames done, resident MB)."""
    process = psutil.Process()
    samples: dict[str, list[tuple[int, float]]] = {"track": [], "refine": []}
    with tempfile.TemporaryDirectory() as folder:
        movie = Path(folder) / "loop.mp4"
        items = pictures(clip, width)
        encode(movie, items, frames)
        h, w = items[0].shape[:2]
        truth = disc.alpha_at(0, (w, h)) > 0.5
        if mask is not None:
            truth = cv2.resize(cv2.imread(str(mask), 0), (w, h), interpolation=cv2.INTER_AREA) > 127
        with Shot.new(Path(folder) / "loop.shot.json", movie) as shot:
            shot.add(Prompt(0, mask=truth))
            shot.save()
            for run in (shot.track(), shot.matte()):
                for p in run:
                    if p.done % max(1, frames // 200) == 0:
                        samples[p.stage].append((p.done, process.memory_info().rss / 1e6))
    return samples


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", nargs="?", type=Path)
    parser.add_argument("--mask", type=Path, help="first frame's mask of the clip")
    parser.add_argument("--frames", type=int, default=10000)
    parser.add_argument("--width", type=int, default=160)
    parser.add_argument("--markdown", type=Path)
    args = parser.parse_args()
    begin = time.monotonic()
    samples = measure(args.frames, args.width, args.clip, args.mask)
    lines = [
        f"{platform.node() and platform.machine()}, Python {platform.python_version()}, "
        f"{args.clip or 'synthetic disc'} looped to {args.frames} frames, {args.width} px wide, "
        f"{time.monotonic() - begin:.0f} s",
        "",
        "| pass | RSS at 100 frames, MB | at 1,000 | at the end | slope after frame 200, MB/frame |",
        "|---|---|---|---|---|",
    ]
    for stage, seen in samples.items():
        at = [min(seen, key=lambda s, n=n: abs(s[0] - n))[1] for n in (100, 1000, args.frames)]
        late = [s for s in seen if s[0] > 200]
        lines.append(f"| {stage} | {at[0]:.0f} | {at[1]:.0f} | {at[2]:.0f} | {slope(late):.5f} |")
    text = "\n".join(lines)
    print(text)
    if args.markdown:
        args.markdown.write_text(text + "\n")


if __name__ == "__main__":
    main()
