"""Tags of clips to colours, and plates whose pixels arrive as other readers see them."""

from __future__ import annotations

import re
import struct
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import OpenEXR
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from tests import disc
from tests.media_maker import encode, write_image
from tests.unit.test_color import PATCHES, TO_709, XYZ_2020, bt709_to_light, bt2020_to_light, light_to_srgb
from trackmatte.color import Colour, colour_named, standard
from trackmatte.errors import ClipError, UsageError
from trackmatte.frame import Frame
from trackmatte.media import open_clip
from trackmatte.prompt import Prompt
from trackmatte.refiners import REFINERS
from trackmatte.shot import Shot
from trackmatte.trackers import TRACKERS

CODE = np.repeat(np.repeat(PATCHES, 16, 0), 8, 1)
"""(16, 160, 3) code values of known patches."""


# Movies


def write_planes(path: Path, planes: Sequence[NDArray[np.uint16]], pix_fmt: str, **tags: int) -> Path:
    """Write samples as the planes of a lossless movie, with tags of H.273; the first has the full size."""
    height, width = planes[0].shape
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        frame = av.VideoFrame(width, height, pix_fmt)
        for plane, samples in zip(frame.planes, planes, strict=True):
            padded = np.zeros((plane.height, plane.line_size // 2), np.uint16)
            padded[:, : plane.width] = samples
            plane.update(padded.tobytes())
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        frame.pts, frame.time_base = 0, Fraction(1, 24)
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def narrow(rgb: NDArray[Any], red: float, blue: float) -> list[NDArray[np.uint16]]:
    """Return 10-bit narrow-range Y'CbCr of R'G'B' in [0, 1] (ITU-R BT.709 and BT.2020, table 4)."""
    rgb = rgb.astype(np.float64)
    y = rgb @ np.array([red, 1 - red - blue, blue])
    cb, cr = (rgb[..., 2] - y) / (2 * (1 - blue)), (rgb[..., 0] - y) / (2 * (1 - red))
    planes = (64 + 876 * y, 512 + 896 * cb, 512 + 896 * cr)
    return [np.rint(p).astype(np.uint16) for p in planes]


def test_rec2020_of_ten_bits(tmp_path: Path) -> None:
    tags = {"colorspace": 9, "color_primaries": 9, "color_trc": 14, "color_range": 1}
    path = write_planes(tmp_path / "a.mkv", narrow(CODE, 0.2627, 0.0593), "yuv444p10le", **tags)
    with open_clip(path) as clip:
        frame = clip[0]
        assert clip.colour == frame.colour == standard("Rec.709", "Linear Rec.2020")
        assert clip.colour.name == "Rec.2020"
        assert clip.notes == ()
        assert frame.rgb.dtype == np.uint16
        assert np.abs(frame.rgb / 65535 - CODE).max() < 1.5 / 876
        light = bt2020_to_light(CODE.astype(np.float64))
        np.testing.assert_allclose(frame.linear(), light, atol=4e-3)
        shown = light_to_srgb(np.clip(bt2020_to_light(frame.rgb / 65535) @ (TO_709 @ XYZ_2020).T, 0, 1))
        assert np.abs(frame.display() - shown * 255).max() <= 1
        assert np.abs(frame.colour.encode(frame.linear()) - frame.rgb / 65535).max() < 1e-5


def test_rec709_is_shown_by_its_code_values(tmp_path: Path) -> None:
    tags = {"colorspace": 1, "color_primaries": 1, "color_trc": 1, "color_range": 1}
    path = write_planes(tmp_path / "a.mkv", narrow(CODE, 0.2126, 0.0722), "yuv444p10le", **tags)
    with open_clip(path) as clip:
        assert clip.colour.name == "Rec.709"
        assert np.abs(clip[0].display() - CODE * 255).max() <= 1
        np.testing.assert_allclose(clip[0].linear(), bt709_to_light(CODE.astype(np.float64)), atol=4e-3)


@pytest.mark.parametrize(
    ("pix_fmt", "tags", "top"),
    [
        ("yuv444p10le", {}, 940),
        ("yuv420p10le", {"color_range": 1}, 940),
        ("yuv444p12le", {}, 3760),
        ("yuv422p10le", {"color_range": 2}, 1023),
        ("yuv444p16le", {"color_range": 2}, 65535),
        ("gray10le", {}, 1023),
        ("gray16le", {}, 65535),
        ("gbrp10le", {}, 1023),
    ],
)
def test_white_of_deep_movies_is_white(pix_fmt: str, tags: dict[str, int], top: int, tmp_path: Path) -> None:
    bits = int(re.findall(r"\d+", pix_fmt)[-1])
    planes = [np.full((64, 96), top, np.uint16)]
    if "p" in pix_fmt:
        side = {"yuv420p": (32, 48), "yuv422p": (64, 48)}.get(pix_fmt[:7], (64, 96))
        planes += [np.full(side, top if "gbr" in pix_fmt else 1 << (bits - 1), np.uint16)] * 2
    with open_clip(write_planes(tmp_path / "a.mkv", planes, pix_fmt, **tags)) as clip:
        assert clip[0].rgb.min() >= 65533
        assert clip[0].display().min() == 255
        assert clip[0].linear().min() > 0.9999


@pytest.mark.parametrize(
    ("tags", "colour", "note"),
    [
        ({}, standard("Rec.709"), None),
        ({"color_trc": 13}, standard("sRGB"), None),
        ({"color_trc": 6, "color_primaries": 6, "colorspace": 6}, standard("Rec.709"), None),
        ({"color_trc": 4}, standard("Gamma 2.2"), None),
        ({"color_trc": 5}, standard("Gamma 2.8"), None),
        ({"color_trc": 8, "color_primaries": 1}, standard("linear"), None),
        ({"color_trc": 1, "color_primaries": 12}, standard("Rec.709", "Linear P3-D65"), None),
        ({"color_trc": 13, "color_primaries": 12}, colour_named("Display P3"), None),
        (
            {"color_trc": 16, "color_primaries": 9, "colorspace": 9},
            colour_named("Rec.2100 PQ"),
            r"HDR \(PQ\)",
        ),
        (
            {"color_trc": 18, "color_primaries": 9, "colorspace": 9},
            colour_named("Rec.2100 HLG"),
            r"HDR \(HLG\)",
        ),
        ({"colorspace": 9}, colour_named("Rec.2020"), None),
        ({"color_trc": 17}, standard("Rec.709"), r"transfer tag \(17\) is not known.*--input-colorspace"),
        ({"color_trc": 1, "color_primaries": 8}, standard("Rec.709"), r"primaries tag \(8\) is not known"),
    ],
)
def test_tags_of_movies(tags: dict[str, int], colour: Colour, note: str | None, tmp_path: Path) -> None:
    planes = [np.full((64, 96), 400, np.uint16)] * 3
    path = write_planes(tmp_path / "a.mkv", planes, "yuv444p10le", **tags)
    with open_clip(path) as clip:
        assert clip.colour == colour
        assert len(clip.notes) == (note is not None)
        if note:
            assert re.search(note, clip.notes[0])


def test_what_is_told_replaces_curve_and_primaries_but_not_the_matrix(tmp_path: Path) -> None:
    tags = {"colorspace": 9, "color_primaries": 9, "color_trc": 16, "color_range": 1}
    path = write_planes(tmp_path / "a.mkv", narrow(CODE, 0.2627, 0.0593), "yuv444p10le", **tags)
    with open_clip(path) as tagged, open_clip(path, "arri_logc3_ei800") as told:
        assert told.colour.name == told[0].colour.name == "ARRI LogC3 (EI800)"
        assert np.array_equal(told[0].rgb, tagged[0].rgb)
        assert not np.array_equal(told[0].display(), tagged[0].display())
        assert told.notes == ()
    hd = encode(tmp_path / "hd.mkv", [np.zeros((720, 1280, 3), np.uint8)], codec="ffv1")
    with open_clip(hd, "sRGB") as told:
        assert "read as Rec.709" in told.notes[0]
    with pytest.raises(UsageError, match="no colour space 'LogX'"):
        open_clip(hd, "LogX")


# Images


def profile(name: str) -> NDArray[np.uint8]:
    """Return an ICC profile (ICC.1:2001-04) that holds nothing but its description."""
    text = name.encode() + b"\0"
    desc = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    head = struct.pack(">I4sI4s4s4s12s4s", 144 + len(desc), b"test", 0x02100000, b"mntr", b"RGB ", b"XYZ ",
                       bytes(12), b"acsp") + bytes(88)  # fmt: skip
    return np.frombuffer(head + struct.pack(">I4sII", 1, b"desc", 144, len(desc)) + desc, np.uint8)


AP1 = (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767)
AP0 = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)
ODD = (0.6, 0.3, 0.2, 0.7, 0.1, 0.1, 0.3127, 0.329)
BT2020 = (0.708, 0.292, 0.17, 0.797, 0.131, 0.046, 0.3127, 0.329)
XY, INT4 = "float[8]", "int[4]"


@pytest.mark.parametrize(
    ("name", "attributes", "colour", "note"),
    [
        ("a.exr", {}, "Linear Rec.709 (sRGB)", "do not say what their colours are"),
        ("a.exr", {"chromaticities": (XY, AP1)}, "ACEScg", ""),
        ("a.exr", {"chromaticities": (XY, BT2020)}, "Linear Rec.2020", ""),
        ("a.exr", {"chromaticities": (XY, ODD)}, "Linear Rec.709 (sRGB)", "primaries are not known"),
        ("a.exr", {"colorInteropID": "lin_ap1_scene"}, "ACEScg", ""),
        ("a.exr", {"colorInteropID": "srgb_rec709_scene", "chromaticities": (XY, AP1)}, "sRGB", ""),
        ("a.exr", {"colorInteropID": "ocio:arrilogc3_awg3_scene"}, "ARRI LogC3 (EI800)", ""),
        ("a.exr", {"colorInteropID": "mine"}, "Linear Rec.709 (sRGB)", "'mine' is not known"),
        ("a.exr", {"oiio:ColorSpace": "ACEScg"}, "ACEScg", ""),
        ("a.exr", {"oiio:ColorSpace": "data"}, "Linear Rec.709 (sRGB)", "do not say"),
        ("a.exr", {"acesImageContainerFlag": 1, "chromaticities": (XY, AP0), "compression": "none"},
         "ACES2065-1", ""),
        ("a.png", {}, "sRGB", ""),
        ("a.png", {"oiio:ColorSpace": "Gamma2.2"}, "Gamma 2.2 Rec.709", ""),
        ("a.png", {"oiio:ColorSpace": "linear"}, "Linear Rec.709 (sRGB)", ""),
        ("a.png", {"CICP": (INT4, (9, 16, 0, 1))}, "Rec.2100 PQ", ""),
        ("a.png", {"CICP": (INT4, (12, 13, 0, 1))}, "Display P3", ""),
        ("a.tif", {"ICCProfile": "Display P3"}, "Display P3", ""),
        ("a.tif", {"ICCProfile": "Adobe RGB (1998)"}, "Gamma 2.2 Encoded AdobeRGB", ""),
        ("a.tif", {"ICCProfile": "sRGB IEC61966-2.1"}, "sRGB", ""),
        ("a.tif", {"ICCProfile": "My scanner"}, "sRGB", "ICC profile 'My scanner' is not applied"),
        ("a.tif", {}, "sRGB", ""),
        ("a.dpx", {"dpx:Transfer": "Logarithmic"}, "Cineon", ""),
        ("a.dpx", {"dpx:Transfer": "ITU-R 709-4"}, "Rec.709", ""),
        ("a.dpx", {"dpx:Transfer": "Linear"}, "Linear Rec.709 (sRGB)", ""),
        ("a.jpg", {}, "sRGB", ""),
        ("a.hdr", {}, "Linear Rec.709 (sRGB)", ""),
    ],
)  # fmt: skip
def test_tags_of_images(
    name: str, attributes: dict[str, Any], colour: str, note: str, tmp_path: Path
) -> None:
    if isinstance(text := attributes.get("ICCProfile"), str):
        icc = profile(text)
        attributes = {"ICCProfile": (f"uint8[{len(icc)}]", icc)}
    floating = name.endswith(("exr", "hdr"))
    kind = np.float16 if "acesImageContainerFlag" in attributes else np.float32
    pixels = CODE.astype(kind) if floating else np.rint(CODE * 65535).astype(np.uint16)
    with open_clip(write_image(tmp_path / name, pixels, attributes=attributes)) as clip:
        assert clip.colour.name == clip[0].colour.name == colour
        assert len(clip.notes) == bool(note)
        assert note in "".join(clip.notes)


def test_acescg_exr(tmp_path: Path) -> None:
    """Known patches through an EXR that says ACEScg by its chromaticities; formulas in test_color."""
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION, "chromaticities": AP1}
    light = np.concatenate([CODE, CODE * 8 - 1], axis=0)
    with OpenEXR.File(header, {"RGB": light}) as out:
        out.write(str(tmp_path / "a.exr"))
    with open_clip(tmp_path / "a.exr") as clip:
        frame = clip[0]
        assert frame.colour.linear_name == "ACEScg"
        assert clip.notes == ()
        np.testing.assert_array_equal(frame.linear(), light)
        np.testing.assert_array_equal(frame.colour.encode(frame.linear()), light)
        assert np.array_equal(frame.display(), colour_named("ACEScg").display(light))


