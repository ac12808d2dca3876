"""Parameters, handles, prompts and the overlay; no engine is needed for most of it."""

from __future__ import annotations

import json
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from tests.hosts.ofx import wire
from tests.hosts.ofx.driver import DEPTHS
from tests.hosts.ofx.pressing import Starter, clip, point, press, prompts
from tests.hosts.ofx.wire import FakeEngine


def test_parameters(host: Starter) -> None:
    """None of the kinds that some hosts drop, no name twice, and no choice or button that animates."""
    with host() as h:
        told = h.load()
        names = [p["name"] for p in told["params"]]
        assert len(names) == len(set(names))
        kinds = {p["type"].removeprefix("OfxParamType") for p in told["params"]}
        assert kinds == {"Group", "Double2D", "Double", "Integer", "Choice", "PushButton", "String"}
        assert {p["name"] for p in told["params"] if p["animates"] and "Double" in p["type"]} == {
            "shrinkGrow", "feather", "blurAmount",
        }  # fmt: skip
        labels = [p["label"] for p in told["params"]]
        assert len(labels) == len(set(labels))
        choices = {p["name"]: p["choices"] for p in told["params"] if p["type"] == "OfxParamTypeChoice"}
        assert len(choices["output"]) == 5
        assert not [c for options in choices.values() for c in options if "," in c]  # there Kdenlive parts it
        assert sorted(told["depths"]) == [f"OfxBitDepth{d}" for d in sorted(DEPTHS)]
        assert (told["tiles"], told["temporal"], told["plugins"], told["beyond"]) == (0, 1, 1, 0)
        assert told["safety"] == "OfxImageEffectRenderInstanceSafe"


def test_points_begin_beside_one_another(host: Starter) -> None:
    """Hosts draw them all, also those that are off; one upon the other, only the last could be dragged."""
    with host() as h:
        at = [h.ask("get", param=f"point{i}")["value"] for i in range(1, 7)]
        assert all(0 < x < 1 and y == 0.5 for x, y in at)
        assert min(b[0] - a[0] for a, b in pairwise(at)) > 0.1


def test_set_at_frame(host: Starter) -> None:
    """Handles become prompts from the frame's top left; other frames stay; all off takes a frame back."""
    with host(message=0) as h:
        h.source(clip(), x1=10, y1=5, rx=0, ry=0, rw=100, rh=40)
        h.set("frameOffset", 1000)
        point(h, 1, 25, 10)
        point(h, 2, 99, 39, sign=2)
        point(h, 3, 50, 20, sign=0)
        press(h, "setAtFrame", time=4)
        assert prompts(h) == {
            "version": 1,
            "points": [
                {"frame": 1004, "x": 0.25, "y": 0.75, "label": 1},
                {"frame": 1004, "x": 0.99, "y": 0.025, "label": 0},
            ],
            "boxes": [],
        }
        assert h.text("status") == "Frame 1004: 2 points set."
        point(h, 2, 0, 0, sign=0)
        press(h, "setAtFrame", time=2, srcframe=7)
        press(h, "setAtFrame", time=4)
        assert [(p["frame"], p["x"]) for p in prompts(h)["points"]] == [(7, 0.25), (1004, 0.25)]
        point(h, 1, 0, 0, sign=0)
        press(h, "setAtFrame", time=4)
        assert [p["frame"] for p in prompts(h)["points"]] == [7]
        press(h, "clear")
        assert h.text("prompts") == ""


def test_pixels_that_are_wider_than_high(host: Starter) -> None:
    """A host's coordinates are square: an anamorphic picture of 50 pixels is 100 wide in them."""
    with host() as h:
        h.source(clip(), aspect=2)
        point(h, 1, 75, 5)
        press(h, "setAtFrame", time=0)
        assert [(p["x"], p["y"]) for p in prompts(h)["points"]] == [(0.75, 0.75)]


def test_what_others_said_stays(host: Starter) -> None:
    given = {
        "version": 1,
        "points": [{"frame": 0, "x": 0.1, "y": 0.2, "label": 0, "object": 'dög "2"\u0001'}],
        "boxes": [{"frame": 0, "x0": 0.1, "y0": 0.2, "x1": 0.3, "y1": 1.0, "object": "dog"}],
    }
    with host() as h:
        h.source(clip())
        h.set("prompts", json.dumps(given))
        point(h, 1, 25, 10)
        press(h, "setAtFrame", time=0)
        got = prompts(h)
        assert got["boxes"] == given["boxes"]
        assert got["points"][0] == {**given["points"][0], "object": 'dög "2"?'}
        assert got["points"][1] == {"frame": 0, "x": 0.5, "y": 0.5, "label": 1}


