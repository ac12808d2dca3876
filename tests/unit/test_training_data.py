"""Composites: exact where they can be, the same again, and one clear error for each bad picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import OpenImageIO as oiio
import pytest

from tests import cutouts

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("sam2", reason="sam2 is not installed")

from trackmatte.errors import ClipError  # noqa: E402
from trackmatte.training import augment  # noqa: E402
from trackmatte.training.dataset import Dataset, Sample, read_foreground  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cutouts.write(tmp_path_factory.mktemp("set"), fg=3, bg=2)


def same(a: Sample, b: Sample) -> bool:
    return all(np.array_equal(getattr(a, k), getattr(b, k)) for k in Sample.__slots__)


def write_rgba(path: Path, rgba: np.ndarray, *, straight: bool = True) -> Path:
    h, w, c = rgba.shape
    spec = oiio.ImageSpec(w, h, c, "float" if rgba.dtype == np.float32 else str(rgba.dtype))
    if straight:
        spec.attribute("oiio:UnassociatedAlpha", 1)
    out = oiio.ImageOutput.create(path.suffix[1:])
    assert out.open(str(path), spec)
    assert out.write_image(rgba)
    out.close()
    return path


def test_samples_depend_on_seed_and_number_alone(folder: Path) -> None:
    one, two = Dataset(folder, 96), Dataset(folder, 96)
    backwards = {n: two.sample(5, n) for n in (9, 4, 0)}
    assert all(same(one.sample(5, n), backwards[n]) for n in (0, 4, 9))
    assert not same(one.sample(5, 0), one.sample(6, 0))
    batches = [list(d.batches(5, 3, 1, 3, workers=w)) for d, w in ((one, 1), (two, 3))]
    assert [b.rgb.shape for b in batches[0]] == [(3, 96, 96, 3)] * 2
    assert all(same(a, b) for a, b in zip(*batches, strict=True))
    assert np.array_equal(batches[0][0].alpha[0], one.sample(5, 3).alpha)


def test_every_foreground_comes_once_a_turn(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Dataset(folder, 96)
    seen: list[str] = []
    real = data._foreground
    monkeypatch.setattr(data, "_foreground", lambda p: (seen.append(p.name), real(p))[1])
    for n in range(12):
        data.sample(0, n)
    turns = [seen[i : i + 3] for i in range(0, 12, 3)]
    assert all(sorted(t) == ["0.png", "1.png", "2.png"] for t in turns)
    assert len({tuple(t) for t in turns}) > 1


def test_composites_are_subject_over_background() -> None:
    red = np.zeros((60, 90, 4), np.uint8)
    red[10:50, 20:80] = (255, 0, 0, 255)
    red[10:50, 20:40, 3] = 128
    alpha = red[..., 3].astype(np.float32) / 255
    blue = np.zeros((50, 50, 3), np.uint8)
    blue[..., 2] = 200
    for seed in range(20):
        rng = np.random.default_rng(seed)
        plate, truth = augment.composite(red[..., :3], alpha, blue, 64, rng)
        assert (truth > 0.5).mean() >= augment.LEAST
        subject = plate[truth == 1].mean(0)
        over = truth[..., None] * subject + (1 - truth[..., None]) * (0, 0, 200)
        np.testing.assert_allclose(plate + 0.0, over, atol=2)
        np.testing.assert_array_equal(
            plate[truth == 0], np.broadcast_to((0, 0, 200), plate[truth == 0].shape)
        )
        assert 0 <= truth.min() <= truth.max() <= 1


def test_no_dark_rim_comes_from_the_empty_pixels_around() -> None:
    white = np.zeros((80, 80, 4), np.uint8)
    white[20:60, 20:60] = 255  # empty pixels are black beneath
    alpha = white[..., 3].astype(np.float32) / 255
    back = np.full((80, 80, 3), 255, np.uint8)
    for seed in range(10):
        plate, _ = augment.composite(white[..., :3], alpha, back, 64, np.random.default_rng(seed))
        # white over white stays white, but for the jitter of the subject's value
        assert plate.min() >= 255 * 0.8 - 2


def test_a_fine_subject_is_reduced_without_holes() -> None:
    rgba = np.zeros((1600, 1600), np.float32)
    rgba[:, ::8] = 1  # lines of 1 px: an eighth of the area
    held = np.dstack([rgba] * 4)
    small = augment._warp(held, np.array([[0.02, 0, 16], [0, 0.02, 16]], np.float32), 64)
    assert small[20:44, 20:44, 3].std() < 0.02
    assert small[20:44, 20:44, 3].mean() == pytest.approx(1 / 8, abs=0.01)


def test_warping_is_exact_to_the_half_pixel() -> None:
    held = np.zeros((40, 40, 4), np.float32)
    held[10:30, 10:30] = 1
    for scale in (0.5, 1.0, 2.0):
        move = np.array([[scale, 0, 0], [0, scale, 0]], np.float32)
        placed = augment._warp(held, move, round(40 * scale))[..., 3]
        middle = (np.arange(len(placed)) + 0.5) @ placed.sum(0) / placed.sum()
        assert middle == pytest.approx(20 * scale, abs=1e-3)
        assert placed.sum() == pytest.approx(400 * scale**2, rel=0.02)


def test_guides_and_unknown_bands(folder: Path) -> None:
    data = Dataset(folder, 128)
    shares, overlaps = [], []
    for n in range(40):
        s = data.sample(1, n)
        assert s.guide.shape == (32, 32)
        assert set(np.unique(s.guide)) <= {0, 1}
        assert s.guide.any()
        assert set(np.unique(s.unknown)) <= {0, 1}
        assert (s.unknown[(s.alpha > 0.01) & (s.alpha < 0.99)] == 1).all()
        known = s.alpha[s.unknown == 0]
        assert ((known < 0.01) | (known > 0.99)).all()
        truth = cv2.resize(s.alpha, (32, 32), interpolation=cv2.INTER_AREA) > 0.5
        shares.append(s.guide.sum() / truth.sum())
        overlaps.append((truth & (s.guide > 0)).sum() / (truth | (s.guide > 0)).sum())
    assert min(shares) < 0.9
    assert max(shares) > 1.1
    assert np.mean(overlaps) > 0.7
    assert min(overlaps) < 0.9


def test_premultiplied_and_straight_files_give_the_same(tmp_path: Path) -> None:
    alpha = np.zeros((32, 32), np.float32)
    alpha[4:20, 4:28] = np.linspace(0.2, 1, 24)
    colour = np.full((32, 32, 3), (0.6, 0.3, 0.1), np.float32)
    straight = np.rint(np.dstack([colour, alpha]) * 255).astype(np.uint8)
    png, a = read_foreground(write_rgba(tmp_path / "a.png", straight))
    held = np.dstack([colour * alpha[..., None], alpha]).astype(np.float32)
    tif8 = np.rint(held * 255).astype(np.uint8)
    tif, b = read_foreground(write_rgba(tmp_path / "b.tif", tif8, straight=False))
    np.testing.assert_allclose(a, alpha, atol=0.003)
    np.testing.assert_allclose(b, alpha, atol=0.003)
    solid = alpha > 0.3
    np.testing.assert_allclose(tif[solid] + 0.0, png[solid], atol=4)
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    held = np.dstack([linear * alpha[..., None], alpha]).astype(np.float32)
    exr, c = read_foreground(write_rgba(tmp_path / "c.exr", held, straight=False))
    np.testing.assert_allclose(c, alpha, atol=1e-6)
    np.testing.assert_allclose(exr[solid] + 0.0, png[solid], atol=1)


def test_bad_data_sets_get_one_clear_error_each(folder: Path, tmp_path: Path) -> None:
    for name in ("none", "empty", "nobg"):
        (tmp_path / name).mkdir()
    (tmp_path / "empty" / "fg").mkdir()
    (tmp_path / "nobg" / "fg").symlink_to(folder / "fg")
    cases = [
        ("none", "there is no folder .*fg; a data set is"),
        ("empty", "fg holds no pictures"),
        ("nobg", "no folder .*bg"),
    ]
    for name, says in cases:
        with pytest.raises(ClipError, match=says):
            Dataset(tmp_path / name, 64)
    assert Dataset(tmp_path / "nobg", 64, backgrounds=[folder / "bg" / "0.png"]).bg

    rgba = cutouts.cutout(np.random.default_rng(0), 48)
    opaque, clear = rgba.copy(), rgba.copy()
    opaque[..., 3], clear[..., 3] = 255, 0
    whole = write_rgba(tmp_path / "whole.png", rgba).read_bytes()
    files = {
        "plain.png": (
            "has no alpha channel",
            write_rgba(tmp_path / "p.png", rgba[..., :3].copy()).read_bytes(),
        ),
        "opaque.png": ("opaque throughout", write_rgba(tmp_path / "o.png", opaque).read_bytes()),
        "clear.png": ("transparent throughout", write_rgba(tmp_path / "c.png", clear).read_bytes()),
        "cut.png": ("cannot be read", whole[:200]),
        "text.png": ("cannot be read", b"hello"),
        "nothing.png": ("cannot be read", b""),
    }
    for name, (says, data) in files.items():
        place = tmp_path / name.replace(".", "_")
        (place / "fg").mkdir(parents=True)
        (place / "bg").symlink_to(folder / "bg")
        (place / "fg" / name).write_bytes(data)
        with pytest.raises(ClipError, match=says) as error:
            Dataset(place, 64).check()
        assert name in str(error.value)
        assert "\n" not in str(error.value)
    (tmp_path / "badbg" / "bg").mkdir(parents=True)
    (tmp_path / "badbg" / "fg").symlink_to(folder / "fg")
    (tmp_path / "badbg" / "bg" / "x.jpg").write_bytes(b"no")
    with pytest.raises(ClipError, match=r"x\.jpg cannot be read"):
        Dataset(tmp_path / "badbg", 64).sample(0, 0)


def test_identity_sees_other_pictures(tmp_path: Path) -> None:
    folder = cutouts.write(tmp_path / "a", fg=1, bg=1)
    before = Dataset(folder, 64).identity()
    assert Dataset(folder, 96).identity() == before
    (folder / "fg" / "new.png").write_bytes((folder / "fg" / "0.png").read_bytes())
    assert Dataset(folder, 64).identity() != before
