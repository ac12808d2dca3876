"""Doubt per frame, the worst places, and the report, from synthetic notes of the track pass."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from trackmatte.shot.qc import DOUBTFUL, FrameQuality, quality, to_json, worst

Change = dict[str, Any]


def judge(
    count: int,
    changes: dict[int, Change] | Callable[[int], Change],
    *,
    prompted: Sequence[int] = (0,),
    locked: Sequence[int] = (),
    step: int = 1,
) -> dict[int, FrameQuality]:
    """Judge a steady track of ``count`` frames with some notes changed, by number."""
    change = changes if callable(changes) else lambda n: changes.get(n, {})

    def info(_: str, n: int) -> Change:
        return {"key": "k", "score": 0.9, "area": 0.1, "drift": 0.95, **change(n)}

    numbers = range(0, count * step, step)
    found = quality(["a"], numbers, info, {"a": prompted}, {"a": locked})
    return {r.number: r for r in found}


def doubtful(records: dict[int, FrameQuality]) -> list[int]:
    return [n for n, r in records.items() if r.doubt >= DOUBTFUL]


def test_a_steady_track_is_not_in_doubt() -> None:
    records = judge(50, {})
    assert all(r.doubt == 0 and r.reasons == () for r in records.values())
    assert records[0].settled
    assert not records[1].settled


def test_noise_and_steady_growth_are_fine() -> None:
    rng = np.random.default_rng(2)
    noise = 1 + rng.normal(size=200) * 0.02
    for growth in (1.06, 0.94):
        records = judge(
            60, lambda n, g=growth: {"area": min(1, 0.02 * g ** (n if g > 1 else n - 60)) * noise[n]}
        )
        assert doubtful(records) == []
    shaky = judge(200, lambda n: {"drift": 0.9 + (noise[n] - 1)})
    assert doubtful(shaky) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"drift": 0.62}, "edge jumps (drift 0.62)"),
        ({"score": 0.2}, "tracker unsure (score 0.20)"),
        ({"iou": 0.4}, "model doubts its edge (0.40)"),
        ({"area": 0.05}, "area halves"),
        ({"area": 0.2}, "area doubles"),
        ({"area": 0.01}, "area falls to 10%"),
        ({"area": 0.16}, "area grows by 60%"),
        ({"object": -3.0}, "subject lost"),
        ({"score": 0.05}, "subject lost"),
        ({"area": 0}, "subject lost"),
    ],
)
def test_one_bad_frame_and_why(change: Change, reason: str) -> None:
    records = judge(40, {20: change})
    assert records[20].reasons == (reason,)
    assert records[20].doubt >= DOUBTFUL
    assert [n for n in doubtful(records) if n != 21] == [20]


def test_signs_add_up_strongest_first() -> None:
    records = judge(40, {20: {"drift": 0.75, "score": 0.15}})
    alone = [judge(40, {20: c})[20].doubt for c in ({"drift": 0.75}, {"score": 0.15})]
    assert records[20].doubt == pytest.approx(1 - math.prod(1 - d for d in alone), abs=0.002)
    assert [r.split()[0] for r in records[20].reasons] == ["tracker", "edge"]


def test_a_step_of_the_area_is_blamed_on_the_side_away_from_the_prompt() -> None:
    for prompt, bad in ((0, 30), (59, 29)):
        records = judge(60, lambda n: {"area": 0.1 if n < 30 else 0.04}, prompted=[prompt])
        assert bad in doubtful(records)
        assert all((n >= 30) == (bad >= 30) for n in doubtful(records))
        assert records[bad].reasons[0].startswith("area")


def test_lost_span_and_return_are_one_place() -> None:
    records = judge(60, lambda n: {"score": 0.0, "area": 0.0, "drift": 0.0} if 20 <= n < 30 else {})
    assert doubtful(records) == list(range(20, 31))
    assert records[30].reasons == ("subject reappears",)
    (place,) = worst(list(records.values()))
    assert (place.first, place.last, place.worst.number) == (20, 30, 20)


def test_prompted_and_locked_frames_are_never_in_doubt() -> None:
    bad = {"score": 0.0, "drift": 0.1, "area": 0.9}
    records = judge(40, dict.fromkeys((10, 20, 21), bad), prompted=[0, 10], locked=[20, 21])
    for n in (10, 20, 21):
        assert (records[n].doubt, records[n].reasons, records[n].settled) == (0.0, (), True)


def test_unknown_is_not_bad() -> None:
    found = quality(["a"], range(9), lambda _o, _n: {"key": "old"}, {"a": [0]}, {})
    assert all(r.doubt == 0 and r.score is None and r.visible is None for r in found)
    odd = quality(["a"], range(9), lambda _o, _n: {"score": "x", "area": math.nan, "drift": None}, {}, {})
    assert all(r.doubt == 0 and r.score is None and r.area is None for r in odd)
    mixed = judge(30, lambda n: {"drift": None, "area": None} if n % 2 else {})
    assert doubtful(mixed) == []


def test_untracked_frames_have_no_record() -> None:
    found = quality(["a"], range(9), lambda _o, n: {"score": 1.0} if n in (2, 7) else None, {}, {})
    assert [r.number for r in found] == [2, 7]


def test_an_agreement_that_is_always_poor_is_in_doubt_but_a_habit_of_small_things_is_not() -> None:
    assert doubtful(judge(40, lambda _: {"drift": 0.8})) == []
    assert len(doubtful(judge(40, lambda _: {"drift": 0.4}))) == 39


def test_places_are_ordered_grouped_and_counted() -> None:
    bad = {n: {"score": 0.3} for n in range(50, 60)} | {53: {"score": 0.2}, 55: {}, 80: {"score": 0.12}}
    records = list(judge(100, bad).values())
    places = worst(records)
    assert [(p.first, p.last, p.worst.number) for p in places] == [(80, 80, 80), (50, 59, 53)]
    assert worst(records, 1) == places[:1]
    assert worst(records, 0) == []


def test_a_settled_frame_or_a_gap_parts_two_places() -> None:
    bad = {n: {"score": 0.2} for n in (20, 21, 22)}
    assert [(p.first, p.last) for p in worst(list(judge(40, bad, locked=[21]).values()))] == [
        (20, 20),
        (22, 22),
    ]
    twos = {n: {"score": 0.2} for n in (20, 22, 40)}
    places = worst(list(judge(40, twos, step=2).values()))
    assert [(p.first, p.last) for p in places] == [(20, 22), (40, 40)]


def test_objects_do_not_mix() -> None:
    def info(obj: str, n: int) -> Change:
        return {"score": 0.2 if (obj, n) in {("a", 9), ("b", 0)} else 0.9, "area": 0.1 if obj == "a" else 0.5}

    records = quality(["a", "b"], range(10), info, {}, {})
    assert [(r.object, r.number) for r in records] == [(o, n) for o in "ab" for n in range(10)]
    assert [(p.worst.object, p.first, p.last) for p in worst(records)] == [("a", 9, 9), ("b", 0, 0)]


def test_one_frame_no_frame_and_ten_thousand() -> None:
    assert quality([], [], lambda _o, _n: None, {}, {}) == []
    assert worst([]) == []
    assert [r.doubt for r in judge(1, {}, prompted=()).values()] == [0.0]
    many = judge(10_000, {n: {"drift": 0.4} for n in range(500, 10_000, 1000)})
    assert doubtful(many) == list(range(500, 10_000, 1000))


def test_the_report_is_versioned_ordered_and_plain_json() -> None:
    records = list(judge(20, {12: {"object": -2.0, "iou": 0.1}}).values())
    report = to_json("a.shot.json", records)
    assert list(report) == ["format", "version", "shot", "places", "frames"]
    assert (report["format"], report["version"], report["shot"]) == ("trackmatte-qc", 1, "a.shot.json")
    assert report["places"][0] == {
        "object": "a",
        "frame": 12,
        "first": 12,
        "last": 13,
        "doubt": 1.0,
        "reasons": ["subject lost"],
    }
    assert len(report["frames"]) == 20
    assert report["frames"][12] == {
        "object": "a",
        "frame": 12,
        "doubt": 1.0,
        "reasons": ["subject lost"],
        "settled": False,
        "score": 0.9,
        "area": 0.1,
        "drift": 0.95,
        "iou": 0.1,
        "visible": False,
    }
    assert json.loads(json.dumps(report)) == report
