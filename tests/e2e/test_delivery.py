"""What is delivered: every kind of source x preset x range, read back with independent readers."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR
import pymatting
import pytest

from tests import disc
from tests.media_maker import X264, X265, encode
from tests.movies import read_movie
from trackmatte.cli import main
from trackmatte.errors import UsageError
from trackmatte.files import write_image
from trackmatte.prompt import Box, Prompt
from trackmatte.shot import Look, Shot
from trackmatte.shot.delivering import UP_TO_DATE
from trackmatte.shot.exporting import filled
from trackmatte.timecode import Timecode
from trackmatte.writers import WRITERS, Delivery
from trackmatte.writers.exr import ExrWriter
from trackmatte.writers.presets import PRESETS

SIZE = (64, 40)
GAP = 1003
WIDE = Fraction(4, 3)
"""Pixel aspect of one source."""


def light(code: np.ndarray) -> np.ndarray:
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def linear_exrs(folder: Path) -> Path:
    """Scene-linear EXRs 1001-1006 without 1003, brighter than white in the subject."""
    for i in range(6):
        if 1001 + i != GAP:
            rgb = (light(disc.plate_at(i, SIZE) / 255) * 3).astype(np.float32)
            write_image(folder / f"hdr.{1001 + i}.exr", rgb, {}, "half")
    return folder / "hdr.####.exr"


def plates() -> list[np.ndarray]:
    return [disc.plate_at(i, SIZE) for i in range(6)]


def deep() -> list[np.ndarray]:
    return [p.astype(np.uint16) * 257 for p in plates()]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sources")
    return {
        "movie": disc.write_movie(folder / "disc.mp4", 6, SIZE),
        "hevc 10-bit": encode(folder / "h.mp4", deep(), codec="libx265", pix_fmt="yuv420p10le", options=X265),
        "prores": encode(folder / "p.mov", deep(), codec="prores_ks", pix_fmt="yuv422p10le", aspect=WIDE),
        "transport stream": encode(folder / "t.ts", plates(), options=X264),
        "vfr": encode(folder / "v.mkv", plates(), times=[0, 40, 200, 230, 270, 300]),
        "vfr on a grid": encode(folder / "g.mp4", plates(), times=[0, 40, 200, 230, 270, 300]),
        "png": disc.write_frames(folder / "png", 6, SIZE),
        "exr": linear_exrs(folder / "exr"),
        "still": disc.write_frames(folder / "still", 1, SIZE).parent / "plate.1001.png",
    }


@pytest.fixture(scope="module")
def shots(sources: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Matted shots with two objects, the second of which is never seen."""
    made = {}
    for name, clip in sources.items():
        path = tmp_path_factory.mktemp("shots") / f"{name}.shot.json"
        grid = Fraction(25) if "grid" in name else None
        with Shot.new(path, clip, tracker="fake", refiner="none", grid=grid) as shot:
            first = shot.numbers()[0]
            shot.add(Prompt(first, "hero", box=Box(0.1, 0.1, 0.9, 0.9)))
            shot.add(Prompt(first, "ghost", mask=one_pixel()))
            shot.save()
            for _ in (*shot.track(), *shot.matte()):
                pass
        made[name] = path
    return made


def one_pixel() -> np.ndarray:
    mask = np.zeros(SIZE[::-1], bool)
    mask[3, 3] = True
    return mask


def read(path: Path) -> dict[str, np.ndarray]:
    with OpenEXR.File(str(path), separate_channels=True) as f:
        return {n: np.asarray(c.pixels) for n, c in f.channels().items()}


KINDS = [
    "movie",
    "hevc 10-bit",
    "prores",
    "transport stream",
    "vfr",
    "vfr on a grid",
    "png",
    "exr",
    "still",
]
CHANNELS = {
    "matte": ["A", "B", "G", "R"],
    "alpha": ["A"],
    "cutout": ["A", "B", "G", "R"],
    "multi": ["ghost.A", "hero.A"],
}


