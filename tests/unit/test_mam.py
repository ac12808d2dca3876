"""Matting Anything as a refiner: region, tiles, stills, the wrong files; on random weights."""

from __future__ import annotations

import gc
import pickle
import weakref
from collections.abc import Callable
from fractions import Fraction
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests import disc
from trackmatte.cli import main
from trackmatte.errors import MissingPartError, UsageError
from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.prompt import Box, Point, Prompt
from trackmatte.refiners.region import Region, bounds_of
from trackmatte.shot import Shot

torch = pytest.importorskip("torch", reason="torch is not installed")
if find_spec("segment_anything") is None:  # its own __init__ needs torchvision, which we do not
    pytest.skip("segment-anything is not installed", allow_module_level=True)

from tests import micro  # noqa: E402
from trackmatte.refiners.mam import OVERLAP, MamRefiner, ramp, starts  # noqa: E402
from trackmatte.refiners.mam_model import MamModel  # noqa: E402
from trackmatte.refiners.sam1 import SIZES, Size  # noqa: E402


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return micro.mam(tmp_path_factory.mktemp("mam"))


def frame(size: tuple[int, int]) -> Frame:
    return Frame(0, 1001, Fraction(0), disc.plate_at(0, size))


def mask(size: tuple[int, int]) -> Mask:
    return Mask(0, "s", ((disc.alpha_at(0, size) - 0.5) * 12).astype(np.float32), 1.0)


def test_alpha_changes_near_the_contour_only_and_everywhere_there(settings: dict[str, Any]) -> None:
    size = (480, 270)
    m = mask(size)
    alpha = MamRefiner(device="cpu", **settings).refine(frame(size), m).alpha
    hard = (m.logits > 0).astype(np.float32)
    changed = alpha != hard
    assert 0.02 < changed.mean() < 0.5
    assert 0 <= alpha.min() <= alpha.max() <= 1
    assert len(np.unique(alpha)) > 100


def test_a_region_of_the_shot_is_what_is_worked_on(settings: dict[str, Any]) -> None:
    size = (480, 270)
    refiner = MamRefiner(device="cpu", **settings)
    whole = refiner.refine(frame(size), mask(size), None, Region(0, 0, 480, 270)).alpha
    small = refiner.refine(frame(size), mask(size), None, Region(64, 0, 320, 256)).alpha
    assert not np.array_equal(whole, small)
    np.testing.assert_array_equal(small[:, 400:], 0)


def test_tiles_cover_cross_fade_and_agree_with_one_tile(settings: dict[str, Any]) -> None:
    for length in (1, 255, 256, 257, 384, 1000, 4096):
        at = starts(length, 256)
        total = np.zeros(length, np.float32)
        for x in at:
            end = min(length, x + 256)
            total[x:end] += ramp(end - x, x > 0, end < length)
        assert at[0] == 0
        assert at[-1] + 256 >= length
        assert all(b - a <= 256 - OVERLAP for a, b in pairwise(at))
        assert total.min() > 0
    size = (640, 360)
    whole = (frame(size), mask(size), None, Region(0, 0, 640, 360))
    tiles = MamRefiner(device="cpu", quality="tiles", **settings).refine(*whole).alpha
    fast = MamRefiner(device="cpu", **settings).refine(*whole).alpha
    assert not np.array_equal(tiles, fast)
    small = (200, 120)
    one, other = (
        MamRefiner(device="cpu", quality=q, **settings).refine(frame(small), mask(small)).alpha
        for q in ("tiles", "fast")
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (641, 37), (97, 301)])
def test_stills_of_any_size(settings: dict[str, Any], size: tuple[int, int]) -> None:
    model = MamRefiner(device="cpu", **settings).model
    rgb = disc.plate_at(0, size)
    for prompt in (
        Prompt(0, points=(Point(0.4, 0.5), Point(0.9, 0.9, 0))),
        Prompt(0, box=Box(0.2, 0.2, 0.6, 0.8)),
        Prompt(0, points=(Point(0.4, 0.5),), box=Box(0.2, 0.2, 0.6, 0.8)),
    ):
        alpha = model.still(rgb, prompt)
        assert alpha.shape == size[::-1]
        assert np.isfinite(alpha).all()
        assert 0 <= alpha.min() <= alpha.max() <= 1


def test_a_mask_that_touches_every_border(settings: dict[str, Any]) -> None:
    logits = np.full((96, 160), 4, np.float32)
    logits[30:60, 60:100] = -4
    alpha = MamRefiner(device="cpu", **settings).refine(frame((160, 96)), Mask(0, "s", logits, 1.0)).alpha
    assert (alpha[0] == 1).all()
    assert (alpha[:, -1] == 1).all()


