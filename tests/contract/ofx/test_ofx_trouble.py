"""Sessions over the OFX wire that meet odd frames, lost files and requests that make no sense."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

import numpy as np
import pytest

from tests import disc
from tests import ofx_wire as w
from tests.contract.ofx.sessions import KEYS, box, finished
from tests.media_maker import MOVIES
from tests.ofx_engine import BOX, SIZE, Bridged, bridged, plate, push
from tests.ofx_wire import Plugin, WireError
from trackmatte.errors import ClipError
from trackmatte.prompt import Box, Prompt
from trackmatte.server import shots
from trackmatte.server.images import Images
from trackmatte.server.ofx import sessions
from trackmatte.server.ofx.naming import number_file, session_of
from trackmatte.shot import Shot
from trackmatte_client.protocol import messages as m


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


@pytest.mark.parametrize("path", ["clip:7", "clip:0", "clip:-1", "clip:7/../../x", "clip:1234567890"])
def test_a_number_that_no_clip_has_is_refused(plugin: Plugin, session: str, path: str) -> None:
    with pytest.raises(w.WireError, match=r"--number 7" if path == "clip:7" else "absolute path"):
        plugin.open(session, "media", path=path)


def test_a_number_that_changes_hands(bridge: Bridged, plugin: Plugin, tmp_path: Path) -> None:
    """A numbered clip has the session of its path; a plugin hears when the number is another clip's."""
    one, two = (str(disc.write_movie(tmp_path / f"{n}.mp4", n)) for n in (2, 3))
    by_number, by_path = str(session_of("clip:7")), str(session_of(one))
    file = number_file(bridge.cache / "ofx", 7)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(one)
    assert plugin.open(by_number, "media", path="clip:7")["last"] == 1
    assert not bridge.shot(by_number).parent.exists()
    plugin.prompts(by_number, boxes=[box(0)])
    made = bridge.shot(by_path).stat().st_ino
    assert plugin.open(by_path, "media", path=one)["state"] == "prompted"
    assert plugin.open(by_number, "media", path="clip:7")["state"] == "prompted"
    assert bridge.shot(by_path).stat().st_ino == made  # nothing changed, so the shot was not made again
    file.write_text(two)
    with pytest.raises(WireError, match="another clip's now") as refused:
        plugin.status(by_number)
    assert refused.value.code == "not_found"
    assert plugin.status(by_path)["last"] == 1
    assert plugin.open(by_number, "media", path="clip:7")["last"] == 2
    file.unlink()
    with pytest.raises(WireError, match="no clip has the number 7"):
        plugin.status(by_number)
