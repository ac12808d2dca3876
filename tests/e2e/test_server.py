"""Shots and jobs through a running engine, as a host uses it."""

from __future__ import annotations

import base64
import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest

from tests import counters, disc, media_maker
from tests.engines import BOX, ask, code, new_shot, prompted, started, wait_for
from trackmatte.cli import main
from trackmatte.shot import Shot
from trackmatte_client import Client, EngineError, Job, Stale
from trackmatte_client.protocol import messages as m
from trackmatte_client.protocol.events import ChangedEvent, ProgressEvent, WrittenEvent

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


def png(pixels: np.ndarray) -> str:
    return base64.b64encode(cv2.imencode(".png", pixels)[1].tobytes()).decode()


def picture(data: bytes) -> np.ndarray:
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert found is not None
    return found


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


def test_the_whole_job_gives_what_the_command_line_gives(
    client: Client, plates: Path, tmp_path: Path
) -> None:
    shot = prompted(client, tmp_path, plates)
    events = Job(client, client.track(shot.shot).job).wait(60)
    steps = [e for e in events if isinstance(e, ProgressEvent)]
    assert [(e.stage, e.frame, e.done, e.of) for e in steps] == [
        ("track", n, i, 7) for i, n in enumerate((1001, 1002, 1003, 1005, 1006, 1007, 1008), 1)
    ]
    assert all(e.fps > 0 for e in steps)
    assert steps[0].eta > 0
    assert [e for e in events if isinstance(e, ChangedEvent)] == [
        ChangedEvent(events[-2].seq, "subject", ((1001, 1008),))
    ]
    Job(client, client.matte(shot.shot).job).wait(60)
    request = m.ExportFrames(str(tmp_path / "out"))
    written = Job(client, client.export(shot.shot, request).job).wait(60)[-2]
    assert isinstance(written, WrittenEvent)
    assert (written.objects, written.frames) == (("subject",), ((1001, 1008),))
    state = client.shot_state(shot.shot).objects[0]
    assert (state.tracked, state.matted, state.stale, state.lost) == (
        ((1001, 1008),),
        ((1001, 1008),),
        (),
        (),
    )

    box = ",".join(map(str, BOX))
    cli = tmp_path / "cli"
    assert (
        main(
            ["matte", str(plates), "--box", box, "--out", str(cli), "--tracker", "fake", "--refiner", "none"]
        )
        == 0
    )
    files = sorted(f.name for f in (tmp_path / "out").glob("*.exr"))
    assert files == sorted(f.name for f in cli.glob("*.exr"))
    assert len(files) == 7
    for name in files:
        with OpenEXR.File(str(tmp_path / "out" / name)) as a, OpenEXR.File(str(cli / name)) as b:
            np.testing.assert_array_equal(a.channels()["RGBA"].pixels, b.channels()["RGBA"].pixels)
    pattern = Path(written.target).name
    assert files[0] == pattern.replace("#" * written.padding, "1001")


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
    assert not set(_frames(state.stale)) & {0}


def _frames(spans: m.Spans) -> list[int]:
    return [n for a, b in spans for n in range(a, b + 1)]


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


def test_of_many_previews_the_newest_is_shown(client: Client, movie: Path, tmp_path: Path) -> None:
    shot = new_shot(client, tmp_path, movie, tracker="flow")
    answers: dict[int, str] = {}

    def hover(i: int, viewer: str) -> None:
        try:
            client.preview(
                shot.shot, m.Preview(m.Prompt(0, box=(0.1, 0.1, 0.5 + 0.002 * i, 0.9)), viewer=viewer)
            )
            answers[i] = "shown"
        except EngineError as e:
            answers[i] = e.code

    threads = []
    for i in range(12):
        threads.append(threading.Thread(target=hover, args=(i, "panel")))
        threads[-1].start()
        time.sleep(0.005)
    other = threading.Thread(target=hover, args=(99, "page"))
    other.start()
    for t in [*threads, other]:
        t.join()
    assert set(answers.values()) == {"shown", "superseded"}
    assert answers[11] == "shown"
    assert answers[99] == "shown"


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


