"""The flicker filter, on synthetic clips whose true alpha and motion are known."""

from __future__ import annotations

import weakref

import cv2
import numpy as np
import pytest

from tests.bench.matting_metrics import dtssd, mad
from trackmatte.errors import UsageError
from trackmatte.numerics import steady as module
from trackmatte.numerics.steady import SOFT, Steady, steadied

SIZE = (240, 160)
Clip = list[tuple[int, np.ndarray, np.ndarray]]


def texture(size: tuple[int, int], seed: int) -> np.ndarray:
    """Smooth colour noise that goes on from right to left, (H, W, 3) float32 in [0, 1]."""
    noise = np.random.default_rng(seed).random((size[1], size[0], 3), np.float32)
    noise = cv2.GaussianBlur(np.tile(noise, (1, 3, 1)), (0, 0), 2)[:, size[0] : 2 * size[0]]
    return (noise - noise.min()) / (noise.max() - noise.min())


def disc(x: float, size: tuple[int, int] = SIZE, edge: float = 6) -> np.ndarray:
    """Exact alpha of a disc with an edge of so many px, (H, W) float32."""
    w, h = size
    yy, xx = np.mgrid[:h, :w].astype(np.float32)
    return np.clip((h / 4 - np.hypot(xx - x, yy - h / 2)) / edge + 0.5, 0, 1).astype(np.float32)


def plate(alpha: np.ndarray, shift: int, seed: int = 3) -> np.ndarray:
    """A bright texture moved by ``shift`` px over a still dark one, (H, W, 3) uint8."""
    size = alpha.shape[::-1]
    front = 120 + 130 * np.roll(texture(size, seed), shift, axis=1)
    return np.rint(front * alpha[..., None] + 110 * texture(size, seed + 1) * (1 - alpha[..., None])).astype(
        np.uint8
    )


def moving(frames: int, step: int = 2, size: tuple[int, int] = SIZE) -> Clip:
    """A disc that moves by ``step`` px a frame, with its true alpha."""
    truths = [disc(size[0] / 3 + step * i, size) for i in range(frames)]
    return [(i, plate(a, step * i), a) for i, a in enumerate(truths)]


def jittered(clip: Clip, noise: float = 0.12) -> Clip:
    """The clip with noise of a few px on the soft pixels of every matte, another on each frame."""
    out = []
    for i, rgb, alpha in clip:
        grain = np.random.default_rng(100 + i).standard_normal(alpha.shape).astype(np.float32)
        grain = cv2.GaussianBlur(grain, (0, 0), 1.5)
        wrong = np.clip(alpha + grain * (noise / grain.std()), 0, 1)
        out.append((i, rgb, np.where((alpha > 0) & (alpha < 1), wrong, alpha).astype(np.float32)))
    return out


def run(clip: Clip, strength: float = 1.0) -> list[np.ndarray]:
    """Filter a clip, checking that every frame comes out once and in order."""
    found = list(steadied(clip, strength))
    assert [n for n, _ in found] == [n for n, _, _ in clip]
    return [alpha for _, alpha in found]


def flicker(mattes: list[np.ndarray], clip: Clip) -> float:
    """Mean dtSSD against the clip's own mattes."""
    pairs = range(1, len(clip))
    return float(np.mean([dtssd((mattes[i - 1], mattes[i]), (clip[i - 1][2], clip[i][2])) for i in pairs]))


def error(mattes: list[np.ndarray], clip: Clip) -> float:
    """Mean MAD against the clip's own mattes."""
    return float(np.mean([mad(m, a) for m, (_, _, a) in zip(mattes, clip, strict=True)]))


@pytest.mark.parametrize(("strength", "left"), [(0.5, 0.65), (1.0, 0.55)])
def test_flicker_of_a_moving_edge_falls_and_so_does_the_error(strength: float, left: float) -> None:
    clip = moving(8)
    noisy = jittered(clip)
    before, after = [a for _, _, a in noisy], run(noisy, strength)
    assert flicker(after, clip) < left * flicker(before, clip)
    assert error(after, clip) < 0.8 * error(before, clip)
    assert error(run(clip, strength), clip) < 0.2  # of 1000; the jitter errs by 3.4


def test_a_clean_still_clip_stays_untouched() -> None:
    rgb, grain = plate(alpha := disc(100), 0), np.random.default_rng(1)
    noisy = [np.clip(rgb + grain.normal(0, 2, rgb.shape), 0, 255).astype(np.uint8) for _ in range(4)]
    assert all(np.array_equal(a, alpha) for a in run([(i, rgb, alpha) for i in range(4)]))
    assert max(abs(a - alpha).max() for a in run([(i, p, alpha) for i, p in enumerate(noisy)])) < 0.01


def test_core_and_background_are_byte_identical() -> None:
    noisy = jittered(moving(5))
    after = run(noisy)
    for i in range(1, 4):
        own = noisy[i][2]
        hard = (own <= SOFT[0]) | (own >= SOFT[1])
        far = cv2.erode(hard.astype(np.uint8), np.ones((13, 13), np.uint8)) > 0
        assert far.mean() > 0.5
        assert after[i][far].tobytes() == own[far].tobytes()
        assert (after[i] != own).sum() > 200
        assert 0 <= after[i].min() <= after[i].max() <= 1