def test_images_that_disagree_want_to_be_told(tmp_path: Path) -> None:
    pixels = CODE.astype(np.float32)
    write_image(tmp_path / "a.1001.exr", pixels, attributes={"oiio:ColorSpace": "ACEScg"})
    write_image(tmp_path / "a.1002.exr", pixels)
    with (
        open_clip(tmp_path) as clip,
        pytest.raises(ClipError, match=r"1002\.exr is tagged as Linear Rec\.709"),
    ):
        clip[1]
    with open_clip(tmp_path, "ACEScg") as clip:
        assert [f.colour.name for f in clip] == ["ACEScg", "ACEScg"]
        assert clip.notes == ()


# The plate's pixels are never altered


@settings(max_examples=25, deadline=None)
@given(
    pixels=st.sampled_from([np.float16, np.float32]).flatmap(lambda t: arrays(t, (5, 6, 3))),
    space=st.sampled_from([None, "ACEScg", "sRGB", "ARRI LogC4"]),
)
def test_exr_samples_are_those_of_openexr(pixels: NDArray[Any], space: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.exr"
        with OpenEXR.File({"type": OpenEXR.scanlineimage}, {"RGB": pixels}) as out:
            out.write(str(path))
        with OpenEXR.File(str(path)) as file:
            stored = file.channels()["RGB"].pixels.astype(np.float32)
        with open_clip(path, space) as clip:
            frame = clip[0]
            before = frame.rgb.tobytes()
            frame.display(), frame.linear()
            assert frame.rgb.tobytes() == before
            same = (frame.rgb.view(np.uint32) == stored.view(np.uint32)) | (
                np.isnan(stored) & np.isnan(frame.rgb)
            )
            assert same.all()


@settings(max_examples=25, deadline=None)
@given(
    pixels=st.sampled_from([np.uint8, np.uint16]).flatmap(lambda t: arrays(t, (5, 6, 3))),
    suffix=st.sampled_from(["png", "tif"]),
    space=st.sampled_from([None, "ACEScg", "ARRI LogC3 (EI800)"]),
)
def test_integer_samples_are_those_of_opencv(pixels: NDArray[Any], suffix: str, space: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{suffix}"
        assert cv2.imwrite(str(path), pixels[:, :, ::-1])
        with open_clip(path, space) as clip:
            frame = clip[0]
            frame.display(), frame.linear()
            assert frame.rgb.dtype == pixels.dtype
            assert np.array_equal(frame.rgb, cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[:, :, ::-1])


@pytest.mark.parametrize("space", [None, "ARRI LogC4", "Rec.2020"])
@pytest.mark.parametrize("pix_fmt", ["gbrp10le", "gbrp16le"])
def test_movie_samples_are_those_of_the_planes(pix_fmt: str, space: str | None, tmp_path: Path) -> None:
    bits = 10 if "10" in pix_fmt else 16
    planes = np.random.default_rng(5).integers(0, 1 << bits, (3, 48, 64), dtype=np.uint16)
    path = write_planes(tmp_path / "a.mkv", [*planes], pix_fmt)
    with open_clip(path, space) as clip:
        assert clip.colour.name == (space or "sRGB")
        rgb = clip[0].rgb >> (16 - bits)
        assert np.array_equal(rgb, np.moveaxis(planes[[2, 0, 1]], 0, 2))


@pytest.mark.parametrize("space", ["sRGB", "ACEScg", "ARRI LogC3 (EI800)"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_tracking_and_refining_leave_the_plate_alone(space: str, dtype: str) -> None:
    size, colour = (160, 96), colour_named(space)
    tracker = TRACKERS.get("flow")()
    for i in range(3):
        code = colour.encode(standard("sRGB").linear(disc.plate_at(i, size)))
        plate = code if dtype == "float32" else np.rint(code.clip(0, 1) * np.iinfo(dtype).max).astype(dtype)
        plate.flags.writeable = False
        frame, kept = Frame(i, i, Fraction(i, 24), plate, colour), plate.tobytes()
        if i == 0:
            tracker.prompt(frame, Prompt(0, mask=disc.alpha_at(0, size) > 0.5))
            tracker.rewind()
        (mask,) = tracker.step(frame)
        assert (mask.binary & (disc.alpha_at(i, size) > 0.5)).sum() > 0.9 * mask.binary.sum() > 0
        for name in ("closed_form", "none"):
            alpha = REFINERS.get(name)().refine(frame, mask).alpha
            assert np.abs(alpha - disc.alpha_at(i, size)).mean() < 0.02
        assert plate.tobytes() == kept


# The shot


def run(path: Path) -> tuple[int, int]:
    """Run both passes and return how many masks and mattes they made."""
    with Shot.open(path) as shot:
        return len(list(shot.track())), len(list(shot.matte()))


def test_masks_and_mattes_follow_what_models_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.shot.json"
    with Shot.new(path, disc.write_frames(tmp_path / "plate", 3), tracker="fake", refiner="none") as shot:
        shot.add(Prompt(1001, mask=disc.alpha_at(0, (160, 96)) > 0.5))
        shot.save()
    assert run(path) == (3, 3)
    plain = path.read_text()
    assert "input_colorspace" not in plain
    said = plain.replace('"prompts"', '"input_colorspace": "NAME", "prompts"')
    for name, made in (("Rec.709", 0), ("ACEScg", 3), ("lin_ap1", 0), ("arri_logc4", 3), ("ACEScg", 3)):
        path.write_text(said.replace("NAME", name))
        assert run(path) == (made, made), name
    monkeypatch.setenv("OCIO", "ocio://cg-config-v1.0.0_aces-v1.3_ocio-v2.1")
    assert run(path) == (3, 3)
    path.write_text(plain)
    assert run(path) == (3, 3)
    path.write_text(said.replace("NAME", "LogX"))
    with pytest.raises(UsageError, match="no colour space 'LogX'"):
        Shot.open(path)


def test_a_new_shot_keeps_the_name(tmp_path: Path) -> None:
    clip = disc.write_frames(tmp_path / "plate", 2)
    for name in ("ACEScg", None):
        path = tmp_path / f"{name}.shot.json"
        with Shot.new(path, clip, tracker="fake", refiner="none", input_colorspace=name) as shot:
            shot.save()
        with Shot.open(path) as shot:
            assert shot.doc.input_colorspace == name
            assert shot.clip.colour.name == (name or "sRGB")
