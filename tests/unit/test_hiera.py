"""The refiner on SAM 2's own features: one encoder pass for tracker and all objects; on random weights."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests import disc
from trackmatte import weights
from trackmatte.errors import MissingPartError, UsageError
from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.prompt import Prompt
from trackmatte.shot import Shot

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("sam2", reason="sam2 is not installed")

from tests import micro  # noqa: E402
from trackmatte.refiners.hiera import HieraRefiner  # noqa: E402
from trackmatte.refiners.hiera_model import Encoder, pyramid, read_decoder, write_decoder  # noqa: E402
from trackmatte.refiners.mam_decoder import HIERA, M2M  # noqa: E402
from trackmatte.trackers.sam2 import SAM2Tracker  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
SIZE = (160, 96)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return micro.hiera(tmp_path_factory.mktemp("hiera"))


@pytest.fixture(scope="module")
def refiner(settings: dict[str, Any]) -> HieraRefiner:
    return HieraRefiner(device="cpu", **settings)


def frame(i: int = 0, size: tuple[int, int] = SIZE) -> Frame:
    return Frame(i, 1001 + i, Fraction(0), disc.plate_at(i, size))


def mask(size: tuple[int, int] = SIZE, name: str = "s") -> Mask:
    return Mask(0, name, ((disc.alpha_at(0, size) - 0.5) * 12).astype(np.float32), 1.0)


def counted(monkeypatch: pytest.MonkeyPatch, net: Any) -> list[int]:
    """Count the runs of a SAM 2's image encoder."""
    calls: list[int] = []
    real = net.forward_image
    monkeypatch.setattr(net, "forward_image", lambda image: (calls.append(len(image)), real(image))[1])
    return calls