def test_a_hole_of_one_frame_is_filled_where_both_sides_say_so() -> None:
    alpha = np.full((96, 128), 0.5, np.float32)
    rgb = plate(disc(64, (128, 96)), 0)
    hole = slice(40, 50), slice(40, 50)
    holed = alpha.copy()
    holed[hole] = 0
    clip = [(0, rgb, alpha), (1, rgb, holed), (2, rgb, alpha)]
    np.testing.assert_allclose(run(clip)[1][hole], 1 / 3, atol=0.02)
    assert not run(clip[:2])[1][hole].any()


def test_nothing_bleeds_over_a_cut() -> None:
    first = jittered(moving(3))
    other = [(i + 3, plate(a, i, seed=40), a) for i, (_, _, a) in enumerate(moving(3))]
    second = [(i, rgb, noisy[2]) for (i, rgb, _), noisy in zip(other, jittered(other), strict=True)]
    whole = run(first + second)
    for got, alone in zip(whole, run(first) + run(second), strict=True):
        assert got.tobytes() == alone.tobytes()
    assert any(not np.array_equal(g, a) for g, (_, _, a) in zip(whole, first + second, strict=True))


def test_a_flash_to_white_is_a_cut() -> None:
    clip = jittered(moving(3))
    clip[1] = (1, np.full_like(clip[1][1], 255), clip[1][2])
    assert all(np.array_equal(got, a) for got, (_, _, a) in zip(run(clip), clip, strict=True))


@pytest.mark.parametrize("gain", [0.08, 0.4, 1.5, (0.15, 1.5)])
def test_a_change_of_light_is_no_cut_and_does_not_smear(gain: float | tuple[float, float]) -> None:
    """The exposure changes, or the light comes from the right all at once."""
    clip = moving(6)
    light = np.linspace(*gain, SIZE[0])[:, None] if isinstance(gain, tuple) else np.array(gain)
    lit = [np.clip(rgb * (light if i >= 3 else 1.0), 0, 255).astype(np.uint8) for i, rgb, _ in clip]
    noisy = [(i, rgb, a) for rgb, (i, _, a) in zip(lit, jittered(clip), strict=True)]
    after = run(noisy)
    assert flicker(after, clip) < 0.75 * flicker([a for _, _, a in noisy], clip)
    for i in (2, 3):
        assert error(after[i : i + 1], clip[i : i + 1]) < 0.75 * error([noisy[i][2]], clip[i : i + 1])
    assert error(run([(i, rgb, a) for rgb, (i, _, a) in zip(lit, clip, strict=True)]), clip) < 0.5


