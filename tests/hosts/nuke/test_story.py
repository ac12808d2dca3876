"""The whole job: a node, its buttons, a real engine, and the pictures of the script that comes of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import OpenImageIO as oiio
import pytest
from scipy import ndimage

from tests.disc import alpha_at, plate_at, write_frames
from tests.hosts.nuke import engines, evaluator, fake_nuke, nk
from tests.hosts.nuke.conftest import Nuke, starting
from trackmatte.cli import main
from trackmatte_client import engine as client_engine
from trackmatte_client import find_or_start
from trackmatte_client.protocol import messages

FRAMES, SIZE = 5, (160, 96)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """This checkout's engine, with its own tracker and refiner; it runs already, so each Nuke finds it."""
    with engines.installed(tmp_path_factory.mktemp("engine")) as run:
        client = find_or_start()
        process = client_engine._children[-1]
        yield run
        client_engine.stop(client)
        process.wait(120)


def finish(running: Nuke, node: Any) -> list[str]:
    """Be Nuke's event loop until the node's work ends; return what it says."""
    at = running.of(node)
    session = running.module("session").of(at)
    fake_nuke.pump(lambda: not session.busy, 600)
    assert not session.status.bad, session.status.lines
    return list(session.status.lines)


def shown(running: Nuke, name: str, frame: int) -> evaluator.Picture:
    """Return what a node of the script shows."""
    return evaluator.evaluate(nk.parse(fake_nuke.script.write(running.nuke.root())), name, frame)


@pytest.mark.usefixtures("engine")
def test_from_a_read_to_a_blurred_background(folder: Path, tmp_path: Path) -> None:
    pattern = write_frames(tmp_path / "plate", FRAMES, SIZE)
    truth = alpha_at(2, SIZE)
    with starting(folder) as running:
        read = running.read(
            str(pattern).replace("####", "%04d"), 1001, 1005, frame_mode="start at", frame="1"
        )
        node = running.node(read)
        running.nuke.scriptSaveAs(str(tmp_path / "comp.nk"))
        # Frame 1003 of the source is frame 3 of the timeline.
        running.nuke.frame(3)
        node["add_box"].execute()
        h = truth.shape[0]
        y, x = np.nonzero(truth > 0.02)
        for i, value in enumerate((x.min() - 2, h - y.max() - 3, x.max() + 3, h - y.min() + 2)):
            node["box1"].setValueAt(float(value), 3, i)
        steps = len(running.state.undo)
        node["track"].execute()
        assert node["status"].value().startswith("Track: ")
        assert "tracked" in finish(running, node)
        assert node["shot"].value() == str(tmp_path / "trackmatte" / "plate.shot.json")
        node["matte"].execute()
        said = finish(running, node)
        assert "Trackmatte_matte_subject: frame 1 of the timeline shows file 1001" in said
        alpha = shown(running, "Trackmatte_alpha", 3)["rgba.alpha"]
        assert np.abs(alpha - truth).mean() < 0.01
        assert np.abs(shown(running, "Trackmatte_alpha", 5)["rgba.alpha"] - alpha_at(4, SIZE)).mean() < 0.01
        assert len(running.state.undo) == steps + 1
        node["preset"].setValue("cutout")
        node["matte"].execute()
        assert "Trackmatte_cutout_subject: frame 1 of the timeline shows file 1001" in finish(running, node)
        node["blur_size"].setValue(20)
        node["blur"].execute()
        assert running.state.messages == []
        result, plate = shown(running, "Trackmatte_blur", 3).rgb(), shown(running, "Read1", 3).rgb()
    core = ndimage.binary_erosion(truth == 1, iterations=2)
    np.testing.assert_allclose(result[core], plate[core], atol=2e-3)
    far = ~ndimage.binary_dilation(truth > 0, iterations=12)
    assert detail(result, far) < 0.1 * detail(plate, far)
    # No halo: around the subject the picture is as bright as the blurred background is there.
    ring = (truth == 0) & ndimage.binary_dilation(truth > 0, iterations=6)
    clean = evaluator.light(background(2))
    wanted = ndimage.gaussian_filter(clean, (20 / 2.355, 20 / 2.355, 0), mode="nearest")
    halo = ndimage.gaussian_filter(plate, (20 / 2.355, 20 / 2.355, 0), mode="nearest")
    assert np.abs(result - wanted)[ring].mean() < 0.15 * np.abs(halo - wanted)[ring].mean()


def detail(pixels: np.ndarray, where: np.ndarray) -> float:
    """Return how much neighbouring pixels differ."""
    return float(np.abs(np.diff(pixels, axis=1))[where[:, 1:]].mean())


