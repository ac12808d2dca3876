"""Sessions over the OFX wire: frames in, mattes out, and what makes them stale."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest

from tests import disc
from tests import ofx_wire as w
from tests.contract.ofx.sessions import KEYS, box, by_hand, finished
from tests.ofx_engine import SIZE, Bridged, bridged, plate, push
from tests.ofx_wire import Plugin, WireError
from trackmatte.shot.cache import FrameCache


def test_a_session_from_nothing_to_mattes(plugin: Plugin, session: str) -> None:
    status = plugin.open(session)
    assert status.pop("note") == ""
    assert status == {
        "state": "empty", "tracked": 0, "matted": 0, "stale": 0, "first": 0, "last": -1, "rate": 0,
    }  # fmt: skip
    status = plugin.prompts(session, boxes=[box(1001)])
    assert status["state"] == "prompted"
    assert "no frame 1001" in status["note"]
    assert push(plugin, session, KEYS) == [False] * 6
    assert push(plugin, session, KEYS) == [True] * 6
    status = plugin.status(session)
    assert (status["state"], status["first"], status["last"], status["rate"]) == ("prompted", 1001, 1006, 24)
    assert status["note"] == ""
    seen = []
    done = plugin.run(w.TRACK, session, 1001, 1006, progress=seen.append)
    assert done["frames"] == 6
    assert seen[-1] == {"stage": "track", "done": 6, "of": 6, "frame": 1006, "note": ""}
    assert (plugin.status(session)["state"], plugin.status(session)["tracked"]) == ("tracked", 6)
    assert plugin.matte(session, 1003, SIZE)[0]["state"] == "miss"
    done = plugin.run(w.REFINE, session, 1002, 1004, progress=seen.append)
    assert done["frames"] == 3
    assert seen[-1]["stage"] == "matte"
    said, alpha = plugin.matte(session, 1003, SIZE)
    assert said == {"state": "hit", "stale": False, "note": ""}
    assert 0 <= alpha.min() < 0.5 < alpha.max() <= 1
    said, alpha = plugin.matte(session, 1001, SIZE)
    assert said["state"] == "miss"
    assert np.isnan(alpha).all()
    status = plugin.status(session)
    assert (status["state"], status["tracked"], status["matted"], status["stale"]) == ("matted", 6, 3, 0)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32"])
def test_mattes_of_pushed_frames_are_those_of_the_shot_file(
    bridge: Bridged, plugin: Plugin, session: str, tmp_path: Path, dtype: str
) -> None:
    finished(plugin, session, KEYS, dtype)
    for number, alpha in by_hand(bridge, session, tmp_path / "copy").items():
        said, got = plugin.matte(session, number, SIZE)
        assert said["state"] == "hit"
        np.testing.assert_array_equal(got, alpha)


@pytest.mark.parametrize("kind", ["movie", "sequence"])
def test_mattes_of_a_clip_on_disk_are_those_of_the_shot_file(
    bridge: Bridged, plugin: Plugin, session: str, tmp_path: Path, kind: str
) -> None:
    movie = kind == "movie"
    clip = disc.write_movie(tmp_path / "a.mp4", 5) if movie else disc.write_frames(tmp_path / "plate", 5)
    first = 0 if movie else 1001
    status = plugin.open(session, "media", path=str(clip))
    assert (status["first"], status["last"], status["rate"]) == (first, first + 4, 24)
    plugin.prompts(session, boxes=[box(first)])
    plugin.run(w.TRACK, session, -100, 10_000)
    assert plugin.run(w.REFINE, session, -100, 10_000)["frames"] == 5
    found = by_hand(bridge, session, tmp_path / "copy")
    assert sorted(found) == [*range(first, first + 5)]
    for number, alpha in found.items():
        said, got = plugin.matte(session, number, (160, 96))
        assert said["state"] == "hit"
        np.testing.assert_array_equal(got, alpha)
    half = plugin.matte(session, first, (80, 48))[1]
    np.testing.assert_allclose(half, found[first].reshape(48, 2, 80, 2).mean(axis=(1, 3)), atol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32"])
@pytest.mark.parametrize("comps", [1, 3, 4])
def test_frames_are_kept_without_loss(
    bridge: Bridged, plugin: Plugin, session: str, dtype: str, comps: int
) -> None:
    rng = np.random.default_rng(9)
    pixels = rng.integers(0, 256, (7, 5, comps, np.dtype(dtype).itemsize), np.uint8).view(dtype)[..., 0]
    plugin.open(session)
    assert plugin.frame(session, 7, pixels, offset=32, pad=13) is False
    assert plugin.frame(session, 7, pixels) is True
    wanted = pixels[..., :3] if comps > 1 else np.repeat(pixels, 3, axis=2)
    folder = bridge.shot(session).parent / "plate"
    if np.dtype(dtype).kind == "f":
        with OpenEXR.File(str(folder / "plate.000007.exr"), separate_channels=True) as f:
            got = np.stack([f.channels()[c].pixels for c in "RGB"], axis=2)
    else:
        got = cv2.imread(str(folder / "plate.000007.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    assert got.dtype == dtype
    nan = np.isnan(wanted) if np.dtype(dtype).kind == "f" else np.zeros(wanted.shape, bool)
    np.testing.assert_array_equal(np.isnan(got) if nan.any() else nan, nan)
    np.testing.assert_array_equal(got[~nan], wanted[~nan])


def test_sending_the_same_pixels_writes_nothing_and_others_do(
    bridge: Bridged, plugin: Plugin, session: str
) -> None:
    plugin.open(session)
    push(plugin, session, KEYS)
    file = bridge.shot(session).parent / "plate/plate.001002.png"
    before = file.stat()
    straight = plate(1002)
    straight[..., 3] = 7  # alpha is no part of the plate
    assert plugin.frame(session, 1002, straight)
    assert file.stat() == before
    assert not plugin.frame(session, 1002, plate(30))
    assert file.stat().st_ino != before.st_ino


def test_more_frames_leave_earlier_mattes_fresh_and_a_changed_one_makes_later_ones_stale(
    plugin: Plugin, session: str
) -> None:
    finished(plugin, session)
    push(plugin, session, range(999, 1010))
    status = plugin.status(session)
    assert (status["first"], status["last"], status["matted"], status["stale"]) == (999, 1009, 6, 0)
    assert [plugin.matte(session, k, SIZE)[0]["stale"] for k in KEYS] == [False] * 6
    plugin.frame(session, 1004, plate(30))
    assert [plugin.matte(session, k, SIZE)[0]["stale"] for k in KEYS] == [False] * 3 + [True] * 3
    status = plugin.status(session)
    assert (status["tracked"], status["matted"], status["stale"]) == (3, 3, 3)
    seen = []
    plugin.run(w.TRACK, session, 999, 1009, progress=seen.append)
    assert seen[-1]["of"] == 2 + 3 + 3
    plugin.run(w.REFINE, session, 999, 1009)
    status = plugin.status(session)
    assert (status["tracked"], status["matted"], status["stale"]) == (11, 11, 0)


def test_other_prompts_make_mattes_stale_and_the_same_again_fresh(plugin: Plugin, session: str) -> None:
    finished(plugin, session)
    assert plugin.prompts(session, boxes=[box(1001, x0=0.2)])["stale"] == 6
    said, alpha = plugin.matte(session, 1003, SIZE)
    assert (said["state"], said["stale"]) == ("hit", True)
    assert "other prompts" in said["note"]
    assert np.isfinite(alpha).all()
    assert plugin.prompts(session, boxes=[box(1001)])["stale"] == 0
    assert plugin.matte(session, 1003, SIZE)[0]["stale"] is False


def test_no_prompts_at_all(plugin: Plugin, session: str) -> None:
    finished(plugin, session)
    status = plugin.prompts(session)
    assert (status["state"], status["tracked"], status["matted"]) == ("empty", 0, 0)
    assert plugin.matte(session, 1001, SIZE)[0] == {
        "state": "miss", "stale": False, "note": "nothing is selected; add a point or a box",
    }  # fmt: skip
    for kind in (w.TRACK, w.REFINE):
        with pytest.raises(WireError, match="prompt: nothing is selected") as e:
            plugin.run(kind, session, 1001, 1006)
        assert e.value.code == "prompt"


def test_other_settings_keep_the_cache_and_make_it_stale(plugin: Plugin, session: str) -> None:
    finished(plugin, session)
    assert plugin.open(session, colour="linear")["stale"] == 6
    assert plugin.open(session, colour="display")["stale"] == 0
    assert plugin.open(session)["stale"] == 0
    assert plugin.open(session, tracker="carrying")["stale"] == 6
    assert plugin.open(session, tracker="")["stale"] == 6  # the engine's own choice
    assert plugin.open(session)["matted"] == 6
    with pytest.raises(WireError, match="no tracker is called 'nonsense'"):
        plugin.open(session, tracker="nonsense")
    assert plugin.status(session)["matted"] == 6


def test_the_hash_tells_another_picture(plugin: Plugin, session: str, tmp_path: Path) -> None:
    finished(plugin, session)
    same, other = w.look_hash(plate(1003)), w.look_hash(plate(1003)[:, ::-1])
    assert plugin.matte(session, 1003, SIZE, same)[0]["stale"] is False
    said = plugin.matte(session, 1003, SIZE, other)[0]
    assert (said["state"], said["stale"]) == ("hit", True)
    assert "another picture" in said["note"]
    clip, media = disc.write_movie(tmp_path / "a.mp4", 3), str(uuid.uuid4())
    plugin.open(media, "media", path=str(clip))
    plugin.prompts(media, boxes=[box(0)])
    plugin.run(w.TRACK, media, 0, 2)
    plugin.run(w.REFINE, media, 0, 2)
    for dtype in ("uint8", "float32"):
        look = w.look_hash(plate(1, dtype, size=(160, 96)))
        assert plugin.matte(media, 1, SIZE, look)[0]["stale"] is False
    assert plugin.matte(media, 1, SIZE, w.look_hash(plate(1)[:, ::-1]))[0]["stale"] is True


def test_objects_add_up_and_are_held_at_one(bridge: Bridged, plugin: Plugin, session: str) -> None:
    plugin.open(session)
    plugin.prompts(session, boxes=[box(1001), box(1001, object="a/b: ü")])
    push(plugin, session, KEYS)
    plugin.run(w.TRACK, session, 1001, 1006)
    plugin.run(w.REFINE, session, 1001, 1006)
    cache = FrameCache(bridge.shot(session).with_name("session.shot"))
    each = [cache.read("matte", obj, 1002) for obj in ("subject", "a/b: ü")]
    total = np.clip(sum(plane for plane, _ in each if plane is not None), 0, 1)
    assert total.max() == 1
    np.testing.assert_array_equal(plugin.matte(session, 1002, SIZE)[1], total)
    cache.drop("matte", "subject", 1002)
    assert plugin.matte(session, 1002, SIZE)[0]["state"] == "miss"


def test_a_click_on_a_tracked_frame_corrects_the_mask_there(
    bridge: Bridged, plugin: Plugin, session: str
) -> None:
    finished(plugin, session)
    point = {"frame": 1004, "x": 0.5, "y": 0.5, "label": 0}
    plugin.prompts(session, [point], [box(1001)])
    entry = json.loads(bridge.shot(session).read_text())["prompts"][0]
    assert entry["frame"] == 1004
    assert entry["points"] == [[0.5, 0.5, 0]]
    kept = entry["mask"]
    # A click that moves keeps the mask it corrects; one that goes takes it along.
    plugin.prompts(session, [{**point, "x": 0.6}], [box(1001)])
    entry = json.loads(bridge.shot(session).read_text())["prompts"][0]
    assert (entry["mask"], entry["points"]) == (kept, [[0.6, 0.5, 0]])
    plugin.prompts(session, boxes=[box(1001)])
    assert plugin.status(session)["stale"] == 0
    # Where nothing was tracked, or all prompts are new, there is nothing to correct.
    plugin.prompts(session)
    plugin.prompts(session, [point])
    assert "mask" not in json.loads(bridge.shot(session).read_text())["prompts"][0]


def test_a_new_process_finds_the_session_and_the_mask_that_a_click_corrected(
    bridge: Bridged, plugin: Plugin, session: str, tmp_path: Path
) -> None:
    finished(plugin, session)
    points = [{"frame": 1004, "x": 0.5, "y": 0.5, "label": 0}]
    plugin.prompts(session, points, [box(1001)])
    plugin.run(w.TRACK, session, 1001, 1006)
    plugin.run(w.REFINE, session, 1001, 1006)
    mattes = {k: plugin.matte(session, k, SIZE)[1] for k in KEYS}
    shutil.copytree(bridge.cache, tmp_path / "cache")
    with bridged(tmp_path) as again, again.plugin() as other:
        with pytest.raises(WireError, match="not_found") as e:
            other.status(session)
        assert e.value.code == "not_found"
        assert other.open(session, tracker="", refiner="")["matted"] == 6
        assert other.prompts(session, points, [box(1001)])["stale"] == 0
        for key, alpha in mattes.items():
            said, got = other.matte(session, key, SIZE, w.look_hash(plate(key)))
            assert said == {"state": "hit", "stale": False, "note": ""}
            np.testing.assert_array_equal(got, alpha)
        assert push(other, session, KEYS) == [True] * 6
