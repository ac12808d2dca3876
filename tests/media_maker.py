"""Clips the tests encode themselves: every frame carries its own index as black and white blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from tests.counters import counter_image

COUNT = 40
"""Frames in each of MOVIES."""
X264 = {"x264-params": "open-gop=1:keyint=12:scenecut=0:bframes=2:b-pyramid=none"}
X265 = {"x265-params": "log-level=none:keyint=12:bframes=2:pools=1:frame-threads=1"}
VP9 = {"deadline": "realtime", "cpu-used": "8", "g": "12"}
UNEVEN = [n * 41 + 13 * (n % 3) + (200 if n > 20 else 0) for n in range(COUNT)]
MOVIES: dict[str, dict[str, Any]] = {
    "h264.mp4": {"options": X264},
    "h264_faststart.mp4": {"options": X264, "container_options": {"movflags": "faststart"}},
    "hevc10.mp4": {"codec": "libx265", "pix_fmt": "yuv420p10le", "options": X265},
    "prores.mov": {"codec": "prores_ks", "pix_fmt": "yuv422p10le"},
    "ffv1.mkv": {"codec": "ffv1", "pix_fmt": "yuv444p16le"},
    "h264.mkv": {"options": X264},
    "vp9.webm": {"codec": "libvpx-vp9", "options": VP9},
    "h264.ts": {"options": X264},
    "mpeg2.mxf": {"codec": "mpeg2video", "pix_fmt": "yuv422p", "rate": 25, "options": {"g": "12", "bf": "2"}},
    "mpeg2.mpg": {"codec": "mpeg2video", "rate": 25, "options": {"g": "12", "bf": "2"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"g": "12", "bf": "2"}},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "raw.h264": {"options": X264},
    "vfr.mp4": {"options": X264, "times": UNEVEN},
    "vfr.mkv": {"options": X264, "times": UNEVEN},
}
"""Movies of every kind, as options of `encode_counter`."""


def encode(
    path: Path,
    images: Iterable[NDArray[Any]],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rate: Fraction | int = 24,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    times: Sequence[int] | None = None,
    colorspace: int | None = None,
    matrix: int | None = None,
    rotation: int = 0,
    aspect: Fraction | None = None,
    in_format: str | None = None,
    timecode: str | None = None,
) -> Path:
    """Encode (H, W, 3) images into a movie and return its path.

    Parameters
    ----------
    times : presentation times in milliseconds, one per image, for a variable frame rate.
    colorspace : AVCOL_SPC number to tag (1: Rec.709, 5: 601); None: no tag.
    matrix : AVCOL_SPC number to convert with, if not that of the tag.
    rotation : counter-clockwise degrees for the display matrix.
    timecode : label of the first frame.
    """
    with av.open(str(path), "w", options=container_options or {}) as out:
        stream = None
        if timecode is not None:
            out.metadata["timecode"] = timecode
        for k, image in enumerate(images):
            if stream is None:
                stream = out.add_stream(codec, rate=rate, options={"threads": "1", **(options or {})})
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt = pix_fmt
                if times is not None:
                    stream.codec_context.time_base = Fraction(1, 1000)
                if colorspace is not None:
                    stream.codec_context.colorspace = colorspace
                if aspect is not None:
                    stream.codec_context.sample_aspect_ratio = aspect
                if rotation:
                    stream.set_display_rotation(rotation)
            source = in_format or ("rgb48le" if image.dtype == np.uint16 else "rgb24")
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=source)
            frame = frame.reformat(format=pix_fmt, dst_colorspace=matrix or colorspace)
            if times is not None:
                frame.pts, frame.time_base = times[k], Fraction(1, 1000)
            else:
                frame.pts, frame.time_base = k, 1 / Fraction(rate)
            out.mux(stream.encode(frame))
        assert stream is not None
        out.mux(stream.encode(None))
    return path


def encode_counter(path: Path, count: int, *, size: tuple[int, int] = (160, 96), **kwargs: Any) -> Path:
    """Encode ``count`` frames that each carry their own index; see `encode` for the options."""
    return encode(path, (counter_image(k, size) for k in range(count)), **kwargs)


def encode_audio(path: Path) -> Path:
    """Write a short movie file without a video stream."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=48000, layout="mono")
        for k in range(10):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 48000, 1024 * k, Fraction(1, 48000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def write_image(
    path: Path,
    pixels: NDArray[Any],
    *,
    names: Sequence[str] | None = None,
    attributes: dict[str, Any] | None = None,
    window: Callable[[oiio.ImageSpec], None] | None = None,
    format: Any = None,
) -> Path:
    """Write (H, W, C) pixels with OpenImageIO; ``window`` may edit the spec before the file is opened."""
    h, w, c = pixels.shape
    kind = {"uint8": "uint8", "uint16": "uint16", "float16": "half", "float32": "float"}[pixels.dtype.name]
    spec = oiio.ImageSpec(w, h, c, format or kind)
    if names is not None:
        spec.channelnames = tuple(names)
    for key, value in (attributes or {}).items():
        spec.attribute(key, *value) if isinstance(value, tuple) else spec.attribute(key, value)
    if window is not None:
        window(spec)
    out = oiio.ImageOutput.create(str(path))
    assert out is not None, oiio.geterror()
    assert out.open(str(path), spec), out.geterror()
    assert out.write_image(np.ascontiguousarray(pixels)), out.geterror()
    out.close()
    return path


def write_counters(
    folder: Path, name: str, numbers: Iterable[int], *, size: tuple[int, int] = (160, 96)
) -> Path:
    """Write one image per number with the number burnt in; ``name`` is a format such as ``a.{:04d}.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    for n in numbers:
        image = counter_image(n, size)
        path = folder / name.format(n)
        floating = path.suffix == ".exr"
        write_image(path, (image / 255).astype(np.float16) if floating else image)
    return folder


def packet_spans(path: Path) -> list[tuple[int, int, bool]]:
    """Return (byte offset, size, is keyframe) of the video packets, in decode order."""
    with av.open(str(path)) as movie:
        return [
            (p.pos, p.size, p.is_keyframe)
            for p in movie.demux(movie.streams.video[0])
            if p.size and p.pos is not None
        ]


def damage(path: Path, start: int, size: int, seed: int = 0) -> None:
    """Overwrite bytes of a file with noise."""
    noise = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8).tobytes()
    with path.open("r+b") as f:
        f.seek(start)
        f.write(noise)