def background(i: int) -> np.ndarray:
    """Return the plate of tests/disc.py without its disc, code values in [0, 1]."""
    w, h = SIZE
    noise = cv2.GaussianBlur(np.random.default_rng(7).random((h + 64, w + 64, 3), np.float32), (0, 0), 2)
    noise = (noise - noise.min()) / (noise.max() - noise.min())
    back = noise[:h, i % 32 : i % 32 + w] * (60, 110, 130) + (10, 40, 60)
    clear = alpha_at(i, SIZE) == 0
    assert np.abs(np.rint(back) - plate_at(i, SIZE))[clear].max() <= 1
    return (back / 255).astype(np.float32)


@pytest.mark.usefixtures("engine")
def test_an_input_without_a_read_is_rendered_and_tracked(folder: Path, tmp_path: Path) -> None:
    pattern = write_frames(tmp_path / "plate", 3, SIZE)
    with starting(folder) as running:
        read = running.read(str(pattern).replace("####", "%04d"), 1001, 1003)
        held = running.nuke.nodes.Multiply()
        held["value"].setValue(0.5)
        held.setInput(0, read)
        node = running.node(held)
        node["source"].setValue("render")
        node["folder"].setValue(str(tmp_path / "work"))
        running.nuke.root()["first_frame"].setValue(1001)
        running.nuke.root()["last_frame"].setValue(1003)
        at, m = running.of(node), running.module("model")
        truth = alpha_at(0, SIZE)
        y, x = np.nonzero(truth > 0.02)
        h, w = truth.shape
        at.set_box(m.Box("", "disc", 1001, x.min() / w, y.min() / h, x.max() / w, y.max() / h))
        at.set_settings(_with(at.read().settings, preset="cutout"))
        node["matte"].execute()
        said = finish(running, node)
        assert "the input was rendered for the engine" in said
        assert running.state.executed == [("Write1", 1001, 1003)]
        node["cutout"].execute()
        (name,) = [n.name() for n in running.nuke.allNodes("Premult")]
        result, half = shown(running, name, 1002), shown(running, "Multiply1", 1002).rgb()
    truth = alpha_at(1, SIZE)
    assert np.abs(result["rgba.alpha"] - truth).mean() < 0.01
    core = ndimage.binary_erosion(truth == 1, iterations=2)
    np.testing.assert_allclose(result.rgb()[core], half[core], atol=2e-3)


CUT = (0.175, 0.15, 0.625, 0.775)
"""Around the sample's subject: whole pixels of its 640x360."""


@pytest.mark.usefixtures("engine")
def test_a_real_clip_has_the_command_lines_pixels(folder: Path, tmp_path: Path) -> None:
    plate = Path(__file__).parents[3] / "sample_clips" / "furball" / "plate.mp4"
    with starting(folder) as running:
        # As Nuke has it: a movie begins with 1; here it is on the timeline from 101 on.
        read = running.read(str(plate), 1, 48, frame_mode="start at", frame="101", origset=True)
        node = running.node(read)
        for name, value in (
            ("folder", str(tmp_path / "work")), ("tracker", "flow"), ("refiner", "closed_form"),
            ("use_range", True), ("first", 103), ("last", 105),
        ):  # fmt: skip
            node[name].setValue(value)
        running.nuke.frame(103)
        node["add_box"].execute()
        left, top, right, bottom = CUT
        for i, place in enumerate((left * 640, 360 - bottom * 360, right * 640, 360 - top * 360)):
            node["box1"].setValueAt(float(round(place)), 103, i)
        at, m = running.of(node), running.module("model")
        at.set_point(m.Point("", "subject", 2, 0.45, 0.2, subject=False))
        node["matte"].execute()
        said = finish(running, node)
        assert "Trackmatte_matte_subject: frame 103 of the timeline shows file 2" in said
        assert not [s for s in said if "grid" in s], "its rate does not vary"
        alpha = shown(running, "Trackmatte_alpha", 104)["rgba.alpha"]
        pattern = Path(running.nuke.toNode("Trackmatte_matte_subject")["file"].value())
    out = tmp_path / "cli"
    words = ["--tracker", "flow", "--refiner", "closed_form", "--range", "2-4", "--point", "0.45,0.2,-"]
    box = ",".join(map(str, CUT))
    assert main(["matte", str(plate), "--box", box, *words, "--out", str(out), "--quiet"]) == 0
    theirs = sorted(out.glob("*.exr"))
    assert len(theirs) == 3
    for number, file in zip(range(2, 5), theirs, strict=True):
        ours = pixels(Path(str(pattern).replace("%04d", f"{number:04d}")))
        assert ours.shape == (360, 640, 4)
        np.testing.assert_array_equal(ours, pixels(file))
    np.testing.assert_array_equal(alpha, pixels(theirs[1])[..., 3])
    assert 0.02 < alpha.mean() < 0.5


def pixels(path: Path) -> np.ndarray:
    """Return a file as it is."""
    image = oiio.ImageInput.open(str(path))
    assert image is not None, path
    return np.asarray(image.read_image(0, 0, 0, image.spec().nchannels, oiio.FLOAT))