@pytest.mark.parametrize("cut", [None, (1, 3), (2, 2)], ids=["whole", "part", "one"])
@pytest.mark.parametrize("preset", list(CHANNELS))
@pytest.mark.parametrize("source", KINDS)
def test_every_source_preset_and_range(
    shots: dict[str, Path], tmp_path: Path, source: str, preset: str, cut: tuple[int, int] | None
) -> None:
    with Shot.open(shots[source]) as shot:
        every = list(shot.clip.numbers)
        if cut is not None:
            shot.set_range(every[min(cut[0], len(every) - 1)], every[min(cut[1], len(every) - 1)])
        numbers = shot.numbers()
        objects = ["hero", "ghost"] if preset == "multi" else ["hero"]
        delivery = filled(Delivery(tmp_path, "out"), shot, objects, PRESETS[preset], overwrite=False)
        steps = list(shot.render(ExrWriter(delivery), preset=preset, objects=objects))
        assert [p.frame for p in steps] == numbers
        assert sorted(p.name for p in tmp_path.iterdir()) == [f"out.{n:04d}.exr" for n in numbers]
        for n in numbers:
            channels = read(delivery.path(n, ".exr"))
            assert sorted(channels) == CHANNELS[preset]
            alpha = shot.read_matte("hero", n).alpha.astype(np.float16)
            np.testing.assert_array_equal(channels.get("A", channels.get("hero.A")), alpha)
        header = dict(OpenEXR.File(str(delivery.path(n, ".exr"))).header())
        assert Fraction(header["framesPerSecond"]) == shot.clip.rate
        assert header["pixelAspectRatio"] == pytest.approx(float(shot.clip.pixel_aspect))
        assert {tuple(int(v) for v in corner) for corner in header["dataWindow"]} == {(0, 0), (63, 39)}
        again = list(shot.render(ExrWriter(delivery), preset=preset, objects=objects))
        assert again[-1].note == UP_TO_DATE


ERROR = {"prores": 0.0012, "ffv1": 1e-5, "vp9": 0.04}
"""Largest error of alpha after decoding, as the delivery pages promise."""


@pytest.mark.parametrize("cut", [None, (1, 3)], ids=["whole", "part"])
@pytest.mark.parametrize("preset", ["matte", "alpha", "cutout"])
@pytest.mark.parametrize("form", list(ERROR))
@pytest.mark.parametrize("source", ["movie", "png", "exr", "still"])
def test_every_source_as_a_movie_keeps_every_frame_in_its_place(
    shots: dict[str, Path],
    tmp_path: Path,
    source: str,
    form: str,
    preset: str,
    cut: tuple[int, int] | None,
) -> None:
    with Shot.open(shots[source]) as shot:
        every = list(shot.clip.numbers)
        if cut is not None:
            shot.set_range(every[min(cut[0], len(every) - 1)], every[min(cut[1], len(every) - 1)])
        holds = "colour" if preset == "cutout" else "matte"
        writer = WRITERS.get(form)(Delivery(tmp_path, "out", rate=shot.clip.rate, holds=holds))
        steps = list(shot.render(writer, preset=preset, objects=["hero"]))
        numbers = shot.numbers()
        got = list(read_movie(Path(writer.target)))
        assert [p.frame for p in steps] == list(range(numbers[0], numbers[-1] + 1))
        assert len(got) == len(steps)
        for step, frame in zip(steps, got, strict=True):
            if step.frame in numbers:
                alpha = shot.read_matte("hero", step.frame).alpha
            else:  # the clip has no such frame
                assert "left empty" in step.note
                alpha = np.zeros(SIZE[::-1])
            assert np.abs(frame.alpha - alpha).max() <= ERROR[form]


def deliver(shot: Shot, folder: Path, look: Look, **how: Any) -> list[dict[str, np.ndarray]]:
    delivery = Delivery(folder, "c", **how)
    for _ in shot.render(ExrWriter(delivery), preset="cutout", objects=["hero"], look=look):
        pass
    return [read(delivery.path(n, ".exr")) for n in shot.numbers()]


