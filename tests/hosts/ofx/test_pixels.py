"""Every layout a host may choose, bit for bit against numpy."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy import ndimage

from tests.hosts.ofx import model, wire
from tests.hosts.ofx.driver import DEPTHS, OPAQUE, PREMULTIPLIED, STRAIGHT, Host
from tests.hosts.ofx.wire import FakeEngine

Starter = Callable[..., AbstractContextManager[Host]]
SESSION = "01234567-89ab-4cde-8f01-23456789abcd"
UNTOUCHED = 0x5A
GENERAL = "OfxImageEffectContextGeneral"


def matte(key: int, w: int, h: int) -> np.ndarray:
    """Return a matte with hard, soft and empty parts, another one for each frame and size."""
    r = np.random.default_rng(key * 7919 + w * 31 + h)
    m = r.random((h, w), np.float32)
    m[: h // 3], m[h // 3 : h // 2] = 1, 0
    return m


def pixels(depth: str, size: tuple[int, int], comps: int = 4, seed: int = 1) -> np.ndarray:
    """Return noise with full, empty and partial alpha; in float also beyond [0, 1]."""
    r = np.random.default_rng(seed)
    dtype = np.dtype(DEPTHS[depth])
    if dtype.kind == "u":
        x = r.integers(0, np.iinfo(dtype).max + 1, (*size, comps), dtype)
        full = np.iinfo(dtype).max
    else:
        x = (r.random((*size, comps), np.float32) * 3 - 1).astype(dtype)
        full = 1
    if comps != 3:
        x[:: size[0] // 2, :, -1] = full
        x[1 :: size[0] // 2, :, -1] = 0
        if dtype.kind == "f":
            x[..., -1] = np.clip(x[..., -1], 0, 1)
    return x


@pytest.fixture
def ready(host: Starter, runtime: Path) -> Iterator[tuple[Host, FakeEngine]]:
    """A host with an engine whose mattes are `matte`."""
    with FakeEngine(runtime) as engine, host() as h:
        engine.matte = matte
        h.set("session", SESSION)
        yield h, engine


def expected(
    source: np.ndarray, m: np.ndarray, output: int, alpha: str, window: tuple[int, ...]
) -> np.ndarray:
    """Return the host's buffer: the window (x1, y1, x2, y2, y upwards) and around it what was there."""
    h, w, _ = source.shape
    x1, y1, x2, y2 = (max(window[0], 0), max(window[1], 0), min(window[2], w), min(window[3], h))
    want = np.full(source.nbytes, UNTOUCHED, np.uint8).view(source.dtype).reshape(source.shape)
    if x2 > x1 and y2 > y1:
        want[h - y2 : h - y1, x1:x2] = model.shown(source, m, output, alpha)[h - y2 : h - y1, x1:x2]
    return want


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("output", [model.ALPHA, model.RGB, model.CUTOUT, model.SOURCE])
def test_every_layout(ready: tuple[Host, FakeEngine], depth: str, output: int) -> None:
    """depth x output x row order x padding x source's alpha x render scale x window."""
    h, _ = ready
    h.set("output", output)
    for (w, height), scale in (((37, 26), 1), ((19, 13), 0.5)):
        source = pixels(depth, (height, w))
        for negative, pad, alpha in itertools.product((0, 1), (0, 20), (OPAQUE, PREMULTIPLIED, STRAIGHT)):
            h.source(source[None], first=5, negative=negative, pad=pad, alpha=alpha)
            for window in (
                (0, 0, w, height),
                (3, 4, w - 5, height - 2),
                (-9, 7, 8, height + 50),
                (2, 2, 3, 3),
                (5, 5, 5, 9),
            ):
                out, _ = h.render(5, window=" ".join(map(str, window)), scale=scale)
                want = expected(source, matte(5, w, height), output, alpha, window)
                assert out.tobytes() == want.tobytes(), (scale, negative, pad, alpha, window)


