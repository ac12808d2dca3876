"""Reads movies with alpha back plane by plane, apart from the code that wrote them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

MATRIX = np.linalg.inv(
    np.array(
        [
            [0.2126, 0.7152, 0.0722],
            [-0.2126 / 1.8556, -0.7152 / 1.8556, 0.5],
            [0.5, -0.7152 / 1.5748, -0.0722 / 1.5748],
        ]
    )
)
"""Y, Cb, Cr of Rec.709 to R, G, B."""


@dataclass(frozen=True)
class Shown:
    """One decoded frame."""

    time: Fraction
    rgb: np.ndarray
    """(H, W, 3) float64, code values in [0, 1] but for coding errors."""
    alpha: np.ndarray
    """(H, W) float64."""
    pixel_format: str


def planes(frame: av.VideoFrame) -> list[np.ndarray]:
    """Return the planes of a frame as they are stored."""
    found = []
    for plane, component in zip(frame.planes, frame.format.components, strict=True):
        dtype = np.dtype(np.uint16 if component.bits > 8 else np.uint8)
        rows = np.frombuffer(plane, dtype).reshape(plane.height, plane.line_size // dtype.itemsize)
        found.append(rows[:, : plane.width].astype(np.float64))
    return found


def shown(frame: av.VideoFrame) -> Shown:
    """Convert a frame with alpha by the textbook."""
    first, second, third, alpha = planes(frame)
    bits = frame.format.components[0].bits
    h, w = first.shape
    top = (1 << bits) - 1
    if frame.format.name.startswith("gbra"):
        rgb = np.dstack([third, first, second]) / top
    else:
        step = 1 << (bits - 8)
        chroma = [p.repeat(-(-h // p.shape[0]), 0).repeat(-(-w // p.shape[1]), 1) for p in (second, third)]
        blue, red = (p[:h, :w] / step for p in chroma)
        yuv = np.dstack([(first / step - 16) / 219, (blue - 128) / 224, (red - 128) / 224])
        rgb = yuv @ MATRIX.T
    assert frame.time_base is not None
    assert frame.pts is not None
    return Shown(frame.pts * frame.time_base, rgb, alpha / top, frame.format.name)


def read_movie(path: Path) -> Iterator[Shown]:
    """Yield every frame; VP9 through libvpx, since FFmpeg's own decoder drops alpha."""
    with av.open(str(path)) as movie:
        stream = movie.streams.video[0]
        decoder = stream.codec_context
        if decoder.name == "vp9":
            decoder = av.CodecContext.create("libvpx-vp9", "r")
        for packet in movie.demux(stream):
            if packet.size == 0:
                break
            yield from map(shown, decoder.decode(packet))
        yield from map(shown, decoder.decode(None))


def read_sound(path: Path, index: int = 0) -> tuple[np.ndarray, int]:
    """Return (n, channels) float64 samples in [-1, 1], in their place in time, and their rate."""
    with av.open(str(path)) as movie:
        stream = movie.streams.audio[index]
        rate = stream.codec_context.sample_rate
        resampler = av.AudioResampler(format="fltp", layout=stream.codec_context.layout, rate=rate)
        parts: list[np.ndarray] = []
        at = 0
        for frame in movie.decode(stream):
            place = round(float(frame.time) * rate)
            if not parts and place > 0:
                parts.append(np.zeros((place, stream.codec_context.layout.nb_channels)))
                at = place
            for part in resampler.resample(frame):
                samples = part.to_ndarray().T.astype(np.float64)
                if not at and place < 0:
                    samples = samples[-place:]
                parts.append(samples)
                at += len(samples)
    return np.concatenate(parts), rate
