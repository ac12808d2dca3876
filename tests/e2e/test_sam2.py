"""SAM 2 through the shot and the command line, with a micro model: loading, tracking, resuming."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest

from tests import disc
from trackmatte import weights
from trackmatte.cli import main
from trackmatte.errors import DeviceError, MissingPartError, ShotError
from trackmatte.prompt import Point, Prompt
from trackmatte.shot import Shot

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("sam2", reason="sam2 is not installed")
from tests import micro  # noqa: E402

FURBALL = Path(__file__).parents[2] / "sample_clips" / "furball"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("micro")


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Two cores are shared with other tests; threads that wait for each other would spin."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path / "weights"))
    monkeypatch.setenv("TRACKMATTE_DEVICE", "cpu")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return disc.write_frames(tmp_path / "plate", 30)


def run(*words: object) -> int:
    return main([str(w) for w in words])


def new(tmp_path: Path, clip: Path, folder: Path, **settings: Any) -> Shot:
    settings = micro.settings(folder) | settings
    return Shot.new(tmp_path / "a.shot.json", clip, tracker="sam2", tracker_settings=settings, refiner="none")


def truth(i: int) -> np.ndarray:
    return disc.alpha_at(i, (160, 96)) > 0.5


def mask_of(shot: Shot, number: int) -> np.ndarray:
    found = shot.cache.read("track", "subject", number)
    assert found is not None
    return found[0]


def test_auto_takes_sam2_once_a_checkpoint_is_there(
    clip: Path, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("shot", "new", tmp_path / "before.shot.json", clip) == 0
    assert "tracking with flow: there is no SAM 2 checkpoint here" in capfd.readouterr().err
    file, config = micro.checkpoint(folder), micro.config(folder)
    assert run("weights", "add", file, "--name", "mine", "--config", config, "--family", "sam2") == 0
    capfd.readouterr()
    box = ("--box", "0.2,0.2,0.6,0.8")
    assert (
        run("matte", clip, *box, "--out", tmp_path / "out", "--refiner", "none", "--range", "1001-1004") == 0
    )
    assert "tracking with sam2: its checkpoint mine is here" in capfd.readouterr().err
    assert len(list((tmp_path / "out").glob("*.exr"))) == 4
    doc = json.loads((tmp_path / "out" / "plate.shot.json").read_text())
    expected = hashlib.sha256(file.read_bytes()).hexdigest()
    assert doc["tracker"] == {"name": "sam2", "settings": {"model": "mine", "sha256": expected}}
    assert run("shot", "show", tmp_path / "out" / "plate.shot.json") == 0
    assert "tracker sam2 model=mine" in capfd.readouterr().err


def test_a_shot_gives_the_official_masks_before_and_after_a_correction(
    clip: Path, folder: Path, tmp_path: Path
) -> None:
    shot = new(tmp_path, clip, folder)
    shot.add(Prompt(1001, mask=truth(0)))
    list(shot.track())
    first = {n: mask_of(shot, n) for n in shot.numbers()}
    seen = shot.add(Prompt(1016, points=(Point(0.6, 0.5), Point(0.2, 0.2, 0))))
    shot.save()
    with Shot.open(shot.path) as again:
        done = [p.frame for p in again.track()]
        assert done == list(range(1016, 1031))
        assert set(again.changed["subject"]) <= set(done)
        second = {n: mask_of(again, n) for n in again.numbers()}

    predictor = micro.official(folder)
    images = torch.cat([predictor_input(frame.display()) for frame in shot.clip.frames(0, 30)])
    (tmp_path / "jpg").mkdir()
    disc_jpg(tmp_path / "jpg" / "0.jpg")
    state = predictor.init_state(str(tmp_path / "jpg"))
    state |= {"images": images, "num_frames": 30, "video_height": 96, "video_width": 160}
    state["cached_features"].clear()
    predictor.add_new_mask(state, 0, 0, torch.from_numpy(truth(0)))
    for _ in predictor.propagate_in_video(state, 0):
        pass
    outputs = state["output_dict_per_obj"][0]
    for i in range(1, 30):
        same(first[1001 + i], outputs["non_cond_frame_outputs"][i]["pred_masks"])
    predictor.add_new_points_or_box(
        state, 15, 0, points=torch.tensor([[0.6, 0.5], [0.2, 0.2]]),
        labels=torch.tensor([1, 0], dtype=torch.int32), normalize_coords=False,
    )  # fmt: skip
    for _ in predictor.propagate_in_video(state, 15):
        pass
    corrected = outputs["cond_frame_outputs"][15]["pred_masks"]
    np.testing.assert_array_equal(seen.logits, corrected[0, 0].numpy())
    same(second[1016], corrected)
    for i in range(16, 30):
        same(second[1001 + i], outputs["non_cond_frame_outputs"][i]["pred_masks"])
    for i in range(15):
        np.testing.assert_array_equal(second[1001 + i], first[1001 + i])


def same(cached: np.ndarray, official: Any) -> None:
    """Equal to the half precision that the cache keeps."""
    exact = official[0, 0].numpy().clip(-64, 64)
    np.testing.assert_array_equal(cached, exact.astype(np.float16).astype(np.float32))


def predictor_input(rgb: np.ndarray) -> Any:
    """Scale and normalise a frame as the official loader does."""
    from PIL import Image

    small = np.array(Image.fromarray(rgb).resize((micro.SIZE, micro.SIZE))) / 255.0
    image = torch.zeros(1, 3, micro.SIZE, micro.SIZE)
    image[0] = torch.from_numpy(small).permute(2, 0, 1)
    image -= torch.tensor((0.485, 0.456, 0.406))[:, None, None]
    image /= torch.tensor((0.229, 0.224, 0.225))[:, None, None]
    return image


def disc_jpg(path: Path) -> None:
    from PIL import Image

    Image.fromarray(disc.plate_at(0, (160, 96))).save(path)


def test_locked_frames_and_a_second_click(clip: Path, folder: Path, tmp_path: Path) -> None:
    shot = new(tmp_path, clip, folder)
    shot.add(Prompt(1001, mask=truth(0)))
    list(shot.track())
    shot.lock("subject", 1020, 1022)
    path = shot.cache.path("track", "subject", 1021)
    before, beyond = path.read_bytes(), shot.cache.path("track", "subject", 1025).read_bytes()
    one = shot.add(Prompt(1016, points=(Point(0.6, 0.5),)))
    two = shot.add(Prompt(1016, points=(Point(0.2, 0.2, 0),)))
    assert not np.array_equal(one.logits, two.logits)
    assert [p.frame for p in shot.track()] == [1016, 1017, 1018, 1019]
    np.testing.assert_array_equal(mask_of(shot, 1016), two.logits.clip(-64, 64).astype(np.float16))
    assert path.read_bytes() == before
    assert shot.cache.path("track", "subject", 1025).read_bytes() == beyond
    with pytest.raises(ShotError, match="locked"):
        shot.add(Prompt(1021, points=(Point(0.5, 0.5),)))


def test_paint_wins_exactly_where_it_was_drawn(clip: Path, folder: Path, tmp_path: Path) -> None:
    from trackmatte.prompt import Scribble
    from trackmatte.select.raster import draw_stroke

    shot = new(tmp_path, clip, folder)
    shot.add(Prompt(1001, mask=truth(0)))
    list(shot.track())
    stroke = Scribble(((0.8, 0.1), (0.9, 0.1)), 1, 0.02, "paint")
    shot.add(Prompt(1010, scribbles=(stroke,)))
    list(shot.track())
    assert (mask_of(shot, 1010)[draw_stroke(stroke, (160, 96))] > 0).all()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"image_size": 100}, "multiple of 32"),
        ({"recall": "all"}, "must be one of"),
        ({"config": None}, "needs its configuration"),
        ({"config": "nothing.yaml"}, "no SAM 2 configuration nothing.yaml"),
        ({"checkpoint": "nowhere.pt"}, "no checkpoint nowhere.pt"),
        ({"config": "configs/sam2.1/sam2.1_hiera_t.yaml"}, r"does not fit .*sam2.1_hiera_t.yaml: it lacks"),
        ({"model": "sam2.1_hiera_tiny", "checkpoint": None, "config": None}, "sam2.1_hiera_tiny.pt"),
        ({"wibble": 3}, "no setting 'wibble'"),
    ],
)
def test_bad_settings_get_one_sentence(
    clip: Path, folder: Path, tmp_path: Path, settings: dict[str, Any], says: str
) -> None:
    with pytest.raises((MissingPartError, ValueError), match=says) as error:
        list(one_frame(new(tmp_path, clip, folder, **settings)))
    assert "\n" not in str(error.value)


def one_frame(shot: Shot) -> Any:
    shot.add(Prompt(1001, mask=truth(0)))
    return shot.track((1001, 1002))


def test_damaged_and_changed_checkpoints(clip: Path, folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.pt"
    copy.write_bytes(micro.checkpoint(folder).read_bytes())
    shot = new(tmp_path, clip, folder, checkpoint=str(copy))
    list(one_frame(shot))
    shot.save()
    copy.write_bytes(micro.checkpoint(folder, 1).read_bytes())
    with Shot.open(shot.path) as opened, pytest.raises(MissingPartError, match="not the checkpoint that"):
        list(opened.track())
    assert mask_of(shot, 1002).any()
    copy.write_bytes(micro.checkpoint(folder).read_bytes()[:50_000])
    with pytest.raises(MissingPartError, match="damaged, truncated"):
        list(one_frame(new(tmp_path, clip, folder, checkpoint=str(copy))))
    torch.save({"weights": 1}, copy)
    with pytest.raises(MissingPartError, match='no weights under "model"'):
        list(one_frame(new(tmp_path, clip, folder, checkpoint=str(copy))))


def test_full_device_memory_is_retried_then_told(
    clip: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trackmatte.trackers.sam2_model import Model

    shot = new(tmp_path, clip, folder, batched=True)
    shot.add(Prompt(1001, "a", mask=truth(0)))
    shot.add(Prompt(1001, "b", mask=np.roll(truth(0), 30, 1)))
    real, limit, sizes = Model.track, 1, []

    def tight(model: Any, features: Any, index: int, **how: Any) -> Any:
        sizes.append(len(how.get("prompted", ())))
        if sizes[-1] > limit or index >= 9:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(model, features, index, **how)

    monkeypatch.setattr(Model, "track", tight)
    with pytest.raises(DeviceError, match="everything up to it is saved"):
        list(shot.track())
    assert sizes[2:5] == [2, 1, 1]  # the objects of a frame together, then one by one
    done = [n for n in shot.numbers() if shot.cache.key("track", "a", n)]
    assert done == list(range(1001, 1010))
    monkeypatch.undo()
    monkeypatch.setenv("TRACKMATTE_DEVICE", "cpu")
    assert [p.frame for p in shot.track()] == list(range(1010, 1031))


def looped(path: Path, count: int) -> Path:
    """Encode the sample clip there and back to ``count`` small frames."""
    from trackmatte.media import open_clip

    with open_clip(FURBALL / "plate.mp4") as clip:
        import cv2

        there = [cv2.resize(f.display(), (96, 54), interpolation=cv2.INTER_AREA) for f in clip.frames(0, 48)]
    turns = there + there[-2:0:-1]
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=24, options={"crf": "18", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 96, 54, "yuv420p"
        for i in range(count):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(turns[i % len(turns)], format="rgb24")))
        out.mux(stream.encode(None))
    return path


def masks(shot: Path) -> dict[str, str]:
    root = shot.with_name(shot.name.removesuffix(".shot.json") + ".shot") / "track"
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(root.rglob("*.tif"))}


@pytest.mark.timeout(1500)
def test_two_thousand_frames_killed_twice_and_memory_stays_flat(folder: Path, tmp_path: Path) -> None:
    """The uninterrupted run also watches its resident memory."""
    count = int(os.environ.get("TRACKMATTE_LONG", "2000"))
    clip = looped(tmp_path / "loop.mp4", count)
    shots = [tmp_path / "whole" / "a.shot.json", tmp_path / "killed" / "a.shot.json"]
    settings = micro.settings(folder) | {"image_size": 64}
    for path in shots:
        path.parent.mkdir()
        made = Shot.new(path, clip, tracker="sam2", tracker_settings=settings, refiner="none")
        mask = np.zeros((54, 96), np.float32)
        mask[14:44, 30:66] = 1
        made.add(Prompt(0, mask=mask))
        made.save()
        made.close()

    def start(path: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "trackmatte", "track", str(path), "--json"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "TRACKMATTE_DEVICE": "cpu"},
        )

    memory: dict[int, float] = {}
    whole, killed = start(shots[0]), start(shots[1])
    kills, rng = 0, random.Random(4)
    stop = {rng.randint(count // 5, count // 3), rng.randint(count // 2, 3 * count // 4)}

    def watch() -> None:
        process = psutil.Process(whole.pid)
        for line in whole.stdout or ():
            event = json.loads(line)
            if event["event"] == "progress" and event["frame"] % 100 == 0:
                memory[event["frame"]] = process.memory_info().rss / 1e6

    thread = threading.Thread(target=watch)
    thread.start()
    while True:
        for line in killed.stdout or ():
            event = json.loads(line)
            if event["event"] == "progress" and event["frame"] in stop:
                stop.discard(event["frame"])
                time.sleep(rng.random() * 0.2)
                killed.send_signal(signal.SIGKILL)
                kills += 1
                break
        killed.wait()
        if killed.returncode == 0:
            break
        assert killed.returncode == -signal.SIGKILL
        assert 0 < len(masks(shots[1])) < count
        killed = start(shots[1])
    assert whole.wait() == 0
    thread.join()
    assert kills == 2
    assert len(masks(shots[0])) == count
    assert masks(shots[1]) == masks(shots[0])
    frames = [n for n in sorted(memory) if n >= 200]
    slope = np.polyfit(frames, [memory[n] for n in frames], 1)[0]
    assert abs(slope) < 0.01, (slope, memory)  # MB per frame; stock SAM 2 would add 0.8 and the pixels
