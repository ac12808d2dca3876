"""The shot: stale logic, locks, corrections, resume, and what a damaged file gives."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests import disc
from trackmatte.errors import OutputError, PromptError, ShotError
from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.prompt import Box, Point, Prompt, Scribble
from trackmatte.shot import Shot
from trackmatte.trackers import TRACKERS

SIZE = (160, 96)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return disc.write_frames(tmp_path / "plate", 12)


@pytest.fixture
def shot(tmp_path: Path, clip: Path) -> Shot:
    made = Shot.new(tmp_path / "a.shot.json", clip, tracker="fake", refiner="none")
    made.add(Prompt(1001, box=Box(0.1, 0.1, 0.9, 0.9)))
    made.save()
    return made


def run(shot: Shot) -> list[int]:
    """Run both passes and return the frames that were tracked."""
    done = [p.frame for p in shot.track()]
    for _ in shot.matte():
        pass
    return done


def files(shot: Shot) -> dict[str, str]:
    """Hash of every mask and matte."""
    return {
        str(f.relative_to(shot.cache.root)): hashlib.sha256(f.read_bytes()).hexdigest()
        for f in sorted(shot.cache.root.rglob("*.tif"))
    }


def test_passes_once_then_nothing(shot: Shot) -> None:
    assert run(shot) == list(range(1001, 1013))
    first = files(shot)
    assert len(first) == 24
    assert run(shot) == []
    assert files(shot) == first


def test_source_numbers_name_the_files(shot: Shot) -> None:
    run(shot)
    names = sorted(p.stem for p in (shot.cache.root / "matte" / "subject").iterdir())
    assert names == [f"{n:06d}" for n in range(1001, 1013)]


def test_reopened_shot_is_up_to_date(shot: Shot) -> None:
    run(shot)
    with Shot.open(shot.path) as again:
        assert run(again) == []
        (status,) = again.status()
    assert status.tracked == status.matted == tuple(range(1001, 1013))
    assert status.stale == ()


def test_prompt_makes_stale_and_the_other_object_stays(shot: Shot) -> None:
    shot.add(Prompt(1003, "prop", points=(Point(0.5, 0.5),)))
    run(shot)
    before = files(shot)
    shot.add(Prompt(1006, "prop", mask=np.pad(np.ones((90, 150), np.float32), ((0, 6), (0, 10)))))
    states = {s.object: s for s in shot.status()}
    assert states["prop"].stale == tuple(range(1004, 1013))  # up to the prompt on 1003
    assert states["subject"].stale == ()
    run(shot)
    after = files(shot)
    assert {k: v for k, v in after.items() if "subject" in k} == {
        k: v for k, v in before.items() if "subject" in k
    }
    assert any(before[k] != after[k] for k in before if "prop" in k)


def test_locked_frames_stay_byte_identical(shot: Shot) -> None:
    run(shot)
    before = files(shot)
    shot.lock("subject", 1004, 1006)
    shot.add(Prompt(1008, mask=np.pad(np.ones((90, 150), np.float32), ((0, 6), (0, 10)))))
    tracked = run(shot)
    after = files(shot)
    assert not {1004, 1005, 1006} & set(tracked)
    for n in (1004, 1005, 1006):
        for stage in ("track", "matte"):
            name = f"{stage}/subject/{n:06d}.tif"
            assert after[name] == before[name]
    assert after["track/subject/001008.tif"] != before["track/subject/001008.tif"]
    shot.unlock("subject", 1004, 1006)
    assert {1004, 1005, 1006} <= set(run(shot))


def test_untracked_frames_cannot_be_locked(shot: Shot) -> None:
    with pytest.raises(ShotError, match="1002"):
        shot.lock("subject", 1002, 1003)


def test_range_limits_the_work_and_extends_without_redoing(shot: Shot) -> None:
    shot.set_range(1001, 1004)
    assert run(shot) == [1001, 1002, 1003, 1004]
    shot.set_range(1001, 1007)
    assert run(shot) == [1005, 1006, 1007]
    whole = files(shot)
    shutil.rmtree(shot.cache.root)
    run(shot)
    assert files(shot) == whole


def test_prompt_in_the_middle_reaches_both_ends(shot: Shot) -> None:
    shot.remove(1001, "subject")
    shot.add(Prompt(1007, points=(Point(0.4, 0.5),)))
    order = run(shot)
    assert order == [*range(1007, 1013), *range(1006, 1000, -1)]


def test_between_two_prompts_both_sides_are_blended(shot: Shot) -> None:
    run(shot)
    one_sided = files(shot)
    shot.add(Prompt(1012, mask=np.zeros(SIZE[::-1], np.float32)))
    run(shot)
    assert files(shot)["track/subject/001006.tif"] != one_sided["track/subject/001006.tif"]
    assert not list((shot.cache.root / "forward").rglob("*.tif"))
    assert np.all(shot.cache.read("track", "subject", 1012)[0] < 0)


def test_stopping_anywhere_and_going_on_gives_the_same_bytes(shot: Shot) -> None:
    shot.add(Prompt(1009, mask=np.pad(np.ones((90, 150), np.float32), ((0, 6), (0, 10)))))
    shot.save()
    run(shot)
    whole = files(shot)
    for stop in range(1, 14, 3):
        shutil.rmtree(shot.cache.root / "track")
        shutil.rmtree(shot.cache.root / "state")
        shutil.rmtree(shot.cache.root / "matte")
        steps = shot.track()
        for _ in range(stop):
            next(steps)
        steps.close()
        with Shot.open(shot.path) as other:
            run(other)
        assert files(shot) == whole, stop


def test_click_on_a_tracked_frame_corrects_what_is_seen_there(shot: Shot) -> None:
    run(shot)
    shot.add(Prompt(1005, points=(Point(0.9, 0.9, 0),)))
    (doc,) = [p for p in shot.doc.prompts if p.frame == 1005]
    assert doc.mask is not None
    assert (shot.path.parent / doc.mask).is_file()


def test_hair_stroke_leaves_masks_and_makes_mattes_stale(shot: Shot) -> None:
    run(shot)
    shot.add(Prompt(1001, scribbles=(Scribble(((0.5, 0.5),), mode="hair", radius=0.1),)))
    (status,) = shot.status()
    assert len(status.tracked) == 12
    assert status.matted == ()


def test_changed_clip_is_refused(shot: Shot, clip: Path) -> None:
    shot.close()
    disc.write_frames(clip.parent, 13)
    with pytest.raises(ShotError, match="changed"):
        Shot.open(shot.path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": "x"}, "not a shot file"),
        ({"version": 99}, "version 99"),
        ({"version": True}, "version"),
        ({"suorce": {}}, "suorce"),
        ({"range": [5, 2]}, "range"),
        ({"prompts": [{"frame": 1001, "points": [[0.5, 0.5, 7]]}]}, "points"),
        ({"prompts": [{"frame": 7}]}, "no frame 7"),
        ({"prompts": [{"frame": 1001, "points": [[1.5, 0.5, 1]]}]}, "outside"),
        ({"prompts": [{"frame": 1001, "mask": "gone.png"}]}, "gone.png"),
        ({"tracker": {"name": "nope", "settings": {}}}, "nope"),
    ],
)
def test_damaged_shot_files_get_one_sentence(shot: Shot, change: dict[str, object], says: str) -> None:
    shot.path.write_text(json.dumps({**json.loads(shot.path.read_text()), **change}))
    with pytest.raises((ShotError, PromptError, ValueError), match=says):
        Shot.open(shot.path)


def test_not_json_and_missing(tmp_path: Path, shot: Shot) -> None:
    with pytest.raises(ShotError, match="there is no shot file"):
        Shot.open(tmp_path / "none.shot.json")
    shot.path.write_text("{")
    with pytest.raises(ShotError, match="JSON"):
        Shot.open(shot.path)


def test_new_shot_never_replaces_a_file(shot: Shot, clip: Path) -> None:
    with pytest.raises(OutputError, match="exists"):
        Shot.new(shot.path, clip).save()


def test_prompt_on_a_frame_that_is_not_there(shot: Shot) -> None:
    with pytest.raises(PromptError, match=r"no frame 2000.*1001 to 1012"):
        shot.add(Prompt(2000, points=(Point(0.5, 0.5),)))
    assert len(shot.doc.prompts) == 1


def test_damaged_cache_file_is_recomputed(shot: Shot) -> None:
    run(shot)
    whole = files(shot)
    victim = shot.cache.path("track", "subject", 1005)
    victim.write_bytes(victim.read_bytes()[:100])
    assert run(shot) != []
    assert files(shot) == whole


def test_object_names_of_any_kind(shot: Shot) -> None:
    for name in ("héros/α 1", "..", "con?"):
        shot.add(Prompt(1001, name, points=(Point(0.4, 0.5),)))
    run(shot)
    assert len([s for s in shot.status() if len(s.matted) == 12]) == 4
    assert all(shot.cache.root in f.resolve().parents for f in shot.cache.root.rglob("*.tif"))


@pytest.fixture(params=["fake", "carrying"])
def long(request: pytest.FixtureRequest, tmp_path: Path) -> Shot:
    """Return a tracked shot of 130 frames, so that states of the pass were kept on the way."""
    clip = disc.write_frames(tmp_path / "long", 130, (48, 32))
    made = Shot.new(tmp_path / "long.shot.json", clip, tracker=request.param, refiner="none")
    made.add(Prompt(1011, box=Box(0.1, 0.1, 0.9, 0.9)))
    made.save()
    run(made)
    return made


def test_a_correction_changes_frames_up_to_the_next_prompt_only(long: Shot) -> None:
    long.add(Prompt(1101, mask=np.pad(np.ones((12, 20), np.float32), ((10, 10), (14, 14)))))
    run(long)
    before = files(long)
    steps = replays(long)
    long.add(Prompt(1061, points=(Point(0.5, 0.5),)))
    assert steps == ([] if long.doc.tracker.name == "fake" else list(range(1050, 1062)))
    done = run(long)
    changed = {int(k[-10:-4]) for k, v in files(long).items() if before[k] != v}
    backward = long.doc.tracker.name == "fake"
    assert set(done) == set(range(1012 if backward else 1061, 1101))
    assert changed <= set(done)
    assert 1061 in changed
    assert 1061 in long.changed["subject"]
    assert long.changed["subject"] <= changed  # a file may say what it is made from with the same pixels


def test_no_correction_reaches_over_a_lock(long: Shot) -> None:
    long.lock("subject", 1070, 1080)
    before = files(long)
    long.add(Prompt(1061, points=(Point(0.5, 0.5),)))
    done = run(long)
    assert max(done) == 1069
    after = files(long)
    assert all(after[k] == v for k, v in before.items() if int(k[-10:-4]) >= 1070)
    (status,) = long.status()
    assert status.stale == ()


def test_states_behind_a_lock_are_still_good_to_go_on_from(long: Shot) -> None:
    long.lock("subject", 1020, 1030)
    steps = replays(long)
    long.add(Prompt(1061, points=(Point(0.5, 0.5),)))
    assert steps == ([] if long.doc.tracker.name == "fake" else list(range(1050, 1062)))


def test_taking_a_correction_back_brings_the_old_masks_back(long: Shot) -> None:
    before = files(long)
    long.add(Prompt(1061, points=(Point(0.5, 0.5),)))
    run(long)
    assert files(long) != before
    long.remove(1061, "subject")
    run(long)
    assert files(long) == before


def test_a_range_limits_a_correction(long: Shot) -> None:
    before = files(long)
    long.add(Prompt(1061, points=(Point(0.5, 0.5),)))
    assert [p.frame for p in long.track((1061, 1070))] == list(range(1061, 1071))
    after = files(long)
    assert all(after[k] == v for k, v in before.items() if not 1061 <= int(k[-10:-4]) <= 1070)
    (status,) = long.status()
    assert 1071 in status.stale
    with pytest.raises(ShotError, match="does not lie in the clip"):
        list(long.track((900, 950)))


def test_one_direction_at_a_time(tmp_path: Path) -> None:
    clip = disc.write_frames(tmp_path / "plate", 20, (48, 32))
    shot = Shot.new(tmp_path / "d.shot.json", clip, tracker="carrying", refiner="none")
    shot.add(Prompt(1011, box=Box(0.1, 0.1, 0.9, 0.9)))
    assert [p.frame for p in shot.track(direction="backward")] == list(range(1011, 1000, -1))
    assert [p.frame for p in shot.track(direction="forward")] == list(range(1012, 1021))
    assert list(shot.track()) == []


def test_fresh_recomputes_everything(long: Shot) -> None:
    assert len({p.frame for p in long.track(fresh=True)}) == 130
    assert long.changed == {"subject": set()}


def test_an_object_may_come_and_go(long: Shot) -> None:
    before = files(long)
    long.add(Prompt(1031, "prop", points=(Point(0.5, 0.5),)))
    assert set(run(long)) == set(range(1001, 1131))
    long.forget("prop")
    assert long.objects == ["subject"]
    assert run(long) == []
    assert {k: v for k, v in files(long).items() if "prop" not in k} == before
    with pytest.raises(PromptError, match="has no object 'prop'; there are: 'subject'"):
        long.forget("prop")


def test_exclusive_objects_share_no_pixel(tmp_path: Path) -> None:
    clip = disc.write_frames(tmp_path / "plate", 4)
    shot = Shot.new(tmp_path / "x.shot.json", clip, tracker="fake", refiner="none")
    left, right = np.zeros(SIZE[::-1], np.float32), np.zeros(SIZE[::-1], np.float32)
    left[20:70, 20:90], right[30:90, 60:140] = 1, 1
    shot.add(Prompt(1001, "a", mask=left))
    shot.add(Prompt(1001, "b", mask=right))
    run(shot)
    both = shot.read_matte("a", 1001).alpha + shot.read_matte("b", 1001).alpha
    assert both.max() > 1.5
    shot.doc.exclusive = True
    run(shot)
    both = shot.read_matte("a", 1001).alpha + shot.read_matte("b", 1001).alpha
    assert both.max() <= 1.1


def test_a_prompt_that_selects_everything_is_refused(shot: Shot) -> None:
    with pytest.raises(PromptError, match="whole picture"):
        shot.add(Prompt(1003, mask=np.ones(SIZE[::-1], np.float32)))
    assert run(shot)


def replays(shot: Shot) -> list[int]:
    """Return a list that fills with the numbers of the frames that trackers step on from now on."""
    seen: list[int] = []
    cls = TRACKERS.get(shot.doc.tracker.name)

    class Watched(cls):
        def step(self, frame: Frame, look: object = None) -> list[Mask]:
            seen.append(frame.number)
            return super().step(frame, look)

    real = shot._tracker

    def once() -> object:
        shot._tracker = real
        return Watched(length=shot.clip.length)

    shot._tracker = once
    return seen


def test_steady_mattes_are_made_where_the_neighbours_changed(tmp_path: Path) -> None:
    clip = disc.write_frames(tmp_path / "plate", 12, (96, 64))
    shot = Shot.new(tmp_path / "s.shot.json", clip, tracker="fake", refiner="none")
    shot.add(Prompt(1001, mask=np.pad(np.ones((20, 30), np.float32), ((20, 24), (30, 36)))))
    run(shot)
    plain = shot.read_matte("subject", 1005).alpha
    shot.doc.steady = 1.0
    with pytest.raises(ShotError, match="no matte yet"):
        shot.read_matte("subject", 1005)
    stages = [(p.stage, p.frame) for p in shot.matte()]
    assert stages == [("steady", n) for n in range(1001, 1013)]
    steady = shot.read_matte("subject", 1005).alpha
    hard = (plain == 0) | (plain == 1)
    assert ((steady == plain) | ~hard).mean() > 0.9
    assert list(shot.matte()) == []
    shot.add(Prompt(1010, mask=np.pad(np.ones((10, 30), np.float32), ((20, 34), (30, 36)))))
    shot.lock("subject", 1001, 1006)
    list(shot.track())
    again = [(p.stage, p.frame) for p in shot.matte()]
    assert [n for stage, n in again if stage == "refine"] == list(range(1007, 1013))
    assert [n for stage, n in again if stage == "steady"] == list(range(1007, 1013))
    shot.doc.steady = 0.0
    np.testing.assert_array_equal(shot.read_matte("subject", 1005).alpha, plain)
