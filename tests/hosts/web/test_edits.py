"""What is said about the subject: with the mouse, with the keys alone, in two tabs, over a reload."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import disc
from tests.engines import new_shot
from tests.hosts.web.looking import Look, wait_for
from trackmatte_client import Client


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip on which a job takes its time."""
    return disc.write_movie(tmp_path_factory.mktemp("long") / "long.mp4", 120)


def test_clicks_boxes_strokes_and_taking_them_away(page: Look) -> None:
    page.click(0.4, 0.5).click(0.9, 0.9, button="right")
    page.page.keyboard.down("Alt")
    page.click(0.1, 0.1)
    page.page.keyboard.up("Alt")
    (said,) = page.state().prompts
    assert [label for _, _, label in said.points] == [1, 0, 0]
    assert said.points[0][:2] == pytest.approx((0.4, 0.5), abs=0.01)
    page.drag((0.7, 0.8), (0.4, 0.5), (0.2, 0.2))
    (said,) = page.state().prompts
    assert said.box == pytest.approx((0.2, 0.2, 0.7, 0.8), abs=0.01)
    page.kind("selection")

    page.press("s").drag((0.35, 0.5), (0.4, 0.55), (0.45, 0.5)).drag((0.8, 0.1), (0.9, 0.2), button="right")
    page.page.get_by_label("Stroke").select_option("hair")
    page.drag((0.3, 0.3), (0.32, 0.3))
    strokes = page.state().prompts[0].scribbles
    assert [(s.label, s.mode) for s in strokes] == [(1, "hint"), (0, "hint"), (1, "hair")]
    assert strokes[0].radius == pytest.approx(0.01)
    assert len(strokes[0].points) > 3
    assert page.page.locator(".marks .point").count() == 3
    assert page.page.locator(".marks .stroke").count() == 3

    page.press("e").click(0.9, 0.9)
    assert [label for _, _, label in page.state().prompts[0].points] == [1, 0]
    page.click(0.45, 0.2)  # the box's upper edge
    assert page.state().prompts[0].box is None
    page.click(0.85, 0.15)
    page.click(0.85, 0.6)  # nothing is there
    assert len(page.state().prompts[0].scribbles) == 3
    page.click(0.9, 0.2)
    assert [s.label for s in page.state().prompts[0].scribbles] == [1, 1]
    page.press("Delete").settled()
    wait_for(lambda: page.state().prompts == ())
    page.press("Control+z").settled()
    wait_for(lambda: len(page.state().prompts) == 1)
    page.press("Control+z", "Control+z", "Control+Shift+z").settled()
    wait_for(lambda: [s.label for s in page.state().prompts[0].scribbles] == [1, 0, 1])


def test_objects_have_names_and_keys(page: Look) -> None:
    page.click(0.4, 0.5)
    page.press("1")
    name = page.page.get_by_label("Name of object 1")
    name.fill("hero")
    name.press("a")  # what is typed is no command
    assert page.page.locator("#picture").get_attribute("data-view") == "overlay"
    name.fill("hero")
    page.click(0.5, 0.5)
    assert [o.object for o in page.state().objects] == ["subject", "hero"]
    assert page.page.locator(".object.here .name").inner_text() == "hero"
    page.press("0").settled()
    page.page.get_by_role("button", name="Remove subject").click()
    page.settled()
    assert [o.object for o in page.state().objects] == ["hero"]


def test_a_preview_follows_the_pointer_with_shift_and_keeps_nothing(page: Look) -> None:
    page.press("p")
    before = page.pixels()
    asked: list[str] = []
    page.page.on("request", lambda r: asked.append(r.url) if r.url.endswith("/preview") else None)
    mouse = page.page.mouse
    mouse.move(*page.at(0.3, 0.5))
    page.page.wait_for_timeout(100)
    assert asked == []
    page.page.keyboard.down("Shift")
    with page.page.expect_response(lambda r: r.url.endswith("/preview")) as answer:
        mouse.move(*page.at(0.36, 0.5), steps=5)
    assert answer.value.ok
    wait_for(lambda: not np.array_equal(page.pixels(), before))
    page.page.keyboard.up("Shift")
    wait_for(lambda: np.array_equal(page.pixels(), before))
    assert page.state().prompts == ()
    assert len(asked) <= 6