def stack(channels: dict[str, np.ndarray]) -> np.ndarray:
    return np.dstack([channels[c].astype(np.float32) for c in "RGB"])


def test_cutout_of_a_display_plate_is_pymattings_foreground_in_linear_light(
    shots: dict[str, Path], tmp_path: Path
) -> None:
    with Shot.open(shots["png"]) as shot:
        straight = deliver(shot, tmp_path, Look(), premultiplied=False)
        for i, n in enumerate(shot.numbers()):
            alpha = shot.read_matte("hero", n).alpha
            plate = shot.clip[i].rgb / 255.0
            expected = pymatting.estimate_foreground_ml(plate, alpha.astype(np.float64))
            soft = (alpha > 0.05) & (alpha < 1)
            assert soft.sum() > 50
            difference = np.abs(stack(straight[i]) - light(np.clip(expected, 0, 1)))[soft]
            assert difference.max() < 0.02
            core = alpha == 1
            np.testing.assert_allclose(stack(straight[i])[core], light(plate)[core], atol=1e-3)


def test_cutout_of_a_linear_plate_keeps_values_above_one(shots: dict[str, Path], tmp_path: Path) -> None:
    with Shot.open(shots["exr"]) as shot:
        straight = deliver(shot, tmp_path, Look(), premultiplied=False)
        for i, n in enumerate(shot.numbers()):
            core = shot.read_matte("hero", n).alpha == 1
            np.testing.assert_array_equal(stack(straight[i])[core], shot.clip[i].rgb[core].astype(np.float16))
            assert stack(straight[i])[core].max() > 1


@pytest.mark.parametrize("source", ["png", "exr"])
def test_source_space_gives_the_plates_own_values(
    shots: dict[str, Path], tmp_path: Path, source: str
) -> None:
    with Shot.open(shots[source]) as shot:
        look = Look(space="source", foreground="plate")
        straight = deliver(shot, tmp_path, look, premultiplied=False, depth="float")
        plate = shot.clip[0].rgb
        values = plate / np.float32(255) if plate.dtype == np.uint8 else plate
        np.testing.assert_allclose(stack(straight[0]), values, atol=1e-6)


def test_the_subjects_own_colour_has_less_background_in_it_than_the_plate(
    shots: dict[str, Path], tmp_path: Path
) -> None:
    """The disc is orange, all around it blue: soft pixels of the plate are bluer than the subject."""
    with Shot.open(shots["png"]) as shot:
        own = deliver(shot, tmp_path / "own", Look(), premultiplied=False)
        fast = deliver(shot, tmp_path / "fast", Look(foreground="fast"), premultiplied=False)
        plate = deliver(shot, tmp_path / "plate", Look(foreground="plate"), premultiplied=False)
        alpha = disc.alpha_at(0, SIZE)
        soft = (alpha > 0.2) & (alpha < 0.8)
        core = stack(own[0])[alpha == 1][:, 2].mean()
        blue = {
            k: stack(v[0])[soft][:, 2].mean() for k, v in (("own", own), ("fast", fast), ("plate", plate))
        }
        assert abs(blue["own"] - core) < 0.6 * abs(blue["plate"] - core)
        assert abs(blue["fast"] - core) < 0.8 * abs(blue["plate"] - core)


def test_a_preset_for_one_object_refuses_two(shots: dict[str, Path], tmp_path: Path) -> None:
    with Shot.open(shots["png"]) as shot, pytest.raises(UsageError, match="holds one object"):
        next(iter(shot.render(ExrWriter(Delivery(tmp_path, "x")), preset="matte")))


def run(*words: object) -> int:
    return main([str(w) for w in words])


