"""What a script's graph makes of real files: a small evaluator in numpy, on graphs of `nk.parse`.

Each class does what Foundry's reference says of it. Where that leaves numbers open (the width of Blur's
kernel, the shape of ZDefocus), what is taken is said here, and no test asks for more than that.
A class or setting that is not known fails.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray
from scipy import ndimage

from tests.hosts.nuke import nk

Plane = NDArray[np.float32]
SUFFIX = {"R": "red", "G": "green", "B": "blue", "A": "alpha"}
RGB = ("rgba.red", "rgba.green", "rgba.blue")
ALPHA = "rgba.alpha"
LAYERS = {"rgb": RGB, "rgba": (*RGB, ALPHA), "alpha": (ALPHA,), "depth": ("depth.Z",), "none": ()}


@dataclass
class Picture:
    """Channels by Nuke's names, each (H, W), row 0 on top; a channel that is not there is black."""

    size: tuple[int, int]
    planes: dict[str, Plane] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Plane:
        return self.planes.get(name, np.zeros(self.size, np.float32))

    def rgb(self) -> NDArray[np.float32]:
        """Return (H, W, 3)."""
        return np.stack([self[c] for c in RGB], axis=-1)

    def having(self, **changed: Plane) -> Picture:
        """Return a copy with other channels."""
        return Picture(self.size, {**self.planes, **changed})


class Unknown(Exception):  # noqa: N818
    """The evaluator does not know this; Nuke might."""


def evaluate(graph: nk.Graph, name: str, frame: int) -> Picture:
    """Return what a node shows on a frame of the timeline."""
    return _Run(graph).at(name, frame)


