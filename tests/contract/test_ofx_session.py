"""Sessions over the OFX wire: frames in, mattes out, and what makes them stale."""

from __future__ import annotations

import gc
import json
import shutil
import threading
import uuid
import weakref
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest

from tests import disc
from tests import ofx_wire as w
from tests.engines import wait_for
from tests.media_maker import MOVIES
from tests.ofx_engine import BOX, SIZE, Bridged, bridged, plate, push
from tests.ofx_wire import Plugin, WireError
from trackmatte.errors import ClipError
from trackmatte.prompt import Box, Prompt
from trackmatte.server import shots
from trackmatte.server.images import Images
from trackmatte.server.ofx import mattes, sessions
from trackmatte.shot import Shot
from trackmatte.shot.cache import FrameCache
from trackmatte_client.protocol import messages as m

KEYS = range(1001, 1007)


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridged]:
    with bridged(tmp_path_factory.mktemp("ofx")) as bridge:
        yield bridge


@pytest.fixture
def plugin(bridge: Bridged) -> Iterator[Plugin]:
    with bridge.plugin() as plugin:
        yield plugin


@pytest.fixture
def session() -> str:
    return str(uuid.uuid4())


def box(frame: int, **more: object) -> dict[str, object]:
    return {"frame": frame, **BOX, **more}


def finished(plugin: Plugin, session: str, keys: range = KEYS, dtype: str = "uint8") -> None:
    """Push, track and refine."""
    plugin.open(session)
    plugin.prompts(session, boxes=[box(keys[0])])
    push(plugin, session, keys, dtype)
    assert plugin.run(w.TRACK, session, keys[0], keys[-1])["frames"] == len(keys)
    assert plugin.run(w.REFINE, session, keys[0], keys[-1])["frames"] == len(keys)


def by_hand(bridge: Bridged, session: str, folder: Path) -> dict[int, np.ndarray]:
    """Copy a session, throw its cache away, and return the mattes that the library makes of its shot file."""
    shutil.copytree(bridge.shot(session).parent, folder)
    shutil.rmtree(folder / "session.shot/track", ignore_errors=True)
    shutil.rmtree(folder / "session.shot/matte", ignore_errors=True)
    shutil.rmtree(folder / "session.shot/state", ignore_errors=True)
    with Shot.open(folder / "session.shot.json") as shot:
        assert list(shot.track())
        assert list(shot.matte())
        return {n: shot.read_matte("subject", n).alpha for n in shot.numbers()}


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


def test_frames_of_another_size_or_kind_begin_the_sequence_anew(
    bridge: Bridged, plugin: Plugin, session: str
) -> None:
    finished(plugin, session)
    plugin.frame(session, 1001, plate(1001, size=(24, 16)))
    status = plugin.status(session)
    assert (status["first"], status["last"], status["stale"]) == (1001, 1001, 1)
    plugin.frame(session, 1002, plate(1002, "float16", size=(24, 16)))
    folder = bridge.shot(session).parent / "plate"
    assert [f.name for f in folder.iterdir()] == ["plate.001002.exr"]
    push(plugin, session, KEYS)
    assert plugin.status(session)["stale"] == 0
    assert plugin.status(session)["matted"] == 6


def test_one_frame_is_a_clip(plugin: Plugin, session: str) -> None:
    finished(plugin, session, range(1))
    assert plugin.matte(session, 0, SIZE)[0]["state"] == "hit"


def test_pixels_that_are_no_numbers(plugin: Plugin, session: str) -> None:
    plugin.open(session, tracker="flow", refiner="closed_form")
    plugin.prompts(session, boxes=[box(0)])
    for key in range(3):
        pixels = plate(key, "float32", size=(64, 48))
        pixels[::5, ::7, :3] = np.nan
        pixels[1::5, ::7, 0] = np.inf
        pixels[2::5, ::7, 1] = -np.inf
        plugin.frame(session, key, pixels)
        assert plugin.frame(session, key, pixels)
    plugin.run(w.TRACK, session, 0, 2)
    plugin.run(w.REFINE, session, 0, 2)
    for key in range(3):
        said, alpha = plugin.matte(session, key, (64, 48))
        assert said["state"] == "hit"
        assert np.isfinite(alpha).all()


