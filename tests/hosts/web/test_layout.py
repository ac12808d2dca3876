"""How it looks: room, contrast, names for screen readers, and the policy against foreign code."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.engines import ROOT
from tests.hosts.web.looking import Look
from trackmatte_client import Client
from trackmatte_client.protocol import messages as m

STYLE = (ROOT / "hosts" / "web" / "src" / "style.css").read_text(encoding="utf-8")
LEAST_TEXT, LEAST_MARK = 4.5, 3.0
"""WCAG 2.2 AA: contrast of text (1.4.3), and of what is no text but needed (1.4.11)."""
CONTRAST = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const solid = (c) => c.length < 4 || c[3] > 0;
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility() || e.disabled || e.closest('[aria-disabled=true]')) continue;
    let at = e, back = rgb(getComputedStyle(e).backgroundColor);
    while (!solid(back) && (at = at.parentElement)) back = rgb(getComputedStyle(at).backgroundColor);
    const front = rgb(getComputedStyle(e).color);
    found.push([e.textContent.trim().slice(0, 30), front.slice(0, 3), back.slice(0, 3)]);
  }
  return found;
}"""
NAMELESS = """() => [...document.querySelectorAll('button, input, select, canvas, [role=slider], [role=img]')]
  .filter((e) => e.checkVisibility())
  .filter((e) => !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length))
  .map((e) => e.outerHTML)"""


def luminance(rgb: list[float]) -> float:
    """Relative luminance of sRGB in [0, 255], as WCAG 2.2 defines it."""
    r, g, b = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c / 255 for c in rgb))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a: list[float], b: list[float]) -> float:
    """Contrast of two colours, from 1 to 21."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def colour(text: str) -> list[float]:
    return [int(text[i : i + 2], 16) for i in (1, 3, 5)]


def test_the_measure_of_contrast_is_right() -> None:
    assert contrast([0, 0, 0], [255, 255, 255]) == pytest.approx(21)
    assert contrast([118, 118, 118], [255, 255, 255]) == pytest.approx(4.54, abs=0.01)


def test_all_text_on_the_page_can_be_read(page: Look) -> None:
    page.click(0.4, 0.5).press("s")
    page.page.evaluate("document.activeElement.blur()")
    for key in ("", "F1", "x"):
        page.press(*[key] * bool(key))
        page.page.wait_for_timeout(100)
        found = page.page.evaluate(CONTRAST)
        assert len(found) > 25
        low = [(text, round(contrast(a, b), 2)) for text, a, b in found if contrast(a, b) < LEAST_TEXT]
        assert low == []
        assert page.page.evaluate(NAMELESS) == []
        page.press(*["Escape"] * bool(key))


def test_marks_and_the_focus_stand_out() -> None:
    script = (ROOT / "hosts" / "web" / "src" / "timeline.ts").read_text(encoding="utf-8")
    marks = dict(re.findall(r"(\w+): \"(#\w{6})\"", script.split("COLOURS")[1].split("}")[0]))
    row = colour(marks["row"])
    for name in ("tracked", "matted", "stale", "locked", "lost", "doubt", "head", "range"):
        assert contrast(colour(marks[name]), row) >= LEAST_MARK, name
    style = dict(re.findall(r"--([\w-]+): (#\w{6});", STYLE))
    for back in ("back", "panel", "control"):
        assert contrast(colour(style["focus"]), colour(style[back])) >= LEAST_MARK
    for name in ("tracked", "matted", "stale", "doubt"):
        assert style[name] == marks[name], name  # the legend shows what the timeline draws


def test_objects_differ_by_lightness_or_sign_and_not_by_hue_alone() -> None:
    script = (ROOT / "hosts" / "web" / "src" / "palette.ts").read_text(encoding="utf-8")
    colours = [tuple(map(int, c)) for c in re.findall(r"\[(\d+), (\d+), (\d+)\]", script)]
    signs = re.findall(r'"(.)"', script.split("MARKS")[1].split(";")[0])
    assert len(set(colours)) >= 10
    assert len(set(signs)) == 10


@pytest.mark.parametrize("size", [(1280, 720), (3840, 2160)], ids=["hd", "uhd"])
def test_everything_fits(
    tab: Callable[..., Look], client: Client, shot: m.ShotState, size: tuple[int, int]
) -> None:
    page = tab(client, shot, viewport={"width": size[0], "height": size[1]}).ready()
    page.press("b", "w")
    page.page.get_by_role("slider", name="Line").wait_for()
    assert page.page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    ) == list(size)
    wide = page.page.eval_on_selector_all(
        ".bar, .panel, .timeline",
        "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.className)",
    )
    assert wide == []
    for name in ("Export ...", "Fit", "Refine mattes", "Out point here"):
        box = page.page.get_by_role("button", name=name).bounding_box()
        right, bottom = box["x"] + box["width"], box["y"] + box["height"]
        assert 0 <= box["x"] < right <= size[0]
        assert 0 <= box["y"] < bottom <= size[1]
    stage = page.page.locator("#picture").bounding_box()
    drawn = page.page.evaluate("(({width, height}) => [width, height])(document.querySelector('#picture'))")
    assert drawn == [round(stage["width"]), round(stage["height"])]
    assert stage["height"] > 0.55 * size[1]


def test_the_page_runs_under_the_servers_policy(page: Look) -> None:
    answer = page.page.request.get(f"http://127.0.0.1:{page.client.address.port}/")
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-cache"
    assert "<style" not in answer.text()
    assert re.findall(r"<script(?![^>]*src=)", answer.text()) == []
    # Any breach would be in page.bugs, which the fixture checks; this one must be.
    page.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">x</p>')")
    wait = page.page.wait_for_timeout
    wait(50)
    assert [b for b in page.bugs if "Content Security Policy" in b]
    page.bugs.clear()