@pytest.mark.parametrize("comps", [1, 3])
@pytest.mark.parametrize("depth", DEPTHS)
def test_pictures_without_colour_or_alpha(ready: tuple[Host, FakeEngine], depth: str, comps: int) -> None:
    h, _ = ready
    source = pixels(depth, (21, 18), comps)
    h.source(source[None], alpha=OPAQUE)
    for output in (model.ALPHA, model.RGB, model.CUTOUT):
        h.set("output", output)
        out, _ = h.render()
        assert out.tobytes() == model.shown(source, matte(0, 18, 21), output, OPAQUE).tobytes()
    h.set("output", model.ALPHA)
    h.render()
    assert ("no alpha channel" in h.report()["message"]) == (comps == 3)


def test_the_output_lies_elsewhere_than_the_source(ready: tuple[Host, FakeEngine]) -> None:
    """The source is a part of its frame; the output reaches beyond it, and is 0 there."""
    h, engine = ready
    source = pixels("Float", (20, 30))
    h.source(source[None], x1=-4, y1=6, rx=-10, ry=0, rw=50, rh=40, alpha=STRAIGHT)
    h.output("Float", "RGBA", 40, 30, x1=-9, y1=3)
    out, _ = h.render()
    whole = matte(0, 50, 40)
    part = whole[40 - 26 : 40 - 6, 6:36]  # y from 6 to 26, x from -4 to 26
    want = np.zeros((30, 40, 4), np.float32)
    want[33 - 26 : 33 - 6, 5:35] = model.shown(source, part, model.ALPHA, STRAIGHT)
    assert out.tobytes() == want.tobytes()
    asked = engine.heard(wire.MATTE)[0]
    assert (asked["pixels"]["w"], asked["pixels"]["h"]) == (50, 40)
    assert asked["hash"] == ""  # a part of a picture says nothing of the whole


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("other", DEPTHS)
def test_output_of_another_depth(ready: tuple[Host, FakeEngine], depth: str, other: str) -> None:
    """Hosts should not do it; the values are converted all the same."""
    h, _ = ready
    source = pixels(depth, (9, 11))
    h.source(source[None], alpha=OPAQUE)
    h.output(other, "RGBA", 11, 9)
    h.set("output", model.SOURCE)
    out, _ = h.render()
    assert out.tobytes() == model.from_float(model.to_float(source), np.dtype(DEPTHS[other])).tobytes()


def test_every_half(ready: tuple[Host, FakeEngine]) -> None:
    """All 65,536 halfs to float and back; floats to half to the nearest, ties to even, as numpy does."""
    h, _ = ready
    h.set("output", model.SOURCE)
    bits = np.arange(65536, dtype=np.uint16).view(np.float16).reshape(1, 64, 256, 4)
    h.source(bits)
    h.output("Float", "RGBA", 256, 64)
    out, _ = h.render()
    assert np.array_equal(out, bits[0].astype(np.float32), equal_nan=True)
    r = np.random.default_rng(3).integers(0, 1 << 32, (1, 256, 256, 4), dtype=np.uint32).view(np.float32)
    ties = (np.arange(65536, dtype=np.uint32) << 13 | 1 << 12).view(np.float32).reshape(1, 64, 256, 4)
    for floats in (
        r,
        ties,
        np.float32(2) ** np.linspace(-30, 17, 4096, dtype=np.float32).reshape(1, 16, 64, 4),
    ):
        h.source(floats)
        h.output("Half", "RGBA", floats.shape[2], floats.shape[1])
        out, _ = h.render()
        with np.errstate(over="ignore", invalid="ignore"):
            assert np.array_equal(out, floats[0].astype(np.float16), equal_nan=True)