def test_export_names_files_by_clip_object_and_preset(shots: dict[str, Path], tmp_path: Path) -> None:
    for preset in ("matte", "cutout", "multi"):
        assert run("export", shots["png"], "--out", tmp_path, "--preset", preset) == 0
    names = {p.name for p in tmp_path.iterdir() if ".1001." in p.name}
    stems = ("plate_hero", "plate_ghost", "plate_hero_cutout", "plate_ghost_cutout", "plate_multi")
    assert names == {f"{s}.1001.exr" for s in stems}


def test_delivery_between_the_plates_is_refused(
    sources: dict[str, Path], shots: dict[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    before = sorted(sources["png"].parent.iterdir())
    assert run("export", shots["png"], "--out", sources["png"].parent) == 6
    assert "plate's own images" in capfd.readouterr().err
    box = ("--box", "0.1,0.1,0.9,0.9", "--tracker", "fake", "--refiner", "none")
    assert run("matte", sources["png"], *box, "--out", sources["png"].parent, "--overwrite") == 6
    assert sorted(sources["png"].parent.iterdir()) == before


def test_png_cutout_is_straight_srgb(shots: dict[str, Path], tmp_path: Path) -> None:
    assert run("export", shots["png"], "--out", tmp_path, "--preset", "cutout", "--format", "png") == 0
    with Shot.open(shots["png"]) as shot:
        bgra = cv2.imread(str(tmp_path / "plate_hero_cutout.1001.png"), cv2.IMREAD_UNCHANGED)
        assert bgra.dtype == np.uint16
        alpha = shot.read_matte("hero", 1001).alpha
        np.testing.assert_array_equal(bgra[..., 3], np.rint(alpha * 65535))
        core = alpha == 1
        plate = shot.clip[0].rgb[core].astype(np.float64) / 255
        assert np.abs(bgra[..., 2::-1][core] / 65535 - plate).max() < 1e-4


def test_one_frames_cutout_is_what_is_delivered(shots: dict[str, Path], tmp_path: Path) -> None:
    for source in ("png", "exr"):
        with Shot.open(shots[source]) as shot:
            straight = deliver(shot, tmp_path / source, Look(), premultiplied=False, depth="float")
            matte = shot.read_cutout("hero", shot.numbers()[2])
            assert matte.foreground is not None
            np.testing.assert_array_equal(stack(straight[2]), matte.foreground)
            np.testing.assert_array_equal(straight[2]["A"], matte.alpha)


def test_timecode_is_carried_and_advanced_over_gaps(tmp_path: Path) -> None:
    for number in (1001, 1002, 1004):
        at = Timecode.parse("01:00:00:23", Fraction(24)).advanced(number - 1001)
        rgb = disc.plate_at(number - 1001, SIZE).astype(np.float32) / 255
        about = {"framesPerSecond": ("rational", (24, 1)), "smpte:TimeCode": ("timecode", at.packed())}
        write_image(tmp_path / "plates" / f"p.{number}.exr", rgb, about, "half")
    words = ("--box", "0.1,0.1,0.9,0.9", "--tracker", "fake", "--refiner", "none")
    assert (
        run(
            "matte",
            tmp_path / "plates" / "p.####.exr",
            *words,
            "--out",
            tmp_path / "o",
            "--range",
            "1002-1004",
        )
        == 0
    )
    for number, expected in ((1002, (0, 1, 0)), (1004, (0, 1, 2))):
        with OpenEXR.File(str(tmp_path / "o" / f"p_subject.{number}.exr")) as f:
            stamp = f.header()["timeCode"]
        assert (stamp.hours, (stamp.minutes, stamp.seconds, stamp.frame)) == (1, expected)


def test_rate_survives(shots: dict[str, Path], tmp_path: Path) -> None:
    with Shot.open(shots["png"]) as shot:
        delivery = Delivery(tmp_path, "r", rate=Fraction(30000, 1001))
        list(shot.render(ExrWriter(delivery), objects=["hero"]))
    with OpenEXR.File(str(delivery.path(1001, ".exr"))) as f:
        assert Fraction(f.header()["framesPerSecond"]) == Fraction(30000, 1001)
