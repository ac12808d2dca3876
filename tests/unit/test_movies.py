"""Movies with alpha, read back plane by plane."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from tests import counters, media_maker
from tests.movies import read_movie
from trackmatte.color import SRGB, colour_named
from trackmatte.errors import OutputError, UsageError
from trackmatte.picture import Encoding, Picture
from trackmatte.timecode import Timecode
from trackmatte.writers import WRITERS, Delivery

ALPHA = {"prores": 0.0012, "ffv1": 0.5 / 65535 + 1e-7, "vp9": 0.04}
"""Largest error of alpha after decoding."""
COLOUR = {"prores": 0.0025, "ffv1": 0.5 / 65535 + 1e-7, "vp9": 0.03}
"""Largest error of colour on flat patches after decoding."""
SIZE = (160, 96)
RGBA = ("R", "G", "B", "A")


def soft(size: tuple[int, int] = SIZE, shift: float = 0) -> np.ndarray:
    w, h = size
    y, x = np.mgrid[:h, :w] + 0.5
    return np.clip((h * 0.4 - np.hypot(x - w / 2 - shift, y - h / 2)) / max(1, h / 16) + 0.5, 0, 1)


def patches(seed: int = 0) -> np.ndarray:
    """(96, 160, 3) colours, flat in blocks of 16 pixels."""
    colours = np.random.default_rng(seed).random((6, 10, 3))
    colours[0, :2] = (0, 0, 0), (1, 1, 1)
    return colours.repeat(16, 0).repeat(16, 1)


def matte(number: int, alpha: np.ndarray, **kwargs: Any) -> Picture:
    return Picture(number, np.repeat(alpha[..., None], 4, 2).astype(np.float32), RGBA, **kwargs)


def cutout(number: int, rgb: np.ndarray, alpha: np.ndarray, encoding: Encoding = "code") -> Picture:
    return Picture(number, np.dstack([rgb, alpha]).astype(np.float32), RGBA, encoding, SRGB)


def write(form: str, folder: Path, pictures: Iterable[Picture], **kwargs: Any) -> Path:
    with WRITERS.get(form)(Delivery(folder, "m", **kwargs)) as writer:
        for picture in pictures:
            writer.write(picture)
    assert [str(p) for p in folder.iterdir()] == [writer.target]
    return Path(writer.target)


def graphics_mode(path: Path) -> int:
    data = path.read_bytes()
    assert data.count(b"vmhd") == 1
    at = data.index(b"vmhd") + 8
    return int.from_bytes(data[at : at + 2], "big")


@pytest.fixture(params=list(ALPHA))
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_alpha_comes_back_within_the_error_of_the_format(form: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).random(SIZE[::-1])
    alphas = [soft(), noise, soft(shift=7), np.ones(SIZE[::-1]), np.zeros(SIZE[::-1])]
    path = write(form, tmp_path, (matte(1001 + i, a) for i, a in enumerate(alphas)))
    got = list(read_movie(path))
    assert len(got) == len(alphas)
    for a, g in zip(alphas, got, strict=True):
        assert abs(g.alpha - a).max() <= ALPHA[form]
        assert abs(g.rgb - a[..., None]).max() <= max(2 * ALPHA[form], 0.006)
    assert (got[3].alpha == 1).all()
    assert (got[4].alpha == 0).all()
    assert got[0].pixel_format == {"prores": "yuva444p12le", "ffv1": "gbrap16le", "vp9": "yuva420p"}[form]


def test_fur_comes_back(form: str, tmp_path: Path) -> None:
    """The first frames of the sample clip, behind which the plate is hidden."""
    clip = Path(__file__).parents[2] / "sample_clips" / "furball"
    with av.open(str(clip / "plate.mp4")) as plate, av.open(str(clip / "alpha.mkv")) as truth:
        pairs = zip(plate.decode(video=0), truth.decode(video=0), range(4), strict=False)
        frames = [
            (a.to_ndarray(format="rgb24") / 255, b.to_ndarray(format="gray16le") / 65535) for a, b, _ in pairs
        ]
    path = write(form, tmp_path, (cutout(i, *f) for i, f in enumerate(frames)), holds="colour")
    for (rgb, alpha), got in zip(frames, read_movie(path), strict=True):
        assert abs(got.alpha - alpha).max() <= ALPHA[form]
        assert (abs(got.rgb - rgb) * alpha[..., None]).mean() < {"prores": 0.001, "ffv1": 1e-5, "vp9": 0.01}[
            form
        ]


@pytest.mark.parametrize("encoding", ["code", "linear"])
def test_straight_colours_come_back(form: str, encoding: Encoding, tmp_path: Path) -> None:
    rgb, alpha = patches(), soft()
    (got,) = read_movie(write(form, tmp_path, [cutout(0, rgb, alpha, encoding)], holds="colour"))
    want = (
        rgb
        if encoding == "code"
        else np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** (1 / 2.4) - 0.055)
    )
    inside = np.s_[2:-2, 2:-2]
    for y in range(0, 96, 16):
        for x in range(0, 160, 16):
            block = np.s_[y : y + 16, x : x + 16]
            assert abs(got.rgb[block][inside] - want[block][inside]).max() <= COLOUR[form], (x, y)
    assert abs(got.alpha - alpha).max() <= ALPHA[form]


def test_colours_out_of_range_and_nan_do_not_wrap(form: str, tmp_path: Path) -> None:
    rgb = np.zeros((32, 48, 3))
    rgb[:, :16], rgb[:, 16:32], rgb[:, 32:] = np.nan, 7.5, -3
    for encoding in ("code", "linear"):
        folder = tmp_path / encoding
        (got,) = read_movie(
            write(form, folder, [cutout(0, rgb, np.ones((32, 48)), encoding)], holds="colour")
        )
        for x, want in ((8, 0), (24, 1), (40, 0)):
            assert abs(got.rgb[16, x] - want).max() <= COLOUR[form]


def test_what_alpha_hides_does_not_ring_into_what_it_shows(tmp_path: Path) -> None:
    alpha = soft()
    y, x = np.mgrid[:96, :160]
    smooth = np.dstack([x / 159, y / 95, (x + y) / 254])
    hidden = np.random.default_rng(0).random((96, 160, 3))
    for i, behind in enumerate((hidden, np.zeros_like(hidden))):
        rgb = np.where(alpha[..., None] > 0, smooth, behind)
        (got,) = read_movie(write("prores", tmp_path / str(i), [cutout(0, rgb, alpha)], holds="colour"))
        assert (abs(got.rgb - smooth) * alpha[..., None]).max() < 0.006
        assert (got.alpha[alpha == 0] == 0).all()


def test_straight_or_premultiplied_is_told_and_true(form: str, tmp_path: Path) -> None:
    rgb, alpha = patches(), soft()
    for premultiplied in (None, False, True):
        name = "premultiplied" if premultiplied else "straight"
        folder = tmp_path / str(premultiplied)
        path = write(form, folder, [cutout(5, rgb, alpha)], holds="colour", premultiplied=premultiplied)
        assert path.stem == f"m_{name}"
        with av.open(str(path)) as movie:
            told = {k.lower(): v for k, v in movie.metadata.items()}["comment"]
        assert f"alpha: {name}" in told
        assert "first frame: 5" in told
        if form == "prores":
            assert graphics_mode(path) == {"straight": 0x100, "premultiplied": 0x102}[name]
        (got,) = read_movie(path)
        want = rgb * alpha[..., None] if premultiplied else rgb
        flat = np.s_[40:56, 66:78]
        assert abs(got.rgb[flat] - want[flat]).mean() <= COLOUR[form]
        edge = (alpha > 0.3) & (alpha < 0.7)
        near, far = (
            abs(got.rgb - want)[edge].mean(),
            abs(got.rgb - rgb * (1 if premultiplied else 0.5))[edge].mean(),
        )
        assert near < far / 3


def test_a_matte_has_no_label_and_is_the_same_in_all_channels(form: str, tmp_path: Path) -> None:
    path = write(form, tmp_path / "matte", [matte(0, soft())], premultiplied=False)
    assert path.stem == "m"
    if form == "prores":
        assert graphics_mode(path) == 0x102
    alone = Picture(0, soft().astype(np.float32)[..., None], ("A",))
    path = write(form, tmp_path / "alpha", [alone])
    (got,) = read_movie(path)
    assert abs(got.rgb - 1).max() < 0.002
    assert abs(got.alpha - soft()).max() <= ALPHA[form]
    if form == "prores":
        assert graphics_mode(path) == 0x100


@pytest.mark.parametrize("rate", ["24000/1001", "30000/1001", "25", "60", "60000/1001"])
def test_frame_k_shows_picture_k_at_k_over_the_rate(form: str, rate: str, tmp_path: Path) -> None:
    numbers = range(1001, 1001 + 14)
    pictures = (matte(n, counters.counter_image(n)[..., 0] / 255) for n in numbers)
    path = write(form, tmp_path, pictures, rate=Fraction(rate))
    got = list(read_movie(path))
    assert [counters.read_counter(g.alpha) for g in got] == list(numbers)
    slack = 0 if form == "prores" else Fraction(1, 2000)  # Matroska counts milliseconds
    assert all(abs(g.time - k / Fraction(rate)) <= slack for k, g in enumerate(got))
    with av.open(str(path)) as movie:
        told = movie.streams.video[0].average_rate
    assert told is not None
    assert told == Fraction(rate) or (rate == "60000/1001" and abs(told / Fraction(rate) - 1) < 1e-7)


def test_colour_tags(form: str, tmp_path: Path) -> None:
    for space, known in (("sRGB", 1), ("ARRI LogC4", 2)):
        picture = Picture(0, np.zeros((16, 16, 4), np.float32), RGBA, "code", colour_named(space))
        path = write(form, tmp_path / space, [picture], holds="colour")
        with av.open(str(path)) as movie:
            context = movie.streams.video[0].codec_context
            assert (context.color_primaries, context.color_trc) == (known, known)
            assert (context.colorspace, context.color_range) == ((0, 2) if form == "ffv1" else (1, 1))
        if form == "prores":
            data = path.read_bytes()
            header = data.index(b"icpf") + 4
            assert tuple(data[header + 14 : header + 17]) == (known, known, 1)
            atom = data.find(b"colrnclc")
            assert (data[atom + 8 : atom + 14] == bytes([0, 1] * 3)) if known == 1 else atom == -1


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 5), (37, 53), (53, 37)])
def test_odd_sizes_and_one_frame(form: str, size: tuple[int, int], tmp_path: Path) -> None:
    alpha = soft(size)
    (got,) = read_movie(write(form, tmp_path, [matte(0, alpha)]))
    assert got.alpha.shape == alpha.shape
    assert abs(got.alpha - alpha).max() <= ALPHA[form]


def test_pixel_aspect(form: str, tmp_path: Path) -> None:
    pictures = [matte(0, soft())]
    if form != "prores":
        with pytest.raises(UsageError, match="square pixels"):
            write(form, tmp_path, pictures, pixel_aspect=Fraction(2))
        return
    with av.open(str(write(form, tmp_path, pictures, pixel_aspect=Fraction(2)))) as movie:
        assert movie.streams.video[0].sample_aspect_ratio == 2


@pytest.mark.parametrize(
    ("timecode", "rate"),
    [
        ("01:00:00:00", "24"),
        ("10:59:59:23", "24000/1001"),
        ("01:02:03;04", "30000/1001"),
        ("00:59:59:49", "60"),
        ("01:00:00;58", "60000/1001"),
    ],
)
def test_timecode_of_the_first_picture(form: str, timecode: str, rate: str, tmp_path: Path) -> None:
    label = Timecode.parse(timecode, Fraction(rate))
    pictures = [matte(7, soft(), timecode=label), matte(8, soft(), timecode=label.advanced(1))]
    with av.open(str(write(form, tmp_path, pictures, rate=Fraction(rate)))) as movie:
        tracks = [s.metadata["timecode"] for s in movie.streams if "timecode" in s.metadata]
        tags = [v for k, v in movie.metadata.items() if k.lower() == "timecode"]
    assert (tracks if form == "prores" else tags) == [timecode] * (2 if form == "prores" else 1)


def test_drop_frame_timecode_needs_its_rate(form: str, tmp_path: Path) -> None:
    label = Timecode.parse("01:00:00;02", Fraction(30000, 1001))
    with pytest.raises(OutputError, match="drop-frame timecode 01:00:00;02"):
        write(form, tmp_path, [matte(7, soft(), timecode=label)], rate=Fraction(24))
    assert not list(tmp_path.iterdir())


def test_what_a_movie_cannot_hold_is_refused_before_any_file(form: str, tmp_path: Path) -> None:
    writer = WRITERS.get(form)
    with pytest.raises(UsageError, match="layers"):
        writer(Delivery(tmp_path, "m", holds="layers"))
    layers = Picture(0, np.zeros((8, 8, 2), np.float32), ("a.A", "b.A"))
    with pytest.raises(UsageError, match="layers"), writer(Delivery(tmp_path, "m")) as made:
        made.write(layers)
    with pytest.raises(ValueError, match="holds matte"), writer(Delivery(tmp_path, "m")) as made:
        made.write(cutout(0, patches(), soft()))
    with pytest.raises(UsageError, match="above 0"):
        writer(Delivery(tmp_path, "m", rate=Fraction(0)))
    assert not list(tmp_path.iterdir())
    (tmp_path / "m_straight").with_suffix(Path(writer(Delivery(tmp_path, "m")).target).suffix).touch()
    with pytest.raises(OutputError, match="exists"), writer(Delivery(tmp_path, "m", holds="colour")) as made:
        made.write(cutout(0, patches(), soft()))
    assert [f.stat().st_size for f in tmp_path.iterdir()] == [0]


def test_a_jump_in_the_numbers_or_the_size_leaves_no_file(form: str, tmp_path: Path) -> None:
    for bad in (matte(12, soft()), matte(11, soft((16, 16)))):
        with pytest.raises(ValueError, match="does not follow"):
            write(form, tmp_path, [matte(10, soft()), bad])
        assert not list(tmp_path.iterdir())


def test_what_the_encoder_refuses_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="ffv1 fails on 1 x 17 pictures"):
        write("ffv1", tmp_path, [matte(0, soft((1, 17)))])
    assert not list(tmp_path.iterdir())


PROGRAM = """
import sys
from fractions import Fraction
from pathlib import Path
import numpy as np
import psutil
from trackmatte.picture import Picture
from trackmatte.timecode import Timecode
from trackmatte.writers import WRITERS, Delivery
form, folder, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
audio = Path(sys.argv[4]) if len(sys.argv) > 4 else None
noise = np.random.default_rng(0).random((96, 160, 1), np.float32)
with WRITERS.get(form)(Delivery(folder, "m", audio=audio)) as writer:
    for n in range(count):
        writer.write(Picture(n, noise.repeat(4, 2), ("R", "G", "B", "A")))
        if n % 10 == 9:
            print(n, psutil.Process().memory_info().rss, flush=True)