class _Run:
    def __init__(self, graph: nk.Graph) -> None:
        self.graph = graph
        self.kept: dict[tuple[str, int], Picture] = {}

    def at(self, name: str | None, frame: int) -> Picture:
        if name is None:
            raise Unknown("an input is not connected")
        if (name, frame) not in self.kept:
            item = self.graph.nodes[name]
            known = getattr(self, f"_{item.kind}", None)
            if known is None:
                raise Unknown(f"{item.kind} ({name})")
            if item.knobs.get("disable") == "true" and item.kind != "Read":
                known = self._Dot
            self.kept[name, frame] = known(item, frame)
        return self.kept[name, frame]

    def _Read(self, item: nk.Item, frame: int) -> Picture:
        first, last = int(item.knobs.get("first", 1)), int(item.knobs.get("last", 1))
        number = file_number(item, frame)
        held = min(max(number, first), last)
        if number != held and item.knobs.get("before" if number < first else "after", "hold") == "black":
            shown = read(item, held)
            return Picture(shown.size)
        return read(item, held)

    def _FrameRange(self, item: nk.Item, frame: int) -> Picture:
        return self.at(item.inputs[0], frame)

    def _Dot(self, item: nk.Item, frame: int) -> Picture:
        return self.at(item.inputs[0], frame)

    def _Group(self, item: nk.Item, frame: int) -> Picture:
        assert item.inside is not None
        inside = item.inside.nodes
        output = next(i for i in inside.values() if i.kind == "Output")
        below = output.inputs[0]
        if below is None or inside[below].kind != "Input":
            raise Unknown(f"{item.name} does more than to hand its input on")
        return self.at(item.inputs[0], frame)

    def _TimeOffset(self, item: nk.Item, frame: int) -> Picture:
        return self.at(item.inputs[0], frame - int(item.knobs.get("time_offset", 0)))

    def _Copy(self, item: nk.Item, frame: int) -> Picture:
        b, a = self.at(item.inputs[0], frame), self.at(item.inputs[1], frame)
        _same(item, a, b)
        taken = {}
        for i in range(4):
            if f"from{i}" in item.knobs:
                taken[item.knobs[f"to{i}"]] = a[item.knobs[f"from{i}"]]
        return b.having(**taken)

    def _Premult(self, item: nk.Item, frame: int) -> Picture:
        b = self.at(item.inputs[0], frame)
        return b.having(**{c: b[c] * b[ALPHA] for c in _channels(item, b, "rgb")})

    def _Unpremult(self, item: nk.Item, frame: int) -> Picture:
        b = self.at(item.inputs[0], frame)
        alpha = b[ALPHA]
        safe = np.where(alpha == 0, 1, alpha)
        return b.having(**{c: b[c] / safe for c in _channels(item, b, "rgb")})

    def _Invert(self, item: nk.Item, frame: int) -> Picture:
        b = self.at(item.inputs[0], frame)
        return b.having(**{c: 1 - b[c] for c in _channels(item, b, "all")})

    def _Clamp(self, item: nk.Item, frame: int) -> Picture:
        b = self.at(item.inputs[0], frame)
        return b.having(**{c: np.clip(b[c], 0, 1) for c in _channels(item, b, "all")})

    def _Multiply(self, item: nk.Item, frame: int) -> Picture:
        b = self.at(item.inputs[0], frame)
        return b.having(**{c: b[c] * np.float32(item.knobs["value"]) for c in _channels(item, b, "all")})

    def _Dilate(self, item: nk.Item, frame: int) -> Picture:
        b = self.at(item.inputs[0], frame)
        size = 2 * int(float(item.knobs["size"])) + 1
        return b.having(
            **{c: ndimage.grey_dilation(b[c], size=(size, size)) for c in _channels(item, b, "all")}
        )

    def _AddChannels(self, item: nk.Item, frame: int) -> Picture:
        b = self.at(item.inputs[0], frame)
        full = np.full(b.size, float(item.knobs.get("color", 0)), np.float32)
        return b.having(**{c: full for c in _channels(item, b, "none") if c not in b.planes})

    def _Expression(self, item: nk.Item, frame: int) -> Picture:
        b = self.at(item.inputs[0], frame)
        said = {c: item.knobs[f"expr{i}"] for i, c in enumerate((*RGB, ALPHA)) if f"expr{i}" in item.knobs}
        return b.having(**{c: expression(text, b) for c, text in said.items()})

    def _Blur(self, item: nk.Item, frame: int) -> Picture:
        """A Gaussian that is black outside; ``size`` is taken as its full width at half its height."""
        b = self.at(item.inputs[0], frame)
        sigma = float(item.knobs.get("size", 0)) / 2.355
        return b.having(
            **{c: ndimage.gaussian_filter(b[c], sigma, mode="constant") for c in _channels(item, b, "all")}
        )

    def _ZDefocus2(self, item: nk.Item, frame: int) -> Picture:
        """A disc of ``size`` times the depth, taken directly, as its radius; black outside."""
        b = self.at(item.inputs[0], frame)
        depth = b[item.knobs.get("z_channel", "depth.Z")]
        if item.knobs.get("math") != "direct" or np.ptp(depth):
            raise Unknown("ZDefocus2 of more than one depth")
        radius = float(item.knobs.get("size", 10)) * float(depth.flat[0])
        y, x = np.mgrid[-int(radius) : int(radius) + 1, -int(radius) : int(radius) + 1]
        disc = (x * x + y * y <= radius * radius).astype(np.float32)
        disc /= disc.sum()
        return b.having(
            **{c: ndimage.convolve(b[c], disc, mode="constant") for c in _channels(item, b, "rgba")}
        )

    def _Merge2(self, item: nk.Item, frame: int) -> Picture:
        b, a = self.at(item.inputs[0], frame), self.at(item.inputs[1], frame)
        _same(item, a, b)
        alpha = a[ALPHA]
        how = {
            "over": lambda x, y: x + y * (1 - alpha),
            "plus": lambda x, y: x + y,
            "from": lambda x, y: y - x,
        }.get(item.knobs.get("operation", "over"))
        if how is None:
            raise Unknown(f"Merge2 {item.knobs['operation']}")
        return b.having(**{c: how(a[c], b[c]).astype(np.float32) for c in (*RGB, ALPHA)})

    def _Write(self, item: nk.Item, frame: int) -> Picture:
        return self.at(item.inputs[0], frame)