@pytest.mark.parametrize("scale", [1, 0.5])
@pytest.mark.parametrize("grow", [1, 4, -3, 2.5, -1.25, 40, -100])
def test_shrink_and_grow(ready: tuple[Host, FakeEngine], grow: float, scale: float) -> None:
    """The largest (smallest) value in a disc; between whole radii the line between the two."""
    h, _ = ready
    h.source(np.zeros((1, 48, 67, 4), np.float32))
    h.set("output", model.RGB)
    h.set("shrinkGrow", grow)
    out, _ = h.render(scale=scale)
    m = matte(0, 67, 48)

    def disc(x: np.ndarray, radius: int) -> np.ndarray:
        y, xs = np.ogrid[-radius : radius + 1, -radius : radius + 1]
        return ndimage.grey_dilation(x, footprint=y * y + xs * xs <= radius * radius, mode="constant", cval=0)

    size = abs(grow) * scale
    whole, share = int(size), np.float32(size - int(size))
    x = m if grow > 0 else 1 - m
    want = disc(x, whole)
    if share:
        want = want + (disc(x, whole + 1) - want) * share
    assert np.array_equal(out[..., 0], want if grow > 0 else 1 - want)


@pytest.mark.parametrize(("feather", "scale"), [(0.4, 1), (1, 1), (3.7, 1), (3.7, 0.5), (25, 1), (100, 1)])
def test_feather_is_a_gaussian(ready: tuple[Host, FakeEngine], feather: float, scale: float) -> None:
    """Three boxes have the Gaussian's width and sum, and its shape within 6.5 % of the peak."""
    h, engine = ready
    n = 801 if feather > 10 else 101
    point = np.zeros((n, n), np.float32)
    point[n // 2, n // 2] = 1
    engine.matte = lambda *_: point
    h.source(np.zeros((1, n, n, 4), np.float32))
    h.set("output", model.RGB)
    h.set("feather", feather)
    out, _ = h.render(scale=scale)
    got = out[..., 0].astype(np.float64)
    at = np.arange(n) - n // 2
    assert got.sum() == pytest.approx(1, abs=1e-4)
    assert np.sqrt((got.sum(0) * at**2).sum()) == pytest.approx(feather * scale, rel=2e-3)
    want = np.exp(-(at**2) / (2 * (feather * scale) ** 2))
    want /= want.sum()
    if feather * scale >= 1:
        assert np.abs(got.sum(0) - want).max() < 0.065 * want.max()


def test_edges_of_the_frame_stay(ready: tuple[Host, FakeEngine]) -> None:
    """A matte that leaves the frame is not dark at the border."""
    h, engine = ready
    engine.matte = lambda _key, w, h: np.ones((h, w), np.float32)
    h.source(np.zeros((1, 20, 30, 4), np.float32))
    h.set("output", model.RGB)
    h.set("feather", 9)
    out, _ = h.render()
    assert np.abs(out[..., 0] - 1).max() < 1e-6


def test_background_blur(ready: tuple[Host, FakeEngine]) -> None:
    """The subject stays as it is and does not bleed; the rest is OpenCV's Gaussian, nearly."""
    h, engine = ready
    m = np.zeros((90, 120), np.float32)
    m[30:60, 40:80] = 1
    m = cv2.GaussianBlur(m, (0, 0), 1.5)
    engine.matte = lambda *_: m
    r = np.random.default_rng(5)
    plate = cv2.GaussianBlur(r.random((90, 120, 4), np.float32), (0, 0), 2)
    plate[m > 0.9999, :3] = (50, 0, 0)
    h.source(plate[None])
    h.set("output", model.BLUR)
    h.set("blurAmount", 6)
    out, _ = h.render()
    w = 1 - m
    soft = cv2.GaussianBlur(plate[..., :3] * w[..., None], (0, 0), 6, borderType=cv2.BORDER_REPLICATE)
    behind = soft / cv2.GaussianBlur(w, (0, 0), 6, borderType=cv2.BORDER_REPLICATE)[..., None]
    want = plate[..., :3] * m[..., None] + behind * w[..., None]
    assert np.abs(out[..., :3] - want)[m < 1e-3].max() < 0.05
    assert np.array_equal(out[m == 1][:, :3], plate[m == 1][:, :3])
    assert np.array_equal(out[..., 3], plate[..., 3])


def test_frames_go_by_time_offset_and_the_hosts_number(ready: tuple[Host, FakeEngine]) -> None:
    h, engine = ready
    h.source(np.zeros((20, 4, 4, 4), np.uint8), first=0)
    h.render(7)
    h.set("frameOffset", 1000)
    h.render(7)
    h.render(7.4)
    h.render(7, srcframe=86400)
    assert [said["key"] for said in engine.heard(wire.MATTE)] == [7, 1007, 1007, 86400]


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("size", [(90, 160), (7, 5), (1, 1), (131, 77)])
def test_hash(ready: tuple[Host, FakeEngine], depth: str, size: tuple[int, int]) -> None:
    h, engine = ready
    r = np.random.default_rng(9)
    small = r.random((4, 5, 3), np.float32)
    picture = cv2.resize(small, (size[1], size[0]), interpolation=cv2.INTER_CUBIC).reshape(*size, 3)
    source = np.concatenate([picture, r.random((*size, 1), np.float32)], 2)
    given = model.from_float(source, np.dtype(DEPTHS[depth]))
    h.source(given[None], negative=1)
    h.render()
    assert engine.heard(wire.MATTE)[0]["hash"] == model.hash_of(given)


def test_clip_preferences_and_identity(ready: tuple[Host, FakeEngine]) -> None:
    h, _ = ready
    said: list[tuple[Any, ...]] = []
    for output in range(5):
        h.set("output", output)
        got = h.ask("prefs")
        said.append((got["prefs"], got["alpha"], got["identity"], got["clip"]))
    assert said == [
        (0, STRAIGHT, 14, ""),
        (0, OPAQUE, 14, ""),
        (0, PREMULTIPLIED, 14, ""),
        (14, "", 14, ""),
        (14, "", 0, "Source"),
    ]


def test_preferences_follow_the_output(ready: tuple[Host, FakeEngine]) -> None:
    """The host asks again when the output changes; where it may, an RGB source gets an alpha."""
    h, _ = ready
    told = h.load(context=GENERAL)
    assert told["slave"] == "output"
    other = h.ask("create", context=GENERAL)["id"]
    try:
        found = {}
        for which in (0, other):
            for output in range(5):
                h.ask("set", id=which, param="output", value=output)
                found[which, output] = h.ask("prefs", id=which)["comps"]
        assert {k for k, v in found.items() if v} == {(other, model.ALPHA), (other, model.CUTOUT)}
        assert {v for v in found.values() if v} == {"OfxImageComponentRGBA"}
    finally:
        h.ask("destroy", id=other)


def test_an_alpha_beside_an_rgb_source(ready: tuple[Host, FakeEngine]) -> None:
    """As in Natron: context General, the clip is RGB and the output, by the preferences, RGBA."""
    h, engine = ready
    h.load(context=GENERAL)
    i = h.ask("create", context=GENERAL)["id"]
    try:
        source = pixels("Float", (9, 11), 3)
        h.source(source[None], alpha=OPAQUE, id=i)
        h.output("Float", "RGBA", 11, 9, id=i)
        h.ask("set", id=i, param="session", value=SESSION)
        out, _ = h.render(id=i)
        assert out[..., :3].tobytes() == source.tobytes()
        assert out[..., 3].tobytes() == matte(0, 11, 9).tobytes()
        assert h.report()["messages"] == 0
        engine.reply["state"] = "miss"
        out, _ = h.render(id=i)
        assert out[..., :3].tobytes() == source.tobytes()
        assert (out[..., 3] == 1).all()
    finally:
        h.ask("destroy", id=i)


def test_choices_by_number_in_kdenlive(host: Starter) -> None:
    """Kdenlive sets a choice's number as text, where MLT looks for the label."""
    with host(name="MLT") as h:
        h.source(np.zeros((1, 4, 4, 4), np.uint8))
        for text, want in (("4", "Source"), ("Source", ""), ("9", ""), ("4 ", ""), ("", "")):
            h.set("output", text)
            assert h.ask("prefs")["clip"] == want
        h.set("output", "2")
        assert h.ask("prefs")["alpha"] == PREMULTIPLIED
