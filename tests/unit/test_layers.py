"""Semantic soft segmentation: its parts against plain algebra, the whole on pictures with known layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pymatting
import pytest
from numpy.typing import NDArray
from scipy.special import erf

from trackmatte.errors import UsageError
from trackmatte.numerics.eigen import smallest_eigenvectors
from trackmatte.numerics.laplacian import Operator, full_laplacian
from trackmatte.numerics.relax import FAITHFUL, SPARSE, WHOLE, energy, relax, softness
from trackmatte.numerics.spectral import pulls
from trackmatte.numerics.superpixels import slic_segments
from trackmatte.select.affinity import describe, links, reduce_features
from trackmatte.select.layers import Making, group, group_as, soft_layers

F32 = NDArray[np.float32]
QUICK = Making(count=3, superpixels=150, eigenvectors=20, components=8)


def picture(height: int = 60, width: int = 80) -> tuple[F32, F32]:
    """Sky, ground and a soft ball, textured; (h, w, 3) and their true layers (h, w, 3)."""
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    ball = np.clip((16 * height / 60 - np.hypot(x - width / 2, y - height / 2)) / 5 + 0.5, 0, 1)
    sky = (1 - ball) * np.clip((height * 0.55 - y) / 2 + 0.5, 0, 1)
    true = np.stack([sky, 1 - ball - sky, ball], -1).astype(np.float32)
    colours = np.array([[0.35, 0.55, 0.95], [0.2, 0.45, 0.1], [0.9, 0.35, 0.1]], np.float32)
    grain = cv2.GaussianBlur(rng.normal(0, 0.06, (height, width, 3)).astype(np.float32), (0, 0), 2)
    return np.clip(true @ colours + grain, 0, 1), true


def best(found: F32, true: F32) -> list[float]:
    """Return for each true layer the mean error of the found layer that is nearest."""
    return [
        min(float(np.abs(found[..., j] - true[..., i]).mean()) for j in range(found.shape[2]))
        for i in range(true.shape[2])
    ]


def check(found: F32, shape: tuple[int, ...]) -> None:
    assert found.shape == shape
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1
    assert np.abs(found.sum(-1) - 1).max() < 1e-5
    sizes = found.sum((0, 1))
    assert (np.diff(sizes) <= 1e-2 * sizes.sum()).all()


def test_layers_are_the_things_in_the_picture() -> None:
    rgb, true = picture()
    found = soft_layers(rgb, how=QUICK)
    check(found, true.shape)
    assert max(best(found, true)) < 0.05
    soft = (true[..., 2] > 0.2) & (true[..., 2] < 0.8)
    ball = found[..., int(np.argmin([np.abs(found[..., j] - true[..., 2]).mean() for j in range(3)]))]
    assert np.corrcoef(ball[soft], true[..., 2][soft])[0, 1] > 0.8  # the ball's edge stays soft
    assert np.array_equal(found, soft_layers(rgb, how=QUICK))


def test_the_coarse_way_finds_what_the_direct_one_does() -> None:
    rgb, true = picture()
    direct = soft_layers(rgb, how=QUICK)
    coarse = soft_layers(rgb, how=Making(**{**as_dict(QUICK), "coarse": 1200}))
    check(coarse, true.shape)
    assert max(best(coarse, direct)) < 0.05
    assert not np.array_equal(coarse, direct)


def test_large_pictures_are_worked_on_reduced() -> None:
    rgb, true = picture(150, 200)
    found = soft_layers(rgb, how=Making(**{**as_dict(QUICK), "pixels": 4800}))
    check(found, true.shape)
    assert max(best(found, true)) < 0.06


def as_dict(how: Making) -> dict[str, Any]:
    return {name: getattr(how, name) for name in Making.__slots__}


def test_features_decide_what_belongs_together() -> None:
    rgb, _ = picture()
    left = np.zeros((60, 80, 1), np.float32)
    left[:, :40] = 1  # an encoder that knows left from right only
    how = Making(**{**as_dict(QUICK), "count": 2})
    found = soft_layers(rgb, left, how)
    check(found, (60, 80, 2))
    sides = np.abs(found[:, :30].mean((0, 1)) - found[:, 50:].mean((0, 1)))
    plain = soft_layers(rgb, how=how)
    assert sides.max() > np.abs(plain[:, :30].mean((0, 1)) - plain[:, 50:].mean((0, 1))).max() + 0.2


def test_sam2_features_are_taken(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("sam2", reason="sam2 is not installed")
    from tests import micro
    from trackmatte.shot.layering import encoded
    from trackmatte.trackers.sam2 import SAM2Tracker

    rgb = np.rint(picture()[0] * 255).astype(np.uint8)
    tracker = SAM2Tracker(device="cpu", **micro.settings(tmp_path))
    features = encoded(tracker, rgb)
    maps = tracker.model.encode(tracker.model.prepare(rgb)).maps[-1]
    side = micro.SIZE // 16
    assert features.shape == (side, side, 256)
    assert features[1, 2] == pytest.approx(maps[side + 2, 0].numpy())
    check(soft_layers(rgb, features, QUICK), (60, 80, 3))


def test_links_are_those_of_the_formulas() -> None:
    rgb, _ = picture(24, 32)
    labels = np.repeat(np.repeat(np.arange(12, dtype=np.int32).reshape(3, 4), 8, 0), 8, 1)
    features = np.random.default_rng(0).random((24, 32, 3)).astype(np.float32) * np.float32(0.3)
    laplacian, at = links(rgb, features, labels)
    colour = [rgb[labels == s].mean(0) for s in range(12)]
    feature = [features[labels == s].mean(0) for s in range(12)]
    for s in range(12):
        for t in range(12):
            dy, dx = divmod(s, 4)[0] - divmod(t, 4)[0], divmod(s, 4)[1] - divmod(t, 4)[1]
            weight = 0.0
            if s != t and 8 * np.hypot(dy, dx) <= 0.2 * 32:
                weight += 0.01 * (erf(50 * (0.05 - np.linalg.norm(colour[s] - colour[t]))) + 1) / 2
            if abs(dy) + abs(dx) == 1:
                weight += 0.01 * max(erf(20 * (0.2 - np.linalg.norm(feature[s] - feature[t]))), 0)
            if s != t:
                assert -laplacian.toarray()[s, t] == pytest.approx(weight, abs=1e-7)
    assert np.abs(laplacian.sum(axis=1)).max() < 1e-12
    assert labels[at[:, 0], at[:, 1]].tolist() == list(range(12))
    assert np.abs(at - [(8 * (s // 4) + 3.5, 8 * (s % 4) + 3.5) for s in range(12)]).max() <= 0.5


def test_the_whole_laplacian_and_its_eigenvectors_are_those_of_dense_algebra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rgb = np.asarray(np.rint(picture(15, 20)[0] * 255) / 255, np.float32)
    seen: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []

    def spy(matrix: Any, count: int, watch: Any) -> Any:
        values, vectors = smallest_eigenvectors(matrix, count, watch)
        seen.append((matrix.toarray(), values, vectors))
        return values, vectors

    monkeypatch.setattr("trackmatte.select.layers.smallest_eigenvectors", spy)
    features = reduce_features(describe(rgb), rgb)
    how = Making(count=3, superpixels=30, eigenvectors=12, components=6)
    soft_layers(rgb, how=how)
    matrix, values, vectors = seen[0]
    # The matting Laplacian by pymatting, the links one by one on the pieces' middle pixels.
    dense = pymatting.cf_laplacian(rgb.astype(np.float64), epsilon=how.epsilon).toarray()
    labels = slic_segments(rgb, 30)
    laplacian, at = links(rgb, features, labels)
    linked = laplacian.toarray()
    assert len(at) > 10
    for s, (y, x) in enumerate(at):
        for t, (v, u) in enumerate(at):
            dense[y * 20 + x, v * 20 + u] += linked[s, t]
    assert np.abs(matrix - dense).max() < 1e-4 * np.abs(dense).max()
    exact, basis = np.linalg.eigh(dense)
    assert values == pytest.approx(exact[:12], abs=1e-4)
    gap = int(np.argmax(np.diff(exact[4:13]))) + 5  # a span is defined where the next value is apart
    assert np.linalg.svd(vectors[:, :gap].T @ basis[:, :gap], compute_uv=False).min() > 0.99


def test_far_pieces_of_one_colour_are_linked() -> None:
    rgb = np.zeros((20, 100, 3), np.float32)
    rgb[:, 10:20] = 1
    labels = np.repeat(np.arange(10, dtype=np.int32), 10)[None].repeat(20, 0)
    laplacian, _ = links(rgb, np.zeros((20, 100, 1), np.float32), labels)
    assert -laplacian.toarray()[0, 2] == pytest.approx(0.01, rel=1e-3)  # across the white one
    assert laplacian.toarray()[0, 3] == 0  # 30 px are more than 20 %


def test_relaxing_solves_each_rounds_system_and_never_climbs() -> None:
    rgb, true = picture(18, 20)
    operator = Operator(full_laplacian(rgb, 1e-4, np.float32))
    rng = np.random.default_rng(0)
    first = np.clip(true.reshape(-1, 3) + rng.normal(0, 0.15, (360, 3)), 0, 1).astype(np.float32)
    gamma = softness(rgb).ravel()
    found = relax(operator, first, gamma, rounds=1, inner=300, tolerance=1e-6)
    u, v = pulls(first, gamma[:, None])
    dense = operator.system.matrix().toarray().astype(np.float64)
    matrix = np.kron(np.ones((3, 3)), WHOLE * np.eye(360))
    for i in range(3):
        part = slice(360 * i, 360 * i + 360)
        matrix[part, part] += dense + np.diag(SPARSE * (u + v)[:, i] + FAITHFUL)
    right = SPARSE * v + FAITHFUL * first + WHOLE
    exact = np.linalg.solve(matrix, right.T.ravel()).reshape(3, 360).T
    assert found == pytest.approx(exact, abs=2e-3)
    energies = [energy(operator, first, first, gamma)]
    energies += [energy(operator, relax(operator, first, gamma, rounds=n), first, gamma) for n in range(1, 6)]
    assert (np.diff(energies) < 1e-3 * energies[0]).all()
    assert energies[-1] < 0.9 * energies[0]


def test_soft_places_may_stay_soft() -> None:
    ramp = np.linspace(0, 1, 20, dtype=np.float32)[None, :, None].repeat(20, 0).repeat(3, 2)
    flat = np.full_like(ramp, 0.5)
    assert softness(flat) == pytest.approx(0.9, abs=1e-5)
    inner = softness(ramp)[:, 5:15]
    assert inner == pytest.approx(min(1, 0.9 + np.sqrt(3) / 19), rel=0.02)


def test_features_keep_their_main_directions() -> None:
    rgb = np.full((30, 40, 3), 0.5, np.float32)
    y, x = np.mgrid[:30, :40] / 40
    raw = np.stack([5 * x, 5 * x, 3 * y, 0.01 * np.ones_like(x)], -1).astype(np.float32)
    found = reduce_features(raw, rgb)
    assert found.shape == (30, 40, 3)
    assert found.min() >= 0
    assert found.max() <= 1 + 1e-6
    assert abs(np.corrcoef(found[..., 0].ravel(), x.ravel())[0, 1]) > 0.99
    assert abs(np.corrcoef(found[..., 1].ravel(), y.ravel())[0, 1]) > 0.99


def test_the_descriptor_tells_textures_of_one_colour_apart() -> None:
    rgb = np.full((64, 64, 3), 0.5, np.float32)
    for x in range(32, 64):
        rgb[:, x] += 0.2 if x % 4 < 2 else -0.2
    far = describe(rgb)[32]
    assert far.shape == (64, 13)
    assert np.abs(far[48, 9:11] - far[16, 9:11]).min() > 0.2


def test_components_are_joined_by_their_features() -> None:
    alpha = np.eye(4, dtype=np.float32)
    features = np.array([[0.0], [1.0], [0.05], [0.95]], np.float32)
    joined = group(alpha, features, 2)
    assert sorted(map(tuple, joined.T.tolist())) == [(0, 1, 0, 1), (1, 0, 1, 0)]


def test_components_join_the_layer_that_was_there_before() -> None:
    alpha = np.array([[1, 0, 0], [0.4, 0.6, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    before = np.array([[0, 1, 0], [0, 1, 0], [1, 0, 0], [1, 0, 0]], np.float32)
    joined = group_as(alpha, before)
    np.testing.assert_allclose(joined, [[0, 1, 0], [0.6, 0.4, 0], [1, 0, 0], [1, 0, 0]], atol=1e-6)


def test_the_frame_before_decides_what_belongs_together() -> None:
    rgb, true = picture()
    sides = np.zeros((30, 40, 2), np.float32)  # at half the size
    sides[:, :20, 1] = sides[:, 20:, 0] = 1
    how = Making(**{**as_dict(QUICK), "count": 2})
    found = soft_layers(rgb, how=how, before=sides)
    check(found, (60, 80, 2))
    apart = np.abs(found[:, :30].mean((0, 1)) - found[:, 50:].mean((0, 1))).max()
    plain = soft_layers(rgb, how=how)
    assert apart > np.abs(plain[:, :30].mean((0, 1)) - plain[:, 50:].mean((0, 1))).max() + 0.2
    again = soft_layers(rgb, how=QUICK, before=true)
    assert max(best(again, true)) < 0.05
    many = np.zeros((90, 120, 40), np.float32)
    many[..., 3] = 1
    one = soft_layers(rgb, how=Making(**{**as_dict(QUICK), "count": 40}), before=many)
    assert one[..., 0].min() > 0.99


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (7, 300), (8, 8), (8, 9)])
def test_tiny_pictures_have_layers(shape: tuple[int, int]) -> None:
    rgb = np.random.default_rng(0).random((*shape, 3)).astype(np.float32)
    found = soft_layers(rgb, how=Making(count=min(3, shape[0] * shape[1])))
    check(found, (*shape, min(3, shape[0] * shape[1])))


def test_a_constant_picture_has_layers() -> None:
    check(soft_layers(np.full((20, 30, 3), 128, np.uint8), how=QUICK), (20, 30, 3))


@pytest.mark.parametrize(
    ("image", "features", "count", "words"),
    [
        (np.zeros((1, 2, 3)), None, 3, "3 layers of 2x1 pixels"),
        (np.full((9, 9, 3), np.nan), None, 2, "not finite"),
        (np.full((9, 9, 3), np.inf), None, 2, "not finite"),
        (np.broadcast_to(np.uint8(0), (10_000, 10_000, 3)), None, 2, "100 megapixels"),
        (np.zeros((9, 9, 3)), np.full((3, 3, 2), np.nan, np.float32), 2, r"features of shape \(3, 3, 2\)"),
        (np.zeros((9, 9, 3)), np.zeros((3, 3), np.float32), 2, r"features of shape \(3, 3\)"),
        (np.zeros((0, 9, 3)), None, 2, "not empty"),
    ],
)
def test_what_cannot_be_is_refused(image: Any, features: Any, count: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        soft_layers(image, features, Making(count=count))
