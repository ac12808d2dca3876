"""The weight-free tracker on synthetic shots."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.bench.vos_metrics import boundary_f, jaccard
from trackmatte.errors import PromptError, UsageError
from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.prompt import Prompt
from trackmatte.trackers import flow_contour as contour
from trackmatte.trackers.blend import blend
from trackmatte.trackers.flow import FlowTracker
from trackmatte.trackers.flow_features import JetDescriptor, fit_metric
from trackmatte.trackers.flow_memory import nearest, spread
from trackmatte.trackers.flow_motion import background_residual, estimate, luma, positions
from trackmatte.trackers.flow_scale import AREA, to_working, working_size
from trackmatte.trackers.flow_vote import vote

SIZE = (160, 120)


def texture(seed: int, size: tuple[int, int], low: float, high: float) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.random((size[1], size[0], 3), np.float32), (0, 0), 2)
    noise = (noise - noise.min()) / (noise.max() - noise.min())
    return (low + (high - low) * noise).astype(np.float32)


def shot(
    i: int, *, size: tuple[int, int] = SIZE, step: float = 3.0, wall: bool = False
) -> tuple[Frame, NDArray[np.bool_]]:
    """A reddish ellipse moves right before bluish noise; ``wall`` covers the middle third of the frame."""
    w, h = size
    back = texture(1, size, 20, 160) * (0.6, 0.9, 1.0)
    front = texture(2, size, 60, 250) * (1.0, 0.45, 0.3)
    x = w * 0.2 + step * i
    yy, xx = np.mgrid[:h, :w]
    mask = ((xx - x) / (w * 0.09)) ** 2 + ((yy - h * 0.5) / (h * 0.2)) ** 2 < 1
    rgb = np.where(mask[..., None], np.roll(front, round(step * i), 1), back)
    if wall:
        band = (xx > w * 0.35) & (xx < w * 0.65)
        rgb = np.where(band[..., None], texture(3, size, 90, 130), rgb)
        mask &= ~band
    return Frame(i, 1001 + i, Fraction(i, 24), np.rint(rgb).clip(0, 255).astype(np.uint8)), mask


def run(tracker: FlowTracker, indices: range, **kind: object) -> list[tuple[Mask, NDArray[np.bool_]]]:
    out = []
    for i in indices:
        frame, truth = shot(i, **kind)  # type: ignore[arg-type]
        out.append((tracker.step(frame)[0], truth))
    return out


def started(i: int = 0, **kind: object) -> FlowTracker:
    tracker = FlowTracker()
    frame, truth = shot(i, **kind)  # type: ignore[arg-type]
    tracker.prompt(frame, Prompt(frame.number, mask=truth))
    return tracker


@pytest.mark.parametrize("indices", [range(0, 12), range(11, -1, -1)], ids=["forward", "backward"])
def test_follows_a_moving_subject(indices: range) -> None:
    for mask, truth in run(started(indices[0]), indices):
        assert jaccard(mask.binary, truth) > 0.85
        assert boundary_f(mask.binary, truth) > 0.9
        assert mask.score > 0.5


def test_prompt_is_honoured_exactly_at_any_size_and_softness() -> None:
    frame, truth = shot(0)
    soft = cv2.GaussianBlur(truth.astype(np.float32), (0, 0), 2)
    for given in (truth, soft, cv2.resize(soft, (321, 243))):
        tracker = FlowTracker()
        told = tracker.prompt(frame, Prompt(1001, mask=given))
        (mask,) = tracker.step(frame)
        expected = np.asarray(given, np.float32)
        if expected.shape != truth.shape:
            expected = cv2.resize(expected, SIZE, interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(mask.binary, expected > 0.5)
        np.testing.assert_array_equal(mask.logits, told.logits)
        assert mask.score == 1


def test_later_prompt_anchors_again_and_replaces() -> None:
    tracker = started()
    frame, truth = shot(5)
    wrong = np.roll(truth, 40, 0)
    tracker.prompt(frame, Prompt(frame.number, mask=wrong))
    tracker.prompt(frame, Prompt(frame.number, mask=truth))
    masks = [m for m, _ in run(tracker, range(8))]
    np.testing.assert_array_equal(masks[5].binary, truth)


def test_restored_state_goes_on_with_the_same_bytes() -> None:
    def fresh() -> FlowTracker:
        tracker = started()
        frame, truth = shot(7)
        tracker.prompt(frame, Prompt(frame.number, mask=truth))
        return tracker

    whole = fresh()
    masks = [m for m, _ in run(whole, range(10))]
    half = fresh()
    run(half, range(4))
    state = half.snapshot("subject")
    assert all(isinstance(v, np.ndarray) and v.dtype != object for v in state.values())
    other = fresh()
    other.restore("subject", {k: v.copy() for k, v in state.items()})
    for expected, (mask, _) in zip(masks[4:], run(other, range(4, 10)), strict=True):
        assert mask.logits.tobytes() == expected.logits.tobytes()
        assert mask.score == expected.score


def test_second_pass_is_the_same_as_the_first() -> None:
    tracker = started()
    first = [m.logits.tobytes() for m, _ in run(tracker, range(5))]
    tracker.rewind()
    assert [m.logits.tobytes() for m, _ in run(tracker, range(5))] == first


def test_memory_does_not_grow() -> None:
    tracker = started()
    sizes = []
    for i in range(8):
        tracker.step(shot(i)[0])
        sizes.append(sum(v.nbytes for v in tracker.snapshot("subject").values()))
    assert len(set(sizes[1:])) == 1


def test_score_falls_behind_a_wall_and_recovers() -> None:
    masks = run(started(wall=True, step=5.0), range(20), wall=True, step=5.0)
    scores = [m.score for m, _ in masks]
    hidden = [s for s, (_, t) in zip(scores, masks, strict=True) if not t.any()]
    assert min(scores[:4]) > 0.5
    assert hidden
    assert min(hidden) < 0.1
    assert jaccard(masks[-1][0].binary, masks[-1][1]) > 0.6
    assert scores[-1] > 0.3


def test_objects_do_not_disturb_each_other_and_may_start_later() -> None:
    tracker = FlowTracker()
    (f0, t0), (f3, _) = shot(0), shot(3)
    still = np.zeros(SIZE[::-1], bool)
    still[10:30, 110:150] = True
    tracker.prompt(f0, Prompt(1001, "runner", mask=t0))
    tracker.prompt(f3, Prompt(1004, "patch", mask=still))
    for i in range(8):
        frame, truth = shot(i)
        masks = {m.object: m for m in tracker.step(frame)}
        assert list(masks) == (["runner"] if i < 3 else ["runner", "patch"])
        assert jaccard(masks["runner"].binary, truth) > 0.85
        if i >= 3:
            assert jaccard(masks["patch"].binary, still) > 0.7


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (40, 3), (33, 17), (35, 71)])
def test_tiny_and_odd_frames(size: tuple[int, int]) -> None:
    w, h = size
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 255, (h, w, 3), dtype=np.uint8)
    mask = np.zeros((h, w), bool)
    mask[: (h + 1) // 2, : (w + 1) // 2] = True
    tracker = FlowTracker()
    for i in range(3):
        frame = Frame(i, i, Fraction(i, 24), rgb)
        if i == 0:
            tracker.prompt(frame, Prompt(0, mask=mask))
        (out,) = tracker.step(frame)
        assert out.logits.shape == (h, w)
        assert np.isfinite(out.logits).all()


def test_grey_and_flat_frames() -> None:
    flat = np.full((48, 64, 3), 128, np.uint8)
    mask = np.zeros((48, 64), bool)
    mask[10:30, 20:40] = True
    tracker = FlowTracker()
    tracker.prompt(Frame(0, 0, Fraction(0), flat), Prompt(0, mask=mask))
    for i in range(3):
        (out,) = tracker.step(Frame(i, i, Fraction(i, 24), flat))
    assert jaccard(out.binary, mask) > 0.8
    assert to_working(np.zeros((20, 30), np.uint8)).shape == (20, 30, 3)


def test_large_frames_are_worked_on_at_a_bounded_scale() -> None:
    for height, width in ((480, 854), (540, 960), (1080, 1920), (2160, 3840), (4096, 100), (1, 100000)):
        rows, cols = working_size(height, width)
        assert rows * cols <= AREA * 1.01
        assert rows >= 1
        assert cols >= 1
    assert working_size(480, 854) == (480, 854)


def test_contour_upsamples_cleanly() -> None:
    yy, xx = np.mgrid[:60, :80]
    disk = np.hypot(xx - 40, yy - 30) < 17.3
    logits = contour.distance_logits(disk)
    big = cv2.resize(logits, (640, 480), interpolation=cv2.INTER_CUBIC) > 0
    by, bx = np.mgrid[:480, :640]
    truth = np.hypot((bx + 0.5) / 8 - 40.5, (by + 0.5) / 8 - 30.5) < 17.3
    assert jaccard(big, truth) > 0.96
    np.testing.assert_array_equal(logits > 0, disk)


def test_soft_logits_keep_sign_and_softness() -> None:
    p = np.clip((np.arange(64, dtype=np.float32) - 20) / 24, 0, 1)[None].repeat(8, 0)
    logits = contour.soft_logits(p)
    np.testing.assert_array_equal(logits > 0, p > 0.5)
    assert np.abs(logits).max() <= contour.FAR
    assert (np.diff(logits[4]) > -1.5).all()


def test_vote_finds_the_shifted_place() -> None:
    rng = np.random.default_rng(3)
    memory = rng.standard_normal((30, 40, 8)).astype(np.float32)
    present = np.roll(memory, (2, 3), (0, 1))
    labels = (rng.random((30, 40)) > 0.5).astype(np.float32)
    ys, xs = (a.ravel().astype(np.int32) for a in np.mgrid[8:22, 8:32])
    centre = np.stack([xs, ys], 1).astype(np.float32)
    v = vote(present, memory, labels, ys, xs, centre, radius=4, stride=1, temperature=0.002, leash=0.0)
    np.testing.assert_allclose(v.cost, 0, atol=1e-5)
    np.testing.assert_allclose(v.shift, np.tile([-3.0, -2.0], (len(ys), 1)), atol=0.05)
    np.testing.assert_allclose(v.prob, labels[ys - 2, xs - 3], atol=0.05)


def test_metric_separates_places_and_ignores_gain() -> None:
    rgb = shot(0)[0].rgb
    describe = JetDescriptor()
    metric = fit_metric(describe, [rgb], dims=12)
    a = metric(describe(rgb), (60, 80))
    b = metric(describe(np.clip(rgb * 1.05, 0, 255).astype(np.uint8)), (60, 80))
    same = ((a - b) ** 2).mean()
    other = ((a - np.roll(a, 15, 1)) ** 2).mean()
    assert a.shape == (60, 80, 12)
    assert same < 0.2 * other


def test_another_descriptor_can_be_plugged_in() -> None:
    class Colour:
        def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
            return cv2.resize(rgb.astype(np.float32), (40, 30), interpolation=cv2.INTER_AREA)

    tracker = FlowTracker(descriptor=Colour())
    frame, truth = shot(0)
    tracker.prompt(frame, Prompt(1001, mask=truth))
    for mask, t in run(tracker, range(5)):
        assert jaccard(mask.binary, t) > 0.8


def test_flow_and_camera_motion() -> None:
    rgb = texture(4, (200, 150), 0, 255).astype(np.uint8)
    moved = np.roll(rgb, (1, 4), (0, 1))
    flow = estimate(luma(rgb), luma(moved))
    middle = flow.back[30:-30, 30:-30].reshape(-1, 2)
    np.testing.assert_allclose(np.median(middle, 0), [-4, -1], atol=0.3)
    gap = background_residual(flow.back, np.ones(flow.trust.shape, np.float32))
    assert np.median(np.hypot(gap[..., 0], gap[..., 1])) < 0.3
    assert positions(2, 3)[1, 2].tolist() == [2, 1]


def test_blend_weighs_nearness_and_confidence() -> None:
    yes = Mask(3, "subject", np.full((4, 4), 2, np.float32), 0.9)
    no = Mask(3, "subject", np.full((4, 4), -2, np.float32), 0.9)
    assert blend(yes, no, 1.0) is yes
    assert blend(yes, no, 0.0) is no
    assert (blend(yes, no, 0.7).logits > 0).all()
    lost = Mask(3, "subject", np.full((4, 4), -12, np.float32), 0.0)
    assert (blend(lost, yes, 0.8).logits > 0).all()
    assert 0 <= blend(yes, no, 0.5).score <= 1


def test_memory_choice() -> None:
    assert spread([1, 2, 3, 4, 5], 3) == [1, 3, 5]
    assert spread([7], 3) == [7]
    assert nearest([0, 20, 40, 60], 25, 2) == [20, 40]
    assert nearest([0, 20], 25, 2) == [20, 0]


def test_bad_input_is_told() -> None:
    frame, _ = shot(0)
    with pytest.raises(PromptError, match="selects nothing"):
        FlowTracker().prompt(frame, Prompt(1001, mask=np.zeros(SIZE[::-1], bool)))
    with pytest.raises(UsageError, match="no setting"):
        FlowTracker(power=3)
    assert FlowTracker().step(frame) == []
    tracker = started()
    tracker.step(frame)
    with pytest.raises(UsageError, match="one size"):
        tracker.step(shot(1, size=(80, 60))[0])
