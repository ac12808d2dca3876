"""EXR deliveries, read back with the OpenEXR bindings and Debian's own tools."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from trackmatte.errors import UsageError
from trackmatte.matte import Matte
from trackmatte.picture import Picture
from trackmatte.timecode import Timecode
from trackmatte.writers import Delivery
from trackmatte.writers.exr import ExrWriter
from trackmatte.writers.presets import PRESETS, compose, layer_names

RNG = np.random.default_rng(5)
ALPHA = np.clip(RNG.random((37, 53), np.float32) * 1.6 - 0.3, 0, 1)
COLOUR = (RNG.random((37, 53, 3)) * 4 - 0.5).astype(np.float32)


def mattes(*names: str) -> list[Matte]:
    return [Matte(0, n, np.roll(ALPHA, 3 * i, 1), COLOUR) for i, n in enumerate(names)]


def picture(preset: str = "matte", *names: str, **more: Any) -> Picture:
    if preset == "cutout":
        more = {"encoding": "linear", **more}
    return compose(PRESETS[preset], mattes(*(names or ("subject",))), 1001, **more)


def written(folder: Path, what: Picture, **how: Any) -> Path:
    delivery = Delivery(folder, "plate_subject", **how)
    with ExrWriter(delivery) as writer:
        writer.write(what)
    return delivery.path(1001, ".exr")


def read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the header and the channels, as the OpenEXR bindings see them."""
    with OpenEXR.File(str(path), separate_channels=True) as f:
        return dict(f.header()), {n: np.asarray(c.pixels) for n, c in f.channels().items()}


def half(x: np.ndarray) -> np.ndarray:
    return np.clip(x, -65504, 65504).astype(np.float16)


def test_matte_has_alpha_in_every_channel(tmp_path: Path) -> None:
    _, channels = read(written(tmp_path, picture()))
    assert sorted(channels) == ["A", "B", "G", "R"]
    for pixels in channels.values():
        assert pixels.dtype == np.float16
        np.testing.assert_array_equal(pixels, half(ALPHA))


def test_alpha_has_one_channel(tmp_path: Path) -> None:
    _, channels = read(written(tmp_path, picture("alpha")))
    assert list(channels) == ["A"]
    np.testing.assert_array_equal(channels["A"], half(ALPHA))


def test_cutout_is_premultiplied_and_keeps_values_above_one(tmp_path: Path) -> None:
    header, channels = read(written(tmp_path, picture("cutout")))
    np.testing.assert_array_equal(channels["A"], half(ALPHA))
    for i, name in enumerate("RGB"):
        np.testing.assert_array_equal(channels[name], half(COLOUR[..., i] * ALPHA))
    assert max(c.max() for c in channels.values()) > 1
    assert header["colorInteropID"] == "lin_rec709_scene"
    assert header["trackmatte:colorspace"] == "Linear Rec.709 (sRGB)"
    assert header["trackmatte:alpha"] == "premultiplied"


def test_cutout_can_be_straight(tmp_path: Path) -> None:
    header, channels = read(written(tmp_path, picture("cutout"), premultiplied=False))
    assert header["trackmatte:alpha"] == "straight"
    np.testing.assert_array_equal(channels["G"], half(COLOUR[..., 1]))


def test_multi_has_one_layer_per_object(tmp_path: Path) -> None:
    _, channels = read(written(tmp_path, picture("multi", "hero", "the dog", "3rd", "hero.left")))
    assert sorted(channels) == ["_3rd.A", "hero.A", "hero_left.A", "the_dog.A"]
    np.testing.assert_array_equal(channels["the_dog.A"], half(np.roll(ALPHA, 3, 1)))


def test_layer_names_are_never_alike() -> None:
    assert layer_names(["a b", "a.b", "a_b", "über", "", "2"]) == [
        "a_b",
        "a_b_2",
        "a_b_3",
        "ber",
        "object",
        "_2",
    ]


@pytest.mark.parametrize("compression", ["zip", "zips", "piz", "pxr24", "none"])
def test_compressions_keep_every_bit(tmp_path: Path, compression: str) -> None:
    header, channels = read(written(tmp_path, picture("cutout"), compression=compression))
    kind = "NO" if compression == "none" else compression.upper()
    assert header["compression"] == getattr(OpenEXR, f"{kind}_COMPRESSION")
    np.testing.assert_array_equal(channels["R"], half(COLOUR[..., 0] * ALPHA))