def test_a_cache_folder_that_is_deleted_costs_the_cache_and_nothing_else(
    bridge: Bridged, plugin: Plugin, session: str
) -> None:
    finished(plugin, session)
    shutil.rmtree(bridge.cache)
    assert plugin.matte(session, 1002, SIZE)[0] == {
        "state": "miss", "stale": False, "note": "no frame was sent yet",
    }  # fmt: skip
    assert plugin.status(session)["state"] == "prompted"
    with pytest.raises(WireError, match="shot: no frame was sent yet"):
        plugin.run(w.TRACK, session, 1001, 1006)
    assert push(plugin, session, KEYS) == [False] * 6
    assert plugin.run(w.TRACK, session, 1001, 1006)["frames"] == 6
    assert plugin.run(w.REFINE, session, 1001, 1006)["frames"] == 6
    for folder in (bridge.cache / "ofx", bridge.shot(session).parent):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_damaged_files_are_made_again(bridge: Bridged, plugin: Plugin, session: str) -> None:
    finished(plugin, session)
    folder = bridge.shot(session).parent
    (folder / "session.shot/matte/subject/001002.tif").write_bytes(b"II*\0junk")
    said = plugin.matte(session, 1002, SIZE)[0]
    assert (said["state"], said["stale"]) == ("error", False)
    assert "damaged" in said["note"]
    assert plugin.run(w.REFINE, session, 1001, 1006)["frames"] == 6
    assert plugin.matte(session, 1002, SIZE)[0]["state"] == "hit"
    bridge.shot(session).write_text("{")
    assert plugin.status(session)["matted"] == 6
    (folder / "plate/plate.001003.png").write_bytes(b"\x89PNG junk")
    assert push(plugin, session, KEYS) == [True, True, False, True, True, True]
    assert plugin.status(session)["matted"] == 6


