"""Decoded values against arithmetic: bit depths, ranges, matrices, odd sizes, grey, alpha, sample types."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import OpenEXR
import OpenImageIO as oiio
import pytest
from numpy.typing import NDArray

from tests.media_maker import write_image
from trackmatte.media import open_clip

WEIGHTS = {"601": (0.299, 0.114, 5), "709": (0.2126, 0.0722, 1), "2020": (0.2627, 0.0593, 9)}
"""Of red and blue in luma, and AVCOL_SPC number (ITU-R BT.601, BT.709, BT.2020)."""
PATCHES = np.array(
    [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0], [0.5, 0.5, 0.5], [0.8, 0.4, 0.2], [0.1, 0.3, 0.9]]
)


def to_yuv(rgb: NDArray[Any], matrix: str, bits: int, full: bool) -> NDArray[np.uint16]:
    """Return (..., 3) code values of RGB in [0, 1], as BT.601, 709 and 2020 define them."""
    kr, kb, _ = WEIGHTS[matrix]
    y = kr * rgb[..., 0] + (1 - kr - kb) * rgb[..., 1] + kb * rgb[..., 2]
    chroma = (rgb[..., 2] - y) / (2 - 2 * kb), (rgb[..., 0] - y) / (2 - 2 * kr)
    top, unit = 2**bits - 1, 2 ** (bits - 8)
    luma, low, span = (top, 0, top) if full else (219 * unit, 16 * unit, 224 * unit)
    planes = [luma * y + low, *(span * c + 128 * unit for c in chroma)]
    return np.stack([np.clip(np.rint(p), 0, top) for p in planes], -1).astype(np.uint16)


def write_yuv(
    path: Path, yuv: NDArray[np.uint16], pix_fmt: str, codec: str, *, matrix: str | None, full: bool
) -> Path:
    """Encode one frame of exact code values; subsampled planes take every second sample."""
    h, w, _ = yuv.shape
    frame = av.VideoFrame(w, h, pix_fmt)
    for k, plane in enumerate(frame.planes):
        if k == 3:
            values = np.full((h, w), 77, np.uint16)
        else:
            values = yuv[:: round(h / plane.height), :: round(w / plane.width), k]
        samples = values.astype("<u2" if frame.format.components[0].bits > 8 else np.uint8)
        row = np.zeros((plane.height, plane.line_size // samples.itemsize), samples.dtype)
        row[:, : plane.width] = samples[: plane.height, : plane.width]
        plane.update(row.tobytes())
    frame.color_range = 2 if full else 1
    with av.open(str(path), "w") as out:
        stream = out.add_stream(
            codec,
            rate=24,
            options={
                "threads": "1",
                "x265-params": "log-level=none:lossless=1:bframes=0:pools=1:frame-threads=1",
            },
        )
        stream.width, stream.height, stream.pix_fmt = w, h, pix_fmt
        stream.codec_context.color_range = 2 if full else 1
        if matrix is not None:
            stream.codec_context.colorspace = frame.colorspace = WEIGHTS[matrix][2]
        frame.pts, frame.time_base = 0, Fraction(1, 24)
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def patches(w: int, h: int) -> NDArray[Any]:
    """Return (h, w, 3) vertical bars of PATCHES, each an even number of pixels wide."""
    columns = np.minimum(np.arange(w) // (w // 16 * 2), len(PATCHES) - 1)
    return np.broadcast_to(PATCHES[columns], (h, w, 3))


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", list(WEIGHTS))
@pytest.mark.parametrize(
    ("pix_fmt", "bits", "file"),
    [
        ("yuv444p", 8, "a.mkv"),
        ("yuv422p10le", 10, "a.mkv"),
        ("yuv420p10le", 10, "a.mkv"),
        ("yuv444p12le", 12, "a.mkv"),
        ("yuv444p16le", 16, "a.mkv"),
        ("yuva444p16le", 16, "a.mkv"),
    ],
)
def test_ffv1_of_every_depth_and_range(
    pix_fmt: str, bits: int, file: str, matrix: str, full: bool, tmp_path: Path
) -> None:
    rgb = patches(160, 96)
    yuv = to_yuv(rgb, matrix, bits, full)
    path = write_yuv(tmp_path / file, yuv, pix_fmt, "ffv1", matrix=matrix, full=full)
    with open_clip(path) as clip:
        got = clip[0].rgb
    assert got.dtype == (np.uint8 if bits == 8 else np.uint16)
    error = np.abs(got / np.iinfo(got.dtype).max - rgb)
    if bits > 8 and "444" not in pix_fmt:
        error = np.delete(error, [c for e in range(20, 160, 20) for c in (e - 1, e, e + 1, e - 2)], 1)
    assert error.max() <= (1.6 / 255 if bits == 8 else 1.4 / 1023), error.max()


def test_lossless_hevc_10_bit(tmp_path: Path) -> None:
    rgb = patches(160, 96)
    yuv = to_yuv(rgb, "709", 10, full=False)
    path = write_yuv(tmp_path / "a.mp4", yuv, "yuv444p10le", "libx265", matrix="709", full=False)
    with open_clip(path) as clip:
        assert np.abs(clip[0].rgb / 65535 - rgb).max() <= 1.4 / 1023


def test_prores_4444_decodes_as_twelve_bits(tmp_path: Path) -> None:
    ramp = np.repeat(np.linspace(0, 1, 1024)[None, :, None], 64, 0) * np.ones(3)
    yuv = to_yuv(ramp, "709", 10, full=False)
    path = write_yuv(tmp_path / "a.mov", yuv, "yuva444p10le", "prores_ks", matrix="709", full=False)
    with av.open(str(path)) as movie:
        assert next(movie.decode(video=0)).format.name == "yuva444p12le"
    with open_clip(path) as clip:
        got = clip[0].rgb
        assert got.dtype == np.uint16
        assert np.abs(got / 65535 - ramp).max() < 0.004
        assert len(np.unique(got[:, :, 1])) > 600  # more than eight bits can hold
        assert any("alpha" in n for n in clip.notes)


@pytest.mark.parametrize("size", [(161, 97), (35, 33), (17, 64)])
@pytest.mark.parametrize("codec", ["ffv1", "libvpx-vp9"])
def test_odd_sizes_with_subsampled_chroma(codec: str, size: tuple[int, int], tmp_path: Path) -> None:
    w, h = size
    rgb = np.full((h, w, 3), (0.8, 0.4, 0.2))
    rgb[:, w // 2 :] = 0.6
    yuv = to_yuv(rgb, "709", 8, False)
    path = write_yuv(tmp_path / "a.mkv", yuv, "yuv420p", codec, matrix="709", full=False)
    with open_clip(path) as clip:
        assert clip.size == size
        got = clip[0].rgb / 255
    for part in (np.s_[:, : w // 2 - 3], np.s_[:, w // 2 + 3 :]):  # the far right and bottom lines too
        assert np.abs(got[part] - rgb[part]).max() < 0.012


@pytest.mark.parametrize(
    ("pix_fmt", "bits"), [("gray", 8), ("gray10le", 10), ("gray12le", 12), ("gray16le", 16)]
)
def test_grey_of_every_depth(pix_fmt: str, bits: int, tmp_path: Path) -> None:
    top = 2**bits - 1
    ramp = np.rint(np.repeat(np.linspace(0, top, 64)[None], 48, 0)).astype(np.uint16)
    path = write_yuv(tmp_path / "g.mkv", ramp[..., None], pix_fmt, "ffv1", matrix=None, full=True)
    with open_clip(path) as clip:
        got = clip[0].rgb
    assert np.abs(got / np.iinfo(got.dtype).max - ramp[..., None] / top).max() <= 1 / top


# Images


@pytest.mark.parametrize("packing", ["Filled, method A", "Filled, method B", "Packed"])
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_dpx_of_every_depth(bits: int, packing: str, tmp_path: Path) -> None:
    codes = (np.arange(64 * 16 * 3).reshape(16, 64, 3) * 7919) % 2**bits
    expanded = np.rint(codes * (65535 / (2**bits - 1))).astype(np.uint16)
    attributes = {"oiio:BitsPerSample": bits, "dpx:Packing": packing}
    with open_clip(write_image(tmp_path / "a.dpx", expanded, attributes=attributes)) as clip:
        got = clip[0].rgb
    assert got.dtype == np.uint16
    assert np.array_equal(got.astype(int) >> 16 - bits, codes)


def test_dpx_ten_bits_by_hand(tmp_path: Path) -> None:
    path = write_image(
        tmp_path / "a.dpx", np.zeros((1, 2, 3), np.uint16), attributes={"oiio:BitsPerSample": 10}
    )
    data = bytearray(path.read_bytes())
    order = ">" if data[:4] == b"SDPX" else "<"
    offset = int(np.frombuffer(data[4:8], order + "u4")[0])
    codes = [[1023, 512, 1], [0, 95, 685]]
    words = [r << 22 | g << 12 | b << 2 for r, g, b in codes]
    data[offset : offset + 8] = np.array(words, order + "u4").tobytes()
    path.write_bytes(data)
    with open_clip(path) as clip:
        assert (clip[0].rgb[0] >> 6).tolist() == codes


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_with_alpha_stay_straight(name: str, tmp_path: Path) -> None:
    rgba = ((np.arange(16 * 8 * 4).reshape(8, 16, 4) * 7919) % 65536).astype(np.uint16)
    attributes = {"oiio:UnassociatedAlpha": 1}
    path = write_image(tmp_path / name, rgba, names=["R", "G", "B", "A"], attributes=attributes)
    with open_clip(path) as clip:
        assert np.array_equal(clip[0].rgb, rgba[..., :3])
        assert any("alpha" in n for n in clip.notes)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_exr_values_are_the_floats(dtype: type, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rgb = (rng.normal(0, 4, (9, 13, 3)) ** 3).astype(dtype)
    rgb[0, 0], rgb[0, 1] = 65504, -0.25
    path = str(tmp_path / "a.exr")
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"RGB": rgb}).write(path)
    with open_clip(path) as clip:
        assert clip[0].rgb.dtype == np.float32
        assert np.array_equal(clip[0].rgb, rgb.astype(np.float32))


def test_exr_of_mixed_and_whole_number_channels(tmp_path: Path) -> None:
    r = np.full((4, 6), 0.25, np.float16)
    g, b = np.full((4, 6), 1e9, np.float32), np.full((4, 6), -3.5, np.float16)
    path = str(tmp_path / "a.exr")
    channels = {"R": r, "G": g, "B": b, "id": np.full((4, 6), 7, np.uint32)}
    OpenEXR.File({"type": OpenEXR.scanlineimage}, channels).write(path)
    with open_clip(path) as clip:
        assert clip[0].rgb[0, 0].tolist() == [0.25, 1e9, -3.5]
    whole = {c: np.full((4, 6), v, np.uint32) for c, v in zip("RGB", (0, 2**31, 2**32 - 1), strict=True)}
    path = str(tmp_path / "u.exr")
    OpenEXR.File({"type": OpenEXR.scanlineimage}, whole).write(path)
    with open_clip(path) as clip:
        assert np.abs(clip[0].rgb[0, 0] / 65535 - [0, 0.5, 1]).max() < 1e-4


def test_exr_tiles_and_reversed_lines(tmp_path: Path) -> None:
    rgb = np.random.default_rng(2).random((70, 50, 3)).astype(np.float32)

    def tiled(spec: oiio.ImageSpec) -> None:
        spec.tile_width = spec.tile_height = 32

    for name, attributes, window in (
        ("t.exr", {}, tiled),
        ("d.exr", {"openexr:lineOrder": "decreasingY"}, None),
    ):
        path = write_image(tmp_path / name, rgb, attributes=attributes, window=window)
        with open_clip(path) as clip:
            assert np.array_equal(clip[0].rgb, rgb)