def test_float_keeps_every_bit(tmp_path: Path) -> None:
    _, channels = read(written(tmp_path, picture(), depth="float"))
    assert channels["A"].dtype == np.float32
    np.testing.assert_array_equal(channels["A"], ALPHA)


@pytest.mark.parametrize("how", [{"compression": "dwaa"}, {"compression": "pxr24", "depth": "float"}])
def test_lossy_compressions_are_refused_with_the_reason(tmp_path: Path, how: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"would change a matte .* lossy"):
        ExrWriter(Delivery(tmp_path, "m", **how))
    with pytest.raises(UsageError, match="no compression 'wibble'"):
        ExrWriter(Delivery(tmp_path, "m", compression="wibble"))


def test_values_beyond_half_are_held_not_made_infinite(tmp_path: Path) -> None:
    bright = Picture(1001, np.full((2, 2, 4), 1e6, np.float32), ("R", "G", "B", "A"), "linear")
    _, channels = read(written(tmp_path, bright, premultiplied=False))
    assert channels["R"].max() == 65504


def window(header: dict[str, Any], name: str) -> list[list[int]]:
    return [[int(v) for v in corner] for corner in header[name]]


def test_the_data_window_is_full_unless_tight_is_asked_for(tmp_path: Path) -> None:
    alpha = np.zeros((37, 53), np.float32)
    alpha[5:9, 11:20] = 0.5
    what = compose(PRESETS["matte"], [Matte(0, "s", alpha)], 1001)
    header, _ = read(written(tmp_path / "full", what))
    assert window(header, "dataWindow") == window(header, "displayWindow") == [[0, 0], [52, 36]]
    header, channels = read(written(tmp_path / "tight", what, tight=True))
    assert window(header, "displayWindow") == [[0, 0], [52, 36]]
    assert window(header, "dataWindow") == [[11, 5], [19, 8]]
    np.testing.assert_array_equal(channels["A"], half(alpha[5:9, 11:20]))
    nothing = compose(PRESETS["matte"], [Matte(0, "s", alpha * 0)], 1001)
    header, channels = read(written(tmp_path / "empty", nothing, tight=True))
    assert window(header, "dataWindow") == [[0, 0], [0, 0]]
    assert sorted(channels) == ["A", "B", "G", "R"]


def test_what_the_header_says(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        replace(picture("cutout", origin="abc"), timecode=Timecode.parse("01:00:00:05", Fraction(24))),
        rate=Fraction(24000, 1001),
        pixel_aspect=Fraction(4, 3),
        facts={"prompts": "subject@1001: box", "shot": "123"},
    )
    header, _ = read(path)
    assert Fraction(header["framesPerSecond"]) == Fraction(24000, 1001)
    assert header["pixelAspectRatio"] == pytest.approx(4 / 3)
    assert header["Software" if "Software" in header else "software"].startswith("Trackmatte ")
    assert header["trackmatte:frame"] == 1001
    stamp = header["timeCode"]
    assert (stamp.hours, stamp.minutes, stamp.seconds, stamp.frame) == (1, 0, 0, 5)
    assert not stamp.dropFrame
    assert header["trackmatte:origin"] == "abc"
    assert header["trackmatte:prompts"] == "subject@1001: box"
    assert header["trackmatte:shot"] == "123"


def test_same_picture_same_bytes(tmp_path: Path) -> None:
    one, two = (written(tmp_path / n, picture("cutout")).read_bytes() for n in "ab")
    assert one == two


@pytest.mark.parametrize("preset", ["matte", "alpha", "cutout", "multi"])
def test_debian_tools_agree(tmp_path: Path, preset: str) -> None:
    for tool in ("exrheader", "oiiotool"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed (Debian: openexr, openimageio-tools)")
    path = written(tmp_path, picture(preset), rate=Fraction(24000, 1001))
    told = subprocess.run(["exrheader", path], capture_output=True, text=True, check=True).stdout
    assert "24000/1001" in told
    assert "zip" in told
    for name in picture(preset).channels:
        assert f"{name}, 16-bit floating-point" in told
    stats = subprocess.run(["oiiotool", "--stats", path], capture_output=True, text=True, check=True).stdout
    average = float(next(line for line in stats.splitlines() if "Stats Avg" in line).split()[-2])
    assert average == pytest.approx(float(half(ALPHA).astype(np.float64).mean()), abs=2e-3)
