"""Matting Anything as a refiner: region, tiles, stills, the wrong files; on random weights."""

from __future__ import annotations

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


def test_wrong_files_and_settings(settings: dict[str, Any], tmp_path: Path) -> None:
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
    cut = tmp_path / "cut.pt"
    cut.write_bytes(Path(settings["checkpoint"]).read_bytes()[:1000])
    with pytest.raises(MissingPartError, match=r"cut\.pt"):
        MamRefiner(device="cpu", **(settings | {"checkpoint": str(cut)}))


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