def test_a_disk_that_takes_no_more_is_one_clear_error(
    plugin: Plugin, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin.open(session)
    push(plugin, session, range(1001, 1004))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("trackmatte.files.prove", full)
        with pytest.raises(WireError, match="disk is full") as e:
            push(plugin, session, range(1004, 1005))
        assert e.value.code == "output"
        with pytest.raises(WireError, match="disk is full"):
            plugin.prompts(session, boxes=[box(1001)])
    assert plugin.status(session)["last"] == 1003
    assert push(plugin, session, range(1001, 1006)) == [True, True, True, False, False]
    plugin.prompts(session, boxes=[box(1001)])
    with monkeypatch.context() as patch:
        patch.setattr("trackmatte.files.prove", full)
        with pytest.raises(WireError, match="disk is full") as e:
            plugin.run(w.TRACK, session, 1001, 1005)
        assert e.value.code == "output"
    assert plugin.run(w.TRACK, session, 1001, 1005)["frames"] == 5


def test_a_cache_folder_that_cannot_be_made(tmp_path: Path, session: str) -> None:
    (tmp_path / "cache").write_text("in the way")
    with bridged(tmp_path) as bridge, bridge.plugin() as plugin:
        plugin.open(session)
        for ask in (
            lambda: plugin.frame(session, 1, plate(1)),
            lambda: plugin.open(session, "media", path=str(disc.write_movie(tmp_path / "a.mp4", 2))),
        ):
            with pytest.raises(WireError, match="cannot write") as e:
                ask()
            assert e.value.code == "output"
        assert plugin.status(session)["state"] == "empty"


def test_media_that_cannot_be_read(plugin: Plugin, session: str, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no movie")
    for path, code in (
        (tmp_path / "a.mp4", "clip"),
        (tmp_path / "none.mov", "clip"),
        (tmp_path, "clip"),
        (Path("a.mp4"), "usage"),
        (Path("/dev/zero"), "clip"),
        (f"{tmp_path}/a\0b", "usage"),
        (f"{tmp_path}/{'x' * 5000}.mov", "clip"),
        ("", "usage"),
    ):
        with pytest.raises(WireError) as e:
            plugin.open(session, "media", path=str(path))
        assert e.value.code == code, (path, e.value)
        with pytest.raises(WireError, match="open it first"):
            plugin.status(session)


def _gone(*_: object) -> None:
    raise ClipError("gone")


def test_media_that_goes_or_changes(
    plugin: Plugin, session: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = disc.write_movie(tmp_path / "a.mp4", 4)
    plugin.open(session, "media", path=str(clip))
    plugin.prompts(session, boxes=[box(0)])
    plugin.run(w.TRACK, session, 0, 3)
    plugin.run(w.REFINE, session, 0, 3)
    clip.rename(tmp_path / "b.mp4")
    with monkeypatch.context() as patch:
        patch.setattr(Images, "frame_at", _gone)
        said = plugin.matte(session, 2, SIZE, w.look_hash(plate(9)))[0]
        assert (said["state"], said["stale"]) == ("hit", False)  # nobody can say what the plate is
    with pytest.raises(WireError) as e:
        plugin.run(w.TRACK, session, 0, 3)
    assert e.value.code == "clip"
    disc.write_movie(clip, 6, (96, 64))
    assert plugin.run(w.TRACK, session, 0, 9)["frames"] == 6
    status = plugin.status(session)
    assert (status["last"], status["tracked"], status["matted"], status["stale"]) == (5, 6, 0, 4)


def test_a_sequence_on_disk_that_grew_is_read_again(plugin: Plugin, session: str, tmp_path: Path) -> None:
    clip = disc.write_frames(tmp_path / "plate", 3, SIZE)
    assert plugin.open(session, "media", path=str(clip))["last"] == 1003
    plugin.prompts(session, boxes=[box(1001)])
    assert plugin.run(w.TRACK, session, 1001, 2000)["frames"] == 3
    disc.write_frames(tmp_path / "plate", 5, SIZE)
    assert plugin.status(session)["last"] == 1003
    assert plugin.open(session, "media", path=str(clip))["last"] == 1005
    disc.write_frames(tmp_path / "plate", 6, SIZE)
    assert plugin.run(w.TRACK, session, 1001, 2000)["frames"] == 6


def test_opening_again_is_cheap_where_nothing_changed(
    plugin: Plugin, session: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = disc.write_movie(tmp_path / "a.mp4", 3)
    status = plugin.open(session, "media", path=str(clip))
    monkeypatch.setattr(Shot, "new", None)
    assert plugin.open(session, "media", path=str(clip)) == status


def test_a_correction_that_is_dragged_about_is_not_kept_in_memory(
    bridge: Bridged, plugin: Plugin, session: str
) -> None:
    finished(plugin, session)
    for i in range(10):
        point = {"frame": 1004, "x": 0.05 * i, "y": 0.5, "label": 0}
        plugin.prompts(session, [point], [box(1001)])
        plugin.status(session)
    opened = bridge.engine.shots.open(m.OpenShot(str(bridge.shot(session))))
    assert len(opened.shot.prompts._loaded) == 2


def test_media_of_varying_rate_says_so(plugin: Plugin, session: str, movies: object) -> None:
    name = next(n for n in MOVIES if "vfr" in n)
    status = plugin.open(session, "media", path=str(movies(name)))  # type: ignore[operator]
    assert "rate varies" in status["note"]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"points": [{"frame": 1001, "x": 1.5, "y": 0.5, "label": 1}]}, "outside"),
        ({"points": [{"frame": 1001, "x": 1e300, "y": -1e300, "label": 1}]}, "outside"),
        ({"boxes": [{**BOX, "frame": 1001, "x1": 0.1}]}, "is empty"),
        ({"boxes": [{**BOX, "frame": 1001}, {**BOX, "frame": 1001}]}, "two boxes"),
        ({"points": [{"frame": 1001, "x": 0.5, "y": 0.5, "label": 1, "object": " "}]}, "names no object"),
    ],
)
def test_prompts_that_cannot_be_meant_leave_those_before(
    plugin: Plugin, session: str, said: dict[str, object], text: str
) -> None:
    finished(plugin, session)
    with pytest.raises(WireError, match=text) as e:
        plugin.prompts(session, **said)
    assert e.value.code == "prompt"
    assert plugin.status(session)["matted"] == 6


def test_prompts_where_the_clip_has_no_frame_wait_for_it(plugin: Plugin, session: str) -> None:
    plugin.open(session)
    push(plugin, session, range(1001, 1004))
    boxes = [box(1005), box(-(2**53)), box(2**53)]
    assert "1005" in plugin.prompts(session, boxes=boxes)["note"]
    with pytest.raises(WireError, match=r"no frame -?\d+, where the subject was marked") as e:
        plugin.run(w.TRACK, session, 1001, 1003)
    assert e.value.code == "prompt"
    push(plugin, session, range(1004, 1006))
    assert "1005" not in plugin.status(session)["note"]
    assert plugin.run(w.TRACK, session, 1001, 1005)["frames"] == 5


def test_ranges_are_cut_to_the_frames_there_are(plugin: Plugin, session: str) -> None:
    plugin.open(session)
    plugin.prompts(session, boxes=[box(1002)])
    push(plugin, session, KEYS)
    for first, last in ((2000, 3000), (1005, 1002), (-(2**53), 1000)):
        with pytest.raises(WireError, match="frames 1001 to 1006 and none from") as e:
            plugin.run(w.TRACK, session, first, last)
        assert e.value.code == "shot"
    assert plugin.run(w.TRACK, session, -(2**53), 1003, dir="backward")["frames"] == 2
    assert plugin.run(w.TRACK, session, 1001, 2**53, dir="forward")["frames"] == 6


