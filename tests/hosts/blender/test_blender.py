"""The built extension in real Blenders, each in a process of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests import media_maker
from tests.counters import read_counter
from tests.hosts.blender.conftest import ROOT, SECONDS, Chapter, filled_spline
from tests.unit.test_media_frames import by_ffmpeg
from trackmatte.shot import Shot

FURBALL = ROOT / "sample_clips" / "furball"
pytestmark = pytest.mark.timeout(SECONDS + 60)


def true_alpha(number: int) -> NDArray[np.float32]:
    """Return a frame of the sample's exact alpha (H, W)."""
    with av.open(str(FURBALL / "alpha.mkv")) as file:
        frames = file.decode(video=0)
        found = next(f for i, f in enumerate(frames) if i == number)
        return found.to_ndarray(format="gray16le").astype(np.float32) / 65535


def detail(picture: NDArray[np.float32], where: NDArray[np.bool_]) -> float:
    """Return the mean difference of neighbours on a row."""
    steps = np.abs(np.diff(picture[..., :3], axis=1)).mean(-1)
    return float(steps[where[:, 1:] & where[:, :-1]].mean())


def test_the_whole_story(chapter: Chapter, tmp_path: Path) -> None:
    clip = shutil.copy(FURBALL / "plate.mp4", tmp_path / "plate.mp4")
    found = chapter("story", clip=str(clip))

    assert "no matte yet: press Matte" in found["none"]
    assert found["match"] == [640, 11, 58, 24]
    assert found["overlay"] == [[360, 640], pytest.approx(0.12, abs=0.02)]
    assert (found["tracked"], found["matted"]) == ("0-5", "0-5")
    target = "//trackmatte/plate.matte/plate_subject.####.exr"
    assert found["delivery"] == ["subject", target, 0, 5, "matte"]
    assert found["check"] == ["FINISHED"]

    matte, blur, plate, cutout, replace = (
        np.load(tmp_path / f"{n}.npy") for n in ("matte", "blur", "plate", "cutout", "replace")
    )
    inside, outside = matte > 0.9999, matte < 0.0001
    assert inside.mean() > 0.05
    assert np.abs(blur - plate)[inside].max() < 2e-3
    assert np.abs(cutout - plate)[inside].max() < 2e-3
    assert detail(plate, inside) > 0.002
    assert detail(blur, outside) < 0.4 * detail(plate, outside)
    assert abs(blur[outside].mean() - plate[outside].mean()) < 0.01
    np.testing.assert_allclose(replace[outside], np.tile([0, 0.25, 1, 1], (outside.sum(), 1)), atol=1e-3)
    # Scene frame 14 of a clip that starts at 11 is the movie's frame 3: its own truth fits best.
    misfit = [np.abs(cutout[..., 3] - true_alpha(n)).mean() for n in (1, 3, 5)]
    assert misfit[1] == min(misfit)
    assert misfit[1] < 0.02

    for area in found["areas"].values():
        assert area == pytest.approx(0.125, abs=0.02)
    # A frame with a mask as its prompt is that mask.
    assert found["after mask"] == pytest.approx(found["areas"]["16"], abs=1e-4)

    assert found["shot"] == "//trackmatte/plate.shot.json"
    assert found["reopened"] == [True, 3, True]
    assert found["again"] == ["FINISHED"]
    assert found["images"] == ["plate.mp4 subject matte"]
    assert found["shots"] == ["plate.shot.json"]
    assert "1 of 6 frames cannot be used; missing files: 3; press Matte" in found["missing"]


def sequence(folder: Path, count: int = 4) -> list[NDArray[np.uint8]]:
    """Write the sample's first frames as plate.1001.png and so on; return them as sRGB."""
    folder.mkdir(parents=True)
    frames = []
    with av.open(str(FURBALL / "plate.mp4")) as file:
        for number, frame in zip(range(count), file.decode(video=0), strict=False):
            rgb = cv2.resize(frame.to_ndarray(format="rgb24"), (320, 180), interpolation=cv2.INTER_AREA)
            frames.append(rgb)
            encoded = cv2.imencode(".png", rgb[..., ::-1])[1]
            (folder / f"plate.{1001 + number}.png").write_bytes(encoded.tobytes())
    return frames


