"""Jobs and errors through a running engine, as a host sees them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest

from tests import disc, media_maker
from tests.counters import read_counter
from tests.engines import BOX, ask, code, frames_of, new_shot, picture, png, prompted, started, wait_for
from tests.media_maker import write_counters
from tests.unit.test_media_frames import by_ffmpeg
from trackmatte.cli import main
from trackmatte_client import Client, EngineError, Job
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
    begun = frames_of(client.shot_state(shots[0].shot).objects[0].tracked)
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


def test_a_host_with_a_constant_rate_gets_its_own_frames(
    client: Client, movies: Callable[[str], Path], tmp_path: Path
) -> None:
    def shown(shot: m.ShotState) -> list[int]:
        jpegs = (client.frame(shot.shot, n) for n in range(shot.clip.first, shot.clip.last + 1))
        return [read_counter(cv2.imdecode(np.frombuffer(j, np.uint8), cv2.IMREAD_COLOR)) for j in jpegs]

    uneven = new_shot(client, tmp_path, movies("vfr.mp4"), grid="30000/1001")
    theirs = by_ffmpeg(movies("vfr.mp4"), Fraction(30000, 1001))
    assert (uneven.clip.rate, shown(uneven)[: len(theirs)]) == ((30000, 1001), theirs[: uneven.clip.length])
    assert "grid of 29.97 fps" in uneven.clip.notes[-1]
    assert client.open_shot(uneven.path, "30000/1001").path == uneven.path
    for path, grid in ((uneven.path, "25"), (new_shot(client, tmp_path, movies("vfr.mp4")).path, "25")):
        with pytest.raises(EngineError, match="counts other frames of its movie than a host at 25 fps"):
            client.open_shot(path, grid)
    # A movie that has the host's very frames, and files that are frames, stay as they are stored.
    even = new_shot(client, tmp_path, movies("h264.mp4"), grid="24")
    files = new_shot(client, tmp_path, write_counters(tmp_path / "c", "a.{:04d}.png", (7, 8)), grid="24")
    for shot in (even, files):
        assert "grid" not in json.loads(Path(shot.path).read_text())
        assert client.open_shot(shot.path, "24").path == shot.path
    for wrong in ("0", "24.5", "1/3", "1001", "x"):
        with pytest.raises(EngineError, match="is no grid; give 1 to 1000"):
            new_shot(client, tmp_path, movies("h264.mp4"), grid=wrong)


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