@pytest.mark.parametrize("step", [6, 18])
def test_an_occluder_leaves_no_ghost(step: int) -> None:
    """A bar that holds the subject out, moving across it."""
    alpha = disc(120)
    bar = texture(SIZE, 77) * 80 + 20
    clip = []
    for i in range(6):
        left = 80 + step * i
        inside = np.zeros(SIZE[::-1], np.float32)
        inside[:, left : left + 16] = 1
        inside = cv2.GaussianBlur(inside, (0, 0), 0.8)
        rgb = plate(alpha, 0) * (1 - inside[..., None]) + np.roll(bar, left, axis=1) * inside[..., None]
        clip.append((i, np.rint(rgb).astype(np.uint8), np.asarray(alpha * (1 - inside), np.float32)))
    after = run(clip)
    for got, (_, _, a) in zip(after, clip, strict=True):
        hidden = cv2.erode((a <= SOFT[0]).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        assert np.array_equal(got[hidden], a[hidden])
    assert error(after, clip) < 1.0


def test_an_occluder_of_one_frame_leaves_no_ghost() -> None:
    alpha = np.full(SIZE[::-1], 0.5, np.float32)
    rgb = plate(disc(120), 0)
    behind, hidden = rgb.copy(), alpha.copy()
    behind[:, 100:130] = np.rint(texture(SIZE, 9) * 255)[:, 100:130]
    hidden[:, 100:130] = 0
    after = run([(0, rgb, alpha), (1, behind, hidden), (2, rgb, alpha)])[1]
    assert after[:, 104:126].max() < 0.05


def test_what_lies_outside_the_neighbour_is_not_trusted() -> None:
    link = module._Link(np.full((4, 6, 2), (2, 0), np.float32), np.ones((4, 6), np.float32))
    trust = link.carry(np.ones((4, 6), np.float32), *np.nonzero(np.ones((4, 6))))[1].reshape(4, 6)
    assert (trust == [1, 1, 1, 1, 0, 0]).all()


def test_a_matte_that_jumps_on_a_still_picture_is_not_averaged() -> None:
    rgb = plate(disc(120), 0)
    low, high = (np.full(SIZE[::-1], level, np.float32) for level in (0.05, 0.95))
    for got, alpha in zip(run([(0, rgb, low), (1, rgb, high)]), (low, high), strict=True):
        assert np.abs(got - alpha).max() < 0.02


def test_flow_that_does_not_lead_back_is_not_trusted() -> None:
    ahead = np.full((8, 9, 2), 3, np.float32)
    assert module._agreement(ahead, -ahead).min() == 1
    assert module._agreement(ahead, 0 * ahead).max() < 1e-6
    assert 0.3 < module._agreement(ahead, 0.1 - ahead).min() < 1


@pytest.mark.parametrize("light", [np.array(0.1), np.linspace(0.2, 1, SIZE[0])], ids=["dark", "ramp"])
@pytest.mark.parametrize("turned", [False, True])
def test_light_costs_little_trust(light: np.ndarray, turned: bool) -> None:
    first, second = (module._reduced_luma(rgb) for _, rgb, _ in moving(2, step=5))
    lit = np.rint(second * light).astype(np.uint8)
    trust = []
    for pair in ((first, second), (first, lit)):
        links = module._links(*(pair[::-1] if turned else pair))
        assert links
        trust.append(np.mean([link.trust.mean() for link in links]))
        assert (links[0].trust <= module._agreement(links[0].flow, links[1].flow) + 1e-6).all()
    assert trust[1] > 0.9 * trust[0]


def test_one_frame_and_two_frames() -> None:
    clip = jittered(moving(2))
    assert run(clip[:1])[0] is clip[0][2]
    assert all(not np.array_equal(got, a) for got, (_, _, a) in zip(run(clip), clip, strict=True))
    assert run([]) == []
    assert Steady().finish() == []


@pytest.mark.parametrize("gap", [0, 1, 3, 7, -2])
def test_a_gap_starts_anew(gap: int) -> None:
    first = jittered(moving(3))
    second = [(i + 3 + gap, rgb, a) for i, rgb, a in jittered(moving(3, step=1))]
    if gap == 0:
        second = [(i, rgb[:, :-1], a[:, :-1]) for i, rgb, a in second]  # another size instead
    for got, alone in zip(run(first + second), run(first) + run(second), strict=True):
        assert got.tobytes() == alone.tobytes()


def test_parts_that_overlap_by_a_frame_come_out_like_the_whole() -> None:
    clip = jittered(moving(7))
    whole = run(clip)
    assert np.array_equal(run(clip[2:6])[1], whole[3])
    assert np.array_equal(run(clip[2:6])[2], whole[4])


def test_strength_0_returns_every_matte_at_once() -> None:
    steady = Steady(0)
    for i, rgb, alpha in jittered(moving(3)):
        ((index, got),) = steady.push(i, rgb, alpha)
        assert (index, steady.held) == (i, 0)
        assert got is alpha
    assert steady.finish() == []


def test_it_looks_one_frame_ahead_and_holds_few() -> None:
    steady = Steady()
    alive: list[weakref.ref[np.ndarray]] = []
    for i, rgb, clean in moving(8, size=(96, 64)):
        alpha, kept = (jittered([(i, rgb, clean)])[0][2] for _ in range(2))
        assert [n for n, _ in steady.push(i, rgb, alpha)] == ([i - 1] if i else [])
        assert np.array_equal(alpha, kept)
        alive.append(weakref.ref(alpha))
        assert steady.held == sum(a() is not None for a in alive) == min(i + 1, 2)
    assert [n for n, _ in steady.finish()] == [7]
    assert steady.held == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (33, 1), (31, 17), (33, 35), (101, 67), (1001, 35)])
def test_every_size(size: tuple[int, int]) -> None:
    w, h = size
    rng = np.random.default_rng(w)
    rgb = rng.integers(0, 256, (h, w, 3), np.uint8)
    clip = [(i, rgb, rng.random((h, w), np.float32)) for i in range(4)]
    for alpha in run(clip):
        assert (alpha.shape, alpha.dtype) == ((h, w), np.float32)
        assert 0 <= alpha.min() <= alpha.max() <= 1


def test_motion_is_estimated_on_a_bounded_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = moving(5, step=6)
    noisy = jittered(clip)
    monkeypatch.setattr(module, "WIDEST", 120)
    monkeypatch.setattr(module, "_PART", 500)
    assert module._reduced_luma(clip[0][1]).shape == (80, 120)
    after = run(noisy)
    assert flicker(after, clip) < 0.65 * flicker([a for _, _, a in noisy], clip)


@pytest.mark.parametrize(
    ("rgb", "alpha", "words"),
    [
        (np.zeros((4, 5, 3), np.float32), np.zeros((4, 5), np.float32), "float32 .*uint8"),
        (np.zeros((0, 5, 3), np.uint8), np.zeros((0, 5), np.float32), r"\(0, 5, 3\)"),
        (np.zeros((4, 5, 3), np.uint8), np.zeros((5, 4), np.float32), r"\(5, 4\).*\(4, 5\)"),
        (np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5)), "float64"),
    ],
)
def test_wrong_input_is_refused(rgb: np.ndarray, alpha: np.ndarray, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Steady().push(0, rgb, alpha)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_wrong_strength_is_refused(strength: float) -> None:
    with pytest.raises(UsageError, match="strength"):
        Steady(strength)
