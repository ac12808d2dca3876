"""A browser, an engine with the test's tracker, and pages on shots of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests import disc
from tests.engines import held_by, new_shot, started
from tests.hosts.web.looking import Look
from trackmatte_client import Client
from trackmatte_client.protocol import messages as m

ARGS = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
"""WebGL 2 without a graphics card."""
SLOW = float(os.environ.get("SLOW_WEB", "1"))
"""How many times slower the browser is, to find what only busy machines show; FAKE_LATE slows the engine."""
LOOKS = pytest.StashKey[list[Look]]()
SIZE = {"width": 1000, "height": 600}
"""Small, since the pictures are drawn without a graphics card."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Try a test in the browser twice; tests/conftest.py prints what failed first."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e .[dev]")
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs Chromium: apt install chromium, or name one in CHROMIUM")
    with api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=ARGS)
        yield found
        found.close()


@pytest.fixture(scope="session")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The engine's folder."""
    return tmp_path_factory.mktemp("engine")


@pytest.fixture(scope="session")
def client(room: Path) -> Iterator[Client]:
    with started(room, sleep=0.02) as client:
        yield client


@pytest.fixture
def hold(room: Path) -> Iterator[Path]:
    """A file: while it is there, a job stays before the frame of that index, however slow the browser is."""
    file = held_by(room)
    yield file
    file.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disc of 30 frames."""
    return disc.write_movie(tmp_path_factory.mktemp("clip") / "disc.mp4", 30)


@pytest.fixture
def shot(client: Client, movie: Path, tmp_path: Path) -> m.ShotState:
    """A shot about which nothing was said."""
    return new_shot(client, tmp_path, movie)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Add what is on the screen to the report of a test that failed."""
    report = yield
    if call.when == "call" and report.failed:
        for look in item.stash.get(LOOKS, []):
            with suppress(Exception):
                report.sections.append(("On the screen", look.report()))
    return report


@pytest.fixture
def tab(browser: Any, request: pytest.FixtureRequest) -> Iterator[Callable[..., Look]]:
    """Open a tab on a shot; at the end, close it and make sure that no script of the page failed."""
    request.node.stash[LOOKS] = looks = list[Look]()
    opened: list[tuple[Any, Look]] = []

    def new(
        client: Client, shot: m.ShotState, before: Callable[[Any], None] | None = None, **more: Any
    ) -> Look:
        context = browser.new_context(**{"viewport": SIZE, **more})
        page = context.new_page()
        if SLOW > 1:
            context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOW})
        look = Look(page, client, shot)
        opened.append((context, look))
        looks.append(look)
        if before is not None:
            before(page)
        look.open()
        return look

    yield new
    for context, _ in opened:
        context.close()
    for _, look in opened:
        assert look.bugs == []


@pytest.fixture
def page(tab: Callable[..., Look], client: Client, shot: m.ShotState) -> Look:
    """A tab on `shot`, ready."""
    return tab(client, shot).ready()
