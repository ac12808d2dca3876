"""What SAM 2 remembers: bounds, the confident policy on made-up scores, and plain arrays."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from trackmatte.trackers.sam2_memory import Output, Recall, box_of, overlap  # noqa: E402

CPU = torch.device("cpu")


def output(n: int, x: int = 0, *, score: float = 5.0, iou: float = 0.9) -> Output:
    """Return an output that can be told by ``n``, with a 4 x 4 mask at column ``x``."""
    masks = torch.full((1, 1, 16, 64), -5.0)
    masks[..., 4:8, x : x + 4] = 5.0
    memory = torch.full((1, 2, 4, 4), float(n)).to(torch.bfloat16)
    return Output(torch.full((1, 8), float(n)), torch.tensor([[score]]), iou, masks, memory)


def told(recall: Recall, index: int, sign: int = 1) -> dict[int, int]:
    return {i: int(o.pointer[0, 0]) for i, o in recall.window(index, sign).items()}


@pytest.mark.parametrize("sign", [1, -1])
def test_bounded_and_complete(sign: int) -> None:
    recall = Recall(6, 15, "sam2")
    for n in range(100):
        recall.add(50 + sign * n, output(n))
        seen = told(recall, 50 + sign * (n + 1), sign)
        for lag in range(1, min(n + 1, 15) + 1):
            assert seen[50 + sign * (n + 1 - lag)] == n + 1 - lag
        window = recall.window(50 + sign * (n + 1), sign)
        for lag in range(1, min(n + 1, 6) + 1):
            assert window[50 + sign * (n + 1 - lag)].memory is not None
        assert len(recall.outputs) <= 16
        assert sum(o.memory is not None for o in recall.outputs.values()) <= 7
        assert sum(o.masks is not None for o in recall.outputs.values()) <= 1


def test_gaps_do_not_keep_old_frames() -> None:
    recall = Recall(6, 15, "sam2")
    recall.add(0, output(0))
    recall.add(40, output(1))
    assert list(recall.outputs) == [40]


def test_confident_keeps_what_was_seen_before_an_occlusion() -> None:
    recall, plain = Recall(6, 15, "confident"), Recall(6, 15, "sam2")
    for n in range(10):
        recall.add(n, output(n))
        plain.add(n, output(n))
    for n in range(10, 40):  # hidden
        recall.add(n, output(n, score=-3.0))
        plain.add(n, output(n, score=-3.0))
    assert told(recall, 40) == {40 - lag: 10 - lag for lag in range(1, 11)}
    assert set(told(plain, 40).values()) == set(range(24, 40))
    assert all(recall.window(40, 1)[i].memory is not None for i in range(34, 40))


def test_confident_leaves_out_unsure_frames_and_jumps() -> None:
    recall = Recall(6, 15, "confident")
    for n in range(4):
        recall.add(n, output(n, x=2 * n))
    recall.add(4, output(4, x=8, iou=0.2))
    recall.add(5, output(5, x=50))  # far from where the motion led
    recall.add(6, output(6, x=12))
    assert list(told(recall, 7).values()) == [6, 3, 2, 1, 0]
    assert list(told(recall, 7)) == [6, 5, 4, 3, 2]


def test_confident_believes_again_after_a_long_loss() -> None:
    recall = Recall(6, 15, "confident")
    for n in range(3):
        recall.add(n, output(n, x=n))
    recall.add(30, output(30, x=50))
    assert told(recall, 31)[30] == 30


@pytest.mark.parametrize("policy", ["sam2", "confident"])
def test_arrays_bring_everything_back(policy: str) -> None:
    recall = Recall(6, 15, policy)
    for n in range(20):
        recall.add(n, output(n, x=n))
    state = {k: np.array(v) for k, v in recall.snapshot("r.").items()}
    assert all(not a.dtype.hasobject for a in state.values())
    other = Recall(6, 15, policy)
    other.restore(state, "r.", CPU)
    for n in range(20, 30):
        recall.add(n, output(n, x=n))
        other.add(n, output(n, x=n))
    a, b = recall.outputs, other.outputs
    assert list(a) == list(b)
    for i in a:
        assert torch.equal(a[i].pointer, b[i].pointer)
        assert (a[i].memory is None) == (b[i].memory is None)
        if a[i].memory is not None:
            assert b[i].memory.dtype == torch.bfloat16
            assert torch.equal(a[i].memory, b[i].memory)
    assert recall.trusted == other.trusted


def test_boxes() -> None:
    assert box_of(torch.full((4, 4), -1.0)) is None
    assert box_of(output(0, 3).masks[0, 0]) == (3, 4, 7, 8)
    assert overlap((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 2, 2), (2, 0, 3, 2)) == 0
