"""What the page needs of the server, without a browser."""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Thread
from typing import Any

import cv2
import numpy as np
import pytest

from tests import disc
from tests.engines import BOX, new_shot
from trackmatte.server import app
from trackmatte.server.engine import Engine
from trackmatte_client import Client, EngineError, Job
from trackmatte_client.protocol import messages as m
from trackmatte_client.protocol.events import WrittenEvent


def test_the_plan_is_what_the_export_writes_and_writes_nothing(client: Client, tmp_path: Path) -> None:
    plates = disc.write_frames(tmp_path / "plates", 6)
    (tmp_path / "plates" / "plate.1003.png").unlink()
    shot = new_shot(client, tmp_path, plates)
    for name in ("hero", "prop"):
        shot = client.put_prompt(shot.shot, shot.revision, m.Prompt(1001, name, box=BOX)).shot
    shot = client.set_range(shot.shot, shot.revision, (1002, 1005))
    Job(client, client.track(shot.shot).job).wait(30)
    Job(client, client.matte(shot.shot).job).wait(30)
    for preset, form in (("matte", "exr"), ("cutout", "png"), ("multi", "exr")):
        out = tmp_path / preset
        asked = m.ExportFrames(str(out), preset, form)
        plan = client.export_plan(shot.shot, asked)
        assert not out.exists()
        events = Job(client, client.export(shot.shot, asked).job).wait(30)
        written = [(e.objects, e.target, e.frames) for e in events if isinstance(e, WrittenEvent)]
        assert [(p.objects, p.target, p.frames) for p in plan.parts] == written
        files = sorted(str(f) for f in out.iterdir())
        assert [p.first for p in plan.parts] == files[::3]
        again = client.export_plan(shot.shot, asked)
        assert [p.exist for p in again.parts] == [3] * len(plan.parts)
        assert [p.exist for p in plan.parts] == [0] * len(plan.parts)


def test_a_plan_is_refused_with_the_exports_own_sentence(client: Client, tmp_path: Path) -> None:
    plates = disc.write_frames(tmp_path / "plates", 2)
    shot = new_shot(client, tmp_path, plates)
    shot = client.put_prompt(shot.shot, shot.revision, m.Prompt(1001, box=BOX)).shot
    for asked, code, says in (
        (m.ExportFrames("mattes"), "usage", "absolute"),
        (m.ExportFrames(str(tmp_path), preset="soup"), "usage", "soup"),
        (m.ExportFrames(str(tmp_path), "multi", "png"), "usage", "layers"),
        (m.ExportFrames(str(tmp_path / "plates")), "output", "plate's own images"),
    ):
        with pytest.raises(EngineError, match=says) as refusal:
            client.export_plan(shot.shot, asked)
        assert refusal.value.code == code


def test_a_plate_at_its_own_size_keeps_the_colour_of_single_pixels(client: Client, tmp_path: Path) -> None:
    rgb = np.full((48, 64, 3), 60, np.uint8)
    rgb[::2, ::2] = (220, 40, 40)
    rgb[1::2, 1::2] = (40, 40, 220)
    assert cv2.imwrite(str(tmp_path / "plate.0001.png"), rgb[..., ::-1])
    shot = new_shot(client, tmp_path, tmp_path / "plate.0001.png")
    data = client.frame(shot.shot, shot.clip.first, 64)
    seen = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(seen.astype(int) - rgb).mean() < 6  # with halved colours it is more than 30


def test_without_a_built_page_hosts_are_served_and_the_browser_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "WEB", tmp_path / "web")
    served = app.build(Engine(), port=1, token="secret")
    said: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        said.append(message)

    headers = [(b"host", b"127.0.0.1:1"), (b"authorization", b"Bearer secret")]
    for path, status, text in (("/", 404, b"no web page"), ("/hello", 200, b"protocol")):
        said.clear()
        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers}
        # In a thread of its own: the browser's loop may be running in this one.
        asking = Thread(target=asyncio.run, args=(served(scope, receive, send),))
        asking.start()
        asking.join()
        assert said[0]["status"] == status
        assert text in said[1]["body"]
