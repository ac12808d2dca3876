"""What goes wrong: late replies, an engine that is gone or another, browsers and clips of every kind."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import disc, media_maker
from tests.engines import new_shot, started
from tests.hosts.web.looking import Look, wait_for
from trackmatte_client import Client
from trackmatte_client.protocol import messages as m

Tab = Callable[..., Look]


def test_late_replies_are_dropped(page: Look) -> None:
    held: list[Any] = []

    def hold(route: Any) -> None:  # frame 1 does not come for now
        held.append(route)

    page.page.route(re.compile(r"/frames/1\?"), hold)
    page.page.reload()
    page.ready().press("p", "ArrowRight")
    page.wait("true")
    wait_for(lambda: page.page.evaluate("1") and held)
    page.press("ArrowRight", "ArrowRight").on(3)
    third = page.pixels()
    for route in held:
        route.continue_()
    page.page.wait_for_timeout(300)
    np.testing.assert_array_equal(page.pixels(), third)
    assert page.page.locator("#picture").get_attribute("data-frame") == "3"
    page.press("ArrowLeft").on(2)


def test_a_killed_engine_gets_a_banner_and_a_new_try(tab: Tab, movie: Path, tmp_path: Path) -> None:
    with started(tmp_path / "engine") as client:
        page = tab(client, new_shot(client, tmp_path, movie)).ready()
        os.kill(client.hello().pid, signal.SIGKILL)
        banner = page.page.get_by_role("alert").filter(has_text="does not answer")
        banner.wait_for()
        assert "trackmatte web" in banner.inner_text()
        page.page.get_by_role("button", name="Try again").click()
        banner.wait_for()


def test_a_hiccup_heals_by_itself(page: Look) -> None:
    page.page.route("**/v1/**", lambda route: route.abort())
    page.page.locator(".banner").wait_for()
    page.page.unroute_all()
    page.page.locator(".banner").wait_for(state="detached")
    page.click(0.4, 0.5)
    assert len(page.state().prompts) == 1


@pytest.mark.parametrize("heard", [False, True])
def test_an_edit_whose_line_breaks_is_done_once(page: Look, heard: bool) -> None:
    broken: list[str] = []

    def hang_up(route: Any) -> None:
        broken.append(route.request.method)
        if heard:
            route.fetch()
        route.abort("connectionreset")

    page.page.route("**/prompts/add", hang_up, times=1)
    page.click(0.4, 0.5)
    wait_for(lambda: page.state().prompts)
    page.settled().click(0.9, 0.9, button="right")
    wait_for(lambda: len(page.state().prompts[0].points) == 2)
    assert len(broken) == 1
    assert [label for _, _, label in page.state().prompts[0].points] == [1, 0]
    assert page.page.locator(".banner").count() == 0


def test_a_question_whose_line_breaks_is_asked_again(page: Look) -> None:
    page.page.route("**/frames/1?**", lambda route: route.abort("connectionreset"), times=1)
    look = "new MutationObserver(() => (window.banner ||= document.querySelector('.banner')?.innerText))"
    page.page.evaluate(f"() => {look}.observe(document.body, {{ childList: true, subtree: true }})")
    page.press("ArrowRight").on(1)
    assert page.page.evaluate("window.banner ?? null") is None


def test_a_job_that_ends_before_the_page_hears_of_it_is_told_as_it_was(page: Look) -> None:
    page.click(0.4, 0.5).work("g").says("Tracked 30 frames")

    def late(route: Any) -> None:  # as on a busy machine: the job is over when the answer about it is made
        wait_for(lambda: not page.state().jobs)
        route.continue_()

    page.page.route(re.compile(r"/jobs/\w+$"), late)
    page.work("r").says("Refined 30 frames")
    page.work("r").says("all was up to date")


@pytest.mark.parametrize(
    ("path", "answer", "says"),
    [
        ("**/hello", (200, {"protocol": 99, "engine": "9", "pid": 1}), "protocol 99"),
        (
            "**/hello",
            (401, {"code": "unauthorized", "message": "no", "exit_code": 2, "shot": None}),
            "has ended",
        ),
    ],
    ids=["version", "token"],
)
def test_another_engine_is_named(
    tab: Tab, client: Client, shot: m.ShotState, path: str, answer: tuple[int, dict[str, Any]], says: str
) -> None:
    def other(page: Any) -> None:
        page.route(path, lambda route: route.fulfill(status=answer[0], json=answer[1]))

    tab(client, shot, other).page.get_by_role("alert").filter(has_text=says).wait_for()


def test_a_page_without_its_address_says_how_to_start(tab: Tab, client: Client, shot: m.ShotState) -> None:
    page = tab(client, shot).ready()
    page.page.goto("about:blank")
    page.page.goto(f"http://127.0.0.1:{client.address.port}/")
    page.page.get_by_role("alert").filter(has_text="trackmatte web CLIP").wait_for()


def test_a_browser_without_webgl_2_is_told_so(tab: Tab, client: Client, shot: m.ShotState) -> None:
    without = "HTMLCanvasElement.prototype.getContext = () => null"
    page = tab(client, shot, lambda page: page.add_init_script(without))
    said = page.page.get_by_role("alert").inner_text()
    assert "WebGL 2" in said
    assert "hardware acceleration" in said


def test_a_clip_that_was_moved_is_named(tab: Tab, client: Client, tmp_path: Path) -> None:
    movie = disc.write_movie(tmp_path / "gone.mp4", 3)
    shot = new_shot(client, tmp_path, movie)
    client.close_shot(shot.shot)
    movie.rename(tmp_path / "elsewhere.mp4")
    banner = tab(client, shot).page.get_by_role("alert").filter(has_text="cannot be opened")
    banner.wait_for()
    assert str(movie) in banner.inner_text()
    (tmp_path / "elsewhere.mp4").rename(movie)
    banner.wait_for(state="detached")  # it tries by itself


def test_a_job_that_fails_says_why(page: Look, tmp_path: Path) -> None:
    page.click(0.4, 0.5).press("x")
    page.page.get_by_label("Track and refine first").uncheck()
    page.page.get_by_label("Into the folder").fill("not/absolute")
    page.page.locator(".bad", has_text="absolute path").wait_for()
    page.page.get_by_label("Into the folder").fill(str(tmp_path / "out"))
    page.page.locator(".names code").wait_for()
    page.page.locator("dialog button.main").click()
    page.says("no matte")  # the engine's own sentence, and it stays
    file = tmp_path / "full"
    file.write_text("a file is no folder")
    page.press("x")
    page.page.get_by_label("Into the folder").fill(str(file))
    page.page.locator(".names code", has_text="full").wait_for()
    page.page.locator("dialog button.main").click()
    page.says("cannot write into")


def test_names_are_the_engines_and_files_that_exist_are_counted(page: Look, tmp_path: Path) -> None:
    page.click(0.4, 0.5).press("x")
    page.page.get_by_label("Into the folder").fill(str(tmp_path))
    (tmp_path / "disc_subject_cutout.0003.exr").touch()
    page.page.locator("[name=preset]").select_option("cutout")
    page.page.locator(".names code", has_text="disc_subject_cutout.####.exr").wait_for()
    page.page.locator(".warn", has_text="1 of these files").wait_for()
    page.page.locator("[name=format]").select_option("prores")
    name = page.page.locator(".names code", has_text=".mov")
    name.wait_for()
    plan = page.client.export_plan(page.shot.shot, m.ExportFrames(str(tmp_path), "cutout", "prores"))
    assert name.inner_text() == plan.parts[0].target
    page.page.locator("[name=preset]").select_option("multi")
    page.page.locator(".bad", has_text="layers").wait_for()
    page.page.locator("[name=out]").fill("7")
    page.press("Tab").page.locator("[name=format]").select_option("exr")
    page.page.locator(".names", has_text="8 frames: 0-7").wait_for()
    assert page.state().range == (0, 7)


def test_one_frame_portrait_and_rotated_clips(tab: Tab, client: Client, tmp_path: Path) -> None:
    one = disc.write_frames(tmp_path / "one", 1)
    portrait = disc.write_movie(tmp_path / "tall.mp4", 3, (96, 160))
    images = [disc.plate_at(i, (160, 96)) for i in range(3)]
    rotated = media_maker.encode(tmp_path / "rotated.mp4", images, rotation=90)
    for clip, size in ((one, (160, 96)), (portrait, (96, 160)), (rotated, (96, 160))):
        shot = new_shot(client, tmp_path, clip)
        page = tab(client, shot).ready()
        assert (shot.clip.width, shot.clip.height) == size
        seen = page.press("p").pixels()
        left, top, scale = page.place()
        drawn = np.abs(seen - 0.055 * 255).max(axis=2) > 2
        ys, xs = np.nonzero(drawn)
        assert (xs.min(), ys.min()) == pytest.approx((left, top), abs=1)
        assert (np.ptp(xs) + 1, np.ptp(ys) + 1) == pytest.approx((size[0] * scale, size[1] * scale), abs=2)
        page.press("ArrowRight", "ArrowLeft", "Space", "Space", "End", "Home").on(shot.clip.first)
        page.click(0.4, 0.5).kind("selection")
        page.work("g")
        assert page.state().objects[0].tracked == ((shot.clip.first, shot.clip.last),)
        page.page.context.close()


def test_a_clip_of_five_hours_fetches_few_thumbnails(tab: Tab, client: Client, shot: m.ShotState) -> None:
    frames = 5 * 3600 * 24
    asked: list[int] = []
    jpeg = client.frame(shot.shot, 0, 128)

    def long(page: Any) -> None:
        def state(route: Any) -> None:
            said = json.loads(route.fetch().body())
            said["clip"].update(last=frames - 1, length=frames)
            said["range"] = [0, frames - 1]
            route.fulfill(json=said)

        def frame(route: Any) -> None:
            if "width=128" in route.request.url:
                asked.append(int(route.request.url.split("/frames/")[1].split("?")[0]))
            route.fulfill(body=jpeg, content_type="image/jpeg")

        page.route(re.compile(r"/v1/shots/(open|\w{12})$"), state)
        page.route(re.compile(r"/frames/"), frame)

    page = tab(client, shot, long).ready()
    wait_for(lambda: page.page.evaluate("1") and len(asked) >= 15)
    page.page.wait_for_timeout(300)
    assert len(asked) == len(set(asked)) <= 24
    assert max(asked) - min(asked) > frames * 0.9
    page.press("End").on(frames - 1)
    assert page.page.locator(".facts").first.inner_text().endswith("5 h 0 min")