def test_jobs_run_one_after_the_other_and_can_be_cancelled(
    client: Client, movie: Path, tmp_path: Path
) -> None:
    shots = [prompted(client, tmp_path, movie) for _ in range(3)]
    jobs = [client.track(s.shot) for s in shots]
    assert client.shot_state(shots[2].shot).jobs == (jobs[2].job,)
    first = Job(client, jobs[0].job)
    wait_for(lambda: any(isinstance(e, ProgressEvent) for e in first.poll()))
    assert [client.job_state(j.job).status for j in jobs] == ["running", "queued", "queued"]
    assert client.cancel_job(jobs[1].job).status == "cancelled"
    first.cancel()
    first.wait(30)
    assert first.state is not None
    assert first.state.status == "cancelled"
    third = Job(client, jobs[2].job)
    third.wait(60)
    assert third.state is not None
    assert third.state.status == "done"
    assert not client.shot_state(shots[1].shot).objects[0].tracked
    begun = _frames(client.shot_state(shots[0].shot).objects[0].tracked)
    assert 0 < len(begun) < FRAMES
    rest = Job(client, client.track(shots[0].shot).job).wait(60)
    assert len([e for e in rest if isinstance(e, ProgressEvent)]) == FRAMES - len(begun)
    listed = {j.job: j.status for j in client.list_jobs()}
    assert [listed[j.job] for j in jobs] == ["cancelled", "cancelled", "done"]
    assert client.cancel_job(jobs[2].job).status == "done"


def test_a_job_outlives_its_client_and_is_taken_up_again(client: Client, movie: Path, tmp_path: Path) -> None:
    shot = prompted(client, tmp_path, movie)
    job = client.track(shot.shot).job
    seen = []
    for event in client.events(job):
        seen.append(event)
        if isinstance(event, ProgressEvent):
            break
    rest = Job(client, job, after=seen[-1].seq).wait(60)
    numbers = [e.seq for e in [*seen, *rest]]
    assert numbers == list(range(1, len(numbers) + 1))
    frames = [e.frame for e in [*seen, *rest] if isinstance(e, ProgressEvent)]
    assert sorted(frames) == list(range(FRAMES))
    assert [e.seq for e in Job(client, job).wait(60)] == numbers
    path = f"/v1/jobs/{job}/events?after={numbers[-1]}"
    assert ask(client, "GET", path)[2] == b""
    assert code(ask(client, "GET", f"/v1/jobs/{job}/events?after=x")) == (400, "malformed")
    lines = ask(client, "GET", f"/v1/jobs/{job}/events")[2].splitlines()
    assert [json.loads(t)["seq"] for t in lines] == numbers


def test_the_artist_goes_on_while_a_job_runs_but_locks_wait(
    client: Client, movie: Path, tmp_path: Path
) -> None:
    shot = prompted(client, tmp_path, movie)
    Job(client, client.track(shot.shot).job).wait(60)
    locked = client.lock(shot.shot, shot.revision, "subject", (8, 9))
    folder = Path(shot.path.replace(".shot.json", ".shot"))
    kept = {n: (folder / "track" / "subject" / f"{n:06d}.tif").read_bytes() for n in (8, 9)}
    job = Job(client, client.track(shot.shot, m.TrackFrames(fresh=True)).job)
    wait_for(lambda: any(isinstance(e, ProgressEvent) for e in job.poll()))
    for edit in (
        lambda: client.unlock(shot.shot, locked.revision, "subject", (8, 9)),
        lambda: client.lock(shot.shot, locked.revision, "subject", (0, 1)),
        lambda: client.undo(shot.shot, locked.revision),
    ):
        with pytest.raises(EngineError, match="a job is running") as refusal:
            edit()
        assert refusal.value.code == "busy"
    with pytest.raises(EngineError, match="waits or runs"):
        client.close_shot(shot.shot)
    edited = client.put_prompt(shot.shot, locked.revision, m.Prompt(11, box=BOX)).shot
    assert client.preview(shot.shot, m.Preview(m.Prompt(3, box=BOX))).share > 0
    job.wait(60)
    state = client.shot_state(shot.shot)
    assert {n: (folder / "track" / "subject" / f"{n:06d}.tif").read_bytes() for n in kept} == kept
    assert state.objects[0].stale
    assert state.objects[0].locked == ((8, 9),)
    freed = client.unlock(shot.shot, edited.revision, "subject", (8, 9))
    assert freed.objects[0].locked == ()
    client.close_shot(shot.shot)
    with pytest.raises(EngineError, match="open its file again"):
        client.shot_state(shot.shot)
    assert client.open_shot(shot.path).shot == shot.shot


