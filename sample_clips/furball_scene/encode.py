"""Composite the rendered layers and encode the clip: plate, exact alpha, first mask, metadata."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

FPS = 24
EXPOSURE = 1.35
GRAIN = 0.011  # standard deviation of the grain in mid tones, of display white


def read_exr(path: Path) -> np.ndarray:
    """An EXR file as float32, height x width x (3 or 4)."""
    with av.open(str(path)) as container:
        return np.asarray(next(container.decode(video=0)).to_ndarray(), np.float32)


def _blur(image: np.ndarray, passes: int) -> np.ndarray:
    """Repeated 3 x 3 binomial blur."""
    for _ in range(passes):
        for axis in (0, 1):
            image = 0.5 * image + 0.25 * (np.roll(image, 1, axis) + np.roll(image, -1, axis))
    return image


def straight_colour(subject: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Unpremultiplied colour of the animal, also where its coverage is thin.

    The denoised colour is premultiplied with a coverage of its own.  Inside the animal that
    is one; in the fringe both are averaged over a neighbourhood before the division, which is
    as wide as it must be to meet enough fur.
    """
    colour, weight = subject[..., :3], subject[..., 3:4]
    out = np.zeros_like(colour)
    for passes in (24, 8, 3, 1):
        near = _blur(weight, passes)
        trust = np.clip((near - 0.04) / 0.2, 0, 1) if passes < 24 else 1.0
        out += trust * (_blur(colour, passes) / np.maximum(near, 1e-4) - out)
    solid = np.clip((np.minimum(alpha[..., None], weight) - 0.9) / 0.08, 0, 1)
    return out + solid * (colour / np.maximum(weight, 0.5) - out)


