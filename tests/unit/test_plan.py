"""Which frames a pass walks over: everything needed, from a place where it may begin, and little else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trackmatte.prompt import Prompt
from trackmatte.shot.keys import ANY, NONE, UNUSED, MaskKey
from trackmatte.shot.plan import Job, Leg, plan, segments

FRAMES = st.sets(st.integers(0, 60), min_size=1)


def job(prompted: set[int]) -> Job:
    return Job("a", {}, {i: Prompt(i, "a") for i in prompted}, {}, frozenset(), "")


def walked(leg: Leg, sign: int) -> set[int]:
    return set(range(leg.start, leg.stop + sign, sign))


@given(FRAMES, FRAMES, st.sets(st.integers(0, 60)), st.booleans(), st.sampled_from([1, -1]))
def test_legs_cover_the_need_and_begin_where_they_may(
    prompted: set[int], need: set[int], saved: set[int], carries: bool, sign: int
) -> None:
    edge = min(prompted) if sign > 0 else max(prompted)
    need = {i for i in need if i * sign >= edge * sign}
    legs = plan(job(prompted), need, sign, carries=carries, saved=sorted(saved))
    covered: set[int] = set()
    for leg in legs:
        steps = walked(leg, sign)
        assert not covered & steps
        covered |= steps
        assert leg.stop in need
        if leg.state is None:
            assert leg.start in prompted
        else:
            assert leg.state in saved
            assert leg.start == leg.state + sign
    assert need <= covered
    stretches = segments(legs, sign)
    assert {i for a, b in stretches for i in range(a, b + sign, sign)} == covered


def test_a_late_need_starts_at_the_last_state_or_prompt() -> None:
    late = set(range(80, 90))
    assert plan(job({0, 70}), late, 1, carries=False, saved=[]) == [Leg("a", 70, 89, None)]
    assert plan(job({0, 70}), late, 1, carries=True, saved=[]) == [Leg("a", 0, 89, None)]
    assert plan(job({0, 70}), late, 1, carries=True, saved=[24, 48]) == [Leg("a", 49, 89, 48)]
    assert plan(job({0, 95}), {20, 21, 60}, 1, carries=True, saved=[48]) == [
        Leg("a", 0, 21, None),
        Leg("a", 49, 60, 48),
    ]
    assert plan(job({50}), {3, 4}, -1, carries=True, saved=[24]) == [Leg("a", 23, 3, 24)]


def test_keys_meet_what_they_should() -> None:
    made = str(MaskKey("base", "left", "right"))
    assert MaskKey("base", "left", "right").met_by(made)
    assert MaskKey("base", ANY, "right").met_by(made)
    assert MaskKey("base", "left", UNUSED).met_by(made)
    assert MaskKey("base", "left", "right").met_by(str(MaskKey("base", "left", UNUSED)))
    assert not MaskKey("base", "other", "right").met_by(made)
    assert not MaskKey("base", NONE, "right").met_by(made)
    assert not MaskKey("other", "left", "right").met_by(made)
    assert not MaskKey("base", "left", "right").met_by(None)
    assert not MaskKey("base", "left", "right").met_by("an older hash")