def linear(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the light of sRGB values (IEC 61966-2-1)."""
    v = rgb / 255
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def test_two_clips_of_one_name_in_two_scenes(chapter: Chapter, tmp_path: Path) -> None:
    project = tmp_path / "Projekt ä"
    frames, _ = (sequence(project / name) for name in ("einß", "zwei"))
    found = chapter("clips")

    assert found["clips"] == {
        "einß": [1001, 1001, 1004, "//trackmatte/plate.shot.json", 1, 4, [1, 1000, 4]],
        # It skips its first frame: 1001 would lie at scene frame 100.
        "zwei": [1002, 1001, 1004, "//trackmatte/plate-2.shot.json", 101, 103, [100, 1000, 4]],
    }
    offset = np.load(tmp_path / "offset.npy")[..., :3]
    errors = [np.abs(offset - linear(f)).mean() for f in frames]
    assert errors[2] < 1e-3 < min(errors[:2] + errors[3:])  # scene frame 102 is file 1003
    third = np.load(tmp_path / "third.npy")
    inside = third[..., 3] > 0.9999
    assert inside.mean() > 0.03
    assert np.abs(third[..., :3] - linear(frames[2]))[inside].max() < 2e-3

    assert found["marker"] == [0.4, 0.45]
    assert found["theirs"] == [True, True]
    assert found["moved"] == ["plate-2.shot.json", "plate.shot.json"]
    assert found["moved check"] == ["FINISHED"]
    # What a .blend from Windows says.
    target = r"//trackmatte\plate.matte\plate_Füchsin.####.exr"
    assert found["windows check"] == [target, ["FINISHED"]]
    assert found["windows"] == [["FINISHED"], "//trackmatte/plate.shot.json"]
    assert r"D:\plates\plate.1001.png is not there: find it with" in found["drive"]
    assert "plate.1001.png is not there: find it with" in found["lost"]
    assert found["cutout"] == [[0.2, 0.4, 0.8], 1.0, "closed_form"]
    assert found["renamed"] == ["//trackmatte/renamed.shot.json", "1001-1004"]


def test_a_movie_of_varying_rate_goes_by_blenders_frames(
    chapter: Chapter, movies: Callable[[str], Path], tmp_path: Path
) -> None:
    clip = shutil.copy(movies("vfr.mp4"), tmp_path / "vfr.mp4")
    found = chapter("uneven", clip=str(clip))
    rate = Fraction(found["fps"]).limit_denominator(1001)
    shown = [read_counter(cv2.imread(str(p))) for p in sorted((tmp_path / "shown").iterdir())]
    assert found["frames"] == [1, len(shown)]
    assert len(shown) > 2 * media_maker.COUNT  # so that a mistake shows
    theirs = by_ffmpeg(movies("vfr.mp4"), rate)
    assert shown == theirs[: len(shown)]
    with Shot.open(found["shot"]) as shot:
        assert shot.clip.rate == rate
        assert [read_counter(f.rgb) for f in shot.clip.frames(0, len(shown))] == shown
    assert (found["prompt"], found["first"], found["last"]) == (30, 24, 39)
    assert found["shots"] == ["vfr.shot.json"]
    assert f"grid of {float(rate):g} fps" in found["notes"]


def filled(spline: list[list[list[float]]]) -> NDArray[np.bool_]:
    """Return what a closed mask spline encloses (360, 640), from its control points alone."""
    # A mask's positions are scaled by the longer side, y up.
    return filled_spline([[[x * 640, 500 - y * 640] for x, y in point] for point in spline], 640, 360)


def test_masks_are_seen_corrected_and_handed_back(chapter: Chapter, tmp_path: Path) -> None:
    clip = shutil.copy(FURBALL / "plate.mp4", tmp_path / "plate.mp4")
    found = chapter("masks", clip=str(clip))
    drawn = found["drawn"]
    whole = drawn["whole"][0]
    assert 0.2 < whole == drawn["no hole"][0]
    for name in ("hole", "subtracted"):  # a quarter of it is cut out
        assert drawn[name][0] == pytest.approx(0.75 * whole, rel=0.02)
    assert drawn["feathered"][0] > 1.1 * whole
    assert drawn["whole"][1] < 0.01
    assert drawn["feathered"][1] > 0.05
    assert drawn["parented at"] == pytest.approx(0.6, abs=0.005)
    assert (drawn["scenes"], drawn["groups"]) == (1, 0)

    # What the overlay shows is the mask, the matte as it was delivered, and the matte in white.
    assert found["no matte"] == "there is no matte of this frame yet: the mask is shown"
    assert found["kept"] == [False] * 3
    mask, matte, alpha = (np.load(tmp_path / f"{n}.npy") for n in ("MASK", "MATTE", "ALPHA"))
    delivered = np.load(tmp_path / "delivered.npy")
    np.testing.assert_allclose(matte[..., 3], delivered / 2, atol=0.01)
    np.testing.assert_allclose(alpha[..., 0], delivered, atol=0.01)
    assert (alpha[..., 3] == 1).all()
    assert np.abs(mask[..., 3] - matte[..., 3]).mean() > 0.003

    pieces = found["pieces"]
    assert (pieces["splines"], pieces["empty"]) == (3, [17])
    assert min(pieces["fits"]) > 0.96
    assert pieces["nothing"] < 1e-4

    # Keys on every second frame: between them Blender interpolates.
    assert min(found["outline"][f] for f in ("11", "13", "15")) > 0.9
    assert min(found["outline"].values()) > 0.85
    # The engine has the very shape that was drawn, and carries it on.
    engine, drawn = np.load(tmp_path / "13.npy") > 0.5, filled(found["spline"])
    assert (engine & drawn).sum() / (engine | drawn).sum() > 0.99
    assert found["moved"]["14"] > 0.03
    assert found["jump"] == [["FINISHED"], found["places"][0][0] + 11, 0]


def test_panels_in_every_state(chapter: Chapter) -> None:
    found = chapter("panels", clip=str(FURBALL / "plate.mp4"))
    assert found["no clip"]["main"] == ["Open a clip"]
    assert [found["no clip"][n] for n in ("doubts", "comp", "mask", "settings")] == [["hidden"]] * 4
    said = {state: list(chain(*parts.values())) for state, parts in found.items()}
    assert "subject" in said["prompted"]
    assert "subject" not in said["empty"]
    assert {"21% track 5/24", "operator trackmatte.stop"} <= set(said["running"])
    assert "operator trackmatte.stop" not in said["done"]
    assert {"operator trackmatte.jump 18", "11-34", "lost", "complete", "scene frame 1 shows file 0"} <= set(
        said["done"]
    )
    assert {"prop colour", "prop frame_in"} & set(said["done"]) == {"prop frame_in"}
    assert "/nowhere/python is" in " ".join(said["no engine"])
    every = (
        "add_mask add_marker object_add object_remove matte show doubts match check load to_mask find test"
    )
    shown = {s.split(" ")[1].removeprefix("trackmatte.") for s in said["done"] if s.startswith("operator ")}
    assert {*every.split(), "comp", "track", "pick", "clear"} <= shown
    settings = {"tracker", "refiner", "preset", "shot", "use_range", "python", "overlay", "view", "opacity"}
    assert settings <= {s.removeprefix("prop ") for s in said["done"] if s.startswith("prop ")}


def test_every_change_is_one_step_of_undo(chapter: Chapter, tmp_path: Path) -> None:
    clip = shutil.copy(FURBALL / "plate.mp4", tmp_path / "plate.mp4")
    found = chapter("undo", clip=str(clip))
    assert len(found) == 18
    for name, changed_undone_redone in found.items():
        assert changed_undone_redone == [True] * 3, name


def test_what_must_not_surprise(chapter: Chapter, tmp_path: Path) -> None:
    clip = shutil.copy(FURBALL / "plate.mp4", tmp_path / "plate.mp4")
    found = chapter("care", clip=str(clip))
    for frame in ("at 10", "at 59"):
        assert "the clip is not seen here: it lies on frames 11 to 58" in found[frame]
    covered, off = found["colour"]  # the cut-out's colours are those that Blender shows of the plate
    assert covered > 0.05
    assert off < 4e-3  # decoders differ: Blender 5.0's by 2.4e-3 in the mean; Rec.709's own curve by 3e-2
    assert len(found["nodes"]) == 3
    for (_, low), (high, _) in pairwise(found["nodes"]):  # even though no editor has drawn them yet
        assert high < low - 300
    assert found["late"] == [[True, False], [False, False]]
    assert found["threads"] == 1  # Python's threads crash Blender
    assert found["chosen"] == [True, False]
    assert found["marker"] == [0.25, 0.5]
    assert "plate.mp4 as 360x640 and the engine as 640x360, as its rotation tag may ask" in found["turned"]
    assert found["saved"] == [
        [True, True],
        ["", "", ""],
        "//../../trackmatte/plate.shot.json",
        "//../../trackmatte/plate.cutout/plate_subject_cutout.####.exr",
        ["trackmatte/plate.shot.json"],
    ]


def test_find_and_test_say_what_is_wrong(chapter: Chapter, tmp_path: Path) -> None:
    found = chapter("buttons")
    missing = "was not found; install it (pip install trackmatte) and run once: trackmatte serve --record"
    gone = f"TRACKMATTE_PYTHON names {tmp_path}/gone/python, which is not there; install Trackmatte again"
    said = {
        "find nothing": missing,
        "test nothing": missing,
        "find gone": gone,
        "test gone": gone,
        "find recorded": f"names {tmp_path}/old/python, which is not there",
        "test recorded": f"names {tmp_path}/old/python, which is not there",
        "test plain": f"{tmp_path}/plain.txt is not there or cannot be run; press Find, or choose the Python",
        "test other python": "No module named trackmatte; try it in a terminal: ",
        "test ends": "the engine ended at once (1): it said nothing; try it in a terminal: /bin/false",
        "test unreadable": "engine.json cannot be read (Is a directory)",
        "test silent": "the engine did not answer within 0.5 seconds; ",
        "test newer": "speaks protocol 99 and this plug-in 1; update the plug-in",
    }
    for name, words in said.items():
        report, shown = found.pop(name)
        assert report.startswith("Error: "), name
        assert words in report, name
        assert words in shown, name  # it stays in the preferences too
    assert found.pop("find well") == ["", f"found {tmp_path}/engine-python"]
    assert set(found) == {"test junk", "test program", "test well"}
    for report, shown in found.values():
        assert (report, shown[:9]) == ("", "engine 0.")


def test_what_goes_wrong_is_a_report(chapter: Chapter, tmp_path: Path) -> None:
    clip = shutil.copy(FURBALL / "plate.mp4", tmp_path / "plate.mp4")
    found = chapter("faults", clip=str(clip))
    said = {
        "no clip": "open a clip in the Movie Clip Editor first",
        "no mask": "choose a mask",
        "no marker": "no selected marker",
        "empty box": "the box is empty",
        "no mattes": "there are no mattes yet: press Matte",
        "not tracked": "no tracked frames: press Track first",
        "no place": "press Find Doubtful Frames",
        "absent": f"{tmp_path}/nowhere/python is not there or cannot be run; press Find",
        "absent test": "press Find",
        "windows": r"C:\Program Files\Trackmatte\python.exe is not there",
        "old": "speaks protocol 0 and this plug-in 1; update the engine",
        "old test": "update the engine",
        "no prompt": "add a point, box, scribble or mask first",
        "killed": "what was finished is kept, so run the job again",
        "frozen": "does not answer: wait, or end that process and try again",
        "in out": "In (5) lies behind Out (2)",
    }
    for name, words in said.items():
        assert found[name].startswith("Error: "), name
        assert words in found[name], name
    for name in ("find", "test", "after", "thawed", "stopped"):
        assert found[name] == ["FINISHED"], name
    assert found["found"] == str(tmp_path / "engine-python")
    assert found["said"].startswith("engine 0.")
    assert "automatic tracker: " in found["said"]
    assert found["stopped says"] == "Track stopped; what is finished is kept"


def test_blenders_own_tool_takes_the_package_and_refuses_a_bad_one(
    blender: tuple[str, Path], builder: Any, package: Path, tmp_path: Path
) -> None:
    builder.validate(package, str(blender[1]))
    folder = builder.stage(tmp_path / "bad")
    manifest = folder / "blender_manifest.toml"
    manifest.write_text(manifest.read_text().replace('"Tracking"', '"Trackers"'))
    builder.pack(folder, tmp_path / "bad.zip")
    with pytest.raises(SystemExit, match="Trackers"):
        builder.validate(tmp_path / "bad.zip", str(blender[1]))
