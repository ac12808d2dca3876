"""The key table: each key does what the help says, and the page of the documents is the same table."""

from __future__ import annotations

import dataclasses
import json
import re

from tests.engines import ROOT
from tests.hosts.web.looking import Look, wait_for
from trackmatte_client.protocol import messages as m

SHOWN = "[...document.querySelectorAll('[aria-pressed=true]')].map(e => e.textContent)"


def test_keys_of_frames(page: Look) -> None:
    for frame in (5, 20):
        state = page.state()
        page.client.put_prompt(state.shot, state.revision, m.Prompt(frame, box=(0.1, 0.1, 0.9, 0.9)))
    page.wait("!document.querySelector('.hint')")
    for key, frame in (
        ("ArrowRight", 1), (".", 2), ("ArrowLeft", 1), (",", 0), ("ArrowLeft", 0), ("Shift+ArrowRight", 10),
        ("Shift+ArrowLeft", 0), ("End", 29), ("Shift+ArrowRight", 29), ("PageUp", 20), ("PageUp", 5),
        ("PageDown", 20), ("Home", 0), ("PageUp", 0),
    ):  # fmt: skip
        page.press(key).on(frame)
    page.press("ArrowRight", "ArrowRight", "[").settled()
    wait_for(lambda: page.state().range == (2, 29))
    page.press("Shift+ArrowRight", "]").settled()
    wait_for(lambda: page.state().range == (2, 12))


def test_keys_of_playing(page: Look) -> None:
    frame = "Number(document.querySelector('#picture').dataset.frame)"
    page.press("l").wait(f"{frame} >= 4").press("k")
    at = page.settled().page.evaluate(frame)
    page.page.wait_for_timeout(200)
    assert page.page.evaluate(frame) == at
    page.press("j").wait(f"{frame} > 20")  # backward, round the end
    page.press("Space")
    page.page.get_by_role("button", name="Play").wait_for()
    page.press("Space")
    page.page.get_by_role("button", name="Stop", exact=True).first.wait_for()
    page.press("Escape")


def test_keys_of_views_tools_and_picture(page: Look) -> None:
    for key, name in (
        ("a", "Alpha"), ("c", "Checker"), ("b", "Colour"), ("d", "Blur"), ("p", "Plate"), ("m", "Overlay"),
        ("w", "Wipe"), ("o", "Onion"), ("s", "Brush"), ("e", "Erase"), ("v", "Click"),
    ):  # fmt: skip
        page.press(key).wait(f"{SHOWN}.includes('{name}')")
    page.press("w", "o").wait(f"!{SHOWN}.includes('Wipe') && !{SHOWN}.includes('Onion')")
    fitted = page.place()
    page.press("+").wait(f"!{SHOWN}.includes('Fit')")
    assert page.settled().place()[2] == fitted[2] * 2
    page.press("-", "-").settled()
    assert page.place()[2] == fitted[2] / 2
    page.press("z").settled()
    assert page.place()[2] == 1
    page.press("f").wait(f"{SHOWN}.includes('Fit')")
    assert page.settled().place() == fitted


def test_keys_of_work(page: Look) -> None:
    page.press("t").says("Click on subject")
    page.click(0.4, 0.5)
    page.press("Shift+ArrowRight", "Shift+ArrowRight").on(20)
    page.press("1").click(0.55, 0.5)
    page.work("Shift+t")
    assert page.state().objects[1].tracked == ((0, 20),)
    page.press("Control+z").settled()
    wait_for(lambda: len(page.state().prompts) == 1)
    page.press("Control+y").settled()
    wait_for(lambda: len(page.state().prompts) == 2)
    page.work("r").says("Refined")
    page.press("F1")
    page.page.get_by_role("dialog", name="Keys").wait_for()
    page.press("m", "F1").wait("!document.querySelector('dialog[open]')")
    page.press("x")
    page.page.get_by_role("dialog", name="Export").wait_for()
    page.press("Escape").wait("!document.querySelector('dialog[open]')")


def test_the_next_frame_to_check_is_what_quality_control_doubts(page: Look) -> None:
    page.click(0.4, 0.5)
    # The test's tracker leaves no doubt, so the engine's answer is put in its mouth.
    found = [m.Place("subject", n, n - 1, n + 1, 0.7, (f"score fell on {n}",)) for n in (17, 8)]
    said = json.dumps(dataclasses.asdict(m.Places(tuple(found))))
    page.page.route("**/qc", lambda route: route.fulfill(body=said, content_type="application/json"))
    page.press("n").says("No tracked frame is in doubt").work("g")
    page.page.get_by_role("button", name="Next frame to check (2)").wait_for()
    for frame in (8, 17, 8):
        page.press("n").on(frame).says(f"score fell on {frame}")


def test_the_documents_have_the_table_of_the_page(page: Look) -> None:
    page.press("?")
    page.page.get_by_role("dialog", name="Keys").wait_for()
    shown = page.page.eval_on_selector_all(
        "#help dl > div",
        "all => all.map(r => { const keys = [...r.querySelectorAll('kbd')].map(k => k.innerText).join(', ');"
        " return [keys || r.querySelector('dt').textContent, r.querySelector('dd').textContent] })",
    )
    text = (ROOT / "docs" / "web.md").read_text(encoding="utf-8").split("<!-- keys -->")[1]
    table = re.findall(r"^\| (.+?) \| (.+?) \|$", text, re.M)
    assert [[keys, what] for keys, what in table if what != "what it does"] == shown
