"""Shots, edits and pictures through a running engine, as a host uses it."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import cv2
import numpy as np
import pytest

from tests import counters, disc, media_maker
from tests.engines import BOX, ask, frames_of, new_shot, picture, png, prompted, started, wait_for
from trackmatte.cli import main
from trackmatte.server import preview
from trackmatte.server.refusal import Refusal
from trackmatte.server.shots import OpenShot
from trackmatte.shot import Shot
from trackmatte_client import Client, EngineError, Job, Stale
from trackmatte_client.protocol import messages as m

SLEEP = 0.05
"""Seconds that the tracker takes for a frame, so that there is time to interfere."""
FRAMES = 12


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with started(tmp_path_factory.mktemp("engine"), sleep=SLEEP) as client:
        yield client


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return disc.write_movie(tmp_path_factory.mktemp("clip") / "disc.mp4", FRAMES)


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plates")
    pattern = disc.write_frames(folder, 8)
    (folder / "plate.1004.png").unlink()
    return pattern


def test_a_shot_says_what_its_clip_is(client: Client, plates: Path, tmp_path: Path) -> None:
    shot = new_shot(client, tmp_path, plates)
    clip = shot.clip
    assert (clip.width, clip.height, clip.first, clip.last, clip.length) == (160, 96, 1001, 1008, 7)
    assert clip.missing == ((1004, 1004),)
    assert clip.rate == (24, 1)
    assert Path(clip.path) == plates
    assert shot.range == (1001, 1008)
    assert (shot.can_undo, shot.can_redo, shot.objects, shot.prompts) == (False, False, (), ())
    assert client.open_shot(shot.path) == shot
    assert shot.shot in client.list_shots().shots


def test_edits_are_saved_at_once_and_can_be_undone(client: Client, movie: Path, tmp_path: Path) -> None:
    shot = new_shot(client, tmp_path, movie)
    made = client.put_prompt(shot.shot, shot.revision, m.Prompt(2, "hero", box=BOX))
    assert made.selected.frame == 2
    assert 0 < made.selected.share < 1
    assert [(p.frame, p.object, p.box) for p in made.shot.prompts] == [(2, "hero", BOX)]
    both = client.add_prompt(shot.shot, made.shot.revision, m.Prompt(2, "hero", points=((0.5, 0.5, 1),))).shot
    ranged = client.set_range(shot.shot, both.revision, (2, 5))
    with Shot.open(shot.path) as saved:
        assert saved.numbers() == [2, 3, 4, 5]
        assert [(len(p.points), p.box) for p in saved.doc.prompts] == [(1, BOX)]
    gone = client.forget_object(shot.shot, ranged.revision, "hero")
    assert gone.prompts == ()
    state = gone
    for expected in (both.prompts, both.prompts, made.shot.prompts, ()):
        state = client.undo(shot.shot, state.revision)
        assert state.prompts == expected
    assert state.range == (0, FRAMES - 1)
    assert not state.can_undo
    assert client.undo(shot.shot, state.revision).revision == state.revision
    for _ in range(3):
        state = client.redo(shot.shot, state.revision)
    assert (state.prompts, state.range) == (both.prompts, (2, 5))
    with Shot.open(shot.path) as saved:
        assert saved.numbers() == [2, 3, 4, 5]
    state = client.remove_prompt(shot.shot, state.revision, 2, "hero")
    assert not state.can_redo
    with pytest.raises(EngineError, match="no prompt on frame 2"):
        client.remove_prompt(shot.shot, state.revision, 2, "hero")
    assert client.shot_state(shot.shot) == state


def test_of_two_who_edit_the_slower_one_is_told(client: Client, movie: Path, tmp_path: Path) -> None:
    shot = new_shot(client, tmp_path, movie)
    mine = client.put_prompt(shot.shot, shot.revision, m.Prompt(0, box=BOX)).shot
    with pytest.raises(Stale, match="edited elsewhere") as stale:
        client.put_prompt(shot.shot, shot.revision, m.Prompt(1, box=BOX))
    assert stale.value.shot == mine
    answers: list[object] = []

    def edit(frame: int) -> None:
        try:
            answers.append(
                client.put_prompt(shot.shot, mine.revision, m.Prompt(frame, box=BOX)).shot.revision
            )
        except Stale:
            answers.append("stale")

    threads = [threading.Thread(target=edit, args=(i,)) for i in range(1, 6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert answers.count("stale") == 4
    assert len(client.shot_state(shot.shot).prompts) == 2


def test_what_the_command_line_writes_meanwhile_counts(client: Client, movie: Path, tmp_path: Path) -> None:
    shot = prompted(client, tmp_path, movie)
    assert (
        main(["shot", "add", shot.path, "--frame", "3", "--object", "other", "--box", "0.2,0.2,0.8,0.8"]) == 0
    )
    with pytest.raises(Stale) as stale:
        client.set_range(shot.shot, shot.revision, (0, 3))
    assert [p.object for p in stale.value.shot.prompts] == ["subject", "other"]
    client.set_range(shot.shot, stale.value.shot.revision, (0, 3))
    with Shot.open(shot.path) as saved:
        assert saved.objects == ["subject", "other"]
    Path(shot.path).write_text("{")
    with pytest.raises(EngineError, match="not valid JSON") as refusal:
        client.shot_state(shot.shot)
    assert refusal.value.code == "shot"


def test_an_edit_that_fails_changes_nothing(client: Client, movie: Path, tmp_path: Path) -> None:
    shot = prompted(client, tmp_path, movie)
    for wrong, kind in (
        (m.Prompt(0, points=((0.5, 1.5, 1),)), "prompt"),
        (m.Prompt(99, box=BOX), "prompt"),
        (m.Prompt(0), "prompt"),
        (m.Prompt(0, " ", box=BOX), "prompt"),
        (m.Prompt(0, scribbles=(m.Scribble(()),)), "prompt"),
    ):
        with pytest.raises(EngineError) as refusal:
            client.put_prompt(shot.shot, shot.revision, wrong)
        assert refusal.value.code == kind
    with pytest.raises(EngineError, match="does not lie in the clip"):
        client.set_range(shot.shot, shot.revision, (5, 99))
    with pytest.raises(EngineError, match="is not tracked"):
        client.lock(shot.shot, shot.revision, "subject", (0, 1))
    with pytest.raises(EngineError, match="no object 'nobody'"):
        client.unlock(shot.shot, shot.revision, "nobody", (0, 1))
    folder = Path(shot.path).parent
    kept = Path(shot.path).read_bytes()
    moved = folder.with_name("moved")
    folder.rename(moved)
    folder.write_text("in the way")
    with pytest.raises(EngineError, match="cannot write") as refusal:
        client.set_range(shot.shot, shot.revision, (0, 3))
    assert refusal.value.code == "output"
    folder.unlink()
    moved.rename(folder)
    assert client.shot_state(shot.shot) == shot
    assert Path(shot.path).read_bytes() == kept


def test_masks_travel_and_stay(client: Client, movie: Path, tmp_path: Path) -> None:
    shot = new_shot(client, tmp_path, movie)
    truth = (disc.alpha_at(0, (160, 96)) > 0.5).astype(np.uint8) * 255
    for pixels in (truth, truth.astype(np.uint16) * 257, cv2.resize(truth, (80, 48))):
        shot = client.put_prompt(shot.shot, shot.revision, m.Prompt(0, mask=png(pixels))).shot
        assert shot.prompts[0].mask
        with Shot.open(shot.path) as saved:
            kept = saved.prompts.of("subject")[0].mask
            assert kept is not None
            assert ((kept > 0.5) == (truth > 0)).mean() > 0.99
    again = m.Prompt(0, points=((0.5, 0.5, 1),))
    kept = client.put_prompt(shot.shot, shot.revision, again, keep_mask=True).shot
    assert (kept.prompts[0].mask, len(kept.prompts[0].points)) == (True, 1)
    bare = client.put_prompt(shot.shot, kept.revision, again).shot
    assert not bare.prompts[0].mask
    bomb = bytearray(base64.b64decode(png(truth)))
    bomb[16:24] = (60000).to_bytes(4) * 2
    for wrong, why in (
        ("%%%", "base64"),
        (base64.b64encode(b"GIF89a" + bytes(30)).decode(), "no PNG"),
        (base64.b64encode(bytes(bomb)).decode(), "60000x60000 but the clip is 160x96"),
        (png(truth[:50]), "160x50"),
        (png(np.zeros((192, 320), np.uint8)), "no larger"),
        (png(np.zeros((96, 160, 3), np.uint8)), "has colours"),
        (png(truth)[: len(png(truth)) // 8 * 4], "damaged|base64|selects nothing"),
    ):
        with pytest.raises(EngineError, match=why) as refusal:
            client.put_prompt(shot.shot, bare.revision, m.Prompt(0, mask=wrong))
        assert refusal.value.code == "prompt"


def test_a_click_on_a_tracked_frame_corrects_its_mask(client: Client, movie: Path, tmp_path: Path) -> None:
    shot = prompted(client, tmp_path, movie)
    Job(client, client.track(shot.shot).job).wait(60)
    corrected = client.add_prompt(shot.shot, shot.revision, m.Prompt(5, points=((0.5, 0.5, 1),)))
    assert corrected.shot.prompts[1].mask
    state = corrected.shot.objects[0]
    assert state.prompted == ((0, 0), (5, 5))
    assert state.stale
    assert not set(frames_of(state.stale)) & {0}


def test_a_preview_keeps_nothing(client: Client, movie: Path, tmp_path: Path) -> None:
    shot = new_shot(client, tmp_path, movie, tracker="flow")
    before = sorted(tmp_path.rglob("*"))
    shown = client.preview(shot.shot, m.Preview(m.Prompt(0, box=(0.15, 0.25, 0.55, 0.75)), width=80))
    mask = picture(base64.b64decode(shown.mask))
    assert mask.shape == (48, 80)
    truth = cv2.resize(disc.alpha_at(0, (160, 96)), (80, 48), interpolation=cv2.INTER_AREA) > 0.5
    found = mask > 127
    assert (truth & found).sum() / (truth | found).sum() > 0.8
    assert shown.share == pytest.approx(truth.mean(), rel=0.3)
    assert client.shot_state(shot.shot) == shot
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(EngineError, match="only says where"):
        client.preview(shot.shot, m.Preview(m.Prompt(0, points=((0.5, 0.5, 0),))))
    with pytest.raises(EngineError, match="no frame 99"):
        client.preview(shot.shot, m.Preview(m.Prompt(99, box=BOX)))


def test_of_many_previews_the_newest_of_each_viewer_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    go, answers = threading.Event(), {}

    def show(_: object, asked: m.Preview) -> m.Selected:
        assert go.wait(20)
        return m.Selected("subject", asked.prompt.frame, 0.5, 1.0)

    monkeypatch.setattr(preview, "_show", show)
    previews = preview.Previews()

    def hover(frame: int, viewer: str) -> None:
        opened = cast("OpenShot", SimpleNamespace(name="shot"))
        try:
            answers[frame] = previews.show(opened, m.Preview(m.Prompt(frame), viewer=viewer)).frame
        except Refusal as e:
            answers[frame] = e.code

    threads = []
    for frame, viewer in enumerate(("panel", "panel", "panel", "page", "panel"), 1):
        threads.append(threading.Thread(target=hover, args=(frame, viewer)))
        threads[-1].start()
        wait_for(lambda f=frame: f in previews._newest.values())
    go.set()
    for t in threads:
        t.join(20)
    assert answers == {1: 1, 2: "superseded", 3: "superseded", 4: 4, 5: 5}
    assert not previews._newest


def test_previews_may_come_in_a_flood(client: Client, movie: Path, tmp_path: Path) -> None:
    shot = new_shot(client, tmp_path, movie, tracker="flow")
    answers = []

    def hover(i: int) -> None:
        try:
            answers.append(client.preview(shot.shot, m.Preview(m.Prompt(i % FRAMES, box=BOX))).share > 0)
        except EngineError as e:
            answers.append(e.code)

    threads = [threading.Thread(target=hover, args=(i,)) for i in range(60)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(answers) == 60
    assert set(answers) <= {True, "superseded"}
    assert True in answers


def test_pictures_are_those_of_the_shot_and_not_sent_twice(
    client: Client, plates: Path, tmp_path: Path
) -> None:
    shot = prompted(client, tmp_path, plates)
    whole = picture(client.frame(shot.shot, 1003, 160))
    assert np.abs(whole[..., ::-1].astype(int) - disc.plate_at(2, (160, 96))).mean() < 4
    assert picture(client.frame(shot.shot, 1003, 50)).shape == (30, 50, 3)
    assert picture(client.frame(shot.shot, 1003, 4000)).shape == (96, 160, 3)
    with pytest.raises(EngineError, match="no frame 1004") as refusal:
        client.frame(shot.shot, 1004)
    assert refusal.value.code == "not_found"
    with pytest.raises(EngineError, match="has no mask yet"):
        client.mask(shot.shot, 1003, "subject")
    Job(client, client.track(shot.shot).job).wait(60)
    mask = picture(client.mask(shot.shot, 1003, "subject", 160))
    with Shot.open(shot.path) as saved:
        found = saved.cache.read("track", "subject", 1003)
        assert found is not None
        np.testing.assert_array_equal(mask > 127, found[0] > 0)
    with pytest.raises(EngineError, match="has no matte yet"):
        client.matte_image(shot.shot, 1003, "subject")
    path = f"/v1/shots/{shot.shot}/masks/1003?object=subject"
    status, headers, _ = ask(client, "GET", path)
    assert (status, headers["content-type"]) == (200, "image/png")
    status, again, body = ask(client, "GET", path, if_none_match=headers["etag"])
    assert (status, body, again["etag"]) == (304, b"", headers["etag"])
    state = client.put_prompt(shot.shot, shot.revision, m.Prompt(1003, mask=png(255 - mask))).shot
    Job(client, client.track(shot.shot).job).wait(60)
    assert ask(client, "GET", path, if_none_match=headers["etag"])[0] == 200
    assert state.revision > shot.revision


def test_movies_scrub_backwards_frame_by_frame(client: Client, tmp_path: Path) -> None:
    movie = media_maker.encode_counter(tmp_path / "long.mp4", 40, options={"g": "40", "crf": "5"})
    shot = new_shot(client, tmp_path, movie)
    for number in (0, 39, *range(38, 20, -1), 3, 22, 21, 39):
        rgb = picture(client.frame(shot.shot, number, 160))[..., ::-1]
        assert counters.read_counter(rgb) == number