def test_errors_of_jobs_are_the_command_lines_own(
    client: Client, movie: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = new_shot(client, tmp_path, movie)
    out = str(tmp_path / "out")
    for words, start in (
        (["track", shot.path], lambda: client.track(shot.shot)),
        (
            ["track", shot.path, "--range", "5-99"],
            lambda: client.track(shot.shot, m.TrackFrames(range=(5, 99))),
        ),
        (["refine", shot.path], lambda: client.matte(shot.shot)),
    ):
        exit_code = main(words)
        said = capsys.readouterr().err.strip().removeprefix("trackmatte: ")
        job = Job(client, start().job)
        with pytest.raises(EngineError) as refusal:
            job.wait(60)
        assert refusal.value.message == said
        assert job.state is not None
        assert job.state.error is not None
        assert job.state.error.exit_code == exit_code
    shot = prompted(client, tmp_path, movie)
    assert main(["export", shot.path, "--out", out]) == 5
    said = capsys.readouterr().err.strip().removeprefix("trackmatte: ")
    with pytest.raises(EngineError) as refusal:
        Job(client, client.export(shot.shot, m.ExportFrames(out)).job).wait(60)
    assert (refusal.value.message, refusal.value.code) == (said, "shot")
    for wrong in (m.ExportFrames(out, preset="x"), m.ExportFrames(out, format="x")):
        with pytest.raises(EngineError, match="'x'") as refusal:
            client.export(shot.shot, wrong)
        assert refusal.value.code == "usage"


def test_errors_of_shots_are_the_command_lines_own(
    client: Client, movie: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, clip = str(tmp_path / "a.shot.json"), str(movie)
    for request, words in (
        (m.CreateShot(path, str(tmp_path / "no.mov")), ["shot", "new", path, str(tmp_path / "no.mov")]),
        (m.CreateShot(path, clip, tracker="x"), ["shot", "new", path, clip, "--tracker", "x"]),
        (m.CreateShot(path + "x", clip), ["shot", "new", path + "x", clip]),
        (m.CreateShot(path, clip, range=(3, 99)), ["shot", "new", path, clip, "--range", "3-99"]),
        (
            m.CreateShot(path, clip, tracker="flow", tracker_settings={"x": 1}),
            ["shot", "new", path, clip, "--tracker", "flow", "--set", "x=1"],
        ),
        (m.OpenShot(path), ["shot", "show", path]),
    ):
        assert main([*words, "--quiet"]) != 0
        said = capsys.readouterr().err.strip().removeprefix("trackmatte: ")
        with pytest.raises(EngineError) as refusal:
            client.create_shot(request) if isinstance(request, m.CreateShot) else client.open_shot(
                request.path
            )
        assert refusal.value.message == said
    with pytest.raises(EngineError, match="from 0 to 1"):
        client.create_shot(m.CreateShot(path, clip, steady=2))
    made = client.create_shot(
        m.CreateShot(path, clip, tracker="flow", steady=0.5, exclusive=True, range=(1, 4))
    )
    assert (made.range, made.steady, made.exclusive, made.tracker) == ((1, 4), 0.5, True, "flow")
    with pytest.raises(EngineError, match="exists; open it"):
        client.create_shot(m.CreateShot(path, clip))


def test_doubtful_places_are_those_of_qc(client: Client, movie: Path, tmp_path: Path) -> None:
    shot = prompted(client, tmp_path, movie)
    with pytest.raises(EngineError, match="no masks to judge"):
        client.places(shot.shot)
    Job(client, client.track(shot.shot).job).wait(60)
    truth = np.zeros((96, 160), np.uint8)
    truth[10:14, 10:14] = 255
    client.put_prompt(shot.shot, shot.revision, m.Prompt(6, mask=png(truth)))
    Job(client, client.track(shot.shot).job).wait(60)
    assert main(["qc", shot.path, "--quiet"]) == 0
    report = json.loads(Path(shot.path.replace(".shot.json", ".qc.json")).read_text())
    places = client.places(shot.shot).places
    assert [(p.object, p.frame, p.first, p.last, list(p.reasons)) for p in places] == [
        (p["object"], p["frame"], p["first"], p["last"], p["reasons"]) for p in report["places"]
    ]
    assert places
    frames = sorted(p.frame for p in places)
    found, at = [], -1
    while (place := client.next_place(shot.shot, at)) is not None:
        found.append(place.frame)
        at = place.frame
    assert found == frames
    assert client.next_place(shot.shot, -1, "nobody") is None


def test_odd_clips(client: Client, tmp_path: Path) -> None:
    one = disc.write_movie(tmp_path / "one.mp4", 1)
    tall = disc.write_movie(tmp_path / "tall.mp4", 3, (96, 160))
    turned = media_maker.encode_counter(tmp_path / "turned.mp4", 3, rotation=90)
    still = disc.write_frames(tmp_path / "still", 1).with_name("plate.1001.png")
    for clip, size, count in (
        (one, (160, 96), 1),
        (tall, (96, 160), 3),
        (turned, (96, 160), 3),
        (still, (160, 96), 1),
    ):
        shot = prompted(client, tmp_path, clip)
        assert ((shot.clip.width, shot.clip.height), shot.clip.length) == (size, count)
        assert picture(client.frame(shot.shot, shot.clip.first, 48)).shape[:2] == (
            round(size[1] * 48 / size[0]),
            48,
        )
        Job(client, client.track(shot.shot).job).wait(60)
        mask = picture(client.mask(shot.shot, shot.clip.last, "subject", 48))
        assert mask.shape == (round(size[1] * 48 / size[0]), 48)


def test_a_clip_that_moved_is_named(client: Client, tmp_path: Path) -> None:
    clip = disc.write_movie(tmp_path / "moving.mp4", 4)
    shot = prompted(client, tmp_path, clip)
    shutil.move(clip, tmp_path / "moved.mp4")
    with pytest.raises(EngineError, match=r"moving\.mp4") as refusal:
        Job(client, client.track(shot.shot).job).wait(60)
    assert refusal.value.code == "clip"
    client.close_shot(shot.shot)
    with pytest.raises(EngineError, match=r"moving\.mp4"):
        client.open_shot(shot.path)


def test_only_some_shots_stay_open(client: Client, movie: Path, tmp_path: Path) -> None:
    shots = [new_shot(client, tmp_path, movie) for _ in range(9)]
    opened = client.list_shots().shots
    assert len(opened) == 8
    assert shots[0].shot not in opened
    assert client.open_shot(shots[0].path).shot == shots[0].shot


def test_capabilities_name_what_can_run(client: Client) -> None:
    found = client.capabilities()
    assert found.tracker in {t.name for t in found.trackers if t.available}
    assert found.refiner in {r.name for r in found.refiners if r.available}
    assert {"exr", "png"} <= set(found.formats)
    assert "matte" in {p.name for p in found.presets}
    assert all(t.why for t in found.trackers if not t.available)