@pytest.mark.parametrize("key", [-1, 10_000_000, 2**53, -(2**53)])
def test_frames_that_no_sequence_can_have(plugin: Plugin, session: str, key: int) -> None:
    plugin.open(session)
    with pytest.raises(WireError, match="frame offset") as e:
        plugin.frame(session, key, plate(0))
    assert e.value.code == "usage"
    push(plugin, session, range(1))
    with pytest.raises(WireError, match="too far"):
        plugin.frame(session, 5_000_000, plate(0))
    assert plugin.matte(session, key, SIZE)[0]["state"] == "miss"


def test_a_session_that_nobody_opened(plugin: Plugin, session: str) -> None:
    for ask in (
        lambda: plugin.status(session),
        lambda: plugin.prompts(session),
        lambda: plugin.frame(session, 1, plate(1)),
        lambda: plugin.matte(session, 1, SIZE),
        lambda: plugin.run(w.TRACK, session, 0, 1),
        lambda: plugin.run(w.REFINE, session, 0, 1),
    ):
        with pytest.raises(WireError) as e:
            ask()
        assert e.value.code == "not_found"


def test_more_sessions_than_stay_open(
    bridge: Bridged, plugin: Plugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shots, "OPEN", 2)
    monkeypatch.setattr(sessions, "KNOWN", 3)
    names = [str(uuid.uuid4()) for _ in range(4)]
    for name in names:
        finished(plugin, name, range(1, 3))
    assert len(bridge.engine.shots.list().shots) == 2
    for name in names[1:]:
        assert plugin.matte(name, 2, SIZE)[0] == {"state": "hit", "stale": False, "note": ""}
    with pytest.raises(WireError, match="open it first"):
        plugin.matte(names[0], 2, SIZE)
    assert plugin.open(names[0])["matted"] == 2


def test_frames_for_a_clip_on_disk_are_refused(plugin: Plugin, session: str, tmp_path: Path) -> None:
    plugin.open(session, "media", path=str(disc.write_movie(tmp_path / "a.mp4", 2)))
    with pytest.raises(WireError, match="takes no frames") as e:
        plugin.frame(session, 1, plate(1))
    assert e.value.code == "usage"


def test_the_shot_is_one_with_the_page_and_the_command_line(
    bridge: Bridged, plugin: Plugin, session: str
) -> None:
    finished(plugin, session)
    opened = bridge.engine.shots.open(m.OpenShot(str(bridge.shot(session))))
    assert opened.state().objects[0].matted == ((1001, 1006),)
    opened.edit(
        opened.revision, lambda shot: shot.add(Prompt(1001, box=Box(0.2, 0.2, 0.8, 0.8)), replace=True)
    )
    assert plugin.status(session)["stale"] == 6
    with Shot.open(bridge.shot(session)) as shot:
        shot.forget("subject")
        shot.save()
    assert plugin.status(session)["tracked"] == 0
    assert plugin.prompts(session, boxes=[box(1001, x0=0.11)])["stale"] == 6
    assert plugin.prompts(session, boxes=[box(1001)])["matted"] == 6