def composite(work: Path, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Linear plate and alpha of one frame: ``alpha * colour + (1 - alpha) * background``."""
    coverage, subject, background = (
        read_exr(work / f"{layer}.{frame:04d}.exr") for layer in ("coverage", "subject", "background")
    )
    # Quantise first, so that the plate is made with the very alpha that is stored.
    alpha = np.round(np.clip(coverage[..., 3], 0, 1) * 65535) / 65535
    colour = straight_colour(subject, alpha)
    mix = alpha[..., None]
    return mix * colour + (1 - mix) * background[..., :3], alpha


def view_transform(linear: np.ndarray) -> np.ndarray:
    """Linear light to display values 0..1: a filmic shoulder, then the sRGB curve."""
    x = np.clip(linear * EXPOSURE, 0, None)
    luma = x @ np.array((0.2126, 0.7152, 0.0722), np.float32)

    def shoulder(v: np.ndarray) -> np.ndarray:
        knee = 0.5
        over = np.clip(v - knee, 0, None)
        return np.minimum(v, knee) + (1 - knee) * (1 - np.exp(-over / (1 - knee) * 0.75))

    kept = x * (shoulder(luma) / np.maximum(luma, 1e-6))[..., None]
    x = np.clip(0.7 * shoulder(x) + 0.3 * np.minimum(kept, 1), 0, 1)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)


def add_grain(display: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Film-like grain: strongest in the mid tones, slightly soft, mostly shared by the channels."""
    shape = display.shape[:2]
    noise = 0.8 * rng.normal(size=(*shape, 1)) + 0.6 * rng.normal(size=(*shape, 3))
    soft = noise + 0.35 * (
        np.roll(noise, 1, 0) + np.roll(noise, -1, 0) + np.roll(noise, 1, 1) + np.roll(noise, -1, 1)
    )
    soft /= np.sqrt(1 + 4 * 0.35**2)
    luma = display.mean(axis=2, keepdims=True)
    strength = GRAIN * (0.45 + 2.2 * luma * (1 - luma))
    return np.clip(display + strength * soft, 0, 1)


def plate_frame(work: Path, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Display-referred plate (0..1) and 16-bit alpha of one frame."""
    linear, alpha = composite(work, frame)
    display = add_grain(view_transform(linear), np.random.default_rng(1000 + frame))
    return display, np.round(alpha * 65535).astype(np.uint16)


def to_yuv420(display: np.ndarray) -> np.ndarray:
    """RGB 0..1 to 8-bit BT.709 limited-range planes, stacked as PyAV expects them.

    Chroma samples sit on the left column of each 2 x 2 block, as players assume.
    """
    luma = display @ np.array((0.2126, 0.7152, 0.0722))
    planes = [np.round(16 + 219 * luma).astype(np.uint8).ravel()]
    for channel, span in ((2, 1.8556), (0, 1.5748)):
        chroma = (display[..., channel] - luma) / span
        edged = np.pad(chroma, ((0, 0), (1, 1)), mode="edge")
        chroma = 0.25 * edged[:, :-2] + 0.5 * edged[:, 1:-1] + 0.25 * edged[:, 2:]
        chroma = 0.5 * (chroma[::2, ::2] + chroma[1::2, ::2])
        planes.append(np.round(128 + 224 * chroma).astype(np.uint8).ravel())
    return np.concatenate(planes).reshape(-1, display.shape[1])


def write_png(path: Path, image: np.ndarray) -> None:
    """An 8-bit gray or RGB array as a PNG file."""
    picture = av.VideoFrame.from_ndarray(image, format="gray" if image.ndim == 2 else "rgb24")
    codec = av.CodecContext.create("png", "w")
    codec.width, codec.height, codec.pix_fmt = picture.width, picture.height, picture.format.name
    codec.time_base = Fraction(1, FPS)
    path.write_bytes(b"".join(bytes(p) for p in [*codec.encode(picture), *codec.encode(None)]))


def _encode(path: Path, images: list[np.ndarray], height: int, codec: str, fmt: str, **options):
    """Encode arrays in the pixel format ``fmt`` as a video file of one stream."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS, options=options)
        stream.height, stream.width = height, images[0].shape[1]
        stream.pix_fmt = fmt
        if fmt == "yuv420p":
            context = stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709
            context.color_range = 1  # limited
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format=fmt)
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def encode_clip(work: Path, out: Path) -> None:
    """Encode every frame whose layers are rendered."""
    frames = sorted(int(p.suffixes[0][1:]) for p in work.glob("background.[0-9]*.exr"))
    if frames != list(range(len(frames))):
        raise SystemExit(f"layers in {work} are not complete from frame 0")
    pairs = [plate_frame(work, frame) for frame in frames]
    plates, alphas = [to_yuv420(p) for p, _ in pairs], [a for _, a in pairs]
    height, width = alphas[0].shape
    out.mkdir(parents=True, exist_ok=True)
    _encode(out / "plate.mp4", plates, height, "libx264", "yuv420p", crf="16", preset="slow", g="12")
    _encode(out / "alpha.mkv", alphas, height, "ffv1", "gray16le", level="3", coder="1", context="1")
    write_png(out / "mask0.png", np.where(alphas[0] > 32767, 255, 0).astype(np.uint8))
    meta = {
        "name": out.name,
        "title": "A small furry animal hopping across a forest floor",
        "frames": len(plates),
        "size": [width, height],
        "fps": FPS,
        "plate": {"file": "plate.mp4", "codec": "h264 yuv420p", "colour": "bt709, limited range"},
        "alpha": {"file": "alpha.mkv", "codec": "ffv1 gray16le", "kind": "linear coverage"},
        "mask": {"file": "mask0.png", "frame": 0, "rule": "alpha > 0.5"},
        "licence": "CC0-1.0",
        "made_with": "make_clip.py: Blender Cycles (bpy 5.0.1), then grain and encoding with PyAV",
        "mean_coverage": round(float(np.mean([a.mean() / 65535 for a in alphas])), 4),
    }
    (out / "clip.json").write_text(json.dumps(meta, indent=2) + "\n")