def test_tracker_and_refiner_share_one_pass_and_the_matte_is_the_same(
    settings: dict[str, Any], refiner: HieraRefiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = SAM2Tracker(device="cpu", **{k: settings[k] for k in ("checkpoint", "config")})
    shared = HieraRefiner(encoder=tracker.model, **settings)
    tracker.prompt(frame(0), Prompt(1001, "s", mask=disc.alpha_at(0, SIZE) > 0.5))
    tracker.rewind()
    tracker.step(frame(0))
    calls = counted(monkeypatch, tracker.model.net)
    plate = frame(1)
    look = tracker.model.encode(tracker.model.prepare(plate.display()))
    (tracked,) = tracker.step(plate, look)
    given = shared.refine(plate, tracked, features=look).alpha
    assert calls == [1]
    own = refiner.refine(frame(1), tracked).alpha
    assert given.tobytes() == own.tobytes()
    assert len(np.unique(given)) > 100
    elsewhere = tracker.model.encode(tracker.model.prepare(frame(9).display()))
    assert not np.array_equal(shared.refine(frame(1), tracked, features=elsewhere).alpha, own)


def test_objects_of_a_frame_share_one_pass(refiner: HieraRefiner, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = counted(monkeypatch, refiner.model.encoder.net)
    plate = frame()
    moved = Mask(0, "b", np.roll(mask().logits, 40, 1), 1.0)
    one, two = refiner.refine(plate, mask()).alpha, refiner.refine(plate, moved).alpha
    assert calls == [1]
    refiner.refine(frame(2), mask())
    assert calls == [1, 1]
    refiner.reset()
    assert refiner.refine(plate, moved).alpha.tobytes() == two.tobytes()
    assert calls == [1, 1, 1]
    assert not np.array_equal(one, two)


def test_another_frame_of_the_same_number_is_not_taken_for_the_last(refiner: HieraRefiner) -> None:
    bright = Frame(0, 1001, Fraction(0), 255 - disc.plate_at(0, SIZE))
    assert not np.array_equal(refiner.refine(frame(), mask()).alpha, refiner.refine(bright, mask()).alpha)


def test_features_are_the_pyramid_before_memory(refiner: HieraRefiner) -> None:
    encoder = refiner.model.encoder
    image, features = refiner.model.encode(frame().display())
    with torch.inference_mode():
        levels = encoder.net.forward_image(image)["backbone_fpn"]
    coarse, middle, fine = pyramid(features)
    assert [tuple(x.shape) for x in (coarse, middle, fine)] == [
        (1, 256, 8, 8),
        (1, 64, 16, 16),
        (1, 32, 32, 32),
    ]
    for ours, theirs in zip((fine, middle, coarse), levels, strict=True):
        assert torch.equal(ours, theirs)


def test_every_level_counts_and_folding_changes_nothing() -> None:
    torch.manual_seed(3)
    net = M2M(HIERA)
    net.load_state_dict(micro.m2m_weights(net))
    net.eval()
    shapes = [(2, 256, 2, 3), (2, 3, 32, 48), (2, 1, 8, 12), (2, 64, 4, 6), (2, 32, 8, 12)]
    given = [torch.randn(s) for s in shapes]
    with torch.no_grad():
        plain = net(*given)
        for fast, slow in zip(net.fold()(*given), plain, strict=True):
            assert float((fast - slow).abs().max()) < 1e-5
        for i in range(len(given)):
            changed = net(*(x + 0.5 * (n == i) for n, x in enumerate(given)))
            assert float((changed.os1 - plain.os1).abs().max()) > 1e-3
        with pytest.raises(UsageError, match="finer features of shapes"):
            net(*given[:4])


def test_the_decoder_is_as_large_as_said() -> None:
    net = M2M(HIERA)
    assert sum(p.numel() for p in net.parameters() if p.requires_grad) == 3_187_899
    published = M2M()
    assert set(net.state_dict()) == set(published.state_dict())


def test_alpha_changes_near_the_contour_only_and_the_region_changes_nothing(refiner: HieraRefiner) -> None:
    from trackmatte.refiners.region import Region

    size = (480, 270)
    alpha = refiner.refine(frame(0, size), mask(size)).alpha
    changed = alpha != (mask(size).logits > 0)
    assert 0.02 < changed.mean() < 0.5
    assert 0 <= alpha.min() <= alpha.max() <= 1
    region = Region(64, 0, 320, 256)
    np.testing.assert_array_equal(refiner.refine(frame(0, size), mask(size), None, region).alpha, alpha)
    hair = np.zeros(size[::-1], np.bool_)
    hair[:, 236:] = True  # the disc ends at 222
    brushed = refiner.refine(frame(0, size), mask(size), hair).alpha
    assert (brushed[:, 236:] != alpha[:, 236:]).any()
    np.testing.assert_array_equal(brushed[:, :236], alpha[:, :236])


def test_a_mask_at_any_scale(refiner: HieraRefiner) -> None:
    m = mask((320, 192))
    small = Mask(0, "s", cv2.resize(m.logits, (80, 48), interpolation=cv2.INTER_AREA), 1.0)
    a, b = (refiner.refine(frame(), x).alpha for x in (m, small))
    assert np.abs(a - b).mean() < 0.03


def test_a_decoder_of_another_sam2_is_refused(settings: dict[str, Any], tmp_path: Path) -> None:
    other = micro.checkpoint(tmp_path, seed=1)
    with pytest.raises(
        MissingPartError, match=r"was trained on another SAM 2 .* than .*take that one, or train"
    ):
        HieraRefiner(device="cpu", **(settings | {"checkpoint": str(other)}))
    HieraRefiner.settle(settings)


def test_wrong_files_and_settings(settings: dict[str, Any], tmp_path: Path) -> None:
    good = torch.load(settings["decoder"], weights_only=True)
    files = {
        "newer": {**good, "version": 2},
        "bare": good["state_dict"],
        "nameless": {k: v for k, v in good.items() if k != "encoder"},
        "published": {**good, "state_dict": M2M().state_dict()},
    }
    for name, content in files.items():
        torch.save(content, tmp_path / f"{name}.pt")
    (tmp_path / "cut.pt").write_bytes(Path(settings["decoder"]).read_bytes()[:1000])
    cases = [
        ({"decoder": None}, MissingPartError, "needs a decoder, and none is published.*train-refiner"),
        ({"decoder": "nowhere.pt"}, MissingPartError, "no checkpoint nowhere.pt"),
        ({"decoder": str(tmp_path / "newer.pt")}, MissingPartError, "version 2, but only 1"),
        ({"decoder": str(tmp_path / "bare.pt")}, MissingPartError, "no decoder for SAM 2's features"),
        ({"decoder": str(tmp_path / "nameless.pt")}, MissingPartError, "does not say what it was trained on"),
        ({"decoder": str(tmp_path / "published.pt")}, MissingPartError, "another shape of layer3"),
        ({"decoder": str(tmp_path / "cut.pt")}, MissingPartError, r"cut\.pt is damaged"),
        ({"sha256": "0" * 64}, MissingPartError, "not the decoder that the shot was refined with"),
        (
            {"checkpoint": None, "config": None},
            MissingPartError,
            "trained on the checkpoint micro.*not installed",
        ),
        ({"wibble": 1}, UsageError, "no setting 'wibble'"),
        ({"image_size": 100}, UsageError, "multiple of 32"),
        ({"precision": "int8"}, UsageError, "must be one of: auto"),
    ]
    for change, kind, says in cases:
        with pytest.raises(kind, match=says) as error:
            HieraRefiner(device="cpu", **(settings | change))
        assert "\n" not in str(error.value)


def test_settled_settings_pin_the_decoder_and_the_size(settings: dict[str, Any]) -> None:
    settled = HieraRefiner.settle(settings)
    assert settled["image_size"] == micro.SIZE
    assert len(settled["sha256"]) == 64
    assert HieraRefiner.settle(settled) == settled


def test_installed_weights_are_found_by_the_decoder_alone(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path / "weights"))
    old = read_decoder(Path(settings["decoder"]))
    net = M2M(HIERA)
    net.load_state_dict(old.weights)
    write_decoder(tmp_path / "mine.pt", net, Encoder("tracker", old.encoder.sha256, 64), 7)
    weights.add(Path(settings["checkpoint"]), name="tracker", config=settings["config"], family="sam2")
    weights.add(tmp_path / "mine.pt", name="hair")
    settled = HieraRefiner.settle({"decoder": "hair"})
    assert {k: settled[k] for k in ("decoder", "model", "image_size")} == {
        "decoder": "hair",
        "model": "tracker",
        "image_size": 64,
    }
    assert HieraRefiner(device="cpu", **settled).model.encoder.size == 64


def test_through_the_shot(settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKMATTE_DEVICE", "cpu")
    clip = disc.write_frames(tmp_path / "plate", 3)
    path = tmp_path / "a.shot.json"
    with Shot.new(path, clip, tracker="fake", refiner="hiera", refiner_settings=settings) as shot:
        for name, by in (("a", 0), ("b", 40)):
            shot.add(Prompt(1001, name, mask=np.roll(disc.alpha_at(0, SIZE) > 0.5, by, 1)))
        list(shot.track())
        assert len(list(shot.matte())) == 3
        shot.save()
    with Shot.open(path) as again:
        assert list(again.matte()) == []
        for name in ("a", "b"):
            alpha = again.read_matte(name, 1002).alpha
            assert alpha.shape == SIZE[::-1]
            assert 0.01 < ((alpha > 0) & (alpha < 1)).mean() < 0.5