def expression(text: str, b: Picture) -> Plane:
    """Return the value of an expression of Nuke's: a condition, arithmetic, max and min."""
    if not re.match(r"^[\w\s<>=?:+\-*/().,]+$", text):
        raise Unknown(f"the expression {text}")
    names = {"r": b[RGB[0]], "g": b[RGB[1]], "b": b[RGB[2]], "a": b[ALPHA]}
    names |= {"max": np.maximum, "min": np.minimum, "where": np.where}
    found = re.match(r"^([^?]+)\?([^:]+):(.+)$", text)
    python = f"where({found[1]},{found[2]},{found[3]})" if found else text
    return np.broadcast_to(np.asarray(eval(python, {"__builtins__": {}}, names), np.float32), b.size).copy()


def file_number(item: nk.Item, frame: int) -> int:
    """Return the number of the file that a Read shows on a frame."""
    mode, text = item.knobs.get("frame_mode", "expression"), str(item.knobs.get("frame", ""))
    if not text:
        return frame
    if mode == "start at":
        return frame - int(text) + int(item.knobs.get("first", 1))
    if mode == "offset":
        return frame - int(text)
    return int(eval(text, {"__builtins__": {}}, {"frame": frame}))


def read(item: nk.Item, number: int) -> Picture:
    """Return a Read's file, in linear light unless it is raw."""
    file = unmarked(item.knobs["file"])
    text = re.sub(r"%0?(\d*)d", lambda m: str(number).zfill(int(m[1] or 1)), file)
    path = Path(re.sub("#+", lambda m: str(number).zfill(len(m[0])), text))
    space = item.knobs.get("colorspace", "default")
    if path.suffix in (".mp4", ".mov", ".mkv"):
        pixels, names = _movie(path, number - 1), list("RGB")
    else:
        image = oiio.ImageInput.open(str(path))
        assert image is not None, f"{path} cannot be read"
        spec = image.spec()
        pixels = np.asarray(image.read_image(0, 0, 0, spec.nchannels, oiio.FLOAT))
        names = list(spec.channelnames)
        if spec.nchannels == 1 and names == ["Y"]:
            pixels, names = np.repeat(pixels, 3, -1), list("RGB")
    linear = item.knobs.get("raw") == "true" or (path.suffix == ".exr" and space == "default")
    if not linear and space not in ("default", "sRGB"):
        linear = space == "linear" or _unknown(space)
    planes = {}
    for i, name in enumerate(names):
        layer, _, channel = name.rpartition(".")
        plane = pixels[..., i].astype(np.float32)
        key = f"{layer or 'rgba'}.{SUFFIX.get(channel, channel)}"
        planes[key] = plane if linear or key not in RGB else light(plane)
    return Picture(planes[next(iter(planes))].shape, planes)


def unmarked(text: str) -> str:
    """Return a text in which brackets are marked as such as what it stands for."""
    return re.sub(r"\\([\[\]])", r"\1", text)


def light(code: Plane) -> Plane:
    """Return sRGB code values as linear light."""
    low = code <= 0.04045
    return np.where(low, code / 12.92, ((np.maximum(code, 0) + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _unknown(space: str) -> bool:
    raise Unknown(f"the colour space {space}")


def rate(path: Path) -> Fraction:
    """Return the rate by which a movie's frames are taken to be counted: that of its shortest step."""
    with av.open(str(path)) as movie:
        found = movie.streams.video[0].base_rate
        assert found is not None
        return found


def _movie(path: Path, index: int) -> NDArray[np.float32]:
    """Return the picture that is shown at a time of the movie's rate: the last that has begun by then."""
    last, wanted = None, index / rate(path)
    with av.open(str(path)) as movie:
        for shown in movie.decode(video=0):
            if shown.time is not None and shown.time > wanted + 1e-3:
                break
            last = shown
    if last is None:
        raise Unknown(f"{path} has no frame {index}")
    return last.to_ndarray(format="rgb24").astype(np.float32) / 255


def _channels(item: nk.Item, b: Picture, usual: str) -> tuple[str, ...]:
    said = item.knobs.get("channels", usual)
    if said == "all":
        return tuple(b.planes)
    if said not in LAYERS:
        raise Unknown(f"the channels {said}")
    return LAYERS[said]


def _same(item: nk.Item, a: Picture, b: Picture) -> None:
    if a.size != b.size:
        raise Unknown(f"{item.name} gets pictures of {a.size} and {b.size}")