@pytest.mark.usefixtures("engine")
def test_a_movie_whose_rate_varies_is_on_time(folder: Path, tmp_path: Path) -> None:
    """Nuke shows a movie at a constant rate: what lasts longer is several of its frames."""
    stored = [0, 1, 2, 5, 6, 9, 10, 11]
    movie = uneven(tmp_path / "uneven.mp4", stored)
    with starting(folder) as running:
        node = running.node(running.read(str(movie), 1, 12, origset=True))
        node["folder"].setValue(str(tmp_path / "work"))
        clip = running.of(node).read().clip
        assert (clip.rate, clip.count, clip.first, clip.last) == ("25", 12, 0, 11)
        truth = alpha_at(0, SIZE)
        y, x = np.nonzero(truth > 0.02)
        h, w = truth.shape
        m = running.module("model")
        box = m.Box("", "subject", 0, x.min() / w, y.min() / h, x.max() / w, y.max() / h)
        running.of(node).set_box(box)
        node["matte"].execute()
        said = finish(running, node)
        assert [s for s in said if "grid of 25 fps: 4 of its 12 frames repeat" in s], said
        assert not [s for s in said if "Nuke counts" in s]
        for frame in range(1, 13):
            moment = max(t for t in stored if t <= frame - 1)
            plate = shown(running, "Trackmatte_alpha", frame)
            assert np.abs(plate["rgba.alpha"] - alpha_at(moment, SIZE)).mean() < 0.01, frame
            other = alpha_at(moment + 3, SIZE)
            assert np.abs(plate["rgba.alpha"] - other).mean() > 0.015, "the control: three frames late"
        # A shot of this movie's stored frames counts otherwise: it is not used for the node.
        client = find_or_start()
        stale = client.create_shot(messages.CreateShot(str(tmp_path / "stored.shot.json"), str(movie)))
        node["shot"].setValue(stale.path)
        node["track"].execute()
        assert [s for s in finish(running, node) if "counts other frames of its movie than a host at 25" in s]
        assert node["shot"].value() != stale.path


def uneven(path: Path, times: list[int]) -> Path:
    """Encode the disc's frames, each shown from its own time on, in 25ths of a second."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "12", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = (*SIZE, "yuv420p")
        for t in times:
            picture = av.VideoFrame.from_ndarray(plate_at(t, SIZE), format="rgb24")
            picture.pts, picture.time_base = t, Fraction(1, 25)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return path


@pytest.mark.usefixtures("engine")
def test_the_panel_drives_the_node(folder: Path, tmp_path: Path) -> None:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    pytest.importorskip("PySide6.QtWidgets", reason="Qt's own libraries are missing", exc_type=ImportError)
    from PySide6 import QtCore, QtWidgets
    from PySide6.QtTest import QTest

    app = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    pattern = write_frames(tmp_path / "plate", 3, SIZE)
    with starting(folder) as running:
        read = running.read(
            str(pattern).replace("####", "%04d"), 1001, 1003, frame_mode="start at", frame="101"
        )
        node = running.node(read)
        node["folder"].setValue(str(tmp_path / "work"))
        running.nuke.frame(101)
        node["open_panel"].execute()
        panel = running.state.opened[0].widget
        panel.resize(320, 700)
        panel.show()
        app.processEvents()
        assert panel.name.whole() == "Trackmatte"
        # Two clicks into the disc and one beside it.
        truth = alpha_at(0, SIZE)
        y, x = (float(v.mean()) for v in np.nonzero(truth > 0.5))
        for dx, subject in ((0, True), (6, True), (40, False)):
            panel.view.picture.clicked.emit((x + dx) / SIZE[0], y / SIZE[1], subject)
        assert [node[p].getKeyList() for p in ("p1", "p2", "p3")] == [[101]] * 3
        assert node["p1"].getValueAt(101, 0) == pytest.approx(x)
        assert node["p1"].getValueAt(101, 1) == pytest.approx(SIZE[1] - y)
        panel.look()
        buttons = {b.text(): b for b in panel.findChildren(QtWidgets.QPushButton)}
        QTest.mouseClick(buttons["Matte"], QtCore.Qt.MouseButton.LeftButton)
        session = running.module("session").of(running.of(node))
        fake_nuke.pump(lambda: app.processEvents() or not session.busy, 600)
        assert not session.status.bad, session.status.lines
        alpha = shown(running, "Trackmatte_alpha", 102)["rgba.alpha"]
        assert np.abs(alpha - alpha_at(1, SIZE)).mean() < 0.01
        running.nuke.delete(node)
        panel.look()
        assert panel.node is None
        panel.close()
        panel.deleteLater()
        QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
        for close in running.state.close_calls:
            close()
        fake_nuke.pump(lambda: not engines.threads())


def _with(settings: Any, **changed: Any) -> Any:
    from dataclasses import replace

    return replace(settings, **changed)