def test_the_keyboard_alone_selects_tracks_and_exports(page: Look, tmp_path: Path) -> None:
    page.press("Alt+Shift+ArrowLeft", "Alt+ArrowUp", "Alt+ArrowDown", "Enter").settled()
    wait_for(lambda: page.state().prompts)
    (x, y, label) = page.state().prompts[0].points[0]
    assert (x, y, label) == (pytest.approx(0.4375, abs=0.01), pytest.approx(0.5, abs=0.01), 1)
    for _ in range(4):
        page.press("ArrowRight")
    page.on(4).press("]").settled()
    wait_for(lambda: page.state().range == (0, 4))
    page.work("g").press("x")
    assert page.state().objects[0].tracked == ((0, 4),)
    folder = page.page.get_by_label("Into the folder")
    folder.wait_for()
    for _ in range(20):
        if page.page.evaluate("document.activeElement.value") == folder.input_value():
            break
        page.press("Tab")
    page.press("Control+a")
    page.page.keyboard.type(str(tmp_path / "out"))
    page.page.locator(".names code", has_text=str(tmp_path / "out")).wait_for()
    page.work("Enter").says("Written")
    assert sorted(f.name for f in (tmp_path / "out").iterdir()) == [
        f"disc_subject.{n:04d}.exr" for n in range(5)
    ]


def test_focus_is_seen_and_goes_everywhere(page: Look) -> None:
    seen: list[str] = []
    for _ in range(60):
        page.press("Tab")
        outline, name = page.page.evaluate(
            "() => { const e = document.activeElement, s = getComputedStyle(e);"
            " return [s.outlineStyle + ' ' + s.outlineWidth,"
            " e === document.body ? '' : e.getAttribute('aria-label') || e.textContent || e.id] }"
        )
        if not name:  # round
            break
        assert outline == "solid 2px", name
        seen.append(name)
    assert {"Export ...", "Overlay", "Refine mattes", "Play", "Frame", "In point", "Out point"} <= set(seen)
    assert any(n.startswith("Frame 0") for n in seen)  # the picture itself


def test_in_and_out_are_dragged_and_moved_by_keys(page: Look) -> None:
    handle = page.page.get_by_role("slider", name="Out point")
    box, lane = handle.bounding_box(), page.page.locator("#timeline").bounding_box()
    mouse = page.page.mouse
    mouse.move(box["x"] + 2, box["y"] + 30)
    mouse.down()
    mouse.move(lane["x"] + lane["width"] / 2, box["y"] + 30, steps=5)
    mouse.up()
    wait_for(lambda: page.state().range[1] in (14, 15))
    out = page.state().range[1]
    page.settled()
    handle.focus()
    page.press("ArrowLeft").settled()
    wait_for(lambda: page.state().range == (0, out - 1))
    assert page.page.locator("#picture").get_attribute("data-frame") == "0"  # the key was the handle's
    mouse.click(lane["x"] + lane["width"] * 0.31, lane["y"] + 40)
    page.on(9)


def test_two_tabs_do_not_overrule_each_other(
    tab: Callable[..., Look], client: Client, long: Path, hold: Path, tmp_path: Path
) -> None:
    shot = new_shot(client, tmp_path, long)
    one, two = tab(client, shot).ready(), tab(client, shot).ready()
    old = dataclasses.asdict(shot)
    # The second tab does not learn for a while what the first one does.
    two.page.route(re.compile(r"/v1/shots/\w+$"), lambda route: route.fulfill(json=old))
    one.click(0.4, 0.5)
    two.page.mouse.click(*two.at(0.6, 0.5))
    two.says("edited elsewhere")
    assert len(one.state().prompts[0].points) == 1
    two.page.locator(".marks .point").wait_for()  # it shows what the first one did
    two.page.unroute_all()
    two.click(0.6, 0.5)
    wait_for(lambda: len(one.state().prompts[0].points) == 2)
    one.wait("document.querySelectorAll('.marks .point').length === 2")  # and the first sees the second's
    hold.write_text("60")
    one.press("t")
    one.page.locator(".progress .line").wait_for()
    two.page.locator(".progress .line").wait_for()
    one.stop(hold).says("Stopped")
    two.idle().says("Stopped")


