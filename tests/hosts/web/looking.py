"""A tab of the browser as a person uses it: by what is on the screen, the mouse and the keys."""

from __future__ import annotations

import base64
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
from numpy.typing import NDArray

from tests import engines
from trackmatte_client import Client
from trackmatte_client.protocol import messages as m

PATIENCE = 60.0
"""Seconds; a browser that draws without a graphics card on a busy machine is slow."""
wait_for = partial(engines.wait_for, seconds=PATIENCE)
PICTURE = "#picture"
READ = "() => document.querySelector('#picture').toDataURL('image/png').split(',')[1]"
FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))"


HEAR = """
const told = [], heard = new Set();
new MutationObserver(() => {
  for (const toast of document.querySelectorAll(".toast")) {
    if (heard.has(toast)) continue;
    heard.add(toast);
    told.push(toast.innerText);
  }
}).observe(document, { childList: true, subtree: true });
window.said = (text) => {
  const at = told.findIndex((one) => one.includes(text));
  return at >= 0 && told.splice(at, 1).length;
};
"""
"""Runs in a page before its own scripts and notes what it says."""


class Look:
    """One tab.

    Parameters
    ----------
    shot : the shot as it was when the tab was opened; `state` has it as it is now.
    """

    def __init__(self, page: Any, client: Client, shot: m.ShotState) -> None:
        self.page, self.client, self.shot = page, client, shot
        self.bugs: list[str] = []
        self.unheard: list[str] = []
        """Requests that came to nothing."""
        page.add_init_script(HEAR)
        page.set_default_timeout(PATIENCE * 1000)
        page.on("pageerror", lambda e: self.bugs.append(str(e)))
        page.on("console", self._hear)
        page.on("requestfailed", lambda r: self.unheard.append(f"{r.method} {r.url} {r.failure}"))
        page.on("response", self._judge)

    def _hear(self, message: Any) -> None:
        # A refusal is no bug: the browser notes every answer that is not 2xx.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.bugs.append(message.text)

    def _judge(self, answer: Any) -> None:
        if answer.status >= 400:
            self.unheard.append(f"{answer.status} {answer.request.method} {answer.url}")

    @property
    def url(self) -> str:
        at = self.client.address
        token, shot = quote(at.token, safe=""), quote(self.shot.path, safe="")
        return f"http://127.0.0.1:{at.port}/#token={token}&shot={shot}"

    def open(self) -> Look:
        self.page.goto(self.url)
        return self

    def ready(self) -> Look:
        """Wait for the first picture."""
        self.page.wait_for_selector(f"{PICTURE}[data-frame]")
        return self

    def state(self) -> m.ShotState:
        """The shot as the engine has it."""
        return self.client.shot_state(self.shot.shot)

    def on(self, frame: int) -> Look:
        """Wait until a frame is on the screen."""
        self.page.wait_for_selector(f"{PICTURE}[data-frame='{frame}']")
        return self

    def press(self, *keys: str) -> Look:
        for key in keys:
            self.page.keyboard.press(key)
        return self

    def wait(self, condition: str) -> Look:
        """Wait until a script's expression is true."""
        self.page.wait_for_function(f"() => {condition}")
        return self

    def kind(self, name: str) -> Look:
        """Wait until the alpha on the picture is a selection, mask or matte."""
        self.page.wait_for_selector(f".alpha-kind[data-kind='{name}']:not(:text('working'))")
        return self

    def settled(self) -> Look:
        """Wait until every edit is answered and drawn."""
        self.page.evaluate(FRAMES)  # until then a page that works does not say so
        self.page.wait_for_selector(".alpha-kind:not(:text('working'))")
        self.page.evaluate(FRAMES)
        return self

    def place(self) -> tuple[float, float, float]:
        """Where the picture lies: left, top and scale in device pixels of the canvas."""
        x, y, scale = map(float, self.page.get_attribute(PICTURE, "data-place").split())
        return x, y, scale

    def at(self, x: float, y: float) -> tuple[float, float]:
        """A position of the picture, in [0, 1], on the screen."""
        box = self.page.locator(PICTURE).bounding_box()
        ratio = self.page.evaluate("devicePixelRatio")
        left, top, scale = self.place()
        clip = self.shot.clip
        return box["x"] + (left + x * clip.width * scale) / ratio, box["y"] + (
            top + y * clip.height * scale
        ) / ratio

    def click(self, x: float, y: float, **how: Any) -> Look:
        self.page.mouse.click(*self.at(x, y), **how)
        return self.settled()

    def drag(self, *path: tuple[float, float], button: str = "left") -> Look:
        mouse = self.page.mouse
        mouse.move(*self.at(*path[0]))
        mouse.down(button=button)
        for to in path[1:]:
            mouse.move(*self.at(*to), steps=3)
        mouse.up(button=button)
        return self.settled()

    def work(self, key: str) -> Look:
        """Press a key that starts a job, and wait for the job's end."""
        before = {j.job for j in self.client.list_jobs()}
        self.press(key)
        wait_for(lambda: {j.job for j in self.client.list_jobs()} - before)
        return self.idle()

    def stop(self, hold: Path) -> Look:
        """Press Escape while a job is held, and let the job go on when the engine has heard it."""
        with self.page.expect_response("**/cancel"):
            self.press("Escape")
        hold.unlink()
        return self.idle()

    def idle(self) -> Look:
        """Wait until no job is left."""
        ended = {"done", "failed", "cancelled"}
        wait_for(lambda: ended.issuperset(j.status for j in self.client.list_jobs()))
        self.page.wait_for_selector(".progress .line", state="detached")
        return self

    def says(self, text: str) -> Look:
        """Wait for a message, or find that it came; some are gone after seconds. One message answers once."""
        self.page.wait_for_function("text => said(text)", arg=text)
        return self

    def report(self) -> str:
        """What is on the screen in words, for a test that failed on another machine."""
        shown = "#picture", "svg.marks"
        tags = "all => all.map(found => document.querySelector(found)?.outerHTML)"
        said = [*self.page.evaluate(tags, shown), self.page.inner_text("body"), *self.unheard, self.state()]
        return "\n".join(map(str, said))

    def pixels(self) -> NDArray[np.float64]:
        """What is on the picture's canvas, (H, W, 3) RGB in [0, 255]."""
        self.page.evaluate(FRAMES)
        data = base64.b64decode(self.page.evaluate(READ))
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        return np.asarray(bgr[..., ::-1], np.float64)