def test_wrong_files_and_settings(settings: dict[str, Any]) -> None:
    cases = [
        ({"quality": "best"}, UsageError, "must be one of: fast, tiles"),
        ({"wibble": 1}, UsageError, "no setting 'wibble'"),
        ({"size": None}, UsageError, "needs encoder=FILE"),
        ({"size": "x"}, UsageError, "size 'x' must be one of"),
        ({"checkpoint": "nowhere.pt"}, MissingPartError, "no checkpoint nowhere.pt"),
        ({"checkpoint": settings["encoder"]}, MissingPartError, "does not fit"),
        ({"encoder": settings["checkpoint"]}, MissingPartError, "does not fit SAM 1"),
        ({"sha256": "0" * 64}, MissingPartError, "not the weights that the shot was refined with"),
    ]
    for change, kind, says in cases:
        with pytest.raises(kind, match=says) as error:
            MamRefiner(device="cpu", **(settings | change))
        assert "\n" not in str(error.value)


def altered(path: str, to: Path, change: Callable[[dict[str, Any]], None]) -> str:
    """Write a checkpoint with some of its weights changed, and return where."""
    stored = torch.load(path, weights_only=True)
    change(stored.get("state_dict", stored))
    torch.save(stored, to)
    return str(to)


def shorter(weights: dict[str, Any]) -> None:
    """Take a block out: the decoder of another layout."""
    for name in [k for k in weights if ".layer3.2." in k]:
        del weights[name]


def narrower(weights: dict[str, Any]) -> None:
    """Halve a layer: the decoder of another width."""
    name = next(k for k in weights if k.endswith("refine_OS4.0.weight"))
    weights[name] = weights[name][:16]


def broken(weights: dict[str, Any]) -> None:
    """Put one value in that is not a number."""
    name = [k for k in weights if k.endswith("weight")][-1]
    weights[name] = weights[name].clone()
    weights[name].view(-1)[7] = float("nan")


class Bomb:
    """Runs code when a careless reader unpickles it."""

    def __init__(self, at: Path) -> None:
        self.at = at

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.at,)