def test_an_edit_on_its_way_is_none_of_somebody_elses(page: Look) -> None:
    held: list[Any] = []

    def late(route: Any) -> None:
        held.append((route, route.fetch()))

    page.page.route("**/prompts/add", late)
    page.page.mouse.click(*page.at(0.4, 0.5))
    wait_for(lambda: page.page.evaluate("1") and held)
    state = re.compile(r"/v1/shots/\w+$")
    for _ in range(2):  # the page looks, and sees the edit before its answer
        with page.page.expect_response(state):
            pass
    page.page.locator(".marks .point").wait_for()
    route, answer = held.pop()
    route.fulfill(response=answer)
    page.settled()
    assert not page.page.evaluate("said('edited elsewhere')")
    assert len(page.state().prompts[0].points) == 1


def test_places_that_come_at_once_are_all_on_the_stroke(page: Look) -> None:
    page.press("s")
    mouse = page.page.mouse
    mouse.move(*page.at(0.3, 0.3))
    mouse.down()
    path = [page.at(0.5, 0.3), page.at(0.5, 0.6), page.at(0.3, 0.6)]
    page.page.evaluate(
        """path => {
          const at = ([clientX, clientY]) => ({ clientX, clientY, pointerId: 1, bubbles: true });
          const steps = path.map(place => new PointerEvent("pointermove", at(place)));
          const last = { ...at(path.at(-1)), coalescedEvents: steps };
          document.querySelector("#picture").dispatchEvent(new PointerEvent("pointermove", last));
        }""",
        path,
    )
    mouse.move(*page.at(0.3, 0.6))
    mouse.up()
    page.settled()
    (stroke,) = page.state().prompts[0].scribbles
    assert np.array(stroke.points) == pytest.approx(
        np.array([(0.3, 0.3), (0.5, 0.3), (0.5, 0.6), (0.3, 0.6)]), abs=0.01
    )


def test_a_reload_loses_nothing(
    client: Client, tab: Callable[..., Look], movie: Path, hold: Path, tmp_path: Path
) -> None:
    page = tab(client, new_shot(client, tmp_path, movie)).ready()
    hold.write_text("15")
    page.click(0.4, 0.5).press("t")
    page.wait("document.querySelector('.progress .line')")
    page.press("ArrowRight", "ArrowRight", "ArrowRight", "c", "w").on(3)
    page.page.reload()
    page.ready().on(3)
    assert page.page.get_by_role("button", name="Checker").get_attribute("aria-pressed") == "true"
    assert page.page.get_by_role("button", name="Wipe").get_attribute("aria-pressed") == "true"
    page.page.locator(".progress .line").wait_for()
    hold.unlink()
    page.idle()
    assert page.state().objects[0].tracked == ((0, 29),)
    page.kind("mask")
    page.press("Home").on(0)
    assert page.page.locator(".marks .point").count() == 1


def test_masks_come_while_the_job_runs_and_an_edit_makes_them_stale(
    tab: Callable[..., Look], client: Client, long: Path, hold: Path, tmp_path: Path
) -> None:
    shot = new_shot(client, tmp_path, long)
    page = tab(client, shot).ready()
    page.click(0.4, 0.5).press("ArrowRight").on(1)
    page.page.locator(".alpha-kind[data-kind='none']").wait_for()
    hold.write_text("60")
    page.press("t")
    page.kind("mask")  # the frame's mask is there long before the job ends
    line = page.page.locator(
        ".progress .line", has_text=re.compile(r"Tracking \d+ of 120, [\d.]+ fps, .+ left")
    )
    line.wait_for()
    page.stop(hold).says("Stopped")
    tracked = page.state().objects[0].tracked
    assert 2 <= tracked[0][1] < 119
    page.press("Home").on(0)
    page.click(0.42, 0.5)
    page.press("ArrowRight").on(1)
    page.page.locator(".alpha-kind", has_text="mask, stale").wait_for()
    assert page.state().objects[0].stale == ((0, tracked[0][1]),) or page.state().objects[0].stale == tracked
