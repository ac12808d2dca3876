"""Pictures of a shot's frames and whatever else may take its time, on threads that end by themselves."""

from __future__ import annotations

import base64
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .trackmatte_client import Client, EngineDied, EngineError, engine, watch
from .trackmatte_client.protocol import messages as m

if TYPE_CHECKING:
    from typing import Any, Callable

    from .trackmatte_client import Address

WIDTH = 640
"""Of the pictures, pixels."""


@dataclass(frozen=True)
class Wish:
    """What is to be seen."""

    shot: str
    """The shot file; empty = there is none yet."""
    frame: int
    object: str
    prompt: m.Prompt | None = None
    """What is said there: shows what it selects where nothing was tracked."""
    viewer: str = ""


@dataclass(frozen=True)
class Look:
    """What there is to see of a wish; encoded pictures, empty where there is none."""

    wish: Wish
    plate: bytes = b""
    mask: bytes = b""
    """Tracked, or what the prompt selects."""
    matte: bytes = b""
    shot: m.ShotState | None = None
    places: tuple[m.Place, ...] | None = None
    problem: str = ""
    """One sentence when the engine cannot say; an engine that does not run is no problem."""


class Pictures:
    """Fetches the newest wish from the running engine; starts none.

    Parameters
    ----------
    post : calls a function soon on the main thread.
    arrived : called there with what was found.
    """

    def __init__(self, post: Callable[[Callable[[], None]], None], arrived: Callable[[Look], None]) -> None:
        self._post, self._arrived = post, arrived
        self._lock = threading.Lock()
        self._wish: Wish | None = None
        self._thread: threading.Thread | None = None
        self._open: tuple[Address, str, str] | None = None
        """The engine, the shot file, and what the engine calls it."""
        self._closed = False

    def wish(self, wish: Wish) -> None:
        """Fetch this next; an older wish that was not begun is forgotten."""
        with self._lock:
            if self._closed:
                return
            self._wish = wish
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="trackmatte pictures", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Fetch nothing more; the thread ends with the request in hand."""
        with self._lock:
            self._closed, self._wish = True, None

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is fetched, never on the main thread; return whether that is so."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return thread is None or not thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._lock:
                wish, self._wish = self._wish, None
                if wish is None:
                    self._thread = None
                    return
            self._show(self._look(wish))

    def _show(self, look: Look) -> None:
        try:
            self._post(lambda: self._hand_over(look))
        except RuntimeError:  # the host is going
            self.close()

    def _hand_over(self, look: Look) -> None:
        if not self._closed:  # else: whoever asked may be gone by now
            self._arrived(look)

    def _look(self, wish: Wish) -> Look:
        try:
            client = engine.find()
            if client is None:
                process = engine.stuck()
                return Look(wish, problem=engine.unanswered(process) if process else "")
            if not wish.shot:
                return Look(wish)
            with watch.Watch(client, lambda silent: self._quiet(wish, client, silent)):
                return self._fetch(client, self._named(client, wish.shot), wish)
        except EngineDied:
            return Look(wish)
        except EngineError as e:
            self._open = None
            return Look(wish) if e.code == "not_found" else Look(wish, problem=e.message)
        except Exception as e:  # the panel must not wait for ever
            return Look(wish, problem=f"this should not happen ({e!r}): please report it")

    def _quiet(self, wish: Wish, client: Client, silent: bool) -> None:
        """Say that the engine does not answer; when it does again, its pictures come."""
        if silent:
            self._show(Look(wish, problem=engine.unanswered(client.address.pid)))

    def _named(self, client: Client, path: str) -> str:
        """Return what the engine calls a shot file, opened first where need be."""
        if self._open is None or self._open[:2] != (client.address, path):
            self._open = client.address, path, client.open_shot(path).shot
        return self._open[2]

    def _fetch(self, client: Client, shot: str, wish: Wish) -> Look:
        state = client.shot_state(shot)
        plate = client.frame(shot, wish.frame, WIDTH)
        mask = _there(lambda: client.mask(shot, wish.frame, wish.object, WIDTH))
        matte = _there(lambda: client.matte_image(shot, wish.frame, wish.object, WIDTH))
        if not mask and wish.prompt is not None:
            asked = m.Preview(wish.prompt, WIDTH, replace=True, viewer=wish.viewer)
            mask = _there(lambda: base64.b64decode(client.preview(shot, asked).mask))
        tracked = any(o.tracked for o in state.objects)
        return Look(wish, plate, mask, matte, state, client.places(shot).places if tracked else None)


def _there(ask: Callable[[], bytes]) -> bytes:
    """Return a picture; empty where there is none."""
    try:
        return ask()
    except EngineError as e:
        if e.code in ("not_found", "superseded"):
            return b""
        raise


def errand(
    name: str,
    function: Callable[[], Any],
    post: Callable[[Callable[[], None]], None],
    done: Callable[[Any, str], None],
) -> threading.Thread:
    """Call a function that may take its time; `done` gets its result and one sentence if it failed."""

    def run() -> None:
        result, problem = None, ""
        try:
            result = function()
        except EngineError as e:
            problem = e.message
        except Exception as e:  # whoever waits must hear of it
            problem = f"this should not happen ({e!r}): please report it"
        try:
            post(lambda: done(result, problem))
        except RuntimeError:  # the host is going
            return

    thread = threading.Thread(target=run, name=f"trackmatte {name}", daemon=True)
    thread.start()
    return thread
