"""A shot whose image sequence grows and changes: which masks and mattes that makes stale."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests import disc
from trackmatte.errors import ShotError
from trackmatte.prompt import Box, Prompt
from trackmatte.shot import Shot
from trackmatte.shot.contents import Contents, contents_of

BOX = Box(0.1, 0.1, 0.9, 0.9)


def write(folder: Path, number: int, look: int | None = None) -> None:
    bgr = disc.plate_at(number if look is None else look, (48, 32))[..., ::-1]
    folder.mkdir(exist_ok=True)
    assert cv2.imwrite(str(folder / f"plate.{number:04d}.png"), bgr)


def made(tmp_path: Path, numbers: range, *prompts: int, tracker: str = "fake") -> Path:
    for n in numbers:
        write(tmp_path / "plate", n)
    path = tmp_path / "a.shot.json"
    shot = Shot.new(path, tmp_path / "plate/plate.####.png", tracker=tracker, refiner="none", growing=True)
    with shot:
        for n in prompts:
            shot.add(Prompt(n, box=BOX))
        shot.save()
    done(path)
    return path


def done(path: Path) -> dict[str, list[int]]:
    """Track and refine; return what that had to be done on."""
    with Shot.open(path) as shot:
        tracked = sorted({p.frame for p in shot.track()})
        return {"track": tracked, "matte": sorted(p.frame for p in shot.matte())}


def stale(path: Path) -> tuple[list[int], list[int]]:
    """Return the frames whose mask is up to date, and those whose mask is stale."""
    with Shot.open(path) as shot:
        status = shot.status()[0]
        return list(status.tracked), list(status.stale)


@pytest.mark.parametrize("tracker", ["fake", "carrying"])
def test_more_frames_leave_the_masks_there_are_up_to_date(tmp_path: Path, tracker: str) -> None:
    path = made(tmp_path, range(20, 36), 25, tracker=tracker)
    for n in (18, 19, 36):
        write(tmp_path / "plate", n)
    assert stale(path) == ([*range(20, 36)], [])
    assert done(path)["matte"] == [18, 19, 36]


def test_a_changed_frame_makes_stale_what_was_tracked_over_it(tmp_path: Path) -> None:
    path = made(tmp_path, range(10, 19), 11, 15)
    write(tmp_path / "plate", 17, look=3)
    assert stale(path) == ([*range(10, 17)], [17, 18])
    assert done(path)["track"] == [17, 18]
    write(tmp_path / "plate", 13, look=4)
    # Between two prompts both passes come by; a prompted frame is its prompt's and its own frame's.
    assert stale(path)[1] == [12, 13, 14]
    done(path)
    write(tmp_path / "plate", 10, look=5)
    assert stale(path)[1] == [10]
    write(tmp_path / "plate", 11, look=6)
    assert stale(path)[1] == [10, 11, 12, 13, 14]


def test_a_frame_that_comes_between_two_counts_as_a_change(tmp_path: Path) -> None:
    path = made(tmp_path, range(10, 20, 2), 10)
    write(tmp_path / "plate", 15)
    assert stale(path) == ([10, 12, 14], [16, 18])


def test_a_tracker_with_memories_minds_the_length_of_a_short_clip(tmp_path: Path) -> None:
    path = made(tmp_path, range(10, 14), 10, tracker="carrying")
    write(tmp_path / "plate", 14)
    assert stale(path) == ([], [*range(10, 14)])


def test_the_same_frame_again_changes_nothing(tmp_path: Path) -> None:
    path = made(tmp_path, range(10, 15), 10)
    write(tmp_path / "plate", 12)
    assert stale(path)[1] == []
    assert done(path) == {"track": [], "matte": []}


def test_a_matte_is_stale_with_its_frame_even_where_the_mask_stays(tmp_path: Path) -> None:
    path = made(tmp_path, range(10, 13), 10)
    plate = tmp_path / "plate/plate.0012.png"
    bgr = cv2.imread(str(plate))
    bgr[0, 0, 1] ^= 1  # the tracker does not look at green
    cv2.imwrite(str(plate), bgr)
    with Shot.open(path) as shot:
        before = shot.cache.info("track", "subject", 12)
        assert done(path) == {"track": [12], "matte": [12]}
        after = shot.cache.info("track", "subject", 12)
    assert before is not None
    assert after is not None
    assert before["content"] == after["content"]


@pytest.mark.parametrize("tracker", ["fake", "carrying"])
def test_masks_come_out_as_from_a_sequence_that_never_grew(tmp_path: Path, tracker: str) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "all").mkdir()
    path = made(tmp_path / "one", range(12, 28), 13, tracker=tracker)
    for n in (10, 11, 28, 29, 30):  # those in front move the positions of all others
        write(tmp_path / "one/plate", n)
    assert done(path)["track"] == [10, 11, 28, 29, 30]
    whole = made(tmp_path / "all", range(10, 31), 13, tracker=tracker)
    with Shot.open(path) as one, Shot.open(whole) as other:
        for n in range(10, 31):
            a, b = one.cache.read("track", "subject", n), other.cache.read("track", "subject", n)
            assert a is not None
            assert b is not None
            np.testing.assert_array_equal(a[0], b[0])


def test_locked_masks_stay_and_hide_no_change_behind_them(tmp_path: Path) -> None:
    path = made(tmp_path, range(10, 18), 10)
    with Shot.open(path) as shot:
        shot.lock("subject", 13, 14)
        shot.save()
        locked = {n: shot.cache.path("track", "subject", n).read_bytes() for n in (13, 14)}
    assert stale(path)[1] == []
    write(tmp_path / "plate", 16, look=1)
    assert stale(path) == ([*range(10, 16)], [16, 17])
    write(tmp_path / "plate", 12, look=1)
    assert stale(path) == ([10, 11, 13, 14], [12, 15, 16, 17])
    assert done(path)["track"] == [12, 15, 16, 17]
    with Shot.open(path) as shot:
        assert locked == {n: shot.cache.path("track", "subject", n).read_bytes() for n in (13, 14)}


def test_a_shot_that_does_not_grow_refuses_a_changed_sequence_and_has_the_keys_it_had(tmp_path: Path) -> None:
    path = made(tmp_path, range(10, 14), 10)
    said = json.loads(path.read_text())
    assert said["growing"] is True
    assert said["source"]["identity"] == "growing"
    with Shot.new(tmp_path / "b.shot.json", tmp_path / "plate/plate.####.png", tracker="fake") as shot:
        shot.save()
        assert "growing" not in json.loads(shot.path.read_text())
    write(tmp_path / "plate", 14)
    with pytest.raises(ShotError, match="not the clip"):
        Shot.open(tmp_path / "b.shot.json")


def test_a_copy_elsewhere_is_as_fresh_as_the_original(tmp_path: Path) -> None:
    path = made(tmp_path / ".." / tmp_path.name, range(10, 14), 10)
    shutil.copytree(path.parent, tmp_path.parent / f"{tmp_path.name} copy")
    assert stale(tmp_path.parent / f"{tmp_path.name} copy" / path.name) == ([*range(10, 14)], [])


def test_stretches_are_told_by_what_is_in_them_and_where() -> None:
    one = Contents([1, 2, 4, 8], ["a", "b", "c", "d"])
    other = Contents([0, 1, 2, 4], ["z", "a", "b", "c"])
    assert one.between(1, 4) == one.between(4, 1) == other.between(2, 2)[:0] + other.between(1, 4)
    assert one.between(1, 2) != Contents([1, 2], ["b", "a"]).between(1, 2)
    assert one.between(2, 4) != one.between(1, 4)
    assert one.between(1, 3) == one.frame(3) == ""


def test_a_frame_says_what_it_is_or_its_bytes_do(tmp_path: Path) -> None:
    for n in (1, 2):
        write(tmp_path / "plate", n, look=0)
    with Shot.new(tmp_path / "a.shot.json", tmp_path / "plate", tracker="fake") as shot:
        contents = contents_of(shot.clip)
        assert len(contents.frame(1)) == 32
        assert contents.frame(1) == contents.frame(2)
        write(tmp_path / "plate", 2, look=1)
        (tmp_path / "plate/plate.0001.png").unlink()
        assert contents_of(shot.clip).frame(2) != contents.frame(2)
        assert contents_of(shot.clip).frame(1) == "gone"


def test_a_leg_keeps_the_state_that_a_later_one_goes_on_from(tmp_path: Path) -> None:
    path = made(tmp_path, range(10, 16), 10, 13)
    for n in range(16, 20):
        write(tmp_path / "plate", n)
    write(tmp_path / "plate", 11, look=3)
    # From 10 on again, and from the state after 15, which the first leg's own must not replace.
    assert done(path)["track"] == [11, 12, 16, 17, 18, 19]
    with Shot.open(path) as shot:
        kept = {n: shot.cache.read("track", "subject", n) for n in range(10, 20)}
        assert list(shot.track(fresh=True))
        for n, found in kept.items():
            again = shot.cache.read("track", "subject", n)
            assert found is not None
            assert again is not None
            np.testing.assert_array_equal(found[0], again[0])
