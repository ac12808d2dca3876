"""Passes over the OFX wire: cancelling, waiting, sharing a session."""

from __future__ import annotations

import fcntl
import gc
import termios
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

from tests import ofx_wire as w
from tests.contract.ofx.sessions import KEYS, box, finished
from tests.engines import wait_for
from tests.ofx_engine import SIZE, Bridged, plate, push
from tests.ofx_wire import Plugin, WireError
from trackmatte.server.ofx import mattes
from trackmatte_client.protocol import messages as m


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that holds the tracker before the ninth frame, as long as it is there."""
    file = tmp_path / "held"
    monkeypatch.setenv("FAKE_HELD", str(file))
    return file


def begin(session: str, plugin: Plugin, held: Path) -> None:
    """Begin to track twenty frames, of which eight are done before the tracker waits."""
    plugin.open(session)
    plugin.prompts(session, boxes=[box(1001)])
    push(plugin, session, range(1001, 1021))
    held.write_text("8")
    plugin.send(w.TRACK, {"session": session, "from": 1001, "to": 1020, "dir": "forward"})
    assert plugin.answer()[0] == w.PROGRESS


def unread(plugin: Plugin) -> int:
    """Return how much of what a plugin sent lies unread at the engine's end."""
    return int.from_bytes(fcntl.ioctl(plugin.sock, termios.TIOCOUTQ, bytes(4)), "little")


def ended(bridge: Bridged, held: Path) -> None:
    """Wait until the job is cancelled, let the tracker go on, and wait until it has ended."""
    job = bridge.engine.jobs.all()[-1]
    wait_for(lambda: job._stop)
    held.unlink()
    wait_for(lambda: not bridge.engine.jobs.active())
    assert job.status == "cancelled"


def test_cancel_ends_a_pass_and_keeps_what_is_finished(
    bridge: Bridged, plugin: Plugin, session: str, held: Path
) -> None:
    begin(session, plugin, held)
    with bridge.plugin() as other:
        assert other.matte(session, 1019, SIZE)[0]["state"] == "busy"
        assert 0 < wait_for(lambda: other.status(session)["tracked"]) < 20
        plugin.cancel()
        ended(bridge, held)
        seen: list[dict[str, object]] = []
        with pytest.raises(WireError) as e:
            plugin.finish(seen.append)
        assert e.value.code == "cancelled"
        assert len(seen) < 10
        kept = other.status(session)["tracked"]
        assert 0 < kept < 20
        assert other.matte(session, 1019, SIZE)[0]["state"] == "miss"
    plugin.cancel()  # too late: nothing is answered
    assert plugin.status(session)["tracked"] == kept
    assert plugin.run(w.TRACK, session, 1001, 1020)["frames"] == 20


def test_the_job_of_a_plugin_that_dies_is_cancelled(
    bridge: Bridged, plugin: Plugin, session: str, held: Path
) -> None:
    begin(session, plugin, held)
    plugin.close()
    ended(bridge, held)
    with bridge.plugin() as other:
        assert 0 < other.status(session)["tracked"] < 20


def test_anything_but_cancel_during_a_pass_ends_it_and_the_connection(
    bridge: Bridged, plugin: Plugin, session: str, held: Path
) -> None:
    begin(session, plugin, held)
    plugin.send(w.STATUS, {"session": session})
    assert w.rest(plugin.sock)[-1][2]["code"] == "malformed"
    ended(bridge, held)


def test_a_cancel_for_another_request_is_passed_over(plugin: Plugin, session: str, held: Path) -> None:
    begin(session, plugin, held)
    plugin.sock.sendall(w.pack(w.CANCEL, plugin.req - 1, {}))
    wait_for(lambda: not unread(plugin))
    held.unlink()
    assert plugin.finish()["frames"] == 20


def test_two_plugins_share_a_session(bridge: Bridged, session: str) -> None:
    with bridge.plugin() as one, bridge.plugin() as other:
        one.open(session), other.open(session)
        one.prompts(session, boxes=[box(1001)])
        push(one, session, range(1001, 1002))
        failed: list[BaseException] = []

        def work(plugin: Plugin, seed: int) -> None:
            rng = np.random.default_rng(seed)
            try:
                for key in rng.permutation(np.arange(1001, 1013)).tolist():
                    plugin.frame(session, key, plate(key if rng.random() < 0.7 else key + 5))
                    plugin.matte(session, key, SIZE)
                    plugin.status(session)
                    if rng.random() < 0.3:
                        plugin.run(w.TRACK, session, 0, 2000)
                push(plugin, session, range(1001, 1013))
                plugin.run(w.TRACK, session, 0, 2000)
                plugin.run(w.REFINE, session, 0, 2000)
            except BaseException as e:
                failed.append(e)

        threads = [threading.Thread(target=work, args=(p, i)) for i, p in enumerate((one, other))]
        [t.start() for t in threads]
        [t.join() for t in threads]
        assert not failed
        push(one, session, range(1001, 1013))
        one.run(w.TRACK, session, 0, 2000)
        assert one.run(w.REFINE, session, 0, 2000)["frames"] == 12
        for key in range(1001, 1013):
            assert one.matte(session, key, SIZE, w.look_hash(plate(key)))[0]["stale"] is False


def test_jobs_wait_for_one_another(bridge: Bridged, plugin: Plugin, session: str) -> None:
    plugin.open(session)
    plugin.prompts(session, boxes=[box(1001)])
    push(plugin, session, KEYS)
    begun, go = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        begun.set()
        go.wait(20)

    bridge.engine.jobs.start("other", "track", hold)
    assert begun.wait(20)
    plugin.send(w.TRACK, {"session": session, "from": 1001, "to": 1006, "dir": "both"})
    wait_for(lambda: len(bridge.engine.jobs.active()) == 2)
    with bridge.plugin() as other:
        assert other.matte(session, 1002, SIZE)[0]["state"] == "busy"
    go.set()
    assert plugin.finish()["frames"] == 6


def test_a_job_that_ended_holds_no_shot(bridge: Bridged, plugin: Plugin, session: str) -> None:
    finished(plugin, session)
    shot = weakref.ref(bridge.engine.shots.open(m.OpenShot(str(bridge.shot(session)))))
    push(plugin, session, range(1007, 1009))  # the shot is made anew
    plugin.status(session)
    gc.collect()
    assert shot() is None


def test_doubtful_frames_are_named_and_at_most_so_many(
    plugin: Plugin, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(plugin, session)
    places = tuple(m.Place("subject", n, n, n, 0.9, ("lost",)) for n in range(1006, 990, -1))
    monkeypatch.setattr(mattes, "doubtful", lambda _: places)
    assert plugin.run(w.TRACK, session, 1001, 1006)["doubtful"] == [*KEYS]
    monkeypatch.setattr(mattes, "DOUBTFUL", 2)
    assert plugin.run(w.TRACK, session, 1001, 1006)["doubtful"] == [1005, 1006]


def test_requests_count_as_use_of_the_engine(bridge: Bridged, plugin: Plugin, session: str) -> None:
    plugin.open(session)
    before = bridge.engine._last
    plugin.status(session)
    assert bridge.engine._last > before