print("done")
"""


def program(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_memory_is_flat(form: str, tmp_path: Path) -> None:
    sound = media_maker.encode_audio(tmp_path / "sound.mp4")
    out, err = program(form, tmp_path / "out", 300, sound).communicate(timeout=200)
    assert out.endswith("done\n"), err
    used = dict(tuple(map(int, line.split())) for line in out.splitlines()[:-1])
    assert used[299] - used[99] < 12 << 20, used


def test_killed_it_leaves_nothing_under_the_final_name(form: str, tmp_path: Path) -> None:
    process = program(form, tmp_path, 100000)
    assert process.stdout is not None
    process.stdout.readline()
    while not list(tmp_path.iterdir()):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    left = list(tmp_path.iterdir())
    assert left
    assert all(p.name.startswith(".") and p.name.endswith("partial") for p in left)


def test_full_disk(form: str, tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        rng = np.random.default_rng(0)
        pictures = (matte(n, rng.random((96, 160))) for n in range(400))
        with pytest.raises(OutputError, match="the disk is full"):
            write(form, tmp_path, pictures, rate=Fraction(1))  # Matroska keeps five seconds in memory
        assert not list(tmp_path.iterdir())
        # The disk fills at the very end, when the encoder is flushed and the index is written.
        (tmp_path / "filler").write_bytes(bytes(60 << 10))
        with pytest.raises(OutputError, match="the disk is full"):
            write(form, tmp_path, [matte(0, rng.random((96, 160)))])
        assert [p.name for p in tmp_path.iterdir()] == ["filler"]
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_png_holds_straight_colours_exactly(tmp_path: Path) -> None:
    rgba = np.random.default_rng(0).random((40, 50, 4)).astype(np.float32)
    rgba[:8, :, 3], rgba[8:16, :, 3], rgba[16:20, :, 3] = 0, 1, 1 / 65535
    with WRITERS.get("png")(Delivery(tmp_path, "m", holds="colour")) as writer:
        writer.write(Picture(7, rgba, RGBA, "code", SRGB, "01:00:00:00"))
    got = cv2.imread(str(tmp_path / "m.0007.png"), cv2.IMREAD_UNCHANGED)
    assert got is not None
    np.testing.assert_array_equal(got[..., [2, 1, 0, 3]], np.rint(rgba * 65535).astype(np.uint16))


def test_png_is_never_premultiplied(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="straight by its standard"):
        WRITERS.get("png")(Delivery(tmp_path, "m", premultiplied=True))
    with pytest.raises(UsageError, match="layers"):
        WRITERS.get("png")(Delivery(tmp_path, "m", holds="layers"))


@pytest.mark.parametrize("form", ["exr", "png"])
def test_image_sequences_have_no_sound(form: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no sound"):
        WRITERS.get(form)(Delivery(tmp_path, "m", audio=tmp_path / "a.mov"))
