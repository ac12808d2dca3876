"""Methods of selecting, the outline, and soft layers: with the mouse and the keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests import disc
from tests.engines import new_shot, picture
from tests.hosts.web.looking import Look, wait_for
from trackmatte_client import Client

SUBJECT = ((0.33, 0.45), (0.36, 0.5), (0.38, 0.55))
AROUND = ((0.1, 0.1), (0.1, 0.9), (0.9, 0.9), (0.9, 0.1), (0.12, 0.1))
W, H = 160, 96


def choose(page: Look, method: str) -> Look:
    page.page.locator("select[name=method]").select_option(method)
    return page.settled()


def truth(frame: int = 0) -> np.ndarray:
    return disc.alpha_at(frame, (W, H)) > 0.5


def tracked(page: Look, frame: int) -> np.ndarray:
    return picture(page.client.mask(page.shot.shot, frame, "subject", W)) > 127


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def hint(page: Look, text: str) -> None:
    page.page.locator(".hint", has_text=text).wait_for()


def lowest(page: Look) -> tuple[float, float]:
    """The lowest vertex of the outline that is on the screen, where it is now, in CSS pixels."""
    page.page.locator(".outline rect").first.wait_for()
    boxes = page.page.eval_on_selector_all(
        ".outline rect",
        "all => all.map(r => r.getBoundingClientRect()).map(b => [b.x + b.width / 2, b.y + b.height / 2])",
    )
    return tuple(max(boxes, key=lambda place: place[1]))


def pull(page: Look) -> None:
    """Take the lowest vertex down by a fifth of the picture, and do not let go."""
    mouse, (x, y) = page.page.mouse, lowest(page)
    mouse.move(x, y)
    mouse.down()
    mouse.move(x, y + page.at(0, 0.2)[1] - page.at(0, 0)[1], steps=3)


def polygon(page: Look) -> tuple[tuple[float, float], ...]:
    """The one polygon that was said."""
    wait_for(lambda: page.state().prompts[0].polygons)
    (found,) = page.settled().state().prompts[0].polygons
    return found


def drag_the_lowest_vertex(page: Look) -> None:
    """Down: not meant, then meant; then take it away and undo that."""
    page.press("q")
    pull(page)
    page.press("Escape")  # not meant
    page.page.mouse.up()
    assert page.settled().state().prompts[0].polygons == ()
    pull(page)
    page.page.mouse.up()
    dragged = polygon(page)
    assert max(v[1] for v in dragged) > 0.85
    page.page.mouse.click(*lowest(page), button="right")
    wait_for(lambda: len(polygon(page)) == len(dragged) - 1)
    page.press("Control+z")
    wait_for(lambda: polygon(page) == dragged)


def test_lazy_snapping_strokes_a_live_preview_and_a_dragged_vertex(page: Look) -> None:
    choose(page, "lazy")
    page.wait("document.querySelector('.panel').innerText.includes('drag the outline')")
    page.page.get_by_role("button", name="Outline").wait_for()
    hint(page, "Brush the subject")  # the brush is in hand by itself
    page.drag(*SUBJECT)
    hint(page, "needs the background as well")
    assert page.page.locator(".marks .stroke").count() == 1
    page.press("Control+z").wait("!document.querySelector('.marks .stroke')")
    page.drag(*SUBJECT)
    assert page.state().prompts == ()

    before, mouse = page.pixels(), page.page.mouse
    mouse.move(*page.at(*AROUND[0]))
    mouse.down(button="right")
    with page.page.expect_response(lambda r: r.url.endswith("/preview")) as answer:
        for to in AROUND[1:]:
            mouse.move(*page.at(*to), steps=3)
    assert answer.value.ok
    left, top, scale = map(int, page.place())
    inside = int(top + 0.5 * H * scale), int(left + 0.35 * W * scale)
    wait_for(lambda: np.abs(page.pixels()[inside] - before[inside]).max() > 8)
    assert page.state().prompts == ()
    mouse.up(button="right")
    page.settled().kind("selection")
    (said,) = page.state().prompts
    assert (said.select, [s.label for s in said.scribbles]) == ("lazy", [1, 0])

    drag_the_lowest_vertex(page)
    page.press("Enter").wait("!document.querySelector('.outline')")
    page.press("ArrowRight", "ArrowRight", "]", "Home").settled().work("t")
    assert page.state().objects[0].tracked == ((0, 2),)
    assert iou(tracked(page, 0), truth()) > 0.85


def test_a_late_answer_about_the_outline_does_not_take_a_dragged_vertex_back(page: Look) -> None:
    choose(page, "lazy").drag(*SUBJECT)
    page.drag(*AROUND, button="right").kind("selection")
    page.press("q")
    lowest(page)
    held: list[Any] = []
    page.page.route(
        "**/preview", lambda r: held.append(r) if "outline" in (r.request.post_data or "") else r.continue_()
    )
    page.client.set_range(page.shot.shot, page.state().revision, (0, 9))  # somebody else: the page asks anew
    while not held:
        page.page.wait_for_timeout(20)
    pull(page)
    page.page.mouse.up()
    dragged = polygon(page)
    for route in held:
        with page.page.expect_response("**/preview"):
            route.continue_()
    page.settled()
    page.page.mouse.click(*lowest(page), button="right")
    wait_for(lambda: len(polygon(page)) == len(dragged) - 1)
    assert max(v[1] for v in polygon(page)) < 0.85  # the one that was dragged, not the one before it


def test_grabcut_from_a_box_and_the_next_method(page: Look) -> None:
    choose(page, "grabcut").press("p")
    before, mouse = page.pixels(), page.page.mouse
    mouse.move(*page.at(0.15, 0.2))
    mouse.down()
    mouse.move(*page.at(0.6, 0.8), steps=3)
    wait_for(lambda: np.abs(page.pixels() - before).max() > 30)
    mouse.up()
    page.settled()
    wait_for(lambda: page.state().prompts)
    (said,) = page.state().prompts
    assert (said.select, said.points) == ("grabcut", ())
    assert said.box == pytest.approx((0.15, 0.2, 0.6, 0.8), abs=0.01)
    page.work("g")
    assert iou(tracked(page, 0), truth()) > 0.85
    # Another method selects what was said anew; Lazy Snapping cannot from a box alone, and waits.
    page.press("i").says("GrabCut, soft border").settled()
    wait_for(lambda: page.state().prompts[0].select == "grabcut_border")
    assert page.state().objects[0].stale == ((0, 29),)
    page.press("i").says("Lazy Snapping").settled()
    assert page.state().prompts[0].select == "grabcut_border"
    page.press("Control+z").settled()
    wait_for(lambda: page.state().prompts[0].select == "grabcut")
    assert page.state().objects[0].stale == ()
    page.wait("document.querySelector('select[name=method]').value === 'grabcut'")
    page.press("v").press("q").says("Choose the method Lazy Snapping first")


def test_contradictory_strokes_are_told_in_a_sentence_and_the_first_one_stays(page: Look) -> None:
    choose(page, "graphcut").drag(*SUBJECT)
    page.drag(*SUBJECT, button="right").says("claims the place")
    assert page.state().prompts == ()
    assert page.page.locator(".marks .stroke").count() == 1
    page.page.get_by_role("button", name="Close this message").click()
    page.drag(*AROUND, button="right").kind("selection")
    assert page.state().prompts[0].select == "graphcut"


def test_layers_are_clicked_and_become_the_mask(
    tab: Callable[..., Look], client: Client, tmp_path: Path
) -> None:
    small = 64, 40
    plates = disc.write_frames(tmp_path / "plates", 2, small)
    page = tab(client, new_shot(client, tmp_path, plates)).ready()
    page.page.get_by_label("How many layers").fill("3")
    page.page.get_by_role("button", name="Split frame").click()
    page.page.locator(".layers button").first.wait_for()
    assert page.page.locator(".layers button").count() == 3
    assert page.page.get_attribute("#picture", "data-view") == "layers"
    chosen = "document.querySelectorAll('.layers button[aria-pressed=true]').length === "
    page.click(0.35, 0.5).wait(f"{chosen}1")
    page.click(0.35, 0.5).wait(f"{chosen}0")
    page.press("Enter").says("Click on the layers that are subject")
    page.page.get_by_role("button", name="Write EXR").click()
    page.says("Written").idle()
    folder = Path(page.shot.path.replace(".shot.json", "_layers"))
    assert [f.name for f in folder.iterdir()] == ["plate_layers.1001.exr"]
    page.click(0.35, 0.5).click(0.9, 0.9).wait(f"{chosen}2")
    page.click(0.9, 0.9).wait(f"{chosen}1").press("Enter").settled().kind("selection")
    (said,) = page.state().prompts
    assert (said.mask, said.points, said.select) == (True, (), None)
    page.work("t")
    mask = picture(client.mask(page.shot.shot, 1001, "subject", small[0])) > 127
    assert iou(mask, disc.alpha_at(0, small) > 0.5) > 0.7
    page.press("y").page.locator(".layers button").first.wait_for()  # they are kept
    page.press("ArrowRight").on(1002).wait("!document.querySelector('.layers')")
    page.press("ArrowLeft", "y").page.locator(".layers button").first.wait_for()
    page.press("Escape").wait("document.querySelector('#picture').dataset.view === 'overlay'")


@pytest.mark.parametrize("method", ["Spectral matting", "Gaussian colours", "Colour regions"])
def test_layers_by_another_method(
    tab: Callable[..., Look], client: Client, tmp_path: Path, method: str
) -> None:
    small = 64, 40
    page = tab(client, new_shot(client, tmp_path, disc.write_frames(tmp_path / "plates", 1, small))).ready()
    page.page.get_by_label("How many layers").fill("2")
    page.page.get_by_label("Split by").select_option(label=method)
    page.page.get_by_role("button", name="Split frame").click()
    page.page.locator(".layers button").first.wait_for()
    page.click(0.35, 0.5).wait("document.querySelectorAll('.layers button[aria-pressed=true]').length === 1")
    page.press("Enter").settled().kind("selection")
    page.work("t")
    mask = picture(client.mask(page.shot.shot, 1001, "subject", small[0])) > 127
    assert iou(mask, disc.alpha_at(0, small) > 0.5) > 0.5


def test_odd_pictures_are_told_in_a_sentence(
    tab: Callable[..., Look], client: Client, tmp_path: Path
) -> None:
    for name, shape in (("flat", (40, 64, 3)), ("dot", (1, 1, 3))):
        assert cv2.imwrite(str(tmp_path / f"{name}.1001.png"), np.full(shape, 90, np.uint8))
    page = tab(client, new_shot(client, tmp_path, tmp_path / "flat.1001.png")).ready()
    choose(page, "grabcut").drag((0.15, 0.2), (0.6, 0.8)).says("grabcut finds no subject on frame 1001")
    assert page.state().prompts == ()
    page = tab(client, new_shot(client, tmp_path, tmp_path / "dot.1001.png")).ready()
    choose(page, "lazy").drag((0.2, 0.2), (0.3, 0.3))
    page.drag((0.7, 0.7), (0.8, 0.8), button="right").says("claims the place (0.500, 0.500)")
    page.press("y").says("5 layers of 1x1 pixels cannot be")


def test_what_the_engine_refuses_is_told_in_a_sentence(page: Look) -> None:
    page.page.route(
        "**/layers",
        lambda r: r.continue_(post_data='{"frame": 0, "count": 999}') if r.request.post_data else None,
    )
    page.press("y").says("999 layers cannot be made; ask for 1 to 40")
    page.page.get_by_role("button", name="Split frame").wait_for()  # and may be asked again


def test_the_refiner_is_chosen_and_undone(page: Look) -> None:
    choose_refiner = page.page.locator("select[name=refiner]")
    choose_refiner.select_option("bayesian")
    wait_for(lambda: page.state().refiner == "bayesian")
    page.settled().press("Tab")
    page.page.get_by_role("button", name="Undo").click()
    wait_for(lambda: page.state().refiner == "none")
    page.wait("document.querySelector('select[name=refiner]').value === 'none'")
    page.drag((0.15, 0.2), (0.6, 0.8))
    choose_refiner.select_option("bayesian")
    page.settled().page.locator("#picture").click(position={"x": 3, "y": 3}, button="middle")
    page.press("ArrowRight", "]").on(1).settled().work("g")
    page.work("r")
    matte = picture(page.client.matte_image(page.shot.shot, 0, "subject", W)) / 255
    assert np.abs(matte - disc.alpha_at(0, (W, H))).mean() < 0.02
    assert cv2.countNonZero(((matte > 0.1) & (matte < 0.9)).astype(np.uint8)) > 50
