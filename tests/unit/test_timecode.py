"""Timecode against the PyPI package `timecode` and against OpenEXR's own attribute."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from timecode import Timecode as Reference

from trackmatte.errors import UsageError
from trackmatte.timecode import Timecode

NTSC = {n: Fraction(n * 1000, 1001) for n in (24, 30, 60)}
RATES = {
    "23.976": NTSC[24],
    "24": Fraction(24),
    "25": Fraction(25),
    "29.97": NTSC[30],
    "30": Fraction(30),
    "50": Fraction(50),
    "59.94": NTSC[60],
    "60": Fraction(60),
}
DAYS = 2 * 86400 * 60


@settings(deadline=None, max_examples=60, database=None)
@given(name=st.sampled_from(list(RATES)), start=st.integers(0, DAYS), step=st.integers(-DAYS, DAYS))
@example(name="29.97", start=1799, step=1)
@example(name="29.97", start=17981, step=1)
@example(name="59.94", start=3599, step=1)
@example(name="59.94", start=24 * 215784 - 1, step=1)
@example(name="24", start=24 * 86400 - 1, step=1)
def test_counting_agrees_with_an_independent_implementation(name: str, start: int, step: int) -> None:
    rate = RATES[name]
    drop = name in ("29.97", "59.94")
    day = 144 * (600 * round(rate) - (9 * round(rate) // 15 if drop else 0))
    begin = Timecode(rate, drop=drop).advanced(start)
    assert str(begin) == str(Reference(name, frames=start % day + 1))
    assert begin.count == start % day
    after = begin.advanced(step)
    assert str(after) == str(Reference(name, frames=(start + step) % day + 1))
    assert after.advanced(-step) == begin
    assert Timecode.parse(str(after), rate) == after


@settings(deadline=None, database=None)
@given(name=st.sampled_from(list(RATES)), start=st.integers(0, DAYS))
def test_non_drop_at_fractional_rates_counts_every_label(name: str, start: int) -> None:
    n = round(RATES[name])
    t = Timecode(RATES[name]).advanced(start)
    seconds = start // n % 86400
    assert (t.hours, t.minutes, t.seconds, t.frames, t.drop) == (
        seconds // 3600,
        seconds // 60 % 60,
        seconds % 60,
        start % n,
        False,
    )


@pytest.mark.parametrize("name", list(RATES))
@pytest.mark.parametrize("label", ["00:00:00:00", "01:00:00:00", "10:58:49:13", "23:59:59:23"])
def test_openexr_reads_what_is_packed(name: str, label: str, tmp_path: Path) -> None:
    drop = name in ("29.97", "59.94")
    t = Timecode.parse(label[:8] + (";" if drop else ":") + label[9:], RATES[name]).advanced(1)
    words = t.packed()
    assert Timecode.unpack(words, t.rate) == t
    pairs = round(t.rate) > 30
    frames, phase = (t.frames // 2, t.frames % 2) if pairs else (t.frames, 0)
    fields = (t.hours, t.minutes, t.seconds, frames, int(t.drop), 0, phase, 0, 0, 0, *[0] * 8)
    path = tmp_path / "t.exr"
    header = {"type": OpenEXR.scanlineimage, "timeCode": OpenEXR.TimeCode(*fields)}
    OpenEXR.File(header, {"Y": np.zeros((2, 2), np.float16)}).write(str(path))
    data = path.read_bytes()
    at = data.index(b"timeCode\0timecode\0") + len(b"timeCode\0timecode\0") + 4
    assert words == tuple(int(w) for w in np.frombuffer(data[at : at + 8], "<u4"))


@pytest.mark.parametrize(
    ("text", "rate", "message"),
    [
        ("1:00:00:00", 24, "write HH:MM:SS:FF"),
        ("", 24, "is no timecode"),
        ("٠١:00:00:00", 24, "is no timecode"),
        ("01:00:00:24", 24, "23:59:59:23"),
        ("24:00:00:00", 24, "runs from"),
        ("00:60:00:00", 25, "runs from"),
        ("01:00:00;00", 25, "drop frame"),
        ("00:01:00;01", NTSC[30], "leaves out"),
        ("00:01:00;03", NTSC[60], "leaves out"),
        ("00:00:00:00", Fraction(1, 3), "cannot carry"),
    ],
)
def test_labels_that_do_not_exist(text: str, rate: Fraction, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Timecode.parse(text, Fraction(rate))


def test_labels_that_exist_at_the_edges() -> None:
    for text in ("00:01:00;02", "00:10:00;00", "00:01:01;00", "23:59:59;29"):
        assert str(Timecode.parse(text, NTSC[30])) == text
    assert str(Timecode.parse("00:01:00.04", NTSC[60])) == "00:01:00;04"
    assert str(Timecode.parse("00:00:00:119", Fraction(120))) == "00:00:00:119"
    with pytest.raises(UsageError, match="packed"):
        Timecode.parse("00:00:00:119", Fraction(120)).packed()


def test_at_another_rate_the_second_is_kept() -> None:
    t = Timecode.parse("01:02:03:12", Fraction(24))
    assert str(t.at(Fraction(50))) == "01:02:03:25"
    assert str(t.at(NTSC[24])) == "01:02:03:12"
    drop = Timecode.parse("00:01:00;02", NTSC[30])
    assert str(drop.at(Fraction(30))) == "00:01:00;02"
    assert str(drop.at(NTSC[60])) == "00:01:00:04"