def slow(session: str, plugin: Plugin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin to track at a quarter of a second a frame."""
    plugin.open(session)
    plugin.prompts(session, boxes=[box(1001)])
    push(plugin, session, range(1001, 1021))
    monkeypatch.setenv("FAKE_SLEEP", "0.25")
    plugin.send(w.TRACK, {"session": session, "from": 1001, "to": 1020, "dir": "forward"})
    assert plugin.answer()[0] == w.PROGRESS


def test_cancel_ends_a_pass_and_keeps_what_is_finished(
    bridge: Bridged, plugin: Plugin, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow(session, plugin, monkeypatch)
    with bridge.plugin() as other:
        assert other.matte(session, 1019, SIZE)[0]["state"] == "busy"
        assert 0 < wait_for(lambda: other.status(session)["tracked"]) < 20
        plugin.cancel()
        seen: list[dict[str, object]] = []
        with pytest.raises(WireError) as e:
            plugin.finish(seen.append)
        assert e.value.code == "cancelled"
        assert len(seen) < 10
        wait_for(lambda: not bridge.engine.jobs.active())
        kept = other.status(session)["tracked"]
        assert 0 < kept < 20
        assert other.matte(session, 1019, SIZE)[0]["state"] == "miss"
    plugin.cancel()  # too late: nothing is answered
    assert plugin.status(session)["tracked"] == kept
    monkeypatch.setenv("FAKE_SLEEP", "0")
    assert plugin.run(w.TRACK, session, 1001, 1020)["frames"] == 20


def test_the_job_of_a_plugin_that_dies_is_cancelled(
    bridge: Bridged, plugin: Plugin, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow(session, plugin, monkeypatch)
    plugin.close()
    wait_for(lambda: not bridge.engine.jobs.active())
    assert bridge.engine.jobs.all()[-1].status == "cancelled"
    monkeypatch.setenv("FAKE_SLEEP", "0")
    with bridge.plugin() as other:
        assert 0 < other.status(session)["tracked"] < 20


def test_anything_but_cancel_during_a_pass_ends_it_and_the_connection(
    bridge: Bridged, plugin: Plugin, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow(session, plugin, monkeypatch)
    plugin.send(w.STATUS, {"session": session})
    assert w.rest(plugin.sock)[-1][2]["code"] == "malformed"
    wait_for(lambda: not bridge.engine.jobs.active())


def test_a_cancel_for_another_request_is_passed_over(
    plugin: Plugin, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow(session, plugin, monkeypatch)
    plugin.sock.sendall(w.pack(w.CANCEL, plugin.req - 1, {}))
    monkeypatch.setenv("FAKE_SLEEP", "0")
    assert plugin.finish()["frames"] == 20


def test_two_plugins_share_a_session(bridge: Bridged, session: str) -> None:
    with bridge.plugin() as one, bridge.plugin() as other:
        one.open(session), other.open(session)
        one.prompts(session, boxes=[box(1001)])
        push(one, session, range(1001, 1002))
        failed: list[BaseException] = []

        def work(plugin: Plugin, seed: int) -> None:
            rng = np.random.default_rng(seed)
            try:
                for key in rng.permutation(np.arange(1001, 1013)).tolist():
                    plugin.frame(session, key, plate(key if rng.random() < 0.7 else key + 5))
                    plugin.matte(session, key, SIZE)
                    plugin.status(session)
                    if rng.random() < 0.3:
                        plugin.run(w.TRACK, session, 0, 2000)
                push(plugin, session, range(1001, 1013))
                plugin.run(w.TRACK, session, 0, 2000)
                plugin.run(w.REFINE, session, 0, 2000)
            except BaseException as e:
                failed.append(e)

        threads = [threading.Thread(target=work, args=(p, i)) for i, p in enumerate((one, other))]
        [t.start() for t in threads]
        [t.join() for t in threads]
        assert not failed
        push(one, session, range(1001, 1013))
        one.run(w.TRACK, session, 0, 2000)
        assert one.run(w.REFINE, session, 0, 2000)["frames"] == 12
        for key in range(1001, 1013):
            assert one.matte(session, key, SIZE, w.look_hash(plate(key)))[0]["stale"] is False


def test_jobs_wait_for_one_another(bridge: Bridged, plugin: Plugin, session: str) -> None:
    plugin.open(session)
    plugin.prompts(session, boxes=[box(1001)])
    push(plugin, session, KEYS)
    begun, go = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        begun.set()
        go.wait(20)

    bridge.engine.jobs.start("other", "track", hold)
    assert begun.wait(20)
    plugin.send(w.TRACK, {"session": session, "from": 1001, "to": 1006, "dir": "both"})
    wait_for(lambda: len(bridge.engine.jobs.active()) == 2)
    with bridge.plugin() as other:
        assert other.matte(session, 1002, SIZE)[0]["state"] == "busy"
    go.set()
    assert plugin.finish()["frames"] == 6


def test_a_job_that_ended_holds_no_shot(bridge: Bridged, plugin: Plugin, session: str) -> None:
    finished(plugin, session)
    shot = weakref.ref(bridge.engine.shots.open(m.OpenShot(str(bridge.shot(session)))))
    push(plugin, session, range(1007, 1009))  # the shot is made anew
    plugin.status(session)
    gc.collect()
    assert shot() is None


def test_doubtful_frames_are_named_and_at_most_so_many(
    plugin: Plugin, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(plugin, session)
    places = tuple(m.Place("subject", n, n, n, 0.9, ("lost",)) for n in range(1006, 990, -1))
    monkeypatch.setattr(mattes, "doubtful", lambda _: places)
    assert plugin.run(w.TRACK, session, 1001, 1006)["doubtful"] == [*KEYS]
    monkeypatch.setattr(mattes, "DOUBTFUL", 2)
    assert plugin.run(w.TRACK, session, 1001, 1006)["doubtful"] == [1005, 1006]


def test_requests_count_as_use_of_the_engine(bridge: Bridged, plugin: Plugin, session: str) -> None:
    plugin.open(session)
    before = bridge.engine._last
    plugin.status(session)
    assert bridge.engine._last > before
