"""Soft layers through the server: made, shown, picked, written, stopped; the command line's pixels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest

from tests import disc
from tests.engines import new_shot, picture, started, wait_for
from trackmatte.cli import main
from trackmatte_client import Client, EngineError, Job
from trackmatte_client.protocol import messages as m
from trackmatte_client.protocol.events import ProgressEvent, WrittenEvent

TINY = (48, 32)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with started(tmp_path_factory.mktemp("engine")) as client:
        yield client


def test_layers_are_made_once_shown_picked_and_written(client: Client, tmp_path: Path) -> None:
    plates = disc.write_frames(tmp_path / "small", 2, TINY)
    shot = new_shot(client, tmp_path, plates)
    Job(client, client.layers(shot.shot, m.MakeLayers(1002, count=3)).job).wait(60)
    found = [picture(client.layer_image(shot.shot, 1002, n, TINY[0])).astype(int) for n in (1, 2, 3)]
    assert np.abs(sum(found) - 255).max() <= 2
    truth = disc.alpha_at(1, TINY) > 0.5
    best = max(range(3), key=lambda i: np.corrcoef(found[i].ravel(), truth.ravel())[0, 1])
    kept = Path(shot.path.removesuffix(".shot.json") + ".shot") / "layers" / "layer01" / "001002.tif"
    made = kept.stat().st_mtime_ns

    out = tmp_path / "out"
    events = Job(client, client.layers(shot.shot, m.MakeLayers(1002, 3, str(out))).job).wait(60)
    assert kept.stat().st_mtime_ns == made
    (written,) = [e for e in events if isinstance(e, WrittenEvent)]
    assert written.frames == ((1002, 1002),)
    typed = ["layers", str(plates), "--frame", "1002", "--count", "3", "--out", str(tmp_path / "typed")]
    assert main([*typed, "--quiet"]) == 0
    files = [next(folder.iterdir()) for folder in (out, tmp_path / "typed")]
    assert files[0].name == files[1].name == "plate_layers.1002.exr"
    read = []
    for file in files:
        with OpenEXR.File(str(file), separate_channels=True) as exr:
            read.append({name: channel.pixels for name, channel in exr.channels().items()})
    assert sorted(read[0]) == ["layer01.A", "layer02.A", "layer03.A"]
    for name, pixels in read[0].items():
        np.testing.assert_array_equal(pixels, read[1][name])

    state = client.shot_state(shot.shot)
    picked = client.pick_layers(shot.shot, state.revision, 1002, (best + 1, best + 1), "hero")
    assert [(p.frame, p.object, p.mask) for p in picked.shot.prompts] == [(1002, "hero", True)]
    Job(client, client.track(shot.shot).job).wait(30)
    mask = picture(client.mask(shot.shot, 1002, "hero", TINY[0])) > 127
    np.testing.assert_array_equal(mask, found[best] > 127)
    assert client.undo(shot.shot, picked.shot.revision).prompts == ()

    Job(client, client.layers(shot.shot, m.MakeLayers(1002, count=2)).job).wait(60)
    assert kept.stat().st_mtime_ns != made
    with pytest.raises(EngineError) as refusal:
        client.layer_image(shot.shot, 1002, 3)
    assert refusal.value.code == "not_found"


def test_layers_by_another_method_are_others_and_those_of_the_command_line(
    client: Client, tmp_path: Path
) -> None:
    plates = disc.write_frames(tmp_path / "small", 1, TINY)
    shot = new_shot(client, tmp_path, plates)
    seen = []
    for method in ("semantic", "spectral", "gmm", "mrf"):
        Job(client, client.layers(shot.shot, m.MakeLayers(1001, 3, method=method)).job).wait(60)
        seen.append(picture(client.layer_image(shot.shot, 1001, 1, TINY[0])).astype(int))
    assert len({s.tobytes() for s in seen}) == 4
    out, typed = tmp_path / "out", tmp_path / "typed"
    Job(client, client.layers(shot.shot, m.MakeLayers(1001, 3, str(out), method="mrf")).job).wait(60)
    words = ["layers", str(plates), "--method", "mrf", "--count", "3", "--out", str(typed), "--quiet"]
    assert main(words) == 0
    for name in ("layer01.A", "layer02.A", "layer03.A"):
        planes = []
        for folder in (out, typed):
            with OpenEXR.File(str(next(folder.iterdir())), separate_channels=True) as exr:
                planes.append(exr.channels()[name].pixels)
        np.testing.assert_array_equal(*planes)
    with pytest.raises(EngineError) as refusal:
        client.layers(shot.shot, m.MakeLayers(1001, method="magic"))  # type: ignore[arg-type]
    assert refusal.value.code == "malformed"


def test_a_split_tells_where_it_is_and_ends_midway(client: Client, tmp_path: Path) -> None:
    plates = disc.write_frames(tmp_path / "wide", 1, (320, 214))
    shot = new_shot(client, tmp_path, plates)
    job = Job(client, client.layers(shot.shot, m.MakeLayers(1001)).job)
    steps: list[ProgressEvent] = []

    def begun() -> bool:
        steps.extend(e for e in job.poll() if isinstance(e, ProgressEvent))
        return len(steps) > 3

    wait_for(begun, 120)
    job.cancel()
    steps += [e for e in job.wait(120) if isinstance(e, ProgressEvent)]
    assert job.state is not None
    assert job.state.status == "cancelled"
    assert {(e.stage, e.frame, e.of) for e in steps} == {("layers", 1001, 100)}
    assert [e.done for e in steps] == sorted({e.done for e in steps})
    assert steps[-1].done < 100
    with pytest.raises(EngineError) as refusal:
        client.layer_image(shot.shot, 1001, 1)
    assert refusal.value.code == "not_found"


def test_layers_that_cannot_be_are_told_in_a_sentence(client: Client, tmp_path: Path) -> None:
    shot = new_shot(client, tmp_path, disc.write_frames(tmp_path / "plates", 3, TINY))
    for asked, code, says in (
        (m.MakeLayers(7), "prompt", "no frame 7"),
        (m.MakeLayers(1001, count=0), "usage", "1 to 40"),
        (m.MakeLayers(1001, count=41), "usage", "1 to 40"),
        (m.MakeLayers(1001, folder="out"), "usage", "absolute"),
    ):
        with pytest.raises(EngineError, match=says) as refusal:
            client.layers(shot.shot, asked)
        assert refusal.value.code == code
    for layers, code, says in (((), "prompt", "at least one"), ((1,), "shot", "make its layers first")):
        with pytest.raises(EngineError, match=says) as refusal:
            client.pick_layers(shot.shot, shot.revision, 1001, layers)
        assert refusal.value.code == code
    with pytest.raises(EngineError, match="no frame 7"):
        client.pick_layers(shot.shot, shot.revision, 7, (1,))
    (tmp_path / "dot").mkdir()
    assert cv2.imwrite(str(tmp_path / "dot" / "dot.1001.png"), np.full((1, 1, 3), 90, np.uint8))
    dot = new_shot(client, tmp_path, tmp_path / "dot" / "dot.1001.png")
    job = client.layers(dot.shot, m.MakeLayers(1001)).job
    wait_for(lambda: client.job_state(job).status == "failed")
    error = client.job_state(job).error
    assert error is not None
    assert error.code == "usage"
