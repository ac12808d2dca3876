"""An engine that is there and does not answer: told within seconds, given up when asked, taken back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.nuke import engines
from tests.hosts.nuke.double import MainThread, Node, node_state, part
from tests.hosts.nuke.engines import FRAMES, Held, clip, engine, held, off_the_main_thread, tidy  # noqa: F401

pytestmark = pytest.mark.usefixtures("engine", "off_the_main_thread", "tidy")
WORDS = "the engine does not answer"


class Answers:
    """An engine whose answers to hello a test writes: True = it answers."""

    def __init__(self, *answers: Any) -> None:
        self.left = list(answers)
        self.patience: list[float] = []

    def hello(self, timeout: float) -> None:
        errors = part("trackmatte_client.errors")
        self.patience.append(timeout)
        answer = self.left.pop(0) if self.left else True
        if answer == "gone":
            raise errors.EngineDied("the engine is gone")
        if not answer:
            raise errors.EngineError("timeout", "no answer")


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ((True, True, True), []),
        ((False, True, False, True), []),
        ((False, False, False), [True, False]),
        ((True, False, False, True, False, False), [True, False, True, False]),
        (("gone", "gone", "gone"), []),
        ((False, "gone", False), []),
    ],
)
def test_two_answers_must_stay_out(
    answers: tuple[Any, ...], said: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = part("trackmatte_client.watch")
    monkeypatch.setattr(watch, "EVERY", 0.001)
    double = Answers(*answers)
    news: list[Any] = []
    with watch.Watch(double, news.append):
        engines.wait_for(lambda: not double.left and len(double.patience) > len(answers) + 1)
    engines.wait_for(lambda: not engines.threads())
    assert news == said
    assert set(double.patience) == {watch.ANSWER}


def test_it_is_known_within_seconds_and_work_is_never_taken_for_silence() -> None:
    watch, engine_, protocol = (
        part(f"trackmatte_client.{n}") for n in ("watch", "engine", "protocol.operations")
    )
    assert watch.EVERY + watch.MISSES * watch.ANSWER <= 10
    assert engine_.HELLO_SECONDS + engine_.STUCK_SECONDS <= 10
    # A job is not given up before the watch could say why.
    assert 4 * protocol.HEARTBEAT > watch.EVERY + watch.MISSES * watch.ANSWER


@pytest.fixture
def frozen(engine: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:  # noqa: F811
    """Freeze and thaw the engine; until it is thawed, the patience of this side is short."""
    watch, client = part("trackmatte_client.watch"), part("trackmatte_client.engine")
    for module, name, value in (
        (watch, "EVERY", 0.1), (watch, "ANSWER", 0.5), (client, "HELLO_SECONDS", 1.0),
        (client, "STUCK_SECONDS", 1.0),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)

    def send(how: signal.Signals) -> int:
        process = engines.process(engine)
        os.kill(process, how)
        if how == signal.SIGCONT:  # what comes now may take its time on a busy machine
            monkeypatch.undo()
        return process

    yield send
    send(signal.SIGCONT)


@pytest.fixture
def tracking(clip: str, held: Held, tmp_path: Path) -> tuple[Node, Any]:  # noqa: F811, ARG001
    """A node whose clip is being tracked until it is let go, and its session."""
    settings = part("model").Settings(tracker="fake", refiner="none", folder=str(tmp_path))
    node = Node(MainThread(), node_state(clip, 1001, 1000 + FRAMES, str(tmp_path), settings=settings))
    session = part("session").of(node)
    assert session.track()
    node.main.pump(lambda: (session.status.progress.frame or 0) >= 1002)
    return node, session


def test_a_frozen_engine_is_told_and_taken_back(
    tracking: tuple[Node, Any],
    held: Held,  # noqa: F811
    frozen: Any,
) -> None:
    node, session = tracking
    frozen(signal.SIGSTOP)
    node.main.pump(lambda: session.status.text() == f"Track: {WORDS}")
    assert session.busy
    assert f"Track: {WORDS}" in node.said
    frozen(signal.SIGCONT)
    held.release()
    node.main.pump(lambda: not session.busy)
    assert "tracked" in session.status.lines
    assert not session.status.bad


def test_stop_gives_a_frozen_engine_up_at_once(
    tracking: tuple[Node, Any],
    held: Held,  # noqa: F811
    frozen: Any,
) -> None:
    node, session = tracking
    process = frozen(signal.SIGSTOP)
    node.main.pump(lambda: session.status.progress.silent)
    session.stop()
    assert not session.busy
    words = f"the engine (process {process}) does not answer: wait, or end that process and try again"
    assert session.status.lines == (f"Track given up: {words}",)
    assert session.status.bad
    # Another run finds it as it is, and starts no second engine beside it.
    assert session.track()
    node.main.pump(lambda: not session.busy)
    assert session.status.lines == (words,)
    frozen(signal.SIGCONT)
    held.release()
    assert session.track()
    node.main.pump(lambda: not session.busy)
    assert "tracked" in session.status.lines


def test_pictures_say_it_too(
    tracking: tuple[Node, Any],
    held: Held,  # noqa: F811
    frozen: Any,
) -> None:
    node, session = tracking
    held.release()
    node.main.pump(lambda: not session.busy)
    pictures = part("pictures")
    looks: list[Any] = []
    fetch = pictures.Pictures(node.main.post, looks.append)
    wish = pictures.Wish(node.state.settings.shot, 1001, "subject")
    process = frozen(signal.SIGSTOP)
    fetch.wish(wish)
    node.main.pump(lambda: looks)
    assert f"(process {process}) does not answer" in looks.pop().problem
    frozen(signal.SIGCONT)
    fetch.wish(wish)
    node.main.pump(lambda: looks and looks[-1].plate)
    assert not looks[-1].problem
    fetch.close()


def test_an_engine_that_freezes_under_a_picture(
    tracking: tuple[Node, Any],
    held: Held,  # noqa: F811
    frozen: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node, session = tracking
    held.release()
    node.main.pump(lambda: not session.busy)
    pictures = part("pictures")
    looks: list[Any] = []
    fetch = pictures.Pictures(node.main.post, looks.append)
    found = part("trackmatte_client.engine").find

    def then_frozen() -> Any:
        client = found()
        frozen(signal.SIGSTOP)
        return client

    monkeypatch.setattr(part("trackmatte_client.engine"), "find", then_frozen)
    fetch.wish(pictures.Wish(node.state.settings.shot, 1001, "subject"))
    node.main.pump(lambda: looks)
    assert "does not answer" in looks.pop().problem
    frozen(signal.SIGCONT)
    node.main.pump(lambda: looks and looks[-1].plate)
    fetch.close()


def test_a_job_that_is_no_longer_told_of_says_so() -> None:
    job, errors = part("trackmatte_client.job"), part("trackmatte_client.errors")
    address = part("trackmatte_client.client").Address(1, "token", 77)

    class Silent:
        def __init__(self) -> None:
            self.address = address

        def events(self, *_: object) -> Any:
            raise errors.EngineError("timeout", "the engine did not answer /v1/jobs/7/events in time")

    followed = job.Job(Silent(), "7")
    engines.wait_for(lambda: followed.poll() or followed.error)
    assert followed.error.code == "timeout"
    assert "(process 77) no longer answers: what was finished is kept" in followed.error.message