@pytest.mark.parametrize("part", ["checkpoint", "encoder"])
class TestFilesThatAreNotTheWeights:
    def refused(self, settings: dict[str, Any], part: str, path: Path | str) -> str:
        with pytest.raises(MissingPartError) as error:
            MamRefiner(device="cpu", **(settings | {part: str(path)}))
        said = str(error.value)
        assert str(path) in said
        assert "\n" not in said
        assert "weights_only" not in said, "torch's advice to load it unsafely must not be passed on"
        if part == "checkpoint":
            assert "weights fetch" not in said, "it is on Google Drive: there is nothing to fetch"
            assert "trackmatte weights" in said
        return said

    @pytest.mark.parametrize("kept", [0, 1000, 0.5, 0.99], ids=str)
    def test_truncated(self, settings: dict[str, Any], tmp_path: Path, part: str, kept: float) -> None:
        data = Path(settings[part]).read_bytes()
        path = tmp_path / "cut.pt"
        path.write_bytes(data[: int(kept * len(data)) if 0 < kept < 1 else int(kept)])
        assert "damaged" in self.refused(settings, part, path)

    def test_bytes_in_the_middle_zeroed(self, settings: dict[str, Any], tmp_path: Path, part: str) -> None:
        data = bytearray(Path(settings[part]).read_bytes())
        data[: len(data) // 2] = bytes(len(data) // 2)
        (tmp_path / "zeros.pt").write_bytes(data)
        self.refused(settings, part, tmp_path / "zeros.pt")

    def test_weights_that_are_not_numbers(self, settings: dict[str, Any], tmp_path: Path, part: str) -> None:
        path = altered(settings[part], tmp_path / "nan.pt", broken)
        assert "not numbers" in self.refused(settings, part, path)

    @pytest.mark.parametrize("form", ["zip", "bare"])
    def test_code_in_a_pickle_is_never_run(
        self, settings: dict[str, Any], tmp_path: Path, part: str, form: str
    ) -> None:
        path, mark = tmp_path / "bomb.pt", tmp_path / "ran"
        if form == "zip":
            torch.save({"state_dict": {"a": torch.zeros(1)}, "more": Bomb(mark)}, path)
        else:
            path.write_bytes(pickle.dumps({"state_dict": Bomb(mark)}, protocol=2))
        self.refused(settings, part, path)
        assert not mark.exists()
        if form == "bare":
            pickle.loads(path.read_bytes())
            assert mark.exists(), "the bomb is no bomb, so this test shows nothing"


@pytest.mark.parametrize("change", [shorter, narrower])
def test_a_decoder_of_another_layout(
    settings: dict[str, Any], tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    path = altered(settings["checkpoint"], tmp_path / "other.pt", change)
    with pytest.raises(MissingPartError, match=r"other\.pt does not fit the Matting Anything decoder"):
        MamRefiner(device="cpu", **(settings | {"checkpoint": path}))


def test_an_encoder_of_another_size(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "other", Size(48, 2, 2, (1,), 256))
    with pytest.raises(MissingPartError, match=r"does not fit SAM 1: .*another shape.*decoder's size"):
        MamRefiner(device="cpu", **(settings | {"size": "other"}))


def test_settled_settings_name_the_files_contents(settings: dict[str, Any]) -> None:
    settled = MamRefiner.settle(settings)
    assert len(settled["sha256"]) == 64
    assert MamRefiner.settle(settled) == settled


def test_through_the_shot_with_a_region_that_is_part_of_the_key(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKMATTE_DEVICE", "cpu")
    clip = disc.write_frames(tmp_path / "plate", 4, (320, 180))
    shot = Shot.new(tmp_path / "a.shot.json", clip, tracker="fake", refiner="mam", refiner_settings=settings)
    shot.add(Prompt(1001, mask=disc.alpha_at(0, (320, 180)) > 0.5))
    for number in shot.numbers():  # tracked by hand
        logits = mask((320, 180)).logits
        box = list(bounds_of(Mask(0, "s", logits, 1.0)) or ())
        shot.cache.write("track", "subject", number, logits, {"key": "k", "content": "c", "box": box})
    assert [p.frame for p in shot.matte()] == [1001, 1002, 1003, 1004]
    assert list(shot.matte()) == []
    alpha = shot.read_matte("subject", 1002).alpha
    assert len(np.unique(alpha)) > 20
    logits[:] = 5
    shot.cache.write("track", "subject", 1004, logits, {"key": "k", "content": "d", "box": [0, 0, 1, 1]})
    assert len(list(shot.matte())) == 4  # the region grew


@pytest.mark.parametrize("stopped", [False, True], ids=["to the end", "stopped"])
def test_networks_are_loaded_once_a_pass_and_let_go_after_it(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    monkeypatch.setenv("TRACKMATTE_DEVICE", "cpu")
    alive: list[weakref.ref[Any]] = []
    whole = MamModel.__init__

    def noted(self: MamModel, *args: Any, **kwargs: Any) -> None:
        whole(self, *args, **kwargs)
        alive.extend(weakref.ref(x) for x in (self, self.sam, self.decoder))

    monkeypatch.setattr(MamModel, "__init__", noted)
    clip = disc.write_frames(tmp_path / "plate", 3, (160, 96))
    shot = Shot.new(tmp_path / "a.shot.json", clip, tracker="fake", refiner="mam", refiner_settings=settings)
    shot.doc.steady = 1.0
    for obj in ("a", "b"):
        shot.add(Prompt(1001, obj, mask=disc.alpha_at(0, (160, 96)) > 0.5))
    assert len(list(shot.track())) == 3
    assert not alive
    steps = shot.matte()
    for done, step in enumerate(steps, 1):
        gc.collect()
        assert len(alive) == 3, "made once, for all objects and frames"
        assert (alive[0]() is not None) == (step.stage == "refine"), "gone before the steady pass"
        if stopped and done == 2:
            steps.close()
    gc.collect()
    assert [ref() for ref in alive] == [None] * 3
    if not stopped:
        assert list(shot.matte()) == []
        assert len(alive) == 3, "nothing to do, nothing loaded"


def test_matte_still_on_the_command_line(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKMATTE_DEVICE", "cpu")
    image = tmp_path / "dog.png"
    cv2.imwrite(str(image), cv2.cvtColor(disc.plate_at(0, (160, 96)), cv2.COLOR_RGB2BGR))
    mam = [f"--set=refiner.{k}={v}" for k, v in settings.items()]
    words = ["matte-still", str(image), "--box", "0.2,0.2,0.6,0.8", "--format", "png"]
    assert main([*words, "--refiner", "mam", *mam, "--out", str(tmp_path / "mam")]) == 0
    assert main([*words, "--refiner", "closed_form", "--out", str(tmp_path / "band")]) == 0
    one, two = (cv2.imread(str(next((tmp_path / n).glob("*.png"))), -1) for n in ("mam", "band"))
    assert one.shape[:2] == two.shape[:2] == (96, 160)
    truth = disc.alpha_at(0, (160, 96))
    assert np.abs(two.reshape(96, 160, -1)[..., 0] / 65535 - truth).mean() < 0.03
    assert main([*words, "--refiner", "closed_form", "--out", str(tmp_path / "band")]) == 6
    odd = [*words, "--refiner", "closed_form", "--set", "wibble=1", "--out", str(tmp_path / "odd")]
    assert main(odd) == 2