@pytest.mark.parametrize("where", [(-1, 5), (51, 5), (5, -0.5), (5, 20.5)])
def test_a_point_outside_is_refused(host: Starter, where: tuple[float, float]) -> None:
    with host() as h:
        h.source(clip())
        point(h, 2, *where)
        press(h, "setAtFrame", time=0)
        assert h.text("prompts") == ""
        assert "Point 1 lies outside" in h.text("status") or "Point 2 lies outside" in h.text("status")


BROKEN = [
    "{",
    "[]",
    '{"version": 2}',
    '{"version": 1, "points": [{"frame": 1}]}',
    '{"version": 1, "points": 3}',
    "nonsense",
]


@pytest.mark.parametrize("text", BROKEN)
def test_prompts_that_cannot_be_read_are_never_lost(host: Starter, runtime: Path, text: str) -> None:
    with FakeEngine(runtime) as engine, host() as h:
        h.source(clip())
        h.set("prompts", text)
        point(h, 1, 5, 5)
        for button in ("setAtFrame", "trackBoth", "matte"):
            press(h, button, time=0)
            assert h.text("prompts") == text
            assert "cannot be understood" in h.text("status")
        assert engine.lines == 0
        press(h, "clear")
        assert h.text("prompts") == ""


def test_nothing_said(host: Starter, runtime: Path) -> None:
    with FakeEngine(runtime) as engine, host() as h:
        h.source(clip(2))
        for button in ("trackForward", "trackBackward", "trackBoth", "matte"):
            press(h, button, time=0)
            assert "Say first what the subject is" in h.text("status")
        assert engine.lines == 0


def test_only_the_users_own_edits_count(host: Starter, runtime: Path) -> None:
    with FakeEngine(runtime) as engine, host() as h:
        h.source(clip(2))
        point(h, 1, 25, 10)
        for reason in ("OfxChangePluginEdited", "OfxChangeTime"):
            assert h.ask("press", param="trackBoth", reason=reason)["status"] == 14
        assert engine.lines == 0
        assert h.text("prompts") == ""


@pytest.mark.skipif(not Path("/usr/share/i18n/locales/de_DE").exists(), reason="no sources of locales")
def test_numbers_where_a_comma_divides_them(host: Starter, runtime: Path, tmp_path: Path) -> None:
    """Hosts set a locale, in which C's own functions write and read 0,25."""
    words = ["localedef", "--no-archive", "-i", "de_DE", "-f", "UTF-8", str(tmp_path / "de_DE.UTF-8")]
    subprocess.run(words, check=False, capture_output=True)
    with FakeEngine(runtime) as engine, host(environment={"LOCPATH": str(tmp_path)}) as h:
        assert h.ask("config", locale="de_DE.UTF-8")["locale"] == 1
        h.source(clip(2))
        point(h, 1, 12.5, 10)
        press(h, "setAtFrame", time=0)
        press(h, "trackBoth", time=0)
        (told,) = engine.heard(wire.PROMPTS)
        assert told["prompts"]["points"][0]["x"] == 0.25


def test_overlay(host: Starter) -> None:
    """Drawn are active handles and what was said of the frame; a handle can be dragged."""
    with host() as h:
        h.source(clip())
        assert h.ask("pen", action="OfxActionDescribe")["status"] == 0
        made = h.ask("pen", action="OfxActionCreateInstance")
        assert made["status"] == 0
        handles = {f"{kind}{i}" for kind in ("point", "sign") for i in range(1, 7)}
        assert set(made["slaves"]) == handles | {"prompts", "frameOffset"}  # drawn anew when they change
        assert h.ask("pen", action="OfxInteractActionDraw", time=0)["draws"] == 0
        point(h, 1, 25, 10)
        point(h, 2, 40, 10, sign=2)
        press(h, "setAtFrame", time=0)
        assert h.ask("pen", action="OfxInteractActionDraw", time=0)["draws"] == 4
        assert h.ask("pen", action="OfxInteractActionDraw", time=1)["draws"] == 6
        assert h.ask("pen", action="OfxInteractActionPenDown", x=5, y=5)["status"] == 14
        assert h.ask("pen", action="OfxInteractActionPenMotion", x=6, y=6)["status"] == 14
        assert h.ask("pen", action="OfxInteractActionPenDown", x=38, y=11)["status"] == 0
        assert h.ask("pen", action="OfxInteractActionPenMotion", x=30, y=12)["status"] == 0
        assert h.ask("pen", action="OfxInteractActionPenUp", x=30, y=12)["status"] == 0
        assert h.ask("get", param="point2")["value"] == [30, 12]
        assert h.ask("get", param="point1")["value"] == [25, 10]
        assert h.ask("pen", action="OfxActionDestroyInstance")["status"] == 0
