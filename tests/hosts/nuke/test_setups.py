"""Results and set-ups: what they make, and the pictures of it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from tests.hosts.nuke import nk
from tests.hosts.nuke.stage import Stage


def test_a_matte_is_read_on_its_frames_and_copied_into_the_alpha(stage: Stage) -> None:
    said = stage.deliver("matte", offset=-1000)
    assert said[0] == "matte.####.exr: complete, 3 frames 1001-1003"
    assert said[1] == "Trackmatte_matte_hero: frame 1 of the timeline shows file 1001"
    read = stage.running.nuke.toNode("Trackmatte_matte_hero")
    have = {
        k: read[k].value()
        for k in ("file", "first", "last", "origfirst", "origlast", "frame_mode", "frame", "raw")
    }
    assert have == {
        "file": f"{stage.scene.folder}/matte.%04d.exr", "first": 1001, "last": 1003, "origfirst": 1001,
        "origlast": 1003, "frame_mode": "start at", "frame": "1", "raw": True,
    }  # fmt: skip
    plate = stage.running.nuke.toNode("Read1")
    plate["frame_mode"].setValue("start at")
    plate["frame"].setValue("1")
    shown = stage.picture("Trackmatte_alpha", 2)
    np.testing.assert_array_equal(shown["rgba.alpha"], stage.scene.alpha)
    np.testing.assert_array_equal(shown.rgb(), stage.scene.plate)
    # Beyond its frames there is no matte, not the last one held.
    assert not stage.picture("Trackmatte_alpha", 4)["rgba.alpha"].any()


def test_delivering_again_brings_the_same_nodes_up_to_date(stage: Stage) -> None:
    stage.deliver("matte")
    once = stage.script()
    stage.deliver("matte")
    assert stage.script() == once
    stage.node.setName("Hero")
    stage.deliver("matte", offset=5)
    assert stage.script() == once.replace("name Trackmatte\n", "name Hero\n").replace(
        "frame 1001", "frame 1006"
    )


def test_a_copied_node_has_results_of_its_own(stage: Stage) -> None:
    stage.deliver("matte")
    other = stage.running.node(stage.running.nuke.toNode("Read1"))
    other["identity"].setValue(stage.node["identity"].value())  # as a paste does
    Stage(stage.running, stage.scene, other).deliver("matte")
    reads = [n.name() for n in stage.running.nuke.allNodes("Read")]
    assert reads == ["Read1", "Trackmatte_matte_hero", "Trackmatte1_matte_hero"]


def test_what_was_there_stays(stage: Stage) -> None:
    grade = stage.running.nuke.nodes.Grade()
    grade.setInput(0, stage.node)
    before = nk.parse(stage.script()).nodes
    stage.deliver("matte", "cutout", "multi")
    for build in (("cutout",), ("blur", 20.0), ("despill",), ("layers",)):
        stage.build(*build)
    after = nk.parse(stage.script()).nodes
    before["Trackmatte"].knobs["identity"] = after["Trackmatte"].knobs["identity"]
    assert {name: after[name] for name in before} == before
    made = [
        n for n in stage.running.nuke.allNodes() if n.name() not in before and n.Class() != "BackdropNode"
    ]
    places = {(n.xpos(), n.ypos()) for n in made}
    assert len(places) == len(made)
    assert min(x for x, _ in places) > 0


def test_one_undo_takes_a_set_up_back(stage: Stage) -> None:
    stage.deliver("cutout")
    before, steps = stage.script(), len(stage.running.state.undo)
    loose = stage.running.state.loose
    stage.build("blur", 20.0)
    assert (len(stage.running.state.undo), stage.running.state.loose) == (steps + 1, loose)
    assert stage.running.state.undo[-1][0] == "Trackmatte blurred background"
    assert stage.script() != before
    stage.running.nuke.Undo.undo()
    assert stage.script() == before


def test_the_cut_out_is_the_subject_in_its_own_colours(stage: Stage) -> None:
    stage.deliver("matte", "cutout")
    (said,) = stage.build("cutout")
    shown = stage.picture(said.split()[0])
    scene = stage.scene
    np.testing.assert_allclose(shown.rgb(), scene.subject * scene.alpha[..., None], atol=1e-6)
    np.testing.assert_array_equal(shown["rgba.alpha"], scene.alpha)


def test_a_cut_out_of_the_matte_alone_says_that_its_rim_is_the_plates(stage: Stage) -> None:
    stage.deliver("matte")
    said = stage.build("cutout")
    assert "deliver: cutout" in said[1]
    shown = stage.picture(said[0].split()[0])
    np.testing.assert_allclose(shown.rgb(), stage.scene.plate * stage.scene.alpha[..., None], atol=1e-6)


@pytest.mark.parametrize("lens", ["Blur", "ZDefocus2"])
def test_the_background_is_blurred_and_the_subject_is_not(stage: Stage, lens: str) -> None:
    size = 24.0 if lens == "Blur" else 10.0
    stage.deliver("matte", "cutout")
    stage.build("blur", size, lens)
    shown, scene = stage.picture("Trackmatte_blur").rgb(), stage.scene
    core = scene.alpha == 1
    np.testing.assert_allclose(shown[core], scene.plate[core], atol=1e-5)
    assert np.all(stage.picture("Trackmatte_blur")["rgba.alpha"] > 0.999)
    # The truth: the background, which is known everywhere here, through the same lens, under the subject.
    blurred = through(scene.background, size, lens)
    soft = scene.alpha[..., None]
    truth = scene.subject * soft + blurred * (1 - soft)
    # The control: the plate blurred as it is. Its subject shines into the background.
    halo = scene.subject * soft + through(scene.plate, size, lens) * (1 - soft)
    ring = (scene.alpha == 0) & ndimage.binary_dilation(scene.alpha > 0, iterations=8)
    rim = (scene.alpha > 0) & (scene.alpha < 1)
    for place, factor in ((ring, 5), (rim, 4)):
        wrong = np.abs(shown - truth)[place].mean()
        assert wrong * factor < np.abs(halo - truth)[place].mean()
        assert wrong < 0.03
    far = (scene.alpha == 0) & ~ndimage.binary_dilation(scene.alpha > 0, iterations=30)
    far[:, :12] = far[:, -12:] = far[:12] = far[-12:] = False  # at the edges the truth of the test is none
    assert far.sum() > 500
    np.testing.assert_allclose(shown[far], truth[far], atol=0.005)
    stripes = np.abs(np.diff(scene.plate[5, :, 0])).max(), np.abs(np.diff(shown[5, :, 0])).max()
    assert stripes[1] < stripes[0] / 4


def through(pixels: NDArray[np.float32], size: float, lens: str) -> NDArray[np.float32]:
    """Return a picture blurred with nothing outside it that could darken its edges."""
    if lens == "Blur":
        return ndimage.gaussian_filter(pixels, (size / 2.355, size / 2.355, 0), mode="nearest")
    y, x = np.mgrid[-int(size) : int(size) + 1, -int(size) : int(size) + 1]
    disc = (x * x + y * y <= size * size).astype(np.float32)
    return np.stack(
        [ndimage.convolve(c, disc / disc.sum(), mode="nearest") for c in np.moveaxis(pixels, -1, 0)], -1
    )


def test_a_blur_behind_a_matte_alone_keeps_away_from_the_rim(stage: Stage) -> None:
    stage.deliver("matte")
    said = stage.build("blur", 24.0)
    assert "deliver: cutout" in said[1]
    shown, scene = stage.picture("Trackmatte_blur").rgb(), stage.scene
    truth = through(scene.background, 24, "Blur")
    ring = (scene.alpha == 0) & ndimage.binary_dilation(scene.alpha > 0, iterations=8)
    assert (
        np.abs(shown - truth)[ring].mean()
        < 0.3 * np.abs(through(scene.plate, 24, "Blur") - truth)[ring].mean()
    )


def test_despilled_is_straight_with_the_matte_in_alpha(stage: Stage) -> None:
    m = stage.running.module("model")
    stage.deliver("matte")
    with pytest.raises(m.NodeError, match="deliver: cutout"):
        stage.build("despill")
    stage.deliver("cutout")
    (said,) = stage.build("despill")
    shown = stage.picture(said.split()[0])
    np.testing.assert_array_equal(shown.rgb(), stage.scene.subject)
    np.testing.assert_array_equal(shown["rgba.alpha"], stage.scene.alpha)


def test_layers_are_added_to_the_plate(stage: Stage) -> None:
    m = stage.running.module("model")
    with pytest.raises(m.NodeError, match="deliver: multi"):
        stage.build("layers")
    stage.deliver("multi")
    (said,) = stage.build("layers")
    assert said.endswith("has the plate with dog.alpha, hero.alpha")
    shown = stage.picture(said.split()[0])
    np.testing.assert_array_equal(shown["hero.alpha"], stage.scene.alpha)
    np.testing.assert_array_equal(shown["dog.alpha"], stage.scene.alpha / 2)
    np.testing.assert_array_equal(shown.rgb(), stage.scene.plate)


def test_objects_that_touch_add_up_without_a_seam(stage: Stage) -> None:
    stage.give(("matte", ("left",), "left"))
    assert stage.running.nuke.toNode("Trackmatte_alpha").input(1).Class() == "Read"
    stage.give(("matte", ("left",), "left"), ("matte", ("right",), "right"))
    np.testing.assert_allclose(stage.picture("Trackmatte_alpha")["rgba.alpha"], stage.scene.alpha, atol=1e-6)
    again = stage.script()
    stage.give(("matte", ("left",), "left"), ("matte", ("right",), "right"))
    assert stage.script() == again
    (said, _) = stage.build("cutout")
    np.testing.assert_allclose(stage.picture(said.split()[0])["rgba.alpha"], stage.scene.alpha, atol=1e-6)


@pytest.mark.parametrize("harm", ["missing", "empty", "no EXR"])
def test_a_sequence_that_is_not_whole_is_refused(stage: Stage, harm: str) -> None:
    m = stage.running.module("model")
    path = stage.scene.folder / "matte.1002.exr"
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes(b"" if harm == "empty" else b"nonsense")
    what = "missing" if harm == "missing" else "damaged"
    before = stage.script()
    with pytest.raises(m.NodeError, match=rf"matte\.####\.exr is not whole \({what}: 1002\): press Matte"):
        stage.deliver("matte")
    assert stage.script() == before


def test_a_gap_in_the_plate_is_a_gap_in_the_matte(stage: Stage) -> None:
    m = stage.running.module("model")
    (stage.scene.folder / "matte.1002.exr").unlink()
    made = m.Result(
        "matte", ("hero",), f"{stage.scene.folder}/matte.####.exr", 4, ((1001, 1001), (1003, 1003)), ""
    )
    said = stage.running.module("results").check(made)
    assert said == ["matte.####.exr: complete, 2 frames 1001, 1003 (the plate lacks what is in between)"]


@pytest.mark.parametrize(
    ("shown", "given"),
    [("default (linear)", "linear"), ("sRGB", "sRGB"), ("Input - S-Log3 (Cine)", "Input - S-Log3 (Cine)")],
)
def test_a_cut_out_is_read_in_the_plates_colour_space(stage: Stage, shown: str, given: str) -> None:
    plate = stage.running.nuke.toNode("Read1")
    plate["colorspace"].setValue(shown)
    plate["raw"].setValue(shown == "sRGB")
    stage.deliver("cutout", "matte")
    read = stage.running.nuke.toNode("Trackmatte_cutout_hero")
    assert (read["colorspace"].value(), read["raw"].value()) == (given, shown == "sRGB")
    assert stage.running.nuke.toNode("Trackmatte_matte_hero")["raw"].value() is True


def test_errors_are_told_on_the_node_and_in_a_window(stage: Stage) -> None:
    stage.node["blur"].execute()
    assert stage.running.state.messages == ["there are no mattes yet: press Matte"]
    assert stage.node["status"].value() == "there are no mattes yet: press Matte"
    stage.deliver("cutout")
    stage.node["blur_size"].setValue(0)
    stage.node["blur"].execute()
    assert "choose a size above 0" in stage.running.state.messages[-1]
    stage.node["blur_size"].setValue(12)
    stage.node["lens"].setValue("ZDefocus2")
    stage.node["blur"].execute()
    assert stage.node["status"].value() == "Trackmatte_blur is the subject over its blurred background"
    assert [n["size"].value() for n in stage.running.nuke.allNodes("ZDefocus2")] == [12]
